// SPDX-License-Identifier: BSL-1.0
// Everything but the containers: making objects tracked, refs, proxies, methods, finalizers; each operation with
// every failure, for objects that are tracked in each way, with and without watchers. (What throws at a death:
// callback_failures_test.cpp.)
#include "faulty.hpp"
#include "injection.hpp"
#include "public_members.hpp"

#include <weakref/finalize.hpp>
#include <weakref/keyed_ref.hpp>
#include <weakref/proxy.hpp>
#include <weakref/ref.hpp>
#include <weakref/weak_method.hpp>

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

using namespace injection;
using enum fault;
using dictionary_test::accounting_allocator;

namespace {

/// Something that can be compared, hashed and called.
struct subject : thing {
  using thing::thing;
  int call(int more) const {
    faults::point(callback);
    return number + more;
  }
  friend bool operator==(const subject& left, const subject& right) {
    faults::point(compare);
    return left.number == right.number;
  }
  friend std::size_t hash_value(const subject& object) {
    faults::point(hash);
    return static_cast<std::size_t>(object.number);
  }
};
struct self_tracked_subject : subject, weakref::enable_weakref {
  using subject::subject;
};
using Owner = std::shared_ptr<subject>;
using Method = int (subject::*)(int) const;

/// A callback, and what goes with a finalizer. Its copies and moves fail.
struct listener : counted<listener> {
  explicit listener(int& count) : heard(&count) {}
  listener(const listener& other) : counted<listener>(other), heard(other.heard) { faults::point(copy); }
  listener(listener&& other) : counted<listener>(other), heard(other.heard) { faults::point(move); }
  listener& operator=(const listener&) = delete;
  ~listener() = default;
  void operator()() const { ++*heard; }
  int* heard;
};

/// A subclass whose own member may fail when its base has been registered.
struct named_ref : weakref::ref<subject, listener> {
  named_ref(const Owner& owner, const listener& called, int start)
      : weakref::ref<subject, listener>(owner, called), name(start) {}
  ~named_ref() { disarm(); }
  faulty<false> name;
};
using keyed_ref = weakref::KeyedRef<faulty<false>, subject>;
using finalizer = weakref::finalize<int>;

// The first finalizer of a program makes the registry: before main, where nobody else was first.
long failures_of_the_first = 0;
bool first_finalizer() {
  const Owner owner = weakref::make_tracked<subject>(1);
  for (long budget = 0; budget < 100; ++budget) {
    faults::arm(budget, true);
    try {
      weakref::finalize first(owner, [] {});
      faults::disarm();
      first.detach();
      return true;
    } catch (const std::bad_alloc&) {
      faults::disarm();
      ++failures_of_the_first;
    }
  }
  return false;
}
const bool first_is_made = first_finalizer();

// In a configuration, `shards` is the way in which the object is tracked, and `entries` its watchers.
struct Fixture {
  explicit Fixture(const configuration& chosen) : way(chosen.shards) {
    owner = way == 0   ? weakref::make_tracked<subject>(5)
            : way == 1 ? std::make_shared<self_tracked_subject>(5)
                       : weakref::adopt(std::make_unique<subject>(5));
    equal = weakref::make_tracked<subject>(5);
    for (int i = 0; i < chosen.entries; ++i)
      watchers.push_back(std::make_unique<weakref::ref<subject, listener>>(owner, called));
  }

  // --- for the harness -----------------------------------------------------------------------------------------

  static std::vector<configuration> where() {
    return {{0, 0, 0, false}, {0, 2, 0, true}, {1, 0, 0, false}, {1, 0, 0, true},
            {1, 2, 0, false}, {2, 0, 0, true}, {2, 2, 0, false}};
  }
  static std::array<long, 3> census() { return {thing::alive(), listener::alive(), faulty<false>::alive()}; }

