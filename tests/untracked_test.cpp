// SPDX-License-Identifier: BSL-1.0
// Containers that accept untracked owners, all three by the same laws: a dead entry is invisible at once, found
// by later operations, and nothing of it is ever destroyed under a lock.
#include <weakref/weak_key_dictionary.hpp>
#include <weakref/weak_set.hpp>
#include <weakref/weak_value_dictionary.hpp>

#include "support/dictionary_allocator.hpp"
#include "support/dictionary_mutex.hpp"
#include "support/dictionary_objects.hpp"
#include "support/room_allocator.hpp"

#include <weakref/detail/base/sync.hpp>
#include <weakref/errors.hpp>
#include <weakref/mutex.hpp>
#include <weakref/statistics.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace dictionary_test;

namespace {

// Tells how many locks are held when it is destroyed.
struct Witness : counted<Witness> {
  explicit Witness(int start = 0) : number(start) {}
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;
  ~Witness() {
    held += watched_mutex::held();
    if (const auto words = std::exchange(on_death, nullptr)) words();
  }
  int number;
  static inline int held = 0;
  static inline std::function<void()> on_death;
};

using Owner = std::shared_ptr<Witness>;
using Allocator = accounting_allocator<Witness>;

Owner untracked(int number) { return std::make_shared<Witness>(number); }
Owner tracked(int number) { return weakref::make_tracked<Witness>(number); }

// A number that looks at the locks when it goes, as a dictionary's key or mapped value.
struct Tag {
  explicit Tag(int start) : number(start) {}
  Tag(const Tag&) = default;
  Tag& operator=(const Tag&) = default;
  ~Tag() { Witness::held += watched_mutex::held(); }
  friend bool operator==(const Tag& left, const Tag& right) { return left.number == right.number; }
  int number;
};
struct TagHash {
  std::size_t operator()(const Tag& tag) const noexcept { return static_cast<std::size_t>(tag.number); }
};

// The three containers behind one face: an object is stored under its number.
struct Values {
  using type = weakref::WeakValueDictionary<Tag, Witness, TagHash, std::equal_to<>, Allocator, watched_mutex>;
  type all;
  explicit Values(account& books, bool accept = true)
      : all({.shards = 1, .accept_untracked = accept}, Allocator(books)) {}
  bool store(const Owner& owner) { return all.insert_or_assign(Tag(owner->number), owner); }
  bool contains(const Witness& object) const { return all.contains(Tag(object.number)); }
  bool get(const Witness& object) const { return all.get(Tag(object.number)) != nullptr; }
  bool visit(const Witness& object) const {
    return all.visit(Tag(object.number), [](Witness&) {});
  }
  bool pop(const Witness& object) { return all.pop(Tag(object.number)) != nullptr; }
  bool erase(const Witness& object) { return all.erase(Tag(object.number)); }
  void get_or_create(const Owner& owner) {
    (void)all.get_or_create(Tag(owner->number), [&] { return owner; });
  }
  bool pop_any() {
    try {
      return all.popitem().second != nullptr;
    } catch (const std::out_of_range&) {
      return false;
    }
  }
};

struct Keys {
  using type = weakref::WeakKeyDictionary<Witness, Tag, weakref::by_identity, weakref::by_identity, Allocator,
                                          watched_mutex>;
  type all;
  explicit Keys(account& books, bool accept = true)
      : all({.shards = 1, .accept_untracked = accept}, Allocator(books)) {}
  bool store(const Owner& owner) { return all.insert_or_assign(owner, Tag(owner->number)); }
  bool contains(const Witness& object) const { return all.contains(object); }
  bool get(const Witness& object) const { return all.get(object).has_value(); }
  bool visit(const Witness& object) {
    return all.visit(object, [](Tag&) {});
  }
  bool pop(const Witness& object) { return all.pop(object).has_value(); }
  bool erase(const Witness& object) { return all.erase(object); }
  void get_or_create(const Owner& owner) {
    (void)all.get_or_create(owner, [&] { return Tag(owner->number); });
  }
  bool pop_any() {
    try {
      return all.popitem().first != nullptr;
    } catch (const std::out_of_range&) {
      return false;
    }
  }
};

struct Set {
  using type =
      weakref::WeakSet<Witness, weakref::by_identity, weakref::by_identity, Allocator, watched_mutex>;
  type all;
  explicit Set(account& books, bool accept = true)
      : all({.shards = 1, .accept_untracked = accept}, Allocator(books)) {}
  bool store(const Owner& owner) { return all.add(owner); }
  bool contains(const Witness& object) const { return all.contains(object); }
  bool get(const Witness& object) const { return all.get(object) != nullptr; }
  bool visit(const Witness& object) const { return contains(object); }
  bool pop(const Witness& object) { return all.discard(object); }
  bool erase(const Witness& object) { return all.erase(object); }
  void get_or_create(const Owner& owner) { all.update({owner}); }
  bool pop_any() {
    try {
      return all.pop() != nullptr;
    } catch (const std::out_of_range&) {
      return false;
    }
  }
};

// Stores count objects, numbered from 1000 on, that live until the caller drops them.
template <class Container> std::vector<Owner> fill(Container& container, int count) {
  std::vector<Owner> owners;
  for (int i = 0; i < count; ++i) {
    owners.push_back(untracked(1000 + i));
    REQUIRE(container.store(owners.back()));
  }
  return owners;
}

// More slots than the table of so many entries has: at least four of five are in use when it grows, by half of
// what it has, or to the double while it is small.
constexpr int most_slots(int entries) { return entries < 64 ? 3 * entries + 8 : 2 * entries; }

} // namespace

