// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_REPORT_HPP
#define WEAKREF_REPORT_HPP

// What is still alive, and how many own it: for the end of a test, or of a level, when a cache should be empty and is
// not.
//
//   weakref::report(std::cerr, textures);
//
//   2 alive
//     owners  type               key
//          3  CompressedTexture  "roof.dds" at 0x55d0c8a2f2c0
//          1  Texture            "wall.png" at 0x55d0c8a2f1b0
//
// Not part of weakref/weakref.hpp: it needs the standard library's streams.

#include <weakref/detail/referent/tracking.hpp>

#include <concepts>
#include <iosfwd>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

namespace weakref {
inline namespace v0 {

/// An object that a container has an entry for, and that is alive.
struct survivor {
  /// As `<<` prints the key, a string in quotes. Empty where it can't be printed, and where the object itself is the
  /// key.
  std::string key;
  /// The object's own type if it has virtual functions (and the program RTTI), else the container's.
  std::string type;
  const void* address; ///< Of the object, as the container's owners point to it.
  long owners; ///< The number of std::shared_ptrs; an upper bound while other threads use the container.
};

/// The words of report(). Sorted: most owners first, then by type, key and address.
/// Cost: O(n log n), allocates. Throws: std::bad_alloc, what printing throws; nothing has been printed then.
WEAKREF_API void report(std::ostream& out, std::span<const survivor> alive);

namespace detail {

WEAKREF_API std::string demangled(const std::type_info& type);

template <class T> std::string name_of_type([[maybe_unused]] const T& object) {
#if WEAKREF_HAS_RTTI
  if constexpr (std::is_polymorphic_v<T>) return detail::demangled(typeid(object));
#endif
  const literal_part name = type_name<T>();
  return std::string(name.begin, name.size);
}

template <class Key> std::string printed(const Key& key) {
  if constexpr (requires(std::ostream & out) { out << key; }) {
    std::ostringstream out;
    if constexpr (std::convertible_to<const Key&, std::string_view>) {
      out << '"' << key << '"';
    } else {
      out << key;
    }
    return std::move(out).str();
  } else {
    return {};
  }
}

template <class Key, class T> struct value_item;
template <class T, class Value> struct key_item;

template <class T> survivor survivor_of(const std::shared_ptr<T>& owner, std::string key = {}) {
  return {std::move(key), detail::name_of_type(*owner), owner.get(),
          owner.use_count() - 1}; // one is the iteration's
}
template <class Key, class T> survivor survivor_of(const value_item<Key, T>& item) {
  return detail::survivor_of(item.value, detail::printed(item.key));
}
template <class T, class Value> survivor survivor_of(const key_item<T, Value>& item) {
  return detail::survivor_of(item.key);
}

} // namespace detail

/// The living objects of a WeakValueDictionary, WeakKeyDictionary or WeakSet, in no order. What others store or drop
/// meanwhile is in it or not.
///
/// Cost: O(n), allocates. Throws: std::bad_alloc, what `<<` throws for a key, std::logic_error under a container's
/// lock. No lock is held while a key is printed.
template <class Container> std::vector<survivor> survivors(const Container& container) {
  std::vector<survivor> found;
  for (const auto& each : container) found.push_back(detail::survivor_of(each));
  return found;
}

/// Prints the survivors of a container, as at the head of this file.
template <class Container>
  requires requires(const Container& container) {
    container.begin();
    container.get_allocator();
  }
void report(std::ostream& out, const Container& container) {
  weakref::report(out, std::span<const survivor>(weakref::survivors(container)));
}

} // namespace v0
} // namespace weakref

#endif
