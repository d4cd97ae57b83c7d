// SPDX-License-Identifier: BSL-1.0
//
// The table alone, beside a std::set of entries: hashes are the script's to choose, so that equal tags, distances beyond
// 7, counts beyond 15, wrapping around the end and calling back are met as often as it likes. Besides what is found, the
// layout itself is checked: nobody lies behind a gap, and every count is of those who have passed.
#ifndef WEAKREF_TESTS_PROPERTY_TABLE_SCRIPT_HPP
#define WEAKREF_TESTS_PROPERTY_TABLE_SCRIPT_HPP

#include "script.hpp"

#include <weakref/detail/table/table.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <set>
#include <span>
#include <vector>

namespace model {

class table_script final : public script_base {
  using table = weakref::detail::table<std::allocator<int>>;
  using entry = weakref::detail::entry;
  using slots_type = table::slots_type;

 public:
  table_script(std::span<const unsigned char> script, unsigned shard_bits, int hashes, int longest_run)
      : script_base(script),
        shard_bits_(shard_bits),
        hashes_(hashes),
        longest_run_(longest_run),
        real_(std::allocator<int>(), shard_bits) {}

 private:
  // No entry of this table is ever evicted, so nobody asks it for anything.
  struct no_core final : weakref::detail::core_base {
    weakref::detail::discard_function evict(entry&) noexcept override { return nullptr; }
    void finish() noexcept override {}
  };

  // Neighbouring homes, homes at the table's end, equal low bits (the tag) and equal high ones (the home).
  std::uint32_t any_hash() {
    const auto number = static_cast<std::uint32_t>(below(hashes_));
    switch (below(4)) {
    case 0:
      return number << 8 | 7;
    case 1:
      return ~(number << 20);
    case 2:
      return number * 0x9e3779b9U;
    default:
      return number << (24 - shard_bits_);
    }
  }
  const entry& any_entry() {
    const auto index = static_cast<std::size_t>(below(1 << 16)) % present_.size();
    return *present_[index];
  }

