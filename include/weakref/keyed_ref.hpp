// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_KEYED_REF_HPP
#define WEAKREF_KEYED_REF_HPP

// A ref that carries a key. Python's weakref.KeyedRef: what lets one shared callback evict the right entry
// without a closure per entry, and without hashing or comparing the key again. The node of a
// WeakValueDictionary is one.

#include <weakref/ref.hpp>

#include <memory>
#include <utility>

namespace weakref {
inline namespace v0 {

/// A ref<T> with a key. A value: copyable and movable where the key is.
template <class Key, class T> class KeyedRef : public ref<T> {
 public:
  using key_type = Key; ///< Of any type; copied and moved with the ref.

  /// To the owner's object, with a key. Throws: what moving the key throws.
  template <class U>
  KeyedRef(const std::shared_ptr<U>& owner, Key key) : ref<T>(owner), key_(std::move(key)) {}

  /// The key; it stays when the referent is dead.
  const Key& key() const noexcept { return key_; }

 protected:
  /// For a subclass that moves the key out at its end.
  Key& mutable_key() noexcept { return key_; }

 private:
  Key key_;
};

template <class Key, class T> KeyedRef(const std::shared_ptr<T>&, Key) -> KeyedRef<Key, T>;

} // namespace v0
} // namespace weakref

/// By hash_code(), as every ref: the key does not count.
template <class Key, class T> struct std::hash<weakref::KeyedRef<Key, T>> : std::hash<weakref::ref<T>> {};

#endif
