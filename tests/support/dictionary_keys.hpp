// SPDX-License-Identifier: BSL-1.0
// Keys for the dictionary's tests: one that tells the test of everything done to it, one that can only be
// moved, and hashes that are as bad as a hash may be.
#ifndef WEAKREF_TESTS_SUPPORT_DICTIONARY_KEYS_HPP
#define WEAKREF_TESTS_SUPPORT_DICTIONARY_KEYS_HPP

#include "dictionary_objects.hpp"

#include <cstddef>
#include <functional>
#include <type_traits>
#include <utility>

namespace dictionary_test {

enum class key_event : unsigned char { hash, equal, copy, move, destroy };

// For one thread at a time. What the hook itself does to keys is not reported again: a hook may use a
// container.
class key_hook {
 public:
  using function = std::function<void(key_event, int)>;

  explicit key_hook(function hook) : before_(std::exchange(current_, std::move(hook))) {}
  ~key_hook() { current_ = std::move(before_); }
  key_hook(const key_hook&) = delete;
  key_hook& operator=(const key_hook&) = delete;

  static void tell(key_event what, int value) {
    if (!current_ || inside_) return;
    struct guard {
      guard() { inside_ = true; }
      ~guard() { inside_ = false; }
    } const once;
    current_(what, value);
  }

 private:
  function before_;
  static inline function current_;
  static inline bool inside_ = false;
};

struct LoudKey : counted<LoudKey> {
  LoudKey(int start) : value(start) {}
  LoudKey(const LoudKey& other) : counted<LoudKey>(other), value(other.value) {
    key_hook::tell(key_event::copy, value);
  }
  LoudKey(LoudKey&& other) : counted<LoudKey>(other), value(other.value) {
    key_hook::tell(key_event::move, value);
  }
  LoudKey& operator=(const LoudKey&) = default;
  ~LoudKey() { key_hook::tell(key_event::destroy, value); }
  int value;

  friend bool operator==(const LoudKey& left, const LoudKey& right) {
    key_hook::tell(key_event::equal, right.value);
    return left.value == right.value;
  }
  friend std::size_t hash_value(const LoudKey& key) {
    key_hook::tell(key_event::hash, key.value);
    return static_cast<std::size_t>(key.value);
  }
};

// Can be moved, not copied; moved from, it is no longer the key it was.
struct Ticket : counted<Ticket> {
  explicit Ticket(int start) : value(start) {}
  Ticket(Ticket&& other) noexcept : counted<Ticket>(other), value(std::exchange(other.value, -1)) {}
  Ticket& operator=(Ticket&& other) noexcept {
    value = std::exchange(other.value, -1);
    return *this;
  }
  ~Ticket() = default;
  int value;

  friend bool operator==(const Ticket& left, const Ticket& right) { return left.value == right.value; }
  friend bool operator==(const Ticket& left, int right) { return left.value == right; }
};

struct TicketHash {
  using is_transparent = void;
  std::size_t operator()(const Ticket& ticket) const noexcept {
    return static_cast<std::size_t>(ticket.value);
  }
  std::size_t operator()(int number) const noexcept { return static_cast<std::size_t>(number); }
};

struct constant_hash {
  template <class Key> std::size_t operator()(const Key&) const noexcept { return 42; }
};

template <int Buckets> struct crowded_hash {
  std::size_t operator()(int key) const noexcept { return static_cast<std::size_t>(key % Buckets); }
};

} // namespace dictionary_test

#endif
