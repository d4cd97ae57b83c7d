// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_BASE_LINE_MEMORY_HPP
#define WEAKREF_DETAIL_BASE_LINE_MEMORY_HPP

// Memory that begins with a cache line, from any allocator. The standard does not ask an allocator for alignments
// beyond std::max_align_t's, and one over malloc gives no more. So, but of std::allocator, which is known to obey, one
// line more is asked for, and the beginning is chosen by hand:
//
//   |<- shift ->|<--- bytes --->|s|        |      shift: 0 to 63, noted in the byte `s` behind what was wanted;
//   ^ allocated ^ returned                        there always is one, since shift is less than a line

#include <weakref/detail/base/config.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace weakref {
inline namespace v0 {
namespace detail {

inline constexpr std::size_t line_bytes = 64;

template <class Allocator> inline constexpr bool aligns_to_lines = false;
template <class T> inline constexpr bool aligns_to_lines<std::allocator<T>> = true;

/// What the allocator is asked for; its type says what for.
template <class For> struct alignas(line_bytes) line { std::byte bytes[line_bytes]; };
template <class For> struct alignas(void*) unaligned_line { std::byte bytes[line_bytes]; };

template <class Allocator, class For> class line_memory {
  static constexpr bool is_obeyed = aligns_to_lines<Allocator>;
  using unit = std::conditional_t<is_obeyed, line<For>, unaligned_line<For>>;
  using unit_allocator = typename std::allocator_traits<Allocator>::template rebind_alloc<unit>;
  using traits = std::allocator_traits<unit_allocator>;

 public:
  /// Throws: what the allocator throws.
  static std::byte* allocate(const Allocator& allocator, std::size_t bytes) {
    unit_allocator own(allocator);
    auto* const memory = reinterpret_cast<std::byte*>(std::to_address(traits::allocate(own, units(bytes))));
    if constexpr (is_obeyed) return memory;
    const std::size_t beyond = reinterpret_cast<std::uintptr_t>(memory) % line_bytes;
    const std::size_t shift = beyond == 0 ? 0 : line_bytes - beyond;
    memory[shift + bytes] = static_cast<std::byte>(shift);
    return memory + shift;
  }
  static void deallocate(const Allocator& allocator, void* returned, std::size_t bytes) noexcept {
    unit_allocator own(allocator);
    auto* memory = static_cast<std::byte*>(returned);
    if constexpr (!is_obeyed) memory -= static_cast<std::size_t>(memory[bytes]);
    traits::deallocate(
        own, std::pointer_traits<typename traits::pointer>::pointer_to(*reinterpret_cast<unit*>(memory)),
        units(bytes));
  }

 private:
  static constexpr std::size_t units(std::size_t bytes) noexcept {
    return (bytes + line_bytes - 1) / line_bytes + (is_obeyed ? 0 : 1);
  }
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
