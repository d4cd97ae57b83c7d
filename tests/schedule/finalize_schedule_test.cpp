// SPDX-License-Identifier: BSL-1.0

// The end of a finalizer in every order in which its threads can meet: by hand, detached, by death. The claim
// itself is one atomic step; what is explored is everything around it, on the death's way and on the others'.
#include "scenario.hpp"

#include <memory>
#include <type_traits>
#include <utility>

namespace {

using namespace scenarios;

struct finalized_thing {
  struct record {
    int called = 0; // plain, all of them: who has lost must not be able to look too early
    int by_hand = 0;
    int detached = 0;
    bool is_forgotten = true;
  };
  struct part { // of the function: says when it is destroyed
    record* what;
    explicit part(record& r) : what(&r) { what->is_forgotten = false; }
    part(part&& other) noexcept : what(std::exchange(other.what, nullptr)) {}
    part& operator=(part&&) = delete;
    ~part() {
      if (what != nullptr) what->is_forgotten = true;
    }
  };
  struct function {
    using weakref_sync = explored_sync;
    part own;
    void operator()() const {
      record& noted = *own.what;
      expect(!noted.is_forgotten, "the function is whole while it runs");
      ++noted.called;
      schedule::point();
      expect(!noted.is_forgotten, "the function is whole while it runs");
    }
  };

  record seen;
  owner held = make_thing();
  weakref::finalize<> handle{held, function{part(seen)}};
  weakref::finalize<> second = handle;

  void die() { held.reset(); }
  void call() {
    if (!handle()) return;
    ++seen.by_hand;
    expect(seen.is_forgotten, "the function is destroyed when a call by hand returns");
  }
  void detach() {
    const auto object = second.detach();
    if (object == nullptr) return;
    ++seen.detached;
    expect(seen.is_forgotten, "the function is destroyed when detach returns");
  }
  void peek() {
    if (const auto object = second.peek())
      expect(static_cast<const thing*>(object.get())->whole, "what peek gives is whole");
  }
  void check() {
    if (held != nullptr) held.reset();
    expect(seen.called + seen.detached == 1, "it ends once");
    expect(seen.is_forgotten, "nothing is left of the function");
    expect(!handle.alive() && !second.alive(), "it is dead");
    observe(seen.detached == 1 ? "detached" : seen.by_hand == 1 ? "by hand" : "by death");
  }
};

TEST_CASE("schedules: a finalizer's object dies while it is called") {
  using state = finalized_thing;
  holds(make_scenario<state>({&state::die, &state::call}, &state::check), {"by death", "by hand"});
}

TEST_CASE("schedules: a finalizer's object dies while it is detached") {
  using state = finalized_thing;
  holds(make_scenario<state>({&state::die, &state::detach}, &state::check), {"by death", "detached"});
}

TEST_CASE("schedules: a finalizer is called on one thread and detached on another") {
  using state = finalized_thing;
  holds(make_scenario<state>({&state::call, &state::detach}, &state::check), {"by hand", "detached"});
}

TEST_CASE("schedules: a finalizer's object dies while others peek and call") {
  using state = finalized_thing;
  holds(make_scenario<state>({&state::die, &state::call, &state::peek}, &state::check),
        {"by death", "by hand"}, {.preemptions = 4});
}

TEST_CASE("schedules: call, detach and death of a finalizer on three threads") {
  using state = finalized_thing;
  holds(make_scenario<state>({&state::die, &state::call, &state::detach}, &state::check),
        {"by death", "by hand", "detached"}, {.preemptions = 4});
}

} // namespace
