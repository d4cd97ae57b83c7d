// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_BASE_FORWARD_CALLBACK_HPP
#define WEAKREF_DETAIL_BASE_FORWARD_CALLBACK_HPP

// The callback of something that is built on a ref and shows itself, not that ref, to the user's function.

#include <weakref/detail/base/null_function.hpp>
#include <weakref/detail/base/sync.hpp>

#include <concepts>
#include <functional>

namespace weakref {
inline namespace v0 {
namespace detail {

template <class Shown, class F> struct forward_callback {
  static_assert(std::invocable<F&, Shown&> || std::invocable<F&>,
                "the callback takes what it was given to, or nothing");
  using weakref_sync = sync_of<F>;

  void operator()() {
    if constexpr (std::invocable<F&, Shown&>) {
      std::invoke(function, *shown);
    } else {
      std::invoke(function);
    }
  }

  Shown* shown;
  [[no_unique_address]] F function;
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
