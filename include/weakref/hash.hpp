// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_HASH_HPP
#define WEAKREF_HASH_HPP

// The containers' default hash: std::hash where there is one, else hash_value found by argument-dependent
// look-up (so std::filesystem::path works), and pairs and tuples of such. Strings hash alike whatever their
// form, so that a look-up by string_view or literal makes no std::string. The tables mix the result: an
// identity hash is fine.

#include <weakref/detail/base/weak_pointer.hpp>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace weakref {
inline namespace v0 {

namespace detail {
template <class Key>
concept std_hashable = requires(const Key& key) {
  { std::hash<Key>()(key) } -> std::convertible_to<std::size_t>;
};
template <class Key>
concept adl_hashable = requires(const Key& key) {
  { hash_value(key) } -> std::convertible_to<std::size_t>;
};
inline std::size_t combine(std::size_t seed, std::size_t next) noexcept {
  return static_cast<std::size_t>(mix(seed + 0x9e3779b97f4a7c15U) ^ next);
}
} // namespace detail

/// The containers' default hash. Not defined for a type that has neither std::hash nor hash_value: give the
/// container a Hash then. The containers call it with no lock held.
template <class Key> struct hash;

/// By std::hash or, if there is none, by hash_value.
template <class Key>
  requires detail::std_hashable<Key>
struct hash<Key> {
  /// std::hash's, and throws what that throws.
  std::size_t operator()(const Key& key) const noexcept(noexcept(std::hash<Key>()(key))) {
    return std::hash<Key>()(key);
  }
};

template <class Key>
  requires(!detail::std_hashable<Key> && detail::adl_hashable<Key>)
struct hash<Key> {
  /// hash_value(key), found by argument-dependent look-up; throws what that throws.
  std::size_t operator()(const Key& key) const { return hash_value(key); }
};

/// Strings: a std::string, a std::string_view and a literal of the same text hash alike.
template <class Char, class Allocator>
struct hash<std::basic_string<Char, std::char_traits<Char>, Allocator>> {
  using is_transparent = void; ///< Look-ups take whatever converts to a string_view.
  /// Cost: O(length).
  std::size_t operator()(std::basic_string_view<Char> key) const noexcept {
    return std::hash<std::basic_string_view<Char>>()(key);
  }
};
/// As std::basic_string's.
template <class Char> struct hash<std::basic_string_view<Char>> : hash<std::basic_string<Char>> {};

/// Both members, each by its own hash; a std::hash of the pair that the program has goes before.
template <class First, class Second>
  requires(!detail::std_hashable<std::pair<First, Second>>)
struct hash<std::pair<First, Second>> {
  /// Throws: what hashing a member throws.
  std::size_t operator()(const std::pair<First, Second>& key) const {
    return detail::combine(hash<std::remove_cv_t<First>>()(key.first),
                           hash<std::remove_cv_t<Second>>()(key.second));
  }
};

/// All elements, each by its own hash; a std::hash of the tuple that the program has goes before.
template <class... Elements>
  requires(!detail::std_hashable<std::tuple<Elements...>>)
struct hash<std::tuple<Elements...>> {
  /// Throws: what hashing an element throws.
  std::size_t operator()(const std::tuple<Elements...>& key) const {
    return std::apply(
        [](const Elements&... element) {
          std::size_t seed = sizeof...(Elements);
          ((seed = detail::combine(seed, hash<std::remove_cv_t<Elements>>()(element))), ...);
          return seed;
        },
        key);
  }
};

} // namespace v0
} // namespace weakref

#endif
