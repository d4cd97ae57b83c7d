// SPDX-License-Identifier: BSL-1.0
// What containers count, one operation after the other.
#include <weakref/statistics.hpp>
#include <weakref/weak_key_dictionary.hpp>
#include <weakref/weak_set.hpp>
#include <weakref/weak_value_dictionary.hpp>

#include "support/dictionary_objects.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

using namespace dictionary_test;

namespace {

using Items = weakref::counted::WeakValueDictionary<int, Item>;

template <class Container>
concept counts = requires(const Container& container) {
  container.statistics();
};

// What has been counted since the last call.
template <class Container> class watch_counts {
 public:
  explicit watch_counts(const Container& container) : container_(container) {}
  void changed_by(const weakref::statistics& by) {
    const weakref::statistics now = container_.statistics();
    CHECK(now.hits - before_.hits == by.hits);
    CHECK(now.misses - before_.misses == by.misses);
    CHECK(now.creations - before_.creations == by.creations);
    CHECK(now.waits - before_.waits == by.waits);
    CHECK(now.evictions - before_.evictions == by.evictions);
    CHECK(now.live == container_.size());
    before_ = now;
  }

 private:
  const Container& container_;
  weakref::statistics before_;
};

} // namespace

TEST_CASE("statistics: a container that does not count has neither counts nor the function") {
  using Plain = weakref::WeakValueDictionary<int, Item>;
  static_assert(!counts<Plain> && !counts<weakref::WeakSet<Item>> &&
                !counts<weakref::WeakKeyDictionary<Item, int>>);
  static_assert(counts<Items>);
  static_assert(std::is_empty_v<weakref::detail::counters<weakref::adaptive_mutex>>);
  static_assert(sizeof(Plain) == sizeof(Items));
}

TEST_CASE("statistics: look-ups") {
  Items items;
  watch_counts seen(items);
  CHECK(items.get(1) == nullptr);
  seen.changed_by({}); // before anything was stored
  const auto one = item(1);
  items.insert(1, one);
  seen.changed_by({});
  CHECK(items.get(1) == one);
  CHECK(items.at(1) == one);
  CHECK(items.contains(1));
  CHECK(items.visit(1, [](const Item&) {}));
  seen.changed_by({.hits = 4});
  CHECK(items.get(2) == nullptr);
  CHECK_THROWS((void)items.at(2));
  CHECK_FALSE(items.contains(2));
  CHECK_FALSE(items.visit(2, [](const Item&) {}));
  seen.changed_by({.misses = 4});
  CHECK(items.pop(2) == nullptr);
  CHECK(items.pop(1) == one);
  seen.changed_by({.hits = 1, .misses = 1});
}

TEST_CASE("statistics: creations") {
  Items items;
  watch_counts seen(items);
  auto one = items.get_or_create(1, [] { return Item(1); });
  auto two = items.get_or_create(2, [] { return std::make_unique<Item>(2); });
  auto three = items.try_emplace(3, 3).first;
  seen.changed_by({.misses = 3, .creations = 3});
  CHECK(items.get_or_create(1, [] { return Item(9); }) == one);
  CHECK(items.try_emplace(3, 9).first == three);
  seen.changed_by({.hits = 2});
  CHECK_THROWS_AS((void)items.get_or_create(4, []() -> Item { throw std::runtime_error("no"); }),
                  std::runtime_error);
  CHECK(items.get_or_create(4, [] { return std::unique_ptr<Item>(); }) == nullptr);
  seen.changed_by({.misses = 2});
  // What somebody else stores meanwhile wins.
  const auto four = item(4);
  CHECK(items.get_or_create(4, [&] {
    items.insert(4, four);
    return Item(9);
  }) == four);
  seen.changed_by({.misses = 1});
  items.insert_or_assign(5, four);
  items.erase(5);
  seen.changed_by({.hits = 1}); // neither created nor evicted
}

