// SPDX-License-Identifier: BSL-1.0
// The members of WeakValueDictionary one by one, then the failure modes that one thread is enough for. A
// number in a comment is the number of a failure mode.
#include <weakref/weak_value_dictionary.hpp>

#include "support/counting_allocator.hpp"
#include "support/dictionary_keys.hpp"
#include "support/dictionary_new.hpp"
#include "support/dictionary_objects.hpp"

#include <weakref/errors.hpp>
#include <weakref/ref.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

using namespace dictionary_test;

using Items = weakref::WeakValueDictionary<int, Item>;
using Names = weakref::WeakValueDictionary<std::string, Item>;
using Pair = std::pair<int, std::shared_ptr<Item>>;

namespace {

template <class Dictionary> std::set<int> keys_of(const Dictionary& dictionary) {
  std::set<int> keys;
  for (const auto& key : dictionary.keys()) keys.insert(key);
  return keys;
}

template <class Dictionary>
concept indexable = requires(Dictionary& dictionary) {
  dictionary[1];
};
template <class Dictionary>
concept findable = requires(Dictionary& dictionary) {
  dictionary.find(1);
};
template <class Dictionary>
concept countable = requires(Dictionary& dictionary) {
  dictionary.count(1);
};

const std::string& long_name() {
  static const std::string name = "a key that is too long for any string to keep inside itself";
  return name;
}

} // namespace

static_assert(std::is_nothrow_default_constructible_v<Items>);
static_assert(std::is_nothrow_move_constructible_v<Items>);
static_assert(std::is_copy_constructible_v<Items> && std::is_copy_assignable_v<Items>);
static_assert(std::is_move_assignable_v<Items> && std::is_nothrow_swappable_v<Items>);
static_assert(!indexable<Items> && !findable<Items> && !countable<Items>);
static_assert(std::is_same_v<Items::key_type, int>);
static_assert(std::is_same_v<Items::size_type, std::size_t>);

// --- making one
// ---------------------------------------------------------------------------------------------------------------

TEST_CASE("WeakValueDictionary: a new one is empty") {
  Items items;
  CHECK(items.size() == 0);
  CHECK(items.empty());
  CHECK(items.get(1) == nullptr);
  CHECK_FALSE(items.contains(1));
  CHECK_FALSE(items.erase(1));
  CHECK(items.pop(1) == nullptr);
  CHECK_FALSE(items.visit(1, [](Item&) { FAIL_CHECK("there is nothing to visit"); }));
  CHECK(items.begin() == items.end());
  CHECK(items.erase_if([](const int&, const std::shared_ptr<Item>&) { return true; }) == 0);
  items.clear();
  CHECK(items.size() == 0);
}

TEST_CASE("WeakValueDictionary: making an empty one, asking it and destroying it allocate nothing") {
  const long before = heap::calls.load();
  {
    const Items items;
    (void)items.get(1);
    (void)items.contains(1);
    (void)items.size();
    for (auto&& entry : items) (void)entry;
  }
  CHECK(heap::calls.load() == before);
}

TEST_CASE("WeakValueDictionary: made from a list of pairs") {
  const auto one = item(1);
  const auto two = item(2);
  const Items items{{1, one}, {2, two}};
  CHECK(items.size() == 2);
  CHECK(items.get(1) == one);
  CHECK(items.get(2) == two);
}

TEST_CASE("WeakValueDictionary: made from a range of pairs") {
  std::map<std::string, std::shared_ptr<Item>> owners{{"one", item(1)}, {"two", item(2)}};
  const Names names(owners);
  CHECK(names.size() == 2);
  CHECK(names.get("one") == owners["one"]);

  std::vector<Pair> pairs{{3, item(3)}, {4, item(4)}};
  Items items(pairs);
  CHECK(items.size() == 2);
  pairs.pop_back();
  CHECK(keys_of(items) == std::set<int>{3});
}

TEST_CASE("WeakValueDictionary: options are given by name") {
  Items one(weakref::options{.shards = 1});
  Items any({.accept_untracked = true});
  const auto tracked = item(1);
  const auto untracked = std::make_shared<Item>(2);
  CHECK(one.insert(1, tracked).second);
  CHECK(any.insert(1, untracked).second);
  CHECK(any.get(1) == untracked);
}

TEST_CASE("WeakValueDictionary: a copy holds the same objects, as weakly, and goes its own way") {
  auto one = item(1);
  auto two = item(2);
  Items items{{1, one}, {2, two}};
  Items copy(items);
  CHECK(copy.size() == 2);
  CHECK(copy.get(1) == one);
  CHECK(one.use_count() == 1);

  items.erase(1);
  CHECK(copy.contains(1));
  two.reset();
  CHECK(copy.size() == 1);
  CHECK(items.size() == 0);
  CHECK(Item::alive() == 1);
}

TEST_CASE("WeakValueDictionary: a copy keeps the options of its source") {
  const auto untracked = std::make_shared<Item>(1);
  Items items({.accept_untracked = true});
  CHECK(items.insert(1, untracked).second);
  Items copy(items);
  CHECK(copy.get(1) == untracked);
  CHECK(copy.insert(2, untracked).second);
}

TEST_CASE("WeakValueDictionary: assignment replaces what was there") {
  const auto one = item(1);
  const auto two = item(2);
  Items source{{1, one}};
  Items target{{2, two}};
  target = source;
  CHECK(keys_of(target) == std::set<int>{1});
  CHECK(keys_of(source) == std::set<int>{1});

  Items& same = target;
  target = same;
  CHECK(keys_of(target) == std::set<int>{1});

  Items third{{2, two}};
  third = std::move(target);
  CHECK(keys_of(third) == std::set<int>{1});
  CHECK(weakref::getweakrefcount(two) == 0);
  CHECK(weakref::getweakrefcount(one) == 2);
}

TEST_CASE("WeakValueDictionary: a moved-from dictionary is empty and can be used") {
  const auto one = item(1);
  Items source{{1, one}};
  Items target(std::move(source));
  CHECK(target.get(1) == one);
  // NOLINTBEGIN(bugprone-use-after-move): the contract promises it.
  CHECK(source.empty());
  CHECK(source.size() == 0);
  CHECK(source.get(1) == nullptr);
  CHECK(source.begin() == source.end());
  source.clear();
  CHECK(source.insert(5, one).second);
  CHECK(source.size() == 1);
  CHECK(target.size() == 1);

  Items again;
  again = std::move(source);
  CHECK(source.empty());
  auto made = source.try_emplace(6, 6).first;
  CHECK(source.get(6) == made);
  made.reset();
  CHECK(source.empty());
  // NOLINTEND(bugprone-use-after-move)
}

