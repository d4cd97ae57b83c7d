// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_CONTAINER_SHARDS_HPP
#define WEAKREF_DETAIL_CONTAINER_SHARDS_HPP

// A container's shards: each a lock with its own table. A container begins with one shard, inside the core,
// and splits once into many when it has grown beyond what one thread's list of things would hold. So small
// containers pay for one lock, and large ones share without waiting and rehash a shard at a time.
//
// The split is a race with everybody who has already chosen the first shard:
//
//   1  Count, under the first shard's lock, how many entries each new shard will get.
//   2  Without lock, make the new shards with room for so many and some more.
//   3  Under the lock again: if all still fits, move entries and flights, mark the first shard retired,
//      publish the array, unlock. If not (others stored meanwhile), back to 1.
//
// Whoever locks the first shard and finds it retired lets go and chooses again; the retired mark is read and
// written under that lock. A shard once chosen from the array is final.

#include <weakref/assert.hpp>
#include <weakref/detail/base/line_memory.hpp>
#include <weakref/detail/base/sync.hpp>
#include <weakref/detail/base/thread_record.hpp>
#include <weakref/detail/container/counters.hpp>
#include <weakref/detail/container/flight.hpp>
#include <weakref/detail/table/table.hpp>
#include <weakref/mutex.hpp>

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>

