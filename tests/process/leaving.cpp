// SPDX-License-Identifier: BSL-1.0
//
// leaving CASE: the ways to leave a program in the middle of something. (Where std::exit is called by a finalizer,
// by a callback without more, or on another thread: finalize_test.)
//
// Promised: std::exit may be called anywhere, inside a callback, a factory, a loop over a container and even a visit
// function. What runs at exit from inside a visit function is inside it: there containers refuse with
// std::logic_error, and deaths, which are put off until it returns, never happen. abort runs nothing.
// A static ref's destructor waits for its callback in progress on another thread, as everywhere: a callback that
// waits for the end of the program is a deadlock.
#include <weakref/weakref.hpp>

#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <thread>

#include "asleep.hpp"
#include "support/child_output.hpp"
#include "support/threads.hpp"

namespace {

using support::say;
using weakref::finalize;

struct thing {
  int value = 1;
  ~thing() { say("~thing"); }
};
using dictionary = weakref::WeakValueDictionary<int, thing>;
using callback = std::function<void()>;

// The dictionary's destructor runs at exit.
struct stage {
  stage() {
    weakref::set_unraisable_hook([](const std::exception_ptr& error) {
      try {
        std::rethrow_exception(error);
      } catch (const std::logic_error&) {
        say("logic_error");
      } catch (...) {
        say("other-error");
      }
    });
  }
  ~stage() { say("~stage"); }
  dictionary things;
};

void leave_by_return() {
  const auto owner = weakref::make_tracked<thing>();
  finalize(owner, [] { say("by-death"); });
  say("return");
}

void leave_in_visit() {
  static stage on;
  static auto& kept = *new auto(weakref::make_tracked<thing>());
  static auto& dropped = *new auto(weakref::make_tracked<thing>());
  on.things.insert(1, kept);
  finalize(kept, [] {
    dropped.reset(); // put off for ever
    say("dropped");
  });
  finalize(kept, [] { say(on.things.contains(1) ? "there" : "gone"); });
  finalize(kept, [] { say("at-exit"); });
  on.things.visit(1, [](thing&) { std::exit(3); });
}

void leave_in_factory() {
  static stage on;
  static_cast<void>(on.things.get_or_create(1, [] {
    say("factory");
    finalize(weakref::make_tracked<thing>(), [] { say("by-death"); });
    std::exit(3);
    return thing();
  }));
}

void leave_in_loop() {
  static auto& kept = *new auto(weakref::make_tracked<thing>());
  static stage on;
  on.things.insert(1, kept);
  for (const auto& item : on.things) {
    say(item.value == kept ? "loop" : "wrong");
    kept.reset(); // the loop is the last owner, and is never left
    std::exit(3);
  }
}

void leave_in_own_callback() {
  static stage on;
  static std::optional<weakref::ref<thing, callback>> self; // destroyed by the exit inside its callback
  auto owner = weakref::make_tracked<thing>();
  on.things.insert(1, owner);
  self.emplace(owner, [] {
    say(on.things.size() == 0 ? "called" : "too-early");
    std::exit(3);
  });
  owner.reset();
}

void leave_during_callback() {
  static support::gate inside, leaving;
  static stage on;
  static std::optional<weakref::ref<thing, callback>> slow;
  auto owner = weakref::make_tracked<thing>();
  slow.emplace(owner, [] {
    inside.open();
    leaving.wait();
    process::until_main_thread_sleeps(); // in the destructor
    say("called");
  });
  std::thread([last = std::move(owner)]() mutable { last.reset(); }).detach();
  inside.wait();
  // Runs before the static ref's destructor, which has to wait.
  static auto& other = *new auto(weakref::make_tracked<int>());
  finalize(other, [] { leaving.open(); });
}

void make_containers_at_exit() {
  static auto& owner = *new auto(weakref::make_tracked<thing>());
  finalize(owner, [] {
    static stage made_at_exit; // destroyed when the exit comes to it
    made_at_exit.things.insert(1, owner);
    dictionary gone;
    gone.insert(1, owner);
    const auto created = gone.get_or_create(2, [] { return std::make_unique<thing>(); });
    say(gone.size() == 2 && made_at_exit.things.size() == 1 ? "made" : "wrong");
  });
}

void abort_runs_nothing() {
  static stage on;
  static auto& owner = *new auto(weakref::make_tracked<thing>());
  finalize(owner, [] { say("at-exit"); });
  std::abort();
}

} // namespace

int main(int count, char** words) {
  if (count != 2) return 97;
  const std::string_view which = words[1];
  if (which == "return") leave_by_return();
  if (which == "visit") leave_in_visit();
  if (which == "factory") leave_in_factory();
  if (which == "loop") leave_in_loop();
  if (which == "own_callback") leave_in_own_callback();
  if (which == "during_callback") leave_during_callback();
  if (which == "containers") make_containers_at_exit();
  if (which == "abort") abort_runs_nothing();
  return 0;
}