TEST_CASE_TEMPLATE("untracked: refused unless the container was made to accept them", Container, Values, Keys,
                   Set) {
  account books;
  Container strict(books, false);
  CHECK_THROWS_AS(strict.store(untracked(1)), weakref::untracked_error);
  CHECK(strict.all.empty());
  Container accepting(books);
  const Owner one = untracked(1);
  CHECK(accepting.store(one));
  CHECK(accepting.contains(*one));
  CHECK(one.use_count() == 1);
  CHECK_FALSE(weakref::is_tracked(one));
}

TEST_CASE_TEMPLATE("untracked: an entry is invisible from the moment of death", Container, Values, Keys,
                   Set) {
  account books;
  const auto check = [&](auto ask) {
    Container container(books);
    Owner one = untracked(1);
    container.store(one);
    const Witness* const address = one.get();
    // The memory stays as long as the entry: make_shared, and a weak pointer in there.
    const std::weak_ptr<Witness> memory = one;
    one.reset();
    CHECK(Witness::alive() == 0);
    CHECK(container.all.size() == 1);
    const Witness twin(1);
    if constexpr (std::is_same_v<Container, Values>) {
      CHECK_FALSE(ask(container, twin));
    } else {
      CHECK_FALSE(ask(container, *address));
    }
  };
  check([](Container& in, const Witness& object) { return in.contains(object); });
  check([](Container& in, const Witness& object) { return in.get(object); });
  check([](Container& in, const Witness& object) { return in.visit(object); });
  check([](Container& in, const Witness& object) { return in.pop(object); });
  check([](Container& in, const Witness& object) { return in.erase(object); });
  check([](Container& in, const Witness&) { return in.pop_any(); });
  check([](Container& in, const Witness&) { return in.all.begin() != in.all.end(); });
  check([](Container& in, const Witness&) {
    const auto copy = in.all;
    return !copy.empty();
  });
  check([](Container& in, const Witness&) {
    return !(in.all == typename Container::type(Allocator(in.all.get_allocator())));
  });
}

TEST_CASE_TEMPLATE("untracked: it is invisible to its own destructor too", Container, Values, Keys, Set) {
  account books;
  Container container(books);
  Owner one = untracked(1);
  container.store(one);
  int asked = 0;
  const Witness* const address = one.get();
  Witness::on_death = [&] {
    ++asked;
    CHECK_FALSE(container.contains(*address));
    CHECK_FALSE(container.get(*address));
    CHECK_FALSE(container.erase(*address));
    const Owner two = untracked(2);
    CHECK(container.store(two));
    CHECK(container.contains(*two));
  };
  one.reset();
  CHECK(asked == 1);
}

TEST_CASE_TEMPLATE(
    "untracked: dead entries are found within half a table of further operations, of each kind", Container,
    Values, Keys, Set) {
  constexpr int count = 100;
  account books;
  const auto check = [&](const std::string& kind, auto operation) {
    CAPTURE(kind);
    Container container(books);
    auto owners = fill(container, count);
    owners.clear();
    REQUIRE(container.all.size() == count);
    const Witness absent(5);
    for (int i = 0; i < most_slots(count) / 2 && !container.all.empty(); ++i) operation(container, absent);
    CHECK(container.all.empty());
  };
  check("contains", [](Container& in, const Witness& absent) { (void)in.contains(absent); });
  check("get", [](Container& in, const Witness& absent) { (void)in.get(absent); });
  check("visit", [](Container& in, const Witness& absent) { (void)in.visit(absent); });
  check("pop", [](Container& in, const Witness& absent) { (void)in.pop(absent); });
  check("erase", [](Container& in, const Witness& absent) { (void)in.erase(absent); });
}

TEST_CASE_TEMPLATE("untracked: dead entries are found by storing what is there already", Container, Values,
                   Keys, Set) {
  constexpr int count = 100;
  account books;
  const auto check = [&](const std::string& kind, auto operation) {
    CAPTURE(kind);
    Container container(books);
    const Owner present = tracked(1);
    container.store(present);
    auto owners = fill(container, count);
    owners.clear();
    for (int i = 0; i < most_slots(count + 1) / 2; ++i) operation(container, present);
    CHECK(container.all.size() == 1);
    CHECK(container.contains(*present));
  };
  check("store", [](Container& in, const Owner& present) { (void)in.store(present); });
  check("update", [](Container& in, const Owner&) {
    const auto copy = in.all;
    in.all.update(copy);
  });
  check("create and erase", [](Container& in, const Owner&) {
    const Owner other = tracked(7);
    in.get_or_create(other);
    in.erase(*other);
  });
}

TEST_CASE("accept_untracked: what a factory made and nobody else owns is adopted, and so leaves at once") {
  weakref::WeakValueDictionary<int, Witness> all(weakref::options{.accept_untracked = true});
  auto sole = all.get_or_create(1, [] { return untracked(1); });
  CHECK(weakref::is_tracked(sole));
  Owner other;
  auto shared = all.get_or_create(2, [&] { return other = untracked(2); });
  CHECK_FALSE(weakref::is_tracked(shared));
  sole.reset();
  CHECK(all.size() == 1);
}