namespace weakref {
inline namespace v0 {
namespace detail {

/// How many shards a container splits into unless told otherwise: four for each hardware thread, 16 to 64.
WEAKREF_API unsigned chosen_shard_bits() noexcept;

template <class Node, class Mutex, class Allocator> class shards {
 public:
  using table_type = table<Allocator, Mutex>;
  using slots_type = typename table_type::slots_type;
  static constexpr bool is_local = std::is_base_of_v<null_mutex, Mutex>;
  static constexpr unsigned max_bits = 8;
  /// A container splits before its table would have so many slots, or when as many entries are asked for.
  static constexpr std::uint32_t split_size = 256;

  // A cache line of its own each, so that two threads in two shards do not disturb each other.
  struct alignas(line_bytes) shard {
    shard(const Allocator& allocator, unsigned bits) noexcept : entries(allocator, bits) {}
    [[no_unique_address]] Mutex mutex;
    std::uint32_t rover = 0; // where the next look for dead untracked entries begins
    [[no_unique_address]] table_type entries;
    // In what is left of the table's last word.
    bool is_retired = false;
    bool may_hold_dead =
        false; // there are, or were, untracked entries: nobody else takes them out when they die
    std::uint8_t sweeps = 0; // of its operations; some of them help another shard (after_unlock.hpp)
    flight_list flights;
    [[no_unique_address]] detail::counters<Mutex> counters;
  };

  shards(const Allocator& allocator, std::size_t wanted) : allocator_(allocator), first_(allocator, 0) {
    if (is_local || wanted == 1 || (wanted == 0 && !Node::splits_by_itself)) return;
    bits_ = wanted == 0 ? chosen_shard_bits()
                        : std::min<unsigned>(max_bits, static_cast<unsigned>(std::bit_width(wanted - 1)));
    if (wanted != 0) split();
  }
  ~shards() {
    if (shard* const array = many_.load(std::memory_order_relaxed)) destroy(array);
  }
  shards(const shards&) = delete;
  shards& operator=(const shards&) = delete;

  /// Locks the shard of this hash.
  shard& lock(std::uint32_t hash) noexcept(noexcept(first_.mutex.lock())) {
    check_thread();
    for (;;) {
      // acquire: pairs with the release in split(); the array's contents are seen
      shard* const array = many_.load(std::memory_order_acquire);
      shard& chosen = array == nullptr ? first_ : array[hash >> (32 - bits_)];
      chosen.mutex.lock();
      if (!chosen.is_retired) [[likely]]
        return chosen;
      chosen.mutex.unlock();
    }
  }

  /// Calls f(shard&) for each, unlocked. One that splits meanwhile is seen in its old form or its new one;
  /// the caller's lock of the old form tells (is_retired).
  template <class F> void for_each(F&& f) {
    if (many_.load(std::memory_order_acquire) == nullptr) {
      f(first_);
      // What was moved between the look and f is in the array.
      if (many_.load(std::memory_order_acquire) == nullptr) return;
    }
    for (std::size_t i = 0; i < count(); ++i) f(many_.load(std::memory_order_relaxed)[i]);
  }

  /// What a shard must hold so that all together hold this many: its share of them and what chance adds to it (for
  /// some 10^8 shards none gets more, if the hashes spread).
  std::uint64_t share_of(std::size_t entries) const noexcept {
    const std::size_t parts = should_split(entries) ? std::size_t{1} << bits_ : count();
    if (parts == 1) return entries;
    const std::uint64_t mean = entries / parts + 1;
    const std::uint64_t deviation = std::uint64_t{1}
                                    << (std::bit_width(mean) + 1) / 2; // its root, or twice that
    return mean + 6 * deviation + 8;
  }

  /// Into how many the first shard may still split.
  std::size_t count_after_split() const noexcept {
    return bits_ == 0 || many_.load(std::memory_order_acquire) != nullptr ? 0 : std::size_t{1} << bits_;
  }
  std::size_t count() const noexcept {
    return many_.load(std::memory_order_acquire) == nullptr ? 1 : std::size_t{1} << bits_;
  }
  /// The first shard (is_split false), or one of the array.
  shard& at(bool is_split, std::size_t index) noexcept {
    return is_split ? many_.load(std::memory_order_acquire)[index] : first_;
  }

  /// One shard after the other, for who looks after all of them in turn. Null for a container that has not split.
  shard* next_in_turn() noexcept {
    shard* const array = many_.load(std::memory_order_acquire);
    if (array == nullptr) return nullptr;
    return &array[turn_.fetch_add(1, std::memory_order_relaxed) & ((std::uint32_t{1} << bits_) - 1)];
  }

  std::size_t size() const noexcept {
    const shard* const array = many_.load(std::memory_order_acquire);
    sync_of<Mutex>::point(sync_point::unlocked);
    if (array == nullptr) return first_.entries.size();
    std::size_t sum = 0;
    for (std::size_t i = 0; i < std::size_t{1} << bits_; ++i) sum += array[i].entries.size();
    return sum;
  }

  /// Whether the first shard splits instead of growing to so many slots, or making room for so many entries.
  bool should_split(std::size_t wanted) const noexcept {
    return bits_ != 0 && wanted >= split_size && many_.load(std::memory_order_acquire) == nullptr;
  }
  /// Throws: std::bad_alloc; then nothing has changed. Holds no lock of the caller's.
  void split();

  bool may_be_used_by_this_thread() const noexcept { return !is_local || thread_ == &this_thread(); }
  void check_thread() const noexcept {
    WEAKREF_ASSERT(may_be_used_by_this_thread(),
                   "a container without locks (weakref::local) is used on another thread than the one that "
                   "first stored in it; take the container of the same name in namespace weakref");
  }

 private:
  static_assert(alignof(shard) == line_bytes, "the mutex asks for more alignment than a cache line has");
  using memory = line_memory<Allocator, shard>;
  using counts = std::array<std::uint32_t, std::size_t{1} << max_bits>;

  std::size_t index_of(std::uint32_t hash) const noexcept { return hash >> (32 - bits_); }
  counts count_per_shard() const noexcept;
  shard* make_array(const counts& expected);
  bool try_move_to(shard* array) noexcept;
  void destroy(shard* array) noexcept {
    std::destroy_n(array, std::size_t{1} << bits_);
    memory::deallocate(allocator_, array, sizeof(shard) << bits_);
  }

  [[no_unique_address]] Allocator allocator_;
  std::atomic<shard*> many_{nullptr};
  unsigned bits_ = 0;
  std::atomic<std::uint32_t> turn_{0};
  const thread_record* thread_ = &this_thread();
  shard first_;
};

template <class Node, class Mutex, class Allocator>
auto shards<Node, Mutex, Allocator>::count_per_shard() const noexcept -> counts {
  counts expected{};
  for (std::uint32_t i = 0; i < first_.entries.index_end(); ++i) {
    if (!first_.entries.is_empty(i)) ++expected[index_of(first_.entries[i].hash)];
  }
  return expected;
}

template <class Node, class Mutex, class Allocator>
auto shards<Node, Mutex, Allocator>::make_array(const counts& expected) -> shard* {
  const std::size_t count = std::size_t{1} << bits_;
  auto* const array = reinterpret_cast<shard*>(memory::allocate(allocator_, sizeof(shard) << bits_));
  for (std::size_t i = 0; i < count; ++i) ::new (static_cast<void*>(array + i)) shard(allocator_, bits_);
  try {
    for (std::size_t i = 0; i < count; ++i) {
      // A quarter more, for what others store meanwhile.
      slots_type slots(table_type::capacity_for(expected[i] + expected[i] / 4 + 2), allocator_);
      array[i].entries.rehash(slots);
    }
  } catch (...) {
    destroy(array);
    throw;
  }
  return array;
}

template <class Node, class Mutex, class Allocator>
bool shards<Node, Mutex, Allocator>::try_move_to(shard* array) noexcept {
  const counts expected = count_per_shard();
  for (std::size_t i = 0; i < std::size_t{1} << bits_; ++i) {
    if (table_type::capacity_for(expected[i]) > array[i].entries.capacity()) return false;
  }
  for (std::uint32_t i = 0; i < first_.entries.index_end(); ++i) {
    if (!first_.entries.is_empty(i))
      array[index_of(first_.entries[i].hash)].entries.insert(first_.entries[i]);
  }
  for (std::size_t i = 0; i < std::size_t{1} << bits_; ++i) array[i].entries.share_copies(first_.entries, i);
  if (first_.may_hold_dead) {
    for (std::size_t i = 0; i < std::size_t{1} << bits_; ++i) array[i].may_hold_dead = true;
  }
  while (flight* const moved = first_.flights.pop()) array[index_of(moved->hash)].flights.push(*moved);
  return true;
}

template <class Node, class Mutex, class Allocator> void shards<Node, Mutex, Allocator>::split() {
  for (;;) {
    first_.mutex.lock();
    if (first_.is_retired) return first_.mutex.unlock();
    const counts expected = count_per_shard(); // 1
    first_.mutex.unlock();

    shard* const array = make_array(expected); // 2

    slots_type old_slots(allocator_);
    first_.mutex.lock(); // 3
    const bool is_done = !first_.is_retired && try_move_to(array);
    if (is_done) {
      // Its size stays: size() takes no lock, and may have found no array a moment ago.
      first_.entries.give_up(old_slots);
      first_.is_retired = true;
      first_.may_hold_dead = false;
      sync_of<Mutex>::point(sync_point::unlocked);
      // release: pairs with the acquire loads
      many_.store(array, std::memory_order_release);
    }
    first_.mutex.unlock();
    if (is_done) return;
    destroy(array);
  }
}

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
