// SPDX-License-Identifier: BSL-1.0
#include "side.hpp"

#include <weakref/weakref.hpp>

#include <exception>
#include <stdexcept>
#include <utility>
#include <vector>

#include "support/child_output.hpp"

namespace {

using process::owner;
using process::thing;
using dictionary = weakref::WeakValueDictionary<int, thing>;

// Default visibility for libc++, which looks for the base class by the addresses of the types.
struct __attribute__((visibility("default"))) self_tracked_thing : weakref::enable_weakref, thing {
  using thing::thing;
};

struct callback {
  void (*function)(void*);
  void* argument;
  void operator()() const { function(argument); }
};
using watcher = weakref::ref<thing, callback>;

std::vector<weakref::finalize<>>& finalizers() {
  static auto& made = *new std::vector<weakref::finalize<>>;
  return made;
}

dictionary& at(void* from) { return *static_cast<dictionary*>(from); }

owner make(int way, int value) {
  switch (way) {
  case process::tracked:
    return weakref::make_tracked<thing>(value);
  case process::self_tracked:
    return std::make_shared<self_tracked_thing>(value);
  case process::adopted:
    return weakref::adopt(std::make_unique<thing>(value));
  default:
    return std::make_shared<thing>(value);
  }
}

bool store(void* to, int key, const owner& value) {
  try {
    at(to).insert(key, value);
    return true;
  } catch (const weakref::untracked_error&) {
    return false;
  }
}

int visit_and_drop(void* in, int key, owner* last) {
  int value = -1;
  at(in).visit(key, [&](const thing& visited) {
    last->reset();
    value = visited.value;
  });
  return value;
}

bool visit_and_use(void* in, int key, const process::side* others, void* other) {
  bool refused = false;
  at(in).visit(key, [&](const thing&) {
    try {
      others->store(other, 1, make(process::tracked, 1));
    } catch (const std::logic_error&) {
      refused = true;
    }
  });
  return refused;
}

int get_or_create(void* in, int key, const process::factory* made_by) {
  return at(in)
      .get_or_create(key, [&] { return std::make_unique<thing>(made_by->run(made_by->argument)); })
      ->value;
}

const char* catch_from(void (*function)()) {
  try {
    function();
  } catch (const weakref::untracked_error&) {
    return "untracked_error";
  } catch (const weakref::ReferenceError&) {
    return "ReferenceError";
  } catch (const std::invalid_argument&) {
    return "invalid_argument";
  } catch (const std::runtime_error&) {
    return "runtime_error";
  } catch (...) {
    return "unknown";
  }
  return "nothing";
}

constexpr process::side functions{
    make,
    [](bool accept_untracked) -> void* {
      return new dictionary(weakref::options{.accept_untracked = accept_untracked});
    },
    [](void* gone) { delete &at(gone); },
    [](void* filled) { at(filled).reserve(8); },
    store,
    [](void* of) { return at(of).size(); },
    visit_and_drop,
    visit_and_use,
    get_or_create,
    [](const owner& watched, void (*function)(void*), void* argument) -> void* {
      return new watcher(watched, callback{function, argument});
    },
    [](void* gone) { delete static_cast<watcher*>(gone); },
    [](const owner& watched, const char* word) {
      finalizers().emplace_back(weakref::finalize(watched, [word] { support::say(word); }));
    },
    [] {
      for (weakref::finalize<>& each : finalizers()) each.detach();
      std::vector<weakref::finalize<>>().swap(finalizers());
      delete &finalizers();
    },
    [](owner* from) { return weakref::adopt(std::move(*from)); },
    [](const owner& of) { return weakref::getweakrefcount(of); },
    [](bool yes) {
      weakref::unraisable_hook hook;
      if (yes) hook = [](const std::exception_ptr&) { support::say("hook"); };
      weakref::set_unraisable_hook(std::move(hook));
    },
    [] { weakref::finalize(std::make_shared<int>(1), [] {}); },
    [] {
      const weakref::proxy<int> dead(weakref::make_tracked<int>(1));
      static_cast<void>(static_cast<int&>(*dead));
    },
    catch_from,
};

} // namespace

const process::side* weakref_side() { return &functions; }