TEST_CASE("WeakValueDictionary: swap exchanges everything") {
  auto one = item(1);
  auto two = item(2);
  Items left{{1, one}};
  Items right{{2, two}};
  left.swap(right);
  CHECK(keys_of(left) == std::set<int>{2});
  using std::swap;
  swap(left, right);
  CHECK(keys_of(left) == std::set<int>{1});
  left.swap(left);
  CHECK(keys_of(left) == std::set<int>{1});
}

// 9
TEST_CASE(
    "WeakValueDictionary: after copy, move, swap and assignment every death leaves the right dictionary") {
  auto one = item(1);
  auto two = item(2);
  auto three = item(3);
  Items first{{1, one}};
  Items second{{2, two}, {3, three}};
  Items third(first);
  first.swap(second);
  Items fourth(std::move(second));
  second = first;
  // first: 2 3, second: 2 3, third: 1, fourth: 1
  one.reset();
  CHECK(fourth.size() == 0);
  CHECK(third.size() == 0);
  CHECK(first.size() == 2);
  two.reset();
  CHECK(first.size() == 1);
  CHECK(second.size() == 1);
  first = std::move(second);
  CHECK(weakref::getweakrefcount(three) == 1);
  three.reset();
  CHECK(first.size() == 0);
  CHECK(Item::alive() == 0);
}

// --- asking
// ---------------------------------------------------------------------------------------------------------------------

TEST_CASE("WeakValueDictionary: get returns an owner, or empty, or what the caller offers") {
  const auto one = item(1);
  const auto spare = item(9);
  const Items items{{1, one}};
  CHECK(items.get(1) == one);
  CHECK(items.get(2) == nullptr);
  CHECK(items.get(1, spare) == one);
  CHECK(items.get(2, spare) == spare);
  static_assert(std::is_same_v<decltype(items.get(1)), std::shared_ptr<Item>>);
}

TEST_CASE("WeakValueDictionary: at throws for an absent key") {
  auto one = item(1);
  const Items items{{1, one}};
  CHECK(items.at(1) == one);
  CHECK_THROWS_AS((void)items.at(2), std::out_of_range);
  one.reset();
  CHECK_THROWS_AS((void)items.at(1), std::out_of_range);
}

TEST_CASE("WeakValueDictionary: an entry leaves when its value dies") {
  Items items;
  auto one = item(1);
  items.insert(1, one);
  CHECK(items.contains(1));
  auto second_owner = one;
  one.reset();
  CHECK(items.contains(1));
  second_owner.reset();
  CHECK_FALSE(items.contains(1));
  CHECK(items.size() == 0);
  CHECK(items.empty());
  CHECK(Item::alive() == 0);
}

TEST_CASE("WeakValueDictionary: holding an entry does not hold the object") {
  Items items;
  {
    const auto one = item(1);
    items.insert(1, one);
    CHECK(one.use_count() == 1);
    CHECK(items.get(1)->number == 1);
    CHECK(one.use_count() == 1);
  }
  CHECK(Item::alive() == 0);
}

TEST_CASE("WeakValueDictionary: visit hands out the object itself") {
  const auto one = item(1);
  const Items items{{1, one}};
  CHECK(items.visit(1, [&](Item& found) {
    CHECK(&found == one.get());
    CHECK(one.use_count() == 1);
    found.number = 7;
  }));
  CHECK(one->number == 7);
  CHECK_FALSE(items.visit(2, [](Item&) { FAIL_CHECK("absent"); }));
}

TEST_CASE("WeakValueDictionary: what visit's function throws comes out, and the dictionary is still usable") {
  const auto one = item(1);
  Items items{{1, one}};
  CHECK_THROWS_AS(items.visit(1, [](Item&) { throw std::runtime_error("enough"); }), std::runtime_error);
  CHECK(items.get(1) == one);
  CHECK(items.erase(1));
}

TEST_CASE(
    "WeakValueDictionary: the argument of visit stays whole although its function drops the last owner") {
  bool destroyed = false;
  auto mortal = weakref::make_tracked<Mortal>(5, [&] { destroyed = true; });
  weakref::WeakValueDictionary<int, Mortal> mortals;
  mortals.insert(1, mortal);
  CHECK(mortals.visit(1, [&](Mortal& found) {
    mortal.reset();
    CHECK_FALSE(destroyed);
    CHECK(found.number == 5);
  }));
  CHECK(destroyed);
  CHECK(mortals.size() == 0);
}

TEST_CASE(
    "WeakValueDictionary: deaths inside visit are over before the exception of its function comes out") {
  bool destroyed = false;
  auto mortal = weakref::make_tracked<Mortal>(5, [&] { destroyed = true; });
  weakref::WeakValueDictionary<int, Mortal> mortals;
  mortals.insert(1, mortal);
  try {
    mortals.visit(1, [&](Mortal&) {
      mortal.reset();
      throw std::runtime_error("enough");
    });
    FAIL_CHECK("visit swallowed an exception");
  } catch (const std::runtime_error&) {
    CHECK(destroyed);
    CHECK(mortals.size() == 0);
  }
}

TEST_CASE("WeakValueDictionary: inside visit every operation that locks is refused, in this and in any other "
          "dictionary") {
  const auto one = item(1);
  Items items{{1, one}};
  Items other{{1, one}};
  int refused = 0;
  const auto expect_refusal = [&](auto operation) {
    try {
      operation();
      FAIL_CHECK("accepted under a lock");
    } catch (const std::logic_error&) {
      ++refused;
    }
  };
  CHECK(items.visit(1, [&](Item&) {
    for (Items* target : {&items, &other}) {
      expect_refusal([&] { (void)target->get(1); });
      expect_refusal([&] { (void)target->contains(1); });
      expect_refusal([&] { (void)target->at(1); });
      expect_refusal([&] { target->visit(1, [](Item&) {}); });
      expect_refusal([&] { target->insert(2, one); });
      expect_refusal([&] { target->insert_or_assign(1, one); });
      expect_refusal([&] { (void)target->setdefault(1, one); });
      expect_refusal([&] { (void)target->try_emplace(2, 2); });
      expect_refusal([&] { (void)target->get_or_create(2, [] { return Item(2); }); });
      expect_refusal([&] { (void)target->pop(1); });
      expect_refusal([&] { (void)target->popitem(); });
      expect_refusal([&] { target->erase(1); });
      expect_refusal(
          [&] { target->erase_if([](const int&, const std::shared_ptr<Item>&) { return true; }); });
      expect_refusal([&] { target->clear(); });
      expect_refusal([&] {
        for (auto&& entry : *target) (void)entry;
      });
    }
  }));
  CHECK(refused == 30);
  CHECK(items.get(1) == one);
  CHECK(other.get(1) == one);
  CHECK(items.size() == 1);
  CHECK(other.size() == 1);
}

