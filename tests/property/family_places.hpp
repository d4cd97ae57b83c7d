// SPDX-License-Identifier: BSL-1.0
//
// What the family script's containers hold, and what is known of each of them: its model, and whether somebody is in
// the middle of an operation of it. A nested command may use a container that is in use, but not move or destroy it.
#ifndef WEAKREF_TESTS_PROPERTY_FAMILY_PLACES_HPP
#define WEAKREF_TESTS_PROPERTY_FAMILY_PLACES_HPP

#include "family.hpp"

#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <utility>

namespace model {

/// A key whose end the script hears of.
struct FamilyKey {
  explicit FamilyKey(int its_number) : number(its_number) {}
  FamilyKey(const FamilyKey&) = default;
  FamilyKey(FamilyKey&& other) noexcept : number(std::exchange(other.number, -1)) {}
  ~FamilyKey() {
    if (number >= 0) family::now().key_gone();
  }
  int number;
  friend bool operator==(const FamilyKey& left, const FamilyKey& right) {
    return left.number == right.number;
  }
  friend bool operator==(const FamilyKey& left, int right) { return left.number == right; }
};
struct family_hash {
  using is_transparent = void;
  std::size_t operator()(const FamilyKey& key) const noexcept { return (*this)(key.number); }
  std::size_t operator()(int number) const noexcept { return static_cast<std::size_t>(number & 3); }
};
/// A mapped value that may own another object.
struct Mapped {
  Held child;
};

// What a container holds: by key number, or by the object's where the object is the key. The stamp tells one
// entry from a later one.
struct Entry {
  int id;
  int stamp;
};
struct Content {
  std::map<int, Entry> entries;
  bool is_ending = false; // under a lock the end of a container waits, and loops may still see what it held
};
template <class Container> struct Place {
  std::unique_ptr<Container> real;
  std::shared_ptr<Content> content = std::make_shared<Content>();
  int users = 0; // operations in progress
  bool is_exclusive = false;
  bool is_free() const { return !is_exclusive; }
  bool is_idle() const { return users == 0 && !is_exclusive; }
};
template <class Iterator> struct Loop {
  Iterator at;
  std::shared_ptr<Content> content;
  std::set<int> due{}, seen{};
  int id = -1; // the current object, which the loop owns
  bool is_busy = false;
};
struct shared_use {
  template <class Container> explicit shared_use(Place<Container>& of) : users(of.users) { ++users; }
  ~shared_use() { --users; }
  int& users;
};
struct exclusive_use {
  template <class Container> explicit exclusive_use(Place<Container>& of) : is_exclusive(of.is_exclusive) {
    is_exclusive = true;
  }
  ~exclusive_use() { is_exclusive = false; }
  bool& is_exclusive;
};

/// Inside a visit function: first of its locals.
struct under_lock {
  explicit under_lock(bool& flag) : is_locked(flag), before(std::exchange(flag, true)) {}
  ~under_lock() { is_locked = before; }
  bool& is_locked;
  const bool before;
};

} // namespace model

#endif