TEST_CASE("accept_untracked: a popitem that finds nothing alive takes two of the dead out") {
  weakref::WeakValueDictionary<int, Witness> all(weakref::options{.shards = 1, .accept_untracked = true});
  for (int number = 0; number < 3; ++number) all.insert(number, untracked(number));
  const std::size_t before = all.size();
  REQUIRE(before > 0);
  for (std::size_t tries = 0; tries < 100 && !all.empty(); ++tries)
    CHECK_THROWS_AS((void)all.popitem(), std::out_of_range);
  CHECK(all.empty());
}

TEST_CASE("accept_untracked: goes along with a swap and a move, also while nothing was ever stored") {
  using Cache = weakref::WeakValueDictionary<int, Witness>;
  Cache accepts(weakref::options{.accept_untracked = true});
  Cache refuses;
  swap(accepts, refuses);
  const auto owner = untracked(1);
  CHECK_THROWS_AS(accepts.insert(1, owner), weakref::untracked_error);
  CHECK(refuses.insert(1, owner).second);
  refuses.clear();
  accepts = Cache(weakref::options{.accept_untracked = true});
  CHECK(accepts.insert(1, owner).second);
  CHECK_THROWS_AS(accepts.insert(2, Owner(owner, nullptr)), weakref::untracked_error); // an owner of nothing
}

TEST_CASE("untracked: a look-up of a dead entry's own key is a miss that looks for dead ones too") {
  account books;
  const auto check = [&](const std::string& kind, auto operation) {
    CAPTURE(kind);
    Values values(books);
    values.store(untracked(3));
    const Witness twin(3);
    for (int i = 0; i < most_slots(1) && !values.all.empty(); ++i) operation(values, twin);
    CHECK(values.all.empty());
  };
  check("contains", [](Values& in, const Witness& twin) { CHECK_FALSE(in.contains(twin)); });
  check("get", [](Values& in, const Witness& twin) { CHECK_FALSE(in.get(twin)); });
  check("visit", [](Values& in, const Witness& twin) { CHECK_FALSE(in.visit(twin)); });
  check("pop", [](Values& in, const Witness& twin) { CHECK_FALSE(in.pop(twin)); });
  check("erase", [](Values& in, const Witness& twin) { CHECK_FALSE(in.erase(twin)); });
}

TEST_CASE_TEMPLATE("untracked: a hit needs no sweep, and living entries are never taken", Container, Values,
                   Keys, Set) {
  account books;
  Container container(books);
  auto owners = fill(container, 50);
  const Witness absent(5);
  for (int i = 0; i < 500; ++i) {
    CHECK_FALSE(container.contains(absent));
    CHECK(container.get(*owners[static_cast<std::size_t>(i) % owners.size()]));
  }
  CHECK(container.all.size() == 50);
}

TEST_CASE_TEMPLATE("untracked: churn is flat", Container, Values, Keys, Set) {
  account books;
  {
    Container container(books);
    std::vector<Owner> living;
    for (int i = 0; i < 32; ++i) living.push_back(untracked(i));
    for (const Owner& each : living) container.store(each);
    const auto churn = [&](int rounds) {
      for (int i = 0; i < rounds; ++i) container.store(untracked(1000 + i));
    };
    churn(1000);
    const long peak = books.peak;
    const std::size_t most = container.all.size();
    CHECK(most < 150);
    churn(20000);
    CHECK(books.peak == peak);
    CHECK(container.all.size() < 150);
    const long calls = books.calls;
    const long blocks = books.blocks;
    churn(100);
    CHECK(books.calls == calls + 100); // one node each, and no table
    CHECK(books.blocks <= blocks + 40);
    for (const Owner& each : living) CHECK(container.contains(*each));
  }
  CHECK(books.blocks == 0);
  CHECK(books.bytes == 0);
}

TEST_CASE_TEMPLATE("untracked: a table full of dead entries is emptied instead of grown", Container, Values,
                   Keys, Set) {
  account books;
  Container container(books);
  container.all.reserve(1000); // else a table that has become sparse meanwhile shrinks and grows
  auto owners = fill(container, 1000);
  owners.clear();
  const long calls = books.calls;
  owners = fill(container, 1000);
  CHECK(books.calls.load() == calls + 1000); // nodes, and no table
  CHECK(container.all.size() == 1000);
  for (const Owner& each : owners) CHECK(container.contains(*each));
}

TEST_CASE_TEMPLATE("untracked: size is an upper bound, and exact for tracked ones", Container, Values, Keys,
                   Set) {
  account books;
  Container container(books);
  std::vector<Owner> known;
  std::vector<Owner> foreign;
  for (int i = 0; i < 20; ++i) {
    known.push_back(tracked(i));
    foreign.push_back(untracked(100 + i));
    container.store(known.back());
    container.store(foreign.back());
  }
  CHECK(container.all.size() == 40);
  foreign.clear();
  CHECK(container.all.size() <= 40);
  CHECK(container.all.size() >= 20);
  std::size_t living = 0;
  for (auto&& each : container.all) {
    ++living;
    (void)each;
  }
  CHECK(living == 20);
  const std::size_t before = container.all.size();
  known.resize(5);
  CHECK(container.all.size() == before - 15); // prompt
  known.clear();
  while (container.pop_any()) {}
  const Witness absent(999);
  for (int i = 0; i < most_slots(40); ++i) (void)container.contains(absent);
  CHECK(container.all.empty());
}