TEST_CASE("WeakValueDictionary: refs may be used and dictionaries moved inside visit") {
  const auto one = item(1);
  Items items{{1, one}};
  Items other{{1, one}};
  Items target;
  CHECK(items.visit(1, [&](Item& found) {
    const weakref::ref<Item> seen(one);
    CHECK(seen()->number == found.number);
    target = Items(std::move(other));
  }));
  CHECK(target.get(1) == one);
}

// --- storing
// --------------------------------------------------------------------------------------------------------------------

TEST_CASE("WeakValueDictionary: insert keeps a living entry") {
  Items items;
  const auto one = item(1);
  const auto two = item(2);
  const std::pair<std::shared_ptr<Item>, bool> first = items.insert(1, one);
  CHECK(first.first == one);
  CHECK(first.second);
  const auto second = items.insert(1, two);
  CHECK(second.first == one);
  CHECK_FALSE(second.second);
  CHECK(items.size() == 1);
  CHECK(weakref::getweakrefcount(two) == 0);
}

TEST_CASE("WeakValueDictionary: insert after a death stores") {
  Items items;
  auto one = item(1);
  items.insert(1, one);
  one.reset();
  const auto two = item(2);
  CHECK(items.insert(1, two).second);
  CHECK(items.get(1) == two);
  CHECK(items.size() == 1);
}

TEST_CASE("WeakValueDictionary: insert_or_assign replaces and says whether the key is new") {
  Items items;
  auto one = item(1);
  auto two = item(2);
  CHECK(items.insert_or_assign(1, one));
  CHECK_FALSE(items.insert_or_assign(1, two));
  CHECK(items.get(1) == two);
  CHECK(items.size() == 1);
  // 1: the death of the replaced object must not touch the entry that replaced it.
  one.reset();
  CHECK(items.get(1) == two);
  CHECK(items.size() == 1);
  CHECK_FALSE(items.insert_or_assign(1, two));
  CHECK(weakref::getweakrefcount(two) == 1);
  two.reset();
  CHECK(items.size() == 0);
}

TEST_CASE("WeakValueDictionary: setdefault returns what is stored") {
  Items items;
  auto one = item(1);
  const auto two = item(2);
  CHECK(items.setdefault(1, one) == one);
  CHECK(items.setdefault(1, two) == one);
  one.reset();
  // 6: a dead entry is no entry.
  CHECK(items.setdefault(1, two) == two);
}

TEST_CASE("WeakValueDictionary: a temporary owner given to setdefault or insert lives on in the result") {
  Items items;
  const auto one = items.setdefault(1, item(1));
  CHECK(one->number == 1);
  const auto [two, stored] = items.insert(2, item(2));
  CHECK(stored);
  CHECK(items.size() == 2);
  items.insert(3, item(3));
  CHECK(items.size() == 2);
}

TEST_CASE("WeakValueDictionary: null, ownerless and untracked pointers are refused, and nothing changes") {
  const auto one = item(1);
  Items items{{1, one}};
  Item local(4);
  const std::vector<std::shared_ptr<Item>> bad{
      nullptr,
      std::make_shared<Item>(2),
      std::shared_ptr<Item>(new Item(3)),
      std::shared_ptr<Item>(std::shared_ptr<Item>(), &local),
  };
  for (const auto& owner : bad) {
    CHECK_THROWS_AS(items.insert(1, owner), weakref::untracked_error);
    CHECK_THROWS_AS(items.insert(2, owner), weakref::untracked_error);
    CHECK_THROWS_AS(items.insert_or_assign(1, owner), weakref::untracked_error);
    CHECK_THROWS_AS((void)items.setdefault(2, owner), weakref::untracked_error);
    CHECK_THROWS_AS(items.update(std::vector<Pair>{{7, one}, {8, owner}}), weakref::untracked_error);
    CHECK_THROWS_AS((Items{{1, one}, {2, owner}}), weakref::untracked_error);
  }
  CHECK(keys_of(items) == std::set<int>{1});
  CHECK(items.get(1) == one);
  CHECK(weakref::getweakrefcount(one) == 1);
}

TEST_CASE("WeakValueDictionary: the refusal names the type and the ways out") {
  Items items;
  std::string message;
  try {
    items.insert(1, std::make_shared<Item>(2));
  } catch (const std::invalid_argument& error) {
    message = error.what();
  }
  for (const char* word : {"Item", "make_tracked", "enable_weakref", "adopt", "accept_untracked"})
    CHECK_MESSAGE(message.find(word) != std::string::npos, word << " is not in: " << message);
}

TEST_CASE("WeakValueDictionary: accepting untracked objects does not mean accepting null") {
  Items items({.accept_untracked = true});
  Item local(4);
  CHECK_THROWS_AS(items.insert(1, nullptr), weakref::untracked_error);
  CHECK_THROWS_AS(items.insert(1, std::shared_ptr<Item>(std::shared_ptr<Item>(), &local)),
                  weakref::untracked_error);
  CHECK(items.empty());
}

TEST_CASE("WeakValueDictionary: update overwrites, from a range, a list or a dictionary") {
  const auto one = item(1);
  const auto two = item(2);
  const auto three = item(3);
  Items items{{1, one}, {2, two}};
  items.update(std::vector<Pair>{{2, three}, {3, three}});
  CHECK(items.get(1) == one);
  CHECK(items.get(2) == three);
  CHECK(items.get(3) == three);
  CHECK(items.size() == 3);

  const Items other{{1, two}, {9, two}};
  items.update(other);
  CHECK(items.get(1) == two);
  CHECK(items.get(9) == two);
  CHECK(items.size() == 4);
  CHECK(keys_of(other) == std::set<int>{1, 9});

  items.update({{9, one}, {10, one}});
  CHECK(items.get(9) == one);
  CHECK(items.size() == 5);
  items.update(items);
  CHECK(items.size() == 5);
}

TEST_CASE("WeakValueDictionary: a | b has both, and b wins") {
  const auto one = item(1);
  const auto two = item(2);
  const auto three = item(3);
  const Items left{{1, one}, {2, one}};
  const Items right{{2, two}, {3, three}};
  const Items both = left | right;
  CHECK(keys_of(both) == std::set<int>{1, 2, 3});
  CHECK(both.get(2) == two);
  CHECK(left.get(2) == one);

  Items target(left);
  Items& result = (target |= right);
  CHECK(&result == &target);
  CHECK(target == both);
  target |= result;
  CHECK(target == both);
}

