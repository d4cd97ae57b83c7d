// SPDX-License-Identifier: BSL-1.0
#include <weakref/proxy.hpp>

#include <weakref/errors.hpp>
#include <weakref/ref.hpp>
#include <weakref/referent.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <concepts>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
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
using weakref::proxy;
using weakref::ReferenceError;

struct player {
  int x = 0;
  int y = 0;
  void move(int dx, int dy) {
    x += dx;
    y += dy;
  }
  int sum() const { return x + y; }
  friend bool operator==(const player&, const player&) = default;
};

struct shape {
  virtual ~shape() = default;
  virtual int sides() const { return 0; }
};
struct square : shape {
  int sides() const override { return 4; }
};

struct tally {
  int* called;
  void operator()() const { ++*called; }
};

// -- What a proxy is ------------------------------------------------------------------------------

static_assert(sizeof(proxy<player>) == sizeof(std::weak_ptr<player>));
static_assert(std::is_nothrow_default_constructible_v<proxy<player>>);
static_assert(std::is_nothrow_copy_constructible_v<proxy<player>>);
static_assert(std::is_nothrow_move_constructible_v<proxy<player>>);
static_assert(std::is_nothrow_copy_assignable_v<proxy<player>>);
static_assert(std::is_nothrow_constructible_v<proxy<shape>, const std::shared_ptr<square>&>);
static_assert(!std::is_convertible_v<std::shared_ptr<player>, proxy<player>>); // explicit
static_assert(!std::is_constructible_v<proxy<square>, const std::shared_ptr<shape>&>);
static_assert(!std::is_constructible_v<proxy<player>, const std::shared_ptr<const player>&>);
static_assert(std::is_same_v<proxy<player>::element_type, player>);

static_assert(std::is_same_v<decltype(proxy(std::shared_ptr<player>())), proxy<player>>);
static_assert(std::is_same_v<decltype(proxy(std::shared_ptr<const player>())), proxy<const player>>);
static_assert(std::is_same_v<decltype(proxy(std::shared_ptr<player>(), tally{})), proxy<player, tally>>);

using watched = proxy<player, tally>;
static_assert(!std::is_copy_constructible_v<watched> && !std::is_move_constructible_v<watched>);
static_assert(!std::is_copy_assignable_v<watched> && !std::is_move_assignable_v<watched>);
static_assert(std::is_base_of_v<proxy<player>, watched>);

// A proxy is compared as its referent is, and has no hash.
struct incomparable {};
template <class Hashed>
concept has_hash = requires(const Hashed& h) {
  std::hash<Hashed>()(h);
};
static_assert(std::equality_comparable<proxy<player>>);
static_assert(!std::equality_comparable<proxy<incomparable>>);
static_assert(!has_hash<proxy<player>>);

// What it points to may be declared only.
struct node {
  proxy<node> parent;
  std::vector<proxy<node>> children;
  int value = 0;
};
struct never_defined;
static_assert(sizeof(proxy<never_defined>) == sizeof(std::weak_ptr<never_defined>));
static_assert(std::is_default_constructible_v<proxy<never_defined>>);

TEST_CASE("proxy: is used like the object") {
  const auto owner = make_tracked<player>();
  const proxy p(owner);
  p->move(3, 4);
  CHECK(owner->x == 3);
  CHECK(p->sum() == 7);
  p->x = 10;
  CHECK((*p).get().x == 10);
  CHECK(&static_cast<player&>(*p) == owner.get());
  CHECK_FALSE(p.expired());
  CHECK(owner.use_count() == 1);
}

TEST_CASE("proxy: keeps nothing alive") {
  auto owner = make_tracked<player>();
  const proxy p(owner);
  const std::weak_ptr<player> object = owner;
  owner.reset();
  CHECK(object.expired());
  CHECK(p.expired());
}

TEST_CASE("proxy: every use of a dead one throws ReferenceError") {
  auto owner = make_tracked<player>(player{1, 2});
  const proxy p(owner);
  const proxy copy = p;
  owner.reset();
  CHECK_THROWS_AS(p->move(1, 1), ReferenceError);
  CHECK_THROWS_AS(static_cast<void>(*p), ReferenceError);
  CHECK_THROWS_AS(static_cast<void>(copy->x), ReferenceError);
  CHECK_THROWS_AS(static_cast<void>(p->x), std::runtime_error); // that is what a ReferenceError is
  try {
    static_cast<void>(p->x);
    FAIL("must throw");
  } catch (const ReferenceError& error) {
    CHECK(std::string(error.what()).find("proxy") != std::string::npos);
  }
}

