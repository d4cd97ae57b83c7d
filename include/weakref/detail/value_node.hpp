// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_VALUE_NODE_HPP
#define WEAKREF_DETAIL_VALUE_NODE_HPP

// The node of a WeakValueDictionary: a KeyedRef that is an entry. 56 bytes with an eight-byte key.

#include <weakref/detail/entry.hpp>
#include <weakref/keyed_ref.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace weakref::inline v0 {
namespace detail {

/// What iterating over a WeakValueDictionary yields.
template <class Key, class T> struct value_item {
  const Key& key;
  std::shared_ptr<T> value;
};

template <class Key, class T> struct value_node : KeyedRef<Key, T>, entry {
  using referent_type = T;
  using key_type = Key;
  using item_type = value_item<Key, T>;
  /// What a node carries besides its referent.
  using payload_type = Key;

  template <class K>
  value_node(core_base& container, std::uint32_t hash_value, std::uint32_t kind, K&& k)
      : KeyedRef<Key, T>(std::shared_ptr<T>(), Key(std::forward<K>(k))), entry(container, hash_value, kind) {}

  std::weak_ptr<T>& weak() noexcept { return ref_access::weak(*this); }
  item_type make_item(std::shared_ptr<T>&& owner) const noexcept { return {this->key(), std::move(owner)}; }

  /// A key never changes while it is stored: no lock. Always there (a mapped value might not be).
  template <class Core> static std::optional<Key> copy_payload(Core&, const value_node& from) {
    return from.key();
  }
  static Key take_payload(value_node& from) { return std::move(from.mutable_key()); }
  static const Key& hashed(const Key& payload, const std::shared_ptr<T>&) noexcept { return payload; }
};

} // namespace detail
} // namespace weakref::inline v0

#endif
