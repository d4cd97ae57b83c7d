// SPDX-License-Identifier: BSL-1.0

// How threads park at an adaptive_mutex, and are woken: the steps of detail/base/parking.hpp in every order in which threads
// can meet there. The steps are the product's; what they stand on is here: sleeping, and waking one sleeper. What is
// explored is the order of the steps. That a store may be seen after a later load, which step b is for, no schedule
// shows: each is one sequence of steps for all.
#include "scenario.hpp"

#include <weakref/detail/base/parking.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>

namespace {

using namespace scenarios;
using weakref::detail::mutex_locked;
using weakref::detail::mutex_unlocked;

// Where a thread sleeps. As the system's futex: whether the word still says what it said and falling asleep is one step,
// and who wakes one names an address and looks at nothing there. The threads of a scenario do the same, so that to wake
// who has slept longest is as good as to wake any.
class bed {
 public:
  static void sleep(const std::atomic<int>& word, int old) noexcept {
    bed& mine = all[static_cast<std::size_t>(schedule::this_thread())];
    while (word.load(std::memory_order_relaxed) == old) {
      observe("slept");
      mine.woken_.store(0, std::memory_order_relaxed);
      mine.since_.store(clock.fetch_add(1, std::memory_order_relaxed), std::memory_order_relaxed);
      mine.word_.store(&word, std::memory_order_relaxed);
      explored_sync::wait(mine.woken_, 0);
    }
  }
  static void wake_one(const std::atomic<int>* word) noexcept {
    bed* first = nullptr;
    for (bed& each : all) {
      if (each.word_.load(std::memory_order_relaxed) == word &&
          (first == nullptr || each.since() < first->since()))
        first = &each;
    }
    if (first == nullptr) return;
    first->word_.store(nullptr, std::memory_order_relaxed);
    first->woken_.store(1, std::memory_order_relaxed);
    explored_sync::notify_all(first->woken_);
  }
  static void make_all() noexcept {
    for (bed& each : all) each.word_.store(nullptr, std::memory_order_relaxed);
  }
  static bool are_all_empty() noexcept {
    bool empty = true;
    for (const bed& each : all) empty = empty && each.word_.load(std::memory_order_relaxed) == nullptr;
    return empty;
  }

 private:
  unsigned since() const noexcept { return since_.load(std::memory_order_relaxed); }

