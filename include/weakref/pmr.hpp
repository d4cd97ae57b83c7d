// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_PMR_HPP
#define WEAKREF_PMR_HPP

// Names the containers with polymorphic allocators; each container's header includes it. Apart from fwd.hpp,
// because `<memory_resource>` is as much to compile as all of `<memory>`. Empty where the standard library has none.

#include <weakref/fwd.hpp>

#include <type_traits>
#include <version>
#if defined(__cpp_lib_memory_resource)
#include <memory_resource>

namespace weakref {
inline namespace v0 {

/// With memory from a std::pmr::memory_resource. It is used from any thread that drops an owner, and must
/// outlive the container, the evictions in hand, and what try_emplace and get_or_create have made.
namespace pmr {
/// weakref::WeakValueDictionary with a polymorphic allocator.
template <class Key, class T, class Hash = hash<Key>, class KeyEqual = std::equal_to<void>,
          class Mutex = adaptive_mutex>
using WeakValueDictionary =
    weakref::WeakValueDictionary<Key, T, Hash, KeyEqual, std::pmr::polymorphic_allocator<std::remove_cv_t<T>>,
                                 Mutex>;
/// weakref::WeakKeyDictionary with a polymorphic allocator.
template <class T, class Value, class Hash = by_identity, class KeyEqual = equal_for<Hash>,
          class Mutex = adaptive_mutex>
using WeakKeyDictionary =
    weakref::WeakKeyDictionary<T, Value, Hash, KeyEqual, std::pmr::polymorphic_allocator<std::remove_cv_t<T>>,
                               Mutex>;
/// weakref::WeakSet with a polymorphic allocator.
template <class T, class Hash = by_identity, class KeyEqual = equal_for<Hash>, class Mutex = adaptive_mutex>
using WeakSet =
    weakref::WeakSet<T, Hash, KeyEqual, std::pmr::polymorphic_allocator<std::remove_cv_t<T>>, Mutex>;
} // namespace pmr

} // namespace v0
} // namespace weakref

#endif
#endif
