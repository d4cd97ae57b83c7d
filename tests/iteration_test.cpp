// SPDX-License-Identifier: BSL-1.0
// Iteration over a WeakValueDictionary while everything around it changes. A number in a comment is the
// number of a failure mode; threads that iterate are in thread/.
#include <weakref/weak_value_dictionary.hpp>

#include "support/dictionary_keys.hpp"
#include "support/dictionary_new.hpp"
#include "support/dictionary_objects.hpp"

#include <weakref/ref.hpp>

#include <doctest/doctest.h>

#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>
#include <version>
#if defined(__cpp_lib_ranges) && !defined(__clang__)
#include <algorithm>
#include <ranges>
#include <stdexcept>
#endif

using namespace dictionary_test;

using Items = weakref::WeakValueDictionary<int, Item>;
using Owners = std::map<int, std::shared_ptr<Item>>;

namespace {

Owners fill(Items& items, int from, int to) {
  Owners owners;
  for (int number = from; number < to; ++number) owners[number] = items.try_emplace(number, number).first;
  return owners;
}

} // namespace

static_assert(std::is_same_v<decltype(std::declval<const Items&>().end()), std::default_sentinel_t>);
static_assert(std::input_iterator<Items::iterator>);
static_assert(
    std::is_same_v<std::remove_cvref_t<decltype((*std::declval<const Items&>().begin()).key)>, int>);

TEST_CASE("iteration: yields each living entry once, key and owner") {
  Items items;
  auto owners = fill(items, 0, 100);
  owners.erase(50);
  Owners seen;
  for (const auto& [key, value] : items) {
    CHECK(value->number == key);
    CHECK(seen.emplace(key, value).second);
  }
  CHECK(seen == owners);
}

TEST_CASE("iteration: by hand, with an iterator and the default sentinel") {
  Items items;
  const auto owners = fill(items, 0, 3);
  int steps = 0;
  auto position = items.begin();
  for (; position != items.end(); ++position) {
    CHECK(owners.at((*position).key) == (*position).value);
    ++steps;
  }
  CHECK(steps == 3);
  CHECK(position == std::default_sentinel);

  auto second = items.begin();
  second++;
  auto same = items.begin();
  ++same;
  CHECK((*second).key == (*same).key);
}

TEST_CASE("iteration: keys, values, items and valuerefs are lazy ranges over the dictionary") {
  Items items;
  auto owners = fill(items, 0, 10);
  const Items& constant = items;
  const auto keys = constant.keys();
  auto values = constant.values();
  auto pairs = constant.items();
  auto references = constant.valuerefs();
  // Lazy: what changes before the loop is seen.
  owners.erase(3);
  owners[11] = items.try_emplace(11, 11).first;

  std::set<int> seen;
  for (const int& key : keys) CHECK(seen.insert(key).second);
  CHECK(seen.size() == 10);
  CHECK(seen.contains(11));
  CHECK_FALSE(seen.contains(3));

  seen.clear();
  for (const std::shared_ptr<Item>& value : values) CHECK(seen.insert(value->number).second);
  CHECK(seen.size() == 10);

  seen.clear();
  for (auto&& [key, value] : pairs) {
    CHECK(value->number == key);
    seen.insert(key);
  }
  CHECK(seen.size() == 10);

  seen.clear();
  std::vector<weakref::ref<Item>> refs;
  for (auto&& reference : references) {
    static_assert(std::is_same_v<std::remove_cvref_t<decltype(reference)>, weakref::ref<Item>>);
    refs.push_back(reference);
    seen.insert(refs.back()()->number);
  }
  CHECK(seen.size() == 10);
  owners.clear();
  for (const auto& dead : refs) CHECK(dead() == nullptr);
}

TEST_CASE("iteration: over nothing, and over entries that are all dead") {
  Items items;
  for (auto&& entry : items) FAIL_CHECK(entry.key);
  auto owners = fill(items, 0, 10);
  owners.clear();
  for (auto&& entry : items) FAIL_CHECK(entry.key);
  for (const int key : items.keys()) FAIL_CHECK(key);
  Items any({.accept_untracked = true});
  for (int number = 0; number < 10; ++number) any.insert(number, std::make_shared<Item>(number));
  for (auto&& entry : any) FAIL_CHECK(entry.key);
  for (auto&& value : any.values()) FAIL_CHECK(value->number);
}

