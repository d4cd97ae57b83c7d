// SPDX-License-Identifier: BSL-1.0
//
// forked CASE: a process with one thread forks. CASE is child (the parent ends first) or parent.
//
// Promised: with one thread, both processes go on with a copy of everything; each runs its finalizers when it ends
// through exit, as Python does, and none through _exit. Undefined, as for any lock: using containers, refs with
// callbacks or finalizers in the child of a process with several threads, before exec or _exit.
#include <weakref/weakref.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string_view>
#include <thread>

#include "support/child_output.hpp"

namespace {

using support::say;
const char* who = "before";

void use(weakref::WeakValueDictionary<int, int>& things, std::shared_ptr<int>& owner) {
  const auto created = things.get_or_create(2, [] { return 5; });
  bool is_right = things.size() == 2 && things.get(1) == owner;
  owner.reset();
  is_right = is_right && things.size() == 1 && !things.contains(1);
  std::thread([&] { is_right = is_right && things.get(2) == created; }).join(); // threads may be made now
  say(is_right ? "right" : "wrong");
}

} // namespace

int main(int count, char** words) {
  if (count != 2) return 97;
  const bool leave_unseen = std::string_view(words[1]) == "_exit";
  static weakref::WeakValueDictionary<int, int> things;
  static std::shared_ptr<int> owner = weakref::make_tracked<int>(1);
  static auto& kept = *new auto(weakref::make_tracked<int>(2));
  things.insert(1, owner);
  const weakref::ref on_death(owner, [] { say("called"); });
  weakref::finalize(kept, [] { say(who); });

  const pid_t child = ::fork();
  if (child == 0) {
    who = "child";
    use(things, owner);
    if (leave_unseen) ::_exit(0);
    return 0;
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child || status != 0) return 96;
  who = "parent";
  use(things, owner);
  return 0;
}
