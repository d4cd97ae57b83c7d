// SPDX-License-Identifier: BSL-1.0
// Mutexes of the application's own: one that counts and knows which locks the thread holds, and one whose
// dictionary tells how many threads are waiting for somebody else's factory.
#ifndef WEAKREF_TESTS_SUPPORT_DICTIONARY_MUTEX_HPP
#define WEAKREF_TESTS_SUPPORT_DICTIONARY_MUTEX_HPP

#include <weakref/detail/base/sync.hpp>

#include <atomic>
#include <mutex>
#include <thread>

namespace dictionary_test {

class watched_mutex {
 public:
  void lock() {
    mutex_.lock();
    ++held_;
    if (held_ > 1) nested_.fetch_add(1, std::memory_order_relaxed);
  }
  void unlock() {
    --held_;
    mutex_.unlock();
    // The mutex may be gone by now: only what belongs to all of them may be touched.
    released_.fetch_add(1, std::memory_order_relaxed);
  }

  // Locks of this kind that the calling thread holds.
  static int held() noexcept { return held_; }
  // How often a thread took one while it held another.
  static long nested() noexcept { return nested_.load(std::memory_order_relaxed); }
  // How often any was let go.
  static long released() noexcept { return released_.load(std::memory_order_relaxed); }

 private:
  std::mutex mutex_;
  static inline thread_local int held_ = 0;
  static inline std::atomic<long> nested_{0};
  static inline std::atomic<long> released_{0};
};

class waiting_mutex {
 public:
  struct weakref_sync : weakref::detail::default_sync {
    template <class Word> static void wait(const std::atomic<Word>& word, Word old) noexcept {
      waiting_.fetch_add(1, std::memory_order_relaxed);
      word.wait(old);
      waiting_.fetch_sub(1, std::memory_order_relaxed);
    }
  };

  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

  static long waiting() noexcept { return waiting_.load(std::memory_order_relaxed); }
  // Inside a factory: goes on when so many threads are waiting, which then have all joined its flight.
  static void await_waiting(long threads) noexcept {
    while (waiting() != threads) std::this_thread::yield();
  }

 private:
  std::mutex mutex_;
  static inline std::atomic<long> waiting_{0};
};

} // namespace dictionary_test

#endif