TEST_CASE("iteration: only the current element is held") {
  Items items;
  const auto owners = fill(items, 0, 50);
  for (auto&& current : items) {
    long held = current.value == nullptr ? 100 : 0;
    for (const auto& [number, owner] : owners) held += owner.use_count() - 1;
    CHECK(held >= 1);
    CHECK(held <= 2);
  }
  for (const auto& [number, owner] : owners) CHECK(owner.use_count() == 1);
}

TEST_CASE("iteration: keys and valuerefs hold no object once their step is over") {
  Items items;
  const auto owners = fill(items, 0, 50);
  for (const int key : items.keys()) {
    long held = 0;
    for (const auto& [number, owner] : owners) held += owner.use_count() - 1;
    CHECK(held <= 1);
    CHECK(key < 50);
  }
  for (auto&& reference : items.valuerefs()) {
    long held = 0;
    for (const auto& [number, owner] : owners) held += owner.use_count() - 1;
    CHECK(held <= 1);
    CHECK_FALSE(reference.expired());
  }
}

TEST_CASE("iteration: a key is there until the object it stood for has been destroyed") {
  struct Named {
    ~Named() {
      if (name != nullptr) last = *name;
    }
    const std::string* name = nullptr;
    std::string& last;
  };
  std::string last;
  const std::string key = "a name that needs memory of its own";
  weakref::WeakValueDictionary<std::string, Named> all;
  auto owner = weakref::adopt(std::unique_ptr<Named>(new Named{nullptr, last}));
  all.insert(key, owner);
  all.erase_if([&](const std::string& stored, const std::shared_ptr<Named>&) {
    owner->name = &stored;
    owner.reset();
    all.erase(key);
    return false;
  });
  CHECK(last == key);
}

// --- changes by the loop's own body
// ---------------------------------------------------------------------------------------------

// 8
TEST_CASE("iteration: the current object lives until the step although its last owner goes") {
  Items items;
  auto owners = fill(items, 0, 100);
  int steps = 0;
  for (auto&& [key, value] : items) {
    const weakref::ref<Item> seen(value);
    owners.erase(key);
    CHECK_FALSE(seen.expired());
    CHECK(value->number == key);
    ++steps;
  }
  CHECK(steps == 100);
  CHECK(items.size() == 0);
  CHECK(Item::alive() == 0);
}

TEST_CASE("iteration: what dies before its turn is not seen") {
  Items items;
  auto owners = fill(items, 0, 100);
  std::set<int> seen;
  for (auto&& [key, value] : items) {
    CHECK(owners.contains(key));
    CHECK(seen.insert(key).second);
    if (seen.size() == 10)
      for (int number = 0; number < 100; ++number)
        if (!seen.contains(number)) owners.erase(number);
  }
  CHECK(seen.size() == 10);
}

TEST_CASE("iteration: key and value stay valid when the entry is erased meanwhile") {
  weakref::WeakValueDictionary<std::string, Item> names;
  std::vector<std::shared_ptr<Item>> owners;
  for (int number = 0; number < 50; ++number)
    owners.push_back(
        names
            .try_emplace("a name that is long enough to be on the heap, number " + std::to_string(number),
                         number)
            .first);
  int steps = 0;
  SUBCASE("one by one") {
    for (auto&& [key, value] : names) {
      CHECK(names.erase(key));
      CHECK(key.ends_with(" " + std::to_string(value->number)));
      ++steps;
    }
    CHECK(steps == 50);
  }
  SUBCASE("all at once") {
    for (auto&& [key, value] : names) {
      names.clear();
      owners.clear();
      CHECK(key.ends_with(" " + std::to_string(value->number)));
      ++steps;
    }
    CHECK(steps == 1);
  }
  SUBCASE("replaced") {
    for (auto&& [key, value] : names) {
      if (++steps > 50) break;
      const int number = value->number;
      owners[static_cast<std::size_t>(number)] = item(number);
      names.insert_or_assign(key, owners[static_cast<std::size_t>(number)]);
      CHECK(key.ends_with(" " + std::to_string(number)));
    }
    CHECK(names.size() == 50);
  }
  SUBCASE("keys alone") {
    for (const std::string& key : names.keys()) {
      CHECK(names.erase(key));
      CHECK(key.starts_with("a name"));
      ++steps;
    }
    CHECK(steps == 50);
  }
}

