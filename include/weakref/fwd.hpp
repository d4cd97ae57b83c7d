// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_FWD_HPP
#define WEAKREF_FWD_HPP

// Declares the public types and owns their default template arguments: what a header includes that only names
// them. (Those with polymorphic allocators are in pmr.hpp, because only `<memory_resource>` declares these.)
//
// The arguments name std::allocator, which `<iosfwd>` declares, and std::equal_to, which no program may declare
// itself and only `<functional>` promises. That takes ten times as long to compile as all the rest here, so
// the part of it that has std::equal_to is taken by itself where we know its name.

#include <weakref/detail/base/config.hpp>

#include <iosfwd>
#include <type_traits>
#include <version>
#if defined(__GLIBCXX__) && __has_include(<bits/stl_function.h>)
#include <bits/stl_function.h>
#elif defined(_LIBCPP_VERSION) && __has_include(<__functional/operations.h>)
#include <__functional/operations.h>
#else
#include <functional>
#endif

/// Weak references with callbacks, and containers that do not keep their objects alive: Python's weakref.
///
/// Where a description is silent, an operation is O(1) (on average, if it looks something up), allocates
/// nothing, throws nothing, and runs no user code under a lock; const members may be called from several
/// threads at a time, others need the object for themselves. The containers promise more than that. What
/// throws has changed nothing.
namespace weakref {
inline namespace v0 {

template <class Key> struct hash;
template <class T, class F = void> class ref;
template <class Key, class T> class KeyedRef;

class adaptive_mutex;
struct null_mutex;
template <class Mutex = adaptive_mutex> struct counting;
struct statistics;

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
/// weakref::WeakValueDictionary without locks.
template <class Key, class T, class Hash = hash<Key>, class KeyEqual = std::equal_to<void>,
          class Allocator = std::allocator<std::remove_cv_t<T>>>
using WeakValueDictionary = weakref::WeakValueDictionary<Key, T, Hash, KeyEqual, Allocator, null_mutex>;
/// weakref::WeakKeyDictionary without locks.
template <class T, class Value, class Hash = by_identity, class KeyEqual = equal_for<Hash>,
          class Allocator = std::allocator<std::remove_cv_t<T>>>
using WeakKeyDictionary = weakref::WeakKeyDictionary<T, Value, Hash, KeyEqual, Allocator, null_mutex>;
/// weakref::WeakSet without locks.
template <class T, class Hash = by_identity, class KeyEqual = equal_for<Hash>,
          class Allocator = std::allocator<std::remove_cv_t<T>>>
using WeakSet = weakref::WeakSet<T, Hash, KeyEqual, Allocator, null_mutex>;
} // namespace local

/// With statistics() (statistics.hpp).
namespace counted {
/// weakref::WeakValueDictionary that counts.
template <class Key, class T, class Hash = hash<Key>, class KeyEqual = std::equal_to<void>,
          class Allocator = std::allocator<std::remove_cv_t<T>>>
using WeakValueDictionary = weakref::WeakValueDictionary<Key, T, Hash, KeyEqual, Allocator, counting<>>;
/// weakref::WeakKeyDictionary that counts.
template <class T, class Value, class Hash = by_identity, class KeyEqual = equal_for<Hash>,
          class Allocator = std::allocator<std::remove_cv_t<T>>>
using WeakKeyDictionary = weakref::WeakKeyDictionary<T, Value, Hash, KeyEqual, Allocator, counting<>>;
/// weakref::WeakSet that counts.
template <class T, class Hash = by_identity, class KeyEqual = equal_for<Hash>,
          class Allocator = std::allocator<std::remove_cv_t<T>>>
using WeakSet = weakref::WeakSet<T, Hash, KeyEqual, Allocator, counting<>>;
} // namespace counted

} // namespace v0
} // namespace weakref

#endif