TEST_CASE("proxy: one made by default, or from null, is dead") {
  const proxy<player> none;
  const proxy null{std::shared_ptr<player>()};
  CHECK(none.expired());
  CHECK(null.expired());
  CHECK_THROWS_AS(static_cast<void>(none->x), ReferenceError);
  CHECK_THROWS_AS(static_cast<void>(*null), ReferenceError);
}

TEST_CASE("proxy: takes any owner, tracked or not") {
  for (const support::way& way : support::every_way) {
    CAPTURE(way.name);
    auto owner = way.make();
    const proxy p(owner);
    CHECK(p->value == 1);
    CHECK(weakref::getweakrefcount(owner) == 0);
    owner.reset();
    CHECK_THROWS_AS(static_cast<void>(p->value), ReferenceError);
  }
  auto plain = std::make_shared<player>();
  const proxy p(plain);
  p->x = 5;
  CHECK(plain->x == 5);
  plain.reset();
  CHECK_THROWS_AS(static_cast<void>(p->x), ReferenceError);
}

TEST_CASE("proxy: is a value: copied, moved, assigned, kept in containers") {
  auto a = make_tracked<player>(player{1, 1});
  auto b = make_tracked<player>(player{2, 2});
  proxy p(a);
  proxy copy = p;
  CHECK(copy->x == 1);
  proxy moved = std::move(copy);
  CHECK(moved->x == 1);
  p = proxy(b);
  CHECK(p->x == 2);
  std::swap(p, moved);
  CHECK(p->x == 1);
  std::vector<proxy<player>> many(3, p);
  many.emplace_back(b);
  a.reset();
  CHECK(many[2].expired());
  CHECK(many[3]->x == 2);
}

TEST_CASE("proxy: a proxy of a base calls the derived class's functions; a const one reads only") {
  const auto owner = make_tracked<square>();
  const proxy<shape> p(owner);
  CHECK(p->sides() == 4);

  const auto changing = make_tracked<player>();
  const proxy<const player> reader(changing);
  static_assert(std::is_same_v<decltype(*reader.operator->()), const player&>);
  static_assert(!std::is_convertible_v<decltype(*reader), player&>);
  static_assert(std::is_convertible_v<decltype(*reader), const player&>);
  changing->x = 9;
  CHECK(reader->sum() == 9);
  const proxy deduced{std::shared_ptr<const player>(changing)};
  CHECK(deduced->x == 9);
}

TEST_CASE("proxy: an incomplete type can hold proxies of itself") {
  auto root = make_tracked<node>();
  auto child = make_tracked<node>();
  root->value = 7;
  child->parent = proxy(root);
  root->children.emplace_back(child);
  CHECK(child->parent->value == 7);
  CHECK(root->children[0]->parent->children[0]->parent->value == 7);
  root.reset();
  CHECK_THROWS_AS(static_cast<void>(child->parent->value), ReferenceError);
}

// -- The full expression --------------------------------------------------------------------------

struct mortal {
  explicit mortal(journal& j) : words(j, "object"), log(&j) {}
  last_words words;
  journal* log;
  mortal& note(const char* word) {
    (*log)(word);
    return *this;
  }
  template <class F> mortal& then(F&& f) {
    f();
    return *this;
  }
};

TEST_CASE("proxy: -> holds the object to the end of the full expression") {
  journal log;
  auto owner = make_tracked<mortal>(log);
  const proxy p(owner);
  p->note("before").then([&] { owner.reset(); }).note("after");
  log("next-statement");
  CHECK(log.text() == "before after ~object next-statement");
  CHECK(p.expired());
}

TEST_CASE("proxy: * holds the object while the called function uses it") {
  journal log;
  auto owner = make_tracked<mortal>(log);
  const proxy p(owner);
  auto use = [&](mortal& object) {
    owner.reset();
    log("in-use");
    object.note("whole");
  };
  use(*p);
  log("next-statement");
  CHECK(log.text() == "in-use whole ~object next-statement");
}

