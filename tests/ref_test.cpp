// SPDX-License-Identifier: BSL-1.0
#include <weakref/ref.hpp>

#include <weakref/errors.hpp>
#include <weakref/referent.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "support/counted.hpp"
#include "support/counting_new.hpp"
#include "support/journal.hpp"
#include "support/threads.hpp"
#include "support/unraisable.hpp"

namespace {

using support::heap_watch;
using support::journal;
using support::last_words;

struct shape {
  virtual ~shape() = default;
  int sides = 0;
};
struct square : shape {
  square() { sides = 4; }
};

template <class T> std::size_t hash_of(const weakref::ref<T>& r) { return std::hash<weakref::ref<T>>()(r); }

struct tally {
  int* heard;
  void operator()() const { ++*heard; }
};

// -- ref<T> ---------------------------------------------------------------------------------------

static_assert(sizeof(weakref::ref<int>) == sizeof(std::weak_ptr<int>));
static_assert(sizeof(weakref::ref<shape>) == sizeof(std::weak_ptr<shape>));
static_assert(std::is_nothrow_default_constructible_v<weakref::ref<shape>>);
static_assert(std::is_nothrow_copy_constructible_v<weakref::ref<shape>>);
static_assert(std::is_nothrow_move_constructible_v<weakref::ref<shape>>);
static_assert(std::is_nothrow_copy_assignable_v<weakref::ref<shape>>);
static_assert(std::is_nothrow_move_assignable_v<weakref::ref<shape>>);
static_assert(std::is_nothrow_swappable_v<weakref::ref<shape>>);
static_assert(std::is_nothrow_constructible_v<weakref::ref<shape>, const std::shared_ptr<shape>&>);
static_assert(std::is_nothrow_constructible_v<weakref::ref<shape>, const std::shared_ptr<square>&>);
static_assert(std::is_constructible_v<weakref::ref<const shape>, const std::shared_ptr<square>&>);
static_assert(!std::is_convertible_v<const std::shared_ptr<shape>&, weakref::ref<shape>>, "explicit");
static_assert(!std::is_constructible_v<weakref::ref<square>, const std::shared_ptr<shape>&>);
static_assert(!std::is_constructible_v<weakref::ref<shape>, const std::shared_ptr<const shape>&>);
static_assert(!std::is_polymorphic_v<weakref::ref<shape>>);
static_assert(noexcept(std::declval<const weakref::ref<shape>&>()()));
static_assert(noexcept(std::declval<const weakref::ref<shape>&>().expired()));
static_assert(std::is_same_v<decltype(std::declval<const weakref::ref<shape>&>()()), std::shared_ptr<shape>>);

TEST_CASE("ref: made from nothing it is dead") {
  const weakref::ref<int> nothing;
  CHECK(nothing.expired());
  CHECK_FALSE(nothing());
  const weakref::ref<int> null{std::shared_ptr<int>()};
  CHECK(null.expired());
  CHECK_FALSE(null());
  int object = 1;
  const weakref::ref<int> ownerless{std::shared_ptr<int>(std::shared_ptr<int>(), &object)};
  CHECK(ownerless.expired());
  CHECK_FALSE(ownerless());
}

TEST_CASE("ref: gives an owner while the referent lives, tracked or not, and does not keep it alive") {
  for (auto owner : {weakref::make_tracked<int>(4), std::make_shared<int>(4)}) {
    const weakref::ref<int> r(owner);
    CHECK_FALSE(r.expired());
    CHECK(owner.use_count() == 2); // this one and the list it was taken from
    if (const auto o = r()) {
      CHECK(*o == 4);
      CHECK(o == owner);
    } else {
      FAIL("the referent is alive");
    }
  }
  auto owner = weakref::make_tracked<int>(4);
  const weakref::ref<int> r(owner);
  auto last = r();
  owner.reset();
  CHECK_FALSE(r.expired());
  last.reset();
  CHECK(r.expired());
  CHECK_FALSE(r());
}

TEST_CASE("ref: a ref to a base or a const sees the same object") {
  const auto owner = weakref::make_tracked<square>();
  const weakref::ref<shape> base(owner);
  const weakref::ref<const shape> constant(owner);
  CHECK(base()->sides == 4);
  CHECK(base().get() == owner.get());
  static_assert(std::is_same_v<decltype(constant()), std::shared_ptr<const shape>>);
  CHECK(constant().get() == owner.get());
}

TEST_CASE("ref: CTAD names the type of the owner") {
  const auto owner = weakref::make_tracked<square>();
  const weakref::ref plain(owner);
  static_assert(std::is_same_v<decltype(plain), const weakref::ref<square>>);
  const auto note = [] {};
  const weakref::ref with(owner, note);
  static_assert(
      std::is_same_v<decltype(with), const weakref::ref<square, std::remove_const_t<decltype(note)>>>);
  const std::shared_ptr<const shape> constant = owner;
  const weakref::ref of_const(constant);
  static_assert(std::is_same_v<decltype(of_const), const weakref::ref<const shape>>);
  CHECK(plain() == owner);
  CHECK(with() == owner);
  CHECK(of_const() == owner);
}

TEST_CASE("ref: copies, moves, assignments and swaps refer to what the source referred to") {
  const auto a = weakref::make_tracked<int>(1);
  const auto b = weakref::make_tracked<int>(2);
  weakref::ref<int> r(a);
  const weakref::ref<int> copy = r;
  CHECK(copy() == a);
  CHECK(r() == a);
  const weakref::ref<int> moved = std::move(r);
  CHECK(moved() == a);
  r = weakref::ref<int>(b);
  CHECK(r() == b);
  r = copy;
  CHECK(r() == a);
  auto& itself = r;
  r = itself;
  CHECK(r() == a);
  weakref::ref<int> s(b);
  std::swap(r, s);
  CHECK(r() == b);
  CHECK(s() == a);
  r = weakref::ref<int>();
  CHECK(r.expired());
  CHECK(a.use_count() == 1);
}

TEST_CASE("ref: equality is the identity of the referent, not its value") {
  const auto a = weakref::make_tracked<int>(1);
  const auto b = weakref::make_tracked<int>(1);
  const weakref::ref<int> ra(a);
  const weakref::ref<int> again(a);
  const weakref::ref<int> rb(b);
  CHECK(ra == again);
  CHECK_FALSE(ra != again);
  CHECK(ra != rb);
  CHECK(weakref::ref<int>() == weakref::ref<int>());
  CHECK(ra != weakref::ref<int>());
  CHECK(hash_of(ra) == hash_of(again));
}

TEST_CASE("ref: two elements of one arena are two referents, whoever owns them") {
  for (const auto& arena :
       {weakref::make_tracked<std::array<int, 2>>(), std::make_shared<std::array<int, 2>>()}) {
    const weakref::ref<int> first(std::shared_ptr<int>(arena, &(*arena)[0]));
    const weakref::ref<int> second(std::shared_ptr<int>(arena, &(*arena)[1]));
    const weakref::ref<int> first_again(std::shared_ptr<int>(arena, &(*arena)[0]));
    CHECK(first != second);
    CHECK(first == first_again);
    CHECK(hash_of(first) == hash_of(first_again));
    CHECK(first().get() == &(*arena)[0]);
    CHECK(second().get() == &(*arena)[1]);
  }
}

TEST_CASE("ref: equality and hash are the same after the death as before") {
  auto a = weakref::make_tracked<int>(1);
  auto b = std::make_shared<int>(2);
  const weakref::ref<int> ra(a);
  const weakref::ref<int> again(a);
  const weakref::ref<int> rb(b);
  const auto hash_a = hash_of(ra);
  const auto hash_b = hash_of(rb);
  a.reset();
  b.reset();
  CHECK(ra == again);
  CHECK(ra != rb);
  CHECK(ra != weakref::ref<int>());
  CHECK(rb != weakref::ref<int>());
  CHECK(hash_of(ra) == hash_a);
  CHECK(hash_of(again) == hash_a);
  CHECK(hash_of(rb) == hash_b);
  const weakref::ref<int> copy_of_the_dead = ra;
  CHECK(copy_of_the_dead == ra);
  CHECK(hash_of(copy_of_the_dead) == hash_a);
}

TEST_CASE("ref: the same virtual base seen after the death is still the same referent") {
  struct top {
    virtual ~top() = default;
    int value = 1;
  };
  struct bottom : virtual top {
    int more = 2;
  };
  auto owner = std::make_shared<bottom>();
  const weakref::ref<top> before(owner);
  const auto hash = hash_of(before);
  owner.reset();
  // Neither copying, nor moving, nor comparing may look into the object: it is not there any more.
  weakref::ref<top> copy = before;
  const weakref::ref<top> moved = std::move(copy);
  CHECK(moved == before);
  CHECK(hash_of(moved) == hash);
}

// Failure mode 23.
TEST_CASE("ref: a new object at a dead one's address is another referent") {
  alignas(shape) std::array<std::byte, sizeof(shape)> place;
  const auto end = [](shape* object) { object->~shape(); };
  auto first = std::shared_ptr<shape>(::new (place.data()) shape, end);
  const weakref::ref<shape> old(first);
  const void* const address = first.get();
  first.reset();
  auto second = std::shared_ptr<shape>(::new (place.data()) shape, end);
  const weakref::ref<shape> fresh(second);
  CHECK(second.get() == address);
  CHECK(old != fresh);
  CHECK(old.expired());
  CHECK_FALSE(old());
  CHECK(fresh() == second);
}

TEST_CASE("ref: works as a key of an unordered set, through and beyond death") {
  std::unordered_set<weakref::ref<int>> seen;
  std::vector<std::shared_ptr<int>> owners;
  for (int i = 0; i != 20; ++i) owners.push_back(weakref::make_tracked<int>(i));
  for (const auto& owner : owners) CHECK(seen.insert(weakref::ref<int>(owner)).second);
  for (const auto& owner : owners) CHECK_FALSE(seen.insert(weakref::ref<int>(owner)).second);
  const weakref::ref<int> third(owners[3]);
  owners.clear();
  CHECK(seen.size() == 20);
  CHECK(seen.count(third) == 1);
  CHECK(seen.erase(third) == 1);
}

TEST_CASE("ref: hashes of neighbouring objects are spread over the low bits") {
  const auto arena = std::make_shared<std::array<std::array<char, 64>, 256>>();
  std::unordered_set<std::size_t> low_bits;
  for (auto& element : *arena) {
    const std::shared_ptr<std::array<char, 64>> owner(arena, &element);
    low_bits.insert(hash_of(weakref::ref<std::array<char, 64>>(owner)) & 255U);
  }
  // Addresses alone would give four; a random spread gives about 162.
  CHECK(low_bits.size() > 100);
}

struct node {
  explicit node(int v) : value(v) {}
  int value;
  weakref::ref<node> parent; // node is incomplete here
  std::vector<std::shared_ptr<node>> children;
};

TEST_CASE("ref: may name an incomplete type, as a tree's way up") {
  auto root = weakref::make_tracked<node>(1);
  root->children.push_back(weakref::make_tracked<node>(2));
  const auto child = root->children.front();
  child->parent = weakref::ref<node>(root);
  CHECK(child->parent()->value == 1);
  root.reset();
  CHECK(child->parent.expired());
}

struct never_defined;
using opaque = weakref::ref<never_defined>;
static_assert(sizeof(opaque) == sizeof(std::weak_ptr<never_defined>));

TEST_CASE("ref: a ref to a type that is never defined can be held, copied and compared") {
  const opaque a;
  const opaque b = a;
  CHECK(a == b);
  CHECK(a.expired());
}

struct linked;
struct on_end {
  int* heard;
  void operator()(weakref::ref<linked>&) const;
};
struct linked {
  std::optional<weakref::ref<linked, on_end>> other; // linked is incomplete here as well
};
void on_end::operator()(weakref::ref<linked>& self) const {
  ++*heard;
  CHECK(self.expired());
}

TEST_CASE("ref: a callback's ref may name the class it is a member of") {
  int heard = 0;
  const auto watcher = weakref::make_tracked<linked>();
  auto watched = weakref::make_tracked<linked>();
  watcher->other.emplace(watched, on_end{&heard});
  watched.reset();
  CHECK(heard == 1);
}

TEST_CASE("ref: a class with a deleted operator& can be referred to") {
  struct hidden {
    void operator&() const = delete;
    int value = 3;
  };
  int heard = 0;
  auto owner = weakref::make_tracked<hidden>();
  const weakref::ref<const hidden> plain(owner);
  const weakref::ref watcher(owner, [&heard](weakref::ref<hidden>& self) {
    ++heard;
    CHECK(self.expired());
  });
  CHECK(plain()->value == 3);
  CHECK(plain == weakref::ref<const hidden>(owner));
  owner.reset();
  CHECK(heard == 1);
}

TEST_CASE("ref: taking, copying and comparing allocates nothing") {
  auto owner = weakref::make_tracked<int>(1);
  const heap_watch heap;
  int heard = 0;
  {
    const weakref::ref<int> a(owner);
    const auto b = a;
    const weakref::ref watcher(owner, tally{&heard});
    const bool same = a == b && hash_of(a) == hash_of(b) && a() == owner && !b.expired();
    owner.reset();
    CHECK(same);
  }
  CHECK(heard == 1);
  CHECK(heap.made() == 0);
}

TEST_CASE("ref: on other threads a dying object is whole or gone, never in between") {
  struct honest {
    int value = 42;
    honest() = default;
    honest(const honest&) = delete;
    honest& operator=(const honest&) = delete;
    ~honest() { value = 0; }
  };
  constexpr int rounds = 300;
  support::rendezvous start(2);
  std::shared_ptr<honest> owner;
  weakref::ref<honest> r;
  int broken = 0;
  const support::joining_thread looker([&] {
    for (int round = 0; round != rounds; ++round) {
      start.meet();
      auto mine = r;
      while (const auto o = mine()) {
        if (o->value != 42) ++broken;
      }
      if (!mine.expired()) ++broken;
      start.meet();
    }
    CHECK(broken == 0);
  });
  for (int round = 0; round != rounds; ++round) {
    owner = weakref::make_tracked<honest>();
    r = weakref::ref<honest>(owner);
    start.meet();
    owner.reset();
    start.meet();
  }
}

// -- ref<T, F> ------------------------------------------------------------------------------------

TEST_CASE("ref: the callback is called once, when the last owner lets go, and sees its own ref dead") {
  int calls = 0;
  auto owner = weakref::make_tracked<int>(1);
  const weakref::ref watcher(owner, [&](weakref::ref<int>& self) {
    ++calls;
    CHECK(self.expired());
    CHECK_FALSE(self());
  });
  auto copy = owner;
  owner.reset();
  CHECK(calls == 0);
  copy.reset();
  CHECK(calls == 1);
}

TEST_CASE("ref: the callback's argument is the ref it belongs to") {
  auto owner = weakref::make_tracked<int>(1);
  const weakref::ref<int>* given = nullptr;
  int calls = 0;
  weakref::ref watcher(owner, [&](weakref::ref<int>& self) {
    given = &self;
    ++calls;
  });
  owner.reset();
  CHECK(calls == 1);
  CHECK(given == &watcher);
  CHECK(watcher.expired());
}

TEST_CASE("ref: the callback may move its ref's value away or put another in its place") {
  int heard = 0;
  auto other = weakref::make_tracked<int>(2);
  const weakref::ref<int> to_other(other);
  {
    auto owner = weakref::make_tracked<int>(1);
    const weakref::ref older(owner, [&](weakref::ref<int>& self) {
      self = to_other;
      ++heard;
    });
    const weakref::ref newer(owner, [&](weakref::ref<int>& self) {
      const auto mine = std::move(self);
      CHECK(mine.expired());
      ++heard;
    });
    owner.reset();
    CHECK(older() == other);
  }
  CHECK(heard == 2);
  CHECK(weakref::getweakrefcount(other) == 0);
}

TEST_CASE("ref: callbacks may take the ref, take nothing, be functions, function objects or std::function") {
  static int called = 0;
  called = 0;
  struct by_function {
    static void with(weakref::ref<int>&) { ++called; }
    static void without() { ++called; }
  };
  struct stateful {
    int own = 0;
    void operator()() { // not const
      ++own;
      ++called;
    }
  };
  auto owner = weakref::make_tracked<int>(1);
  const weakref::ref a(owner, [](weakref::ref<int>&) { ++called; });
  const weakref::ref b(owner, [] { ++called; });
  const weakref::ref c(owner, &by_function::with);
  const weakref::ref d(owner, by_function::without);
  const weakref::ref e(owner, stateful());
  const weakref::ref f(owner, std::function<void()>([] { ++called; }));
  const weakref::ref g(owner, std::function<void(weakref::ref<int>&)>([](weakref::ref<int>&) { ++called; }));
  const weakref::ref h(owner, [](const weakref::ref<int>&) { return ++called; });
  const weakref::ref i(owner, [](weakref::ref<int>) { ++called; });
  const weakref::ref j(owner, [](auto&... given) {
    static_assert(sizeof...(given) <= 1);
    ++called;
  });
  CHECK(weakref::getweakrefcount(owner) == 10);
  owner.reset();
  CHECK(called == 10);
}

TEST_CASE("ref: a callback that could be called both ways gets the ref") {
  int with = 0;
  int without = 0;
  struct both {
    int* with;
    int* without;
    void operator()(weakref::ref<int>&) const { ++*with; }
    void operator()() const { ++*without; }
  };
  auto owner = weakref::make_tracked<int>(1);
  const weakref::ref watcher(owner, both{&with, &without});
  owner.reset();
  CHECK(with == 1);
  CHECK(without == 0);
}

TEST_CASE("ref: a move-only callback is moved in and destroyed with its ref") {
  journal log;
  auto owner = weakref::make_tracked<int>(1);
  {
    const weakref::ref watcher(owner, [&log, words = std::make_unique<last_words>(log, "callback")] {
      log(words ? "called" : "called empty");
    });
    owner.reset();
    CHECK(log.text().substr(0, 6) == "called");
  }
  CHECK(log.text() == "called ~callback");
}

TEST_CASE("ref: a ref that goes first is never called") {
  int heard = 0;
  auto owner = weakref::make_tracked<int>(1);
  { const weakref::ref watcher(owner, tally{&heard}); }
  owner.reset();
  CHECK(heard == 0);
}

TEST_CASE("ref: a ref with a callback stays where it was made") {
  using watcher = weakref::ref<int, tally>;
  static_assert(!std::is_copy_constructible_v<watcher>);
  static_assert(!std::is_move_constructible_v<watcher>);
  static_assert(!std::is_copy_assignable_v<watcher>);
  static_assert(!std::is_move_assignable_v<watcher>);
  static_assert(!std::is_default_constructible_v<watcher>);
  static_assert(std::is_base_of_v<weakref::ref<int>, watcher>);
  static_assert(std::is_nothrow_destructible_v<watcher>);
  static_assert(!std::is_polymorphic_v<watcher>);
  // Slicing assignment must not slip another referent under the callback either.
  static_assert(!std::is_assignable_v<watcher&, weakref::ref<int>>);
  int heard = 0;
  const auto owner = weakref::make_tracked<int>(1);
  const watcher made_in_place = [&] { return watcher(owner, tally{&heard}); }();
  CHECK(weakref::getweakrefcount(owner) == 1);
}

TEST_CASE("ref: copied as a plain ref it loses the callback and keeps the referent") {
  int heard = 0;
  auto owner = weakref::make_tracked<int>(1);
  const weakref::ref watcher(owner, tally{&heard});
  const weakref::ref<int> plain = watcher;
  CHECK(plain == watcher);
  CHECK(plain() == owner);
  CHECK(weakref::getweakrefcount(owner) == 1);
  owner.reset();
  CHECK(heard == 1);
  CHECK(plain == watcher);
}

TEST_CASE("ref: callback() is the callback while the referent lives and null from its death on") {
  auto owner = weakref::make_tracked<int>(1);
  struct counting {
    int own = 0;
    bool* null_inside;
    weakref::ref<int, counting>** self;
    void operator()() { *null_inside = (*self)->callback() == nullptr; }
  };
  bool null_inside = false;
  weakref::ref<int, counting>* self = nullptr;
  weakref::ref<int, counting> watcher(owner, counting{5, &null_inside, &self});
  self = &watcher;
  static_assert(noexcept(watcher.callback()));
  static_assert(std::is_same_v<decltype(watcher.callback()), counting*>);
  REQUIRE(watcher.callback() != nullptr);
  CHECK(watcher.callback()->own == 5);
  watcher.callback()->own = 6;
  CHECK(watcher.callback()->own == 6);
  owner.reset();
  CHECK(null_inside);
  CHECK(watcher.callback() == nullptr);
}

TEST_CASE("ref: callback() of one that has not had its turn is null as well, its referent is dead") {
  bool null = false;
  int heard = 0;
  auto owner = weakref::make_tracked<int>(1);
  weakref::ref older(owner, tally{&heard});
  const weakref::ref newer(owner, [&] { null = older.callback() == nullptr && heard == 0; });
  owner.reset();
  CHECK(null);
  CHECK(heard == 1);
}

TEST_CASE("ref: callback() is that of the object it was made for, whatever is assigned to the ref") {
  int heard = 0;
  auto owner = weakref::make_tracked<int>(1);
  const auto other = weakref::make_tracked<int>(2);
  weakref::ref emptied(owner, tally{&heard});
  weakref::ref diverted(owner, tally{&heard});
  weakref::ref moved_from(owner, tally{&heard});
  static_cast<weakref::ref<int>&>(emptied) = weakref::ref<int>();
  static_cast<weakref::ref<int>&>(diverted) = weakref::ref<int>(other);
  const weakref::ref<int> mine = std::move(static_cast<weakref::ref<int>&>(moved_from));
  CHECK(emptied() == nullptr);
  CHECK(diverted() == other);
  CHECK(mine() == owner);
  for (auto* const each : {&emptied, &diverted, &moved_from}) {
    CHECK(each->callback() != nullptr);
    CHECK(std::as_const(*each).callback() == each->callback());
  }
  owner.reset();
  CHECK(heard == 3);
  CHECK(diverted() == other);
  for (auto* const each : {&emptied, &diverted, &moved_from}) {
    CHECK(each->callback() == nullptr);
    CHECK(std::as_const(*each).callback() == nullptr);
  }
}

TEST_CASE("ref: an untracked owner is refused with the type's name and what to do about it") {
  int heard = 0;
  const auto owner = std::make_shared<square>();
  try {
    const weakref::ref watcher(owner, tally{&heard});
    FAIL("a callback that could never fire");
  } catch (const weakref::untracked_error& error) {
    const std::string message = error.what();
    CHECK(message.find("square") != std::string::npos);
    CHECK(message.find("make_tracked") != std::string::npos);
    CHECK(message.find("enable_weakref") != std::string::npos);
    CHECK(message.find("adopt") != std::string::npos);
  }
  CHECK(owner.use_count() == 1);
  CHECK_THROWS_AS(static_cast<void>((weakref::ref<shape, tally>(nullptr, tally{&heard}))),
                  weakref::untracked_error);
}

TEST_CASE("ref: a callback whose move throws registers nothing") {
  struct throws_when_moved {
    int* moves_left;
    explicit throws_when_moved(int& left) : moves_left(&left) {}
    throws_when_moved(throws_when_moved&& other) : moves_left(other.moves_left) {
      if ((*moves_left)-- == 0) throw std::runtime_error("moved");
    }
    void operator()() const { FAIL_CHECK("nobody is registered"); }
  };
  auto owner = weakref::make_tracked<int>(1);
  bool failed = false;
  int budget = 0;
  for (;; ++budget) {
    int left = budget;
    try {
      const weakref::ref<int, throws_when_moved> watcher(owner, throws_when_moved(left));
      CHECK(weakref::getweakrefcount(owner) == 1);
      break;
    } catch (const std::runtime_error&) {
      failed = true;
    }
    CHECK(weakref::getweakrefcount(owner) == 0);
    CHECK(owner.use_count() == 1);
  }
  CHECK(failed);
  owner.reset();
}

TEST_CASE("ref: a derived owner serves a ref to its base") {
  int heard = 0;
  auto owner = weakref::make_tracked<square>();
  const weakref::ref<shape, tally> watcher(owner, tally{&heard});
  CHECK(watcher()->sides == 4);
  owner.reset();
  CHECK(heard == 1);
}

TEST_CASE("ref: an exception that leaves a callback goes to the hook, the other callbacks still run") {
  support::unraisable_log unraisable;
  int heard = 0;
  auto owner = weakref::make_tracked<int>(1);
  const weakref::ref oldest(owner, tally{&heard});
  const weakref::ref throws(owner, [] { throw std::runtime_error("first"); });
  const weakref::ref middle(owner, tally{&heard});
  const weakref::ref throws_too(owner, [] { throw 7; });
  const weakref::ref newest(owner, tally{&heard});
  owner.reset();
  CHECK(heard == 3);
  CHECK(unraisable.text() == "not a std::exception first");
}

// Failure mode 12.
TEST_CASE("ref: a callback that owns its own referent keeps it alive, and lets it go with the ref") {
  journal log;
  auto owner = weakref::make_tracked<last_words>(log, "object");
  {
    const weakref::ref watcher(owner, [&log, mine = owner] { log(mine ? "called" : "called empty"); });
    owner.reset();
    CHECK_FALSE(watcher.expired());
    CHECK(log.text().empty());
  }
  CHECK(log.text() == "~object");
}

TEST_CASE("ref: a callback that owns another ref's referent kills it when it goes") {
  journal log;
  auto a = weakref::make_tracked<last_words>(log, "a");
  auto b = weakref::make_tracked<last_words>(log, "b");
  {
    const weakref::ref on_b(b, [&log] { log("b-died"); });
    {
      const weakref::ref on_a(a, [&log, mine = std::move(b)] { log(mine ? "a-died" : "empty"); });
      a.reset();
      CHECK(log.text() == "a-died ~a");
    }
    CHECK(log.text() == "a-died ~a b-died ~b");
  }
}

// -- subclasses -----------------------------------------------------------------------------------

// Python's own example: a ref that carries annotations and counts its calls.
template <class T> class extended_ref : public weakref::ref<T> {
 public:
  extended_ref(const std::shared_ptr<T>& owner, std::map<std::string, int> annotations)
      : weakref::ref<T>(owner), annotations_(std::move(annotations)) {}

  std::optional<std::pair<std::shared_ptr<T>, int>> operator()() {
    auto owner = weakref::ref<T>::operator()();
    if (!owner) return std::nullopt;
    ++counter_;
    return std::pair(std::move(owner), counter_);
  }
  int annotation(const std::string& name) const { return annotations_.at(name); }

 private:
  std::map<std::string, int> annotations_;
  int counter_ = 0;
};

TEST_CASE("ref: a subclass adds data and its own operator()") {
  auto owner = weakref::make_tracked<int>(9);
  extended_ref<int> r(owner, {{"line", 12}, {"column", 4}});
  CHECK(r()->second == 1);
  CHECK(r()->second == 2);
  CHECK(*r()->first == 9);
  CHECK(r.annotation("line") == 12);
  auto copy = r;
  CHECK(copy()->second == 4);
  CHECK(copy == r);
  owner.reset();
  CHECK_FALSE(r());
  CHECK(r.annotation("column") == 4);
}

// A subclass whose callback uses its own members.
template <class Owner> struct tell {
  Owner* to;
  void operator()() const { to->on_death(); }
};
class session_watcher : public weakref::ref<int, tell<session_watcher>> {
 public:
  session_watcher(const std::shared_ptr<int>& owner, std::string name)
      : weakref::ref<int, tell<session_watcher>>(owner, tell<session_watcher>{this}),
        name_(std::make_unique<std::string>(std::move(name))) {}
  ~session_watcher() { disarm(); }
  using weakref::ref<int, tell<session_watcher>>::disarm;