TEST_CASE("WeakValueDictionary: two are equal when they hold the same objects under the same keys") {
  auto one = item(1);
  auto two = item(2);
  const Items left{{1, one}, {2, two}};
  const Items same{{2, two}, {1, one}};
  const Items fewer{{1, one}};
  const Items crossed{{1, two}, {2, one}};
  CHECK(left == same);
  CHECK(left == left);
  CHECK(left != fewer);
  CHECK(fewer != left);
  CHECK(left != crossed);
  CHECK(Items() == Items());
  two.reset();
  CHECK(left == fewer);
}

TEST_CASE("WeakValueDictionary: reserve changes no entry") {
  const auto one = item(1);
  Items items{{1, one}};
  items.reserve(10000);
  CHECK(items.get(1) == one);
  CHECK(items.size() == 1);
  std::vector<std::shared_ptr<Item>> owners;
  for (int number = 0; number < 1000; ++number)
    owners.push_back(items.insert(number + 10, item(number)).first);
  items.reserve(0);
  CHECK(items.size() == 1001);
}

TEST_CASE("WeakValueDictionary: get_allocator returns the allocator it was given") {
  const Items items;
  CHECK(items.get_allocator() == std::allocator<Item>());
}

// --- taking out
// -----------------------------------------------------------------------------------------------------------------

TEST_CASE("WeakValueDictionary: pop takes the entry out and hands over the object") {
  auto one = item(1);
  const auto spare = item(9);
  Items items{{1, one}};
  CHECK(items.pop(2) == nullptr);
  CHECK(items.pop(2, spare) == spare);
  auto taken = items.pop(1);
  CHECK(taken == one);
  CHECK(items.empty());
  CHECK(items.pop(1, spare) == spare);
  items.insert(1, one);
  CHECK(items.pop(1, spare) == one);
  // 6
  items.insert(1, one);
  one.reset();
  taken.reset();
  CHECK(items.pop(1) == nullptr);
  CHECK(items.pop(1, spare) == spare);
}

TEST_CASE("WeakValueDictionary: popitem takes each living entry out once") {
  auto one = item(1);
  const auto two = item(2);
  const auto three = item(3);
  Items items{{1, one}, {2, two}, {3, three}};
  one.reset();
  std::map<int, std::shared_ptr<Item>> taken;
  taken.insert(items.popitem());
  taken.insert(items.popitem());
  CHECK(taken == std::map<int, std::shared_ptr<Item>>{{2, two}, {3, three}});
  CHECK_THROWS_AS((void)items.popitem(), std::out_of_range);
}

TEST_CASE(
    "WeakValueDictionary: one that never held anything has nothing to take, and can be assigned to itself") {
  weakref::WeakValueDictionary<int, Item> items;
  CHECK_THROWS_AS((void)items.popitem(), std::out_of_range);
  weakref::WeakValueDictionary<std::unique_ptr<int>, Item> tickets; // keys that can only be moved
  CHECK_THROWS_AS((void)tickets.popitem(), std::out_of_range);
  const auto looked_at = item(2);
  items.insert(1, looked_at);
  items.visit(1, [&](Item&) { CHECK_THROWS_AS((void)tickets.popitem(), std::logic_error); });
  items.clear();
  auto& same = items;
  items = std::move(same);
  CHECK(items.empty());
  const auto kept = item(1);
  items.insert(1, kept);
  items = std::move(same);
  CHECK(items.get(1) == kept);
  CHECK(items.size() == 1);
}

TEST_CASE("WeakValueDictionary: popitem goes on when somebody else takes the entry meanwhile, and holds "
          "nothing of it") {
  weakref::WeakValueDictionary<LoudKey, Item> items;
  auto one = item(1);
  auto two = item(2);
  items.insert(LoudKey(1), one);
  items.insert(LoudKey(2), two);
  int erased = 0;
  std::shared_ptr<Item> taken;
  {
    // Copying the key is user code that runs before its entry is taken out.
    const key_hook hook([&](key_event what, int key) {
      if (what != key_event::copy || erased != 0) return;
      erased = key;
      CHECK(items.erase(LoudKey(key)));
    });
    taken = items.popitem().second;
  }
  CHECK(erased != 0);
  CHECK(taken == (erased == 1 ? two : one));
  CHECK(items.empty());
  taken.reset();
  CHECK(one.use_count() == 1);
  CHECK(two.use_count() == 1);
}

TEST_CASE("WeakValueDictionary: erase says whether there was a living entry") {
  auto one = item(1);
  Items items{{1, one}, {2, one}};
  CHECK(items.erase(1));
  CHECK_FALSE(items.erase(1));
  CHECK(items.size() == 1);
  one.reset();
  CHECK_FALSE(items.erase(2));
}

TEST_CASE("WeakValueDictionary: erase_if shows each living entry once and may use the dictionary") {
  std::vector<std::shared_ptr<Item>> owners;
  Items items;
  for (int number = 0; number < 100; ++number) {
    owners.push_back(item(number));
    items.insert(number, owners.back());
  }
  owners.resize(80);
  std::multiset<int> seen;
  const Items::size_type erased = items.erase_if([&](const int& key, const std::shared_ptr<Item>& owner) {
    CHECK(owner == owners[static_cast<std::size_t>(key)]);
    CHECK(items.contains(key));
    seen.insert(key);
    return key % 2 == 0;
  });
  CHECK(erased == 40);
  CHECK(seen.size() == 80);
  CHECK(std::set<int>(seen.begin(), seen.end()).size() == 80);
  CHECK(items.size() == 40);
  CHECK_FALSE(items.contains(42));
  CHECK(items.contains(43));
}

TEST_CASE("WeakValueDictionary: clear forgets everything and can be followed by more") {
  const auto one = item(1);
  Items items{{1, one}, {2, one}};
  items.clear();
  CHECK(items.empty());
  CHECK(weakref::getweakrefcount(one) == 0);
  items.insert(1, one);
  CHECK(items.size() == 1);
}

// --- keys
// -----------------------------------------------------------------------------------------------------------------------

TEST_CASE("WeakValueDictionary: looking up a string by literal, string_view or string allocates nothing") {
  const auto one = item(1);
  Names names;
  names.insert(long_name(), one);
  const char* const literal = long_name().c_str();
  const std::string_view view = long_name();
  int found = 0;
  const long before = heap::calls.load();
  found += names.get(view) == one;
  found += names.get(literal) == one;
  found += names.get(long_name()) == one;
  found += names.contains(view);
  found += names.contains("a literal that is not in there, and is long enough to need memory") ? 0 : 1;
  found += names.at(view) == one;
  found += names.visit(view, [](Item&) {});
  found += names.get(view, one) == one;
  found += names.erase("a literal that is not in there, and is long enough to need memory") ? 0 : 1;
  found += names.pop(view) == one;
  const long after = heap::calls.load();
  CHECK(found == 10);
  CHECK(after == before);
  CHECK(names.empty());
}

