// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_TABLE_HPP
#define WEAKREF_DETAIL_TABLE_HPP

// The index over entries: open addressing, linear probing with Robin Hood order, backward-shift deletion.
//
//    63      59 58        48 47                           3 2       0
//   +----------+------------+------------------------------+---------+
//   | distance | fragment   |  entry*                      |fragment |   0: empty
//   +----------+------------+------------------------------+---------+
//
// Eight bytes a slot, because at a hundred thousand entries memory is speed: a hit touches one cache line
// here, then the entry. `distance` is 1 for an entry at home; `fragment` is the lowest fourteen bits of its hash,
// so that a comparison reads the wrong entry once in 16384 probes. Robin Hood order (nobody is further from home
// than those before him would allow) ends an unsuccessful search early and lets deletion shift back without
// tombstones: no sweep ever, and churn leaves no trace.
//
// Distances saturate at 31, which a sane hash hardly ever reaches; beyond it the true distance is computed from
// the entry's hash. Even a constant hash stays correct, only linear.
//
// The capacity is any number: home = hash * capacity / 2^32, so the table grows by half instead of doubling,
// and a slot costs 10 to 15 bytes an entry instead of 10 to 20. And it makes a home an interval of hashes: in a
// table so large that fourteen bits tell the hashes of one interval apart, place and fragment are the hash, and
// growing reads no entry.
//
// A table of which less than an eighth is in use is sparse: a loop over it, or a search for any entry, would cost
// what it once held instead of what it holds. It moves into one with twice the room that it needs, so that as many
// stores or erasures pay for each move as it moves entries. What reserve() has asked for stays.
//
// Nothing here runs user code, allocates under a lock, or (but for capacities that no memory could hold) throws:
// room is made outside (slots) and swapped in.

#include <weakref/detail/entry.hpp>

#include <boost/container/options.hpp>
#include <boost/container/vector.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>

