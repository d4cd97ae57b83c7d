// SPDX-License-Identifier: BSL-1.0
#include <weakref/mutex.hpp>

// How an unlock does without an atomic read-modify-write and still wakes who sleeps. The steps themselves are in
// detail/base/parking.hpp.
//
//   unlock  1  The mutex says `unlocked`: a plain store.
//           2  Is somebody parked here?
//           3  If so, wake one.
//   park    a  Count this thread as parked here.
//           b  Make every thread of the process pass a full fence.
//           c  Lock the mutex; while that fails, sleep until it says something else than `locked`.
//           d  Count this thread out.
//
// A store waits in its core's buffer while later loads are done, so others may see 1 after 2. The usual remedy, a
// full fence between them, is what the read-modify-write would pay for each unlock; here the rare one who parks pays
// for everybody (b, a system call). Each unlock's 2 comes before b on its core or after it:
//
//   2 before b  then 1 has left the buffer at b, and c finds the mutex unlocked, or locked by a later holder, of
//               whose unlock the same can be said
//   2 after b   then 2 finds the count of a, and 3 wakes this thread or one that was parked before; who is woken
//               unlocks in its turn while this thread is still counted
//
// Where the system has no such fence, who parks looks again after a short sleep instead of waiting to be woken.

#include <weakref/detail/base/sync.hpp>

#include <chrono>
#include <thread>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace weakref {
inline namespace v0 {
namespace detail {

constinit std::atomic<std::uint32_t> parked[parking_places]{};

namespace {

#ifdef SYS_membarrier
// Of the kernel's interface, where headers older than it do not have them.
constexpr int private_expedited = 1 << 3;
constexpr int register_private_expedited = 1 << 4;

bool membarrier(int command) noexcept { return ::syscall(SYS_membarrier, command, 0, 0) == 0; }
// While the program is loaded: with a second thread running it would take some ten milliseconds.
[[maybe_unused]] const bool is_registered = membarrier(register_private_expedited);

/// False, and not done, where the system has no such thing, or not yet.
bool fence_all() noexcept { return membarrier(private_expedited); }
#else
bool fence_all() noexcept { return false; }
#endif

/// What parking stands on.
struct sleeping {
  static constexpr void point() noexcept {}
  static bool fence_all_threads() noexcept { return fence_all(); }
  static void wait(const std::atomic<int>& state, int old) noexcept {
    state.wait(old, std::memory_order_relaxed);
  }
  static void nap() noexcept { std::this_thread::sleep_for(std::chrono::microseconds(50)); }
};

} // namespace
} // namespace detail

void adaptive_mutex::lock_slow() noexcept {
  constexpr unsigned rounds = 40; // some hundred nanoseconds; most critical sections are shorter
  for (unsigned spins = 0; spins < rounds;) {
    if (state_.load(std::memory_order_relaxed) == detail::mutex_unlocked && try_lock()) return;
    detail::relax(spins);
  }
  detail::park<detail::sleeping>(state_, detail::parked_at(this));
}

void adaptive_mutex::wake_one(std::atomic<int>* state) noexcept {
  // The standard library asks whether anybody waits, too: after the store.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan" // ThreadSanitizer knows no fences, and here it has nothing to order
#endif
  std::atomic_thread_fence(std::memory_order_seq_cst);
  state->notify_one(); // 3
}

} // namespace v0
} // namespace weakref
