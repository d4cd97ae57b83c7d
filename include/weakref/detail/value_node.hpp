// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_VALUE_NODE_HPP
#define WEAKREF_DETAIL_VALUE_NODE_HPP

// The node of a WeakValueDictionary: a KeyedRef that is an entry. 56 bytes with an eight-byte key.

#include <weakref/detail/entry.hpp>
#include <weakref/keyed_ref.hpp>

#include <cstdint>
#include <memory>
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

  template <class K>
  value_node(core_base& container, std::uint32_t hash_value, std::uint32_t kind, K&& k)
      : KeyedRef<Key, T>(std::shared_ptr<T>(), Key(std::forward<K>(k))), entry(container, hash_value, kind) {}

  std::weak_ptr<T>& weak() noexcept { return ref_access::weak(*this); }
  Key& mutable_key() noexcept { return KeyedRef<Key, T>::mutable_key(); }
  item_type make_item(std::shared_ptr<T>&& owner) const noexcept { return {this->key(), std::move(owner)}; }
};

} // namespace detail
} // namespace weakref::inline v0

#endif
