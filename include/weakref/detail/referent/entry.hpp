// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_REFERENT_ENTRY_HPP
#define WEAKREF_DETAIL_REFERENT_ENTRY_HPP

// What every container entry is, whatever the container: a watcher that knows its container's core, its hash
// and who still shares it. 32 bytes; a dictionary's node adds a weak_ptr (16) and the key.
//
// An entry has up to three kinds of sharers: the table, the watch list, and pins (of cursors that were on it when it was
// taken out, of erase_if, of transactions). Each drops its share when it is done, and the last one frees the node, so
// nobody ever waits for another.

#include <weakref/detail/base/thread_record.hpp>
#include <weakref/detail/referent/watch_list.hpp>

#include <atomic>
#include <cstdint>

namespace weakref {
inline namespace v0 {
namespace detail {

/// What a death asks of a container, whatever its types.
class core_base : public put_off_work {
 public:
  /// Takes exactly this entry out of its table, if it is still there; one lock, no user code, no allocation.
  /// Says how the entry is to be discarded once every container has forgotten the object.
  virtual discard_function evict(entry& evicted) noexcept = 0;

 protected:
  core_base() = default;
  ~core_base() = default;
};

struct alignas(8) entry : watcher {
  // One word holds the shares and what was known when the entry was made.
  static constexpr std::uint32_t in_block = 1;  // the node lies in its referent's own block
  static constexpr std::uint32_t visitable = 2; // the referent is whole until the entry is evicted
  static constexpr std::uint32_t untracked = 4; // in no watch list: found by sweeping
  static constexpr std::uint32_t carries =
      8; // carries a count on the core, for the death that still needs it
  static constexpr std::uint32_t is_read = 16; // was taken out while a cursor was on it (slot_copy.hpp)
  static constexpr std::uint32_t one_share = 32;
  static constexpr std::uint32_t flags = one_share - 1;

  entry(core_base& container, std::uint32_t hash_value, std::uint32_t kind) noexcept
      : shares(kind), hash(hash_value) {
    core = &container;
  }

  bool is(std::uint32_t flag) const noexcept { return (shares.load(std::memory_order_relaxed) & flag) != 0; }
  /// Under the lock of the shard that holds the entry, or on top of another share: one's own, or the one that a cursor's
  /// claim holds fast.
  void pin() noexcept { shares.fetch_add(one_share, std::memory_order_relaxed); }

  std::atomic<std::uint32_t> shares;
  std::uint32_t hash;
};
static_assert(sizeof(entry) == 32);

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
