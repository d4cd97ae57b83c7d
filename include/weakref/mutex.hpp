// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_MUTEX_HPP
#define WEAKREF_MUTEX_HPP

// The mutexes of the containers. Any BasicLockable can stand in for them whose unlock() does not touch the
// mutex once another thread can lock it: a container may be destroyed by the next one who does. std::mutex
// on glibc qualifies.

#include <weakref/assert.hpp>
#include <weakref/detail/base/config.hpp>
#include <weakref/detail/base/parking.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace weakref {
inline namespace v0 {

namespace detail {
/// How many threads are parked, counted apart by some bits of their mutexes' addresses. Outside the mutexes,
/// because the next holder may destroy the one that is being unlocked.
inline constexpr std::size_t parking_places = 64;
extern WEAKREF_API std::atomic<std::uint32_t> parked[parking_places];
inline std::atomic<std::uint32_t>& parked_at(const void* mutex) noexcept {
  return parked[(reinterpret_cast<std::uintptr_t>(mutex) >> 6) % parking_places];
}
} // namespace detail

/// A four-byte mutex: spins briefly, since the library's locks are held for some tens of nanoseconds, then
/// parks. Not recursive, not fair.
///
/// Cost: one atomic read-modify-write for an uncontended lock, none for its unlock; who parks pays for that
/// with a system call more (src/mutex.cpp).
class adaptive_mutex {
 public:
  /// Unlocked.
  constexpr adaptive_mutex() noexcept = default;
  adaptive_mutex(const adaptive_mutex&) = delete;
  adaptive_mutex& operator=(const adaptive_mutex&) = delete;

  /// Waits until it is unlocked, and locks it: some hundred nanoseconds awake, then asleep.
  void lock() noexcept {
    if (!try_lock()) [[unlikely]]
      lock_slow();
  }
  /// Locks it if it is unlocked, and says whether it has. Never waits, never fails without a reason.
  bool try_lock() noexcept { return detail::try_to_lock(state_); }
  /// Unlocks it and wakes one who sleeps. Once another thread can lock it, it is not touched any more: that
  /// thread may destroy it.
  void unlock() noexcept {
    WEAKREF_ASSERT(state_.load(std::memory_order_relaxed) == detail::mutex_locked,
                   "an adaptive_mutex is unlocked that nobody has locked");
    detail::unlock_and_wake<machine>(state_, detail::parked_at(this));
  }

 private:
  struct machine {
    static constexpr void point() noexcept {}
    static void wake_one(std::atomic<int>* state) noexcept { adaptive_mutex::wake_one(state); }
  };
  WEAKREF_API void lock_slow() noexcept;
  WEAKREF_API static void wake_one(std::atomic<int>* state) noexcept;

  std::atomic<int> state_{detail::mutex_unlocked};
};

/// Locks nothing: for containers that one thread uses, on which their referents die as well.
struct null_mutex {
  void lock() noexcept {}                   ///< Nothing.
  bool try_lock() noexcept { return true; } ///< Nothing; always true.
  void unlock() noexcept {}                 ///< Nothing.
};

} // namespace v0
} // namespace weakref

#endif
