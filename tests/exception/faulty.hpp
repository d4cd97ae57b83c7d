// SPDX-License-Identifier: BSL-1.0
// What users bring to a container, where everything may fail: keys, values, referents, ranges.
#ifndef WEAKREF_TESTS_EXCEPTION_FAULTY_HPP
#define WEAKREF_TESTS_EXCEPTION_FAULTY_HPP

#include "../support/dictionary_allocator.hpp"
#include "../support/dictionary_faults.hpp"
#include "../support/dictionary_objects.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <iterator>
#include <memory>
#include <utility>

namespace injection {

using dictionary_test::counted;
using dictionary_test::fault;
using dictionary_test::faults;

/// Something that a key, or a value, can be made from.
struct stand_in {
  int number;
};

/// Fails wherever it is made. Moves may be declared safe.
template <bool moves> struct faulty : counted<faulty<moves>> {
  explicit faulty(int start) : number(start) { faults::point(fault::construct); }
  faulty(stand_in from) : number(from.number) { faults::point(fault::convert); }
  faulty(const faulty& other) : counted<faulty>(other), number(other.number) { faults::point(fault::copy); }
  faulty(faulty&& other) noexcept(moves) : counted<faulty>(other), number(other.number) {
    if constexpr (!moves) faults::point(fault::move);
    other.number = -other.number;
  }
  faulty& operator=(const faulty& other) {
    faults::point(fault::copy);
    number = other.number;
    return *this;
  }
  ~faulty() = default;
  friend bool operator==(const faulty& left, const faulty& right) {
    faults::point(fault::compare);
    return left.number == right.number;
  }
  int number;
};

/// A referent. Its moves fail, too: a factory may return one.
struct fragile : counted<fragile> {
  explicit fragile(int start) : number(start) { faults::point(fault::construct); }
  fragile(fragile&& other) : counted<fragile>(other), number(other.number) { faults::point(fault::move); }
  fragile& operator=(fragile&&) = delete;
  virtual ~fragile() = default;
  int number;
};

struct derived_fragile : fragile {
  using fragile::fragile;
};

struct self_tracked_fragile : fragile, weakref::enable_weakref {
  using fragile::fragile;
};

/// A referent that is a key or an element itself: compared by the number, or by identity.
struct thing : counted<thing> {
  explicit thing(int start) : number(start) {}
  thing(const thing&) = delete;
  thing& operator=(const thing&) = delete;
  virtual ~thing() = default;
  const int number;
};
struct self_tracked_thing : thing, weakref::enable_weakref {
  using thing::thing;
};
/// The even ones in a block, the odd ones by their base class.
inline std::shared_ptr<thing> tracked_thing(int number) {
  if (number % 2 == 0) return weakref::make_tracked<thing>(number);
  return std::make_shared<self_tracked_thing>(number);
}

/// A hash and an equality of all of them. Keys that are 16 apart share a hash, so that different ones are
/// compared.
struct faulty_hash {
  template <class Key> std::size_t operator()(const Key& key) const {
    faults::point(fault::hash);
    return static_cast<std::size_t>(key.number % 16);
  }
};
/// Of more collisions: with a few entries each key is compared with several others.
struct crowded_hash {
  template <class Key> std::size_t operator()(const Key& key) const {
    faults::point(fault::hash);
    return static_cast<std::size_t>(key.number % 4);
  }
};
struct faulty_equal {
  template <class Key> bool operator()(const Key& left, const Key& right) const {
    faults::point(fault::equal);
    return left.number == right.number;
  }
};

/// Becomes an owner when it is asked to.
template <class T> struct late_owner {
  std::shared_ptr<T> owner;
  operator std::shared_ptr<T>() const {
    faults::point(fault::convert);
    return owner;
  }
};

/// An input range whose iterators may fail.
template <class Element, std::size_t size> struct faulty_range {
  struct iterator {
    using iterator_concept = std::input_iterator_tag;
    using iterator_category = std::input_iterator_tag;
    using value_type = Element;
    using difference_type = std::ptrdiff_t;
    using pointer = const Element*;
    using reference = const Element&;

    const Element& operator*() const {
      faults::point(fault::iterate);
      return *at;
    }
    iterator& operator++() {
      faults::point(fault::iterate);
      ++at;
      return *this;
    }
    iterator operator++(int) {
      const iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(iterator, iterator) noexcept = default;
    const Element* at;
  };
  iterator begin() const {
    faults::point(fault::iterate);
    return {elements};
  }
  iterator end() const noexcept { return {elements + size}; }
  Element elements[size];
};

/// What everything must have been given back to when it is destroyed.
struct closing_account : dictionary_test::account {
  ~closing_account() {
    CHECK(blocks == 0);
    CHECK(bytes == 0);
  }
};

} // namespace injection

#endif
