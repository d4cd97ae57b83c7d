// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_TABLE_TABLE_HPP
#define WEAKREF_DETAIL_TABLE_TABLE_HPP

// The index over entries: open addressing in groups of seven slots, each group a cache line.
//
//    63    60 59    56 55            48      15             8 7              0
//   +--------+--------+----------------+- - -+----------------+----------------+
//   | odd    | even   | tag of slot 6  |     | tag of slot 1  | tag of slot 0  |   then the seven slots (slot.hpp)
//   +--------+--------+----------------+- - -+----------------+----------------+
//
// A tag is the lowest seven bits of the entry's hash and one that says that the slot is in use: one look at the word says
// which slots may hold an entry, and which are empty. `odd` and `even` count the entries, with an odd hash or an even one,
// that have passed this group because it was full; 15 stands for all from 15 on. So a search reads one line, unless
// somebody of its own kind has passed.
//
// Everything rests on one rule: **all groups between an entry's home and the entry are full.** Insertion keeps it by
// taking the first empty slot. Erasure keeps it by calling somebody back: if others have passed the group, the nearest of
// them takes the slot, and leaves a gap farther on, where the same is asked. There are no tombstones, so churn leaves no
// trace (benchmarks/turnover.cpp, three quarters full: after ten turnovers without the calls 27 % of the entries lie away from
// home instead of 7 %, and a miss reads 4.4 lines instead of 1.4). With the rule a group that has a gap was passed by
// nobody, and its counts, however far they had saturated, are 0 again.
//
// The number of groups is any number: home = hash * groups / 2^32, so the table grows by half instead of doubling, and a
// slot costs 12 to 18 bytes an entry. And it makes a home an interval of hashes: in a table so large that tag and
// fragment tell the hashes of one interval apart, the place is the hash, and growing reads no entry.
//
// At most three quarters of the slots are in use: at four fifths a miss would read 1.7 lines instead of 1.4.
//
// A table of which less than an eighth is in use is sparse: a loop over it, or a search for any entry, would cost
// what it once held instead of what it holds. It moves into one with twice the room that it needs, so that as many
// stores or erasures pay for each move as it moves entries. What reserve() has asked for stays.
//
// Nothing here runs user code, allocates under a lock, or (but for capacities that no memory could hold) throws:
// room is made outside (slots) and swapped in.

