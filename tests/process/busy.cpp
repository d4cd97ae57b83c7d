// SPDX-License-Identifier: BSL-1.0
//
// busy HOW: the program ends while threads use every kind of container; they never stop. HOW is return, exit (on
// one of those threads) or quick_exit.
//
// Promised: nothing bad happens as long as what the threads use is never destroyed, as here
// (`static auto& things = *new …`); the library's own state is not, and main's finalizers still run.
// Undefined: a thread that uses a static container while the exit destroys it, or afterwards.
#include <weakref/weakref.hpp>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <thread>

#include "support/child_output.hpp"

namespace {

struct thing : weakref::enable_weakref {
  int value = 0;
  explicit thing(int v) : value(v) {}
};

struct everything {
  weakref::WeakValueDictionary<int, thing> by_number;
  weakref::WeakKeyDictionary<thing, std::shared_ptr<int>> notes;
  weakref::WeakSet<thing> seen;
};
everything& all() {
  static auto& only = *new everything;
  return only;
}

std::atomic<int> busy{0};
std::atomic<bool> leave_here{false};

void work(int number) {
  for (int turn = 0;; ++turn) {
    const auto created = all().by_number.get_or_create(turn % 8, [&] { return thing(turn); });
    auto other = std::make_shared<thing>(turn);
    const weakref::ref on_death(other, [] {});
    weakref::finalize(other, [] {}).atexit(turn % 2 == 0);
    all().notes.insert_or_assign(created, std::make_shared<int>(turn));
    all().notes.insert_or_assign(other, std::make_shared<int>(turn));
    all().seen.add(other);
    all().by_number.visit(turn % 8, [&](thing&) { other.reset(); });
    for (const auto& each : all().seen) static_cast<void>(each);
    if (turn == 50) ++busy;
    if (turn > 50 && number == 0 && leave_here) std::exit(3);
  }
}

} // namespace

int main(int count, char** words) {
  if (count != 2) return 97;
  constexpr int threads = 3;
  static auto& owner = *new auto(weakref::make_tracked<thing>(1));
  weakref::finalize(owner, [] { support::say("at-exit"); });
  for (int i = 0; i != threads; ++i) std::thread(work, i).detach();
  while (busy != threads) std::this_thread::yield();
  const std::string_view how = words[1];
  if (how == "quick_exit") std::quick_exit(3);
  if (how == "exit") {
    leave_here = true;
    for (;;) std::this_thread::yield();
  }
  return 3;
}
