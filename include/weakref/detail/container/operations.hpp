// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_CONTAINER_OPERATIONS_HPP
#define WEAKREF_DETAIL_CONTAINER_OPERATIONS_HPP

// What the containers do, over any core: find, visit, put, take. Each locks one shard once (put: again after
// making room). The pattern throughout: what may run user code when it goes (owners, nodes) is declared
// before the `access`, and so goes after the unlock.

#include <weakref/detail/container/core.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace weakref {
inline namespace v0 {
namespace detail {

/// A node on its way into a table: bound to a referent by whoever made it. Released again if it is not
/// stored.
template <class Core, class Node> class new_entry {
 public:
  new_entry(Core& container, Node& made) noexcept : container_(container), node_(&made) {}
  /// A node that is bound already.
  new_entry(Core& container, Node& made, typename Core::owner_type owner) noexcept
      : container_(container), node_(&made), owner_(std::move(owner)) {}
  /// A node in the block of a new referent, whose first owner `own()` makes.
  template <class Own>
  new_entry(Core& container, Node& made, referent_header& header, Own&& own)
      : container_(container), node_(&made), owner_(std::forward<Own>(own)()) {
    container_.bind_first(made, owner_, header);
  }
  ~new_entry() {
    if (node_ == nullptr) return;
    if (owner_ == nullptr) {
      container_.destroy_unbound(*node_);
    } else {
      container_.release(*node_, &owner_);
    }
  }
  new_entry(const new_entry&) = delete;
  new_entry& operator=(const new_entry&) = delete;

  void bind(typename Core::owner_type owner, const tracking& where) noexcept {
    owner_ = std::move(owner);
    container_.bind(*node_, owner_, where);
  }
  /// Binds the node to another referent instead.
  void rebind(typename Core::owner_type owner, const tracking& where) noexcept {
    container_.unbind(*node_, owner_);
    bind(std::move(owner), where);
  }
  Node& node() const noexcept { return *node_; }
  const typename Core::owner_type& owner() const noexcept { return owner_; }
  void stored() noexcept { node_ = nullptr; }
  /// Of one that is stored.
  typename Core::owner_type take_owner() noexcept { return std::move(owner_); }

 private:
  Core& container_;
  Node* node_;
  typename Core::owner_type owner_;
};

// What a store, or a look-up, wants of an entry that it finds: a functor that is called under the lock, says
// whether the entry may be replaced, and takes along in `existing` what is to be known of one that stays. A
// dead entry is always replaced. `inserts` says whether the node may go where there is no entry,
// `runs_user_code` whether the functor does.

/// Keeps a living entry, and its referent's owner.
template <class Core, class Node> struct keep_owner {
  static constexpr bool inserts = true;
  static constexpr bool runs_user_code = false;
  typename Core::owner_type existing;

  bool operator()(Node& found) {
    existing = look(found);
    return existing == nullptr;
  }
  /// What look-ups want to know; empty of a dead one.
  static typename Core::owner_type look(Node& found) noexcept {
    return detail::lock_owner<typename Core::sync>(found.weak());
  }
  /// And of one that get_or_create has made: this much beforehand, since a copy may throw, and the rest.
  static typename Core::owner_type before_stored(const new_entry<Core, Node>&) noexcept { return nullptr; }
  static void after_stored(typename Core::owner_type& result, new_entry<Core, Node>& stored) noexcept {
    result = stored.take_owner();
  }
};

/// Replaces whatever is there.
template <class Core, class Node> struct assign {
  static constexpr bool inserts = true;
  static constexpr bool runs_user_code = false;
  bool was_alive = false;

  bool operator()(Node& found) {
    was_alive = !detail::is_expired<typename Core::sync>(found.weak());
    return true;
  }
};

/// What Keep::look says of the matching entry; empty if there is none alive. The result is made in the caller's
/// place: to be moved once costs an owner more than to be looked up (its halves are written one by one, and a
/// processor waits until both can be read together). Who will store what is not there has what is known of the place
/// noted in `missed`.
template <bool user_code, class Keep, class Node, class Core, class Match>
decltype(Keep::existing) find(Core& container, std::uint32_t hash, Match&& match,
                              typename Core::last_look* missed = nullptr) {
  using result_type = decltype(Keep::existing);
  after_unlock<Core, Node> after(container);
  typename Core::template access<user_code> shard(container, hash);
  const auto place = shard.find_place(hash, match);
  auto* const found = static_cast<Node*>(place.found);
  result_type result = found == nullptr ? result_type() : Keep::look(*found);
  if (missed != nullptr && !result) *missed = {&*shard, shard->entries.changes(), place};
  shard->counters.look_up(static_cast<bool>(result));
  after.tidy(*shard);
  return result;
}

/// An owner of the referent of the matching entry; empty if there is none alive.
template <bool user_code, class Node, class Core, class Match>
typename Core::owner_type find_owner(Core& container, std::uint32_t hash, Match&& match,
                                     typename Core::last_look* missed = nullptr) {
  return detail::find<user_code, keep_owner<Core, Node>, Node>(container, hash, match, missed);
}

template <bool user_code, class Node, class Core, class Match>
bool is_present(Core& container, std::uint32_t hash, Match&& match) {
  after_unlock<Core, Node> after(container);
  typename Core::template access<user_code> shard(container, hash);
  Node* const found = shard.find(hash, match);
  const bool is_alive = found != nullptr && !detail::is_expired<typename Core::sync>(found->weak());
  shard->counters.look_up(is_alive);
  after.tidy(*shard);
  return is_alive;
}

/// Calls f(Node&, referent&) under the lock, if the matching entry's referent is alive.
template <class Node, class Core, class Match, class F>
bool visit_entry(Core& container, std::uint32_t hash, Match&& match, F&& f) {
  typename Core::owner_type owner;
  after_unlock<Core, Node> after(container);
  typename Core::template access<true> shard(container, hash);
  after.tidy(*shard); // before f, which may throw
  Node* const found = shard.find(hash, match);
  if (found != nullptr && found->is(entry::visitable)) {
    // Its death must evict it, and so needs the lock that is held here, before its destructor runs: alive
    // now, it is whole until the unlock, and the count need not be touched.
    const bool is_alive = !detail::is_expired<typename Core::sync>(found->weak());
    shard->counters.look_up(is_alive);
    if (is_alive) f(*found, *detail::address_of(found->weak()));
    return is_alive;
  }
  if (found != nullptr) owner = detail::lock_owner<typename Core::sync>(found->weak());
  shard->counters.look_up(owner != nullptr);
  if (owner == nullptr) return false;
  f(*found, *owner);
  return true;
}

/// Two registers: a larger one would come back through memory.
template <class Node> struct put_result {
  Node* replaced = nullptr;           // for the caller to release
  std::uint32_t missing_capacity = 0; // nothing happened: the table must grow to this first
  bool is_stored = false;
};

/// Under the lock, where one more entry does not fit or room was made for it: 0 if it fits now, else the capacity that
/// is needed. Moves the entries into `room` if that is larger, which holds the old slots then. Once made it is used,
/// although a sweep or an erasure may have freed a slot meanwhile: else each store into a table that stays nearly full
/// would sweep all of it, and make room anew.
template <class Shard, class After, class Slots>
[[gnu::noinline]] std::uint32_t use_room(Shard& shard, After& after, Slots& room) noexcept {
  auto& entries = shard.entries;
  if (room.capacity() > entries.capacity()) {
    entries.rehash(room);
    return 0;
  }
  if (entries.has_room()) return 0;
  if (shard.may_hold_dead) {
    after.sweep_all(shard);
    if (!entries.is_crowded()) return 0;
  }
  return entries.grown_capacity();
}
/// The other half of it, with no lock held; then everything is looked at again. Throws: std::bad_alloc, std::length_error.
template <class Core, class Slots>
[[gnu::noinline]] void make_room(Core& container, std::uint32_t capacity, Slots& room) {
  if (capacity > Core::table_type::max_capacity) throw_too_many_entries();
  if (container.all_shards().should_split(capacity)) return container.all_shards().split();
  Slots(capacity, container.allocator()).swap(room);
}

/// One attempt at put_unreleased().
template <bool user_code, class Node, class Core, class Match, class Keep>
put_result<Node> try_put(Core& container, new_entry<Core, Node>& added, Keep& keep, Match&& match,
                         flight* ending, typename Core::last_look& before, typename Core::slots_type& room) {
  put_result<Node> result;
  after_unlock<Core, Node> after(container);
  typename Core::template access<user_code> shard(container, added.node().hash);
  after.tidy_and_shrink(*shard);

  const auto place = shard.find_place(added.node().hash, match, before);
  if (place.found == nullptr) {
    if (!keep.inserts) return result;
    if (room.count() != 0 || !shard->entries.has_room()) [[unlikely]] {
      result.missing_capacity = detail::use_room(*shard, after, room);
      if (result.missing_capacity != 0) return result;
    }
    shard->entries.insert(added.node());
    result.is_stored = true;
  } else if (Node& found = static_cast<Node&>(*place.found); keep(found)) {
    // A dead entry of this key gives up its slot here, so the table never holds two; its own death, or
    // release(), does the rest.
    shard.count_eviction_of(found);
    shard->entries.replace(place.index, added.node());
    result.is_stored = true;
    result.replaced = &found;
  }
  if (result.is_stored) {
    shard.count_creation_of(added.node(), ending);
    if (added.node().is(entry::untracked)) after.expect_dead(*shard);
    added.stored();
  }
  if (ending != nullptr) shard->flights.remove(*ending);
  return result;
}

/// Puts a bound node into the table; `keep` decides about an entry of the same key. A flight that ends with
/// it leaves the shard in the same moment. `before` is what is known of the place. The caller releases what was
/// replaced.
///
/// Throws: std::bad_alloc, std::length_error, what `match` and `keep` throw; then nothing is stored, and the flight
/// goes on.
template <bool user_code, class Node, class Core, class Match, class Keep>
put_result<Node> put_unreleased(Core& container, new_entry<Core, Node>& added, Keep& keep, Match&& match,
                                flight* ending = nullptr, typename Core::last_look before = {}) {
  typename Core::slots_type room(container.allocator());
  for (;;) {
    const auto result = detail::try_put<user_code, Node>(container, added, keep, match, ending, before, room);
    if (result.missing_capacity == 0) [[likely]]
      return result;
    detail::make_room(container, result.missing_capacity, room);
  }
}

/// The same, and releases what was replaced. True if the node was stored.
template <bool user_code, class Node, class Core, class Match, class Keep>
bool put(Core& container, new_entry<Core, Node>& added, Keep& keep, Match&& match, flight* ending = nullptr,
         const typename Core::last_look& before = {}) {
  const auto result = detail::put_unreleased<user_code, Node>(container, added, keep, match, ending, before);
  if (result.replaced != nullptr) container.release(*result.replaced);
  return result.is_stored;
}

/// A node that was taken out of the table by who holds an owner of its referent.
template <class Node, class Core> class released_at_exit {
 public:
  released_at_exit(Core& container, Node& taken, const typename Core::owner_type& owner) noexcept
      : container_(container), node_(taken), owner_(owner) {}
  ~released_at_exit() { container_.release(node_, &owner_); }
  released_at_exit(const released_at_exit&) = delete;
  released_at_exit& operator=(const released_at_exit&) = delete;

 private:
  Core& container_;
  Node& node_;
  const typename Core::owner_type& owner_;
};

/// What else is wanted of an entry that is taken out: nothing.
struct leave_rest {
  static constexpr bool runs_user_code = false;
  template <class Node> void under_lock(Node&) const noexcept {}
  template <class Node> void outside(Node&) const noexcept {}
};

/// Takes the matching living entry out and returns its referent's owner; empty if there is none. An entry
/// whose referent is dying is left to its death. `rest` is shown the entry before it goes, under the lock,
/// and once nobody else can reach it.
template <bool user_code, class Node, class Core, class Match, class Rest = leave_rest>
typename Core::owner_type take(Core& container, std::uint32_t hash, Match&& match, Rest&& rest = {}) {
  typename Core::owner_type owner;
  Node* taken = nullptr;
  {
    after_unlock<Core, Node> after(container);
    typename Core::template access<user_code> shard(container, hash);
    const auto place = shard.find_place(hash, match);
    auto* const found = static_cast<Node*>(place.found);
    if (found != nullptr) owner = detail::lock_owner<typename Core::sync>(found->weak());
    shard->counters.look_up(owner != nullptr);
    if (owner != nullptr) {
      rest.under_lock(*found);
      taken = found;
      shard.take_out(place.index);
    }
    after.tidy_and_shrink(*shard);
  }
  if (taken != nullptr) {
    const released_at_exit<Node, Core> gone(container, *taken, owner);
    rest.outside(*taken);
  }
  return owner;
}

/// An owner of this pinned entry's referent, if the entry is still in the table. A dead untracked one leaves it.
template <class Node, class Core>
typename Core::owner_type owner_if_present(Core& container, Node& pinned) noexcept {
  after_unlock<Core, Node> after(container);
  const typename Core::template access<false> shard(container, pinned.hash);
  const std::uint32_t index = shard->entries.find_entry(pinned);
  if (index == Core::none) return nullptr;
  typename Core::owner_type owner = detail::lock_owner<typename Core::sync>(pinned.weak());
  if (owner == nullptr) after.take_if_dead(*shard, index);
  return owner;
}

/// Takes this very entry out, if it is still there. The caller pins it and holds an owner of its referent.
template <class Node, class Core>
bool take_entry(Core& container, Node& wanted, const typename Core::owner_type& owner) {
  {
    after_unlock<Core, Node> after(container);
    typename Core::template access<false> shard(container, wanted.hash);
    const std::uint32_t index = shard->entries.find_entry(wanted);
    if (index == Core::none) return false;
    shard.take_out(index);
    after.tidy_and_shrink(*shard);
  }
  container.release(wanted, &owner);
  return true;
}

/// A living entry, pinned, and its referent's owner; or nothing.
template <class Node, class Core> class pinned_entry {
 public:
  explicit pinned_entry(Core& container) noexcept : container_(container) {}
  ~pinned_entry() { let_go(); }
  pinned_entry(const pinned_entry&) = delete;
  pinned_entry& operator=(const pinned_entry&) = delete;

  /// Some living entry of this shard, from its rover on: taking out one after the other walks the table once.
  template <class Shard> bool pin_any(Shard& chosen) noexcept {
    let_go();
    after_unlock<Core, Node> after(container_);
    typename Core::template access<false> shard(container_, chosen);
    const auto& entries = shard->entries;
    for (std::uint32_t looked = 0; looked < entries.index_end() && entries.size() != 0;
         ++looked, ++shard->rover) {
      if (shard->rover >= entries.index_end()) shard->rover = 0;
      while (!entries.is_empty(shard->rover)) {
        Node& seen = shard.at(shard->rover);
        owner = detail::lock_owner<typename Core::sync>(seen.weak());
        if (owner != nullptr) {
          seen.pin();
          node_ = &seen;
          return true;
        }
        if (!after.take_if_dead(*shard, shard->rover)) break; // its death is under way
      }
    }
    after.tidy_and_shrink(*shard);
    return false;
  }
  Node& node() const noexcept { return *node_; }

  typename Core::owner_type owner;

 private:
  void let_go() noexcept {
    detail::release_owner<typename Core::sync>(owner);
    if (node_ != nullptr) container_.unpin(*std::exchange(node_, nullptr));
  }

  Core& container_;
  Node* node_ = nullptr;
};

/// Pins some living entry of the container. False if there is none.
template <class Node, class Core> bool pin_living(Core& container, pinned_entry<Node, Core>& found) noexcept {
  auto& shards = container.all_shards();
  bool is_split = shards.count() > 1;
  for (std::size_t i = 0; i < (is_split ? shards.count() : 1);) {
    if (found.pin_any(shards.at(is_split, i))) return true;
    if (!is_split && shards.count() > 1) {
      is_split = true; // an empty first shard may have split a moment ago
    } else {
      ++i;
    }
  }
  return false;
}

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