#include <weakref/detail/referent/entry.hpp>
#include <weakref/detail/table/groups.hpp>
#include <weakref/detail/table/slot_copy.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace weakref {
inline namespace v0 {
namespace detail {

[[noreturn]] WEAKREF_API void throw_too_many_entries();

/// `Mutex` is what guards it: by that copies know what others may do meanwhile.
template <class Allocator, class Mutex = null_mutex> class table {
 public:
  using copy_type = slot_copy<Mutex>;
  using slots_type = groups<Allocator>;
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
  static constexpr std::uint32_t max_capacity = (none / words_per_group) * slots_per_group;

  explicit table(const Allocator& allocator, unsigned shard_bits = 0) noexcept
      : slots_(allocator), shard_bits_(static_cast<std::uint8_t>(shard_bits)) {}

  /// May be asked without the lock.
  std::uint32_t size() const noexcept { return size_.load(std::memory_order_relaxed); }
  /// Another number after each change: what was found before is still so, if this is.
  std::uint64_t changes() const noexcept { return changes_; }
  /// Slots; a multiple of a group's, as all capacities are.
  std::uint32_t capacity() const noexcept { return slots_.capacity(); }
  /// An index is below this, and not each is a slot's: the others are always empty.
  std::uint32_t index_end() const noexcept { return slots_.count() * words_per_group; }
  const slots_type& slots() const noexcept { return slots_; }
  bool has_room() const noexcept { return size() < limit(capacity()); }
  /// So full, after a sweep, that it should grow all the same: the next sweep must be many stores away.
  bool is_crowded() const noexcept { return size() >= limit(capacity()) - limit(capacity()) / 8; }

  /// Slots for at least this many entries.
  /// Throws: std::length_error for more than a table can hold.
  static std::uint32_t capacity_for(std::uint64_t entries) {
    if (entries > limit(max_capacity)) throw_too_many_entries();
    return needed(std::max<std::uint64_t>(1, entries));
  }
  /// None if it has the largest already.
  std::uint32_t grown_capacity() const noexcept {
    if (capacity() == max_capacity) return none;
    const std::uint64_t present = slots_.count();
    const std::uint64_t grown = present < 8 ? 2 * present : present + present / 2;
    return static_cast<std::uint32_t>(
        std::clamp<std::uint64_t>(grown * slots_per_group, slots_per_group, max_capacity));
  }

  /// So empty that a smaller one should take its place. A small one never is: its memory is nothing.
  bool is_sparse() const noexcept {
    return capacity() > std::max(reserved_, largest_small) && size() < capacity() / 8;
  }
  /// Sparse, and all that it has can go.
  bool is_vacated() const noexcept { return size() == 0 && reserved_ == 0 && capacity() > largest_small; }
  /// For a sparse one: with room for as many entries again. 0 for none.
  std::uint32_t shrunk_capacity() const noexcept { return std::max(reserved_, needed(2ULL * size())); }
  /// With room for what it holds and no more.
  std::uint32_t fitting_capacity() const noexcept { return needed(size()); }
  /// From now on the table has, and keeps, this capacity at least; 0: whatever it needs.
  void keep_capacity(std::uint32_t least) noexcept { reserved_ = least; }
  std::uint32_t kept_capacity() const noexcept { return reserved_; }

  /// An entry that a search has found, and where; or nobody. Two words of eight bytes, or it would be written in parts,
  /// read as a whole, and waited for.
  struct place {
    entry* found = nullptr;
    std::size_t index = none;
  };

  /// Where the entry is that matches. `match(entry&)` is asked about entries with this hash; it may be
  /// user code, and must change nothing here.
  template <class Match> place find(std::uint32_t hash, Match&& match) const {
    return probe(hash, [&](slot seen) { return entry_of(seen)->hash == hash && match(*entry_of(seen)); });
  }
  /// The index of this very entry, or none. Reads no other.
  std::uint32_t find_entry(const entry& wanted) const noexcept {
    return static_cast<std::uint32_t>(
        probe(wanted.hash, [&](slot seen) { return entry_of(seen) == &wanted; }).index);
  }

  entry& operator[](std::size_t index) const noexcept { return *entry_of(word(index)); }
  /// Whether a group begins here, and what lies from here on will not be moved to before it.
  bool is_divide(std::uint32_t index) const noexcept {
    return index % words_per_group == 0 && (tags(group_of(index) - 1) & counts_mask) == 0;
  }
  bool is_empty(std::size_t index) const noexcept { return index % words_per_group == 0 || word(index) == 0; }

  /// Needs room, and an entry that is not in the table.
  void insert(entry& added) noexcept {
    ++changes_;
    set_size(size() + 1);
    insert(added.hash, address_bits(added) | fragment_of(added.hash));
  }

  /// Puts another entry with the same hash in place of the one there.
  void replace(std::size_t index, entry& added) noexcept {
    ++changes_;
    change_copies((*this)[index], &added);
    word(index) = (word(index) & ~address_mask) | address_bits(added);
  }

  void erase(std::size_t index) noexcept {
    ++changes_;
    change_copies((*this)[index], nullptr);
    set_size(size() - 1);
    const std::uint32_t at = group_of(index);
    if (const std::uint32_t distance = true_distance(index); distance != 0) [[unlikely]]
      count_passed(at, distance, parity(index), -1);
    empty(index);
    if ((tags(at) & counts_mask) != 0) [[unlikely]]
      call_back(static_cast<std::uint32_t>(index));
  }

  /// Moves the entries to these (empty, and enough) slots, which hold the old ones afterwards.
  void rehash(slots_type& slots) noexcept {
    ++changes_;
    slots_.swap(slots);
    const bool is_told = tells_hashes(slots.count());
    constexpr std::uint32_t ahead = words_per_group; // entries lie anywhere: ask for their hashes in time
    const std::uint32_t end = slots.count() * words_per_group;
    const slot* const former = slots.words();
    for (std::uint32_t i = 0; i < end; ++i) {
      if (i % words_per_group == 0 || former[i] == 0) continue;
      if (!is_told && i + ahead < end) __builtin_prefetch(entry_of(former[i + ahead]));
      const auto distance = static_cast<std::uint32_t>(former[i] & distance_mask);
      const std::uint32_t hash =
          is_told && distance < saturated
              ? told_hash(back(i / words_per_group, distance, slots.count()), slots.count(), former[i],
                          former[i - i % words_per_group] >> tag_shift(i))
              : entry_of(former[i])->hash;
      insert(hash, former[i] & ~distance_mask);
    }
  }

  /// Hands everything out: slots and, in them, the entries. What was asked to be kept goes too.
  void take_all(slots_type& slots) noexcept {
    if (copies_ != nullptr && size() != 0) [[unlikely]]
      slots_.for_each([this](entry& each) { change_copies(each, nullptr); });
    ++changes_;
    slots_.swap(slots);
    set_size(0);
    reserved_ = 0;
  }
  /// The entries are in other tables now, and so are the copies: this one hands its slots out for the last time. size()
  /// stays for who still asks.
  void give_up(slots_type& slots) noexcept {
    ++changes_;
    slots_.swap(slots);
    copies_ = nullptr;
  }

  // Copies of the slots, for iteration: whatever leaves the table is crossed out there (slot_copy.hpp).

  void copy_to(copy_type& made) noexcept { made.fill(slots_.words(), slots_.count(), shard_bits_, copies_); }
  /// Another table splits into several, of which this is the one with this number: its copies are also this one's.
  void share_copies(const table& split, std::size_t number) noexcept {
    for (auto* each = split.copies_; each != nullptr; each = each->next) each->copy->spread(copies_, number);
  }
  void let_go(copy_type& left) noexcept { left.leave(copies_); }
  void let_go(copy_type& left, std::size_t number) noexcept { left.leave_spread(copies_, number); }

 private:
  static constexpr std::uint32_t largest_small = 64;
  static constexpr std::uint32_t saturated = 7; // a distance
  static constexpr unsigned tag_bits = 7;       // of the hash
  static constexpr slot in_use = 0x80;
  static constexpr slot ones = 0x0001'0101'0101'0101; // in the byte of each tag
  static constexpr slot counts_mask = 0xff00'0000'0000'0000;

  void change_copies(entry& gone, entry* successor) const noexcept {
    if (copies_ != nullptr) [[unlikely]]
      change_each_copy(gone, successor);
  }
  [[gnu::noinline]] void change_each_copy(entry& gone, entry* successor) const noexcept {
    for (auto* each = copies_; each != nullptr; each = each->next) each->copy->replace(gone, successor);
  }

  void set_size(std::uint32_t size) noexcept { size_.store(size, std::memory_order_relaxed); }
  static constexpr std::uint32_t limit(std::uint32_t capacity) noexcept { return capacity - capacity / 4; }
  /// The least capacity whose limit this is not beyond.
  static std::uint32_t needed(std::uint64_t entries) noexcept {
    auto capacity =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(entries * 4 / 3 / slots_per_group, max_capacity)) *
        slots_per_group;
    while (limit(capacity) < entries) capacity += slots_per_group;
    return capacity;
  }

  // -- One group, one slot ----------------------------------------------------------------------------------------------

  slot& word(std::size_t index) const noexcept { return slots_.words()[index]; }
  slot& tags(std::uint32_t group) const noexcept {
    return slots_.words()[std::size_t{group} * words_per_group];
  }
  static std::uint32_t group_of(std::size_t index) noexcept {
    return static_cast<std::uint32_t>(index / words_per_group);
  }
  /// Where the slot's tag lies in its group's word.
  static unsigned tag_shift(std::size_t index) noexcept {
    return static_cast<unsigned>(index % words_per_group - 1) * 8;
  }
  static slot tag_of(std::uint32_t hash) noexcept { return in_use | (hash & (in_use - 1)); }
  static slot address_bits(const entry& of) noexcept { return reinterpret_cast<std::uintptr_t>(&of); }
  static slot fragment_of(std::uint32_t hash) noexcept {
    if constexpr (fragment_bits == 0) {
      return 0;
    } else {
      return slot{hash >> tag_bits} << (64 - fragment_bits);
    }
  }
  void fill(std::uint32_t group, unsigned at, std::uint32_t hash, slot added) noexcept {
    tags(group) |= tag_of(hash) << (8 * at);
    slots_.words()[std::size_t{group} * words_per_group + 1 + at] = added;
  }
  void empty(std::size_t index) noexcept {
    word(index) = 0;
    tags(group_of(index)) &= ~(slot{0xff} << tag_shift(index));
  }

  // -- Who has passed ---------------------------------------------------------------------------------------------------

  /// The lowest bit of the hash of the entry there.
  std::uint32_t parity(std::size_t index) const noexcept {
    return static_cast<std::uint32_t>(tags(group_of(index)) >> tag_shift(index)) & 1;
  }
  std::uint32_t next(std::uint32_t group) const noexcept {
    return group + 1 == slots_.count() ? 0 : group + 1;
  }
  static std::uint32_t back(std::uint32_t group, std::uint32_t distance, std::uint32_t groups) noexcept {
    return group >= distance ? group - distance : group + groups - distance;
  }
  /// One more entry, or one less, has passed so many groups before this one. A count that stands for many stays.
  void count_passed(std::uint32_t group, std::uint32_t groups, std::uint32_t hash, int by) noexcept {
    const unsigned shift = passed_shift(hash);
    for (std::uint32_t at = back(group, groups, slots_.count()); at != group; at = next(at)) {
      const slot count = (tags(at) >> shift) & most_passed;
      if (count == most_passed) continue;
      tags(at) += static_cast<slot>(static_cast<std::int64_t>(by)) << shift;
    }
  }

  /// This slot is its group's only empty one, and the counts say that others have passed: the nearest comes back. Then
  /// the same for the slot that he leaves.
  [[gnu::noinline]] void call_back(std::uint32_t gap) noexcept {
    for (;;) {
      const std::uint32_t group = group_of(gap);
      const std::uint32_t from = find_passed(group);
      if (from == none) { // the counts stood for many, and they are gone
        tags(group) &= ~counts_mask;
        return;
      }
      const std::uint32_t former = group_of(from);
      const std::uint32_t distance = true_distance(from);
      const std::uint32_t nearer = former > group ? former - group : former + slots_.count() - group;
      const auto tag = static_cast<std::uint32_t>(tags(former) >> tag_shift(from)) & 0x7f;
      count_passed(former, nearer, tag, -1);
      fill(group, tag_shift(gap) / 8, tag,
           (word(from) & ~distance_mask) | std::min(distance - nearer, saturated));
      empty(from);
      if ((tags(former) & counts_mask) == 0) return;
      gap = from;
    }
  }
  /// The index of the nearest entry behind this group that has passed it, or none.
  std::uint32_t find_passed(std::uint32_t group) const noexcept {
    std::uint32_t passed = 1;
    for (std::uint32_t at = next(group); at != group; at = next(at), ++passed) {
      for (std::uint32_t i = 1; i < words_per_group; ++i) {
        const std::uint32_t index = at * words_per_group + i;
        const auto stored = static_cast<std::uint32_t>(word(index) & distance_mask);
        if (stored >= passed || (stored == saturated && true_distance(index) >= passed)) return index;
      }
      if ((tags(at) & counts_mask) == 0) break; // who had passed both would have been counted here
    }
    return none;
  }

  // -- Searching and inserting ------------------------------------------------------------------------------------------

  template <class Test> place probe(std::uint32_t hash, Test&& test) const {
    const std::uint32_t first = home(hash);
    const slot wanted = tag_of(hash) * ones;
    const slot fragment = fragment_of(hash);
    std::uint32_t at = first;
    do {
      const slot seen = tags(at);
      // A zero byte for each equal tag; the topmost bit of such a byte then. (It may be set behind an equal tag too.)
      const slot differing = seen ^ wanted;
      for (slot equal = (differing - ones) & ~differing & each_in_use; equal != 0; equal &= equal - 1) {
        const std::size_t index = std::size_t{at} * words_per_group + 1 + first_of(equal);
        const slot candidate = word(index);
        if ((candidate & fragment_mask) == fragment && test(candidate)) return {entry_of(candidate), index};
      }
      if (count_of_passed(seen, hash) == 0) [[likely]]
        break;
      at = next(at);
    } while (at != first);
    return {};
  }

  /// `added` without its distance.
  void insert(std::uint32_t hash, slot added) noexcept {
    std::uint32_t at = home(hash);
    slot free = ~tags(at) & each_in_use;
    if (free == 0) [[unlikely]] {
      std::uint32_t distance = 0;
      do {
        at = next(at);
        ++distance;
        free = ~tags(at) & each_in_use;
      } while (free == 0);
      count_passed(at, distance, hash, 1);
      added |= std::min(distance, saturated);
    }
    fill(at, first_of(free), hash, added);
  }

  /// Whether no two hashes that have one home in a table of so many groups have the same tag and fragment.
  bool tells_hashes(std::uint32_t groups) const noexcept {
    return (std::uint64_t{groups} << told_bits) >= std::uint64_t{1} << (32 - shard_bits_);
  }
  /// The hash (but for the bits that chose the shard) that has this home in such a table, this slot and this tag.
  std::uint32_t told_hash(std::uint32_t at_home, std::uint32_t groups, slot s, slot tag) const noexcept {
    constexpr std::uint64_t unit = std::uint64_t{1} << told_bits;
    const std::uint64_t first = ((std::uint64_t{at_home} << (32 - shard_bits_)) + groups - 1) / groups;
    std::uint64_t hash = (first & ~(unit - 1)) | (tag & (in_use - 1));
    if constexpr (fragment_bits != 0) hash |= (s >> (64 - fragment_bits)) << tag_bits;
    return static_cast<std::uint32_t>(hash >= first ? hash : hash + unit);
  }
  static constexpr unsigned told_bits = tag_bits + fragment_bits;

  std::uint32_t home(std::uint32_t hash) const noexcept {
    return home_group(hash, slots_.count(), shard_bits_);
  }
  std::uint32_t true_distance(std::size_t index) const noexcept {
    const auto stored = static_cast<std::uint32_t>(word(index) & distance_mask);
    if (stored < saturated) return stored;
    const std::uint32_t from = home((*this)[index].hash);
    const std::uint32_t at = group_of(index);
    return at >= from ? at - from : at + slots_.count() - from;
  }

  slots_type slots_;
  std::uint64_t changes_ = 0;
  typename copy_type::link* copies_ = nullptr;
  std::atomic<std::uint32_t> size_{0}; // written under the lock
  std::uint32_t reserved_ = 0;         // slots it keeps, however few it needs
  std::uint8_t shard_bits_;
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
