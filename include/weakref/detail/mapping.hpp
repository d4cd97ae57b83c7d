// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_MAPPING_HPP
#define WEAKREF_DETAIL_MAPPING_HPP

// What both dictionaries can do as wholes, written in terms of their other members.

#include <concepts>
#include <ranges>

namespace weakref {
inline namespace v0 {
namespace detail {

template <class Dictionary> class mapping {
 public:
  /// Python's |: a copy of the left one, updated by the right one.
  template <std::ranges::input_range Range>
  friend Dictionary operator|(const Dictionary& left, const Range& right) {
    Dictionary merged(left);
    merged.update(right);
    return merged;
  }
  template <std::ranges::input_range Range> Dictionary& operator|=(const Range& right) {
    Dictionary& self = static_cast<Dictionary&>(*this);
    if constexpr (std::same_as<Range, Dictionary>) {
      if (&right == &self) return self;
    }
    self.update(right);
    return self;
  }
  /// O(n). The same keys, each with the same object or an equal value. A glimpse, while others change either
  /// side.
  friend bool operator==(const Dictionary& a, const Dictionary& b) {
    return &a == &b || (is_contained(a, b) && is_contained(b, a));
  }
  friend void swap(Dictionary& a, Dictionary& b) noexcept { a.swap(b); }

 private:
  static bool is_contained(const Dictionary& a, const Dictionary& b) {
    for (const auto& [key, value] : a) {
      if (b.get(key) != value) return false;
    }
    return true;
  }
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
