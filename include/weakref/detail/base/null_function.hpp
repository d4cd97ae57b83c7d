// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_BASE_NULL_FUNCTION_HPP
#define WEAKREF_DETAIL_BASE_NULL_FUNCTION_HPP

// Whether a user's function is one. Without <functional>, which would double the cost of ref.hpp.

#include <weakref/detail/base/config.hpp>

#include <concepts>
#include <cstddef>

namespace weakref {
inline namespace v0 {
namespace detail {

template <class Shown, class F> struct forward_callback;

/// Pointers to functions and members, std::function and its like. A lambda can be compared with null too, but
/// never be it.
template <class F>
concept nullable_function = std::constructible_from<F, std::nullptr_t> && requires(const F& f) {
  { f == nullptr } -> std::convertible_to<bool>;
};

/// Whether there is nothing to call: a null pointer to a function or a member, or an empty std::function.
template <class F> bool is_null_function([[maybe_unused]] const F& f) noexcept {
  if constexpr (nullable_function<F>) {
    return f == nullptr;
  } else {
    return false;
  }
}
template <class Shown, class F> bool is_null_function(const forward_callback<Shown, F>& f) noexcept {
  return detail::is_null_function(f.function);
}

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