TEST_CASE("WeakValueDictionary: creating members take a string key as it comes") {
  Names names;
  const std::string_view view = "view";
  const auto one = names.try_emplace(view, 1).first;
  const auto two = names.get_or_create("literal", [] { return Item(2); });
  const auto three = names.try_emplace(std::string("string"), 3).first;
  CHECK(names.get("view") == one);
  CHECK(names.get("literal") == two);
  CHECK(names.get("string") == three);
  CHECK(names.erase(view));
}

TEST_CASE("WeakValueDictionary: keys that can only be moved") {
  weakref::WeakValueDictionary<Ticket, Item, TicketHash> tickets;
  const auto one = item(1);
  {
    CHECK(tickets.insert(Ticket(1), one).second);
    CHECK(tickets.insert_or_assign(Ticket(2), one));
    CHECK(tickets.setdefault(Ticket(3), one) == one);
    const auto two = tickets.try_emplace(Ticket(4), 2).first;
    CHECK(tickets.get(4) == two);
    CHECK(tickets.get(Ticket(1)) == one);
    CHECK(tickets.contains(3));
    for (const auto& [key, value] : tickets) CHECK(value == (key.value == 4 ? two : one));
    std::pair<Ticket, std::shared_ptr<Item>> taken = tickets.popitem();
    CHECK(taken.second != nullptr);
    CHECK(taken.first.value > 0);
    CHECK_FALSE(tickets.contains(taken.first));
  }
  CHECK(tickets.size() <= 3);
  tickets.clear();
  CHECK(Ticket::alive() == 0);
}

TEST_CASE("WeakValueDictionary: pairs, tuples, paths and types with their own hash_value are keys") {
  const auto one = item(1);
  weakref::WeakValueDictionary<std::pair<int, std::string>, Item> pairs;
  pairs.insert({1, "x"}, one);
  CHECK(pairs.get({1, "x"}) == one);
  CHECK(pairs.get({2, "x"}) == nullptr);
  weakref::WeakValueDictionary<std::tuple<int, int, char>, Item> tuples;
  tuples.insert({1, 2, 'c'}, one);
  CHECK(tuples.get({1, 2, 'c'}) == one);
  weakref::WeakValueDictionary<std::filesystem::path, Item> paths;
  paths.insert("/tmp/x", one);
  CHECK(paths.get(std::filesystem::path("/tmp/x")) == one);
  weakref::WeakValueDictionary<LoudKey, Item> loud;
  loud.insert(3, one);
  CHECK(loud.get(LoudKey(3)) == one);
}

TEST_CASE("WeakValueDictionary: a thousand keys with one hash are still told apart") {
  weakref::WeakValueDictionary<int, Item, constant_hash> items;
  std::vector<std::shared_ptr<Item>> owners;
  for (int number = 0; number < 1000; ++number) owners.push_back(items.insert(number, item(number)).first);
  for (int number = 0; number < 1000; number += 2) owners[static_cast<std::size_t>(number)].reset();
  CHECK(items.size() == 500);
  for (int number = 0; number < 1000; ++number) {
    const auto found = items.get(number);
    CHECK((found != nullptr) == (number % 2 == 1));
  }
}

TEST_CASE("WeakValueDictionary: the values may be const, or of a class with several ways to be one object") {
  weakref::WeakValueDictionary<int, const Item> constants;
  const std::shared_ptr<const Item> one = item(1);
  constants.insert(1, one);
  CHECK(constants.get(1) == one);
  CHECK(constants.visit(1, [](const Item& found) { CHECK(found.number == 1); }));

  weakref::WeakValueDictionary<int, Shape> shapes;
  std::shared_ptr<Shape> square = weakref::make_tracked<Square>(3);
  std::shared_ptr<Shape> window = std::make_shared<Window>();
  shapes.insert(1, square);
  shapes.insert(2, window);
  CHECK(shapes.get(1)->sides() == 4);
  CHECK(shapes.get(2)->sides() == 40);
  square.reset();
  window.reset();
  CHECK(shapes.empty());
  CHECK(Shape::alive() == 0);
}

TEST_CASE("WeakValueDictionary: sessions of the application's own are tracked through their base") {
  weakref::WeakValueDictionary<int, Session> sessions;
  auto one = std::make_shared<Session>(1);
  std::shared_ptr<Session> two(new Session(2));
  CHECK(sessions.insert(1, one).second);
  CHECK(sessions.insert(2, two).second);
  CHECK(sessions.visit(1, [](Session& found) { CHECK(found.number == 1); }));
  one.reset();
  CHECK(sessions.size() == 1);
  two.reset();
  CHECK(sessions.size() == 0);
}

TEST_CASE("WeakValueDictionary: an adopted object is as prompt as any") {
  Items items;
  auto one = weakref::adopt(std::make_unique<Item>(1));
  auto two = weakref::adopt(std::make_shared<Item>(2));
  items.insert(1, one);
  items.insert(2, two);
  CHECK(items.size() == 2);
  one.reset();
  two.reset();
  CHECK(items.empty());
}

// --- untracked objects
// ----------------------------------------------------------------------------------------------------------

TEST_CASE("WeakValueDictionary: an untracked entry is absent from the moment of its death") {
  Items items({.accept_untracked = true});
  auto untracked = std::make_shared<Item>(1);
  auto tracked = item(2);
  items.insert(1, untracked);
  items.insert(2, tracked);
  untracked.reset();
  CHECK(Item::alive() == 1);
  CHECK_FALSE(items.contains(1));
  CHECK(items.get(1) == nullptr);
  CHECK_FALSE(items.visit(1, [](Item&) { FAIL_CHECK("dead"); }));
  CHECK(items.pop(1) == nullptr);
  CHECK_FALSE(items.erase(1));
  CHECK(keys_of(items) == std::set<int>{2});
  tracked.reset();
  CHECK(keys_of(items).empty());
  CHECK_THROWS_AS((void)items.popitem(), std::out_of_range);
  // 18: the dead entry and the new one may stand side by side; look-up finds the living one.
  const auto second = std::make_shared<Item>(3);
  CHECK(items.insert(1, second).second);
  CHECK(items.get(1) == second);
}

TEST_CASE("WeakValueDictionary: dead untracked entries are found by later operations") {
  Items items(weakref::options{.shards = 1, .accept_untracked = true});
  std::vector<std::shared_ptr<Item>> owners;
  for (int number = 0; number < 1000; ++number) {
    owners.push_back(std::make_shared<Item>(number));
    items.insert(number, owners.back());
  }
  owners.clear();
  // A table for a thousand entries has at most some thousands of slots.
  for (int turn = 0; turn < 4096; ++turn) CHECK_FALSE(items.contains(-1 - turn));
  CHECK(items.size() == 0);
}

