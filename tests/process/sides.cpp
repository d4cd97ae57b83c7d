// SPDX-License-Identifier: BSL-1.0
//
// sides CASE SCOPE PLUGIN…: several sides (side.hpp) in one process; SCOPE is `local` or `global`, how the plugins
// are loaded. Built twice: `host` is a side itself and linked with the shared library; `bare_host` has nothing to do
// with the library and only brings plugins together.
//
// Promised, with one shared library: it does not matter which side made what. Objects, containers, refs,
// finalizers, exceptions and waiting threads of one are everybody's.
//
// Promised, with a copy of the static library in each plugin: each works for itself, whatever the linker unifies.
// An object of another copy is known where the linker has made the two copies one; else it is untracked: refused
// by untracked_error, or taken where untracked ones are accepted, or adopted. libc++ tells a stranger's exception
// only by its standard base class. Undefined: a container, ref or finalizer handed to the code of another copy; and
// copies whose symbols are hidden (--exclude-libs) under code whose symbols are not.
//
// Promised, when a plugin is unloaded: what others made stays good, though the plugin has used it, once the
// plugin's objects, refs and finalizers are gone, every ref to them too. A container that stays must have been
// reserved or stored into first by code that stays, and be cleared if it accepts untracked ones. A copy of the
// library, or the shared one, that goes together with its only user runs the finalizers then. Undefined: an object,
// container, ref, finalizer or hook whose code has been unloaded. (g++ marks what has certain template statics as
// never to be unloaded; these plugins are built without.)
#include "side.hpp"

#include <dlfcn.h>

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "asleep.hpp"
#include "support/child_output.hpp"
#include "support/threads.hpp"

// For builds with AddressSanitizer. Two copies of one global are what is tried here; and the leak checker of g++ 12
// crashes over the thread_local variables of plugins.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "detect_odr_violation=0:detect_leaks=0"; }

