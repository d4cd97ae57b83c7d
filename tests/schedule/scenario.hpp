// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_TESTS_SCHEDULE_SCENARIO_HPP
#define WEAKREF_TESTS_SCHEDULE_SCENARIO_HPP

// What the scenarios are made of.
//
// Each scenario's state is set up anew for each schedule; its nodes, tables, cores and objects lie in memory
// that the scheduler checks (all given back, once, and not touched later). Plain variables that threads share
// in the scenarios are shared on purpose: the library promises the order that makes it safe, and
// ThreadSanitizer checks the promise.
//
// A scenario that fails prints its schedule and the command that runs that schedule again. In it
// WEAKREF_SCHEDULE_ONLY=n chooses the n-th scenario of the test case. WEAKREF_SCHEDULE_REPORT=file adds a line
// to that file for each scenario (tests/schedule/report makes a table of them).
#include "scheduler.hpp"

#include <weakref/weakref.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace scenarios {

using schedule::expect;
using schedule::explored_sync;
using schedule::make_scenario;
using schedule::observe;

// A referent. It calls `at_end` from its destructor, the last step of its death.
struct thing {
  explicit thing(int identity = 0) : id(identity) {}
  thing(const thing&) = delete;
  thing& operator=(const thing&) = delete;
  virtual ~thing() { // so that an enabled_thing's base is found through a thing
    expect(dies_in_visit || !schedule::holds_a_mutex(), "no destructor runs under a lock");
    if (at_end) at_end();
    whole = false;
  }
  int id;
  bool whole = true;
  bool dies_in_visit = false; // allowed where only the class makes the object tracked
  std::function<void()> at_end;
};
using owner = std::shared_ptr<thing>;

inline owner make_thing(int id = 0) {
  return weakref::detail::allocate_tracked_with<explored_sync, thing>(schedule::checked_allocator<thing>(),
                                                                      id);
}

struct enabled_thing : weakref::detail::basic_enable_weakref<explored_sync>, thing {
  using thing::thing;
};

template <class Allocator, class Key = int, class KeyEqual = std::equal_to<>>
using dictionary_with = weakref::WeakValueDictionary<Key, thing, weakref::hash<Key>, KeyEqual, Allocator,
                                                     schedule::scheduled_mutex>;
using dictionary = dictionary_with<schedule::checked_allocator<thing>>;

// An allocator with a state lies in the core, which whoever frees a node must then keep alive.
template <class T> struct stateful_allocator : schedule::checked_allocator<T> {
  using value_type = T;
  using is_always_equal = std::false_type;
  explicit stateful_allocator(int state) : number(state) {}
  template <class Other>
  stateful_allocator(const stateful_allocator<Other>& other) noexcept : number(other.number) {}
  T* allocate(std::size_t count) {
    expect(number == 7, "an allocator is whole when it allocates");
    return schedule::checked_allocator<T>::allocate(count);
  }
  void deallocate(T* memory, std::size_t count) noexcept {
    expect(number == 7, "an allocator is whole when it gives memory back");
    schedule::checked_allocator<T>::deallocate(memory, count);
  }
  friend bool operator==(const stateful_allocator& a, const stateful_allocator& b) noexcept {
    return a.number == b.number;
  }
  int number;
};

// The test case that runs, and which of its scenarios this is.
struct scenario_place {
  std::string program = doctest::getContextOptions()->binary_name.c_str();
  std::string name = doctest::getContextOptions()->currentTest->m_name;
  unsigned number = 0;

  static scenario_place next() {
    static std::string last;
    static unsigned number = 0;
    scenario_place here;
    if (here.name != last) number = 0;
    last = here.name;
    here.number = ++number;
    return here;
  }
  std::string command() const {
    std::string filter = name; // a comma would separate two filters
    for (char& each : filter)
      if (each == ',') each = '?';
    return "WEAKREF_SCHEDULE_ONLY=" + std::to_string(number) + ' ' + program + " --test-case=\"" + filter +
           '"';
  }
  bool is_wanted() const {
    const char* const only = std::getenv("WEAKREF_SCHEDULE_ONLY");
    return only == nullptr || std::strtoul(only, nullptr, 10) == number;
  }
  void report(const schedule::result& result, std::size_t threads, unsigned ignored) const {
    const char* const file = std::getenv("WEAKREF_SCHEDULE_REPORT");
    if (file == nullptr) return;
    std::ofstream out(file, std::ios::app);
    out << program.substr(program.find_last_of('/') + 1) << '\t' << name << '\t' << number << '\t' << threads
        << '\t' << result.schedules << '\t' << (result.bounded ? result.preemptions : -1) << '\t' << ignored
        << '\t' << (result.good() ? "good" : "FAILED") << '\t';
    for (const auto& [outcome, times] : result.outcomes) out << outcome << ": " << times << "; ";
    out << '\n';
  }
};

inline void holds(const schedule::scenario& scenario, std::initializer_list<const char*> outcomes = {},
                  schedule::options how = {}) {
  const auto here = scenario_place::next();
  if (!here.is_wanted()) return;
  how.nested_locks = false; // section 7: no shard's lock is taken while another one is held
  how.again = here.command();
  const auto result = schedule::explore(scenario, how);
  MESSAGE(result.summary());
  if (std::getenv("WEAKREF_SCHEDULE_REPLAY") != nullptr) { // one schedule has one outcome
    CHECK_MESSAGE(result.failure.empty(), result.summary());
    return;
  }
  CHECK_MESSAGE(result.good(), result.summary());
  here.report(result, scenario.bodies.size(), how.ignored);
  for (const char* outcome : outcomes) CHECK_MESSAGE(result.seen(outcome) > 0, std::string(outcome));
}

// A body that calls a member function with these arguments.
template <class Member, class... Args> auto with(Member member, Args... args) {
  return [=](auto& state) { std::invoke(member, state, args...); };
}

// What a callback may rely on: it is called while its ref exists, at most once, and the ref's destructor
// returns only after it has.
struct watched_call {
  using weakref_sync = explored_sync;
  struct record {
    int calls = 0; // plain: the ref's end is ordered after the call
    bool inside = false;
    bool destroyed = false;
    void ended() {
      destroyed = true;
      expect(!inside, "a ref's destructor waits for the callback");
    }
  };

  void operator()(weakref::ref<thing>& self) {
    record& seen = *what;
    expect(!schedule::holds_a_mutex(), "no callback runs under a lock");
    expect(!seen.destroyed, "no callback after its ref's destructor");
    expect(self() == nullptr, "the ref is dead when its callback runs");
    seen.inside = true;
    ++seen.calls;
    schedule::point();
    if (meanwhile) meanwhile();
    expect(!seen.destroyed, "the ref's destructor does not return while the callback runs");
    seen.inside = false;
  }

  record* what;
  std::function<void()> meanwhile{};
};
using watching_ref = weakref::ref<thing, watched_call>;

} // namespace scenarios

#endif
