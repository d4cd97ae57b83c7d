// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_CONTAINER_AFTER_UNLOCK_HPP
#define WEAKREF_DETAIL_CONTAINER_AFTER_UNLOCK_HPP

// What an operation finds to be done while it holds a shard's lock, and may do only when it holds none: to destroy dead
// untracked entries, and to give back the room of a table that has become sparse. It says so to an `after_unlock`,
// which is declared before the `access` and so goes after the unlock.
//
// Nobody hears of the death of an untracked object, so its entry must be come across. Every operation on a shard that
// may hold such entries looks at the next two of them, and passes over no more than 64 empty slots on the way; each
// sixteenth also looks at 32 entries of another shard, each shard in its turn, since operations on one key would never
// come by the others. So n dead are gone after some n operations, of any kind and on any keys. (The reservation of a
// table that is nearly empty costs more: a thirty-second of its length.)
//
// Room is given back in four steps, two of them locked and short:
//
//   1  Under the lock, an operation that may allocate sees that the table is sparse.
//   2  After the unlock, under the lock again: is it still, and how much would do?
//   3  With no lock, allocate that. If that fails the table stays as it is.
//   4  Under the lock again: if the table is still sparse, and its entries fit, move them. The old slots are freed
//      after the unlock.
//
//   1, 3  | others store  | 4 sees that the entries don't fit, or that it is not sparse any more
//   2, 4  | a split       | the first shard's retired mark, as for everybody
//   4     | a search      | the table's count of changes, as at every rehash
//   4     | a rover       | begins where it stood; entries may be looked at twice in this round, or not
//   –     | an erasure    | may call an entry back past the rover: it is looked at in the next round (sweep() itself
//         |               | stops only where that can't be)
//
// A death allocates nothing, and so only lets go of the slots of a table that it leaves empty (core.hpp, evict).

#include <weakref/detail/base/sync.hpp>
#include <weakref/detail/referent/entry.hpp>

#include <cstdint>
#include <limits>
#include <utility>

namespace weakref {
inline namespace v0 {
namespace detail {

// Only the questions are inlined, and what is to be done is written down only when there is something: an operation
// that finds nothing pays for one flag.
template <class Core, class Node> class after_unlock {
  using shard = typename Core::shard;

 public:
  static constexpr std::uint32_t entries_per_operation = 2;
  static constexpr std::uint32_t slots_per_operation = 64;
  static constexpr std::uint8_t operations_per_help = 16; // a power of two
  static constexpr std::uint32_t entries_per_help = operations_per_help * entries_per_operation;
  static constexpr std::uint32_t slots_per_help = operations_per_help * slots_per_operation;

  explicit after_unlock(Core& container) noexcept : container_(container) {}
  [[gnu::always_inline]] ~after_unlock() {
    if (is_wanted_) [[unlikely]]
      finish(container_, work_);
  }
  after_unlock(const after_unlock&) = delete;
  after_unlock& operator=(const after_unlock&) = delete;

  // All of these under the shard's lock.

  /// What every operation does for its shard.
  [[gnu::always_inline]] void tidy(shard& locked) noexcept {
    if (locked.may_hold_dead) [[unlikely]]
      sweep_some(wanted(), locked);
  }
  /// And those that may allocate.
  [[gnu::always_inline]] void tidy_and_shrink(shard& locked) noexcept {
    tidy(locked);
    shrink(locked);
  }
  /// Gives room back, if the table is sparse.
  [[gnu::always_inline]] void shrink(shard& locked) noexcept {
    if (locked.entries.is_sparse()) [[unlikely]]
      wanted().sparse = &locked;
  }

  /// An untracked entry was stored. From the container's first one on the operations on all shards look for the dead, for
  /// those of one that holds none must help the others.
  void expect_dead(shard& locked) noexcept {
    if (locked.may_hold_dead) [[likely]]
      return;
    locked.may_hold_dead = true;
    wanted().is_first = true;
  }

  /// Takes out all the dead.
  void sweep_all(shard& locked) noexcept {
    take_dead(wanted(), locked, std::numeric_limits<std::uint32_t>::max(), locked.entries.index_end());
  }
  /// Takes the entry there out if nobody else will: it is untracked, and its object is dead. Says whether it was.
  bool take_if_dead(shard& locked, std::uint32_t index) noexcept {
    if (!is_dead(static_cast<Node&>(locked.entries[index]))) return false;
    take(wanted(), locked, index);
    return true;
  }

 private:
  struct work {
    entry* dead;   // chained by `next`
    shard* sparse; // perhaps
    bool helps;
    bool is_first; // untracked entry of this shard
  };
  work& wanted() noexcept {
    if (!is_wanted_) work_ = {nullptr, nullptr, false, false};
    is_wanted_ = true;
    return work_;
  }

  [[gnu::noinline]] static void sweep_some(work& found, shard& locked) noexcept {
    take_dead(found, locked, entries_per_operation, slots_per_operation);
    found.helps = ++locked.sweeps % operations_per_help == 0;
    if (locked.entries.is_vacated()) found.sparse = &locked; // given back without an allocation
  }
  // What moves into the slot of one that was taken out is looked at for free: its store has paid for it.
  [[gnu::noinline]] static void take_dead(work& found, shard& locked, std::uint32_t entries,
                                          std::uint32_t slots) noexcept {
    while (entries != 0 && slots != 0 && locked.entries.size() != 0) {
      if (locked.rover >= locked.entries.index_end()) locked.rover = 0;
      if (!locked.entries.is_empty(locked.rover)) {
        if (is_dead(static_cast<Node&>(locked.entries[locked.rover]))) {
          take(found, locked, locked.rover);
          continue;
        }
        --entries;
      }
      ++locked.rover;
      --slots;
    }
  }
  static bool is_dead(Node& seen) noexcept {
    return seen.is(entry::untracked) && detail::is_expired<typename Core::sync>(seen.weak());
  }
  static void take(work& found, shard& locked, std::uint32_t index) noexcept {
    entry& taken = locked.entries[index];
    locked.entries.erase(index);
    locked.counters.eviction();
    taken.next = std::exchange(found.dead, &taken);
  }

  // And this after the unlock; what may run user code comes last.
  [[gnu::noinline]] static void finish(Core& container, work& found) noexcept {
    if (found.sparse != nullptr) container.shrink(*found.sparse);
    if (found.helps) help(container, found);
    if (found.is_first) expect_dead_everywhere(container);
    while (found.dead != nullptr) {
      Node& gone = static_cast<Node&>(*found.dead);
      found.dead = static_cast<entry*>(gone.next);
      Core::release_untracked(gone, &container);
    }
  }
  static void help(Core& container, work& found) noexcept {
    shard* const other = container.all_shards().next_in_turn();
    if (other == nullptr) return;
    bool is_vacated = false;
    {
      const typename Core::template access<false> locked(container, *other);
      take_dead(found, *other, entries_per_help, slots_per_help);
      is_vacated = other->entries.is_vacated();
    }
    if (is_vacated) container.shrink(*other);
  }
  static void expect_dead_everywhere(Core& container) noexcept {
    container.all_shards().for_each([&container](shard& each) {
      const typename Core::template access<false> locked(container, each);
      if (!each.is_retired) each.may_hold_dead = true;
    });
  }

  Core& container_;
  bool is_wanted_ = false;
  work work_; // if anything is
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