// 7, 15: the memory of a make_shared object goes only with its last weak reference.
TEST_CASE("WeakValueDictionary: churn of untracked objects does not grow the dictionary") {
  Items items(weakref::options{.shards = 1, .accept_untracked = true});
  const auto churn = [&](int from, int to) {
    for (int number = from; number < to; ++number) items.insert(number, std::make_shared<Item>(number));
  };
  churn(0, 2000);
  const long after_few = heap::blocks.load();
  churn(2000, 50000);
  CHECK(heap::blocks.load() <= after_few + 200);
  CHECK(items.size() <= 200);
}

TEST_CASE("WeakValueDictionary: a table that dead untracked entries fill does not grow") {
  using Counted = weakref::WeakValueDictionary<int, Item, weakref::hash<int>, std::equal_to<>,
                                               support::counting_allocator<Item>>;
  support::ledger book;
  Counted items(weakref::options{.shards = 1, .accept_untracked = true},
                support::counting_allocator<Item>(book));
  items.reserve(1000);
  std::vector<std::shared_ptr<Item>> owners;
  for (int number = 0; number < 1000; ++number) {
    owners.push_back(std::make_shared<Item>(number));
    items.insert(number, owners.back());
  }
  const std::size_t full = book.bytes;
  for (std::size_t index = 0; index < 400; ++index) owners[index].reset();
  for (int number = 1000; number < 1350; ++number) {
    owners.push_back(std::make_shared<Item>(number));
    items.insert(number, owners.back());
  }
  CHECK(book.bytes <= full);
}

// --- failure modes -------------------------------------------------------------------------------------

// 1, 18: an enable_weakref object is evicted when its base is destroyed; by then its own destructor has
// stored a successor.
TEST_CASE("WeakValueDictionary: a successor stored while the old object dies stays") {
  struct Heir : weakref::enable_weakref {
    explicit Heir(std::function<void()> words) : last_words(std::move(words)) {}
    ~Heir() {
      if (last_words) last_words();
    }
    std::function<void()> last_words;
  };
  weakref::WeakValueDictionary<int, Heir> heirs;
  std::shared_ptr<Heir> successor;
  auto first = std::make_shared<Heir>([&] {
    CHECK(heirs.get(1) == nullptr);
    CHECK_FALSE(heirs.contains(1));
    successor = std::make_shared<Heir>(nullptr);
    CHECK(heirs.insert(1, successor).second);
    CHECK(heirs.get(1) == successor);
  });
  heirs.insert(1, first);
  first.reset();
  CHECK(heirs.get(1) == successor);
  CHECK(heirs.size() == 1);
  successor.reset();
  CHECK(heirs.size() == 0);
}

// 1: the callback runs when the containers have forgotten the object; what it stores is not taken for it.
TEST_CASE("WeakValueDictionary: a successor stored by a callback stays") {
  Items items;
  auto one = item(1);
  items.insert(1, one);
  std::shared_ptr<Item> successor;
  const weakref::ref watcher(one, [&](weakref::ref<Item>& dead) {
    CHECK(dead() == nullptr);
    // 4
    CHECK_FALSE(items.contains(1));
    CHECK(items.size() == 0);
    CHECK(items.begin() == items.end());
    successor = items.setdefault(1, item(2));
  });
  one.reset();
  CHECK(items.get(1) == successor);
  CHECK(items.size() == 1);
}

// 3
TEST_CASE("WeakValueDictionary: a key's destructor may use the dictionary it has just left") {
  weakref::WeakValueDictionary<LoudKey, Mortal> mortals;
  int destroyed = 0;
  const auto one = weakref::make_tracked<Mortal>(1);
  auto two = weakref::make_tracked<Mortal>(2);
  const LoudKey probe(1);
  {
    const key_hook hook([&](key_event what, int) {
      if (what != key_event::destroy) return;
      ++destroyed;
      (void)mortals.contains(probe);
      mortals.insert(LoudKey(1000 + destroyed), one);
      mortals.erase(LoudKey(1000 + destroyed));
    });
    mortals.insert(LoudKey(1), one);
    mortals.insert(LoudKey(2), two);
    mortals.insert_or_assign(LoudKey(1), two);
    mortals.insert(LoudKey(3), two);
    destroyed = 0;
    CHECK(mortals.erase(LoudKey(3)));
    CHECK(destroyed >= 1);
    mortals.insert(LoudKey(3), two);
    CHECK(mortals.pop(LoudKey(3)) == two);
    (void)mortals.popitem();
    destroyed = 0;
    two.reset();
    CHECK(destroyed == 1);
    mortals.insert(LoudKey(4), one);
    mortals.insert(LoudKey(5), one);
    destroyed = 0;
    mortals.clear();
    CHECK(destroyed >= 2);
  }
  CHECK(mortals.size() <= 1);
}

// 3, 20
TEST_CASE(
    "WeakValueDictionary: a referent's destructor may use the dictionary, even make its own successor") {
  weakref::WeakValueDictionary<int, Mortal> mortals;
  std::shared_ptr<Mortal> successor;
  auto first = weakref::make_tracked<Mortal>(1, [&] {
    CHECK(mortals.size() == 0);
    successor = mortals.get_or_create(1, [] { return std::make_unique<Mortal>(2); });
    CHECK(Mortal::alive() == 2);
  });
  mortals.insert(1, first);
  first.reset();
  CHECK(mortals.get(1) == successor);
  CHECK(mortals.size() == 1);
}

// 3: the hash is computed before any lock is taken.
TEST_CASE("WeakValueDictionary: hashing and copying keys may use the dictionary") {
  weakref::WeakValueDictionary<LoudKey, Item> items;
  const auto one = item(1);
  const LoudKey key(1);
  int calls = 0;
  {
    const key_hook hook([&](key_event what, int) {
      if (what == key_event::equal) return;
      ++calls;
      (void)items.contains(LoudKey(77));
      (void)items.size();
    });
    items.insert(key, one);
    CHECK(items.get(key) == one);
    CHECK(items.contains(key));
    items.insert_or_assign(key, one);
    (void)items.try_emplace(key, 1);
    (void)items.get_or_create(key, [] { return Item(1); });
    (void)items.get_or_create(LoudKey(2), [] { return Item(1); });
    (void)items.setdefault(key, one);
    items.visit(key, [](Item&) {});
    const auto copy(items);
    CHECK(copy == items);
    (void)items.popitem();
    items.erase(key);
  }
  CHECK(calls > 10);
}

