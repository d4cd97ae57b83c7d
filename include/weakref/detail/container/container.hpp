// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_CONTAINER_CONTAINER_HPP
#define WEAKREF_DETAIL_CONTAINER_CONTAINER_HPP

// What every container object is: a pointer to a core, made at the first store, and what it takes to make it.
// The shells (dictionaries, set) add names, hashing and comparison.

#include <weakref/assert.hpp>
#include <weakref/detail/base/weak_pointer.hpp>
#include <weakref/detail/container/cursor.hpp>
#include <weakref/detail/container/operations.hpp>
#include <weakref/detail/container/single_flight.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <utility>

namespace weakref {
inline namespace v0 {

/// How a container is made: `WeakValueDictionary<int, Session> sessions({.accept_untracked = true})`.
struct options {
  /// The number of locks and tables it is split into, rounded up to a power of two, at most 256. 0: chosen by
  /// the machine, and only once the container is large enough to profit; 1: never split.
  std::size_t shards = 0;
  /// Takes owners of untracked objects as well. Their entries are invisible from the moment of death, but nobody
  /// hears of it: each later operation, of any kind and on any key, looks at two entries and takes the dead along;
  /// loops take all that they pass, sweep() all there are. So n dead are gone after some n operations, and a table
  /// does not grow because of them. size() is an upper bound until then.
  bool accept_untracked = false;
};

namespace detail {

/// A container's pointer to its core.
template <class Node, class Mutex, class Allocator> class container {
 public:
  using node_type = Node;
  using core_type = core<Node, Mutex, Allocator>;
  using cursor_type = cursor<Node, core_type>;

  container() noexcept(noexcept(Allocator())) = default;
  container(const options& chosen, const Allocator& allocator) noexcept
      : allocator_(allocator),
        shards_(static_cast<std::uint32_t>(std::min<std::size_t>(chosen.shards, 256))),
        accept_untracked_(chosen.accept_untracked) {}
  container(container&& other) noexcept
      : core_(other.release_core()),
        allocator_(other.allocator_),
        shards_(other.shards_),
        accept_untracked_(other.accept_untracked_) {}
  container(const container&) = delete;
  container& operator=(const container&) = delete;
  ~container() {
    factory_call::orphan_those_of(get());
    reset();
#if WEAKREF_ASSERTS
    core_.store(destroyed(), std::memory_order_relaxed);
#endif
  }

  /// Exchanges everything; the allocators too, for each core keeps its own.
  void swap(container& other) noexcept {
    core_type* const mine = release_core();
    core_.store(other.release_core(), std::memory_order_relaxed);
    other.core_.store(mine, std::memory_order_relaxed);
    using std::swap;
    swap(shards_, other.shards_);
    swap(accept_untracked_, other.accept_untracked_);
  }
  void swap_allocators(container& other) noexcept {
    using std::swap;
    swap(allocator_, other.allocator_);
  }
  void reset() noexcept {
    if (core_type* const old = release_core()) old->run_outside_locks();
  }

  /// Null before the first store. acquire: pairs with the exchange in require().
  core_type* get() const noexcept { return checked(core_.load(std::memory_order_acquire)); }

  /// Made if need be. Throws: std::bad_alloc.
  core_type& require() {
    if (core_type* const present = get()) return *present;
    core_type* const made = core_type::create(allocator_, shards_, accept_untracked_);
    core_type* present = nullptr;
    core_type::sync::point(sync_point::unlocked);
    // release: publishes the new core; acquire: somebody else's was faster
    if (core_.compare_exchange_strong(present, made, std::memory_order_acq_rel, std::memory_order_acquire))
      return *made;
    made->drop_ref();
    return *present;
  }

  const Allocator& allocator() const noexcept { return allocator_; }
  options chosen_options() const noexcept { return {shards_, accept_untracked_}; }

  std::size_t size() const noexcept {
    core_type* const present = get();
    return present == nullptr ? 0 : present->all_shards().size();
  }
  weakref::statistics statistics() const {
    check_not_under_lock();
    core_type* const present = get();
    return present == nullptr ? weakref::statistics() : present->statistics();
  }
  void clear() {
    check_not_under_lock();
    core_type* const present = get();
    if (present == nullptr) return;
    present->all_shards().check_thread();
    present->clear();
  }
  void reserve(std::size_t entries) {
    check_not_under_lock();
    core_type& present = require();
    present.all_shards().check_thread();
    present.reserve(entries);
  }
  void shrink_to_fit() {
    check_not_under_lock();
    core_type* const present = get();
    if (present == nullptr) return;
    present->all_shards().check_thread();
    present->shrink_to_fit();
  }
  std::size_t sweep() {
    check_not_under_lock();
    core_type* const present = get();
    if (present == nullptr) return 0;
    present->all_shards().check_thread();
    return present->sweep();
  }
  cursor_type first() const {
    check_not_under_lock();
    return cursor_type(get());
  }

 private:
  /// What stands in place of the core afterwards where checks are made.
  static core_type* destroyed() noexcept { return reinterpret_cast<core_type*>(std::uintptr_t{1}); }
  static core_type* checked(core_type* present) noexcept {
    WEAKREF_ASSERT(present != destroyed(),
                   "a container is used after its destruction; one that destructors of static objects use "
                   "must live as long: static auto& cache = *new ...");
    return present;
  }
  core_type* release_core() noexcept {
    core_type* const released = checked(core_.load(std::memory_order_relaxed));
    core_.store(nullptr, std::memory_order_relaxed);
    return released;
  }

  std::atomic<core_type*> core_{nullptr};
  [[no_unique_address]] Allocator allocator_{};
  std::uint32_t shards_ = 0;
  bool accept_untracked_ = false;
};

template <class Allocator>
inline constexpr bool allocator_moves =
    std::allocator_traits<Allocator>::propagate_on_container_move_assignment::value ||
    std::allocator_traits<Allocator>::is_always_equal::value;

/// The finalizer of a 64-bit hash that takes 32 bits for the tables: upper ones choose the shard, then the
/// slot; lower ones tell neighbours apart.
inline std::uint32_t table_hash(std::size_t hash) noexcept {
  return static_cast<std::uint32_t>(mix(hash) >> 32);
}

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
