// SPDX-License-Identifier: BSL-1.0
#include <weakref/mutex.hpp>

#include <weakref/detail/sync.hpp>

namespace weakref {
inline namespace v0 {

void adaptive_mutex::lock_slow() noexcept {
  constexpr unsigned rounds = 40; // some hundred nanoseconds; most critical sections are shorter
  for (unsigned spins = 0; spins < rounds;) {
    if (state_.load(std::memory_order_relaxed) == unlocked && try_lock()) return;
    detail::relax(spins);
  }
  // From here on the state says `contended` while this thread sleeps, and also when it gets the mutex: it
  // can't know whether others sleep too. acquire: pairs with the release in unlock().
  while (state_.exchange(contended, std::memory_order_acquire) != unlocked)
    state_.wait(contended, std::memory_order_relaxed);
}

void adaptive_mutex::wake_one(std::atomic<int>* state) noexcept { state->notify_one(); }

} // namespace v0
} // namespace weakref
