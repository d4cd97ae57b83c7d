// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_LOOKUP_HPP
#define WEAKREF_DETAIL_LOOKUP_HPP

// How a key finds its entry: hashing and comparing, by the key itself or by whatever Hash and KeyEqual take
// in its place.

#include <weakref/detail/container.hpp>

#include <concepts>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weakref {
inline namespace v0 {
namespace detail {

template <class K, class Key, class Hash, class KeyEqual>
concept direct_key = std::same_as<std::remove_cvref_t<K>, Key> ||
    (requires {
      typename Hash::is_transparent;
      typename KeyEqual::is_transparent;
    } &&
     std::invocable<const Hash&, const std::remove_reference_t<K>&> &&
     std::predicate<const KeyEqual&, const Key&, const std::remove_reference_t<K>&>);

/// What a container with this key can be asked for: the key, what stands for it, or what converts to it.
template <class K, class Key, class Hash, class KeyEqual>
concept key_for = direct_key<K, Key, Hash, KeyEqual> || std::constructible_from<Key, K>;

template <class T> inline constexpr bool compares_without_user_code = std::is_scalar_v<T>;
template <class Char, class Allocator>
inline constexpr bool compares_without_user_code<std::basic_string<Char, std::char_traits<Char>, Allocator>> =
    true;
template <class Char>
inline constexpr bool compares_without_user_code<std::basic_string_view<Char, std::char_traits<Char>>> = true;
template <class Char, std::size_t size> inline constexpr bool compares_without_user_code<Char[size]> = true;

template <class KeyEqual, class Key>
inline constexpr bool is_standard_equal =
    std::is_same_v<KeyEqual, std::equal_to<>> || std::is_same_v<KeyEqual, std::equal_to<Key>>;

template <class Hash> inline constexpr bool is_defined = requires { sizeof(Hash); };

template <class Key, class Hash, class KeyEqual> class lookup {
  static_assert(is_defined<Hash>,
                "the key has no hash: specialise std::hash, write a hash_value(key), or name a Hash");

 public:
  template <class K> static constexpr bool is_direct = direct_key<K, Key, Hash, KeyEqual>;
  /// Whether comparing a stored key with this one can run code that we do not know.
  template <class K>
  static constexpr bool runs_user_code =
      !(is_standard_equal<KeyEqual, Key> && compares_without_user_code<Key> &&
        (!is_direct<K> || compares_without_user_code<std::remove_cvref_t<K>>));

  /// Of storing a node under its own key.
  static constexpr bool stores_run_user_code = runs_user_code<Key>;
  template <class Entry> static const Key& key_of(const Entry& made) noexcept {
    return std::as_const(made.node()).key();
  }
  template <class K> static constexpr bool is_null(const K&) noexcept { return false; }

  /// Calls f with the key, or with a Key made from it where only a Key will do.
  template <class K, class F> decltype(auto) with(K&& key, F&& f) const {
    if constexpr (is_direct<K>) {
      return std::forward<F>(f)(std::forward<K>(key));
    } else {
      return std::forward<F>(f)(Key(std::forward<K>(key)));
    }
  }

  template <class K> std::uint32_t hash(const K& key) const { return table_hash(hash_(key)); }

  /// Whether an entry has this key; the key must outlive the matcher.
  template <class K> auto matcher(const K& key) const noexcept {
    return [this, &key](const auto& node) -> bool { return equal_(node.key(), key); };
  }
  template <class K> auto flight_matcher(const K& key) const noexcept {
    return [this, &key](const flight& other) -> bool {
      return equal_(*static_cast<const Key*>(other.key), key);
    };
  }

 private:
  [[no_unique_address]] Hash hash_{};
  [[no_unique_address]] KeyEqual equal_{};
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
