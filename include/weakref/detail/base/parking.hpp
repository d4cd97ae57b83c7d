// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_BASE_PARKING_HPP
#define WEAKREF_DETAIL_BASE_PARKING_HPP

// How a thread parks at an adaptive_mutex and is woken by who unlocks it: the steps whose order src/mutex.cpp explains.
// `Machine` is what they stand on beside the two atomics, and as in sync.hpp the seam through which tests steer threads:
// point() comes before each step on an atomic, and the product's does nothing.

#include <atomic>
#include <cstdint>

namespace weakref {
inline namespace v0 {
namespace detail {

enum mutex_state : int { mutex_unlocked, mutex_locked };

/// Whether this thread has locked it.
inline bool try_to_lock(std::atomic<int>& state) noexcept {
  int expected = mutex_unlocked;
  // acquire: pairs with the release in unlock_and_wake()
  return state.compare_exchange_strong(expected, mutex_locked, std::memory_order_acquire,
                                       std::memory_order_relaxed);
}

/// Once another thread can lock it, the mutex is not touched any more: waking needs its address only.
template <class Machine>
inline void unlock_and_wake(std::atomic<int>& state, const std::atomic<std::uint32_t>& parked) noexcept {
  Machine::point();
  // release: pairs with the acquire of the next lock
  state.store(mutex_unlocked, std::memory_order_release); // 1
  std::atomic_signal_fence(std::memory_order_seq_cst);
  Machine::point();
  if (parked.load(std::memory_order_relaxed) != 0) [[unlikely]] // 2
    Machine::wake_one(&state);                                  // 3
}

/// Returns when this thread has locked it.
template <class Machine> void park(std::atomic<int>& state, std::atomic<std::uint32_t>& parked) noexcept {
  Machine::point();
  parked.fetch_add(1, std::memory_order_seq_cst);                 // a
  const bool is_woken = Machine::fence_all_threads();             // b
  for (Machine::point(); !try_to_lock(state); Machine::point()) { // c
    if (is_woken) {
      Machine::wait(state, mutex_locked);
    } else {
      Machine::nap();
    }
  }
  Machine::point();
  parked.fetch_sub(1, std::memory_order_relaxed); // d
}

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