TEST_CASE("proxy: what * gives can be kept, and holds the object as long") {
  journal log;
  auto owner = make_tracked<mortal>(log);
  const proxy p(owner);
  {
    const auto held = *p;
    owner.reset();
    held.get().note("held");
    CHECK_FALSE(p.expired());
  }
  CHECK(log.text() == "held ~object");
  CHECK(p.expired());
}

TEST_CASE("proxy: an object whose other owners go on another thread stays for the expression") {
  struct flagged {
    std::atomic<bool>* flag;
    explicit flagged(std::atomic<bool>& f) : flag(&f) {}
    flagged(const flagged&) = delete;
    flagged& operator=(const flagged&) = delete;
    ~flagged() { *flag = true; }
    bool is_whole_after(support::gate& inside, const support::gate& gone) const {
      inside.open();
      gone.wait();
      return !*flag;
    }
  };
  std::atomic<bool> destroyed{false};
  auto owner = make_tracked<flagged>(destroyed);
  const proxy p(owner);
  support::gate inside, gone;
  const support::joining_thread other([&] {
    inside.wait();
    owner.reset();
    gone.open();
  });
  CHECK(p->is_whole_after(inside, gone));
  CHECK(destroyed);
}

TEST_CASE("proxy: an exception that leaves the expression lets the object go") {
  auto owner = make_tracked<player>();
  const proxy p(owner);
  auto use = [](player&) { throw std::logic_error("in use"); };
  CHECK_THROWS_AS(use(*p), std::logic_error);
  CHECK(owner.use_count() == 1);
}

// -- Comparison -----------------------------------------------------------------------------------

TEST_CASE("proxy: compares the referents by their ==") {
  const auto a = make_tracked<player>(player{1, 2});
  const auto b = make_tracked<player>(player{1, 2});
  const proxy pa(a);
  const proxy pb(b);
  CHECK(pa == pb);
  b->x = 5;
  CHECK(pa != pb);
  CHECK(pa == proxy(a));
  CHECK(a.use_count() == 1);
}

TEST_CASE("proxy: comparing with a dead one throws, even with itself") {
  auto a = make_tracked<player>();
  const auto b = make_tracked<player>();
  const proxy pa(a);
  const proxy pb(b);
  a.reset();
  CHECK_THROWS_AS(static_cast<void>(pa == pb), ReferenceError);
  CHECK_THROWS_AS(static_cast<void>(pb == pa), ReferenceError);
  CHECK_THROWS_AS(static_cast<void>(pa == pa), ReferenceError);
  CHECK_THROWS_AS(static_cast<void>(proxy<player>() != pb), ReferenceError);
}

