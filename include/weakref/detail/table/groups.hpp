// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_TABLE_GROUPS_HPP
#define WEAKREF_DETAIL_TABLE_GROUPS_HPP

// The memory of a table: groups of a cache line each, one word of tags and then seven slots. All words are zero at first.

#include <weakref/detail/base/line_memory.hpp>
#include <weakref/detail/table/slot.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace weakref {
inline namespace v0 {
namespace detail {

inline constexpr std::uint32_t words_per_group = line_bytes / sizeof(slot);
inline constexpr std::uint32_t slots_per_group = words_per_group - 1;

// What is in a group's first word (table.hpp): of each tag the bit that says that its slot is in use; and how many have
// passed the group.
inline constexpr slot each_in_use = 0x0080'8080'8080'8080;
inline constexpr slot most_passed = 15;
inline unsigned passed_shift(std::uint32_t hash) noexcept { return 56 + 4 * (hash & 1); }
/// Of those whose hash is odd, or even, like this one.
inline slot count_of_passed(slot tags, std::uint32_t hash) noexcept {
  return (tags >> passed_shift(hash)) & most_passed;
}

/// Where an entry belongs that has this hash. The upper bits of the hash have chosen the shard; the next ones choose the
/// group.
inline std::uint32_t home_group(std::uint32_t hash, std::uint32_t groups, unsigned shard_bits) noexcept {
  return static_cast<std::uint32_t>((std::uint64_t{hash << shard_bits} * groups) >> 32);
}

/// What a table without memory has: a group that is found empty, and never written to.
alignas(line_bytes) inline constexpr slot empty_group[words_per_group] = {};

/// The first slot of a group of which this word, made from its tags, has the topmost bit.
inline unsigned first_of(slot tops) noexcept { return static_cast<unsigned>(std::countr_zero(tops)) / 8; }

template <class Allocator> class groups {
 public:
  using allocator_type = Allocator;

  explicit groups(const Allocator& allocator) noexcept : allocator_(allocator) {}
  /// With this many slots, a multiple of a group's, or a few more. Throws: what the allocator throws.
  groups(std::uint32_t capacity, const Allocator& allocator)
      : allocator_(allocator), count_((capacity + slots_per_group - 1) / slots_per_group) {
    if (count_ == 0) return;
    words_ = reinterpret_cast<slot*>(memory::allocate(allocator_, bytes()));
    std::memset(words_, 0, bytes());
  }
  groups(groups&& other) noexcept
      : allocator_(other.allocator_),
        words_(std::exchange(other.words_, nobodys())),
        count_(std::exchange(other.count_, 0)) {}
  ~groups() {
    if (count_ != 0) memory::deallocate(allocator_, words_, bytes());
  }
  groups& operator=(const groups&) = delete;

  /// Of groups with an equal allocator.
  void swap(groups& other) noexcept {
    std::swap(words_, other.words_);
    std::swap(count_, other.count_);
  }

  std::uint32_t count() const noexcept { return count_; }
  std::uint32_t capacity() const noexcept { return count_ * slots_per_group; }
  slot* words() const noexcept { return words_; }

  /// f(entry&) for each entry in these slots; it may free the entry.
  template <class F> void for_each(F&& f) const {
    for (std::uint32_t at = 0; at < count_ * words_per_group; ++at) {
      if (at % words_per_group != 0 && words_[at] != 0) f(*entry_of(words_[at]));
    }
  }

 private:
  using memory = line_memory<Allocator, groups>;
  static slot* nobodys() noexcept { return const_cast<slot*>(empty_group); }
  std::size_t bytes() const noexcept { return std::size_t{count_} * line_bytes; }

  [[no_unique_address]] Allocator allocator_;
  slot* words_ = nobodys();
  std::uint32_t count_ = 0;
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