  void on_death() { heard_ += *name_; }
  const std::string& heard() const { return heard_; }

 private:
  std::unique_ptr<std::string> name_;
  std::string heard_;
};

TEST_CASE("ref: a subclass's callback may use the subclass's members") {
  auto owner = weakref::make_tracked<int>(1);
  const session_watcher watcher(owner, "alice");
  owner.reset();
  CHECK(watcher.heard() == "alice");
}

TEST_CASE("ref: a disarmed callback is never called, disarming again does nothing") {
  auto owner = weakref::make_tracked<int>(1);
  session_watcher watcher(owner, "alice");
  static_assert(noexcept(watcher.disarm()));
  watcher.disarm();
  CHECK(weakref::getweakrefcount(owner) == 0);
  watcher.disarm();
  CHECK(watcher() == owner); // still a ref
  owner.reset();
  CHECK(watcher.heard().empty());
  watcher.disarm();
  CHECK(watcher.expired());
}

class ends_itself;
struct hear {
  ends_itself* to;
  void operator()() const;
};
class ends_itself : public weakref::ref<int, hear> {
 public:
  ends_itself(const std::shared_ptr<int>& owner, journal& log)
      : weakref::ref<int, hear>(owner, hear{this}), log_(&log) {}
  ~ends_itself() { disarm(); }
  void on_death() {
    disarm();
    (*log_)("disarmed");
    disarm();
  }