  void one_step() override {
    switch (below(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
      command_ = "insert";
      insert(any_hash());
      break;
    case 4: {
      command_ = "insert a run";
      const std::uint32_t hash = any_hash();
      const auto step = static_cast<std::uint32_t>(below(3));
      for (int i = below(longest_run_); i > 0; --i)
        insert(hash + static_cast<std::uint32_t>(i) * (step << 16));
      break;
    }
    case 5:
    case 6:
    case 7:
      command_ = "erase";
      erase_some(1);
      break;
    case 8:
      command_ = "erase a run";
      erase_some(below(longest_run_));
      break;
    case 9: {
      command_ = "replace";
      if (present_.empty()) break;
      const entry& old = any_entry();
      entry& made = make(old.hash);
      real_.replace(real_.find_entry(old), made);
      forget(old);
      present_.push_back(&made);
      break;
    }
    case 10: {
      command_ = "find by hash";
      const std::uint32_t hash = any_hash();
      std::size_t asked = 0;
      const auto end = real_.find(hash, [&](const entry& candidate) {
        expect(candidate.hash == hash, "asked about an entry with another hash");
        ++asked;
        return false;
      });
      expect(end.found == nullptr, "found although nothing matched");
      std::size_t wanted = 0;
      for (const entry* const each : present_) wanted += each->hash == hash ? 1 : 0;
      expect(asked == wanted, "entries with this hash that were asked about");
      break;
    }
    default:
      switch (below(4)) {
      case 0:
        command_ = "take all";
        take_all();
        break;
      case 1:
        command_ = "shrink";
        shrink(real_.is_sparse(), real_.is_sparse() ? real_.shrunk_capacity() : real_.fitting_capacity());
        break;
      default:
        command_ = "rehash";
        const auto more = static_cast<std::uint32_t>(below(300));
        rehash_into(table::capacity_for(real_.size()) + more);
      }
    }
  }

  entry& make(std::uint32_t hash) {
    made_.emplace_back(core_, hash, 0U);
    return made_.back();
  }
  void insert(std::uint32_t hash) {
    if (!real_.has_room()) {
      expect(real_.grown_capacity() > real_.capacity(), "growing gives no room");
      rehash_into(real_.grown_capacity());
      expect(real_.has_room(), "no room after growing");
    }
    entry& added = make(hash);
    real_.insert(added);
    present_.push_back(&added);
  }
  void erase_some(int count) {
    for (; count > 0 && !present_.empty(); --count) {
      const entry& gone = any_entry();
      const std::uint32_t at = real_.find_entry(gone);
      expect(at != table::none, "an entry is not found");
      if (at == table::none) return;
      real_.erase(at);
      forget(gone);
    }
  }
  void forget(const entry& gone) { std::erase(present_, &gone); }
  void rehash_into(std::uint32_t capacity) {
    slots_type slots(capacity, std::allocator<int>());
    real_.rehash(slots);
    expect(real_.capacity() / 7 == (capacity + 6) / 7, "capacity after a rehash");
  }
  void shrink(bool is_sparse, std::uint32_t capacity) {
    expect(capacity <= 2 * real_.size() * 4 / 3 + 7, "shrunk to so much");
    expect(real_.size() <= limit(capacity), "shrunk to so little");
    if (is_sparse) {
      expect(capacity < real_.capacity(), "a sparse table finds a smaller one");
      expect(real_.size() < real_.capacity() / 8, "is_sparse() too early");
    }
    if (capacity >= real_.capacity()) return;
    rehash_into(capacity);
    expect(!real_.is_sparse() && !real_.is_vacated(), "one that has shrunk shrinks again");
  }
  void take_all() {
    slots_type slots{std::allocator<int>()};
    real_.take_all(slots);
    std::multiset<const entry*> taken;
    slots.for_each([&](const entry& each) { taken.insert(&each); });
    expect(taken == std::multiset<const entry*>(present_.begin(), present_.end()), "what was taken");
    present_.clear();
  }

  static std::uint32_t limit(std::uint32_t capacity) { return capacity - capacity / 4; }
  std::uint32_t groups() const { return real_.capacity() / 7; }
  std::uint32_t home(const entry& of) const {
    return static_cast<std::uint32_t>(
        (std::uint64_t{static_cast<std::uint32_t>(of.hash << shard_bits_)} * groups()) >> 32);
  }
  // What a search found stays true until something changes.
  void compare_searches() {
    for (const searched& before : searches_) {
      if (before.changes != real_.changes()) continue;
      const auto now = real_.find(before.hash, [](const entry&) { return true; });
      expect(now.found == before.end.found && now.index == before.end.index, "a change that was not counted");
    }
    if (searches_.size() > 4) searches_.clear();
    const std::uint32_t hash = present_.empty() || below(2) == 0 ? any_hash() : any_entry().hash;
    searches_.push_back({hash, real_.changes(), real_.find(hash, [](const entry&) { return true; })});
  }

  void compare() override {
    compare_searches();
    expect(real_.size() == present_.size(), "size()");
    const std::uint32_t capacity = real_.capacity();
    expect(real_.size() <= limit(capacity), "more than three of four slots in use");
    expect(real_.has_room() == (real_.size() < limit(capacity)), "has_room()");
    expect(!real_.is_crowded() || real_.size() >= std::uint64_t{capacity} * 3 / 5, "is_crowded() too early");
    expect(real_.has_room() || real_.is_crowded(), "is_crowded() too late");
    expect(real_.is_sparse() == (capacity > 64 && real_.size() < capacity / 8), "is_sparse()");
    expect(real_.is_vacated() == (capacity > 64 && real_.size() == 0), "is_vacated()");
    for (const entry* const each : present_) {
      const std::uint32_t at = real_.find_entry(*each);
      expect(at != table::none && &real_[at] == each, "an entry is not found");
    }
    compare_layout();
  }
  void compare_layout() {
    std::size_t used = 0;
    std::vector<std::uint32_t> in_group(groups());
    std::vector<std::array<std::uint32_t, 2>> passed(groups());
    for (std::uint32_t index = 0; index < real_.index_end(); ++index) {
      if (real_.is_empty(index)) continue;
      ++used;
      const std::uint32_t at = index / 8;
      ++in_group[at];
      for (std::uint32_t group = home(real_[index]); group != at;
           group = group + 1 == groups() ? 0 : group + 1)
        ++passed[group][real_[index].hash & 1];
    }
    expect(used == present_.size(), "slots in use");
    const slots_type& slots = real_.slots();
    for (std::uint32_t group = 0; group < groups(); ++group) {
      expect(in_group[group] == 7 || passed[group][0] + passed[group][1] == 0, "an entry lies behind a gap");
      const std::uint64_t word = slots.words()[group * 8];
      for (const unsigned odd : {0U, 1U}) {
        const auto counted = static_cast<std::uint32_t>(word >> (56 + 4 * odd)) & 15;
        const bool stands_for_many = counted == 15 && in_group[group] == 7;
        expect(stands_for_many || counted == passed[group][odd], "how many have passed a group");
      }
      for (std::uint32_t i = 0; i < 7; ++i) {
        const auto tag = static_cast<std::uint32_t>(word >> (8 * i)) & 255;
        const std::uint32_t index = group * 8 + 1 + i;
        expect(tag == (real_.is_empty(index) ? 0 : 128 | (real_[index].hash & 127)), "a tag");
      }
    }
  }
  void end() override {
    while (!present_.empty() && !has_failed()) erase_some(1);
    compare();
  }

  struct searched {
    std::uint32_t hash;
    std::uint64_t changes;
    table::place end;
  };

  const unsigned shard_bits_;
  const int hashes_;
  const int longest_run_;
  no_core core_;
  std::list<entry> made_; // those that are gone as well: an address is used once
  table real_;
  std::vector<const entry*> present_;
  std::vector<searched> searches_;
};

} // namespace model

#endif