TEST_CASE("iteration: an entry that stays is seen exactly once, whatever else comes and goes") {
  weakref::options chosen;
  SUBCASE("in a dictionary that splits meanwhile") {}
  SUBCASE("in one shard") { chosen.shards = 1; }
  SUBCASE("in four shards") { chosen.shards = 4; }
  Items items(chosen);
  const auto stay = fill(items, 0, 200);
  auto come = Owners();
  std::map<int, int> seen;
  int next = 1000;
  for (auto&& [key, value] : items) {
    ++seen[key];
    CHECK(value->number == key);
    if (key >= 200) {
      if (next > 20000) come.erase(key);
      continue;
    }
    // Enough to make every table grow several times.
    for (int more = 0; more < 50; ++more, ++next) come[next] = items.try_emplace(next, next).first;
    for (int fewer = next - 60; fewer < next - 40; ++fewer) come.erase(fewer);
    items.reserve(static_cast<std::size_t>(next));
  }
  for (const auto& [key, owner] : stay) CHECK(seen[key] == 1);
  for (const auto& [key, times] : seen) CHECK(times == 1);
}

TEST_CASE("iteration: an insertion for each step does not run forever") {
  Items items;
  auto owners = fill(items, 0, 10);
  int steps = 0;
  for (auto&& current : items) {
    if (current.value == nullptr || ++steps > 100000) break;
    const int next = 10 + steps;
    owners[next] = items.try_emplace(next, next).first;
  }
  CHECK(steps <= 100000);
  CHECK(steps >= 10);
}

TEST_CASE("iteration: leaving a loop early leaves nothing held") {
  Items items;
  auto owners = fill(items, 0, 10);
  for (auto&& [key, value] : items) {
    if (key >= 0) break;
  }
  for (const auto& [key, owner] : owners) CHECK(owner.use_count() == 1);
  try {
    for (auto&& [key, value] : items) throw key;
  } catch (int) {}
  for (const auto& [key, owner] : owners) CHECK(owner.use_count() == 1);
  owners.clear();
  CHECK(items.empty());
}

TEST_CASE("iteration: several iterators at once, ending in any order") {
  Items items;
  const auto owners = fill(items, 0, 20);
  int pairs = 0;
  for (auto&& outer : items)
    for (auto&& inner : items) {
      if (inner.key > outer.key) ++pairs;
    }
  CHECK(pairs == 190);

  std::optional<Items::iterator> first(items.begin());
  std::optional<Items::iterator> second(items.begin());
  ++*first;
  second.reset();
  int rest = 0;
  for (; *first != items.end(); ++*first) ++rest;
  CHECK(rest == 19);
  first.reset();
  CHECK(items.size() == 20);
}

TEST_CASE("iteration: an iterator can be moved in mid-flight") {
  Items items;
  const auto owners = fill(items, 0, 20);
  std::set<int> seen;
  auto first = items.begin();
  for (int step = 0; step < 10; ++step, ++first) seen.insert((*first).key);
  auto second = std::move(first);
  for (; second != items.end(); ++second) seen.insert((*second).key);
  CHECK(seen.size() == 20);
}

// 8: the container's end
TEST_CASE("iteration: the dictionary may be destroyed in the loop") {
  auto items = std::make_unique<Items>();
  auto owners = fill(*items, 0, 20);
  const weakref::ref<Item> third(owners[3]);
  int steps = 0;
  for (auto&& [key, value] : *items) {
    items.reset();
    owners.clear();
    CHECK(value->number == key);
    ++steps;
  }
  CHECK(steps == 1);
  CHECK(Item::alive() == 0);
}

