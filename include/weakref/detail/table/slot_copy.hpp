// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_TABLE_SLOT_COPY_HPP
#define WEAKREF_DETAIL_TABLE_SLOT_COPY_HPP

// Iteration, while everything may change: the reader goes through a copy of a table's slots, and whoever changes the
// table changes the copy. So no entry is touched, and no lock taken, before its turn comes, and at its turn the reader
// knows without a lock that the entry is in the table.
//
// The copy is kept alive by its reader, a cursor, and hangs in the table's list. It has the table's shape, as it was at
// the moment of the copy, and an entry is found in it as in the table then: by its hash, displaced or not.
//
// The reader:
//
//   1  With no lock, makes room for a copy.
//   2  Under the shard's lock: is the room still enough? If not, back to 1. Copies the groups and enters the list.
//   3  For each slot, with no lock: reads which entry is there, writes it into `current`, reads the slot again. The same
//      entry: claimed. Another one: again, with that. None: it was taken out, on to the next slot.
//   4  Locks the claimed entry's weak_ptr. Dead: if another entry is in the slot by now, back to 3 with that one, for its
//      key has been there all the time.
//   5  Lets the entry go by writing the next one, or nobody, into `current`. What it finds there says whether the former
//      one was pinned for it meanwhile; then the pin is its to drop.
//   6  At the end of the slots, or earlier: lets go, leaves the list under the lock, and only then frees the copy.
//
// Who takes an entry out of the table, under the shard's lock, does for each copy in its list:
//
//   a  Finds the entry's slot there. None: the entry came later, or has been crossed out.
//   b  Crosses it out; or, if another entry takes its place in the table, writes that one into the slot.
//   c  Reads `current`. If it is this entry: pins it for the reader and says so in `current`. If the reader has gone on
//      between the two, takes the pin back.
//
// The split of a container moves entries from the first shard to others, with other locks:
//
//   d  Under the first shard's lock, before anybody can find the other ones: enters each of its copies in the lists of
//      all of them. (Room for so many links was made with the copy.) Now 6 has to leave all of these.
//
//   3          | b, c           | 3 writes `current` and reads the slot, b and c write the slot and read `current`, in one
//              |                | order for all (seq_cst): one at least sees the other. If both do, a pin was for nothing
//   5          | c              | both change `current` in one step: either c's fails, or 5 finds the pin
//   3          | b, twice       | each of the entries that `current` may name has its pin, or is named no more
//   4          | b, then the former one dies | who finds it dead sees what came before that: b (a fence, cursor.hpp)
//   4          | the entry dies | c's pin comes before the death drops its shares; and it leaves the weak_ptr of an entry
//              |                | alone that is being read (entry::is_read; core.hpp, discard_evicted)
//   a          | a new entry at the same address | the former one was crossed out, so the new one is not found; and
//              |                | while `current` names an entry that was taken out, its pin keeps the address
//   2          | a store        | the lock: in the copy, or not seen
//   6          | d              | the first shard's lock: before the split there is one list to leave, after it there
//              |                | are the others
//   d, c       | c in another shard | two entries, two slots; and `current` is one of them at most
//   6          | clear, the container's end | taking out, like any other; the cursor counts the core
//
// So each key that is in the table all the time is seen exactly once, also if its entry is replaced meanwhile: its slot
// names, at each moment, the entry that the table has, and the reader comes to it once.
//
// With null_mutex one thread is all of them, and nothing is atomic.

#include <weakref/detail/base/line_memory.hpp>
#include <weakref/detail/base/sync.hpp>
#include <weakref/detail/referent/entry.hpp>
#include <weakref/detail/table/groups.hpp>
#include <weakref/detail/table/slot.hpp>
#include <weakref/mutex.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>