  struct state {
    std::array<long, 3> alive;
    std::size_t watching;
    long owners;
  };
  state look() const { return {census(), weakref::getweakrefcount(owner), owner.use_count()}; }
  void check_unchanged(const state& was) const {
    CHECK(census() == was.alive);
    CHECK(weakref::getweakrefcount(owner) == was.watching);
    CHECK(owner.use_count() == was.owners);
    CHECK(heard == 0);
    CHECK(number == 0);
    CHECK_FALSE(flag);
    CHECK((unique == nullptr || unique->number == 7));
    CHECK((shared == nullptr || shared.use_count() == 1));
  }
  void use() {
    const std::size_t before = weakref::getweakrefcount(owner);
    {
      const weakref::ref<subject, listener> guest(owner, called);
      CHECK(weakref::getweakrefcount(owner) == before + 1);
      CHECK(guest() == owner);
    }
    CHECK(weakref::getweakrefcount(owner) == before);
  }
  void let_go() {
    const auto watching = static_cast<int>(weakref::getweakrefcount(owner));
    result.reset();
    CHECK(owner.use_count() == 1);
    owner.reset();
    // Each watcher has heard of it, once.
    CHECK(heard == watching);
    for (const auto& each : watchers) CHECK(((*each)() == nullptr && each->callback() == nullptr));
  }

  closing_account books;
  std::size_t way;
  int heard = 0;
  listener called{heard};
  Owner owner;
  Owner equal;
  std::unique_ptr<subject> unique = std::make_unique<subject>(7);
  std::shared_ptr<subject> shared = std::make_shared<subject>(8);
  std::vector<std::unique_ptr<weakref::ref<subject, listener>>> watchers;

  // What the operation gave.
  Owner result;
  bool flag = false;
  std::size_t number = 0;
  std::optional<weakref::ref<subject, listener>> watcher;
  std::optional<named_ref> named;
  std::optional<keyed_ref> keyed;
  std::optional<weakref::proxy<subject, listener>> proxy;
  std::optional<weakref::WeakMethod<subject, Method, listener>> method;
};

void same(Fixture& f) { CHECK(weakref::getweakrefcount(f.owner) == f.watchers.size()); }
void one_more(Fixture& f) { CHECK(weakref::getweakrefcount(f.owner) == f.watchers.size() + 1); }

} // namespace

#define WEAKREF_REF_OPERATION(name, ...) WEAKREF_OPERATION(Fixture, name, __VA_ARGS__)

// --- making objects tracked ----------------------------------------------------------------------------------

WEAKREF_REF_OPERATION(
    "failures: make_tracked", {"make_tracked"}, heap | construct,
    [](Fixture& f) { f.number = static_cast<std::size_t>(weakref::make_tracked<fragile>(4)->number); },
    [](Fixture& f) { CHECK(f.number == 4); })
WEAKREF_REF_OPERATION(
    "failures: allocate_tracked", {"allocate_tracked"}, allocator | construct,
    [](Fixture& f) {
      const auto made = weakref::allocate_tracked<fragile>(accounting_allocator<fragile>(f.books), 4);
      f.number = static_cast<std::size_t>(made->number);
    },
    [](Fixture& f) { CHECK(f.number == 4); })
WEAKREF_REF_OPERATION(
    "failures: adopt of a unique_ptr, which then still holds the object", {"adopt (unique_ptr)"},
    fault_set(heap), [](Fixture& f) { f.result = weakref::adopt(std::move(f.unique)); },
    [](Fixture& f) {
      CHECK(f.unique == nullptr);
      CHECK(f.result->number == 7);
      CHECK(weakref::is_tracked(f.result));
    })
WEAKREF_REF_OPERATION(
    "failures: adopt of a shared_ptr, which then is unchanged", {"adopt (shared_ptr)"}, fault_set(heap),
    [](Fixture& f) { f.result = weakref::adopt(std::move(f.shared)); },
    [](Fixture& f) {
      CHECK(f.shared == nullptr);
      CHECK(f.result->number == 8);
      CHECK(weakref::is_tracked(f.result));
    })
WEAKREF_REF_OPERATION(
    "failures: adopt of a copy of a shared_ptr", {"adopt (shared_ptr)"}, fault_set(heap),
    [](Fixture& f) { f.result = weakref::adopt(f.shared); },
    [](Fixture& f) {
      CHECK(f.shared.use_count() == 2);
      CHECK(f.result == f.shared);
    })