TEST_CASE_TEMPLATE("untracked: nothing is destroyed or let go under a lock, whoever finds the dead",
                   Container, Values, Keys, Set) {
  account books;
  Witness::held = 0;
  const long nested = watched_mutex::nested();
  {
    Container container(books);
    const Owner present = tracked(1);
    container.store(present);
    for (int round = 0; round < 20; ++round) {
      auto owners = fill(container, 20);
      const Witness absent(5);
      // Each object dies while some operation may hold its owner.
      for (auto&& each : container.all) {
        (void)each;
        owners.clear();
      }
      (void)container.get(absent);
      (void)container.contains(absent);
      (void)container.visit(absent);
      (void)container.pop(absent);
      (void)container.erase(absent);
      container.store(present);
      container.get_or_create(untracked(3));
      auto copy = container.all;
      copy.update(container.all);
      CHECK((copy == container.all));
      container.pop_any();
      container.store(untracked(4));
      copy = std::move(container.all);
      container.all.swap(copy);
      if (round % 5 == 0) container.all.clear();
    }
  }
  CHECK(Witness::held == 0);
  CHECK(watched_mutex::nested() == nested);
  CHECK(Witness::alive() == 0);
  CHECK(books.blocks == 0);
}

TEST_CASE("untracked: keys and mapped values of the dead may use their container when they are found") {
  using Shared = weakref::WeakKeyDictionary<Item, std::shared_ptr<Mortal>>;
  Shared shared({.shards = 1, .accept_untracked = true});
  const auto other = item(2);
  int ends = 0;
  shared.insert(std::make_shared<Item>(1), std::make_shared<Mortal>(0, [&] {
                  ++ends;
                  CHECK(shared.insert(other, nullptr));
                  CHECK(shared.contains(other));
                  CHECK(shared.erase(other));
                }));
  CHECK(ends == 0);
  for (int i = 0; i < 20; ++i) CHECK_FALSE(shared.contains(other));
  CHECK(ends == 1);
  CHECK(shared.empty());
}

TEST_CASE_TEMPLATE("untracked: copies and results accept them, as the source does", Container, Values, Keys,
                   Set) {
  account books;
  Container container(books);
  const Owner one = untracked(1);
  container.store(one);
  Container copy(container);
  CHECK(copy.contains(*one));
  const Owner two = untracked(2);
  CHECK(copy.store(two));
  copy.all |= container.all;
  CHECK(copy.all.size() == 2);
  Container moved(std::move(copy));
  CHECK(moved.contains(*two));
  CHECK(weakref::getweakrefcount(one) == 0);
}

TEST_CASE("untracked: sessions of third-party code, by id") {
  weakref::WeakValueDictionary<std::string, Item> sessions({.accept_untracked = true});
  auto alice = std::make_shared<Item>(1);
  sessions.insert("alice", alice);
  CHECK(sessions.get("alice") == alice);
  alice.reset();
  CHECK(sessions.get("alice") == nullptr);
  const auto again = sessions.get_or_create("alice", [] { return std::make_shared<Item>(2); });
  CHECK(sessions.get("alice") == again);
  CHECK(sessions.size() == 1);
}

TEST_CASE("untracked: an object stored untracked, then adopted, is two owners") {
  weakref::WeakSet<Item> set({.accept_untracked = true});
  auto raw = std::make_shared<Item>(1);
  set.add(raw);
  auto adopted = weakref::adopt(raw);
  CHECK_FALSE(set.contains(adopted));
  CHECK(set.add(adopted));
  CHECK(set.size() == 2);
  adopted.reset();
  CHECK(set.size() == 1);
  CHECK(set.contains(raw));
}

// --- bursts of deaths
// -------------------------------------------------------------------------------------------------------

