// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_INTERFACE_MAPPING_HPP
#define WEAKREF_DETAIL_INTERFACE_MAPPING_HPP

// What both dictionaries can do as wholes, written in terms of their other members.

#include <weakref/detail/base/config.hpp>

#include <concepts>
#include <ranges>
#include <type_traits>
#include <utility>

namespace weakref {
inline namespace v0 {
namespace detail {

/// A range of pairs whose halves convert implicitly: what a dictionary is made from.
template <class Range, class First, class Second>
concept range_of_pairs = std::ranges::input_range<Range> &&
    requires(std::ranges::range_reference_t<Range> pair) {
  { pair.first } -> std::convertible_to<First>;
  { pair.second } -> std::convertible_to<Second>;
};

/// A range of what converts implicitly: what a set is made from.
template <class Range, class Element>
concept range_of =
    std::ranges::input_range<Range> && std::convertible_to<std::ranges::range_reference_t<Range>, Element>;

template <class Pair> inline constexpr bool is_pair = false;
template <class First, class Second> inline constexpr bool is_pair<std::pair<First, Second>> = true;

/// A pair in a braced list, made from what a std::pair is implicitly made from. Not a std::pair: clang 14 asks whether
/// each constructor's parameter can be made from `{.shards = n}`, and an error in libc++ 14's std::pair is the answer.
template <class First, class Second> struct listed {
  template <class ItsFirst = First, class ItsSecond = Second>
    requires(std::convertible_to<ItsFirst, First>&& std::convertible_to<ItsSecond, Second>)
  listed(ItsFirst&& its_first, ItsSecond&& its_second)
      : first(static_cast<First>(std::forward<ItsFirst>(its_first))),
        second(static_cast<Second>(std::forward<ItsSecond>(its_second))) {}
  template <class Pair>
    requires(is_pair<std::remove_cvref_t<Pair>>&& requires(Pair&& pair) {
      { std::forward<Pair>(pair).first } -> std::convertible_to<First>;
      { std::forward<Pair>(pair).second } -> std::convertible_to<Second>;
    })
  listed(Pair&& pair) : listed(std::forward<Pair>(pair).first, std::forward<Pair>(pair).second) {}

  First first;
  Second second;
};

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
      if (!holds(b.get(key), value)) return false;
    }
    return true;
  }
  /// What was found of a key is an owner or, perhaps, a mapped value, which may itself be a std::optional.
  template <class Found, class Value> static bool holds(const Found& found, const Value& value) {
    if constexpr (requires { found.has_value(); }) {
      return found.has_value() && *found == value;
    } else {
      return found == value;
    }
  }
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
