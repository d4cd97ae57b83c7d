// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_TABLE_HPP
#define WEAKREF_DETAIL_TABLE_HPP

// The index over entries: open addressing, linear probing with Robin Hood order, backward-shift deletion.
//
//    63      56 55      48 47                                   0
//   +----------+----------+---------------------------------------+
//   | distance | fragment |  entry*                               |   0: empty
//   +----------+----------+---------------------------------------+
//
// Eight bytes a slot, because at a hundred thousand entries memory is speed: a hit touches one cache line
// here, then the entry. `distance` is 1 for an entry at home; `fragment` is eight bits of its hash, so that a
// comparison reads the wrong entry once in 256 probes. Robin Hood order (nobody is further from home than
// those before him would allow) ends an unsuccessful search early and lets deletion shift back without
// tombstones: no sweep ever, and churn leaves no trace.
//
// Distances saturate at 255, which a sane hash never reaches; beyond it the true distance is computed from
// the entry's hash. Even a constant hash stays correct, only linear.
//
// The capacity is any number: home = hash * capacity / 2^32, so the table grows by half instead of doubling,
// and a slot costs 10 to 15 bytes an entry instead of 10 to 20.
//
// Nothing here runs user code, allocates under a lock, or throws: room is made outside (slots) and swapped
// in.

#include <weakref/detail/entry.hpp>

#include <boost/container/vector.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>