namespace {

using CountedValues = weakref::counted::WeakValueDictionary<int, Item>;
using CountedKeys = weakref::counted::WeakKeyDictionary<Item, int>;
using CountedSet = weakref::counted::WeakSet<Item>;

using Held = std::shared_ptr<Item>;
using Things = std::vector<Held>;

std::shared_ptr<Item> foreign_item(int number) { return std::make_shared<Item>(number); }

bool store_in(CountedValues& all, const std::shared_ptr<Item>& owner) {
  return all.insert(owner->number, owner).second;
}
bool store_in(CountedKeys& all, const std::shared_ptr<Item>& owner) {
  return all.insert(owner, owner->number);
}
bool store_in(CountedSet& all, const std::shared_ptr<Item>& owner) { return all.add(owner); }

bool is_in(const CountedValues& all, const Item& object) { return all.contains(object.number); }
template <class Container> bool is_in(const Container& all, const Item& object) {
  return all.contains(object);
}

// Calls f(name, operation) for each kind of operation on one key. `present` is in the container, `absent` isn't.
template <class F> void each_kind(CountedValues*, F&& f) {
  using C = CountedValues;
  f("get a hit", [](C& in, const Held& present, const Item&) { CHECK(in.get(present->number)); });
  f("get a miss", [](C& in, const Held&, const Item& absent) { CHECK_FALSE(in.get(absent.number)); });
  f("contains a hit", [](C& in, const Held& present, const Item&) { CHECK(in.contains(present->number)); });
  f("contains a miss",
    [](C& in, const Held&, const Item& absent) { CHECK_FALSE(in.contains(absent.number)); });
  f("visit a hit",
    [](C& in, const Held& present, const Item&) { CHECK(in.visit(present->number, [](Item&) {})); });
  f("visit a miss",
    [](C& in, const Held&, const Item& absent) { CHECK_FALSE(in.visit(absent.number, [](Item&) {})); });
  f("insert what is there",
    [](C& in, const Held& present, const Item&) { CHECK_FALSE(in.insert(present->number, present).second); });
  f("assign", [](C& in, const Held& present, const Item&) {
    CHECK_FALSE(in.insert_or_assign(present->number, present));
  });
  f("setdefault", [](C& in, const Held& present, const Item&) {
    CHECK(in.setdefault(present->number, present) == present);
  });
  f("try_emplace a hit", [](C& in, const Held& present, const Item&) {
    CHECK(in.try_emplace(present->number, 0).first == present);
  });
  f("get_or_create a hit", [](C& in, const Held& present, const Item&) {
    CHECK(in.get_or_create(present->number, [] { return Item(); }) == present);
  });
  f("erase", [](C& in, const Held&, const Item& absent) { CHECK_FALSE(in.erase(absent.number)); });
  f("pop", [](C& in, const Held&, const Item& absent) { CHECK_FALSE(in.pop(absent.number)); });
  f("popitem", [](C& in, const Held&, const Item&) {
    const auto [number, owner] = in.popitem();
    CHECK(in.insert(number, owner).second);
  });
  f("statistics", [](C& in, const Held&, const Item&) { (void)in.statistics(); });
}
template <class F> void each_kind(CountedKeys*, F&& f) {
  using C = CountedKeys;
  f("get a hit", [](C& in, const Held& present, const Item&) { CHECK(in.get(present)); });
  f("get a miss", [](C& in, const Held&, const Item& absent) { CHECK_FALSE(in.get(absent)); });
  f("contains a hit", [](C& in, const Held& present, const Item&) { CHECK(in.contains(present)); });
  f("contains a miss", [](C& in, const Held&, const Item& absent) { CHECK_FALSE(in.contains(absent)); });
  f("visit a hit", [](C& in, const Held& present, const Item&) { CHECK(in.visit(present, [](int&) {})); });
  f("visit a miss",
    [](C& in, const Held&, const Item& absent) { CHECK_FALSE(in.visit(absent, [](int&) {})); });
  f("insert what is there",
    [](C& in, const Held& present, const Item&) { CHECK_FALSE(in.insert(present, 0)); });
  f("assign", [](C& in, const Held& present, const Item&) { CHECK_FALSE(in.insert_or_assign(present, 0)); });
  f("get_or_create a hit",
    [](C& in, const Held& present, const Item&) { (void)in.get_or_create(present, [] { return 0; }); });
  f("erase", [](C& in, const Held&, const Item& absent) { CHECK_FALSE(in.erase(absent)); });
  f("pop", [](C& in, const Held&, const Item& absent) { CHECK_FALSE(in.pop(absent)); });
  f("popitem", [](C& in, const Held&, const Item&) {
    const auto [owner, number] = in.popitem();
    CHECK(in.insert(owner, number));
  });
  f("statistics", [](C& in, const Held&, const Item&) { (void)in.statistics(); });
}
template <class F> void each_kind(CountedSet*, F&& f) {
  using C = CountedSet;
  f("get a hit", [](C& in, const Held& present, const Item&) { CHECK(in.get(present)); });
  f("get a miss", [](C& in, const Held&, const Item& absent) { CHECK_FALSE(in.get(absent)); });
  f("contains a hit", [](C& in, const Held& present, const Item&) { CHECK(in.contains(present)); });
  f("contains a miss", [](C& in, const Held&, const Item& absent) { CHECK_FALSE(in.contains(absent)); });
  f("add what is there", [](C& in, const Held& present, const Item&) { CHECK_FALSE(in.add(present)); });
  f("get_or_add a hit",
    [](C& in, const Held& present, const Item&) { CHECK(in.get_or_add(present) == present); });
  f("discard", [](C& in, const Held&, const Item& absent) { CHECK_FALSE(in.discard(absent)); });
  f("erase", [](C& in, const Held&, const Item& absent) { CHECK_FALSE(in.erase(absent)); });
  f("pop", [](C& in, const Held&, const Item&) { CHECK(in.add(in.pop())); });
  f("statistics", [](C& in, const Held&, const Item&) { (void)in.statistics(); });
}

constexpr int burst_size = 10000;

// Fifty live among ten thousand that die at once.
template <class Container> Things burst(Container& container) {
  Things living;
  Things dying;
  for (int number = 0; number < burst_size + 50; ++number) {
    auto owner = foreign_item(number);
    REQUIRE(store_in(container, owner));
    (number % 200 == 7 && living.size() < 50 ? living : dying).push_back(std::move(owner));
  }
  while (living.size() < 50) {
    living.push_back(std::move(dying.back()));
    dying.pop_back();
  }
  dying.clear();
  REQUIRE(container.size() == burst_size + 50);
  return living;
}

} // namespace

TEST_CASE_TEMPLATE("untracked: a burst of deaths is gone after as many operations, of each kind, on one key",
                   Container, CountedValues, CountedKeys, CountedSet) {
  each_kind(static_cast<Container*>(nullptr), [](const std::string& kind, auto operation) {
    CAPTURE(kind);
    Container container(weakref::options{.accept_untracked = true});
    const Things living = burst(container);
    const Item absent(-1);
    int operations = 0;
    for (; container.size() != living.size() && operations < burst_size; ++operations)
      operation(container, living.front(), absent);
    CHECK(container.size() == living.size());
    for (const auto& each : living) CHECK(is_in(container, *each));
  });
}

