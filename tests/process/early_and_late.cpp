// SPDX-License-Identifier: BSL-1.0
//
// early_and_late: objects of the program that are constructed before every other one, the library's own if it had
// any, and destroyed after them.
//
// Promised: the library has no static constructors and nothing of it is ever destroyed, so everything may be used
// from before main, in any static constructor, to the last static destructor.
#include <weakref/weakref.hpp>

#include <exception>
#include <memory>
#include <stdexcept>

#include "support/child_output.hpp"

namespace {

using support::say;

// Constructed before the library has been used at all, and destroyed after all that it made.
struct last_of_all {
  std::shared_ptr<int> owner;
  ~last_of_all() {
    owner.reset();
    weakref::finalize(weakref::make_tracked<int>(1), [] { say("last"); });
  }
};
__attribute__((init_priority(101))) last_of_all last;

struct first_and_last {
  weakref::WeakValueDictionary<int, int> dictionary;
  std::shared_ptr<int> owner = weakref::make_tracked<int>(1);
  std::shared_ptr<int> finalized = weakref::make_tracked<int>(2);

  first_and_last() {
    weakref::set_unraisable_hook([](const std::exception_ptr&) { say("hook"); });
    dictionary.insert(1, owner);
    say(dictionary.get(1) == owner ? "stored" : "lost");
    weakref::finalize(owner, [] { say("at-exit"); });
    weakref::finalize(finalized, [] { say("by-death"); }).atexit(false);
    last.owner = weakref::make_tracked<int>(3);
    weakref::finalize(last.owner, [] { say("late"); }).atexit(false);
    weakref::finalize(owner, []() -> int { throw std::runtime_error("at exit"); }); // the hook is there
  }
  ~first_and_last() {
    say("(");
    try {
      const std::shared_ptr<int> created = dictionary.get_or_create(2, [] { return 3; });
      dictionary.visit(1, [&](const int&) { owner.reset(); });
      say(dictionary.size() == 1 && *created == 3 ? "one-left" : "wrong");
      finalized.reset();
      weakref::finalize(created, [] { throw std::runtime_error("by death"); });
    } catch (...) {
      say("exception");
    }
    say(dictionary.contains(2) ? "still-there" : ")");
  }
};
__attribute__((init_priority(102))) first_and_last object;

} // namespace

int main() { say("main"); }
