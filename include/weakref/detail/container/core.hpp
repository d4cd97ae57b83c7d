// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_CONTAINER_CORE_HPP
#define WEAKREF_DETAIL_CONTAINER_CORE_HPP

// The core of a container: counted, and all that its nodes know of it. A container object is a pointer to
// one, so a move exchanges pointers and touches no node, and deaths that are under way when the container
// goes find their core alive.
//
// Who frees a node? Its sharers (entry.hpp) drop their shares in any order:
//
//   release    somebody took the node out of the table (erase, replace, clear). With an owner in hand no
//              death can be under way, so it unlinks the node from the watch list and drops both shares.
//              Without one, a death has the node or will get it: it drops the table's share only. That
//              death still needs the core, to lock the shard and find nothing; so the node first gets a
//              count on the core to carry, which the last to drop gives back.
//   evict      the death takes the node out of the table itself: both shares are its own.
//   cursors    have a node pinned for them by who takes it out, if they are on it (slot_copy.hpp).
//
// Atomic read-modify-writes, with adaptive_mutex and libstdc++: a hit that returns an owner 3 (lock, count up, the
// caller's count down), a visit 1 (lock), a death with eviction 2 beside the two of shared_ptr (lock, the node's weak
// count down), erasing by key 5 (lock, count up and down, list, weak count down), storing a new object made with its
// node 3 (two locks, weak count up).
//
// No operation holds two locks. What a lock protects is done by the functions of `access`; what they take out
// is released after the unlock, because releasing runs destructors.