namespace weakref {
inline namespace v0 {
namespace detail {

template <class Mutex> class slot_copy {
 public:
  /// What hangs in a list: one for the table that was copied, and one for each into which that one has split.
  struct link {
    slot_copy* copy;
    link* next;
  };

  slot_copy() noexcept = default;
  slot_copy(const slot_copy&) = delete;
  slot_copy& operator=(const slot_copy&) = delete;
  ~slot_copy() { free(); }

  /// Whether it can hold a table of so many groups that may split into so many.
  bool has_room(std::uint32_t groups, std::size_t tables) const noexcept {
    return lines(groups, tables) <= lines_;
  }
  /// Makes room, for a copy that is in no list. Throws: std::bad_alloc; then it has none.
  void make_room(std::uint32_t groups, std::size_t tables) { // 1
    free();
    words_ = reinterpret_cast<slot*>(memory::allocate(allocator(), lines(groups, tables) * line_bytes));
    lines_ = lines(groups, tables);
  }

  // --- under the lock of a shard ---------------------------------------------------------------------------

  /// Copies a table's groups and enters its list.
  void fill(const slot* words, std::uint32_t groups, unsigned shard_bits, link*& list) noexcept { // 2
    if (groups != 0) std::memcpy(words_, words, std::size_t{groups} * line_bytes);
    groups_ = groups;
    shard_bits_ = shard_bits;
    is_spread_ = false;
    own_ = {this, list};
    list = &own_;
  }
  /// Enters the list of the table with this number, one of those into which the copied one splits.
  void spread(link*& list, std::size_t number) noexcept { // d
    list = ::new (static_cast<void*>(&spread_links()[number])) link{this, list};
    is_spread_ = true;
  }
  /// Whether it is in the lists of such tables, and not in that of the copied one any more.
  bool is_spread() const noexcept { return is_spread_; }
  void leave(link*& list) noexcept { remove(list, own_); } // 6
  void leave_spread(link*& list, std::size_t number) noexcept { remove(list, spread_links()[number]); }

  /// The table has this entry no more, but perhaps another one with the same hash in its place.
  void replace(entry& gone, entry* successor) noexcept {
    slot* const at = find(gone); // a
    if (at == nullptr) return;
    store(*at, reinterpret_cast<std::uintptr_t>(successor)); // b
    sync::point(sync_point::unlocked);
    leave_to_reader(gone); // c
  }

  // --- the reader --------------------------------------------------------------------------------------------

  /// To the first slot of a new copy.
  void start() noexcept {
    group_ = words_;
    end_ = words_ + std::size_t{groups_} * words_per_group;
    for (std::ptrdiff_t ahead = 0; ahead < groups_ahead; ++ahead) prefetch(ahead);
    enter_group();
  }
  bool is_at_end() const noexcept { return group_ == end_; }
  /// To the next slot that was in use.
  [[gnu::always_inline]] void pass() noexcept {
    left_ &= left_ - 1;
    if (left_ != 0) return;
    group_ += words_per_group;
    enter_group();
  }
  const slot& place() const noexcept { return group_[1 + first_of(left_)]; }
  /// The address of the entry that is in this slot now; 0: none.
  static slot seen(const slot& place) noexcept { return load(place) & address_mask; }
  /// What seen() said is what the reader is on now, or 0. Returns the former one if that was pinned for the reader,
  /// who has to drop the pin.
  entry* announce(slot address) noexcept { // 3, 5
    sync::point(sync_point::unlocked);
    const slot former = exchange_current(address);
    sync::point(sync_point::unlocked);
    return (former & pinned) == 0 ? nullptr : entry_of(former);
  }

 private:
  using sync = sync_of<Mutex>;
  static constexpr bool is_local = std::is_base_of_v<null_mutex, Mutex>;
  // A loop allocates from the heap, whatever the container's allocator: it may run without end over one that stays as it
  // is, and an allocator that never gives anything back must not grow by that.
  using allocator = std::allocator<slot>;
  using memory = line_memory<allocator, slot_copy>;
  static constexpr slot pinned = 1; // in `current_`
  static constexpr std::ptrdiff_t groups_ahead = 2;

  static std::size_t lines(std::uint32_t groups, std::size_t tables) noexcept {
    return groups + (tables * sizeof(link) + line_bytes - 1) / line_bytes;
  }
  void free() noexcept {
    if (lines_ != 0) memory::deallocate(allocator(), words_, lines_ * line_bytes);
    lines_ = 0;
  }
  link* spread_links() const noexcept {
    return reinterpret_cast<link*>(words_ + std::size_t{groups_} * words_per_group);
  }
  static void remove(link*& list, link& gone) noexcept {
    link** at = &list;
    while (*at != &gone) at = &(*at)->next;
    *at = gone.next;
  }

  // The reader's and the writers' accesses to one slot, and to `current_`, are all sequentially consistent: on that the
  // first of the races rests. (That also orders what is in a new entry before it is read.)
  static slot load(const slot& from) noexcept {
    if constexpr (is_local) return from;
    return __atomic_load_n(&from, __ATOMIC_SEQ_CST);
  }
  static void store(slot& to, slot value) noexcept {
    if constexpr (is_local) {
      to = value;
    } else {
      __atomic_store_n(&to, value, __ATOMIC_SEQ_CST);
    }
  }
  slot exchange_current(slot address) noexcept {
    if constexpr (is_local) {
      const slot former = current_.load(std::memory_order_relaxed);
      current_.store(address, std::memory_order_relaxed);
      return former;
    } else {
      return current_.exchange(address, std::memory_order_seq_cst);
    }
  }

  /// Nobody searches here but while somebody iterates, so plainly. After a split others change other slots meanwhile.
  slot* find(const entry& wanted) const noexcept {
    if (groups_ == 0) return nullptr;
    const auto first = home_group(wanted.hash, groups_, shard_bits_);
    std::uint32_t at = first;
    do {
      slot* const group = words_ + std::size_t{at} * words_per_group;
      for (std::uint32_t i = 1; i < words_per_group; ++i) {
        if (entry_of(__atomic_load_n(&group[i], __ATOMIC_RELAXED)) == &wanted) return &group[i];
      }
      if (count_of_passed(*group, wanted.hash) == 0) break;
      at = at + 1 == groups_ ? 0 : at + 1;
    } while (at != first);
    return nullptr;
  }

  void leave_to_reader(entry& gone) noexcept {
    slot address = reinterpret_cast<std::uintptr_t>(&gone);
    if (current_.load(std::memory_order_seq_cst) != address) return;
    gone.pin();
    gone.shares.fetch_or(entry::is_read, std::memory_order_relaxed);
    sync::point(sync_point::unlocked);
    // release: the pin is there when the reader drops it. acquire, if the reader has gone on: its last look at the entry
    // is over when that is freed. The pin is not the last share then: the caller has the table's.
    if (!current_.compare_exchange_strong(address, address | pinned, std::memory_order_acq_rel,
                                          std::memory_order_acquire))
      gone.shares.fetch_sub(entry::one_share, std::memory_order_relaxed);
  }

  [[gnu::noinline]] void enter_group() noexcept {
    for (; group_ != end_; group_ += words_per_group) {
      prefetch(groups_ahead);
      left_ = *group_ & each_in_use; // the tags never change
      if (left_ != 0) return;
    }
  }
  /// The entries of a group so many groups from here: they lie anywhere.
  void prefetch(std::ptrdiff_t ahead) const noexcept {
    constexpr auto length = std::ptrdiff_t{words_per_group};
    if (end_ - group_ <= ahead * length) return;
    for (std::ptrdiff_t i = 1; i < length; ++i) {
      const entry* const coming = entry_of(__atomic_load_n(&group_[ahead * length + i], __ATOMIC_RELAXED));
      if (coming != nullptr) __builtin_prefetch(coming);
    }
  }

  slot* words_ = nullptr;
  std::size_t lines_ = 0; // that there is room for
  std::uint32_t groups_ = 0;
  unsigned shard_bits_ = 0;
  // The entry that the reader is on, and whether it is pinned for it.
  std::atomic<slot> current_{0};
  link own_{}; // both under the lock of the shard that was copied
  bool is_spread_ = false;
  // The reader's place: its group, and the tags of the slots from here on.
  const slot* group_ = nullptr;
  const slot* end_ = nullptr;
  slot left_ = 0;
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