TEST_CASE("iteration: an iterator that is assigned to goes on where the other one was") {
  Items items;
  auto owners = fill(items, 0, 5);
  auto at = items.begin();
  const int first = (*at).key;
  auto other = items.begin();
  ++other;
  const int second = (*other).key;
  CHECK(first != second);
  at = std::move(other);
  CHECK((*at).key == second);
  CHECK((*at).value->number == second);
  auto& same = at;
  at = std::move(same);
  CHECK(owners[second].use_count() == 2); // it still holds its element
  CHECK((*at).key == second);
  int left = 0;
  for (; at != items.end(); ++at) ++left;
  CHECK(left == 4);
  Items::iterator ended;
  at = items.begin();
  at = std::move(ended);
  CHECK(at == items.end());
  owners.clear();
  CHECK(Item::alive() == 0); // nothing is held any more
}

TEST_CASE("iteration: the dictionary may be moved away, swapped or assigned to in the loop") {
  Items items;
  const auto owners = fill(items, 0, 20);
  Items other;
  int steps = 0;
  for (auto&& [key, value] : items) {
    CHECK(value->number == key);
    if (++steps == 3) other = std::move(items);
    if (steps == 6) items.swap(other);
    if (steps == 9) items = Items();
  }
  CHECK(steps >= 9);
  CHECK(steps <= 20);
  for (const auto& [key, owner] : owners) CHECK(owner.use_count() == 1);
}

TEST_CASE("iteration: an iterator that is kept keeps no entry and no object but its own") {
  Items items;
  auto owners = fill(items, 0, 20);
  {
    const auto kept = items.begin();
    owners.clear();
    CHECK(items.size() <= 1);
    CHECK(Item::alive() <= 1);
    const auto fresh = item(5);
    items.insert(100, fresh);
    CHECK(items.get(100) == fresh);
  }
  CHECK(items.size() == 0);
  CHECK(Item::alive() == 0);
}

// 15
TEST_CASE("iteration: an iterator that is kept keeps the memory of no object but its own") {
  Items items;
  std::vector<std::shared_ptr<Item>> owners;
  for (int number = 0; number < 100; ++number) {
    owners.push_back(item(number));
    items.insert(number, owners.back());
  }
  const auto kept = items.begin();
  const long before = heap::blocks.load();
  owners.clear();
  CHECK(Item::alive() == 1);
  CHECK(before - heap::blocks.load() >= 99);
  CHECK(items.size() == 1);
}

TEST_CASE("iteration: what erase_if has chosen, and dies meanwhile, keeps no object's memory") {
  Items items;
  std::vector<std::shared_ptr<Item>> owners;
  for (int number = 0; number < 100; ++number) {
    owners.push_back(item(number));
    items.insert(number, owners.back());
  }
  int asked = 0;
  items.erase_if([&](int, const std::shared_ptr<Item>&) {
    if (++asked == 100) {
      const long before = heap::blocks.load();
      owners.clear();
      CHECK(before - heap::blocks.load() >= 99);
    }
    return true;
  });
  CHECK(asked == 100);
  CHECK(items.empty());
}

// 3: no lock is held while the loop's body runs, nor when what the cursor held is destroyed.
TEST_CASE("iteration: destructors that the cursor sets off may use the dictionary") {
  weakref::WeakValueDictionary<LoudKey, Mortal> mortals;
  std::vector<std::shared_ptr<Mortal>> owners;
  int destroyed = 0;
  for (int number = 0; number < 20; ++number) {
    owners.push_back(weakref::make_tracked<Mortal>(number, [&] {
      ++destroyed;
      (void)mortals.contains(LoudKey(1));
    }));
    mortals.insert(LoudKey(number), owners.back());
  }
  {
    const key_hook hook([&](key_event what, int) {
      if (what == key_event::destroy) (void)mortals.contains(LoudKey(99));
    });
    for (auto&& [key, value] : mortals) owners[static_cast<std::size_t>(key.value)].reset();
  }
  CHECK(destroyed == 20);
  CHECK(mortals.size() == 0);
}

TEST_CASE("iteration: dictionaries whose values are tracked by their base") {
  weakref::WeakValueDictionary<int, Session> sessions;
  std::map<int, std::shared_ptr<Session>> owners;
  for (int number = 0; number < 20; ++number) {
    owners[number] = std::make_shared<Session>(number);
    sessions.insert(number, owners[number]);
  }
  int steps = 0;
  for (auto&& [key, value] : sessions) {
    owners.erase(key);
    owners.erase((key + 1) % 20);
    CHECK(value->number == key);
    ++steps;
  }
  CHECK(steps >= 10);
  CHECK(sessions.size() == 0);
}