namespace {

using process::owner;
using process::side;
using process::thing;
using support::say;

struct plugin {
  const char* path;
  void* handle;
};
std::vector<const side*> sides;
std::vector<plugin> plugins;

bool load(const char* path, bool global) {
  void* const handle = ::dlopen(path, RTLD_NOW | (global ? RTLD_GLOBAL : RTLD_LOCAL));
  if (handle == nullptr) {
    say(::dlerror());
    return false;
  }
  plugins.push_back({path, handle});
  using function = const side* (*)();
  sides.push_back(reinterpret_cast<function>(::dlsym(handle, "weakref_side"))());
  return true;
}

void unload() {
  const plugin gone = plugins.back();
  plugins.pop_back();
  sides.pop_back();
  ::dlclose(gone.handle);
  say(::dlopen(gone.path, RTLD_NOW | RTLD_NOLOAD) == nullptr ? "unloaded" : "still-loaded");
}

constexpr int every_way[] = {process::tracked, process::self_tracked, process::adopted};

// Whether `user` takes an object of `maker`, and is right about its life.
const char* knows(const side& user, const side& maker, int way) {
  void* const dictionary = user.new_dictionary(false);
  owner made = maker.make(way, 5);
  const std::weak_ptr<thing> watched = made;
  const char* word = "refused";
  if (user.store(dictionary, 1, made)) {
    int called = 0;
    void* const ref = user.watch(
        made, [](void* argument) { ++*static_cast<int*>(argument); }, &called);
    const bool counted = user.watchers(made) == 2 && user.size(dictionary) == 1;
    const bool whole = user.visit_and_drop(dictionary, 1, &made) == 5;
    word = counted && whole && called == 1 && user.size(dictionary) == 0 && watched.expired() ? "known"
                                                                                              : "wrong";
    user.unwatch(ref);
  }
  user.delete_dictionary(dictionary);
  return word;
}

void each_alone() {
  for (const side* one : sides) {
    for (const int way : every_way) say(knows(*one, *one, way));
  }
}

void objects() {
  for (const int way : every_way) {
    say(knows(*sides[0], *sides[1], way));
    say(knows(*sides[1], *sides[0], way));
  }
}

void containers() {
  for (const side* maker : sides) {
    void* const dictionary = maker->new_dictionary(false);
    owner made[] = {sides[0]->make(process::tracked, 1), sides[1]->make(process::self_tracked, 2)};
    const bool stored = sides[1]->store(dictionary, 1, made[0]) && sides[0]->store(dictionary, 2, made[1]);
    const bool refused = sides[0]->visit_and_use(dictionary, 1, sides[1], dictionary) &&
                         sides[1]->visit_and_use(dictionary, 1, sides[0], dictionary);
    const bool whole = sides[0]->visit_and_drop(dictionary, 1, &made[0]) == 1 &&
                       sides[1]->visit_and_drop(dictionary, 2, &made[1]) == 2;
    say(stored && refused && whole && maker->size(dictionary) == 0 ? "right" : "wrong");
    maker->delete_dictionary(dictionary);
  }
}

void exceptions() {
  for (int i = 0; i != 2; ++i) {
    say(sides[i == 0 ? 1 : 0]->catch_from(sides[i == 0 ? 0 : 1]->throw_untracked));
    say(sides[i == 0 ? 1 : 0]->catch_from(sides[i == 0 ? 0 : 1]->throw_reference_error));
  }
}

// Waiting on one side, on the main thread, and waking on the other.
void waiting() {
  for (int i = 0; i != 2; ++i) {
    const side& one = *sides[i == 0 ? 0 : 1];
    const side& other = *sides[i == 0 ? 1 : 0];
    struct meeting {
      support::gate inside, leave;
      static int stay(void* self) {
        auto& at = *static_cast<meeting*>(self);
        at.inside.open();
        at.leave.wait();
        process::until_main_thread_sleeps();
        return 5;
      }
    };
    void* const dictionary = one.new_dictionary(false);
    meeting at_factory;
    {
      const process::factory slow{meeting::stay, &at_factory};
      const support::joining_thread creating([&] { one.get_or_create(dictionary, 1, &slow); });
      at_factory.inside.wait();
      at_factory.leave.open();
      const process::factory quick{[](void*) { return 6; }, nullptr};
      say(other.get_or_create(dictionary, 1, &quick) == 5 ? "landed" : "wrong");
    }
    one.delete_dictionary(dictionary);

    meeting at_callback;
    owner made = one.make(process::tracked, 1);
    void* const ref = other.watch(
        made, [](void* argument) { meeting::stay(argument); }, &at_callback);
    {
      const support::joining_thread dying([&] { made.reset(); });
      at_callback.inside.wait();
      at_callback.leave.open();
      other.unwatch(ref);
      say("returned");
    }
  }
}

owner& kept() {
  static auto& only = *new owner(sides[0]->make(process::tracked, 1));
  return only;
}

// They run at exit, as one sequence.
void finalizers() {
  static auto& second = *new owner(sides[1]->make(process::tracked, 2));
  sides[0]->finalize(kept(), "oldest");
  sides[1]->finalize(kept(), "middle");
  sides[0]->finalize(second, "newest");
}
void own_finalizers() {
  static auto& second = *new owner(sides[1]->make(process::tracked, 2));
  sides[0]->finalize(kept(), "first's");
  sides[1]->finalize(second, "second's");
}

// What a copy does with another copy's object.
void strangers() {
  for (const int way : {process::tracked, process::adopted}) {
    owner made = sides[0]->make(way, 5);
    void* const dictionary = sides[1]->new_dictionary(true);
    sides[1]->store(dictionary, 1, made);
    say(sides[1]->size(dictionary) == 1 && sides[1]->visit_and_drop(dictionary, 1, &made) == 5 ? "taken"
                                                                                               : "lost");
    sides[1]->delete_dictionary(dictionary);
  }
  owner made = sides[0]->make(process::tracked, 5);
  made = sides[1]->adopt(&made);
  void* const dictionary = sides[1]->new_dictionary(false);
  const bool stored = sides[1]->store(dictionary, 1, made);
  say(stored && sides[1]->visit_and_drop(dictionary, 1, &made) == 5 && sides[1]->size(dictionary) == 0
          ? "adopted"
          : "lost");
  sides[1]->delete_dictionary(dictionary);
  // Whoever watches an enable_weakref object first has it.
  made = sides[0]->make(process::self_tracked, 5);
  void* const first = sides[0]->new_dictionary(false);
  void* const second = sides[1]->new_dictionary(false);
  const bool has_it = sides[0]->store(first, 1, made);
  say(has_it && !sides[1]->store(second, 1, made) ? "first-has-it" : "shared");
  made.reset();
  say(sides[0]->size(first) == 0 && sides[1]->size(second) == 0 ? "gone" : "left");
  sides[0]->delete_dictionary(first);
  sides[1]->delete_dictionary(second);
}

// -- Unloading: the last plugin, while the host stays --------------------------------------------------

void unload_after_looking() {
  // It only looked at the host's objects, and has let go of all.
  std::vector<owner> made;
  for (const int way : every_way) {
    made.push_back(sides[0]->make(way, way));
    say(knows(*sides[1], *sides[0], way));
    void* const dictionary = sides[1]->new_dictionary(false);
    sides[1]->store(dictionary, 1, made.back());
    sides[1]->delete_dictionary(dictionary);
    sides[1]->unwatch(sides[1]->watch(
        made.back(), [](void*) {}, nullptr));
  }
  unload();
  void* const dictionary = sides[0]->new_dictionary(false);
  for (const owner& each : made) sides[0]->store(dictionary, each->value, each);
  say(sides[0]->size(dictionary) == made.size() ? "stored" : "wrong");
  made.clear();
  say(sides[0]->size(dictionary) == 0 ? "gone" : "left");
  sides[0]->delete_dictionary(dictionary);
}

void unload_after_storing() {
  void* const dictionary = sides[0]->new_dictionary(false);
  sides[0]->reserve(dictionary); // by code that stays
  {
    std::vector<owner> theirs;
    for (const int way : every_way) {
      theirs.push_back(sides[1]->make(way, way));
      sides[1]->store(dictionary, way, theirs.back());
    }
    const process::factory quick{[](void*) { return 6; }, nullptr};
    sides[1]->get_or_create(dictionary, 17, &quick);
    say(sides[0]->size(dictionary) == theirs.size() ? "stored" : "wrong");
  }
  const owner ours = sides[0]->make(process::tracked, 1);
  owner dying = sides[0]->make(process::tracked, 2);
  sides[1]->store(dictionary, 18, ours);
  sides[1]->store(dictionary, 19, dying);
  unload();
  dying.reset();
  say(sides[0]->size(dictionary) == 1 ? "one-left" : "wrong");
  for (int key = 0; key != 100; ++key) sides[0]->store(dictionary, key, ours);
  sides[0]->delete_dictionary(dictionary);
  say(sides[0]->watchers(ours) == 0 ? "gone" : "left");
}

void unload_after_ending_finalizers() {
  static auto& ours = *new owner(sides[0]->make(process::tracked, 1));
  {
    const owner theirs = sides[1]->make(process::tracked, 1);
    sides[1]->finalize(theirs, "by-death");
    sides[1]->finalize(ours, "never");
  }
  sides[0]->finalize(ours, "at-exit");
  sides[1]->install_hook(true);
  sides[1]->install_hook(false);
  sides[1]->end_finalizers();
  unload();
}

// Not ended: the library goes too, since nobody else uses it, and runs them while their code is still there.
void unload_with_finalizers() {
  {
    owner made = sides[0]->make(process::tracked, 1);
    sides[0]->finalize(made, "older");
    sides[0]->finalize(made, "newer");
    static auto& never_touched_again = *new owner();
    never_touched_again = std::move(made);
  }
  unload();
}

} // namespace

int main(int count, char** words) {
#if defined(WEAKREF_HOST)
  sides.push_back(weakref_side());
#endif
  if (count < 4) return 97;
  const std::string_view which = words[1], scope = words[2];
  for (int i = 3; i != count; ++i) {
    if (!load(words[i], scope == "global")) return 96;
  }
  if (which == "each_alone") each_alone();
  if (which == "objects") objects();
  if (which == "containers") containers();
  if (which == "exceptions") exceptions();
  if (which == "waiting") waiting();
  if (which == "finalizers") finalizers();
  if (which == "own_finalizers") own_finalizers();
  if (which == "strangers") strangers();
  if (which == "unload_after_looking") unload_after_looking();
  if (which == "unload_after_storing") unload_after_storing();
  if (which == "unload_after_ending_finalizers") unload_after_ending_finalizers();
  if (which == "unload_with_finalizers") unload_with_finalizers();
  return 0;
}