#include <weakref/detail/base/weak_pointer.hpp>
#include <weakref/detail/container/after_unlock.hpp>
#include <weakref/detail/container/shards.hpp>
#include <weakref/detail/referent/tracking.hpp>
#include <weakref/detail/table/table.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace weakref {
inline namespace v0 {
namespace detail {

/// Node derives from `entry` and has `referent_type` and `weak()`, the std::weak_ptr to it.
template <class Node, class Mutex, class Allocator> class core final : public core_base {
 public:
  using sync = sync_of<Mutex>;
  using node_type = Node;
  using referent_type = typename Node::referent_type;
  using owner_type = std::shared_ptr<referent_type>;
  using table_type = table<Allocator, Mutex>;
  using slots_type = typename table_type::slots_type;
  using shards_type = shards<Node, Mutex, Allocator>;
  using shard = typename shards_type::shard;
  static constexpr std::uint32_t none = table_type::none;

  static core* create(const Allocator& allocator, std::size_t shard_count, bool accept_untracked) {
    std::byte* const place = memory::allocate(allocator, sizeof(core));
    try {
      return ::new (static_cast<void*>(place)) core(allocator, shard_count, accept_untracked);
    } catch (...) {
      memory::deallocate(allocator, place, sizeof(core));
      throw;
    }
  }

  void add_ref() noexcept { count_.fetch_add(1, std::memory_order_relaxed); }
  void drop_ref() noexcept {
    // acq_rel: every other user's last access comes before the destruction
    if (count_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }

  const Allocator& allocator() const noexcept { return allocator_; }
  shards_type& all_shards() noexcept { return shards_; }

  /// What a search found, and when.
  struct last_look {
    const shard* where = nullptr;
    std::uint64_t changes = 0;
    typename table_type::place found = {};
  };

  /// The lock of one shard, and what may be done under it. With user code (a comparison, a visit function)
  /// the thread's record says so meanwhile, and what was put off because of it runs after the unlock.
  template <bool runs_user_code> class access {
   public:
    access(core& container, std::uint32_t hash) : shard_(container.shards_.lock(hash)) {
      if constexpr (runs_user_code) ++this_thread().depth;
    }
    access(core&, shard& chosen) requires(!runs_user_code) : shard_(chosen) { shard_.mutex.lock(); }
    ~access() {
      if constexpr (runs_user_code) --this_thread().depth;
      shard_.mutex.unlock(); // for a death the container, and this shard, may be gone now
      if constexpr (runs_user_code) run_put_off();
    }
    access(const access&) = delete;
    access& operator=(const access&) = delete;

    shard& operator*() const noexcept { return shard_; }
    shard* operator->() const noexcept { return &shard_; }
    template <class Match> Node* find(std::uint32_t hash, Match&& match) const {
      return static_cast<Node*>(find_place(hash, match).found);
    }
    using place = typename table_type::place;
    template <class Match> place find_place(std::uint32_t hash, Match&& match) const {
      return shard_.entries.find(hash, [&](entry& found) { return match(static_cast<Node&>(found)); });
    }
    /// The same for who has looked before, and perhaps needs not look again.
    template <class Match> place find_place(std::uint32_t hash, Match&& match, last_look& before) const {
      if (before.where != &shard_ || before.changes != shard_.entries.changes())
        before = {&shard_, shard_.entries.changes(), find_place(hash, match)};
      return before.found;
    }
    Node& at(std::size_t index) const noexcept { return static_cast<Node&>(shard_.entries[index]); }
    /// Of one that is stored: get_or_create's end flights, try_emplace's lie in their objects' blocks.
    void count_creation_of([[maybe_unused]] const Node& stored,
                           [[maybe_unused]] const flight* ending) const noexcept {
      if constexpr (counters<Mutex>::are_kept) {
        if (ending != nullptr || stored.is(entry::in_block)) shard_.counters.creation();
      }
    }
    /// Of an entry that is replaced: perhaps it is dead, and its own death will not find it.
    void count_eviction_of([[maybe_unused]] Node& replaced) const noexcept {
      if constexpr (counters<Mutex>::are_kept) {
        if (detail::is_expired<sync>(replaced.weak())) shard_.counters.eviction();
      }
    }
    void take_out(std::size_t index) const noexcept { shard_.entries.erase(index); }

   private:
    shard& shard_;
  };

  // --- nodes ---------------------------------------------------------------------------------------------

  /// A node in memory of its own, with a key and not yet a referent.
  /// Throws: std::bad_alloc, address_error, what the node's constructor throws.
  template <class... Args> Node* make_node(std::uint32_t hash, Args&&... args) {
    node_allocator own(allocator_);
    auto const place = node_traits::allocate(own, 1);
    try {
      return make_node_at(std::to_address(place), hash, 0, std::forward<Args>(args)...);
    } catch (...) {
      node_traits::deallocate(own, place, 1);
      throw;
    }
  }
  /// The same in its referent's own block.
  template <class... Args> Node* make_node_in_block(void* place, std::uint32_t hash, Args&&... args) {
    return make_node_at(place, hash, entry::in_block, std::forward<Args>(args)...);
  }
  /// Takes back a node that never got a referent.
  void destroy_unbound(Node& node) noexcept { free(node, this); }

  /// Where to register an owner given to be stored. Throws: untracked_error for a null, ownerless or
  /// untracked one, the latter unless such are accepted.
  tracking require_tracked(const owner_type& owner) const {
    if (!accept_untracked_) return detail::require_tracking<sync>(owner, true);
    if (owner == nullptr || owner.use_count() == 0) throw_untracked(type_name<referent_type>(), true, false);
    return detail::find_tracking<sync>(owner);
  }

  /// Gives the node its referent and hangs it into the watch list. The caller holds the owner.
  void bind(Node& node, const owner_type& owner, const tracking& where) noexcept {
    node.weak() = owner;
    const bool is_visitable = where.is_block && detail::holds_address(node.weak(), owner.get());
    const std::uint32_t kind = where.header == nullptr ? entry::untracked
                               : is_visitable          ? entry::visitable
                                                       : 0;
    share(node, where.header == nullptr ? 1 : 2, kind);
    if (where.header == nullptr) return;
    list_lock<sync> lock(where.header->list);
    lock.push(node);
  }

  /// The same for a node in the block of a new referent: no other thread knows any of them, so that nothing
  /// needs to be atomic.
  void bind_first(Node& node, const owner_type& owner, referent_header& header) noexcept {
    node.weak() = owner;
    share(node, 2, detail::holds_address(node.weak(), owner.get()) ? entry::visitable : 0);
    header.list.start_with(node);
  }

  /// Takes back what bind() did, before the node is in the table. `owner` is the one given to bind().
  void unbind(Node& node, const owner_type& owner) noexcept {
    const std::uint32_t kind =
        node.shares.load(std::memory_order_relaxed) & (entry::untracked | entry::visitable);
    const std::uint32_t count = kind == entry::untracked ? 1 : 2;
    if (kind != entry::untracked) {
      list_lock<sync> lock(detail::find_registered<sync>(owner)->list);
      lock.remove(node);
    }
    share(node, 0 - count, 0 - kind);
  }

  /// Gives up a node that is not (or no longer) in the table. `known` is an owner of the referent, or null if
  /// the caller has none. Runs user code: the key's destructor, and the referent's death if this thread turns
  /// out to be the last owner.
  void release(Node& gone, const owner_type* known = nullptr) noexcept {
    if (gone.is(entry::untracked)) return drop(gone, 1, this);
    owner_type held;
    if (known == nullptr) {
      held = detail::lock_owner<sync>(gone.weak());
      known = &held;
    }
    if (referent_header* const header = detail::find_registered<sync>(*known)) {
      {
        list_lock<sync> lock(header->list);
        lock.remove(gone);
      }
      drop(gone, 2, this);
    } else {
      add_ref(); // to be carried
      // acq_rel: as in drop()
      const std::uint32_t before =
          gone.shares.fetch_add(entry::carries - entry::one_share, std::memory_order_acq_rel);
      if (before / entry::one_share == 1) {
        free(gone, this);
        drop_ref();
      }
    }
    detail::release_owner<sync>(held);
  }

  /// The same for one of which only the table has known. Of a container that the last one's key has destroyed nothing
  /// is touched, but its allocator where that has a state.
  static void release_untracked(Node& gone, core* container) noexcept { drop(gone, 1, container); }

  void unpin(Node& pinned) noexcept { drop(pinned, 1, this); }

  // --- the death's side (death.hpp, steps 3 and 4) ---------------------------------------------------------

  discard_function evict(entry& evicted) noexcept override {
    return take_out_dead(evicted) ? &discard_evicted : &discard_released;
  }
  /// Both steps, for a node that is its dead referent's only watcher.
  static void discard_dead(Node& gone) noexcept {
    if (static_cast<core*>(gone.core)->take_out_dead(gone)) [[likely]] {
      discard_evicted(gone);
    } else {
      discard_released(gone);
    }
  }

  /// The container object ends: destroys the contents and gives up the container's count. Inside user code
  /// under some container's lock that waits (run_outside_locks).
  void finish() noexcept override {
    clear();
    drop_ref();
  }

  // --- whole-container operations, shard by shard ----------------------------------------------------------

  /// O(entries).
  void clear() noexcept {
    shards_.for_each([this](shard& each) {
      slots_type slots(allocator_);
      {
        const access<false> locked(*this, each);
        locked->entries.take_all(slots);
      }
      slots.for_each([this](entry& each_entry) { release(static_cast<Node&>(each_entry)); });
    });
  }

  /// O(shards). Locks one after the other.
  weakref::statistics statistics() noexcept requires(counters<Mutex>::are_kept) {
    weakref::statistics sum;
    // The first shard's counts stay where they are when the container splits.
    const auto add = [&](shard& each) {
      after_unlock<core, Node> after(*this);
      const access<false> locked(*this, each);
      locked->counters.add_to(sum);
      after.tidy(each);
    };
    add(shards_.at(false, 0));
    if (shards_.count() > 1) {
      for (std::size_t i = 0; i < shards_.count(); ++i) add(shards_.at(true, i));
    }
    sum.live = shards_.size();
    return sum;
  }

  /// Throws: std::length_error, std::bad_alloc; the entries are unchanged.
  void reserve(std::size_t entries) {
    const std::uint32_t capacity = table_type::capacity_for(shards_.share_of(entries));
    if (shards_.should_split(entries)) shards_.split();
    shards_.for_each([&](shard& each) {
      slots_type room(allocator_);
      while (!keep_room(each, capacity, room))
        slots_type(capacity, allocator_).swap(room); // with no lock held
    });
  }

  /// Gives back all room that is not needed, as far as memory for what is needed can be had.
  void shrink_to_fit() noexcept {
    shards_.for_each([this](shard& each) {
      {
        const access<false> locked(*this, each);
        locked->entries.keep_capacity(0);
      }
      shrink(each, true);
    });
  }
  /// The same for one shard, if its table is sparse; the steps 2 to 4 of after_unlock.hpp. With no lock held. (A
  /// retired shard has no capacity, and so is left alone.)
  [[gnu::noinline]] void shrink(shard& sparse, bool to_fit = false) noexcept {
    const auto wanted = [to_fit](const table_type& entries) {
      return to_fit                ? entries.fitting_capacity()
             : entries.is_sparse() ? entries.shrunk_capacity()
                                   : entries.capacity();
    };
    std::uint32_t capacity = 0;
    {
      const access<false> locked(*this, sparse); // 2
      capacity = wanted(locked->entries);
      if (capacity >= locked->entries.capacity()) return;
    }
    slots_type room(allocator_);
    try {
      slots_type(capacity, allocator_).swap(room); // 3
    } catch (...) {
      return;
    }
    const access<false> locked(*this, sparse); // 4
    // What is still enough holds them all.
    if (wanted(locked->entries) <= capacity && capacity < locked->entries.capacity())
      locked->entries.rehash(room);
  }

  /// Takes the dead untracked entries out, and says how many they were. Holds a lock for some hundred slots at a time.
  std::size_t sweep() noexcept {
    constexpr std::uint32_t step = 512;
    std::size_t taken = 0;
    shards_.for_each([&](shard& each) {
      std::uint32_t end = 0;
      for (std::uint32_t at = 0;;) {
        after_unlock<core, Node> after(*this);
        const access<false> locked(*this, each);
        if (each.entries.index_end() != end) { // moved by somebody else: all of it again
          end = each.entries.index_end();
          at = 0;
        }
        if (!each.may_hold_dead || at == end) return after.shrink(each);
        // A step ends where nobody can be called back from what is still to be looked at.
        for (const std::uint64_t stop = std::uint64_t{at} + step;
             at < end && (at < stop || !each.entries.is_divide(at));) {
          if (!each.entries.is_empty(at) && after.take_if_dead(each, at)) {
            ++taken;
          } else {
            ++at;
          }
        }
      }
    });
    return taken;
  }

 private:
  using memory = line_memory<Allocator, core>;
  static constexpr bool stateless = std::is_empty_v<Allocator> && std::is_default_constructible_v<Allocator>;
  using node_allocator = typename std::allocator_traits<Allocator>::template rebind_alloc<Node>;
  using node_traits = std::allocator_traits<node_allocator>;

  /// From now on the shard keeps this capacity. False: it needs room for that first.
  bool keep_room(shard& each, std::uint32_t capacity, slots_type& room) noexcept {
    const access<false> locked(*this, each);
    if (locked->is_retired) return true;
    auto& entries = locked->entries;
    if (entries.capacity() < room.capacity()) entries.rehash(room);
    if (entries.capacity() < capacity) return false;
    entries.keep_capacity(std::max(capacity, entries.kept_capacity()));
    return true;
  }

  core(const Allocator& allocator, std::size_t shard_count, bool accept_untracked)
      : allocator_(allocator), shards_(allocator, shard_count), accept_untracked_(accept_untracked) {}
  ~core() = default;

  void destroy() noexcept {
    const Allocator allocator(allocator_);
    this->~core();
    memory::deallocate(allocator, this, sizeof(core));
  }

  /// False if somebody else has taken it out.
  bool take_out_dead(entry& evicted) noexcept {
    WEAKREF_ASSERT(
        shards_.may_be_used_by_this_thread(),
        "a referent of a container without locks (weakref::local) dies on another thread than the one that "
        "first stored in the container; take the container of the same name in namespace weakref");
    slots_type vacated(allocator_); // freed after the unlock
    const access<false> home(*this, evicted.hash);
    const std::uint32_t index = home->entries.find_entry(evicted);
    if (index == none) return false;
    home.take_out(index);
    home->counters.eviction();
    if (home->entries.is_vacated()) [[unlikely]]
      home->entries.take_all(vacated);
    // The node is given back to the allocator after the unlock, when the container may be gone: a stateless
    // allocator is made anew then, another one is kept alive in the core.
    if constexpr (!stateless) add_ref();
    return true;
  }

  template <class... Args>
  Node* make_node_at(void* place, std::uint32_t hash, std::uint32_t kind, Args&&... args) {
    if (!fits_slot(place)) throw_address_beyond_slots(place);
    return ::new (place) Node(*this, hash, kind, std::forward<Args>(args)...);
  }

  /// Of a node that only this thread can reach, or will change: plain reads and writes.
  static void share(Node& node, std::uint32_t count, std::uint32_t kind) noexcept {
    node.shares.store(node.shares.load(std::memory_order_relaxed) + count * entry::one_share + kind,
                      std::memory_order_relaxed);
  }

  /// Drops shares of a node; the last to drop frees it. `container` is touched only where the caller keeps it
  /// alive or the node carries a count on it.
  static void drop(Node& shared, std::uint32_t shares, core* container) noexcept {
    // Alone with it? Then no atomic operation: nobody can add a pin to a node that is out of the table.
    // acquire: pairs with the release below, so that the former sharers' last looks are over.
    std::uint32_t before = shared.shares.load(std::memory_order_acquire);
    sync::point(sync_point::unlocked);
    if (before / entry::one_share != shares)
      before = shared.shares.fetch_sub(shares * entry::one_share, std::memory_order_acq_rel);
    if (before / entry::one_share != shares) return;
    core* const carried = (before & entry::carries) != 0 ? static_cast<core*>(shared.core) : nullptr;
    free(shared, container);
    if (carried != nullptr) carried->drop_ref();
  }

  static void free(Node& last, [[maybe_unused]] core* container) noexcept {
    if (last.is(entry::in_block)) return free_in_block(last);
    last.~Node();
    node_allocator own = [&] {
      if constexpr (stateless) {
        return node_allocator(Allocator());
      } else {
        return node_allocator(container->allocator_);
      }
    }();
    node_traits::deallocate(own, std::pointer_traits<typename node_traits::pointer>::pointer_to(last), 1);
  }

  static void free_in_block(Node& last) noexcept {
    // The weak reference goes last: it holds up the memory in which the node lies.
    const std::weak_ptr<referent_type> memory = std::move(last.weak());
    last.~Node();
  }

  static void discard_evicted(entry& evicted) noexcept {
    Node& gone = static_cast<Node&>(evicted);
    // Who pins the node for long must not keep the dead object's memory. (While it dies that is there.) Who is on it in
    // this very moment locks the weak_ptr.
    if (!gone.is(entry::in_block | entry::is_read)) gone.weak().reset();
    if constexpr (stateless) {
      drop(gone, 2, nullptr); // the container may be gone
    } else {
      core* const container = static_cast<core*>(gone.core);
      drop(gone, 2, container);
      container->drop_ref();
    }
  }
  /// Somebody else took it out of the table, and has released it or will.
  static void discard_released(entry& evicted) noexcept {
    Node& gone = static_cast<Node&>(evicted);
    drop(gone, 1, static_cast<core*>(gone.core));
  }

  std::atomic<std::uint32_t> count_{1};
  [[no_unique_address]] Allocator allocator_;
  shards_type shards_;
  bool accept_untracked_;
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