namespace weakref {
inline namespace v0 {
namespace detail {

using slot = std::uint64_t;
static_assert(sizeof(void*) <= 8);

// Entries are aligned to eight bytes, and the addresses of user space have 48 bits: on AArch64 all of them, on x86-64
// one less unless a program asks for more (then storing throws address_error). Where the top byte carries a tag
// every address would be refused, or lose its tag.
#if (defined(__ANDROID__) && defined(__aarch64__)) || defined(__ARM_FEATURE_MEMORY_TAGGING) ||               \
    defined(__SANITIZE_HWADDRESS__)
#define WEAKREF_TAGGED_ADDRESSES
#elif defined(__has_feature)
#if __has_feature(hwaddress_sanitizer) || __has_feature(memtag_heap)
#define WEAKREF_TAGGED_ADDRESSES
#endif
#endif
#if defined(WEAKREF_TAGGED_ADDRESSES)
#error "weakref: this platform tags the top byte of an address, and the containers' tables keep 48 bits"
#endif
inline constexpr slot address_mask = 0x0000'ffff'ffff'fff8;

inline entry* entry_of(slot s) noexcept {
  return reinterpret_cast<entry*>(static_cast<std::uintptr_t>(s & address_mask));
}
/// Whether the table can hold this address.
inline bool fits_slot(const void* address) noexcept {
  return (reinterpret_cast<std::uintptr_t>(address) & ~address_mask) == 0;
}
[[noreturn]] WEAKREF_API void throw_address_beyond_slots(const void* address);
[[noreturn]] WEAKREF_API void throw_too_many_entries();

template <class Allocator> class table {
 public:
  // Its sizes are stored in four bytes each: a table with its shard fits a cache line.
  using slots_type = boost::container::vector<
      slot, typename std::allocator_traits<Allocator>::template rebind_alloc<slot>,
      boost::container::vector_options_t<boost::container::stored_size<std::uint32_t>>>;
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
  static constexpr std::uint32_t max_capacity = none; // its last index is one less

  explicit table(const Allocator& allocator, unsigned shard_bits = 0) noexcept
      : slots_(typename slots_type::allocator_type(allocator)),
        shard_bits_(static_cast<std::uint8_t>(shard_bits)) {}

  /// May be asked without the lock.
  std::uint32_t size() const noexcept { return size_.load(std::memory_order_relaxed); }
  /// Another number after each change: what was found before is still so, if this is.
  std::uint64_t changes() const noexcept { return changes_; }
  std::uint32_t capacity() const noexcept { return static_cast<std::uint32_t>(slots_.size()); }
  bool has_room() const noexcept { return size() < limit(capacity()); }
  /// So full, after a sweep, that it should grow all the same: the next sweep must be many stores away.
  bool is_crowded() const noexcept { return size() >= limit(capacity()) - limit(capacity()) / 8; }

  /// Slots for at least this many entries; at most four of five are ever in use.
  /// Throws: std::length_error for more than a table can hold.
  static std::uint32_t capacity_for(std::uint64_t entries) {
    if (entries > max_capacity || entries + entries / 4 >= max_capacity) throw_too_many_entries();
    return static_cast<std::uint32_t>(std::max<std::uint64_t>(4, entries + entries / 4 + 1));
  }
  /// No more than max_capacity, also of a table that has it already.
  std::uint32_t grown_capacity() const noexcept {
    const std::uint64_t present = capacity();
    const std::uint64_t grown = present < 64 ? 2 * present : present + present / 2;
    return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(grown, 6, max_capacity));
  }

  /// So empty that a smaller one should take its place. A small one never is: its memory is nothing.
  bool is_sparse() const noexcept {
    return capacity() > std::max(reserved_, largest_small) && size() < capacity() / 8;
  }
  /// Sparse, and all that it has can go.
  bool is_vacated() const noexcept { return size() == 0 && reserved_ == 0 && capacity() > largest_small; }
  /// For a sparse one: with room for as many entries again. 0 for none.
  std::uint32_t shrunk_capacity() const noexcept {
    if (size() == 0 && reserved_ == 0) return 0;
    return std::max(reserved_, std::max(4U, 2 * size() + size() / 2 + 1));
  }
  /// With room for what it holds and no more.
  std::uint32_t fitting_capacity() const noexcept {
    return size() == 0 ? 0 : std::max(4U, size() + size() / 4 + 1);
  }
  /// From now on the table has, and keeps, this capacity at least; 0: whatever it needs.
  void keep_capacity(std::uint32_t least) noexcept { reserved_ = least; }
  std::uint32_t kept_capacity() const noexcept { return reserved_; }

  /// Where a search ended: at the entry that it was for, or where that would have to go.
  struct place {
    entry* found = nullptr;
    std::uint32_t index = none;
    std::uint32_t distance = 0;
  };

  /// Where the entry is that matches. `match(entry&)` is asked about entries with this hash; it may be
  /// user code, and must change nothing here.
  template <class Match> place find(std::uint32_t hash, Match&& match) const {
    return probe(hash, [&](slot seen) { return entry_of(seen)->hash == hash && match(*entry_of(seen)); });
  }
  /// The index of this very entry, or none. Reads no other.
  std::uint32_t find_entry(const entry& wanted) const noexcept {
    const place end = probe(wanted.hash, [&](slot seen) { return entry_of(seen) == &wanted; });
    return end.found == nullptr ? none : end.index;
  }

  entry& operator[](std::uint32_t index) const noexcept { return *entry_of(slots_[index]); }
  bool is_empty(std::uint32_t index) const noexcept { return slots_[index] == 0; }

  /// Needs room, and an entry that is not in the table.
  void insert(entry& added) noexcept { insert(added.hash, address_bits(added) | fragment_of(added.hash)); }
  /// The same where a search for it ended in vain, if nothing has changed since.
  void insert(const place& end, entry& added) noexcept {
    if (end.distance >= saturated) return insert(added); // the search saw no difference among the saturated
    insert_at(end.index, end.distance, address_bits(added) | fragment_of(added.hash));
  }

  /// Puts another entry with the same hash in place of the one there.
  void replace(std::uint32_t index, entry& added) noexcept {
    ++changes_;
    slots_[index] = (slots_[index] & ~address_mask) | address_bits(added);
  }

  void erase(std::uint32_t index) noexcept {
    ++changes_;
    set_size(size() - 1);
    const std::uint32_t end = capacity();
    for (;;) {
      const std::uint32_t next = index + 1 == end ? 0 : index + 1;
      if (slots_[next] == 0) break;
      const std::uint32_t distance = true_distance(next);
      if (distance == 1) break;
      slots_[index] = distance > saturated ? slots_[next] : slots_[next] - one_step;
      index = next;
    }
    slots_[index] = 0;
  }

  /// Moves the entries to these (empty, and enough) slots, which hold the old ones afterwards.
  void rehash(slots_type& slots) noexcept {
    ++changes_;
    slots_.swap(slots);
    set_size(0);
    const auto former = static_cast<std::uint32_t>(slots.size());
    const bool is_told = tells_hashes(former);
    constexpr std::uint32_t ahead = 8; // entries lie anywhere: ask for their hashes in time
    for (std::uint32_t i = 0; i < former; ++i) {
      if (!is_told && i + ahead < former) __builtin_prefetch(entry_of(slots[i + ahead]));
      if (slots[i] == 0) continue;
      const std::uint32_t distance = distance_of(slots[i]);
      const std::uint32_t hash =
          is_told && distance < saturated
              ? told_hash((i + 1 >= distance ? i + 1 : i + 1 + former) - distance, former, slots[i])
              : entry_of(slots[i])->hash;
      insert(hash, slots[i] & (address_mask | fragment_mask));
    }
  }

  /// Hands everything out: slots and, in them, the entries. What was asked to be kept goes too.
  void take_all(slots_type& slots) noexcept {
    give_up(slots);
    set_size(0);
    reserved_ = 0;
  }
  /// The same, for the last time: size() stays for who still asks.
  void give_up(slots_type& slots) noexcept {
    ++changes_;
    slots_.swap(slots);
  }

 private:
  static constexpr unsigned distance_shift = 59;
  static constexpr std::uint32_t saturated = 31;
  static constexpr slot one_step = slot{1} << distance_shift;
  static constexpr unsigned fragment_bits = 14;
  static constexpr slot fragment_mask = 0x07ff'0000'0000'0007;
  static constexpr std::uint32_t largest_small = 64;

  void set_size(std::uint32_t size) noexcept { size_.store(size, std::memory_order_relaxed); }
  static std::uint32_t limit(std::uint32_t capacity) noexcept {
    return static_cast<std::uint32_t>(std::uint64_t{capacity} * 4 / 5);
  }

  static std::uint32_t distance_of(slot s) noexcept {
    return static_cast<std::uint32_t>(s >> distance_shift);
  }
  static slot address_bits(const entry& of) noexcept { return reinterpret_cast<std::uintptr_t>(&of); }
  /// The fragment where it stands in a slot.
  static slot fragment_of(std::uint32_t hash) noexcept {
    return ((slot{hash} << 45) & (fragment_mask & ~slot{7})) | (hash & 7U);
  }

  template <class Test> place probe(std::uint32_t hash, Test&& test) const {
    if (slots_.empty()) return {};
    const slot* const slots = slots_.data();
    const std::uint32_t end = capacity();
    std::uint32_t at = home(hash);
    const slot fragment = fragment_of(hash);
    for (slot distance = one_step;;) {
      const slot seen = slots[at];
      if ((seen & ~address_mask) == (distance | fragment)) {
        if (test(seen)) return {entry_of(seen), at, 0};
      } else if (seen < distance) {
        return {nullptr, at, distance_of(distance)};
      }
      if (distance < saturated * one_step) distance += one_step;
      if (++at == end) at = 0;
    }
  }

  /// `added` without its distance.
  void insert(std::uint32_t hash, slot added) noexcept {
    const std::uint32_t end = capacity();
    std::uint32_t at = home(hash);
    std::uint32_t distance = 1;
    while (true_distance(at) >= distance) { // 0 for an empty slot
      ++distance;
      if (++at == end) at = 0;
    }
    insert_at(at, distance, added);
  }
  /// Those there move on.
  void insert_at(std::uint32_t at, std::uint32_t distance, slot added) noexcept {
    ++changes_;
    set_size(size() + 1);
    const std::uint32_t end = capacity();
    slot carried = added | std::min(distance, saturated) * one_step;
    while (slots_[at] != 0) {
      std::swap(carried, slots_[at]);
      if (distance_of(carried) < saturated) carried += one_step;
      if (++at == end) at = 0;
    }
    slots_[at] = carried;
  }

  /// Whether no two hashes that have one home in a table of this capacity have the same fragment.
  bool tells_hashes(std::uint32_t capacity) const noexcept {
    return (std::uint64_t{capacity} << fragment_bits) >= std::uint64_t{1} << (32 - shard_bits_);
  }
  /// The hash (but for the bits that chose the shard) that has this home in such a table, and this slot's fragment.
  std::uint32_t told_hash(std::uint32_t at_home, std::uint32_t capacity, slot s) const noexcept {
    constexpr std::uint64_t unit = std::uint64_t{1} << fragment_bits;
    const std::uint64_t first = ((std::uint64_t{at_home} << (32 - shard_bits_)) + capacity - 1) / capacity;
    const std::uint64_t hash = (first & ~(unit - 1)) | ((s >> 45) & (unit - 8)) | (s & 7);
    return static_cast<std::uint32_t>(hash >= first ? hash : hash + unit);
  }

  // The upper bits of the hash have chosen the shard; the next ones choose the slot.
  std::uint32_t home(std::uint32_t hash) const noexcept {
    return static_cast<std::uint32_t>((std::uint64_t{hash << shard_bits_} * slots_.size()) >> 32);
  }
  std::uint32_t true_distance(std::uint32_t at) const noexcept {
    const std::uint32_t stored = distance_of(slots_[at]);
    if (stored < saturated) return stored;
    const std::uint32_t from = home((*this)[at].hash);
    return (at >= from ? at - from : at + capacity() - from) + 1;
  }

  slots_type slots_;
  std::uint64_t changes_ = 0;
  std::atomic<std::uint32_t> size_{0}; // written under the lock
  std::uint32_t reserved_ = 0;         // slots it keeps, however few it needs
  std::uint8_t shard_bits_;
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