TEST_CASE("proxy: what == throws is thrown, and both objects outlive the comparison") {
  struct quarrel {
    std::shared_ptr<quarrel>* killed = nullptr;
    bool throws = false;
    int* alive;
    explicit quarrel(int& count) : alive(&count) { ++*alive; }
    quarrel(const quarrel&) = delete;
    quarrel& operator=(const quarrel&) = delete;
    ~quarrel() { --*alive; }
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
  const proxy pa(a);
  const proxy pb(b);
  a->throws = true;
  CHECK_THROWS_WITH_AS(static_cast<void>(pa == pb), "quarrel", std::runtime_error);
  a->throws = false;
  a->killed = &a;
  b->killed = &b;
  CHECK(pa == pb);
  CHECK(alive == 0);
}

// -- Callbacks ------------------------------------------------------------------------------------

TEST_CASE("proxy: with a callback, it is called once when the object dies, however it came to be tracked") {
  for (const support::way& way : support::every_way) {
    CAPTURE(way.name);
    int called = 0;
    auto owner = way.make();
    const proxy p(owner, tally{&called});
    CHECK(p->value == 1);
    CHECK(weakref::getweakrefcount(owner) == 1);
    owner.reset();
    CHECK(called == 1);
    CHECK_THROWS_AS(static_cast<void>(p->value), ReferenceError);
  }
}

TEST_CASE("proxy: the callback may take the proxy, and sees it and all others dead") {
  auto owner = make_tracked<player>();
  const proxy other(owner);
  const weakref::ref reference(owner);
  proxy<player>* seen = nullptr;
  bool dead = false;
  proxy p(owner, [&](proxy<player>& self) {
    seen = &self;
    dead = self.expired() && other.expired() && reference() == nullptr;
    CHECK_THROWS_AS(self->move(1, 1), ReferenceError);
  });
  owner.reset();
  CHECK(seen == &p);
  CHECK(dead);
}

TEST_CASE("proxy: callbacks that take it const, by reference to const or by copy") {
  auto owner = make_tracked<player>();
  int called = 0;
  const proxy by_reference(owner, [&](const proxy<player>&) { ++called; });
  const proxy by_copy(owner, [&](proxy<player> self) { called += self.expired() ? 1 : 100; });
  const proxy with_state(owner, [&, count = 0](proxy<player>&) mutable { called += ++count; });
  owner.reset();
  CHECK(called == 3);
}

TEST_CASE("proxy: callbacks run newest first, together with those of refs") {
  journal log;
  auto owner = make_tracked<player>();
  auto note = [&](const char* word) { return [&log, word] { log(word); }; };
  const proxy a(owner, note("a"));
  const weakref::ref b(owner, note("b"));
  const proxy c(owner, note("c"));
  owner.reset();
  CHECK(log.text() == "c b a");
}

TEST_CASE("proxy: what a callback throws goes to the unraisable hook") {
  const support::unraisable_log log;
  auto owner = make_tracked<player>();
  int called = 0;
  const proxy older(owner, tally{&called});
  const proxy failing(owner, [](proxy<player>& self) { self->move(0, 0); });
  owner.reset();
  CHECK(called == 1);
  CHECK(log.text().find("proxy") != std::string::npos); // the ReferenceError's message
}

TEST_CASE("proxy: destroyed first, its callback is not called") {
  int called = 0;
  auto owner = make_tracked<player>();
  { const proxy p(owner, tally{&called}); }
  CHECK(weakref::getweakrefcount(owner) == 0);
  owner.reset();
  CHECK(called == 0);
}

TEST_CASE("proxy: a callback may destroy its own proxy, and others") {
  int called = 0;
  auto owner = make_tracked<player>();
  using watching = proxy<player, std::function<void(proxy<player>&)>>;
  std::unique_ptr<watching> older, self;
  older = std::make_unique<watching>(owner, [&](proxy<player>&) { ++called; });
  self = std::make_unique<watching>(owner, [&](proxy<player>&) {
    ++called;
    older.reset();
    self.reset();
  });
  owner.reset();
  CHECK(called == 1);
  CHECK(self == nullptr);
}

TEST_CASE("proxy: the end of one waits for its callback on another thread") {
  support::gate inside, leave;
  std::atomic<bool> returned{false}, destroyed{false}, too_late{false};
  auto owner = make_tracked<player>();
  auto callback = [&] {
    inside.open();
    leave.wait();
    support::give_way();
    if (destroyed) too_late = true;
    returned = true;
  };
  auto p = std::make_unique<proxy<player, decltype(callback)>>(owner, callback);
  const support::joining_thread dying([last = std::move(owner)]() mutable { last.reset(); });
  inside.wait();
  leave.open();
  p.reset();
  destroyed = true;
  CHECK(returned);
  CHECK_FALSE(too_late);
}

TEST_CASE("proxy: a copy of one with a callback is a plain proxy") {
  int called = 0;
  auto owner = make_tracked<player>(player{4, 0});
  const proxy p(owner, tally{&called});
  const proxy<player> copy(static_cast<const proxy<player>&>(p));
  CHECK(copy->x == 4);
  CHECK(copy == p);
  owner.reset();
  CHECK(called == 1);
}

TEST_CASE("proxy: a proxy of a base, or of a const object, with a callback") {
  int called = 0;
  auto owner = make_tracked<square>();
  const proxy<shape, tally> p(owner, tally{&called});
  const proxy<const shape, tally> reader(owner, tally{&called});
  CHECK(p->sides() == 4);
  CHECK(reader->sides() == 4);
  owner.reset();
  CHECK(called == 2);
}

TEST_CASE("proxy: a callback for an untracked or null owner is refused") {
  int called = 0;
  const auto untracked = std::make_shared<player>();
  CHECK_THROWS_AS(static_cast<void>(proxy(untracked, tally{&called})), weakref::untracked_error);
  CHECK_THROWS_AS(static_cast<void>(proxy(std::shared_ptr<player>(), tally{&called})),
                  weakref::untracked_error);
  CHECK(untracked.use_count() == 1);
  CHECK(called == 0);
}

} // namespace