TEST_CASE_TEMPLATE("untracked: a loop, a copy and erase_if take along all the dead that they pass", Container,
                   CountedValues, CountedKeys, CountedSet) {
  const auto check = [](const std::string& kind, auto operation) {
    CAPTURE(kind);
    Container container(weakref::options{.accept_untracked = true});
    const Things living = burst(container);
    operation(container);
    CHECK(container.size() == living.size());
    for (const auto& each : living) CHECK(is_in(container, *each));
  };
  check("loop", [](Container& in) {
    std::size_t seen = 0;
    for (auto&& each : in) {
      (void)each;
      ++seen;
    }
    CHECK(seen == 50);
  });
  check("copy", [](Container& in) {
    const Container copy(in);
    CHECK(copy.size() == 50);
  });
  check("erase_if", [](Container& in) { CHECK(in.erase_if([](auto&&...) { return false; }) == 0); });
}

TEST_CASE("untracked: a popitem takes along all the dead that it passes") {
  CountedValues all(weakref::options{.shards = 1, .accept_untracked = true});
  burst(all); // whose last fifty die here
  CHECK_THROWS_AS((void)all.popitem(), std::out_of_range);
  CHECK(all.empty());
}

TEST_CASE_TEMPLATE("untracked: sweep takes all of the dead, and says how many they were", Container,
                   CountedValues, CountedKeys, CountedSet) {
  for (const std::size_t shards : {std::size_t{0}, std::size_t{1}, std::size_t{16}}) {
    CAPTURE(shards);
    Container container(weakref::options{.shards = shards, .accept_untracked = true});
    CHECK(container.sweep() == 0);
    const Things living = burst(container);
    CHECK(container.sweep() == burst_size);
    CHECK(container.size() == living.size());
    CHECK(container.sweep() == 0);
    for (const auto& each : living) CHECK(is_in(container, *each));
    CHECK(container.statistics().evictions == burst_size);
    Container few(weakref::options{.shards = shards, .accept_untracked = true});
    Things three{foreign_item(1), foreign_item(2), foreign_item(3)};
    for (const auto& each : three) store_in(few, each);
    three.resize(1);
    CHECK(few.sweep() == 2);
    CHECK(few.size() == 1);
    three.clear();
    CHECK(few.sweep() == 1);
    CHECK(few.empty());
  }
}

TEST_CASE(
    "untracked: operations on a key whose shard never held a foreign object find the dead of the others") {
  constexpr int shards = 16;
  for (int key = 0; key < 40; ++key) {
    CAPTURE(key);
    weakref::WeakValueDictionary<int, Item> all({.shards = shards, .accept_untracked = true});
    all.insert(1000, foreign_item(1000));
    for (int i = 0; i < 2 * 16 * shards && !all.empty(); ++i) CHECK_FALSE(all.contains(key));
    CHECK(all.empty());
  }
}

TEST_CASE("untracked: what goes along with a move, a swap or a split is looked after there") {
  const auto check = [](const std::string& kind, auto operation) {
    CAPTURE(kind);
    weakref::WeakValueDictionary<int, Item> all({.accept_untracked = true});
    Things owners;
    for (int number = 0; number < 100; ++number) { // too few to split by themselves
      owners.push_back(foreign_item(number));
      all.insert(number, owners.back());
    }
    weakref::WeakValueDictionary<int, Item> other = operation(all);
    owners.clear();
    for (int i = 0; i < 16 * 256 && !other.empty(); ++i) CHECK_FALSE(other.contains(-1));
    CHECK(other.empty());
  };
  using Dictionary = weakref::WeakValueDictionary<int, Item>;
  check("move", [](Dictionary& all) { return Dictionary(std::move(all)); });
  check("move assignment", [](Dictionary& all) {
    Dictionary other;
    other = std::move(all);
    return other;
  });
  check("swap", [](Dictionary& all) {
    Dictionary other;
    other.swap(all);
    return other;
  });
  check("copy", [](Dictionary& all) { return Dictionary(all); });
  check("split", [](Dictionary& all) {
    all.reserve(1000);
    return Dictionary(std::move(all));
  });
  check("update", [](Dictionary& all) {
    Dictionary other(weakref::options{.accept_untracked = true});
    other.update(all);
    return other;
  });
}

namespace {

// Counts the looks at weak references that the library takes.
struct looking_mutex : weakref::null_mutex {
  struct weakref_sync : weakref::detail::default_sync {
    static void point(weakref::detail::sync_point where) noexcept {
      if (where == weakref::detail::sync_point::before_expired) ++looks;
    }
  };
  static inline long looks = 0;
};

template <class Allocator>
using Looked =
    weakref::WeakValueDictionary<int, Item, weakref::hash<int>, std::equal_to<>, Allocator, looking_mutex>;

} // namespace

TEST_CASE("untracked: each operation looks at two further entries, and at as many more as there are dead") {
  Looked<std::allocator<Item>> all(weakref::options{.accept_untracked = true});
  Things owners;
  for (int number = 0; number < 50; ++number) {
    owners.push_back(foreign_item(number));
    all.insert(number, owners.back());
  }
  const auto looks_of = [&](auto operation) {
    const long before = looking_mutex::looks;
    operation();
    return looking_mutex::looks - before;
  };
  for (int i = 0; i < 100; ++i) {
    CHECK(looks_of([&] { CHECK(all.get(7)); }) == 2);
    CHECK(looks_of([&] { CHECK_FALSE(all.get(-1)); }) == 2);
    CHECK(looks_of([&] { CHECK_FALSE(all.contains(-1)); }) == 2);
    CHECK(looks_of([&] { CHECK(all.contains(7)); }) == 3); // and at the one that it was asked for
    CHECK(looks_of([&] { CHECK_FALSE(all.erase(-1)); }) == 2);
  }
  constexpr long dead = 20;
  owners.resize(50 - dead);
  long looks = 0;
  for (int i = 0; i < 25; ++i) looks += looks_of([&] { CHECK(all.get(7)); });
  CHECK(all.size() == 50 - dead);
  CHECK(looks == 2 * 25 + dead);
  Looked<std::allocator<Item>> strict;
  const auto one = item(1);
  strict.insert(1, one);
  CHECK(looks_of([&] { CHECK(strict.get(1) == one); }) == 0);
}

