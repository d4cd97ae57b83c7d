// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_TABLE_SLOT_HPP
#define WEAKREF_DETAIL_TABLE_SLOT_HPP

// A slot of a table: eight bytes, 0 for an empty one.
//
//    63            48 47                                   3 2        0
//   +----------------+--------------------------------------+----------+
//   | fragment       |  entry*                              | distance |
//   +----------------+--------------------------------------+----------+
//
// `distance` says how many groups the entry lies behind its home; 7 stands for all from 7 on. It takes the bits that an
// entry's alignment leaves free everywhere. `fragment` is a part of the entry's hash, in the bits that the platform's
// addresses leave free: whether they do is decided here and nowhere else.

#include <weakref/detail/base/config.hpp>

#include <cstdint>

namespace weakref {
inline namespace v0 {
namespace detail {

using slot = std::uint64_t;
static_assert(sizeof(void*) <= 8);

// The addresses of user space have 48 bits at most: on AArch64 all of them, on x86-64 one less, unless a program asks for
// more (then storing throws address_error). Where the top byte of a pointer carries a tag it must be kept whole; then
// slots hold no part of the hash, and what would be read off them is read in the entries.
#if !defined(WEAKREF_WHOLE_POINTERS)
#if (defined(__ANDROID__) && defined(__aarch64__)) || defined(__ARM_FEATURE_MEMORY_TAGGING) ||               \
    defined(__SANITIZE_HWADDRESS__)
#define WEAKREF_WHOLE_POINTERS
#elif defined(__has_feature)
#if __has_feature(hwaddress_sanitizer) || __has_feature(memtag_heap)
#define WEAKREF_WHOLE_POINTERS
#endif
#endif
#endif
#if defined(WEAKREF_WHOLE_POINTERS)
inline constexpr unsigned fragment_bits = 0;
#else
inline constexpr unsigned fragment_bits = 16;
#endif

inline constexpr slot distance_mask = 7;
inline constexpr slot fragment_mask = ~(~slot{0} >> fragment_bits);
inline constexpr slot address_mask = ~(fragment_mask | distance_mask);

struct entry;

inline entry* entry_of(slot s) noexcept {
  return reinterpret_cast<entry*>(static_cast<std::uintptr_t>(s & address_mask));
}
/// Whether the table can hold this address.
inline bool fits_slot(const void* address) noexcept {
  return (reinterpret_cast<std::uintptr_t>(address) & ~address_mask) == 0;
}
[[noreturn]] WEAKREF_API void throw_address_beyond_slots(const void* address);

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