  static std::array<bed, 4> all;
  static std::atomic<unsigned> clock;
  std::atomic<const std::atomic<int>*> word_{nullptr};
  std::atomic<std::uint32_t> woken_{0};
  std::atomic<unsigned> since_{0};
};
std::array<bed, 4> bed::all;
std::atomic<unsigned> bed::clock{0};

struct steered {
  static void point() noexcept { schedule::point(); }
  static bool fence_all_threads() noexcept {
    schedule::point();
    return true;
  }
  static void wait(const std::atomic<int>& state, int old) noexcept {
    schedule::point();
    bed::sleep(state, old);
  }
  static void nap() noexcept { expect(false, "nobody naps who can be woken"); }
  static void wake_one(std::atomic<int>* state) noexcept {
    schedule::point();
    bed::wake_one(state);
  }
};

// Where the system has no fence for all threads.
struct napping : steered {
  static bool fence_all_threads() noexcept { return false; }
  static void wait(const std::atomic<int>&, int) noexcept {
    expect(false, "nobody sleeps who may not be woken");
  }
  static void nap() noexcept {
    schedule::point();
    observe("napped");
    unsigned spins = 1;
    explored_sync::relax(spins);
  }
};

// As adaptive_mutex puts the steps together, without its spinning. It counts in `parked`, which outlives it.
template <class Machine> class parking_mutex {
 public:
  explicit parking_mutex(std::atomic<std::uint32_t>& parked, int state = mutex_unlocked) noexcept
      : parked_(parked), state_(state) {}
  void lock() noexcept {
    Machine::point();
    if (!weakref::detail::try_to_lock(state_)) weakref::detail::park<Machine>(state_, parked_);
  }
  void unlock() noexcept { weakref::detail::unlock_and_wake<Machine>(state_, parked_); }
  bool is_locked() const noexcept { return state_.load(std::memory_order_relaxed) != mutex_unlocked; }

 private:
  std::atomic<std::uint32_t>& parked_;
  std::atomic<int> state_;
};

template <class Machine> struct one_mutex {
  std::atomic<std::uint32_t> parked{0};
  parking_mutex<Machine> mutex{parked, mutex_locked}; // by the first thread
  int count = 0;                                      // plain: the mutex orders what is done to it
  bool is_inside = false;

  one_mutex() { bed::make_all(); }
  void use() {
    expect(!is_inside, "one at a time");
    is_inside = true;
    ++count;
    schedule::point();
    is_inside = false;
  }
  void leave() {
    use();
    mutex.unlock();
  }
  void enter_and_leave() {
    mutex.lock();
    leave();
  }
  void leave_and_come_back() {
    leave();
    enter_and_leave();
  }
  void check(int times) {
    expect(count == times, "each was inside");
    expect(!mutex.is_locked(), "it is unlocked at the end");
    expect(parked.load() == 0, "who is no longer parked is not counted");
    expect(bed::are_all_empty(), "nobody sleeps for ever");
  }
};

TEST_CASE("schedules: who parks at an adaptive_mutex is woken by the unlock, or needs not sleep") {
  using state = one_mutex<steered>;
  const auto all = [](int times) { return [times](state& s) { s.check(times); }; };
  holds(make_scenario<state>({&state::leave, &state::enter_and_leave}, all(2)), {"slept"});
  holds(make_scenario<state>({&state::leave_and_come_back, &state::enter_and_leave}, all(3)), {"slept"},
        {.preemptions = 4});
}

TEST_CASE("schedules: three threads at an adaptive_mutex: who is woken may find it locked again, and is "
          "woken again") {
  using state = one_mutex<steered>;
  holds(make_scenario<state>({&state::leave, &state::enter_and_leave, &state::enter_and_leave},
                             [](state& s) { s.check(3); }),
        {"slept"}, {.preemptions = 3});
  holds(make_scenario<state>({&state::leave_and_come_back, &state::enter_and_leave, &state::enter_and_leave},
                             [](state& s) { s.check(4); }),
        {"slept"}, {.preemptions = 2});
}

TEST_CASE(
    "schedules: where nobody can be woken who parks at an adaptive_mutex looks again until it is unlocked") {
  using state = one_mutex<napping>;
  holds(make_scenario<state>({&state::leave, &state::enter_and_leave}, [](state& s) { s.check(2); }),
        {"napped"});
}

// The mutex goes with the last one who needs it, as that of a container does, in memory that the scheduler checks.
struct passing_mutex {
  using mutex_type = parking_mutex<steered>;
  schedule::checked_allocator<mutex_type> allocator;
  std::atomic<std::uint32_t> parked{0};
  mutex_type* mutex = ::new (allocator.allocate(1)) mutex_type(parked, mutex_locked);
  int expected = 0; // how many are still to come; guarded by the mutex

  passing_mutex() { bed::make_all(); }
  void leave() { mutex->unlock(); }
  void enter_and_destroy() {
    mutex->lock();
    const bool is_last = --expected == 0;
    mutex->unlock();
    if (!is_last) return;
    mutex->~mutex_type();
    allocator.deallocate(mutex, 1);
  }
  void check() {
    expect(expected == 0, "all have come");
    expect(parked.load() == 0, "who is no longer parked is not counted");
    expect(bed::are_all_empty(), "nobody sleeps for ever");
  }
};
template <int others> struct passing_mutex_of : passing_mutex {
  passing_mutex_of() { expected = others; }
};

TEST_CASE("schedules: an adaptive_mutex may be destroyed by the next one who locks it, while it is being "
          "unlocked") {
  using two = passing_mutex_of<1>;
  holds(make_scenario<two>({&two::leave, &two::enter_and_destroy}, &two::check), {"slept"});
  using three = passing_mutex_of<2>;
  holds(make_scenario<three>({&three::leave, &three::enter_and_destroy, &three::enter_and_destroy},
                             &three::check),
        {"slept"}, {.preemptions = 3});
}

TEST_CASE("schedules: two adaptive_mutexes whose threads are counted in one place, each wakes its own") {
  struct state {
    std::atomic<std::uint32_t> parked{0};
    parking_mutex<steered> one{parked, mutex_locked}, other{parked, mutex_locked};
    int entered = 0; // guarded by `one`
    state() { bed::make_all(); }
    void leave_both() {
      other.unlock();
      one.unlock();
    }
    void enter_one() {
      one.lock();
      ++entered;
      one.unlock();
    }
    void enter_other() {
      other.lock();
      other.unlock();
    }
    void check() {
      expect(entered == 1 && !one.is_locked() && !other.is_locked(), "all have come and gone");
      expect(parked.load() == 0, "who is no longer parked is not counted");
      expect(bed::are_all_empty(), "nobody sleeps for ever");
    }
  };
  holds(make_scenario<state>({&state::leave_both, &state::enter_one, &state::enter_other}, &state::check),
        {"slept"}, {.preemptions = 3});
}

} // namespace
