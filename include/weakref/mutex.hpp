// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_MUTEX_HPP
#define WEAKREF_MUTEX_HPP

// The mutexes of the containers. Any BasicLockable can stand in for them whose unlock() does not touch the
// mutex once another thread can lock it: a container may be destroyed by the next one who does. std::mutex
// on glibc qualifies.

#include <weakref/detail/config.hpp>

#include <atomic>

namespace weakref {
inline namespace v0 {

/// A four-byte mutex: spins briefly, since the library's locks are held for some tens of nanoseconds, then
/// parks. Not recursive, not fair.
///
/// Cost: two atomic read-modify-writes for an uncontended lock and unlock.
class adaptive_mutex {
 public:
  constexpr adaptive_mutex() noexcept = default;
  adaptive_mutex(const adaptive_mutex&) = delete;
  adaptive_mutex& operator=(const adaptive_mutex&) = delete;

  void lock() noexcept {
    if (!try_lock()) [[unlikely]]
      lock_slow();
  }
  bool try_lock() noexcept {
    int expected = unlocked;
    // acquire: pairs with the release in unlock()
    return state_.compare_exchange_strong(expected, locked, std::memory_order_acquire,
                                          std::memory_order_relaxed);
  }
  void unlock() noexcept {
    // release: pairs with the acquire of the next lock. The state is not touched afterwards: waking needs the
    // address only.
    if (state_.exchange(unlocked, std::memory_order_release) == contended) [[unlikely]]
      wake_one(&state_);
  }

 private:
  enum : int { unlocked, locked, contended };
  WEAKREF_API void lock_slow() noexcept;
  WEAKREF_API static void wake_one(std::atomic<int>* state) noexcept;

  std::atomic<int> state_{unlocked};
};

/// Locks nothing: for containers that one thread uses, on which their referents die as well.
struct null_mutex {
  void lock() noexcept {}
  bool try_lock() noexcept { return true; }
  void unlock() noexcept {}
};

} // namespace v0
} // namespace weakref

#endif
