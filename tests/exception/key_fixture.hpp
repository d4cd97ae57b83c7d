// SPDX-License-Identifier: BSL-1.0
// A WeakKeyDictionary in whose operations everything may fail, and what must be the same after a failure. By
// identity or by value, with values whose moves are safe or not.
#ifndef WEAKREF_TESTS_EXCEPTION_KEY_FIXTURE_HPP
#define WEAKREF_TESTS_EXCEPTION_KEY_FIXTURE_HPP

#include "fixture.hpp"

#include <weakref/weak_key_dictionary.hpp>

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace injection {

using Owner = std::shared_ptr<thing>;

template <bool moves, bool by_value> struct KeyFixture : container_fixture<thing> {
  using Value = faulty<moves>;
  using Hash = std::conditional_t<by_value, crowded_hash, weakref::by_identity>;
  using Equal = std::conditional_t<by_value, faulty_equal, weakref::by_identity>;
  using Dictionary = weakref::WeakKeyDictionary<thing, Value, Hash, Equal, accounting_allocator<thing>>;
  using Pair = std::pair<Owner, Value>;
  using Contents = std::map<const thing*, int>;

  static Contents contents_of(const Dictionary& dictionary) {
    Contents contents;
    for (const auto& [key, value] : dictionary) CHECK(contents.emplace(key.get(), value.number).second);
    return contents;
  }

  explicit KeyFixture(const configuration& chosen)
      : container_fixture<thing>(chosen), dictionary(options, allocator()), other(options, allocator()) {
    for (int i = 1; i <= chosen.entries; ++i) {
      owners.push_back(i > living ? std::make_shared<thing>(i) : tracked_thing(i));
      dictionary.insert(owners.back(), Value(10 * i));
    }
    owners.resize(static_cast<std::size_t>(living));
    for (int i = living + 1; i < living + 3; ++i) {
      others.push_back(tracked_thing(i));
      other.insert(others.back(), Value(-10 * i));
    }
    if (living > 0) other.insert(owners[0], Value(-10));
    absent = tracked_thing(1029);
    second = tracked_thing(1033);
    present = living > 0 ? owners[0] : weakref::make_tracked<thing>(1);
    twin = weakref::make_tracked<thing>(1);
    before = contents_of(dictionary);
    other_before = contents_of(other);
  }

  /// The key that an entry of this key will have: by value, the first of equal ones.
  const Owner& first(const Owner& key) const {
    return by_value && key == twin && has_present() ? present : key;
  }
  Contents with(const Owner& key, int mapped) const {
    Contents changed = before;
    changed[first(key).get()] = mapped;
    return changed;
  }
  Contents without(const Owner& key) const {
    Contents changed = before;
    changed.erase(first(key).get());
    return changed;
  }
  Contents united() const {
    Contents changed = before;
    for (const auto& [key, mapped] : other_before) changed[key] = mapped;
    return changed;
  }

  // --- for the harness -----------------------------------------------------------------------------------------

  static std::array<long, 2> census() { return {Value::alive(), thing::alive()}; }

  struct state {
    std::size_t size;
    long values;
    long objects;
    std::vector<std::size_t> watchers;
  };
  std::vector<Owner> all_owners() const {
    std::vector<Owner> all = owners;
    all.insert(all.end(), others.begin(), others.end());
    all.insert(all.end(), {absent, second, present, twin});
    return all;
  }
  state look() const {
    state seen{dictionary.size(), Value::alive(), thing::alive(), {}};
    for (const Owner& each : all_owners()) seen.watchers.push_back(weakref::getweakrefcount(each));
    return seen;
  }
  void check_contents() const {
    CHECK(contents_of(dictionary) == before);
    CHECK(contents_of(other) == other_before);
  }
  void check_unchanged(const state& was) const {
    check_contents();
    const state is = look();
    CHECK(is.objects == was.objects);
    CHECK(is.watchers == was.watchers);
    check_size(is.size, was.size);
    // With an entry goes its value.
    CHECK(static_cast<std::size_t>(was.values - is.values) == was.size - is.size);
    for (std::size_t i = 1; i < owners.size(); ++i) CHECK(owners[i].use_count() == 1);
    for (const Owner& each : others) CHECK(each.use_count() == 1);
    for (const Owner& each : {twin, absent, second}) CHECK(each.use_count() == 2);
    CHECK_FALSE(result.has_value());
    CHECK_FALSE(flag);
    CHECK_FALSE(popped.has_value());
    CHECK_FALSE(made.has_value());
  }
  void use() {
    {
      const Owner guest = weakref::make_tracked<thing>(777);
      CHECK(dictionary.insert(guest, Value(7)));
      CHECK(dictionary.at(guest).number == 7);
      CHECK(contents_of(dictionary).size() == before.size() + 1);
      CHECK(dictionary.erase(guest));
    }
    // A flight that was left behind would be asked, or waited for.
    CHECK(dictionary.get_or_create(absent, [] { return Value(5); }).number == 5);
    CHECK(dictionary.erase(absent));
  }
  void let_go() {
    result.reset();
    popped.reset();
    for (Owner* each : {&absent, &second, &present, &twin}) each->reset();
    owners.clear();
    others.clear();
    check_emptied(dictionary, other, made);
  }

  Dictionary dictionary;
  Dictionary other;
  std::vector<Owner> owners;
  std::vector<Owner> others;
  Owner absent;
  Owner second; // absent too
  Owner present;
  Owner twin; // equal to `present`
  Contents before;
  Contents other_before;
  const Value value{1};

  // What the operation gave, besides.
  std::optional<Value> result;
  std::optional<Pair> popped;
  std::optional<Dictionary> made;
};

template <class Fixture> void changes_to(Fixture& f, const typename Fixture::Contents& expected) {
  CHECK(f.contents_of(f.dictionary) == expected);
}

} // namespace injection

#endif