// --- the copy of the slots
// ---------------------------------------------------------------------------------------------

namespace {

// All in one group's way.
struct OneHash {
  std::size_t operator()(int) const { return 7; }
};
// A few hashes that differ where tables do not look first.
struct FewHashes {
  std::size_t operator()(int key) const { return static_cast<std::size_t>(key % 3); }
};

// Half of the keys are given other objects in the loop's body, some are erased, and the rest stays as it is.
template <class Dictionary>
void change_in_the_loop(const weakref::options& chosen, int count, int grown_to = 0) {
  Dictionary items(chosen);
  Owners owners;
  for (int number = 0; number < count; ++number) owners[number] = items.try_emplace(number, number).first;
  std::map<int, int> seen;
  std::set<int> erased;
  int steps = 0;
  for (auto&& [key, value] : items) {
    CHECK(value->number == key);
    CHECK_FALSE(erased.contains(key));
    ++seen[key];
    if (grown_to != 0 && steps++ == 3) items.reserve(static_cast<std::size_t>(grown_to));
    for (const int other : {key, (key + 5) % count, (key + 40) % count}) {
      if (other % 2 != 0 || erased.contains(other)) continue;
      const auto given = item(other);
      items.insert_or_assign(other, given);
      owners[other] = given; // here the former one dies, if the loop does not stand on it
    }
    const int gone = (key + 7) % count;
    if (gone % 9 == 0 && items.erase(gone)) erased.insert(gone);
  }
  for (int number = 0; number < count; ++number) CHECK(seen[number] <= 1);
  for (int number = 0; number < count; ++number)
    if (!erased.contains(number)) CHECK(seen[number] == 1);
  CHECK(items.size() == static_cast<std::size_t>(count) - erased.size());
}

} // namespace

TEST_CASE_TEMPLATE("iteration: a key that is given other objects meanwhile is seen exactly once", Dictionary,
                   Items, weakref::WeakValueDictionary<int, Item, OneHash>,
                   weakref::WeakValueDictionary<int, Item, FewHashes>,
                   weakref::local::WeakValueDictionary<int, Item>,
                   weakref::local::WeakValueDictionary<int, Item, OneHash>) {
  change_in_the_loop<Dictionary>({.shards = 1}, 60);
  change_in_the_loop<Dictionary>({}, 60);
  change_in_the_loop<Dictionary>({.shards = 4}, 200);
  // It grows, or splits, in the loop.
  change_in_the_loop<Dictionary>({.shards = 1}, 60, 1000);
  change_in_the_loop<Dictionary>({}, 60, 1000);
}

TEST_CASE("iteration: many cursors on one table, and each sees what is taken out and replaced") {
  weakref::options chosen;
  SUBCASE("in one shard") { chosen.shards = 1; }
  SUBCASE("in one that splits") {}
  Items items(chosen);
  auto owners = fill(items, 0, 100);
  std::vector<Items::iterator> cursors;
  for (int each = 0; each < 20; ++each) {
    cursors.push_back(items.begin());
    for (int steps = 0; steps < each; ++steps) ++cursors.back();
  }
  std::vector<std::set<int>> seen(cursors.size());
  for (std::size_t each = 0; each < cursors.size(); ++each)
    CHECK(seen[each].insert((*cursors[each]).key).second);
  cursors.erase(cursors.begin() + 5, cursors.begin() + 8); // these leave from the middle of the list
  seen.erase(seen.begin() + 5, seen.begin() + 8);
  if (chosen.shards == 0) items.reserve(1000);
  const Owners former = owners;
  for (int number = 0; number < 100; number += 2) {
    items.erase(number);
    if (number % 4 == 0) owners[number + 1] = item(number + 1);
    if (number % 4 == 0) items.insert_or_assign(number + 1, owners[number + 1]);
  }
  for (std::size_t each = 0; each < cursors.size(); ++each) {
    const int current = (*cursors[each]).key;
    CHECK((*cursors[each]).value == former.at(current));
    while (++cursors[each], cursors[each] != items.end()) {
      const auto& [key, value] = *cursors[each];
      CHECK(key % 2 == 1);
      CHECK(value == owners.at(key));
      CHECK(seen[each].insert(key).second);
    }
  }
  cursors.clear();
  std::size_t left = 0;
  for (auto&& [key, value] : items) left += key % 2 == 1 && value == owners.at(key) ? 1 : 0;
  CHECK(left == 50);
}

