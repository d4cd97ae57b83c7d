// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_BASE_SYNC_HPP
#define WEAKREF_DETAIL_BASE_SYNC_HPP

// The seam through which tests steer threads. Every place where two threads can meet goes through a policy
// `Sync`: a type with four static functions. The default costs nothing; tests pass one that hands control to
// a scheduler and so run the real code under every interleaving. A policy and not a macro, because a macro
// would give one program two versions of the same function.

#include <weakref/detail/base/config.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace weakref {
inline namespace v0 {
namespace detail {

/// Where a thread stands when it calls Sync::point.
enum class sync_point : unsigned char {
  before_list_lock,
  after_list_unlock,
  before_owner_lock, // weak_ptr::lock
  after_owner_lock,
  before_expired,
  after_expired,
  before_release, // an owner is let go
  after_release,
  death,    // the deleter's entry
  unlocked, // between two atomic steps that no lock protects
};

/// One turn of waiting for a watch list's lock bit: pauses, later yields.
WEAKREF_API void relax(unsigned& spins) noexcept;

// Not inline: the standard library keeps its waiting threads in a table which, compiled into two plugins, may
// be there twice, and then neither wakes the other's.
WEAKREF_API void wait_while(const std::atomic<std::uint32_t>& word, std::uint32_t old) noexcept;
WEAKREF_API void wake_all(std::atomic<std::uint32_t>& word) noexcept;

/// What came before a value that was just read without an order is seen from here on. (Not inline: g++ warns of fences
/// where ThreadSanitizer is on.)
WEAKREF_API void acquire_fence() noexcept;

struct WEAKREF_API default_sync {
  static constexpr void point(sync_point) noexcept {}
  static void relax(unsigned& spins) noexcept { detail::relax(spins); }
  static void wait(const std::atomic<std::uint32_t>& word, std::uint32_t old) noexcept {
    wait_while(word, old);
  }
  static void notify_all(std::atomic<std::uint32_t>& word) noexcept { wake_all(word); }
};

template <class Carrier> struct find_sync { using type = default_sync; };
template <class Carrier>
  requires requires { typename Carrier::weakref_sync; }
struct find_sync<Carrier> {
  using type = typename Carrier::weakref_sync;
};
/// The policy that a mutex or a callback type brings along as `weakref_sync`.
template <class Carrier> using sync_of = typename find_sync<Carrier>::type;

template <class Sync, class T> std::shared_ptr<T> lock_owner(const std::weak_ptr<T>& weak) noexcept {
  Sync::point(sync_point::before_owner_lock);
  std::shared_ptr<T> owner = weak.lock();
  Sync::point(sync_point::after_owner_lock);
  return owner;
}

template <class Sync, class T> bool is_expired(const std::weak_ptr<T>& weak) noexcept {
  Sync::point(sync_point::before_expired);
  const bool expired = weak.expired();
  Sync::point(sync_point::after_expired);
  return expired;
}

/// Lets an owner go. Whoever calls it may run the referent's death, and with it any user code.
template <class Sync, class T> void release_owner(std::shared_ptr<T>& owner) noexcept {
  Sync::point(sync_point::before_release);
  owner.reset();
  Sync::point(sync_point::after_release);
}

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
