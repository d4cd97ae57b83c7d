// SPDX-License-Identifier: BSL-1.0
// Containers that accept untracked owners, all three by the same laws: a dead entry is invisible at once, found
// by later operations, and nothing of it is ever destroyed under a lock.
#include <weakref/weak_key_dictionary.hpp>
#include <weakref/weak_set.hpp>
#include <weakref/weak_value_dictionary.hpp>

#include "support/dictionary_allocator.hpp"
#include "support/dictionary_mutex.hpp"
#include "support/dictionary_objects.hpp"

#include <weakref/errors.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
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
  auto owners = fill(container, 1000);
  owners.clear();
  const long before = books.peak;
  owners = fill(container, 1000);
  // The dead go before their number comes again. (A table that has become sparse meanwhile may shrink and grow.)
  CHECK(books.peak <= before + before / 8);
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
