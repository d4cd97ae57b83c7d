// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_INTERFACE_LOOKUP_HPP
#define WEAKREF_DETAIL_INTERFACE_LOOKUP_HPP

// How a key finds its entry: hashing and comparing, by the key itself or by whatever Hash and KeyEqual take
// in its place.

#include <weakref/detail/container/container.hpp>

#include <concepts>
#include <cstddef>
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

template <class Key> inline constexpr bool is_text = false;
template <class Char, class Traits, class Allocator>
inline constexpr bool is_text<std::basic_string<Char, Traits, Allocator>> = true;
template <class Char, class Traits>
inline constexpr bool is_text<std::basic_string_view<Char, Traits>> = true;
template <class K, class Key>
inline constexpr bool is_null_text = is_text<Key>&& std::is_null_pointer_v<std::remove_cvref_t<K>>;

/// What a container with this key can be asked for: the key, what stands for it, or what converts to it implicitly. (An
/// explicit conversion may make more of a question than was asked: a number becomes a vector of that length, a raw
/// pointer an owner. And a null pointer is no text, though a std::string would take it for one.)
template <class K, class Key, class Hash, class KeyEqual>
concept key_for = !is_null_text<K, Key> && (direct_key<K, Key, Hash, KeyEqual> ||
                                            std::convertible_to<const std::remove_reference_t<K>&, Key>);

template <class Char>
inline constexpr bool is_standard_character =
    std::is_same_v<Char, char> || std::is_same_v<Char, wchar_t> || std::is_same_v<Char, char8_t> ||
    std::is_same_v<Char, char16_t> || std::is_same_v<Char, char32_t>;

/// A pointer that could be taken for what it points to, and owned: not one to text.
template <class K>
inline constexpr bool is_pointer_to_object =
    std::is_pointer_v<K> && !is_standard_character<std::remove_cv_t<std::remove_pointer_t<K>>>;

/// What a new entry's key can be made from: K&& is what is forwarded. What stands for a key by a transparent Hash and
/// KeyEqual makes one explicitly too, as in the standard's maps, but that no pointer becomes an owner.
template <class K, class Key, class Hash, class KeyEqual>
concept makes_key =
    !is_null_text<K, Key> && (std::convertible_to<K, Key> ||
                              (direct_key<K, Key, Hash, KeyEqual> && std::constructible_from<Key, K> &&
                               (std::is_pointer_v<Key> || !is_pointer_to_object<std::remove_cvref_t<K>>)));

// --- What runs no user code -----------------------------------------------------------------------------
//
// While user code runs under a shard's lock the thread's record must say so, for what it kills or asks (thread_record.hpp).
// That is spared where nothing but the standard's and the compiler's own code can run. The list of all such guesses:
//
//   comparing keys     KeyEqual is std::equal_to, of types that are listed here. Not enumerations: they can have an
//                      operator== of the user's. Not strings of the user's character types, whose traits are theirs.
//   identity           addresses and control blocks are compared (referent_lookup.hpp).
//   copying a value    trivially (key_node.hpp). Moving one happens outside the lock.
//   hashing, converting, destroying, creating: outside the lock always.

template <class T>
inline constexpr bool compares_without_user_code = std::is_arithmetic_v<T> || std::is_pointer_v<T> ||
                                                   std::is_member_pointer_v<T> || std::is_null_pointer_v<T>;
template <class Char, class Allocator>
inline constexpr bool compares_without_user_code<std::basic_string<Char, std::char_traits<Char>, Allocator>> =
    is_standard_character<Char>;
template <class Char>
inline constexpr bool compares_without_user_code<std::basic_string_view<Char, std::char_traits<Char>>> =
    is_standard_character<Char>;
template <class Char, std::size_t size>
inline constexpr bool compares_without_user_code<Char[size]> = is_standard_character<Char>;

/// std::equal_to, where no program may have written another one for this key.
template <class KeyEqual, class Key>
inline constexpr bool is_standard_equal = std::is_same_v<KeyEqual, std::equal_to<>> ||
                                          (std::is_same_v<KeyEqual, std::equal_to<Key>> &&
                                           (std::is_arithmetic_v<Key> || std::is_same_v<Key, std::string> ||
                                            std::is_same_v<Key, std::string_view>));

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

  lookup() = default;
  lookup(const Hash& hash, const KeyEqual& equal) : hash_(hash), equal_(equal) {}
  const Hash& hash_function() const noexcept { return hash_; }
  const KeyEqual& key_eq() const noexcept { return equal_; }

  /// Calls f with the key, or with a Key made from it where only a Key will do.
  template <class K, class F> decltype(auto) with(K&& key, F&& f) const {
    if constexpr (is_direct<K>) {
      return std::forward<F>(f)(std::forward<K>(key));
    } else {
      return std::forward<F>(f)(converted(std::forward<K>(key)));
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
  template <class K> static Key converted(K&& key) {
    if constexpr (std::is_arithmetic_v<Key>) {
      return static_cast<Key>(std::forward<K>(key)); // or each get(5) of a small number would be a warning
    } else {
      return std::forward<K>(key);
    }
  }

  [[no_unique_address]] Hash hash_{};
  [[no_unique_address]] KeyEqual equal_{};
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