// --- full tables
// -------------------------------------------------------------------------------------------------------

TEST_CASE("untracked: of two thousand stores of living objects a logarithmic number makes a table") {
  using Dictionary = Looked<room_allocator<Item>>;
  const auto tables_of = [](int deaths_before_each, int stores_for_each) {
    room_books books;
    Dictionary all(weakref::options{.accept_untracked = true}, room_allocator<Item>(books));
    Things owners;
    std::size_t oldest = 0;
    const long before = looking_mutex::looks;
    for (int number = 0; number < 2000; ++number) {
      if (number >= 600 && number % stores_for_each == 0) {
        for (int i = 0; i < deaths_before_each; ++i) owners[oldest++].reset();
      }
      owners.push_back(foreign_item(number));
      CHECK(all.insert(number, owners.back()).second);
    }
    // Two for each store, one for each dead, and a few for each entry at the ends of full tables.
    CHECK(looking_mutex::looks - before < 12 * 2000);
    for (const auto& each : owners)
      if (each != nullptr) CHECK(all.get(each->number) == each);
    return books.tables;
  };
  CHECK(tables_of(0, 1) <= 16);
  CHECK(tables_of(1, 1) <= 16);
  CHECK(tables_of(1, 2) <= 16);
  CHECK(tables_of(1, 3) <= 16);
}

TEST_CASE("untracked: a full table in which one dies before each store grows once, and then has room") {
  using Dictionary = Looked<room_allocator<Item>>;
  for (int full = 100; full < 130; ++full) {
    CAPTURE(full);
    room_books books;
    Dictionary all(weakref::options{.accept_untracked = true}, room_allocator<Item>(books));
    all.reserve(static_cast<std::size_t>(full));
    Things owners;
    for (int number = 0; number < full; ++number) {
      owners.push_back(foreign_item(number));
      all.insert(number, owners.back());
    }
    const long tables = books.tables;
    const long before = looking_mutex::looks;
    for (int number = full; number < full + 1000; ++number) {
      owners[static_cast<std::size_t>(number - full)].reset();
      owners.push_back(foreign_item(number));
      all.insert(number, owners.back());
    }
    CHECK(books.tables <= tables + 1);
    CHECK(looking_mutex::looks - before <= 3 * 1000 + 10 * full);
  }
}

// --- what dies uses its container
// -------------------------------------------------------------------------------------------------------

namespace {

// What uses a container when the last copy of it goes, if no lock is held.
struct Word {
  Word(int start, std::function<void()> words)
      : number(start), last(std::make_shared<Mortal>(0, [=] {
          Witness::held += watched_mutex::held();
          if (watched_mutex::held() == 0) words();
        })) {}
  explicit Word(int start) : number(start) {}
  int number;
  std::shared_ptr<Mortal> last;
  friend bool operator==(const Word& left, const Word& right) { return left.number == right.number; }
  friend std::size_t hash_value(const Word& word) { return static_cast<std::size_t>(word.number); }
};

using Words = weakref::WeakValueDictionary<Word, Item, weakref::hash<Word>, std::equal_to<>,
                                           std::allocator<Item>, watched_mutex>;
using Speakers = weakref::WeakKeyDictionary<Item, Word, weakref::by_identity, weakref::by_identity,
                                            std::allocator<Item>, watched_mutex>;

bool put_in(Words& all, const std::shared_ptr<Item>& owner, const Word& word) {
  return all.insert(word, owner).second;
}
bool put_in(Speakers& all, const std::shared_ptr<Item>& owner, const Word& word) {
  return all.insert(owner, word);
}
bool take_from(Words& all, const std::shared_ptr<Item>&, const Word& word) { return all.erase(word); }
bool take_from(Speakers& all, const std::shared_ptr<Item>& owner, const Word&) { return all.erase(owner); }
void look_in(Words& all, const std::shared_ptr<Item>&) { (void)all.contains(Word(-1)); }
void look_in(Speakers& all, const std::shared_ptr<Item>& absent) { (void)all.contains(absent); }

} // namespace

TEST_CASE_TEMPLATE("untracked: keys and values of the dead use their container, whatever finds them",
                   Container, Words, Speakers) {
  Witness::held = 0;
  const auto check = [](const std::string& kind, std::size_t shards, auto operation) {
    CAPTURE(kind);
    CAPTURE(shards);
    Container all(weakref::options{.shards = shards, .accept_untracked = true});
    const auto other = item(-7);
    int ends = 0;
    {
      Things owners;
      all.reserve(100);
      for (int number = 0; number < 60; ++number) {
        owners.push_back(foreign_item(number));
        put_in(all, owners.back(), Word(number, [&all, &ends, number] {
                 ++ends;
                 const auto mine = item(number);
                 CHECK(put_in(all, mine, Word(1000 + number)));
                 for (auto&& each : all) (void)each; // meets others of the dead, which do the same
                 CHECK(take_from(all, mine, Word(1000 + number)));
               }));
      }
      REQUIRE(ends == 0);
    }
    operation(all, other);
    CHECK(ends == 60);
    CHECK(all.empty());
  };
  for (const std::size_t shards : {std::size_t{1}, std::size_t{16}}) {
    check("popitem", shards,
          [](Container& all, const auto&) { CHECK_THROWS_AS((void)all.popitem(), std::out_of_range); });
    check("loop", shards, [](Container& all, const auto&) {
      for (auto&& each : all) (void)each;
    });
    check("copy", shards, [](Container& all, const auto&) { CHECK(Container(all).empty()); });
    check("erase_if", shards,
          [](Container& all, const auto&) { CHECK(all.erase_if([](auto&&...) { return true; }) == 0); });
    check("sweep", shards, [](Container& all, const auto&) { (void)all.sweep(); });
    check("look-ups of one key", shards, [](Container& all, const auto& other) {
      for (int i = 0; i < 2 * 16 * 16; ++i) look_in(all, other);
    });
    check("clear", shards, [](Container& all, const auto&) { all.clear(); });
  }
  CHECK(Witness::held == 0);
}