WEAKREF_REF_OPERATION(
    "no failure: adopt of what is tracked, is_tracked, getweakrefcount",
    {"adopt (shared_ptr)", "is_tracked", "getweakrefcount"}, nothing,
    [](Fixture& f) {
      f.result = weakref::adopt(f.owner);
      f.number = weakref::getweakrefcount(f.owner);
      f.flag =
          weakref::is_tracked(f.owner) && !weakref::is_tracked(f.shared) && !weakref::is_tracked(Owner());
    },
    [](Fixture& f) {
      CHECK(f.result == f.owner);
      CHECK(f.number == f.watchers.size());
      CHECK(f.flag);
    })
WEAKREF_REF_OPERATION(
    "failures: getweakrefs", {"getweakrefs"}, fault_set(heap),
    [](Fixture& f) {
      const auto watching = weakref::getweakrefs(f.owner);
      f.number = watching.size();
      f.flag = watching.empty() || watching.back() == f.watchers.front().get();
    },
    [](Fixture& f) {
      CHECK(f.number == f.watchers.size());
      CHECK(f.flag);
    })
WEAKREF_REF_OPERATION(
    "failures: retire of an object that has an owner is refused", {"retire", "enable_weakref"},
    fault_set(heap),
    [](Fixture& f) {
      const auto object = std::make_shared<self_tracked_subject>(1);
      const weakref::ref watcher(std::shared_ptr<subject>(object), [] {});
      try {
        weakref::retire(*object);
      } catch (const std::logic_error&) {
        f.flag = weakref::getweakrefcount(object) == 1;
      }
    },
    [](Fixture& f) { CHECK(f.flag); })
WEAKREF_REF_OPERATION(
    "no failure: retire of an object without owners", {"retire"}, nothing,
    [](Fixture& f) {
      const self_tracked_subject object(1);
      weakref::retire(object);
      f.flag = true;
    },
    same)

// --- refs ----------------------------------------------------------------------------------------------------

WEAKREF_REF_OPERATION(
    "no failure: plain refs", {"ref", "ref ()", "ref expired", "ref ==", "ref hash"}, nothing,
    [](Fixture& f) {
      const weakref::ref first(f.owner);
      weakref::ref<const subject> second(f.owner);
      second = weakref::ref<const subject>(f.equal);
      const auto third = first;
      f.flag = first() == f.owner && !second.expired() && first == third &&
               first.hash_code() == std::hash<weakref::ref<subject>>()(third) &&
               weakref::ref<subject>().expired();
    },
    [](Fixture& f) {
      same(f);
      CHECK(f.flag);
    })
WEAKREF_REF_OPERATION(
    "failures: a ref with a callback", {"ref with callback", "ref callback"}, heap | copy | move,
    [](Fixture& f) { f.watcher.emplace(f.owner, f.called); },
    [](Fixture& f) {
      one_more(f);
      CHECK(f.watcher->callback()->heard == &f.heard);
    })
WEAKREF_REF_OPERATION(
    "failures: a ref with a callback to an untracked object is refused", {"ref with callback"},
    heap | copy | move,
    [](Fixture& f) {
      f.flag = refused<weakref::untracked_error>([&] { f.watcher.emplace(f.shared, f.called); });
    },
    [](Fixture& f) {
      CHECK(f.flag);
      CHECK(f.shared.use_count() == 1);
    })
WEAKREF_REF_OPERATION(
    "failures: a subclass whose member fails when the callback is registered",
    {"ref with callback", "ref disarm"}, heap | copy | move | construct,
    [](Fixture& f) { f.named.emplace(f.owner, f.called, 4); },
    [](Fixture& f) {
      one_more(f);
      CHECK(f.named->name.number == 4);
    })
WEAKREF_REF_OPERATION(
    "failures: a KeyedRef", {"KeyedRef", "KeyedRef key"}, construct | move,
    [](Fixture& f) { f.keyed.emplace(f.owner, faulty<false>(4)); },
    [](Fixture& f) {
      CHECK(f.keyed->key().number == 4);
      CHECK((*f.keyed)() == f.owner);
    })

// --- proxies and methods -------------------------------------------------------------------------------------

WEAKREF_REF_OPERATION(
    "failures: proxies", {"proxy", "proxy ->", "proxy *", "proxy expired", "proxy =="},
    heap | callback | compare,
    [](Fixture& f) {
      const weakref::proxy living(f.owner);
      const weakref::proxy other_one(f.equal);
      const weakref::proxy<subject> dead;
      const int through_arrow = living->call(1);
      const int through_star = (*living).get().call(2);
      const bool is_equal = living == other_one;
      try {
        (void)dead->number;
      } catch (const weakref::ReferenceError&) {
        f.flag = dead.expired() && through_arrow == 6 && through_star == 7 && is_equal;
      }
    },
    [](Fixture& f) {
      same(f);
      CHECK(f.flag);
    })
