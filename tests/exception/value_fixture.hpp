// SPDX-License-Identifier: BSL-1.0
// A WeakValueDictionary in whose operations everything may fail, and what must be the same after a failure.
#ifndef WEAKREF_TESTS_EXCEPTION_VALUE_FIXTURE_HPP
#define WEAKREF_TESTS_EXCEPTION_VALUE_FIXTURE_HPP

#include "fixture.hpp"

#include <weakref/weak_value_dictionary.hpp>

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace injection {

using Key = faulty<false>;
using Owner = std::shared_ptr<fragile>;
using Dictionary =
    weakref::WeakValueDictionary<Key, fragile, faulty_hash, faulty_equal, accounting_allocator<fragile>>;
using Contents = std::map<int, const fragile*>;

inline Contents contents_of(const Dictionary& dictionary) {
  Contents contents;
  for (const auto& [key, value] : dictionary) CHECK(contents.emplace(key.number, value.get()).second);
  return contents;
}

struct Fixture : container_fixture<fragile> {
  explicit Fixture(const configuration& chosen)
      : container_fixture<fragile>(chosen), dictionary(options, allocator()), other(options, allocator()) {
    for (int i = 1; i <= chosen.entries; ++i) {
      // One after the other, so that dead entries stand between living ones.
      const bool is_mortal = i > living;
      owners.push_back(is_mortal ? std::make_shared<fragile>(i) : weakref::make_tracked<fragile>(i));
      dictionary.insert(Key(i), owners.back());
    }
    owners.resize(static_cast<std::size_t>(living));
    for (int i = living; i < living + 3; ++i) {
      others.push_back(weakref::make_tracked<fragile>(i));
      other.insert(Key(i), others.back());
    }
    fresh = std::make_shared<self_tracked_fragile>(-1); // its watch list is made by the operation
    spare = weakref::make_tracked<fragile>(-2);
    before = contents_of(dictionary);
    other_before = contents_of(other);
  }

  /// The contents with another owner under one key.
  Contents with(const Key& key, const Owner& owner) const {
    Contents changed = before;
    changed[key.number] = owner.get();
    return changed;
  }
  Contents without(const Key& key) const {
    Contents changed = before;
    changed.erase(key.number);
    return changed;
  }
  /// What other's entries put over those of the dictionary give.
  Contents united() const {
    Contents changed = other_before;
    changed.insert(before.begin(), before.end());
    for (const auto& [key, value] : other_before) changed[key] = value;
    return changed;
  }

  // --- for the harness -----------------------------------------------------------------------------------------

  static std::array<long, 2> census() { return {Key::alive(), fragile::alive()}; }

  struct state {
    std::size_t size;
    long keys;
    long objects;
  };
  state look() const { return {dictionary.size(), Key::alive(), fragile::alive()}; }
  void check_contents() const {
    CHECK(contents_of(dictionary) == before);
    CHECK(contents_of(other) == other_before);
  }
  void check_unchanged(const state& was) const {
    check_contents();
    CHECK(fragile::alive() == was.objects);
    check_size(dictionary.size(), was.size);
    CHECK(dictionary.size() >= before.size());
    CHECK(static_cast<std::size_t>(was.keys - Key::alive()) == was.size - dictionary.size());
    for (const Owner& each : owners) CHECK((weakref::getweakrefcount(each) == 1 && each.use_count() == 1));
    for (const Owner& each : others) CHECK((weakref::getweakrefcount(each) == 1 && each.use_count() == 1));
    for (const Owner& each : {fresh, spare}) CHECK(weakref::getweakrefcount(each) == 0);
    CHECK(result == nullptr);
    CHECK_FALSE(flag);
    CHECK_FALSE(popped.has_value());
    CHECK_FALSE(made.has_value());
  }
  void use() {
    {
      const Owner guest = weakref::make_tracked<fragile>(777);
      CHECK(dictionary.insert(Key(777), guest).second);
      CHECK(dictionary.get(Key(777)) == guest);
      CHECK(contents_of(dictionary).size() == before.size() + 1);
      CHECK(dictionary.erase(Key(777)));
    }
    // A flight that was left behind would be asked, or waited for.
    CHECK(dictionary.get_or_create(absent, [] { return fragile(5); })->number == 5);
    CHECK_FALSE(dictionary.contains(absent));
  }
  void let_go() {
    result.reset();
    popped.reset();
    owners.clear();
    others.clear();
    fresh.reset();
    spare.reset();
    check_emptied(dictionary, other, made);
  }

  Dictionary dictionary;
  Dictionary other;
  std::vector<Owner> owners;
  std::vector<Owner> others;
  Owner fresh;
  Owner spare;
  Contents before;
  Contents other_before;
  const Key present{1};
  const Key absent{1028}; // the same hash as 4

  // What the operation gave, besides.
  Owner result;
  std::optional<std::pair<Key, Owner>> popped;
  std::optional<Dictionary> made;
};

inline constexpr fault_set iterating = fault_set(heap);

} // namespace injection

#endif
