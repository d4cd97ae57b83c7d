// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_CONTAINER_VALUE_NODE_HPP
#define WEAKREF_DETAIL_CONTAINER_VALUE_NODE_HPP

// The node of a WeakValueDictionary: a KeyedRef that is an entry. 56 bytes with an eight-byte key.

#include <weakref/detail/referent/entry.hpp>
#include <weakref/keyed_ref.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace weakref {
inline namespace v0 {
namespace detail {

/// What iterating over a WeakValueDictionary yields.
template <class Key, class T> struct value_item {
  const Key& key;
  std::shared_ptr<T> value;
};

template <class Key, class T> struct value_node : entry, KeyedRef<Key, T> {
  using referent_type = T;
  /// Whether a container of these splits into shards when it has grown, unless told otherwise.
  static constexpr bool splits_by_itself = true;
  using key_type = Key;
  using item_type = value_item<Key, T>;
  /// What a node carries besides its referent.
  using payload_type = Key;

  template <class K>
  value_node(core_base& container, std::uint32_t hash_value, std::uint32_t kind, K&& k)
      : entry(container, hash_value, kind), KeyedRef<Key, T>(std::shared_ptr<T>(), Key(std::forward<K>(k))) {}

  std::weak_ptr<T>& weak() noexcept { return ref_access::weak(*this); }

  // What iteration shows.
  using key_item_type = item_type;
  using ref_item_type = item_type;
  template <class Core>
  static bool show(std::optional<item_type>& shown, Core&, const value_node& from,
                   std::shared_ptr<T>&& owner) {
    shown.emplace(item_type{from.key(), std::move(owner)});
    return true;
  }
  static const Key& key_of(const item_type& item) noexcept { return item.key; }
  static const std::shared_ptr<T>& value_of(const item_type& item) noexcept { return item.value; }
  static const std::shared_ptr<T>& owner_of(const item_type& item) noexcept { return item.value; }

  /// A key never changes while it is stored: no lock. Always there (a mapped value might not be).
  template <class Core> static std::optional<Key> copy_payload(Core&, const value_node& from) {
    return from.key();
  }
  static Key take_payload(value_node& from) { return std::move(from.mutable_key()); }
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