TEST_CASE("untracked: keys of the dead that a store into a full table sweeps use the dictionary") {
  Witness::held = 0;
  int swept = 0;
  for (int offset = 0; offset < 40; ++offset) {
    CAPTURE(offset);
    Words all(weakref::options{.shards = 1, .accept_untracked = true});
    all.reserve(1050); // 200 groups, and three quarters of their slots
    Things owners;
    int ends = 0;
    bool is_over = false;
    for (int number = 0; number < 1050; ++number) {
      owners.push_back(foreign_item(number));
      const bool speaks = number % 210 == offset;
      all.insert(speaks ? Word(number,
                               [&] {
                                 ++ends;
                                 if (!is_over) CHECK(all.contains(Word(offset + 1)));
                               })
                        : Word(number),
                 owners.back());
    }
    for (std::size_t number = 0; number < owners.size(); ++number)
      if (number % 210 == static_cast<std::size_t>(offset)) owners[number].reset();
    const auto one = foreign_item(5000);
    all.insert(Word(5000), one);
    if (ends == 5) ++swept;
    CHECK(all.get(Word(5000)) == one);
    CHECK(all.size() == 1051U - static_cast<std::size_t>(ends));
    is_over = true;
    all.clear(); // while what its keys use is there
  }
  CHECK(swept >= 30); // the other stores found a dead one nearby, and so room
  CHECK(Witness::held == 0);
}

TEST_CASE("untracked: sweep takes all of the dead, whatever deaths move in the table meanwhile") {
  Witness::held = 0;
  for (int offset = 0; offset < 40; ++offset) {
    CAPTURE(offset);
    Words all(weakref::options{.shards = 1, .accept_untracked = true});
    all.reserve(3000);
    Things foreign;
    Things tracked;
    std::mt19937 random(
        static_cast<unsigned>(offset)); // neighbours would spread too evenly to get into each other's way
    for (int number = 0; number < 3000; ++number) {
      const auto name = static_cast<int>(random() >> 1);
      if (number % 2 == 0) {
        tracked.push_back(weakref::make_tracked<Item>(number));
        all.insert(Word(name), tracked.back());
      } else {
        foreign.push_back(foreign_item(number));
        // The first of the dead that goes takes the living along, in front of sweep and behind it.
        all.insert(Word(name, [&] { tracked.clear(); }), foreign.back());
      }
    }
    foreign.clear();
    (void)all.sweep();
    CHECK(all.empty());
  }
  CHECK(Witness::held == 0);
}

namespace {
// A key that is asked before it is copied.
struct Reporter {
  explicit Reporter(int start) : number(start) {}
  Reporter(const Reporter& other) : number(other.number) {
    if (const auto words = std::exchange(before_copy, nullptr)) words(number);
  }
  Reporter(Reporter&& other) noexcept : number(other.number) {}
  Reporter& operator=(const Reporter&) = default;
  Reporter& operator=(Reporter&&) = default;
  ~Reporter() = default;
  int number;
  static inline std::function<void(int)> before_copy;
  friend bool operator==(const Reporter& left, const Reporter& right) { return left.number == right.number; }
  friend std::size_t hash_value(const Reporter& key) { return static_cast<std::size_t>(key.number); }
};
} // namespace

TEST_CASE("untracked: popitem lets go of what others took meanwhile, the last owner too, with no lock held") {
  for (const bool is_foreign : {true, false}) {
    CAPTURE(is_foreign);
    weakref::WeakValueDictionary<Reporter, Witness, weakref::hash<Reporter>, std::equal_to<>,
                                 std::allocator<Witness>, watched_mutex>
        all(weakref::options{.shards = 1, .accept_untracked = true});
    Witness::held = 0;
    std::vector<Owner> owners;
    for (int number = 0; number < 10; ++number) {
      owners.push_back(is_foreign ? untracked(number) : tracked(number));
      all.insert(Reporter(number), owners.back());
    }
    int died = 0;
    Reporter::before_copy = [&](int number) {
      CHECK(all.erase(Reporter(number)));
      Witness::on_death = [&, number] {
        ++died;
        if (watched_mutex::held() == 0) CHECK_FALSE(all.contains(Reporter(number)));
      };
      owners[static_cast<std::size_t>(number)].reset(); // popitem has the last one now
      CHECK(died == 0);
    };
    const auto popped = all.popitem();
    CHECK(died == 1);
    CHECK(Witness::held == 0);
    CHECK(popped.second == owners[static_cast<std::size_t>(popped.first.number)]);
    CHECK(all.size() == 8);
  }
}
