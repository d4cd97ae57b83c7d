// SPDX-License-Identifier: BSL-1.0
// Threads that start together, and two that race round after round. What is done again and again is done as often
// as WEAKREF_STORM_PERCENT says: 100 is usual, 400 four times as often.
#ifndef WEAKREF_TESTS_SUPPORT_DICTIONARY_THREADS_HPP
#define WEAKREF_TESTS_SUPPORT_DICTIONARY_THREADS_HPP

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace dictionary_test {

inline unsigned from_environment(const char* name, unsigned otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
}
inline unsigned lasting(unsigned usual) {
  return std::max(1u, usual / 100 * from_environment("WEAKREF_STORM_PERCENT", 100));
}

// A place where a thread waits until the test, or another thread, opens it.
class gate {
 public:
  void open() noexcept {
    open_.store(true, std::memory_order_release);
    open_.notify_all();
  }
  void wait() const noexcept {
    while (!open_.load(std::memory_order_acquire)) open_.wait(false, std::memory_order_acquire);
  }
  bool is_open() const noexcept { return open_.load(std::memory_order_acquire); }

 private:
  std::atomic<bool> open_{false};
};

// A barrier for short rounds. Who comes early spins, so that both leave together, but not for long: on a busy machine
// the other one may wait for this very core.
class meeting {
 public:
  explicit meeting(unsigned members) : members_(members) {}
  void arrive_and_wait() noexcept {
    const unsigned round = round_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == members_) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      round_.notify_all();
      return;
    }
    for (unsigned turn = 0; round_.load(std::memory_order_acquire) == round; ++turn)
      if (turn > 2000) round_.wait(round, std::memory_order_acquire);
  }

 private:
  const unsigned members_;
  std::atomic<unsigned> arrived_{0};
  std::atomic<unsigned> round_{0};
};

// Runs body(0) .. body(count - 1), each on a thread of its own, all let go at once. The first exception is
// thrown again here.
template <class Body> void together(unsigned count, Body body) {
  gate start;
  std::mutex guard;
  std::exception_ptr failure;
  std::vector<std::thread> threads;
  threads.reserve(count);
  for (unsigned number = 0; number < count; ++number)
    threads.emplace_back([&, number] {
      start.wait();
      try {
        body(number);
      } catch (...) {
        const std::lock_guard lock(guard);
        if (!failure) failure = std::current_exception();
      }
    });
  start.open();
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
}

inline void dawdle(unsigned turns) noexcept {
  for (std::atomic<unsigned> left{turns}; left.load(std::memory_order_relaxed) > 0;)
    left.fetch_sub(1, std::memory_order_relaxed);
}

// For each round: prepare() on this thread, then left() here and right() on another thread at the same
// moment, then check() here. The two are shifted against each other a little differently in each round.
template <class Prepare, class Left, class Right, class Check>
void race(unsigned usual_rounds, Prepare prepare, Left left, Right right, Check check) {
  const unsigned rounds = lasting(usual_rounds);
  meeting meet(2);
  std::thread other([&] {
    for (unsigned round = 0; round < rounds; ++round) {
      meet.arrive_and_wait();
      dawdle(round * 7 % 61);
      right();
      meet.arrive_and_wait();
    }
  });
  for (unsigned round = 0; round < rounds; ++round) {
    prepare();
    meet.arrive_and_wait();
    dawdle(round * 13 % 53);
    left();
    meet.arrive_and_wait();
    check();
  }
  other.join();
}

} // namespace dictionary_test

#endif