// 5: the node is gone before the callback; the container may be too.
TEST_CASE("WeakValueDictionary: a callback may destroy the dictionary") {
  auto items = std::make_unique<Items>();
  auto one = item(1);
  auto two = item(2);
  items->insert(1, one);
  items->insert(2, one);
  items->insert(3, two);
  const weakref::ref watcher(one, [&] { items.reset(); });
  one.reset();
  CHECK(items == nullptr);
  CHECK(weakref::getweakrefcount(two) == 0);
}

TEST_CASE("WeakValueDictionary: a callback may clear, copy and refill the dictionary") {
  Items items;
  auto one = item(1);
  const auto two = item(2);
  items.insert(1, one);
  items.insert(2, two);
  std::optional<Items> copy;
  const weakref::ref watcher(one, [&] {
    copy.emplace(items);
    items.clear();
    for (int number = 0; number < 100; ++number) items.insert(number, two);
  });
  one.reset();
  CHECK(copy->size() == 1);
  CHECK(items.size() == 100);
}

// 5, 11: a referent may own the dictionary that holds it.
TEST_CASE("WeakValueDictionary: a referent that owns its own dictionary takes it along") {
  struct Root : counted<Root> {
    weakref::WeakValueDictionary<int, Root> nodes;
    std::vector<std::shared_ptr<Root>> children;
  };
  auto root = weakref::make_tracked<Root>();
  root->nodes.insert(0, root);
  for (int number = 1; number < 10; ++number)
    root->children.push_back(root->nodes.get_or_create(number, [] { return std::make_unique<Root>(); }));
  CHECK(root->nodes.size() == 10);
  root.reset();
  CHECK(Root::alive() == 0);
}

// 7
TEST_CASE("WeakValueDictionary: size counts the living, whatever came before") {
  Items items;
  std::vector<std::shared_ptr<Item>> owners;
  for (int round = 0; round < 50; ++round) {
    for (int number = 0; number < 20; ++number) {
      auto owner = item(number);
      items.insert_or_assign(number, owner);
      if (number % 3 == 0) items.insert_or_assign(number, owner);
      if (number % 4 == 0) items.erase(number);
      if (number % 5 == 0) items.insert(number, owner);
      owners.push_back(std::move(owner));
    }
    owners.erase(owners.begin(), owners.begin() + static_cast<std::ptrdiff_t>(owners.size() / 2));
    CHECK(items.size() == keys_of(items).size());
    CHECK(items.size() <= 20);
  }
  owners.clear();
  CHECK(items.size() == 0);
}

TEST_CASE("WeakValueDictionary: steady churn of tracked objects keeps no memory") {
  Items items;
  const auto churn = [&](int from, int to) {
    for (int number = from; number < to; ++number) items.insert(number, item(number));
  };
  churn(0, 1000);
  const long after_few = heap::blocks.load();
  churn(1000, 20000);
  CHECK(heap::blocks.load() == after_few);
}

// 10
TEST_CASE("WeakValueDictionary: a comparison that kills the object being looked for") {
  weakref::WeakValueDictionary<LoudKey, Mortal> mortals;
  bool destroyed = false;
  auto doomed = weakref::make_tracked<Mortal>(1, [&] {
    destroyed = true;
    (void)mortals.size();
    (void)mortals.contains(LoudKey(9));
  });
  mortals.insert(LoudKey(1), doomed);
  std::shared_ptr<Mortal> found;
  {
    const key_hook hook([&](key_event what, int) {
      if (what == key_event::equal && doomed) {
        doomed.reset();
        CHECK_FALSE(destroyed);
      }
    });
    found = mortals.get(LoudKey(1));
  }
  CHECK(found == nullptr);
  CHECK(destroyed);
  CHECK(mortals.size() == 0);
}

TEST_CASE("WeakValueDictionary: a comparison that kills other entries, of this dictionary and of another") {
  using Colliding = weakref::WeakValueDictionary<LoudKey, Mortal, constant_hash>;
  Colliding here;
  Colliding there;
  std::vector<std::shared_ptr<Mortal>> doomed;
  int destroyed = 0;
  const auto kept = weakref::make_tracked<Mortal>(0);
  for (int number = 1; number <= 20; ++number) {
    doomed.push_back(weakref::make_tracked<Mortal>(number, [&] {
      ++destroyed;
      (void)here.contains(LoudKey(500));
    }));
    here.insert(LoudKey(number), doomed.back());
    there.insert(LoudKey(number), doomed.back());
  }
  here.insert(LoudKey(21), kept);
  const auto kill_all = [&](key_event what, int) {
    if (what != key_event::equal) return;
    CHECK((destroyed == 0 || doomed.empty()));
    doomed.clear();
  };
  SUBCASE("get") {
    const key_hook hook(kill_all);
    CHECK(here.get(LoudKey(21)) == kept);
  }
  SUBCASE("insert") {
    const key_hook hook(kill_all);
    CHECK(here.insert(LoudKey(22), kept).second);
    CHECK(here.erase(LoudKey(22)));
  }
  SUBCASE("insert_or_assign") {
    const key_hook hook(kill_all);
    CHECK_FALSE(here.insert_or_assign(LoudKey(21), kept));
  }
  SUBCASE("erase") {
    const key_hook hook(kill_all);
    CHECK_FALSE(here.erase(LoudKey(33)));
  }
  SUBCASE("get_or_create") {
    const key_hook hook(kill_all);
    CHECK(here.get_or_create(LoudKey(21), [] { return std::make_unique<Mortal>(7); }) == kept);
  }
  CHECK(destroyed == 20);
  CHECK(here.size() == 1);
  CHECK(there.size() == 0);
  CHECK(here.get(LoudKey(21)) == kept);
}

TEST_CASE("WeakValueDictionary: a comparison that uses a dictionary is refused, and its operation changes "
          "nothing") {
  weakref::WeakValueDictionary<LoudKey, Item> items;
  Items other;
  const auto one = item(1);
  const auto two = item(2);
  items.insert(LoudKey(1), one);
  {
    const key_hook hook([&](key_event what, int) {
      if (what == key_event::equal) (void)other.contains(1);
    });
    CHECK_THROWS_AS((void)items.get(LoudKey(1)), std::logic_error);
    CHECK_THROWS_AS(items.insert(LoudKey(1), two), std::logic_error);
    CHECK_THROWS_AS(items.insert_or_assign(LoudKey(1), two), std::logic_error);
    CHECK_THROWS_AS(items.erase(LoudKey(1)), std::logic_error);
    CHECK_THROWS_AS((void)items.pop(LoudKey(1)), std::logic_error);
  }
  CHECK(items.get(LoudKey(1)) == one);
  CHECK(items.size() == 1);
}