WEAKREF_REF_OPERATION(
    "failures: a proxy with a callback", {"proxy with callback"}, heap | copy | move,
    [](Fixture& f) { f.proxy.emplace(f.owner, f.called); }, one_more)
WEAKREF_REF_OPERATION(
    "failures: methods",
    {"WeakMethod", "WeakMethod ()", "WeakMethod call", "WeakMethod ==", "WeakMethod hash"},
    heap | callback | compare | hash,
    [](Fixture& f) {
      const weakref::WeakMethod living(f.owner, &subject::call);
      const weakref::WeakMethod other_one(f.equal, &subject::call);
      const weakref::WeakMethod<subject, Method> dead;
      const int called = living()(1);
      const bool is_equal = living == other_one && living.hash_code() == other_one.hash_code();
      try {
        (void)dead.hash_code();
      } catch (const weakref::ReferenceError&) {
        f.flag = !dead() && called == 6 && is_equal;
      }
    },
    [](Fixture& f) {
      same(f);
      CHECK(f.flag);
    })
WEAKREF_REF_OPERATION(
    "failures: a method with a callback", {"WeakMethod with callback"}, heap | copy | move,
    [](Fixture& f) { f.method.emplace(f.owner, &subject::call, f.called); }, one_more)

// --- finalizers ----------------------------------------------------------------------------------------------

WEAKREF_REF_OPERATION(
    "failures: finalize, called by hand",
    {"finalize", "finalize ()", "finalize alive", "finalize peek", "finalize conversion", "finalize =="},
    heap | copy,
    [](Fixture& f) {
      const auto add = [](const listener&, const listener&, int more) { return more + 1; };
      weakref::finalize made(f.owner, add, f.called, f.called, 4);
      const weakref::finalize<> any = made;
      const bool is_right = made.alive() && made.peek() == f.owner && any == weakref::finalize<>(made) &&
                            made() == 5 && !any.alive() && made.peek() == nullptr;
      f.flag = is_right;
    },
    [](Fixture& f) {
      same(f);
      CHECK(f.flag);
    })
WEAKREF_REF_OPERATION(
    "failures: finalize, detached", {"finalize", "finalize detach", "finalize atexit"}, heap | copy | move,
    [](Fixture& f) {
      weakref::finalize made(f.owner, listener(f.called));
      made.atexit(false);
      f.flag = !made.atexit() && made.detach() == f.owner && !made.alive();
    },
    [](Fixture& f) {
      same(f);
      CHECK(f.flag);
    })
WEAKREF_REF_OPERATION(
    "failures: finalize, left to the death", {"finalize"}, heap | copy,
    [](Fixture& f) { weakref::finalize(f.owner, f.called); }, one_more)
WEAKREF_REF_OPERATION(
    "failures: finalize of an untracked object is refused, and nothing moved", {"finalize"}, fault_set(heap),
    [](Fixture& f) {
      f.flag = refused<weakref::untracked_error>(
          [&] { const weakref::finalize made(f.shared, std::move(f.called)); });
    },
    [](Fixture& f) { CHECK(f.flag); })

TEST_CASE("failures: the first finalizer of the program") {
  CHECK(first_is_made);
  CHECK(failures_of_the_first >= 3); // the finalizer, the registry, its place in the registry
}

// --- what is left to say ---------------------------------------------------------------------------------------

WEAKREF_REF_OPERATION(
    "failures: set_unraisable_hook", {"set_unraisable_hook"}, heap | copy,
    [](Fixture& f) {
      const listener& called = f.called;
      auto before = weakref::set_unraisable_hook([called](std::exception_ptr) { called(); });
      const faults::pause quiet;
      f.flag = weakref::set_unraisable_hook(std::move(before)) != nullptr;
    },
    [](Fixture& f) { CHECK(f.flag); })

TEST_CASE("failures: every public member outside the containers is failed, or known not to fail") {
  operation<Fixture>::check_coverage({reference_members});
}
