// SPDX-License-Identifier: BSL-1.0
//
// thread_ends CASE: objects die on a thread that is ending, or that never heard of the library.
//   foreign  a thread made by C code
//   last     the thread's thread_locals are gone: a pthread key's destructor lets go
//   first    a thread_local made before the library was used on the thread, and so destroyed after all that it made
//
// Promised: every death is complete wherever it happens: evictions, callbacks, finalizers and what a visit function
// puts off. The library's thread record needs no construction and has no destructor.
#include <weakref/weakref.hpp>

#include <pthread.h>

#include <memory>
#include <stdexcept>
#include <string_view>

#include "support/child_output.hpp"

namespace {

using support::say;

struct thing {
  ~thing() { say("~thing"); }
};
using dictionary = weakref::WeakValueDictionary<int, thing>;

struct state {
  dictionary things;
  std::shared_ptr<thing> first = weakref::make_tracked<thing>();
  std::shared_ptr<thing> second = weakref::make_tracked<thing>();
};
state* shared = nullptr;

void end_everything() {
  state& all = *shared;
  all.things.insert(1, all.first);
  all.things.insert(2, all.second);
  weakref::finalize(all.first, [] { say("finalized"); });
  all.first.reset();
  say(all.things.size() == 1 ? "one" : "wrong");
  all.things.visit(2, [&](thing&) {
    all.second.reset();
    say("visited");
    try {
      static_cast<void>(all.things.contains(1));
    } catch (const std::logic_error&) {
      say("refused");
    }
  });
  say(all.things.size() == 0 ? "none" : "wrong");
  static_cast<void>(all.things.get_or_create(3, [] { return std::make_unique<thing>(); }));
}

pthread_key_t key;
struct at_thread_end {
  bool active = false;
  ~at_thread_end() {
    if (active) end_everything();
  }
};
// A thread_local that a thread uses first is destroyed last.
thread_local at_thread_end destroyed_last;
struct spoken {
  ~spoken() { say("~thread_local"); }
};

void use_once() {
  thread_local std::shared_ptr<thing> own;
  own = weakref::make_tracked<thing>();
  shared->things.insert(7, own);
}

void* run_foreign(void*) {
  end_everything();
  return nullptr;
}
void* run_last(void*) {
  ::pthread_setspecific(key, shared);
  thread_local const spoken first;
  static_cast<void>(&first);
  use_once();
  return nullptr;
}
void* run_first(void*) {
  destroyed_last.active = true;
  use_once();
  return nullptr;
}

} // namespace

int main(int count, char** words) {
  if (count != 2) return 97;
  const std::string_view which = words[1];
  state all;
  shared = &all;
  ::pthread_key_create(&key, [](void*) { end_everything(); });
  void* (*const run)(void*) = which == "foreign" ? run_foreign : which == "last" ? run_last : run_first;
  pthread_t thread{};
  if (::pthread_create(&thread, nullptr, run, nullptr) != 0) return 96;
  ::pthread_join(thread, nullptr);
  say("joined");
  return all.things.size() == 0 ? 0 : 95;
}
