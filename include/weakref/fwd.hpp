// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_FWD_HPP
#define WEAKREF_FWD_HPP

// Declares the public types and owns their default template arguments. The standard headers are there because
// those arguments name std::equal_to, std::allocator and std::pmr::polymorphic_allocator, which no program
// may declare itself.

#include <functional>
#include <memory>
#include <type_traits>
#include <version>
#if defined(__cpp_lib_memory_resource)
#include <memory_resource>
#endif

namespace weakref {
inline namespace v0 {

template <class Key> struct hash;
template <class T, class F = void> class ref;
template <class Key, class T> class KeyedRef;

class adaptive_mutex;
struct null_mutex;

struct options;

template <class Key, class T, class Hash = hash<Key>, class KeyEqual = std::equal_to<void>,
          class Allocator = std::allocator<std::remove_cv_t<T>>, class Mutex = adaptive_mutex>
class WeakValueDictionary;

/// As Hash and KeyEqual: keys are equal if they are the same object.
struct by_identity {};
/// The equality that goes with a hash, where none is named.
template <class Hash>
using equal_for = std::conditional_t<std::is_same_v<Hash, by_identity>, by_identity, std::equal_to<void>>;

template <class T, class Value, class Hash = by_identity, class KeyEqual = equal_for<Hash>,
          class Allocator = std::allocator<std::remove_cv_t<T>>, class Mutex = adaptive_mutex>
class WeakKeyDictionary;

template <class T, class Hash = by_identity, class KeyEqual = equal_for<Hash>,
          class Allocator = std::allocator<std::remove_cv_t<T>>, class Mutex = adaptive_mutex>
class WeakSet;

template <class T, class F = void> class proxy;
template <class T, class Method, class F = void> class WeakMethod;
template <class Result = void> class finalize;

/// For one thread: no locks, one shard. The referents must die on the thread that uses the container.
namespace local {
template <class Key, class T, class Hash = hash<Key>, class KeyEqual = std::equal_to<void>,
          class Allocator = std::allocator<std::remove_cv_t<T>>>
using WeakValueDictionary = weakref::WeakValueDictionary<Key, T, Hash, KeyEqual, Allocator, null_mutex>;
template <class T, class Value, class Hash = by_identity, class KeyEqual = equal_for<Hash>,
          class Allocator = std::allocator<std::remove_cv_t<T>>>
using WeakKeyDictionary = weakref::WeakKeyDictionary<T, Value, Hash, KeyEqual, Allocator, null_mutex>;
template <class T, class Hash = by_identity, class KeyEqual = equal_for<Hash>,
          class Allocator = std::allocator<std::remove_cv_t<T>>>
using WeakSet = weakref::WeakSet<T, Hash, KeyEqual, Allocator, null_mutex>;
} // namespace local

#if defined(__cpp_lib_memory_resource)
/// With polymorphic allocators.
namespace pmr {
template <class Key, class T, class Hash = hash<Key>, class KeyEqual = std::equal_to<void>,
          class Mutex = adaptive_mutex>
using WeakValueDictionary =
    weakref::WeakValueDictionary<Key, T, Hash, KeyEqual, std::pmr::polymorphic_allocator<std::remove_cv_t<T>>,
                                 Mutex>;
template <class T, class Value, class Hash = by_identity, class KeyEqual = equal_for<Hash>,
          class Mutex = adaptive_mutex>
using WeakKeyDictionary =
    weakref::WeakKeyDictionary<T, Value, Hash, KeyEqual, std::pmr::polymorphic_allocator<std::remove_cv_t<T>>,
                               Mutex>;
template <class T, class Hash = by_identity, class KeyEqual = equal_for<Hash>, class Mutex = adaptive_mutex>
using WeakSet =
    weakref::WeakSet<T, Hash, KeyEqual, std::pmr::polymorphic_allocator<std::remove_cv_t<T>>, Mutex>;
} // namespace pmr
#endif

} // namespace v0
} // namespace weakref

#endif
