// SPDX-License-Identifier: BSL-1.0

// What the library's scenarios rest on: that the scheduler visits every order, and notices what it is there
// for. The toys keep their data in relaxed atomics or behind locks, since ThreadSanitizer does not see the
// baton and would rightly call them racy.
#include "scheduler.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <set>
#include <stdexcept>
#include <vector>

namespace {

using schedule::explore;
using schedule::explored_sync;
using schedule::make_scenario;
using schedule::replay;
using schedule::scheduled_mutex;

template <int Points> struct passing_points {
  std::array<std::atomic<int>, 16> stretches{}; // who ran each, in their order
  std::atomic<unsigned> count{0};
  void run_stretch(int who) {
    stretches[count.fetch_add(1, std::memory_order_relaxed)].store(who, std::memory_order_relaxed);
  }
  void walk(int who) {
    run_stretch(who);
    for (int i = 0; i < Points; ++i) {
      schedule::point();
      run_stretch(who);
    }
  }
  std::vector<int> order() const { return {stretches.begin(), stretches.begin() + count}; }
};

template <int Points> auto walks(std::size_t threads, std::set<std::vector<int>>& seen) {
  using state = passing_points<Points>;
  std::vector<std::function<void(state&)>> bodies;
  for (std::size_t i = 0; i < threads; ++i)
    bodies.emplace_back([i](state& s) { s.walk(static_cast<int>(i)); });
  return make_scenario<state>(std::move(bodies), [&seen](state& s) {
    schedule::expect(seen.insert(s.order()).second, "an order was run twice");
  });
}

std::size_t interruptions(const std::vector<int>& order) {
  std::size_t count = 0;
  for (std::size_t i = 1; i < order.size(); ++i)
    if (order[i] != order[i - 1] &&
        std::find(order.begin() + static_cast<long>(i), order.end(), order[i - 1]) != order.end())
      ++count;
  return count;
}

TEST_CASE("scheduler: every interleaving of n threads with m points is run exactly once") {
  std::set<std::vector<int>> seen;
  SUBCASE("2 threads, 2 points") {
    CHECK(explore(walks<2>(2, seen)).schedules == 20); // 6! / (3! 3!)
    CHECK(seen.size() == 20);
  }
  SUBCASE("2 threads, 5 points") {
    CHECK(explore(walks<5>(2, seen)).schedules == 924); // 12! / (6! 6!)
    CHECK(seen.size() == 924);
  }
  SUBCASE("3 threads, 2 points") {
    const auto result = explore(walks<2>(3, seen));
    CHECK(result.good());
    CHECK_FALSE(result.bounded);
    CHECK(result.schedules == 1680); // 9! / (3! 3! 3!)
    CHECK(seen.size() == 1680);
  }
  SUBCASE("4 threads, 1 point") {
    CHECK(explore(walks<1>(4, seen)).schedules == 2520); // 8! / (2! 2! 2! 2!)
    CHECK(seen.size() == 2520);
  }
  SUBCASE("1 thread") { CHECK(explore(walks<7>(1, seen)).schedules == 1); }
}

TEST_CASE("scheduler: a bound leaves out exactly the orders with more interruptions") {
  std::set<std::vector<int>> all;
  CHECK(explore(walks<3>(3, all)).good());
  for (int bound = 0; bound <= 4; ++bound) {
    CAPTURE(bound);
    std::set<std::vector<int>> seen;
    const auto result = explore(walks<3>(3, seen), {.preemptions = bound});
    CHECK(result.good());
    CHECK(result.bounded);
    const auto within = std::count_if(all.begin(), all.end(), [&](const auto& order) {
      return interruptions(order) <= static_cast<std::size_t>(bound);
    });
    CHECK(seen.size() == static_cast<std::size_t>(within));
  }
}

TEST_CASE("scheduler: the limit ends a search, and says so") {
  std::set<std::vector<int>> seen;
  const auto result = explore(walks<5>(2, seen), {.limit = 100});
  CHECK(result.schedules == 100);
  CHECK(result.failure.empty());
  CHECK_FALSE(result.finished);
  CHECK_FALSE(result.good());
}

struct counter {
  std::atomic<int> value{0};
  void add() {
    const int old = value.load(std::memory_order_relaxed);
    schedule::point();
    value.store(old + 1, std::memory_order_relaxed);
  }
};

TEST_CASE("scheduler: a lost update is found, and its schedule can be replayed") {
  const auto scenario = make_scenario<counter>({&counter::add, &counter::add}, [](counter& c) {
    schedule::observe(c.value == 2 ? "both counted" : "one lost");
    schedule::expect(c.value == 2, "both additions count");
  });
  const auto found = explore(scenario);
  CHECK(found.failure.find("both additions count") != std::string::npos);
  CHECK_FALSE(found.finished);
  REQUIRE_FALSE(found.schedule.empty());
  CHECK(found.trace.find("thread 1: ") != std::string::npos);

  for (int again = 0; again < 3; ++again) {
    const auto replayed = replay(scenario, found.schedule);
    CHECK(replayed.schedules == 1);
    CHECK(replayed.failure == found.failure);
    CHECK(replayed.trace == found.trace);
    CHECK(replayed.schedule == found.schedule);
  }
  CHECK(replay(scenario, "0*2 1").failure.empty());
  CHECK(replay(scenario, "0 7").failure.find("does not fit") != std::string::npos);
}

TEST_CASE("scheduler: what is observed is counted over all schedules") {
  const auto result = explore(make_scenario<counter>({&counter::add, &counter::add}, [](counter& c) {
    schedule::observe(c.value == 2 ? "both counted" : "one lost");
  }));
  CHECK(result.good());
  CHECK(result.schedules == 6);
  CHECK(result.seen("both counted") == 2);
  CHECK(result.seen("one lost") == 4);
  CHECK(result.seen("neither") == 0);
}

struct two_locks {
  std::array<scheduled_mutex, 2> locks;
  void take(unsigned first) {
    const std::lock_guard outer(locks[first]);
    const std::lock_guard inner(locks[1 - first]);
  }
};

TEST_CASE("scheduler: a deadlock of two locks is found, reported and replayed") {
  const auto scenario =
      make_scenario<two_locks>({[](two_locks& s) { s.take(0); }, [](two_locks& s) { s.take(1); }});
  const auto found = explore(scenario);
  CHECK(found.failure.find("deadlock: thread 0 waits for a mutex, thread 1 waits for a mutex") !=
        std::string::npos);
  CHECK(replay(scenario, found.schedule).failure == found.failure);
  CHECK(replay(scenario, "0 0 0 0").failure.empty());
}

TEST_CASE("scheduler: two locks in one order are no deadlock, but nested all the same") {
  const auto scenario =
      make_scenario<two_locks>({[](two_locks& s) { s.take(0); }, [](two_locks& s) { s.take(0); }});
  CHECK(explore(scenario).good());
  CHECK(explore(scenario, {.nested_locks = false}).failure.find("second mutex") != std::string::npos);
}

struct one_lock {
  scheduled_mutex lock;
  int inside = 0;
  int value = 0;
  void add() {
    const std::lock_guard guard(lock);
    schedule::expect(++inside == 1, "alone inside the lock");
    const int old = value;
    schedule::point();
    value = old + 1;
    --inside;
  }
};

TEST_CASE("scheduler: a mutex keeps others out in every order") {
  CHECK(explore(make_scenario<one_lock>({&one_lock::add, &one_lock::add, &one_lock::add}, [](one_lock& s) {
          schedule::expect(s.value == 3, "none is lost");
        })).good());
}

TEST_CASE("scheduler: locking one's own mutex, and unlocking another's, are noticed") {
  const auto twice = explore(make_scenario<one_lock>({[](one_lock& s) {
    s.lock.lock();
    s.lock.lock();
  }}));
  CHECK(twice.failure.find("locks the mutex it holds") != std::string::npos);
  const auto foreign = explore(
      make_scenario<one_lock>({[](one_lock& s) { s.lock.lock(); }, [](one_lock& s) { s.lock.unlock(); }}));
  CHECK(foreign.failure.find("does not hold") != std::string::npos);
}

struct doomed_lock {
  alignas(scheduled_mutex) std::byte place[sizeof(scheduled_mutex)];
  scheduled_mutex* lock = ::new (place) scheduled_mutex;
};

TEST_CASE("scheduler: the destruction of a mutex that is held or waited for is noticed") {
  const auto destroy_early = [](doomed_lock& d) { d.lock->~scheduled_mutex(); };
  const auto take = [](doomed_lock& d) { const std::lock_guard guard(*d.lock); };
  const auto take_and_destroy = [](doomed_lock& d) {
    d.lock->lock();
    d.lock->~scheduled_mutex();
  };
  CHECK(explore(make_scenario<doomed_lock>({take, destroy_early})).failure.find("destroyed while") !=
        std::string::npos);
  CHECK(
      explore(make_scenario<doomed_lock>({take_and_destroy})).failure.find("destroyed while it is locked") !=
      std::string::npos);
}

// A spin lock that waits through the policy, as the library's watch list does.
struct spin_lock {
  std::atomic<int> taken{0};
  int value = 0;
  void add() {
    for (unsigned spins = 0; taken.exchange(1, std::memory_order_acquire) != 0;) explored_sync::relax(spins);
    const int old = value;
    schedule::point();
    value = old + 1;
    taken.store(0, std::memory_order_release);
    schedule::point();
  }
};

TEST_CASE("scheduler: threads that spin do not spin for ever, however many they are") {
  const auto result =
      explore(make_scenario<spin_lock>({&spin_lock::add, &spin_lock::add, &spin_lock::add},
                                       [](spin_lock& s) { schedule::expect(s.value == 3, "none is lost"); }));
  CHECK(result.good());
  CHECK_FALSE(result.bounded);
}

TEST_CASE("scheduler: a spin for what never comes is a deadlock") {
  const auto result = explore(make_scenario<spin_lock>({[](spin_lock& s) {
                                                          s.taken = 1;
                                                          schedule::point();
                                                        },
                                                        &spin_lock::add}));
  CHECK(result.failure.find("deadlock: thread 0 has ended, thread 1 spins") != std::string::npos);
}

struct event {
  std::atomic<unsigned> happened{0};
  int payload = 0;
  void await() {
    while (happened.load(std::memory_order_acquire) == 0) explored_sync::wait(happened, 0);
    schedule::expect(payload == 1, "what was written before is seen");
  }
  void set() {
    payload = 1;
    happened.store(1, std::memory_order_release);
    explored_sync::notify_all(happened);
  }
  void set_silently() {
    payload = 1;
    happened.store(1, std::memory_order_release);
  }
};

TEST_CASE("scheduler: a wait ends when its word has changed and was notified") {
  CHECK(explore(make_scenario<event>({&event::await, &event::await, &event::set})).good());
}

TEST_CASE("scheduler: a change that nobody is told of leaves the waiting thread asleep") {
  const auto result = explore(make_scenario<event>({&event::await, &event::set_silently}));
  CHECK(result.failure.find("changed without a notification") != std::string::npos);
}

TEST_CASE("scheduler: a waiting thread may wake up before it is notified") {
  struct one_shot : event {
    std::atomic<bool> gone{false};
    void wait_and_go() {
      await();
      gone.store(true, std::memory_order_relaxed);
    }
    void set_and_look() {
      set();
      schedule::observe(gone.load(std::memory_order_relaxed) ? "already gone" : "still there");
    }
  };
  const auto result = explore(make_scenario<one_shot>({&one_shot::wait_and_go, &one_shot::set_and_look}));
  CHECK(result.good());
  CHECK(result.seen("already gone") > 0);
  CHECK(result.seen("still there") > 0);
}

TEST_CASE("scheduler: an exception that leaves a body, the set-up or the check fails the search") {
  using state = counter;
  const auto thrower = [](state&) { throw std::runtime_error("so be it"); };
  CHECK(explore(make_scenario<state>({thrower})).failure == "a body threw: so be it");
  CHECK(explore(make_scenario<state>({&counter::add}, thrower)).failure == "the check threw: so be it");
  struct never {
    never() { throw std::runtime_error("so be it"); }
  };
  CHECK(explore(make_scenario<never>({[](never&) {}})).failure == "the set-up threw: so be it");
}

TEST_CASE("scheduler: a scenario that is not the same each time is refused") {
  int runs = 0;
  const auto result = explore(make_scenario<counter>({[&](counter& c) {
                                                        for (int i = ++runs; i < 3; ++i) schedule::point();
                                                        c.add();
                                                      },
                                                      &counter::add}));
  CHECK(result.failure.find("not deterministic") != std::string::npos);
}

TEST_CASE("scheduler: a run without an end is given up") {
  const auto result = explore(make_scenario<counter>({[](counter&) {
                                                        for (;;) schedule::point();
                                                      },
                                                      &counter::add}),
                              {.max_steps = 1000});
  CHECK(result.failure.find("does not come to an end") != std::string::npos);
}

TEST_CASE("scheduler: points that are ignored are no places to switch") {
  struct state {
    static void walk(state&) {
      explored_sync::point(schedule::sync_point::before_expired);
      explored_sync::point(schedule::sync_point::death);
    }
  };
  const auto scenario = make_scenario<state>({&state::walk, &state::walk});
  CHECK(explore(scenario).schedules == 20);
  const auto fewer = explore(scenario, {.ignored = 1U << unsigned(schedule::sync_point::death)});
  CHECK(fewer.good());
  CHECK(fewer.bounded);
  CHECK(fewer.schedules == 6);
}

} // namespace
