// SPDX-License-Identifier: BSL-1.0
#include <weakref/weak_method.hpp>

#include <weakref/errors.hpp>
#include <weakref/ref.hpp>
#include <weakref/referent.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "support/journal.hpp"
#include "support/threads.hpp"
#include "support/unraisable.hpp"
#include "support/ways.hpp"

namespace {

using support::journal;
using support::last_words;
using weakref::make_tracked;
using weakref::ReferenceError;
using weakref::WeakMethod;

// No ==: told apart by identity.
struct button {
  int clicks = 0;
  int last_x = 0;
  void click(int x, int) {
    ++clicks;
    last_x = x;
  }
  void other(int, int) {}
  int count() const { return clicks; }
  int safe_count() const noexcept { return clicks; }
  int& counter() { return clicks; }
  std::string name(std::string first, const std::string& second) const { return first + second; }
  std::unique_ptr<int> take(std::unique_ptr<int> given) { return given; }
};

// Has == and a hash: told apart by value.
struct account {
  int number = 0;
  void close() {}
  void open() {}
  friend bool operator==(const account&, const account&) = default;
  friend std::size_t hash_value(const account& a) {
    ++hashed;
    return static_cast<std::size_t>(a.number);
  }
  static inline std::atomic<int> hashed{0};
};

// Has ==, no hash.
struct unhashable {
  void act() {}
  friend bool operator==(const unhashable&, const unhashable&) = default;
};

struct shape {
  virtual ~shape() = default;
  virtual int sides() const { return 0; }
  int twice() const { return 2 * sides(); }
};
struct square : shape {
  int sides() const override { return 4; }
};

struct tally {
  int* called;
  void operator()() const { ++*called; }
};

template <class Method> std::size_t hash_of(const Method& method) { return std::hash<Method>()(method); }

// -- What a WeakMethod is -------------------------------------------------------------------------

using click_method = decltype(WeakMethod(std::shared_ptr<button>(), &button::click));
static_assert(std::is_same_v<click_method, WeakMethod<button, void (button::*)(int, int)>>);
static_assert(std::is_same_v<decltype(WeakMethod(std::shared_ptr<button>(), &button::safe_count)),
                             WeakMethod<button, int (button::*)() const noexcept>>);
static_assert(std::is_same_v<decltype(WeakMethod(std::shared_ptr<const button>(), &button::count)),
                             WeakMethod<const button, int (button::*)() const>>);
static_assert(std::is_base_of_v<weakref::ref<button>, click_method>); // as in Python
static_assert(std::is_nothrow_default_constructible_v<click_method>);
static_assert(std::is_nothrow_constructible_v<click_method, const std::shared_ptr<button>&,
                                              void (button::*)(int, int)>);
static_assert(std::is_nothrow_copy_constructible_v<click_method>);
static_assert(std::is_copy_assignable_v<click_method> && std::is_move_constructible_v<click_method>);

using watched = WeakMethod<button, void (button::*)(int, int), tally>;
static_assert(
    std::is_same_v<decltype(WeakMethod(std::shared_ptr<button>(), &button::click, tally{})), watched>);
static_assert(!std::is_copy_constructible_v<watched> && !std::is_move_constructible_v<watched>);
static_assert(!std::is_copy_assignable_v<watched> && !std::is_move_assignable_v<watched>);

template <class Hashed>
concept has_hash = requires(const Hashed& h) {
  std::hash<Hashed>()(h);
};
static_assert(has_hash<click_method>);
static_assert(has_hash<WeakMethod<account, void (account::*)()>>);
static_assert(!has_hash<WeakMethod<unhashable, void (unhashable::*)()>>);
static_assert(std::equality_comparable<WeakMethod<unhashable, void (unhashable::*)()>>);

// A bound method is callable with what its method takes, and with nothing else.
static_assert(std::invocable<const click_method::bound_type&, int, int>);
static_assert(!std::invocable<const click_method::bound_type&, int>);
static_assert(!std::invocable<const click_method::bound_type&, const char*, int>);
static_assert(!std::invocable<WeakMethod<const button, void (button::*)(int, int)>::bound_type, int, int>);
static_assert(!std::is_convertible_v<click_method::bound_type, bool>); // explicit

TEST_CASE("WeakMethod: gives the method bound to its object") {
  const auto owner = make_tracked<button>();
  const WeakMethod on_click(owner, &button::click);
  const auto click = on_click();
  REQUIRE(click);
  click(3, 4);
  click(5, 6);
  CHECK(owner->clicks == 2);
  CHECK(owner->last_x == 5);
  CHECK(click.object() == owner);
  CHECK(click.method() == &button::click);
  CHECK_FALSE(on_click.expired());
}

TEST_CASE("WeakMethod: keeps nothing alive, and gives something that tests false when the object is dead") {
  auto owner = make_tracked<button>();
  const WeakMethod on_click(owner, &button::click);
  owner.reset();
  CHECK(on_click.expired());
  const auto click = on_click();
  CHECK_FALSE(static_cast<bool>(click));
  CHECK(click.object() == nullptr);
}

TEST_CASE("WeakMethod: calling an empty bound method throws ReferenceError") {
  auto owner = make_tracked<button>();
  const WeakMethod on_click(owner, &button::click);
  owner.reset();
  const auto click = on_click();
  CHECK_THROWS_AS(click(1, 2), ReferenceError);
  CHECK_THROWS_AS(on_click()(1, 2), ReferenceError);
  const click_method::bound_type none;
  CHECK_FALSE(static_cast<bool>(none));
  CHECK_THROWS_AS(none(1, 2), ReferenceError);
}

TEST_CASE("WeakMethod: one made by default, or from null, is dead") {
  const click_method none;
  const WeakMethod null(std::shared_ptr<button>(), &button::click);
  CHECK(none.expired());
  CHECK_FALSE(static_cast<bool>(none()));
  CHECK_FALSE(static_cast<bool>(null()));
}

TEST_CASE("WeakMethod: a bound method holds the object as long as it lives") {
  auto owner = make_tracked<button>();
  const WeakMethod on_click(owner, &button::click);
  {
    const auto click = on_click();
    const auto copy = click;
    owner.reset();
    CHECK_FALSE(on_click.expired());
    click(1, 1);
    copy(2, 2);
    CHECK(click.object()->clicks == 2);
  }
  CHECK(on_click.expired());
}

TEST_CASE("WeakMethod: a temporary bound method holds the object to the end of the full expression") {
  journal log;
  struct mortal {
    explicit mortal(journal& j) : words(j, "object"), log(&j) {}
    last_words words;
    journal* log;
    mortal& drop(std::shared_ptr<mortal>& owner) {
      owner.reset();
      (*log)("in-method");
      return *this;
    }
    void after() { (*log)("after"); }
  };
  auto owner = make_tracked<mortal>(log);
  const WeakMethod drop(owner, &mortal::drop);
  drop()(owner).after();
  log("next-statement");
  CHECK(log.text() == "in-method after ~object next-statement");
}

TEST_CASE("WeakMethod: takes any owner, tracked or not") {
  struct talking : weakref::enable_weakref {
    int answer() const { return 42; }
  };
  const std::shared_ptr<talking> owners[] = {std::make_shared<talking>(), make_tracked<talking>(),
                                             weakref::adopt(std::make_unique<talking>())};
  for (const auto& owner : owners) {
    CHECK(WeakMethod(owner, &talking::answer)()() == 42);
    CHECK(weakref::getweakrefcount(owner) == 0);
  }
  auto plain = std::make_shared<button>();
  const WeakMethod on_click(plain, &button::click);
  on_click()(1, 1);
  CHECK(plain->clicks == 1);
  plain.reset();
  CHECK_FALSE(static_cast<bool>(on_click()));
}

TEST_CASE("WeakMethod: methods of every kind") {
  const auto owner = make_tracked<button>();
  owner->clicks = 3;
  CHECK(WeakMethod(owner, &button::count)()() == 3);
  CHECK(WeakMethod(owner, &button::safe_count)()() == 3);
  CHECK(WeakMethod(std::shared_ptr<const button>(owner), &button::safe_count)()() == 3);

  // Results are what the method gives: references too.
  const WeakMethod counter(owner, &button::counter);
  static_assert(std::is_same_v<decltype(counter()()), int&>);
  counter()() = 8;
  CHECK(owner->clicks == 8);

  // Arguments are forwarded, and converted as in any call.
  const WeakMethod name(owner, &button::name);
  CHECK(name()("a", "b") == "ab");
  const WeakMethod take(owner, &button::take);
  CHECK(*take()(std::make_unique<int>(5)) == 5);

  struct failing {
    void fail() { throw std::logic_error("fails"); }
  };
  const auto bad = make_tracked<failing>();
  const WeakMethod fail(bad, &failing::fail);
  CHECK_THROWS_WITH_AS(fail()(), "fails", std::logic_error);
}

TEST_CASE("WeakMethod: methods of a base class, virtual ones too") {
  const auto owner = make_tracked<square>();
  const WeakMethod inherited(owner, &square::twice); // is &shape::twice
  static_assert(std::is_same_v<decltype(inherited), const WeakMethod<square, int (shape::*)() const>>);
  CHECK(inherited()() == 8);
  const WeakMethod overridden(std::shared_ptr<shape>(owner), &shape::sides);
  CHECK(overridden()() == 4);
  const WeakMethod<shape, int (shape::*)() const> converted(owner, &shape::sides);
  CHECK(converted()() == 4);
}

TEST_CASE("WeakMethod: is a value: copied, moved, assigned, kept in a list of listeners") {
  auto first = make_tracked<button>();
  auto second = make_tracked<button>();
  WeakMethod a(first, &button::click);
  WeakMethod copy = a;
  CHECK(copy == a);
  copy = WeakMethod(second, &button::other);
  CHECK(copy != a);
  CHECK(copy().method() == &button::other);
  click_method moved = std::move(copy);
  CHECK(moved().object() == second);

  std::vector<click_method> listeners{a, WeakMethod(second, &button::click), moved};
  first.reset();
  int called = 0;
  for (const auto& listener : listeners) {
    if (const auto call = listener()) {
      call(1, 1);
      ++called;
    }
  }
  CHECK(called == 2);
  CHECK(second->clicks == 1);
}

// -- Equality and hash ----------------------------------------------------------------------------

TEST_CASE("WeakMethod: living ones are equal if object and method are the same") {
  const auto a = make_tracked<button>();
  const auto b = make_tracked<button>();
  CHECK(WeakMethod(a, &button::click) == WeakMethod(a, &button::click));
  CHECK(WeakMethod(a, &button::click) != WeakMethod(a, &button::other));
  CHECK(WeakMethod(a, &button::click) != WeakMethod(b, &button::click)); // no ==: identity
}

TEST_CASE("WeakMethod: equal objects with the same method are equal, where the objects have an ==") {
  const auto a = make_tracked<account>(account{1});
  const auto b = make_tracked<account>(account{1});
  const auto c = make_tracked<account>(account{2});
  const WeakMethod on_a(a, &account::close);
  CHECK(on_a == WeakMethod(b, &account::close));
  CHECK(on_a != WeakMethod(b, &account::open));
  CHECK(on_a != WeakMethod(c, &account::close));
  b->number = 7;
  CHECK(on_a != WeakMethod(b, &account::close));
}

TEST_CASE("WeakMethod: objects with an == and no hash are compared all the same") {
  const auto a = make_tracked<unhashable>();
  const auto b = make_tracked<unhashable>();
  CHECK(WeakMethod(a, &unhashable::act) == WeakMethod(b, &unhashable::act));
}

TEST_CASE("WeakMethod: a dead one equals itself only") {
  auto a = make_tracked<account>(account{1});
  const auto b = make_tracked<account>(account{1});
  const WeakMethod dead(a, &account::close);
  const WeakMethod copy = dead;
  const WeakMethod alive(b, &account::close);
  CHECK(dead == copy);
  CHECK(dead == alive);
  a.reset();
  const WeakMethod<account, void (account::*)()>& same = dead;
  CHECK(dead == same);
  CHECK(dead != copy);
  CHECK(dead != alive);
  CHECK(alive != dead);
  CHECK(decltype(copy)() != decltype(copy)());

  auto button_owner = make_tracked<button>();
  const WeakMethod on_click(button_owner, &button::click);
  const WeakMethod click_copy = on_click;
  CHECK(on_click == click_copy);
  button_owner.reset();
  CHECK(on_click != click_copy);
}

TEST_CASE("WeakMethod: both objects outlive a comparison that lets them go; what == throws is thrown") {
  struct quarrel {
    std::shared_ptr<quarrel>* killed = nullptr;
    bool throws = false;
    int* alive;
    explicit quarrel(int& count) : alive(&count) { ++*alive; }
    quarrel(const quarrel&) = delete;
    quarrel& operator=(const quarrel&) = delete;
    ~quarrel() { --*alive; }
    void act() {}
    bool operator==(const quarrel& other) const {
      if (throws) throw std::runtime_error("quarrel");
      if (other.killed != nullptr) other.killed->reset();
      if (killed != nullptr) killed->reset();
      return *alive == 2;
    }
  };
  int alive = 0;
  auto a = make_tracked<quarrel>(alive);
  auto b = make_tracked<quarrel>(alive);
  const WeakMethod on_a(a, &quarrel::act);
  const WeakMethod on_b(b, &quarrel::act);
  a->throws = true;
  CHECK_THROWS_WITH_AS(static_cast<void>(on_a == on_b), "quarrel", std::runtime_error);
  a->throws = false;
  a->killed = &a;
  b->killed = &b;
  CHECK(on_a == on_b);
  CHECK(alive == 0);
}

TEST_CASE("WeakMethod: equal ones have equal hashes, whatever the method") {
  const auto a = make_tracked<account>(account{1});
  const auto b = make_tracked<account>(account{1});
  CHECK(hash_of(WeakMethod(a, &account::close)) == hash_of(WeakMethod(b, &account::close)));
  CHECK(hash_of(WeakMethod(a, &account::close)) == weakref::hash<account>()(*a));
  const auto c = make_tracked<button>();
  CHECK(hash_of(WeakMethod(c, &button::click)) == hash_of(WeakMethod(c, &button::other)));
  CHECK(hash_of(WeakMethod(c, &button::click)) == std::hash<weakref::ref<button>>()(weakref::ref(c)));
}

TEST_CASE("WeakMethod: a hash asked for once stays when the object changes and dies") {
  auto owner = make_tracked<account>(account{5});
  const WeakMethod asked(owner, &account::close);
  const int before = account::hashed;
  const std::size_t hash = hash_of(asked);
  owner->number = 6;
  CHECK(hash_of(asked) == hash);
  const WeakMethod copy = asked; // with the hash
  auto assigned = WeakMethod(make_tracked<account>(account{9}), &account::close);
  assigned = asked;
  owner.reset();
  CHECK(hash_of(asked) == hash);
  CHECK(hash_of(copy) == hash);
  CHECK(hash_of(assigned) == hash);
  CHECK(account::hashed == before + 1);
}

TEST_CASE("WeakMethod: assignment takes over the other's hash, also that there is none") {
  const auto five = make_tracked<account>(account{5});
  const auto six = make_tracked<account>(account{6});
  WeakMethod method(five, &account::close);
  const std::size_t of_five = hash_of(method);
  method = WeakMethod(six, &account::close);
  CHECK(hash_of(method) != of_five);
  CHECK(hash_of(method) == hash_of(WeakMethod(six, &account::close)));
}

TEST_CASE("WeakMethod: the hash of a dead one that was never asked for is refused") {
  auto owner = make_tracked<account>(account{5});
  const WeakMethod never_asked(owner, &account::close);
  owner.reset();
  CHECK_THROWS_AS(static_cast<void>(hash_of(never_asked)), ReferenceError);
  CHECK_THROWS_AS(static_cast<void>(never_asked.hash_code()), ReferenceError);
  CHECK_THROWS_AS(static_cast<void>(hash_of(decltype(never_asked)())), ReferenceError);
}

TEST_CASE("WeakMethod: by identity a dead one has its hash too") {
  auto owner = make_tracked<button>();
  const WeakMethod on_click(owner, &button::click);
  const WeakMethod never_asked(owner, &button::click);
  const std::size_t hash = hash_of(on_click);
  owner.reset();
  CHECK(hash_of(on_click) == hash);
  CHECK(hash_of(never_asked) == hash);
}

struct sulky {
  bool sulks = true;
  void act() {}
  bool operator==(const sulky&) const = default;
  friend std::size_t hash_value(const sulky& object) {
    if (object.sulks) throw std::runtime_error("sulks");
    return 5;
  }
};

TEST_CASE("WeakMethod: what hashing throws is thrown, and nothing is remembered") {
  const auto owner = make_tracked<sulky>();
  const WeakMethod method(owner, &sulky::act);
  CHECK_THROWS_WITH_AS(static_cast<void>(hash_of(method)), "sulks", std::runtime_error);
  owner->sulks = false;
  CHECK(hash_of(method) == weakref::hash<sulky>()(*owner));
}

TEST_CASE("WeakMethod: as a key of an unordered set") {
  auto a = make_tracked<account>(account{1});
  auto b = make_tracked<account>(account{1});
  std::unordered_set<WeakMethod<account, void (account::*)()>> listeners;
  CHECK(listeners.insert(WeakMethod(a, &account::close)).second);
  CHECK_FALSE(listeners.insert(WeakMethod(b, &account::close)).second);
  CHECK(listeners.insert(WeakMethod(a, &account::open)).second);
  a.reset();
  CHECK(listeners.size() == 2);
  CHECK(listeners.insert(WeakMethod(b, &account::close)).second); // the dead one equals none
  listeners.clear();
}

TEST_CASE("WeakMethod: many threads may ask for one's hash at the same time, and copy it") {
  const auto owner = make_tracked<account>(account{1});
  const std::size_t expected = hash_of(WeakMethod(owner, &account::close));
  std::atomic<int> wrong{0};
  for (int round = 0; round != 200; ++round) {
    const WeakMethod method(owner, &account::close);
    support::rendezvous start(3);
    auto ask = [&] {
      start.meet();
      if (hash_of(method) != expected) ++wrong;
      const WeakMethod copy = method;
      if (hash_of(copy) != expected) ++wrong;
    };
    const support::joining_thread first(ask), second(ask);
    start.meet();
    const WeakMethod copy = method;
    if (hash_of(copy) != expected) ++wrong;
  }
  CHECK(wrong == 0);
}

// -- Callbacks ------------------------------------------------------------------------------------

TEST_CASE("WeakMethod: with a callback, it is called once when the object dies") {
  int called = 0;
  auto owner = make_tracked<button>();
  const WeakMethod on_click(owner, &button::click, tally{&called});
  on_click()(1, 1);
  CHECK(owner->clicks == 1);
  CHECK(weakref::getweakrefcount(owner) == 1);
  owner.reset();
  CHECK(called == 1);
  CHECK_FALSE(static_cast<bool>(on_click()));
}

TEST_CASE("WeakMethod: the callback is called however the object came to be tracked") {
  using assign = support::object& (support::object::*)(const support::object&);
  for (const support::way& way : support::every_way) {
    CAPTURE(way.name);
    int called = 0;
    auto owner = way.make();
    const WeakMethod method(owner, static_cast<assign>(&support::object::operator=), tally{&called});
    CHECK(&method()(*owner) == owner.get());
    CHECK(weakref::getweakrefcount(owner) == 1);
    owner.reset();
    CHECK(called == 1);
    CHECK_FALSE(static_cast<bool>(method()));
  }
}

TEST_CASE("WeakMethod: the callback may take the WeakMethod, and sees it dead") {
  auto owner = make_tracked<account>(account{4});
  using plain = WeakMethod<account, void (account::*)()>;
  const plain other(owner, &account::close);
  const std::size_t hash = hash_of(other);
  plain* seen = nullptr;
  bool dead = false;
  WeakMethod method(owner, &account::close, [&](plain& self) {
    seen = &self;
    dead = self.expired() && !self() && other.expired() && self != other && self == self;
    dead = dead && hash_of(self) == hash;
  });
  CHECK(hash_of(static_cast<const plain&>(method)) == hash);
  owner.reset();
  CHECK(seen == &method);
  CHECK(dead);
}

TEST_CASE("WeakMethod: callbacks run newest first, together with those of refs") {
  journal log;
  auto owner = make_tracked<button>();
  auto note = [&](const char* word) { return [&log, word] { log(word); }; };
  const WeakMethod a(owner, &button::click, note("a"));
  const weakref::ref b(owner, note("b"));
  const WeakMethod c(owner, &button::click, note("c"));
  owner.reset();
  CHECK(log.text() == "c b a");
}

TEST_CASE("WeakMethod: what a callback throws goes to the unraisable hook, and the others still run") {
  const support::unraisable_log log;
  int called = 0;
  auto owner = make_tracked<button>();
  const WeakMethod older(owner, &button::click, tally{&called});
  const WeakMethod failing(owner, &button::click, [](const click_method& self) { self()(1, 1); });
  owner.reset();
  CHECK(called == 1);
  CHECK(log.text().find("WeakMethod") != std::string::npos); // the ReferenceError's message
}

TEST_CASE("WeakMethod: destroyed first, its callback is not called") {
  int called = 0;
  auto owner = make_tracked<button>();
  { const WeakMethod method(owner, &button::click, tally{&called}); }
  CHECK(weakref::getweakrefcount(owner) == 0);
  owner.reset();
  CHECK(called == 0);
}

TEST_CASE("WeakMethod: a callback may destroy its own WeakMethod, and others") {
  int called = 0;
  auto owner = make_tracked<button>();
  using watching = WeakMethod<button, void (button::*)(int, int), std::function<void(const click_method&)>>;
  std::unique_ptr<watching> older, self;
  older = std::make_unique<watching>(owner, &button::click, [&](const click_method&) { ++called; });
  self = std::make_unique<watching>(owner, &button::click, [&](const click_method&) {
    ++called;
    older.reset();
    self.reset();
  });
  owner.reset();
  CHECK(called == 1);
  CHECK(self == nullptr);
}

TEST_CASE("WeakMethod: the end of one waits for its callback on another thread") {
  support::gate inside, leave;
  std::atomic<bool> returned{false}, destroyed{false}, too_late{false};
  auto owner = make_tracked<button>();
  auto callback = [&] {
    inside.open();
    leave.wait();
    support::give_way();
    if (destroyed) too_late = true;
    returned = true;
  };
  auto method = std::make_unique<WeakMethod<button, void (button::*)(int, int), decltype(callback)>>(
      owner, &button::click, callback);
  const support::joining_thread dying([last = std::move(owner)]() mutable { last.reset(); });
  inside.wait();
  leave.open();
  method.reset();
  destroyed = true;
  CHECK(returned);
  CHECK_FALSE(too_late);
}

TEST_CASE("WeakMethod: a copy of one with a callback is a plain one") {
  int called = 0;
  auto owner = make_tracked<button>();
  const WeakMethod method(owner, &button::click, tally{&called});
  const click_method copy(static_cast<const click_method&>(method));
  CHECK(copy == method);
  copy()(1, 1);
  CHECK(owner->clicks == 1);
  owner.reset();
  CHECK(called == 1);
}

TEST_CASE("WeakMethod: a callback for an untracked or null owner is refused") {
  int called = 0;
  const auto untracked = std::make_shared<button>();
  CHECK_THROWS_AS(static_cast<void>(WeakMethod(untracked, &button::click, tally{&called})),
                  weakref::untracked_error);
  CHECK_THROWS_AS(static_cast<void>(WeakMethod(std::shared_ptr<button>(), &button::click, tally{&called})),
                  weakref::untracked_error);
  CHECK(untracked.use_count() == 1);
  CHECK(called == 0);
}

} // namespace
