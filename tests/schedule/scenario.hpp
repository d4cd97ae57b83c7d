// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_TESTS_SCHEDULE_SCENARIO_HPP
#define WEAKREF_TESTS_SCHEDULE_SCENARIO_HPP

// What the scenarios are made of.
//
// Each scenario's state is set up anew for each schedule; its nodes, tables, cores and objects lie in memory
// that the scheduler checks (all given back, once, and not touched later). Plain variables that threads share
// in the scenarios are shared on purpose: the library promises the order that makes it safe, and
// ThreadSanitizer checks the promise.
#include "scheduler.hpp"

#include <weakref/weakref.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
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
    expect(!schedule::holds_a_mutex(), "no destructor runs under a lock");
    if (at_end) at_end();
    whole = false;
  }
  int id;
  bool whole = true;
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

inline void holds(const schedule::scenario& scenario, std::initializer_list<const char*> outcomes = {},
                  schedule::options how = {}) {
  how.nested_locks = false; // section 7: no shard's lock is taken while another one is held
  const auto result = schedule::explore(scenario, how);
  MESSAGE(result.summary());
  CHECK_MESSAGE(result.good(), result.summary());
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