// 14
TEST_CASE("WeakValueDictionary: a chain of a thousand objects of one dictionary dies in one go") {
  struct Link : counted<Link> {
    std::shared_ptr<Link> next;
  };
  weakref::WeakValueDictionary<int, Link> links;
  std::shared_ptr<Link> head;
  for (int number = 0; number < 1000; ++number) {
    auto link = weakref::make_tracked<Link>();
    links.insert(number, link);
    link->next = std::move(head);
    head = std::move(link);
  }
  CHECK(links.size() == 1000);
  SUBCASE("dropped outside") { head.reset(); }
  SUBCASE("dropped inside visit") {
    CHECK(links.visit(0, [&](Link&) {
      head.reset();
      CHECK(Link::alive() == 1000);
    }));
  }
  CHECK(Link::alive() == 0);
  CHECK(links.size() == 0);
}

// 15
TEST_CASE("WeakValueDictionary: an entry keeps nothing of a dead object") {
  Items items;
  const long before = heap::blocks.load();
  auto one = item(1);
  auto two = weakref::adopt(std::make_unique<Item>(2));
  auto three = items.try_emplace(3, 3).first;
  items.insert(1, one);
  items.insert(2, two);
  CHECK(heap::blocks.load() > before);
  one.reset();
  two.reset();
  three.reset();
  items = Items();
  CHECK(heap::blocks.load() == before);
}

TEST_CASE("WeakValueDictionary: the block of a dead object goes back at once, entry or not") {
  struct Large {
    unsigned char bytes[1 << 20]{};
  };
  weakref::WeakValueDictionary<int, Large> large;
  large.reserve(200);
  const long before = heap::blocks.load();
  for (int number = 0; number < 100; ++number) {
    CHECK(large.try_emplace(number).second);
    (void)large.insert(number, weakref::make_tracked<Large>());
  }
  CHECK(heap::blocks.load() == before);
}

// 16: each erase and each death is linear in its own entries only; quadratic work here would not end in time.
TEST_CASE("WeakValueDictionary: one object under two hundred thousand keys") {
  constexpr int count = 200000;
  Items items;
  auto one = item(1);
  items.reserve(count);
  for (int number = 0; number < count; ++number) items.insert(number, one);
  CHECK(weakref::getweakrefcount(one) == count);
  SUBCASE("the oldest first") {
    for (int number = 0; number < count; ++number) items.erase(number);
  }
  SUBCASE("the newest first") {
    for (int number = count; number-- > 0;) items.erase(number);
  }
  SUBCASE("from both ends") {
    for (int number = 0; number < count / 2; ++number) {
      items.erase(number);
      items.erase(count - 1 - number);
    }
  }
  SUBCASE("by its death") { one.reset(); }
  CHECK(items.size() == 0);
}

TEST_CASE("WeakValueDictionary: one object in ten thousand dictionaries") {
  std::vector<Items> many;
  many.reserve(10000);
  auto one = item(1);
  const auto two = item(2);
  for (int number = 0; number < 10000; ++number) {
    many.emplace_back(weakref::options{.shards = 1});
    many.back().insert(number, one);
    many.back().insert(-1, two);
  }
  CHECK(weakref::getweakrefcount(one) == 10000);
  for (std::size_t number = 0; number < many.size(); number += 2) many[number].clear();
  CHECK(weakref::getweakrefcount(one) == 5000);
  one.reset();
  for (const Items& items : many) CHECK(items.size() <= 1);
  many.resize(5000);
  CHECK(weakref::getweakrefcount(two) == 2500);
}

// 19
TEST_CASE("WeakValueDictionary: an object may die on a thread that never heard of the dictionary") {
  Items items;
  auto one = item(1);
  items.insert(1, one);
  std::thread([last = std::move(one)]() mutable { last.reset(); }).join();
  CHECK(items.size() == 0);
  CHECK(Item::alive() == 0);
}

// 11
TEST_CASE("WeakValueDictionary: dictionary and object die in either order") {
  auto one = item(1);
  auto items = std::make_unique<Items>();
  items->insert(1, one);
  SUBCASE("the dictionary first") {
    items.reset();
    CHECK(weakref::getweakrefcount(one) == 0);
    one.reset();
  }
  SUBCASE("the object first") {
    one.reset();
    CHECK(items->empty());
    items.reset();
  }
  CHECK(Item::alive() == 0);
}

// 11: what fails here fails after the last test, as a crash or a sanitizer's report at exit.
TEST_CASE("WeakValueDictionary: static dictionaries and static owners are destroyed in either order") {
  static std::shared_ptr<Item> early_owner = item(1);
  static Items items;
  static std::shared_ptr<Item> late_owner = item(2);
  items.insert(1, early_owner);
  items.insert(2, late_owner);
  static weakref::ref callback_at_exit(late_owner, [] { items.insert(3, early_owner); });
  CHECK(items.size() == 2);
}

// 23
TEST_CASE("WeakValueDictionary: a new object at a dead one's address is another object") {
  struct Pooled : weakref::enable_weakref {
    int number = 0;
  };
  alignas(Pooled) static unsigned char place[sizeof(Pooled)];
  const auto make = [] {
    return std::shared_ptr<Pooled>(new (place) Pooled, [](Pooled* p) { p->~Pooled(); });
  };
  weakref::WeakValueDictionary<int, Pooled> left;
  weakref::WeakValueDictionary<int, Pooled> right;
  auto first = make();
  left.insert(1, first);
  const weakref::ref<Pooled> old(first);
  first.reset();
  auto second = make();
  CHECK(left.get(1) == nullptr);
  right.insert(1, second);
  CHECK(left != right);
  left.insert(1, second);
  CHECK(left == right);
  CHECK_FALSE(old == weakref::ref<Pooled>(second));
}

// 23: the pool's deleter never runs the destructor, so nobody was told of the old object's death.
TEST_CASE("WeakValueDictionary: a registration under a new owner first completes the death of the old one") {
  struct Pooled : weakref::enable_weakref {
    int number = 0;
  };
  Pooled pooled;
  weakref::WeakValueDictionary<int, Pooled> items;
  std::shared_ptr<Pooled> first(&pooled, [](Pooled*) {});
  items.insert(1, first);
  first.reset();
  CHECK(items.get(1) == nullptr);
  std::shared_ptr<Pooled> second(&pooled, [](Pooled*) {});
  items.insert(2, second);
  CHECK(items.get(1) == nullptr);
  CHECK(items.get(2) == second);
  CHECK(items.size() == 1);
  second.reset();
  weakref::retire(pooled);
  CHECK(items.size() == 0);
}

TEST_CASE("WeakValueDictionary: nothing of these tests is left") {
  // The two static owners of the test above.
  CHECK(Item::alive() <= 2);
  CHECK(Mortal::alive() == 0);
  CHECK(Session::alive() == 0);
  CHECK(LoudKey::alive() == 0);
}
