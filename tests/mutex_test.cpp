// SPDX-License-Identifier: BSL-1.0
#include <weakref/mutex.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <type_traits>
#include <vector>

#include "support/threads.hpp"

namespace {

static_assert(sizeof(weakref::adaptive_mutex) <= sizeof(int), "one per shard");
static_assert(std::is_nothrow_default_constructible_v<weakref::adaptive_mutex>);
static_assert(!std::is_copy_constructible_v<weakref::adaptive_mutex>);
static_assert(!std::is_move_constructible_v<weakref::adaptive_mutex>);
static_assert(!std::is_copy_assignable_v<weakref::adaptive_mutex>);
static_assert(std::is_empty_v<weakref::null_mutex>);
static_assert(std::is_nothrow_default_constructible_v<weakref::null_mutex>);

// In static storage it must not need a constructor at run time.
constinit weakref::adaptive_mutex static_mutex;
constinit weakref::null_mutex static_null_mutex;

TEST_CASE("adaptive_mutex: one thread locks and unlocks as often as it likes") {
  for (int round = 0; round != 1000; ++round) {
    const std::lock_guard lock(static_mutex);
    CHECK(round >= 0);
  }
}

TEST_CASE("adaptive_mutex: keeps threads apart, and what one wrote the next one sees") {
  constexpr int rounds = 20000;
  constexpr std::size_t parties = 4;
  weakref::adaptive_mutex mutex;
  std::array<int, 3> together{}; // not atomic: the mutex alone makes this right
  int torn = 0;
  std::atomic<int> inside{0};
  std::atomic<int> met{0};
  {
    std::vector<std::unique_ptr<support::joining_thread>> threads;
    for (std::size_t i = 0; i != parties; ++i) {
      threads.push_back(std::make_unique<support::joining_thread>([&] {
        for (int round = 0; round != rounds; ++round) {
          const std::lock_guard lock(mutex);
          if (inside.fetch_add(1) != 0) met.fetch_add(1);
          if (together[0] != together[1] || together[1] != together[2]) ++torn;
          for (int& part : together) ++part;
          inside.fetch_sub(1);
        }
      }));
    }
  }
  CHECK(met == 0);
  CHECK(torn == 0);
  CHECK(together[0] == rounds * static_cast<int>(parties));
  CHECK(together[2] == rounds * static_cast<int>(parties));
}

TEST_CASE("adaptive_mutex: alone makes what one thread wrote visible to the next") {
  // No atomic beside it, which could order the accesses in its stead.
  constexpr int rounds = 5000;
  weakref::adaptive_mutex mutex;
  int count = 0;
  {
    const auto body = [&] {
      for (int round = 0; round != rounds; ++round) {
        const std::lock_guard lock(mutex);
        ++count;
      }
    };
    const support::joining_thread first(body);
    const support::joining_thread second(body);
  }
  CHECK(count == 2 * rounds);
}

TEST_CASE("adaptive_mutex: threads that had to park are all woken, one after the other") {
  constexpr std::size_t parties = 6;
  weakref::adaptive_mutex mutex;
  std::atomic<std::size_t> coming{0};
  std::size_t through = 0;
  for (int round = 0; round != 20; ++round) {
    coming = 0;
    through = 0;
    std::vector<std::unique_ptr<support::joining_thread>> threads;
    {
      const std::lock_guard lock(mutex);
      for (std::size_t i = 0; i != parties; ++i) {
        threads.push_back(std::make_unique<support::joining_thread>([&] {
          coming.fetch_add(1);
          const std::lock_guard mine(mutex);
          ++through;
        }));
      }
      while (coming.load() != parties) std::this_thread::yield();
      support::give_way(); // past any spinning
      CHECK(through == 0);
    }
    threads.clear();
    CHECK(through == parties);
  }
}

TEST_CASE("adaptive_mutex: unlock does not touch the mutex once another thread can lock it") {
  // The thread that gets the lock destroys the mutex: under ASan and TSan a late look of unlock() is an
  // error.
  constexpr int rounds = 2000;
  std::unique_ptr<weakref::adaptive_mutex> mutex;
  std::atomic<int> turn{0};
  support::rendezvous meeting(2);
  const support::joining_thread heir([&] {
    for (int round = 0; round != rounds; ++round) {
      meeting.meet();
      mutex->lock();
      mutex->unlock();
      mutex.reset();
      meeting.meet();
    }
  });
  for (int round = 0; round != rounds; ++round) {
    mutex = std::make_unique<weakref::adaptive_mutex>();
    mutex->lock();
    meeting.meet();
    for (int spin = 0; spin != round % 7 * 20; ++spin) turn.fetch_add(1);
    mutex->unlock();
    meeting.meet();
    CHECK(mutex == nullptr);
  }
}

TEST_CASE("adaptive_mutex: serves the standard's guards") {
  weakref::adaptive_mutex mutex;
  int seen = 0;
  {
    std::unique_lock lock(mutex);
    ++seen;
    lock.unlock();
    lock.lock();
    ++seen;
  }
  {
    const std::scoped_lock lock(mutex);
    ++seen;
  }
  CHECK(seen == 3);
}

TEST_CASE("null_mutex: locks nothing, as often as one likes") {
  static_null_mutex.lock();
  static_null_mutex.lock();
  static_null_mutex.unlock();
  static_null_mutex.unlock();
  const std::lock_guard outer(static_null_mutex);
  const std::lock_guard inner(static_null_mutex);
  CHECK(std::is_empty_v<weakref::null_mutex>);
}

} // namespace