TEST_CASE("statistics: a creation of the same key in progress is waited for, or refused") {
  Items items;
  watch_counts seen(items);
  const auto one = items.get_or_create(1, [&] {
    CHECK_THROWS_AS((void)items.get_or_create(1, [] { return Item(9); }), std::logic_error);
    return Item(1);
  });
  seen.changed_by({.misses = 2, .creations = 1, .waits = 1});
}

TEST_CASE("statistics: evictions") {
  Items items;
  watch_counts seen(items);
  auto one = items.try_emplace(1, 1).first;
  auto two = items.try_emplace(2, 2).first;
  one.reset();
  seen.changed_by({.misses = 2, .creations = 2, .evictions = 1});
  items.erase(2);
  two.reset();
  seen.changed_by({.hits = 1}); // it was not there any more
  two = items.try_emplace(2, 2).first;
  items.insert_or_assign(2, item(3)); // replaces a living one, and is dropped
  seen.changed_by({.misses = 1, .creations = 1, .evictions = 1});
  items.insert_or_assign(2, two);
  seen.changed_by({});
  const auto other = item(4);
  items.insert_or_assign(2, other);
  seen.changed_by({});
  items.clear();
  two.reset();
  seen.changed_by({});
}

TEST_CASE("statistics: dead entries that are found by looking are evicted too") {
  Items items({.shards = 1, .accept_untracked = true});
  watch_counts seen(items);
  for (int number = 0; number < 10; ++number) items.insert(number, std::make_shared<Item>(number));
  for (int i = 0; i < 100; ++i) CHECK(items.get(99) == nullptr);
  seen.changed_by({.misses = 100, .evictions = 10});
  // One that another takes the place of, before it was found: there are too many others.
  for (int wanted = 0; wanted < 100; ++wanted) {
    Items many({.shards = 1, .accept_untracked = true});
    std::vector<std::shared_ptr<Item>> owners;
    for (int number = 0; number < 100; ++number) {
      owners.push_back(std::make_shared<Item>(number));
      many.insert(number, owners.back());
    }
    owners[static_cast<std::size_t>(wanted)].reset();
    const auto successor = item(wanted);
    many.insert_or_assign(wanted, successor);
    CHECK(many.statistics().evictions == 1);
    CHECK(many.size() == 100);
  }
}

TEST_CASE("statistics: counts survive the split into shards, and go with the contents") {
  Items items;
  std::vector<std::shared_ptr<Item>> owners;
  for (int number = 0; number < 2000; ++number) owners.push_back(items.try_emplace(number, number).first);
  owners.clear();
  watch_counts seen(items);
  seen.changed_by({.misses = 2000, .creations = 2000, .evictions = 2000});
  const auto kept = items.try_emplace(1, 1).first;
  const Items copy(items);
  CHECK(copy.statistics().creations == 0);
  CHECK(copy.statistics().live == 1);
  const Items moved(std::move(items));
  CHECK(moved.statistics().creations == 2001);
  CHECK(items.statistics().creations == 0); // NOLINT: a moved-from container is empty
}

TEST_CASE("statistics: dictionaries with weak keys, sets, and containers for one thread") {
  const auto key = weakref::make_tracked<Item>(1);
  const auto other = weakref::make_tracked<Item>(2);
  weakref::counted::WeakKeyDictionary<Item, int> sizes;
  CHECK(sizes.get_or_create(key, [] { return 5; }) == 5);
  CHECK(sizes.get(*key) == 5);
  CHECK_FALSE(sizes.get(*other).has_value());
  CHECK(sizes.statistics().hits == 1);
  CHECK(sizes.statistics().misses == 2);
  CHECK(sizes.statistics().creations == 1);

  weakref::counted::WeakSet<Item> items;
  items.add(key);
  CHECK(items.contains(key));
  CHECK_FALSE(items.contains(other));
  CHECK(items.statistics().hits == 1);
  CHECK(items.statistics().misses == 1);

  weakref::WeakValueDictionary<int, Item, weakref::hash<int>, std::equal_to<>, std::allocator<Item>,
                               weakref::counting<weakref::null_mutex>>
      local;
  (void)local.try_emplace(1, 1);
  CHECK(local.statistics().evictions == 1);
}
