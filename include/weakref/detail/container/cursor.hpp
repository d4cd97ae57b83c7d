// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_CONTAINER_CURSOR_HPP
#define WEAKREF_DETAIL_CONTAINER_CURSOR_HPP

// Iteration while everything may change, shard by shard, each over a copy of its table's slots: slot_copy.hpp says how,
// and what everybody else does for it; the numbers here are its steps. Only the current referent is held strongly, and
// only the current entry has a node that others must leave alone.
//
// A container that splits after its first shard was copied is complete with that shard: what stays was in it.
//
// Where a cursor stands lies in memory of its own, so that an iteration that is given up inside user code under
// some container's lock can be ended later: letting a node go may destroy its key and value.

#include <weakref/detail/container/operations.hpp>
#include <weakref/detail/table/slot_copy.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace weakref {
inline namespace v0 {
namespace detail {

template <class Node, class Core> class cursor_position final : public put_off_work {
 public:
  using owner_type = typename Core::owner_type;

  explicit cursor_position(Core& of) noexcept : container(of), is_split_(container.all_shards().count() > 1) {
    container.add_ref();
  }

  void finish() noexcept override { delete this; }

  /// To the next living entry; false at the end. Lets the current one go, which may run user code.
  /// Throws: std::bad_alloc.
  bool advance() {
    let_owner_go();
    if (node != nullptr) copy_.pass();
    return find();
  }
  /// The same from an entry that has left its table before it was shown: perhaps another one is in its place.
  bool advance_from_gone() {
    let_owner_go();
    return find();
  }

  Core& container;
  Node* node = nullptr; // claimed
  owner_type owner;

 private:
  using sync = typename Core::sync;
  using shard = typename Core::shard;
  using shard_types = typename Core::shards_type;
  enum class copying { done, retired, more_room };

  ~cursor_position() {
    let_owner_go();
    leave();
    container.drop_ref();
  }

  /// From this slot on.
  bool find() {
    container.all_shards().check_thread();
    node = nullptr;
    for (;;) {
      for (; !copy_.is_at_end(); copy_.pass()) {
        if (hold()) return true;
      }
      leave();
      if (!copy_next_shard()) return false;
    }
  }
  /// Claims what is in this slot, and its referent.
  [[gnu::always_inline]] bool hold() noexcept {
    const slot& place = copy_.place();
    for (slot seen = copy_.seen(place); seen != 0;) {
      announce(seen); // 3
      const slot again = copy_.seen(place);
      if (again != seen) [[unlikely]] {
        seen = again;
        continue;
      }
      Node& claimed = static_cast<Node&>(*entry_of(seen));
      owner = detail::lock_owner<sync>(claimed.weak()); // 4
      if (owner != nullptr) [[likely]] {
        node = &claimed;
        return true;
      }
      // Nobody else hears of its death.
      if (claimed.is(entry::untracked)) (void)detail::owner_if_present(container, claimed);
      // A look at the count that finds nobody need not be in any order with the next one at the slot, and the object may
      // have died because another one took its place.
      if constexpr (!shard_types::is_local) detail::acquire_fence();
      const slot now = copy_.seen(place);
      if (now == seen) break;
      seen = now;
    }
    return false;
  }
  void announce(slot next) noexcept {
    if (entry* const pinned = copy_.announce(next)) [[unlikely]]
      unpin(*pinned);
  }
  [[gnu::noinline]] void unpin(entry& pinned) noexcept { container.unpin(static_cast<Node&>(pinned)); }
  void let_owner_go() noexcept {
    // The node later: the key is still valid while the referent's destructor runs.
    if (node != nullptr) detail::release_owner<sync>(owner);
  }

  bool copy_next_shard() {
    auto& shards = container.all_shards();
    for (;;) {
      if (shard_ == (is_split_ ? shards.count() : 1)) return false;
      std::uint32_t groups = 0;
      const std::size_t tables = is_split_ ? 0 : shards.count_after_split();
      const copying outcome = copy(shards.at(is_split_, shard_), tables, groups);
      if (outcome == copying::done) {
        ++shard_;
        copy_.start();
        return true;
      }
      if (outcome == copying::retired) {
        is_split_ = true;
      } else {
        copy_.make_room(groups, tables); // 1
      }
    }
  }
  copying copy(shard& chosen, std::size_t tables, std::uint32_t& groups) {
    after_unlock<Core, Node> after(container);
    const typename Core::template access<false> locked(container, chosen);
    if (locked->is_retired) return copying::retired;
    groups = locked->entries.slots().count();
    if (!copy_.has_room(groups, tables)) return copying::more_room;
    after.tidy_and_shrink(chosen);
    locked->entries.copy_to(copy_); // 2
    copied_ = &chosen;
    return copying::done;
  }

  void leave() noexcept { // 6
    if (copied_ == nullptr) return;
    announce(0);
    bool is_spread = false;
    {
      const typename Core::template access<false> locked(container, *copied_);
      is_spread = copy_.is_spread();
      if (!is_spread) locked->entries.let_go(copy_);
    }
    for (std::size_t i = 0; is_spread && i < container.all_shards().count(); ++i) {
      const typename Core::template access<false> locked(container, container.all_shards().at(true, i));
      locked->entries.let_go(copy_, i);
    }
    copied_ = nullptr;
  }

  typename Core::table_type::copy_type copy_;
  shard* copied_ = nullptr; // in whose list the copy is
  std::size_t shard_ = 0;
  bool is_split_;
};

template <class Node, class Core> class cursor {
  using position = cursor_position<Node, Core>;

 public:
  using owner_type = typename Core::owner_type;

  cursor() = default;
  /// On the first entry. `container` may be null: nothing to see.
  explicit cursor(Core* container) {
    if (container == nullptr) return;
    position_.reset(new position(*container));
    advance();
  }

  bool is_at_end() const noexcept { return position_ == nullptr; }
  Node& node() const noexcept { return *position_->node; }
  const owner_type& owner() const noexcept { return position_->owner; }
  owner_type take_owner() noexcept { return std::move(position_->owner); }
  Core* container() const noexcept { return &position_->container; }

  /// To the next living entry. Lets the current one go, which may run user code.
  /// Throws: std::bad_alloc; std::logic_error under a container's lock.
  void advance() {
    check_not_under_lock();
    if (!position_->advance()) position_.reset();
  }
  /// The same from an entry that has left its table before it was shown: to the one in its place, or the next.
  void advance_from_gone() {
    if (!position_->advance_from_gone()) position_.reset();
  }

 private:
  struct end {
    void operator()(position* over) const noexcept { over->run_outside_locks(); }
  };
  std::unique_ptr<position, end> position_;
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
