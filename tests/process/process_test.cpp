// SPDX-License-Identifier: BSL-1.0
//
// The edges of a process, seen from outside: each case runs the small programs of this folder and compares what they
// said, down to their exit status. What is promised, and what is not, stands at the head of each program.
//
// A program that hangs is ended after 20 s; where a mistake makes many hang, the first one ends the case (REQUIRE).
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "support/child_output.hpp"
#include "support/sanitizers.hpp"

namespace {

const std::string programs = WEAKREF_PROCESS_PROGRAMS "/";

// What it said; its exit status too, if that is not the one it should have.
std::string story(const char* program, std::vector<std::string> arguments, int status = 0) {
  const support::child_output child = support::output_of_program(programs + program, std::move(arguments));
  if (child.status == status) return child.said;
  return child.said + " [status " + std::to_string(child.status) + "]";
}

std::string plugin(const std::string& name) { return programs + "lib" + name + ".so"; }
bool is_built(const std::string& name) { return std::filesystem::exists(plugin(name)); }

// The host, with one plugin.
std::string with_plugin(const char* what, const char* visibility, const char* scope) {
  return story("host", {what, scope, plugin(std::string("plugin_") + visibility + "_1")});
}
// Two plugins, which the program has nothing in common with. KIND: plugin (one shared library) or copy (each has
// its own).
std::string two(const char* what, const std::string& kind, const char* visibility, const char* scope) {
  const std::string name = kind + "_" + visibility + "_";
  return story("bare_host", {what, scope, plugin(name + "1"), plugin(name + "2")});
}

constexpr const char* visibilities[] = {"default", "hidden"};
constexpr const char* scopes[] = {"local", "global"};

#if defined(_LIBCPP_VERSION)
constexpr bool types_by_address = true; // libc++
#else
constexpr bool types_by_address = false;
#endif

const std::string all_known = "known known known known known known";
const std::string all_refused = "refused refused refused refused refused refused";
// What the first side makes with the library is known to the other; nothing else is.
const std::string first_known = "refused known refused refused refused known";

// -- The end of the program, and of threads ------------------------------------------------------------

struct order {
  const char* container;
  const char* way;
  const char* container_first;
  const char* owner_first;
};
constexpr order orders[] = {
    {"value", "block", "~container ~key called ~thing", "~key called ~thing ~container"},
    {"value", "base", "~container ~key ~thing called", "~thing ~key called ~container"},
    {"key", "block", "~container ~value called ~thing", "~value called ~thing ~container"},
    {"key", "base", "~container ~value ~thing called", "~thing ~value called ~container"},
    {"set", "block", "~container called ~thing", "called ~thing ~container"},
    {"set", "base", "~container ~thing called", "~thing called ~container"},
    {"untracked", "block", "~container ~key ~thing", "~thing ~container ~key"},
    {"created", "block", "~container ~key called ~thing", "~key called ~thing ~container"},
    {"ref", "block", "~container ~thing", "called ~thing ~container"},
    {"ref", "base", "~container ~thing", "~thing called ~container"},
};

TEST_CASE("process: static containers and owners are destroyed in both orders") {
  for (const order& each : orders) {
    CAPTURE(each.container);
    CAPTURE(each.way);
    CHECK(story("static_order", {each.container, each.way, "container"}) == each.container_first);
    CHECK(story("static_order", {each.container, each.way, "owner"}) == each.owner_first);
  }
}

TEST_CASE("process: main's thread_locals are destroyed before what is static, container or owner") {
  for (const order& each : orders) {
    CAPTURE(each.container);
    CAPTURE(each.way);
    CHECK(story("static_order", {each.container, each.way, "mixed_container"}) == each.container_first);
    CHECK(story("static_order", {each.container, each.way, "mixed_owner"}) == each.owner_first);
  }
}

TEST_CASE("process: another thread's thread_local containers and owners are destroyed in both orders") {
  for (const order& each : orders) {
    CAPTURE(each.container);
    CAPTURE(each.way);
    const std::string joined = " joined";
    CHECK(story("static_order", {each.container, each.way, "thread_container"}) ==
          each.container_first + joined);
    CHECK(story("static_order", {each.container, each.way, "thread_owner"}) == each.owner_first + joined);
  }
}

TEST_CASE("process: everything works before main and in the last static destructor") {
  CHECK(story("early_and_late", {}) == "stored main ( hook at-exit one-left by-death hook ) late last");
}

TEST_CASE("process: the program may be left in the middle of anything") {
  CHECK(story("leaving", {"return"}) == "return by-death ~thing");
  CHECK(story("leaving", {"factory"}, 3) == "factory by-death ~thing ~stage");
  CHECK(story("leaving", {"loop"}, 3) == "loop ~stage");
  CHECK(story("leaving", {"own_callback"}, 3) == "called ~stage");
  CHECK(story("leaving", {"during_callback"}) == "called ~thing ~stage");
  CHECK(story("leaving", {"containers"}) == "made ~thing ~stage");
}

TEST_CASE("process: std::exit inside a visit function ends the program, and containers refuse meanwhile") {
  CHECK(story("leaving", {"visit"}, 3) == "at-exit logic_error dropped ~stage");
}

TEST_CASE("process: abort runs no finalizer") { CHECK(story("leaving", {"abort"}, 128 + 6) == ""); }

TEST_CASE("process: the program ends while threads use containers that are never destroyed") {
  for (int turn = 0; turn != 5; ++turn) {
    CHECK(story("busy", {"return"}, 3) == "at-exit");
    CHECK(story("busy", {"exit"}, 3) == "at-exit");
    CHECK(story("busy", {"quick_exit"}, 3) == "");
  }
}

TEST_CASE("process: objects die on threads that are ending or never heard of the library") {
  CHECK(story("thread_ends", {"foreign"}) ==
        "finalized ~thing one visited refused ~thing none ~thing joined");
  CHECK(story("thread_ends", {"last"}) ==
        "~thing ~thread_local finalized ~thing one visited refused ~thing none ~thing joined");
  CHECK(story("thread_ends", {"first"}) ==
        "~thing finalized ~thing one visited refused ~thing none ~thing joined");
}

TEST_CASE("process: after a fork both processes go on, and each runs its finalizers") {
  CHECK(story("forked", {"exit"}) == "called right child called right parent");
  CHECK(story("forked", {"_exit"}) == "called right called right parent");
}

// -- One shared library --------------------------------------------------------------------------------

TEST_CASE("process: with one shared library an object of any side is known to the other") {
  for (const char* visibility : visibilities) {
    for (const char* scope : scopes) {
      CAPTURE(visibility);
      CAPTURE(scope);
      REQUIRE(with_plugin("each_alone", visibility, scope) == all_known);
      CHECK(with_plugin("objects", visibility, scope) == all_known);
      CHECK(with_plugin("containers", visibility, scope) == "right right");
    }
  }
}

TEST_CASE("process: with one shared library an exception of one side is caught by its type in the other") {
  for (const char* visibility : visibilities) {
    CAPTURE(visibility);
    CHECK(with_plugin("exceptions", visibility, "local") ==
          "untracked_error ReferenceError untracked_error ReferenceError");
    CHECK(two("exceptions", "plugin", visibility, "local") ==
          "untracked_error ReferenceError untracked_error ReferenceError");
  }
}

TEST_CASE("process: with one shared library a thread of one side is woken by the other") {
  for (const char* visibility : visibilities) {
    CAPTURE(visibility);
    REQUIRE(with_plugin("waiting", visibility, "local") == "landed returned landed returned");
    if (!types_by_address)
      REQUIRE(two("waiting", "plugin", visibility, "local") == "landed returned landed returned");
  }
}

TEST_CASE("process: with one shared library the finalizers of all sides run at exit, newest first") {
  CHECK(with_plugin("finalizers", "default", "local") == "newest middle oldest");
  CHECK(with_plugin("finalizers", "hidden", "local") == "newest middle oldest");
}

TEST_CASE("process: two plugins that bring one shared library know each other's objects") {
  // With libc++ only where the plugins' types are everybody's, or the library's, which has them from the first plugin.
  for (const char* scope : scopes) {
    CAPTURE(scope);
    CHECK(two("each_alone", "plugin", "default", scope) == all_known);
    const std::string said = two("objects", "plugin", "default", scope);
    const bool is_apart = types_by_address && std::string(scope) == "local";
    CHECK(said == (is_apart ? first_known : all_known));
  }
}

// -- A copy of the static library in each plugin -------------------------------------------------------

TEST_CASE("process: plugins with a copy of the library each work for themselves") {
  for (const char* visibility : {"default", "hidden", "unique"}) {
    if (!is_built(std::string("copy_") + visibility + "_1")) continue;
    for (const char* scope : scopes) {
      CAPTURE(visibility);
      CAPTURE(scope);
      REQUIRE(two("each_alone", "copy", visibility, scope) == all_known);
      CHECK(two("own_finalizers", "copy", visibility, scope) == "second's first's");
    }
  }
}

TEST_CASE("process: plugins with a copy of the library each refuse the other's objects") {
  for (const char* visibility : {"default", "hidden", "unique"}) {
    if (!is_built(std::string("copy_") + visibility + "_1")) continue;
    CAPTURE(visibility);
    // An enable_weakref object is anybody's who finds the base class, until somebody watches it.
    const std::string first_comes = "refused refused known known refused refused";
    REQUIRE(two("objects", "copy", visibility, "local") == (types_by_address ? all_refused : first_comes));
    REQUIRE(two("strangers", "copy", visibility, "local") == "taken taken adopted first-has-it gone");
  }
}

TEST_CASE("process: where the linker makes two copies one, they know each other's objects") {
  for (const char* visibility : visibilities) {
    CAPTURE(visibility);
    REQUIRE(two("objects", "copy", visibility, "global") == all_known);
    CHECK(two("strangers", "copy", visibility, "global") == "taken taken adopted shared gone");
  }
}

TEST_CASE("process: an exception of another copy is caught, at least by its standard base class") {
  const std::string said = two("exceptions", "copy", "hidden", "local");
  CHECK(said == (types_by_address ? "invalid_argument runtime_error invalid_argument runtime_error"
                                  : "untracked_error ReferenceError untracked_error ReferenceError"));
}

// -- Unloading -----------------------------------------------------------------------------------------

TEST_CASE("process: objects that an unloaded plugin has looked at live and die as before") {
  for (const char* visibility : visibilities) {
    CAPTURE(visibility);
    CHECK(with_plugin("unload_after_looking", visibility, "local") ==
          "known known known unloaded stored gone");
  }
}

TEST_CASE("process: a container that an unloaded plugin has stored in goes on") {
  for (const char* visibility : visibilities) {
    CAPTURE(visibility);
    CHECK(with_plugin("unload_after_storing", visibility, "local") == "stored unloaded one-left gone");
  }
}

TEST_CASE("process: a plugin that has ended its finalizers can be unloaded") {
  for (const char* visibility : visibilities) {
    CAPTURE(visibility);
    CHECK(with_plugin("unload_after_ending_finalizers", visibility, "local") == "by-death unloaded at-exit");
  }
}

// TSan calls what std::atexit was given in a plugin only at exit, when the plugin is gone.
#if !defined(__SANITIZE_THREAD__)
TEST_CASE("process: a library that is unloaded with its only user runs the finalizers then") {
  for (const char* visibility : visibilities) {
    for (const char* kind : {"copy", "plugin"}) {
      CAPTURE(visibility);
      CAPTURE(kind);
      CHECK(story("bare_host",
                  {"unload_with_finalizers", "local", plugin(std::string(kind) + "_" + visibility + "_1")}) ==
            "newer older unloaded");
    }
  }
}
#endif

} // namespace
