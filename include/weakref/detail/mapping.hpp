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
  /// A copy of the left one, updated by the right one, a dictionary or a range of pairs. Python's |.
  ///
  /// Cost: O(n + m), allocates. Throws: as update.
  template <std::ranges::input_range Range>
  friend Dictionary operator|(const Dictionary& left, const Range& right) {
    Dictionary merged(left);
    merged.update(right);
    return merged;
  }
  /// update(), but nothing happens with itself. Python's |=.
  template <std::ranges::input_range Range> Dictionary& operator|=(const Range& right) {
    Dictionary& self = static_cast<Dictionary&>(*this);
    if constexpr (std::same_as<Range, Dictionary>) {
      if (&right == &self) return self;
    }
    self.update(right);
    return self;
  }
  /// Whether both hold the same keys, each with the same object or an equal value. A glimpse, while others
  /// change either side.
  ///
  /// Cost: O(n + m), allocates for the iteration. Throws: std::bad_alloc; what comparing values throws.
  /// Runs user code: the comparison of values, no lock held.
  friend bool operator==(const Dictionary& a, const Dictionary& b) {
    return &a == &b || (is_contained(a, b) && is_contained(b, a));
  }
  /// a.swap(b).
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