namespace weakref {
inline namespace v0 {
namespace detail {

using slot = std::uint64_t;
static_assert(sizeof(void*) <= 8);

inline constexpr unsigned entry_bits = 48;

inline entry* entry_of(slot s) noexcept {
  return reinterpret_cast<entry*>(static_cast<std::uintptr_t>(s & ((slot{1} << entry_bits) - 1)));
}
/// Whether the table can hold this address. User space of the supported platforms lies below 2^47 unless a
/// program asks for more.
inline bool fits_slot(const void* address) noexcept {
  return (reinterpret_cast<std::uintptr_t>(address) >> entry_bits) == 0;
}

template <class Allocator> class table {
 public:
  using slots_type =
      boost::container::vector<slot, typename std::allocator_traits<Allocator>::template rebind_alloc<slot>>;
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

  explicit table(const Allocator& allocator, unsigned shard_bits = 0) noexcept
      : slots_(typename slots_type::allocator_type(allocator)), shard_bits_(shard_bits) {}

  std::uint32_t size() const noexcept { return size_; }
  std::uint32_t capacity() const noexcept { return static_cast<std::uint32_t>(slots_.size()); }
  bool has_room() const noexcept { return size_ < limit(capacity()); }
  /// So full, after a sweep, that it should grow all the same: the next sweep must be many stores away.
  bool is_crowded() const noexcept { return size_ >= limit(capacity()) - limit(capacity()) / 8; }

  /// Slots for at least this many entries; at most four of five are ever in use.
  static std::uint32_t capacity_for(std::uint64_t entries) noexcept {
    return static_cast<std::uint32_t>(std::max<std::uint64_t>(4, entries + entries / 4 + 1));
  }
  std::uint32_t grown_capacity() const noexcept {
    return std::max(capacity_for(4), capacity() < 64 ? 2 * capacity() : capacity() + capacity() / 2);
  }

  /// The index of the entry that matches, or none. `match(entry&)` may be user code: it must change nothing
  /// here.
  template <class Match> std::uint32_t find(std::uint32_t hash, Match&& match) const {
    if (size_ == 0) return none;
    const slot* const slots = slots_.data();
    const std::uint32_t end = capacity();
    std::uint32_t at = home(hash);
    for (std::uint32_t tag = first_tag(hash);; tag = next_tag(tag)) {
      const auto seen = static_cast<std::uint32_t>(slots[at] >> entry_bits);
      if (seen == tag) {
        entry& candidate = *entry_of(slots[at]);
        if (candidate.hash == hash && match(candidate)) return at;
      } else if (distance_of(seen) < distance_of(tag)) {
        return none;
      }
      if (++at == end) at = 0;
    }
  }

  /// The index of this very entry, or none. Compares addresses, nothing else.
  std::uint32_t find_entry(const entry& wanted) const noexcept {
    return find(wanted.hash, [&](const entry& candidate) { return &candidate == &wanted; });
  }

  entry& operator[](std::uint32_t index) const noexcept { return *entry_of(slots_[index]); }
  bool is_empty(std::uint32_t index) const noexcept { return slots_[index] == 0; }

  /// Needs room, and an entry that is not in the table.
  void insert(entry& added) noexcept {
    ++size_;
    const std::uint32_t end = capacity();
    std::uint32_t at = home(added.hash);
    std::uint32_t distance = 1;
    while (slots_[at] != 0 && true_distance(at) >= distance) {
      ++distance;
      if (++at == end) at = 0;
    }
    slot carried = make_slot(added, distance);
    while (slots_[at] != 0) {
      std::swap(carried, slots_[at]);
      if (distance_of(static_cast<std::uint32_t>(carried >> entry_bits)) < saturated) carried += one_step;
      if (++at == end) at = 0;
    }
    slots_[at] = carried;
  }

  /// Puts another entry with the same hash in place of the one there.
  void replace(std::uint32_t index, entry& added) noexcept {
    slots_[index] = (slots_[index] & ~((slot{1} << entry_bits) - 1)) | address_bits(added);
  }

  void erase(std::uint32_t index) noexcept {
    --size_;
    const std::uint32_t end = capacity();
    for (;;) {
      const std::uint32_t next = index + 1 == end ? 0 : index + 1;
      if (slots_[next] == 0) break;
      const std::uint32_t distance = true_distance(next);
      if (distance == 1) break;
      slots_[index] = make_slot((*this)[next], distance - 1);
      index = next;
    }
    slots_[index] = 0;
  }

  /// Moves the entries to these (empty, larger) slots, which hold the old ones afterwards.
  void rehash(slots_type& slots) noexcept {
    slots_.swap(slots);
    size_ = 0;
    constexpr std::size_t ahead = 8; // entries lie anywhere: ask for their hashes in time
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (i + ahead < slots.size()) __builtin_prefetch(entry_of(slots[i + ahead]));
      if (slots[i] != 0) insert(*entry_of(slots[i]));
    }
  }

  /// Hands everything out: slots and, in them, the entries.
  void take_all(slots_type& slots) noexcept {
    slots_.swap(slots);
    size_ = 0;
  }

 private:
  static constexpr std::uint32_t saturated = 255;
  static constexpr slot one_step = slot{1} << (entry_bits + 8);

  static std::uint32_t limit(std::uint32_t capacity) noexcept {
    return static_cast<std::uint32_t>(std::uint64_t{capacity} * 4 / 5);
  }

  static std::uint32_t first_tag(std::uint32_t hash) noexcept { return (1U << 8) | (hash & 255U); }
  static std::uint32_t next_tag(std::uint32_t tag) noexcept {
    return distance_of(tag) == saturated ? tag : tag + (1U << 8);
  }
  static std::uint32_t distance_of(std::uint32_t tag) noexcept { return tag >> 8; }

  static slot address_bits(const entry& of) noexcept { return reinterpret_cast<std::uintptr_t>(&of); }
  static slot make_slot(const entry& of, std::uint32_t distance) noexcept {
    const slot tag = (slot{std::min(distance, saturated)} << 8) | (of.hash & 255U);
    return (tag << entry_bits) | address_bits(of);
  }

  // The upper bits of the hash have chosen the shard; the next ones choose the slot.
  std::uint32_t home(std::uint32_t hash) const noexcept {
    return static_cast<std::uint32_t>((std::uint64_t{hash << shard_bits_} * slots_.size()) >> 32);
  }
  std::uint32_t true_distance(std::uint32_t at) const noexcept {
    const std::uint32_t stored = distance_of(static_cast<std::uint32_t>(slots_[at] >> entry_bits));
    if (stored < saturated) return stored;
    const std::uint32_t from = home((*this)[at].hash);
    return (at >= from ? at - from : at + capacity() - from) + 1;
  }

  slots_type slots_;
  std::uint32_t size_ = 0;
  std::uint32_t shard_bits_;
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
