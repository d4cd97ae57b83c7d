// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_BASE_WEAK_POINTER_HPP
#define WEAKREF_DETAIL_BASE_WEAK_POINTER_HPP

// The address inside a std::weak_ptr, readable after death. The standard offers it only through lock(), that
// is, through two atomic operations and never for a dead referent; but identity and hash must outlive the
// referent, and `visit` must not touch the count. Storing the address a second time would make every ref and
// every dictionary entry eight bytes larger. All three standard libraries keep it in the first word; whoever
// stores a weak_ptr checks that once (holds_address), and tests do so for every way of making one.

#include <weakref/detail/base/config.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace weakref {
inline namespace v0 {
namespace detail {

template <class T> T* address_of(const std::weak_ptr<T>& weak) noexcept {
  static_assert(sizeof(std::weak_ptr<T>) == 2 * sizeof(void*));
  T* address;
  __builtin_memcpy(&address, static_cast<const void*>(&weak), sizeof address); // <cstring> is 1 % of <memory>
  return address;
}

template <class T> bool holds_address(const std::weak_ptr<T>& weak, const void* expected) noexcept {
  return detail::address_of(weak) == expected;
}

/// The same owner and the same T*: two elements of one arena are two referents, and so is a new object at a
/// dead one's address.
template <class T> bool same_referent(const std::weak_ptr<T>& a, const std::weak_ptr<T>& b) noexcept {
  return detail::address_of(a) == detail::address_of(b) && !a.owner_before(b) && !b.owner_before(a);
}

/// The same owner without its type, for functions that need not be compiled for each: a copy of its two words that
/// counts for nothing, and that is never destroyed.
class untyped_owner {
 public:
  template <class T> explicit untyped_owner(const std::shared_ptr<T>& owner) noexcept {
    static_assert(sizeof owner == sizeof view_.owner);
    __builtin_memcpy(static_cast<void*>(&view_.owner), static_cast<const void*>(&owner), sizeof owner);
  }
  const std::shared_ptr<const void>& get() const noexcept { return view_.owner; }

 private:
  union view {
    view() noexcept {}
    ~view() {}
    std::shared_ptr<const void> owner;
  } view_;
};

/// Spreads the entropy of a 64-bit value over all its bits: the two halves of a 128-bit product, folded.
constexpr std::uint64_t mix(std::uint64_t value) noexcept {
  __extension__ using wide = unsigned __int128;
  const wide product = static_cast<wide>(value ^ 0x2545f4914f6cdd1dU) * 0x9e3779b97f4a7c15U;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

inline std::uint64_t hash_address(const volatile void* address) noexcept {
  return mix(reinterpret_cast<std::uintptr_t>(address));
}

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
