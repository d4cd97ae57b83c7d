// SPDX-License-Identifier: BSL-1.0
#include <weakref/finalize.hpp>

#include <weakref/errors.hpp>
#include <weakref/ref.hpp>
#include <weakref/referent.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/child_output.hpp"
#include "support/counted.hpp"
#include "support/counting_new.hpp"
#include "support/journal.hpp"
#include "support/threads.hpp"
#include "support/unraisable.hpp"
#include "support/ways.hpp"

namespace {

using support::heap_watch;
using support::journal;
using support::say;
using weakref::finalize;
using weakref::make_tracked;

struct tally {
  int* called;
  void operator()() const { ++*called; }
};

// Counted wherever it lies: in a finalizer, in its arguments, on the way there.
struct function_tag;
struct argument_tag;
struct counted_function : support::counted<function_tag> {
  using counted::counted;
  int operator()(const support::counted<argument_tag>& argument) const { return value + argument.value; }
};
using counted_argument = support::counted<argument_tag>;

struct nothing_left {
  nothing_left() = default;
  nothing_left(const nothing_left&) = delete;
  nothing_left& operator=(const nothing_left&) = delete;
  ~nothing_left() {
    CHECK(counted_function::alive() == 0);
    CHECK(counted_argument::alive() == 0);
  }
};

// -- What a handle is -----------------------------------------------------------------------------

static_assert(std::is_same_v<decltype(finalize(std::shared_ptr<int>(), [] {})), finalize<void>>);
static_assert(std::is_same_v<finalize<>, finalize<void>>);
static_assert(std::is_same_v<decltype(finalize(std::shared_ptr<int>(), [] { return 1; })), finalize<int>>);
static_assert(std::is_same_v<decltype(finalize(
                                 std::shared_ptr<int>(),
                                 [](const std::string& s) -> const std::string& { return s; }, "text")),
                             finalize<std::string>>);
static_assert(std::is_nothrow_default_constructible_v<finalize<>>);
static_assert(std::is_copy_constructible_v<finalize<int>> && std::is_copy_assignable_v<finalize<int>>);
static_assert(std::is_nothrow_move_constructible_v<finalize<int>>);
static_assert(std::is_convertible_v<const finalize<int>&, finalize<>>);
static_assert(!std::is_convertible_v<const finalize<>&, finalize<int>>);
static_assert(!std::is_constructible_v<finalize<int>, finalize<>>);
static_assert(std::is_same_v<decltype(std::declval<finalize<int>&>()()), std::optional<int>>);
static_assert(std::is_same_v<decltype(std::declval<finalize<>&>()()), bool>);
static_assert(
    !std::is_constructible_v<finalize<>, std::shared_ptr<int>, void (*)(int)>); // an argument is missing

TEST_CASE("finalize: a handle made by default is dead") {
  finalize<> none;
  finalize<int> no_int;
  CHECK_FALSE(none.alive());
  CHECK(none.peek() == nullptr);
  CHECK(none.detach() == nullptr);
  CHECK_FALSE(none.atexit());
  none.atexit(true);
  CHECK_FALSE(none.atexit());
  CHECK_FALSE(none());
  CHECK(no_int() == std::nullopt);
  CHECK(none == finalize<>());
  CHECK(none == finalize<>(no_int));
}

TEST_CASE("finalize: handles are values; all copies are one finalizer") {
  int called = 0;
  auto owner = make_tracked<int>(1);
  finalize first(owner, tally{&called});
  const finalize second(owner, tally{&called});
  finalize copy = first;
  CHECK(copy == first);
  CHECK(first != second);
  CHECK(finalize<>() != first);

  finalize moved = std::move(copy);
  CHECK(moved == first);
  CHECK_FALSE(copy.alive());
  CHECK(copy == finalize<>());

  copy = second;
  CHECK(copy == second);
  CHECK(moved());
  CHECK_FALSE(first.alive());
  CHECK(copy.alive());
  CHECK(called == 1);
  CHECK(copy());
  CHECK_FALSE(second.alive());
}

TEST_CASE("finalize: any handle becomes a finalize<>, its result forgotten") {
  auto owner = make_tracked<int>(1);
  finalize<int> counting(owner, [] { return 17; });
  finalize<> plain = counting;
  const std::vector<finalize<>> many{counting, plain, finalize<std::string>()};
  CHECK(plain == finalize<>(counting));
  CHECK(many[0] == many[1]);
  CHECK(many[2] == finalize<>());
  CHECK(plain.alive());
  CHECK(plain());
  CHECK_FALSE(counting.alive());
  CHECK(counting() == std::nullopt);
}

// -- By hand --------------------------------------------------------------------------------------

TEST_CASE("finalize: a call by hand gives the function's result, a second one gives nothing") {
  auto owner = make_tracked<int>(1);
  finalize sum(
      owner, [](int a, int b) { return a + b; }, 3, 4);
  CHECK(sum.alive());
  CHECK(sum() == 7);
  CHECK_FALSE(sum.alive());
  CHECK(sum() == std::nullopt);
  CHECK(sum.peek() == nullptr);
  CHECK(sum.detach() == nullptr);
  owner.reset();
  CHECK(sum() == std::nullopt);
}

TEST_CASE("finalize: a call by hand says whether it called, where there is no result") {
  int called = 0;
  auto owner = make_tracked<int>(1);
  finalize end(owner, tally{&called});
  CHECK(end());
  CHECK(called == 1);
  CHECK_FALSE(end());
  owner.reset();
  CHECK(called == 1);
}

TEST_CASE("finalize: a result may be moved only, and may be converted") {
  auto owner = make_tracked<int>(1);
  finalize boxed(owner, [] { return std::make_unique<int>(5); });
  const auto result = boxed();
  REQUIRE(result.has_value());
  CHECK(**result == 5);
  finalize<long> longer(owner, [] { return 5; });
  CHECK(longer() == 5L);
  finalize<> ignored(owner, [] { return std::make_unique<int>(5); });
  CHECK(ignored());
}

TEST_CASE("finalize: an exception of a call by hand is the caller's, and the finalizer is dead") {
  const support::unraisable_log log;
  auto owner = make_tracked<int>(1);
  finalize failing(owner, []() -> int { throw std::runtime_error("by hand"); });
  finalize<> plain = failing;
  CHECK_THROWS_WITH_AS(failing(), "by hand", std::runtime_error);
  CHECK_FALSE(failing.alive());
  CHECK_FALSE(plain());

  finalize nothing(owner, [] { throw std::runtime_error("again"); });
  CHECK_THROWS_WITH_AS(nothing(), "again", std::runtime_error);
  CHECK_FALSE(nothing.alive());
  owner.reset();
  CHECK(log.text() == "");
}

TEST_CASE("finalize: while its function runs by hand the finalizer is dead already") {
  auto owner = make_tracked<int>(1);
  finalize<> self;
  bool alive = true, called_again = true, has_owner = true;
  self = finalize<>(owner, [&] {
    alive = self.alive();
    called_again = self();
    has_owner = self.peek() != nullptr || self.detach() != nullptr;
  });
  CHECK(self());
  CHECK_FALSE(alive);
  CHECK_FALSE(called_again);
  CHECK_FALSE(has_owner);
}

TEST_CASE("finalize: functions are whatever std::invoke takes") {
  struct counter {
    int count = 0;
    int add(int more) { return count += more; }
  };
  auto owner = make_tracked<int>(1);
  counter there;
  finalize method(owner, &counter::add, &there, 3);
  finalize referred(owner, &counter::add, std::ref(there), 4);
  finalize member(owner, &counter::count, &there);
  CHECK(method() == 3);
  CHECK(referred() == 7);
  CHECK(member() == 7);
  finalize plain(
      owner, +[](int a) { return a * 2; }, 4);
  CHECK(plain() == 8);
}

// -- By death -------------------------------------------------------------------------------------

TEST_CASE("finalize: the function is called when the object dies, however the object came to be tracked") {
  for (const support::way& way : support::every_way) {
    CAPTURE(way.name);
    int called = 0;
    auto owner = way.make();
    std::shared_ptr<support::object> second = owner;
    finalize end(owner, tally{&called});
    CHECK(weakref::getweakrefcount(owner) == 1);
    owner.reset();
    CHECK(called == 0);
    CHECK(end.alive());
    second.reset();
    CHECK(called == 1);
    CHECK_FALSE(end.alive());
    CHECK(end.peek() == nullptr);
    CHECK(end.detach() == nullptr);
    CHECK_FALSE(end());
    CHECK(called == 1);
  }
  CHECK(support::object::alive() == 0);
}

TEST_CASE("finalize: an owner of a base, of a const object or of a member will do") {
  struct base {
    virtual ~base() = default;
    int member = 0;
  };
  struct derived : base {};
  int called = 0;
  auto owner = make_tracked<derived>();
  const finalize<> handles[] = {
      finalize<>(std::shared_ptr<base>(owner), tally{&called}),
      finalize<>(std::shared_ptr<const derived>(owner), tally{&called}),
      finalize<>(std::shared_ptr<int>(owner, &owner->member), tally{&called}),
  };
  CHECK(handles[0].peek() == std::static_pointer_cast<base>(owner));
  CHECK(handles[2].peek().get() == &owner->member);
  owner.reset();
  CHECK(called == 3);
}

TEST_CASE("finalize: when the function runs by death the object is dead to everybody") {
  for (const support::way& way : support::every_way) {
    CAPTURE(way.name);
    auto owner = way.make();
    const weakref::ref other(owner);
    finalize<> end;
    bool seen_dead = false, is_first = false;
    const int before = support::object::alive();
    end = finalize<>(owner, [&] {
      seen_dead = other() == nullptr && end.peek() == nullptr && !end.alive() && !end();
      is_first = support::object::alive() == before;
    });
    owner.reset();
    CHECK(seen_dead);
    CHECK(is_first == way.whole_in_callbacks);
    CHECK(support::object::alive() == before - 1);
  }
}

TEST_CASE("finalize: finalizers and the callbacks of refs run newest first, as one sequence") {
  journal log;
  auto owner = make_tracked<int>(1);
  auto note = [&](const char* word) { return [&log, word] { log(word); }; };
  const weakref::ref a(owner, note("ref-a"));
  finalize(owner, note("fin-b"));
  const weakref::ref c(owner, note("ref-c"));
  finalize(owner, note("fin-d"));
  finalize(owner, note("fin-e"));
  owner.reset();
  CHECK(log.text() == "fin-e fin-d ref-c fin-b ref-a");
}

TEST_CASE("finalize: exceptions by death go to the unraisable hook, and the others still run") {
  const support::unraisable_log unraisable;
  journal log;
  auto owner = make_tracked<int>(1);
  finalize(owner, [&] { log("first"); });
  finalize failing(owner, [&]() -> int {
    log("second");
    throw std::runtime_error("by-death");
  });
  finalize(owner, [&] { log("third"); });
  finalize(owner, [] { throw 17; });
  owner.reset();
  CHECK(log.text() == "third second first");
  CHECK(unraisable.text() == "not a std::exception by-death");
  CHECK_FALSE(failing.alive());
}

TEST_CASE("finalize: dropping every handle cancels nothing") {
  int called = 0;
  auto owner = make_tracked<int>(1);
  finalize(owner, tally{&called});
  {
    finalize dropped(owner, tally{&called});
    finalize overwritten = dropped;
    overwritten = finalize<>();
  }
  CHECK(called == 0);
  CHECK(weakref::getweakrefcount(owner) == 2);
  owner.reset();
  CHECK(called == 2);
}

TEST_CASE("finalize: a death is heard on the thread that let go last") {
  std::thread::id where;
  auto owner = make_tracked<int>(1);
  finalize(owner, [&] { where = std::this_thread::get_id(); });
  std::thread::id expected;
  {
    const support::joining_thread other([&, last = std::move(owner)]() mutable {
      expected = std::this_thread::get_id();
      last.reset();
    });
  }
  CHECK(where == expected);
  CHECK(where != std::this_thread::get_id());
}

TEST_CASE("finalize: retire() calls the finalizers of an object that goes back to its pool") {
  struct pooled : weakref::enable_weakref {};
  pooled object;
  int called = 0;
  std::shared_ptr<pooled> owner(&object, [](pooled* p) { weakref::retire(*p); });
  finalize end(owner, tally{&called});
  owner.reset();
  CHECK(called == 1);
  CHECK_FALSE(end.alive());
}

// -- detach, peek, atexit -------------------------------------------------------------------------

TEST_CASE("finalize: detach ends it uncalled and gives the object's owner") {
  int called = 0;
  auto owner = make_tracked<int>(1);
  finalize end(owner, tally{&called});
  const finalize<> copy = end;
  CHECK(end.detach() == owner);
  CHECK_FALSE(end.alive());
  CHECK_FALSE(copy.alive());
  CHECK(end.detach() == nullptr);
  CHECK_FALSE(end());
  CHECK(weakref::getweakrefcount(owner) == 0);
  owner.reset();
  CHECK(called == 0);
}

TEST_CASE("finalize: what detach gives keeps the object alive") {
  int called = 0;
  auto owner = make_tracked<int>(1);
  finalize end(owner, tally{&called});
  const weakref::ref object(owner);
  std::shared_ptr<const void> kept = end.detach();
  owner.reset();
  CHECK_FALSE(object.expired());
  kept.reset();
  CHECK(object.expired());
  CHECK(called == 0);
}

TEST_CASE("finalize: peek gives the object's owner and changes nothing") {
  int called = 0;
  auto owner = make_tracked<int>(1);
  const finalize end(owner, tally{&called});
  CHECK(end.peek() == owner);
  CHECK(owner.use_count() == 1);
  CHECK(end.alive());
  std::shared_ptr<const void> kept = end.peek();
  owner.reset();
  CHECK(end.alive());
  CHECK(called == 0);
  kept.reset();
  CHECK_FALSE(end.alive());
  CHECK(called == 1);
  CHECK(end.peek() == nullptr);
}

TEST_CASE("finalize: it runs at exit unless told otherwise; a dead one never does") {
  auto owner = make_tracked<int>(1);
  finalize end(owner, [] {});
  const finalize copy = end;
  CHECK(end.atexit());
  end.atexit(false);
  CHECK_FALSE(end.atexit());
  CHECK_FALSE(copy.atexit());
  end.atexit(true);
  CHECK(copy.atexit());
  CHECK(end.alive());
  CHECK(end());
  CHECK_FALSE(end.atexit());
  end.atexit(true);
  CHECK_FALSE(end.atexit());
}

TEST_CASE("finalize: atexit(false) does not keep it from running by death") {
  int called = 0;
  auto owner = make_tracked<int>(1);
  finalize(owner, tally{&called}).atexit(false);
  owner.reset();
  CHECK(called == 1);
}

TEST_CASE("finalize: getweakrefcount counts it until it ends") {
  auto owner = make_tracked<int>(1);
  finalize called(owner, [] {});
  finalize detached(owner, [] {});
  finalize(owner, [] {});
  CHECK(weakref::getweakrefcount(owner) == 3);
  CHECK(weakref::getweakrefs(owner).size() == 3);
  called();
  CHECK(weakref::getweakrefcount(owner) == 2);
  detached.detach();
  CHECK(weakref::getweakrefcount(owner) == 1);
}

// -- The function and its arguments ---------------------------------------------------------------

TEST_CASE("finalize: the arguments are copies, taken when the finalizer is made") {
  auto owner = make_tracked<int>(1);
  std::string text = "before";
  finalize end(
      owner, [](const std::string& kept) { return kept; }, text);
  text = "after";
  CHECK(end() == "before");
  finalize referring(
      owner, [](const std::string& seen) { return seen; }, std::ref(text));
  CHECK(referring() == "after");
}

TEST_CASE("finalize: function and arguments are moved in, and moved into the call") {
  struct once {
    std::unique_ptr<int> own;
    int operator()(std::unique_ptr<int> argument) && { return *own + *argument; } // no other call compiles
  };
  auto owner = make_tracked<int>(1);
  finalize end(owner, once{std::make_unique<int>(3)}, std::make_unique<int>(4));
  CHECK(end() == 7);
}

TEST_CASE("finalize: what is given as an lvalue is left as it was") {
  const nothing_left check;
  auto owner = make_tracked<int>(1);
  const counted_function function(1);
  const counted_argument argument(2);
  finalize end(owner, function, argument);
  CHECK(counted_function::alive() == 2);
  CHECK(counted_argument::alive() == 2);
  CHECK(end() == 3);
  CHECK(counted_function::alive() == 1);
  CHECK(counted_argument::alive() == 1);
}

TEST_CASE("finalize: function and arguments are destroyed when it ends, though handles live on") {
  const nothing_left check;
  auto owner = make_tracked<int>(1);
  finalize end(owner, counted_function(1), counted_argument(2));
  const finalize<> copy = end;
  REQUIRE(counted_function::alive() == 1);
  REQUIRE(counted_argument::alive() == 1);
  SUBCASE("by hand") { CHECK(end() == 3); }
  SUBCASE("by hand, through a finalize<>") { CHECK(finalize<>(end)()); }
  SUBCASE("detached") { CHECK(end.detach() == owner); }
  SUBCASE("by death") { owner.reset(); }
  CHECK(counted_function::alive() == 0);
  CHECK(counted_argument::alive() == 0);
  CHECK_FALSE(copy.alive());
}

TEST_CASE("finalize: function and arguments are destroyed after an exception too") {
  const support::unraisable_log log;
  const nothing_left check;
  struct failing : counted_function {
    void operator()(const counted_argument&) const { throw std::runtime_error("fails"); }
  };
  auto owner = make_tracked<int>(1);
  finalize end(owner, failing(), counted_argument(2));
  SUBCASE("by hand") { CHECK_THROWS_AS(end(), std::runtime_error); }
  SUBCASE("by death") { owner.reset(); }
  CHECK(counted_function::alive() == 0);
  CHECK(counted_argument::alive() == 0);
}

TEST_CASE("finalize: the arguments live until the function has returned") {
  const nothing_left check;
  auto owner = make_tracked<int>(1);
  int seen = 0;
  finalize end(
      owner,
      [&](const counted_argument& argument) {
        owner.reset();
        seen = argument.value;
      },
      counted_argument(5));
  CHECK(end());
  CHECK(seen == 5);
}

TEST_CASE("finalize: a function may hold its object's last owner; a call by hand lets it go") {
  // The finalizer of such an object never runs by death. Ended by hand it frees everything.
  const int before = support::object::alive();
  auto owner = make_tracked<support::object>(1);
  finalize end(owner, [own = owner] { return own->value; });
  owner.reset();
  CHECK(support::object::alive() == before + 1);
  SUBCASE("called") { CHECK(end() == 1); }
  SUBCASE("detached") { CHECK(end.detach() != nullptr); }
  CHECK(support::object::alive() == before);
}

TEST_CASE("finalize: the end of the function's own parts may do anything") {
  struct parting {
    std::function<void()> words;
    explicit parting(std::function<void()> w) : words(std::move(w)) {}
    parting(parting&& other) noexcept : words(std::exchange(other.words, nullptr)) {}
    parting& operator=(parting&&) = delete;
    ~parting() {
      if (words) words();
    }
    void operator()() const {}
  };
  journal log;
  auto owner = make_tracked<int>(1);
  auto other = make_tracked<int>(2);
  finalize(other, [&] { log("other"); });
  finalize<> end;
  end = finalize<>(owner, parting([&] {
                     other.reset();
                     end = finalize<>();
                     log("parts");
                   }));
  SUBCASE("by hand") { CHECK(end()); }
  SUBCASE("detached") { CHECK(end.detach() == owner); }
  SUBCASE("by death") { owner.reset(); }
  CHECK(log.text() == "other parts");
  CHECK_FALSE(end.alive());
}

// -- Errors ---------------------------------------------------------------------------------------

TEST_CASE("finalize: untracked, null and ownerless owners are refused, and nothing is left") {
  const nothing_left check;
  const auto untracked = std::make_shared<int>(1);
  int there = 0;
  const std::shared_ptr<int> ownerless(std::shared_ptr<void>(), &there);
  auto make = [](const std::shared_ptr<int>& owner) {
    finalize(owner, counted_function(), counted_argument());
  };
  CHECK_THROWS_AS(make(untracked), weakref::untracked_error);
  CHECK_THROWS_AS(make(nullptr), weakref::untracked_error);
  CHECK_THROWS_AS(make(ownerless), weakref::untracked_error);
  const heap_watch heap;
  try {
    make(untracked);
  } catch (const weakref::untracked_error&) {}
  CHECK(heap.kept() == 0);
  CHECK(untracked.use_count() == 1);
}

TEST_CASE("finalize: where an owner is refused, function and arguments are left as they were") {
  const auto untracked = std::make_shared<int>(1);
  auto argument = std::make_unique<int>(5);
  auto function = [own = std::make_unique<int>(6)](const std::unique_ptr<int>&) { return *own; };
  CHECK_THROWS_AS(finalize(untracked, std::move(function), std::move(argument)), weakref::untracked_error);
  REQUIRE(argument != nullptr);
  CHECK(function(argument) == 6);
}

TEST_CASE("finalize: two allocations make one, and its end gives both back") {
  auto owner = make_tracked<int>(1);
  finalize(owner, [] {})(); // the registry is there
  const heap_watch heap;
  finalize end(owner, [] {});
  CHECK(heap.made() == 2);
  end();
  end = finalize<>();
  CHECK(heap.kept() == 0);
}

TEST_CASE("finalize: a failing allocation leaves no finalizer") {
  const nothing_left check;
  auto owner = make_tracked<int>(1);
  finalize(owner, [] {})();
  const std::string long_text(100, 'x');
  int called = 0;
  std::size_t failures = 0;
  for (bool done = false; !done; ++failures) {
    REQUIRE(failures < 100);
    const heap_watch heap;
    {
      const support::failing_allocation failing(failures);
      try {
        finalize(
            owner, [&called](const std::string&, const counted_argument&) { ++called; }, long_text,
            counted_argument(1))
            .atexit(false);
        done = !failing.happened();
      } catch (const std::bad_alloc&) {}
    }
    if (!done) {
      CHECK(heap.kept() == 0);
      CHECK(counted_argument::alive() == 0);
      CHECK(weakref::getweakrefcount(owner) == 0);
    }
  }
  CHECK(failures >= 4);
  CHECK(weakref::getweakrefcount(owner) == 1);
  owner.reset();
  CHECK(called == 1);
}

TEST_CASE("finalize: an argument that can't be copied or moved leaves no finalizer") {
  const nothing_left check;
  static int budget = 0;
  struct sulky : counted_argument {
    sulky() = default;
    sulky(const sulky& other) : counted_argument(other) {
      if (budget-- == 0) throw std::runtime_error("sulks");
    }
  };
  auto owner = make_tracked<int>(1);
  int failures = 0;
  for (bool done = false; !done;) {
    budget = failures;
    const sulky first, second;
    try {
      finalize(
          owner, [](const sulky&, const sulky&) {}, first, second)();
      done = true;
    } catch (const std::runtime_error&) {
      ++failures;
    }
    CHECK(weakref::getweakrefcount(owner) == 0);
  }
  CHECK(failures >= 2);
}

TEST_CASE("finalize: nothing is allocated when it runs by death or is detached") {
  auto owner = make_tracked<int>(1);
  int called = 0;
  finalize detached(owner, tally{&called});
  finalize(owner, tally{&called});
  const heap_watch heap;
  detached.detach();
  owner.reset();
  CHECK(heap.made() == 0);
  CHECK(called == 1);
}

// A big object, so that its block is told from all else.
struct big {
  std::array<char, 4096> room{};
};

enum class ending { by_hand, detached, by_death };

void end_it(ending how, finalize<>& handle, std::shared_ptr<big>& owner) {
  switch (how) {
  case ending::by_hand:
    handle();
    break;
  case ending::detached:
    handle.detach();
    break;
  case ending::by_death:
    owner.reset();
    break;
  }
}

TEST_CASE("finalize: once it has ended, and its handles are gone, nothing of it is left") {
  finalize(make_tracked<int>(1), [] {})(); // the registry is there
  for (const ending how : {ending::by_hand, ending::detached, ending::by_death}) {
    CAPTURE(how);
    const heap_watch heap;
    auto owner = make_tracked<big>();
    const std::size_t without = heap.kept();
    finalize end(owner, [] {});
    end_it(how, end, owner);
    end = finalize<>();
    CHECK(heap.kept() == (how == ending::by_death ? 0 : without));
    owner.reset();
    CHECK(heap.kept() == 0);
  }
}

TEST_CASE("finalize: a handle that outlives the end keeps none of the object's memory") {
  finalize(make_tracked<int>(1), [] {})(); // the registry is there
  for (const ending how : {ending::by_hand, ending::detached, ending::by_death}) {
    CAPTURE(how);
    const heap_watch heap;
    finalize<> end;
    std::size_t finalizer = 0;
    {
      auto owner = make_tracked<big>();
      const std::size_t without = heap.kept();
      end = finalize<>(owner, [] {});
      end_it(how, end, owner);
      finalizer = heap.kept() - (how == ending::by_death ? 0 : without);
    }
    CHECK(finalizer == 1);
    CHECK(heap.kept() == finalizer);
    CHECK_FALSE(end.alive());
    CHECK(end.peek() == nullptr);
  }
}

// -- Finalizers that do things --------------------------------------------------------------------

TEST_CASE("finalize: a finalizer may make finalizers, for other objects and for new ones") {
  journal log;
  auto owner = make_tracked<int>(1);
  auto other = make_tracked<int>(2);
  std::shared_ptr<int> fresh;
  finalize(owner, [&] {
    log("outer");
    finalize(other, [&] { log("other"); });
    fresh = make_tracked<int>(3);
    finalize(fresh, [&] { log("fresh"); });
    finalize(make_tracked<int>(4), [&] { log("at-once"); });
  });
  owner.reset();
  CHECK(log.text() == "outer at-once");
  fresh.reset();
  other.reset();
  CHECK(log.text() == "outer at-once fresh other");
}

TEST_CASE("finalize: a finalizer may kill other objects, whose finalizers run inside it") {
  journal log;
  auto a = make_tracked<int>(1);
  auto b = make_tracked<int>(2);
  auto c = make_tracked<int>(3);
  finalize(c, [&] { log("c"); });
  finalize(b, [&] {
    log("b(");
    c.reset();
    log(")b");
  });
  finalize(a, [&] { log("a-older"); });
  finalize(a, [&] {
    log("a(");
    b.reset();
    log(")a");
  });
  a.reset();
  CHECK(log.text() == "a( b( c )b )a a-older");
}

TEST_CASE("finalize: a finalizer may assign to its own handle") {
  for (const bool by_death : {false, true}) {
    CAPTURE(by_death);
    const nothing_left check;
    auto owner = make_tracked<int>(1);
    auto other = make_tracked<int>(2);
    finalize<> handle;
    int called = 0;
    handle = finalize<>(owner, [&, argument = counted_argument(3)] {
      handle = finalize<>(other, tally{&called});
      CHECK(argument.value == 3);
    });
    if (by_death)
      owner.reset();
    else
      CHECK(handle());
    CHECK(handle.alive());
    CHECK(called == 0);
    CHECK(handle());
    CHECK(called == 1);
  }
}

TEST_CASE("finalize: a finalizer may detach and call the others of its object") {
  journal log;
  auto owner = make_tracked<int>(1);
  finalize called(owner, [&] { log("called"); });
  finalize detached(owner, [&] { log("detached"); });
  finalize left(owner, [&] { log("left"); });
  finalize by_hand(owner, [&] {
    log("(");
    called();
    CHECK(detached.detach() == owner);
    log(")");
  });
  by_hand();
  CHECK(log.text() == "( called )");
  owner.reset();
  CHECK(log.text() == "( called ) left");
}

TEST_CASE("finalize: during a death the finalizers still waiting can be called, not detached") {
  // detach() gives an owner; a dead object has none.
  journal log;
  auto owner = make_tracked<int>(1);
  finalize oldest(owner, [&] { log("oldest"); });
  finalize old(owner, [&] { log("old"); });
  finalize(owner, [&] {
    CHECK(oldest.alive());
    CHECK(oldest.peek() == nullptr);
    CHECK(oldest.detach() == nullptr);
    CHECK(old());
    CHECK_FALSE(old.alive());
    log("newest");
  });
  owner.reset();
  CHECK(log.text() == "old newest oldest");
}

TEST_CASE("finalize: a function that lets its own object go, called by hand, is called once") {
  int called = 0;
  auto owner = make_tracked<int>(1);
  finalize end(owner, [&] {
    ++called;
    owner.reset();
  });
  CHECK(end());
  CHECK(called == 1);
}

TEST_CASE("finalize: a thousand finalizers that each kill the next object") {
  std::vector<std::shared_ptr<int>> chain;
  int called = 0;
  for (int i = 0; i != 1000; ++i) chain.push_back(make_tracked<int>(i));
  for (std::size_t i = 0; i != chain.size(); ++i) {
    finalize(chain[i], [&, i] {
      ++called;
      if (i + 1 != chain.size()) chain[i + 1].reset();
    });
  }
  chain[0].reset();
  CHECK(called == 1000);
}

TEST_CASE("finalize: an object keeps its finalizers apart from others'") {
  std::vector<std::shared_ptr<int>> objects;
  std::vector<int> called(50);
  for (int& each : called) {
    objects.push_back(make_tracked<int>(0));
    for (int i = 0; i != 4; ++i) finalize(objects.back(), tally{&each});
  }
  for (std::size_t i = 0; i != objects.size(); i += 2) objects[i].reset();
  for (std::size_t i = 0; i != called.size(); ++i) CHECK(called[i] == (i % 2 == 0 ? 4 : 0));
  objects.clear();
  for (const int each : called) CHECK(each == 4);
}

// -- Threads --------------------------------------------------------------------------------------

struct round_of_finalize {
  std::shared_ptr<support::object> owner;
  finalize<> handle;
  std::atomic<int> called{0};
  std::atomic<int> by_hand{0};
  std::atomic<int> detached{0};
};

// Each contender does its own thing at the same moment, round after round; then exactly one has won.
template <class Make, class... Contenders> void race(int rounds, Make make, Contenders... contenders) {
  std::optional<round_of_finalize> current;
  support::rendezvous start(sizeof...(contenders) + 1), end(sizeof...(contenders) + 1);
  auto body = [&](auto contend) {
    for (int round = 0; round != rounds; ++round) {
      start.meet();
      contend(*current);
      end.meet();
    }
  };
  int wrong = 0;
  {
    std::vector<std::thread> threads;
    (threads.emplace_back([&body, contenders] { body(contenders); }), ...);
    for (int round = 0; round != rounds; ++round) {
      current.emplace();
      make(*current);
      start.meet();
      end.meet();
      current->owner.reset();
      const int called = current->called, by_hand = current->by_hand, detached = current->detached;
      const bool good = called + detached == 1 && by_hand <= called && !current->handle.alive();
      if (!good) ++wrong;
    }
    for (std::thread& thread : threads) thread.join();
  }
  CHECK(wrong == 0);
}

constexpr int rounds = 3000;

void call(round_of_finalize& round) {
  finalize<> own = round.handle;
  if (own()) ++round.by_hand;
}
void detach(round_of_finalize& round) {
  finalize<> own = round.handle;
  if (const auto object = own.detach()) ++round.detached;
}
void die(round_of_finalize& round) { round.owner.reset(); }

TEST_CASE("finalize: of call, detach and death on three threads exactly one wins") {
  for (const support::way& way : support::every_way) {
    CAPTURE(way.name);
    const nothing_left check;
    const int objects = support::object::alive();
    race(
        rounds / 6,
        [&](round_of_finalize& round) {
          round.owner = way.make();
          round.handle = finalize<>(round.owner, [&round, a = counted_argument(1)] { ++round.called; });
        },
        call, detach, die);
    CHECK(support::object::alive() == objects);
  }
}

// Two threads go through the same finalizers. Who comes later finds them dead, which is quicker, until he has
// caught up: from there on the two contend for each one.
template <class First, class Second> void chase(First first, Second second) {
  int wrong = 0;
  for (int turn = 0; turn != 10; ++turn) {
    std::vector<round_of_finalize> all(1000);
    for (round_of_finalize& each : all) {
      each.owner = make_tracked<support::object>(1);
      each.handle = finalize<>(each.owner, [&each] { ++each.called; });
    }
    support::rendezvous start(2);
    {
      const support::joining_thread other([&] {
        start.meet();
        for (round_of_finalize& each : all) second(each);
      });
      start.meet();
      for (round_of_finalize& each : all) first(each);
    }
    for (round_of_finalize& each : all) {
      each.owner.reset();
      if (each.called + each.detached != 1 || each.by_hand > each.called || each.handle.alive()) ++wrong;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("finalize: of two calls by hand one wins") { chase(call, call); }
TEST_CASE("finalize: of a call by hand and a death one wins") { chase(call, die); }
TEST_CASE("finalize: of a call by hand and a detach one wins") { chase(call, detach); }
TEST_CASE("finalize: of a detach and a death one wins") { chase(detach, die); }
TEST_CASE("finalize: of two detachments one wins") { chase(detach, detach); }

TEST_CASE("finalize: peek on one thread, while others call it and let the object go") {
  auto peek = [](round_of_finalize& round) {
    finalize<> own = round.handle;
    for (int i = 0; i != 3; ++i) {
      const auto object = own.peek();
      if (object != nullptr && static_cast<const support::object*>(object.get())->value != 1)
        ++round.detached;
    }
  };
  race(
      rounds / 2,
      [](round_of_finalize& round) {
        round.owner = make_tracked<support::object>(1);
        round.handle = finalize<>(round.owner, [&round] { ++round.called; });
      },
      call, die, peek);
}

TEST_CASE("finalize: two calls by hand") {
  race(
      rounds,
      [](round_of_finalize& round) {
        round.owner = make_tracked<support::object>(1);
        round.handle = finalize<>(round.owner, [&round] { ++round.called; });
      },
      call, call);
}

TEST_CASE("finalize: a call by hand returns false only when another has won, and then it may still run") {
  // The winner's function runs undisturbed though the loser, and every handle, has gone.
  support::gate inside, leave;
  auto owner = make_tracked<int>(1);
  bool finished = false;
  auto handle = std::make_unique<finalize<>>(owner, [&] {
    inside.open();
    leave.wait();
    finished = true;
  });
  {
    const support::joining_thread winner([own = *handle]() mutable { own(); });
    inside.wait();
    CHECK_FALSE((*handle)());
    CHECK_FALSE(handle->alive());
    CHECK(handle->detach() == nullptr);
    handle.reset();
    owner.reset();
    leave.open();
  }
  CHECK(finished);
}

TEST_CASE("finalize: a call by hand does not wait for the object's other callbacks") {
  support::gate inside, leave;
  auto owner = make_tracked<int>(1);
  int called = 0;
  finalize oldest(owner, tally{&called});
  const weakref::ref slow(owner, [&] {
    inside.open();
    leave.wait();
  });
  {
    const support::joining_thread dying([last = std::move(owner)]() mutable { last.reset(); });
    inside.wait();
    CHECK(oldest());
    CHECK(called == 1);
    leave.open();
  }
  CHECK(called == 1);
}

TEST_CASE("finalize: many threads make, call, detach and drop at once; each finalizer ends once") {
  constexpr int threads = 4, each = 1500;
  std::atomic<int> called{0}, detached{0}, made{0};
  {
    std::vector<std::thread> running;
    for (int t = 0; t != threads; ++t) {
      running.emplace_back([&, t] {
        std::vector<finalize<>> handles;
        for (int i = 0; i != each; ++i) {
          auto owner = make_tracked<int>(i);
          handles.emplace_back(owner, [&called] { ++called; });
          handles.emplace_back(owner, [&called] { ++called; });
          made += 2;
          if ((i + t) % 3 == 0 && handles.back().detach() != nullptr) ++detached;
          if ((i + t) % 3 == 1) handles.back()();
          if (i % 8 == 0) handles.clear();
        }
      });
    }
    for (std::thread& thread : running) thread.join();
  }
  CHECK(called + detached == made);
  CHECK(detached == threads * each / 3);
}

// What a handle's constructor does in two steps: whoever hears of the death between them finds it unregistered.
TEST_CASE("finalize: one whose object dies before it is in the registry runs, and never comes into it") {
  struct pooled : weakref::enable_weakref {};
  const auto check = [](auto owner, const auto& die) {
    using function = std::function<void()>;
    using made_type = weakref::detail::finalizer_of<void, typename decltype(owner)::element_type, function>;
    int called = 0;
    const std::weak_ptr<const void> object = owner;
    std::thread::id where;
    const auto made = std::make_shared<made_type>(owner, [&] {
      ++called;
      where = std::this_thread::get_id();
    });
    CHECK(called == 0);
    std::thread elsewhere([&] { die(owner); });
    const std::thread::id there = elsewhere.get_id();
    elsewhere.join();
    CHECK(called == 1);
    CHECK(where == there);
    weakref::detail::finalizer::enroll(made);
    CHECK(made->is_claimed());
    CHECK(made->peek() == nullptr);
    std::shared_ptr<weakref::detail::finalizer> kept;
    CHECK_FALSE(made->claim(kept));
    CHECK(kept == nullptr);
    CHECK(made.use_count() == 1); // the registry would hold it until the program ends
    CHECK(called == 1);
    CHECK(object.expired());
  };
  const auto let_go = [](auto& owner) { owner.reset(); };
  check(make_tracked<int>(1), let_go);
  check(std::make_shared<pooled>(), let_go);
  pooled slot;
  check(std::shared_ptr<pooled>(&slot, [](pooled* object) { weakref::retire(*object); }), let_go);
}

// -- At exit: seen from outside -------------------------------------------------------------------

// Made before main, so it is destroyed after the finalizers have run at exit. Does nothing but in children.
struct late_destructor {
  void (*action)() = nullptr;
  ~late_destructor() {
    if (action != nullptr) action();
  }
};
late_destructor late;

// Owners that are never dropped; and one for a static destructor to drop.
std::vector<std::shared_ptr<int>>* immortal = nullptr;
std::shared_ptr<int>* dropped_late = nullptr;
thread_local std::shared_ptr<int> owned_by_thread;

const std::shared_ptr<int>& never_dropped() {
  if (immortal == nullptr) immortal = new std::vector<std::shared_ptr<int>>;
  return immortal->emplace_back(make_tracked<int>(1));
}
auto saying(const char* word) {
  return [word] { say(word); };
}

template <class Body> std::string story(Body body) {
  const support::child_output child = support::output_of(body);
  CHECK(child.status == 0);
  return child.said;
}

TEST_CASE("finalize: at exit the newest runs first") {
  CHECK(story([] {
          for (const char* word : {"a", "b", "c", "d"}) finalize(never_dropped(), saying(word));
        }) == "d c b a");
}

TEST_CASE("finalize: at exit only those that are alive run, and not those of atexit(false)") {
  CHECK(story([] {
          finalize not_asked(never_dropped(), saying("not-asked"));
          finalize called(never_dropped(), saying("by-hand"));
          finalize detached(never_dropped(), saying("detached"));
          finalize asked_again(never_dropped(), saying("asked-again"));
          finalize(make_tracked<int>(1), saying("by-death"));
          finalize(never_dropped(), saying("at-exit"));
          not_asked.atexit(false);
          asked_again.atexit(false);
          called();
          detached.detach();
          asked_again.atexit(true);
        }) == "by-death by-hand at-exit asked-again");
}

TEST_CASE("finalize: at exit the objects are still alive, also those of main's own variables") {
  CHECK(story([] {
          const auto owner = make_tracked<int>(7);
          finalize<> end;
          const weakref::ref object(owner);
          finalize(owner, [&] {
            say(object() != nullptr && *object() == 7 ? "object" : "no-object");
            say(end.alive() || end.peek() != nullptr ? "alive" : "ended");
          });
          end = finalize<>(owner, saying("newer"));
          std::exit(0); // no destructor of this block runs
        }) == "newer object ended");
}

TEST_CASE("finalize: at exit those made meanwhile run too, each before the older ones") {
  CHECK(story([] {
          finalize(never_dropped(), saying("oldest"));
          finalize(never_dropped(), [] {
            say("making");
            finalize(never_dropped(), saying("made-first"));
            finalize(never_dropped(), [] {
              say("made-second");
              finalize(never_dropped(), saying("made-inside"));
            });
          });
        }) == "making made-second made-inside made-first oldest");
}

TEST_CASE("finalize: at exit a finalizer may end others: by hand, detached, by death, and by atexit(false)") {
  CHECK(story([] {
          finalize by_hand(never_dropped(), saying("by-hand"));
          finalize detached(never_dropped(), saying("detached"));
          finalize not_asked(never_dropped(), saying("not-asked"));
          finalize asked(never_dropped(), saying("asked"));
          dropped_late = new std::shared_ptr<int>(make_tracked<int>(1));
          finalize(*dropped_late, saying("by-death"));
          asked.atexit(false);
          finalize(never_dropped(), [=]() mutable {
            by_hand();
            detached.detach();
            not_asked.atexit(false);
            asked.atexit(true);
            delete std::exchange(dropped_late, nullptr);
            say("done");
          });
        }) == "by-hand by-death done asked");
}

TEST_CASE("finalize: at exit exceptions go to the unraisable hook, and the others still run") {
  CHECK(story([] {
          weakref::set_unraisable_hook(
              [](std::exception_ptr error) { say("hook:" + support::message_of(error)); });
          finalize(never_dropped(), saying("a"));
          finalize(never_dropped(), []() -> int { throw std::runtime_error("b"); });
          finalize(never_dropped(), saying("c"));
          finalize(never_dropped(), [] { throw 4; });
        }) == "hook:not a std::exception c hook:b a");
}

TEST_CASE("finalize: at exit function and arguments are destroyed, before the next one runs") {
  struct parting {
    bool whole = true;
    parting() = default;
    parting(parting&& other) noexcept : whole(std::exchange(other.whole, false)) {}
    parting& operator=(parting&&) = delete;
    ~parting() {
      if (whole) say("~");
    }
  };
  CHECK(story([] {
          static finalize<> end; // a handle that lives on
          finalize(never_dropped(), saying("older"));
          end = finalize<>(
              never_dropped(), [](const parting&) { say("called"); }, parting());
        }) == "called ~ older");
}

TEST_CASE("finalize: std::exit on another thread runs them there") {
  CHECK(story([] {
          finalize(never_dropped(), saying("a"));
          static std::thread::id where;
          finalize(never_dropped(), [] { say(std::this_thread::get_id() == where ? "there" : "elsewhere"); });
          std::thread other([] {
            where = std::this_thread::get_id();
            std::exit(0);
          });
          other.join(); // never
          say("joined");
        }) == "there a");
}

TEST_CASE("finalize: std::exit inside a callback, a finalizer and a visited death") {
  SUBCASE("by death") {
    CHECK(story([] {
            auto owner = make_tracked<int>(1);
            finalize(owner, saying("waiting"));
            finalize(never_dropped(), saying("other"));
            finalize(owner, [] {
              say("exit");
              std::exit(0);
            });
            owner.reset();
          }) == "exit other waiting");
  }
  SUBCASE("by hand") {
    CHECK(story([] {
            finalize(never_dropped(), saying("other"));
            finalize(never_dropped(), [] {
              say("exit");
              std::exit(0);
            })();
          }) == "exit other");
  }
}

TEST_CASE("finalize: a static object made after the first finalizer dies at its destruction, one made before "
          "is there at exit") {
  CHECK(story([] {
          late.action = [] { say("early-destroyed"); };
          finalize(never_dropped(), saying("first"));
          // Destroyed before the finalizers run at exit: a death like any other.
          static const auto constructed_later = make_tracked<int>(1);
          finalize(constructed_later, saying("by-death"));
          finalize(never_dropped(), saying("last"));
        }) == "by-death last first early-destroyed");
}

TEST_CASE("finalize: an object that dies after the exit's finalizers have run is still finalized") {
  CHECK(story([] {
          dropped_late = new std::shared_ptr<int>(make_tracked<int>(1));
          finalize(*dropped_late, saying("by-death")).atexit(false);
          finalize(*dropped_late, saying("at-exit"));
          late.action = [] {
            say("(");
            delete std::exchange(dropped_late, nullptr);
            say(")");
          };
        }) == "at-exit ( by-death )");
}

TEST_CASE("finalize: finalizers made in static destructors run by death or at the end") {
  CHECK(story([] {
          finalize(never_dropped(), saying("at-exit"));
          late.action = [] {
            say("(");
            finalize(never_dropped(), saying("made-older"));
            finalize(never_dropped(), saying("made-newer"));
            finalize(make_tracked<int>(1), saying("died"));
            finalize by_hand(never_dropped(), [] { return 1; });
            say(by_hand() == 1 ? "called" : "not-called");
            say(")");
          };
        }) == "at-exit ( died called ) made-newer made-older");
}

TEST_CASE("finalize: atexit(true) in a static destructor is not too late") {
  CHECK(story([] {
          static finalize<>* passed_over = new finalize<>(never_dropped(), saying("asked-at-last"));
          passed_over->atexit(false);
          finalize(never_dropped(), saying("at-exit"));
          late.action = [] {
            say("(");
            passed_over->atexit(true);
            say(")");
          };
        }) == "at-exit ( ) asked-at-last");
}

TEST_CASE(
    "finalize: atexit(false) in a static destructor holds for the new, the passed over and the asked again") {
  CHECK(story([] {
          static finalize<>* passed_over = new finalize<>(never_dropped(), saying("passed-over"));
          passed_over->atexit(false);
          dropped_late = new std::shared_ptr<int>(make_tracked<int>(1));
          finalize(never_dropped(), saying("at-exit"));
          late.action = [] {
            say("(");
            finalize(never_dropped(), saying("made-older"));
            finalize made(never_dropped(), saying("made"));
            finalize asked_again(never_dropped(), saying("asked-again"));
            finalize(never_dropped(), saying("made-newer"));
            made.atexit(false);
            asked_again.atexit(false);
            asked_again.atexit(true);
            asked_again.atexit(false);
            passed_over->atexit(true);
            passed_over->atexit(false);
            finalize(*dropped_late, saying("by-death")).atexit(false);
            delete std::exchange(dropped_late, nullptr);
            say(made.alive() && !made.atexit() && passed_over->alive() ? "waiting" : "wrong");
            say(")");
          };
        }) == "at-exit ( by-death waiting ) made-newer made-older");
}

TEST_CASE("finalize: after the exit's run one may still end another, or say atexit(false) for it") {
  CHECK(story([] {
          finalize(never_dropped(), saying("at-exit"));
          late.action = [] {
            finalize not_asked(never_dropped(), saying("not-asked"));
            finalize by_hand(never_dropped(), saying("by-hand"));
            finalize(never_dropped(), saying("older"));
            finalize(never_dropped(), [=]() mutable {
              say("newest");
              by_hand();
              not_asked.atexit(false);
            });
          };
        }) == "at-exit newest by-hand older");
}

TEST_CASE("finalize: what one exit function passes over a later one may ask for, as often as there are any") {
  CHECK(story([] {
          static finalize<>* first = new finalize<>(never_dropped(), saying("first"));
          static finalize<>* second = nullptr;
          first->atexit(false);
          late.action = [] {
            say("late");
            std::atexit([] { // called after what the next line makes std::atexit call
              say("later");
              first->atexit(true);
              second->atexit(false);
            });
            std::atexit([] {
              say("between");
              finalize(never_dropped(), saying("made-between"));
            });
            second = new finalize<>(never_dropped(), saying("second"));
            second->atexit(false);
          };
        }) == "late between made-between later first");
}

TEST_CASE("finalize: the first finalizer of a program may be made in a static destructor") {
  // The program here has made some before; what counts is that nothing was alive, and none ran at exit.
  CHECK(story([] { late.action = [] { finalize(never_dropped(), saying("at-last")); }; }) == "at-last");
}

TEST_CASE("finalize: objects that die with their thread, or with main's thread_locals, are finalized then") {
  CHECK(story([] {
          finalize(never_dropped(), saying("at-exit"));
          std::thread other([] {
            owned_by_thread = make_tracked<int>(1);
            finalize(owned_by_thread, saying("with-its-thread"));
          });
          other.join();
          say("joined");
          owned_by_thread = make_tracked<int>(2);
          finalize(owned_by_thread, saying("with-mains"));
        }) == "with-its-thread joined with-mains at-exit");
}

TEST_CASE("finalize: a thread_local destructor may make finalizers") {
  struct making {
    ~making() { finalize(never_dropped(), saying("made")); }
  };
  CHECK(story([] {
          thread_local const making at_end;
          static_cast<void>(&at_end);
          finalize(never_dropped(), saying("older"));
        }) == "made older");
}

TEST_CASE("finalize: threads may make, call and kill while the program ends") {
  // They never stop: the process goes away under them.
  static std::atomic<int> started{0};
  const support::child_output child = support::output_of([] {
    finalize(never_dropped(), saying("oldest"));
    for (int i = 0; i != 2; ++i) {
      std::thread([] {
        for (int turn = 0;; ++turn) {
          auto owner = make_tracked<int>(turn);
          finalize by_death(owner, [] {});
          finalize by_hand(owner, [] { return 1; });
          finalize(owner, [] {}).atexit(false);
          by_hand();
          owner.reset();
          if (turn == 100) ++started;
        }
      }).detach();
    }
    while (started != 2) std::this_thread::yield();
    finalize(never_dropped(), saying("newest"));
  });
  CHECK(child.status == 0);
  CHECK(child.said == "newest oldest");
}

TEST_CASE("finalize: at exit, while a thread calls the same finalizers, each is called once") {
  // The exit goes from the newest to the oldest, the thread the other way.
  CHECK(story([] {
          static constexpr std::size_t many = 400;
          static std::array<std::atomic<int>, many> called{};
          static std::atomic<bool> go{false}, done{false};
          static std::vector<finalize<>>* handles = nullptr;
          finalize(never_dropped(), [] {
            while (!done) std::this_thread::yield(); // its last call may be in progress
            bool good = true;
            for (const auto& each : called) good = good && each == 1;
            say(good ? "each-once" : "wrong");
          });
          handles = new std::vector<finalize<>>;
          for (std::size_t i = 0; i != many; ++i)
            handles->emplace_back(never_dropped(), [i] { ++called[i]; });
          std::thread([] {
            while (!go) std::this_thread::yield();
            for (finalize<>& each : *handles) each();
            done = true;
          }).detach();
          finalize(never_dropped(), [] { go = true; });
        }) == "each-once");
}

TEST_CASE("finalize: std::quick_exit and std::_Exit run none") {
  SUBCASE("quick_exit") {
    const support::child_output child = support::output_of([] {
      finalize(never_dropped(), saying("at-exit"));
      std::quick_exit(3);
    });
    CHECK(child.said == "");
    CHECK(child.status == 3);
  }
  SUBCASE("_Exit") {
    const support::child_output child = support::output_of([] {
      finalize(never_dropped(), saying("at-exit"));
      std::_Exit(4);
    });
    CHECK(child.said == "");
    CHECK(child.status == 4);
  }
}

TEST_CASE("finalize: a finalizer can be made as long as any code of the program runs") {
  // What is left in a stream is written by exit itself, when it takes no further std::atexit functions.
  const std::string said = story([] {
    finalize(never_dropped(), saying("at-exit"));
    const auto written = [](void*, const char*, std::size_t size) -> ssize_t {
      try {
        finalize(make_tracked<int>(1), saying("by-death"));
        finalize(never_dropped(), [] {})();
      } catch (...) {
        say("refused");
      }
      return static_cast<ssize_t>(size);
    };
    std::FILE* const stream = ::fopencookie(nullptr, "w", {nullptr, written, nullptr, nullptr});
    if (stream != nullptr) std::fputs("something", stream);
  });
  CHECK(said == "at-exit by-death");
}

} // namespace