 private:
  journal* log_;
};
void hear::operator()() const { to->on_death(); }

TEST_CASE("ref: disarming inside the own callback returns at once") {
  journal log;
  auto owner = weakref::make_tracked<int>(1);
  const weakref::ref older(owner, [&log] { log("older"); });
  const ends_itself watcher(owner, log);
  owner.reset();
  CHECK(log.text() == "disarmed older");
}

class slow_watcher;
struct slow_call {
  slow_watcher* to;
  void operator()() const;
};
class slow_watcher : public weakref::ref<int, slow_call> {
 public:
  slow_watcher(const std::shared_ptr<int>& owner, support::gate& entered, support::gate& destroying)
      : weakref::ref<int, slow_call>(owner, slow_call{this}), entered_(&entered), destroying_(&destroying) {}
  ~slow_watcher() {
    destroying_->open();
    disarm();
  }
  void on_death() {
    const auto mine = std::weak_ptr<int>(member_);
    entered_->open();
    destroying_->wait();
    support::give_way();
    CHECK_FALSE(mine.expired());
  }

 private:
  support::gate* entered_;
  support::gate* destroying_;
  std::shared_ptr<int> member_ = std::make_shared<int>(5);
};
void slow_call::operator()() const { to->on_death(); }

// Failure mode 22.
TEST_CASE("ref: a subclass's members live until its callback on another thread has returned") {
  support::gate entered;
  support::gate destroying;
  auto owner = weakref::make_tracked<int>(1);
  std::optional<slow_watcher> watcher;
  watcher.emplace(owner, entered, destroying);
  const support::joining_thread killer([mine = std::move(owner)]() mutable { mine.reset(); });
  entered.wait();
  watcher.reset();
}

} // namespace