TEST_CASE("iteration: the copy of a table that finds no memory leaves the loop where it can go on") {
  Items items({.shards = 4});
  const auto owners = fill(items, 0, 100);
  for (long budget = 0; budget < 2; ++budget) { // where the cursor stands, the copy
    const long before = heap::blocks.load();
    bool has_failed = false;
    faults::arm(budget, true);
    try {
      (void)items.begin();
    } catch (const std::bad_alloc&) {
      has_failed = true;
    }
    faults::disarm();
    CHECK(has_failed);
    CHECK(heap::blocks.load() == before);
  }
  int steps = 0;
  for (auto&& [key, value] : items) steps += value->number == key ? 1 : 0;
  CHECK(steps == 100);
}

TEST_CASE("iteration: begin allocates nothing under a lock, and no step of one shard allocates") {
  Items items({.shards = 1});
  const auto owners = fill(items, 0, 100);
  auto at = items.begin();
  const long before = heap::calls.load();
  while (++at, at != items.end()) {}
  CHECK(heap::calls.load() == before);
}

TEST_CASE("iteration: a finished loop leaves no memory behind") {
  Items items;
  auto owners = fill(items, 0, 100);
  const long before = heap::blocks.load();
  for (auto&& entry : items) (void)entry;
  for (const int key : items.keys()) (void)key;
  for (auto&& value : items.values()) (void)value;
  for (auto&& reference : items.valuerefs()) (void)reference;
  CHECK(heap::blocks.load() == before);
}

// clang 14 does not accept libstdc++'s pipelines, and libc++ 14 has none.
#if defined(__cpp_lib_ranges) && !defined(__clang__)
static_assert(std::ranges::input_range<const Items>);
static_assert(std::ranges::input_range<decltype(std::declval<const Items&>().keys())>);
static_assert(std::ranges::view<decltype(std::declval<const Items&>().values())>);

TEST_CASE("iteration: the ranges stand at the head of a pipeline") {
  Items items;
  const auto owners = fill(items, 0, 100);
  int sum = 0;
  for (const int number :
       items.values() | std::views::filter([](const std::shared_ptr<Item>& value) {
         return value->number % 2 == 0;
       }) | std::views::transform([](const std::shared_ptr<Item>& value) { return value->number; }))
    sum += number;
  CHECK(sum == 2450);
  sum = 0;
  for (const int key : items.keys() | std::views::take(10)) sum += key >= 0 ? 1 : 0;
  CHECK(sum == 10);
  CHECK(std::ranges::count_if(items.items(), [](const auto& entry) { return entry.key < 10; }) == 10);
  CHECK(std::ranges::distance(items.valuerefs()) == 100);
  std::vector<int> copied;
  std::ranges::copy(items.keys(), std::back_inserter(copied));
  CHECK(copied.size() == 100);
}
#endif

TEST_CASE("iteration: a step that is refused under a lock leaves the iterator where it was") {
  Items items;
  const auto owners = fill(items, 0, 3);
  auto at = items.begin();
  const int key = at->key;
  CHECK(items.visit(key, [&at](Item&) { CHECK_THROWS_AS(++at, std::logic_error); }));
  CHECK_FALSE(at == items.end());
  CHECK(at->key == key);
  CHECK(at->value == owners.at(key));
  std::size_t seen = 0;
  for (; at != items.end(); ++at) ++seen;
  CHECK(seen == 3);
}

TEST_CASE("iteration: nothing of these tests is left") {
  CHECK(Item::alive() == 0);
  CHECK(Mortal::alive() == 0);
  CHECK(Session::alive() == 0);
  CHECK(LoudKey::alive() == 0);
}
