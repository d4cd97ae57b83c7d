// SPDX-License-Identifier: BSL-1.0
// A budget of calls that succeed. The call after the last one fails; every later one too when the fault is
// lasting, which finds clean-up code that itself needs memory or calls the user. Calls are told apart by what
// they are, so that a test can say which of them an operation makes.
#ifndef WEAKREF_TESTS_SUPPORT_DICTIONARY_FAULTS_HPP
#define WEAKREF_TESTS_SUPPORT_DICTIONARY_FAULTS_HPP

#include <array>
#include <cstddef>
#include <exception>

namespace dictionary_test {

struct injected : std::exception {
  const char* what() const noexcept override { return "injected"; }
};

enum class fault : unsigned char {
  heap,      // the global operator new
  allocator, // the container's allocator
  hash,
  equal,     // of keys
  construct, // a key, a value or a referent, from what it is made of
  copy,
  move,
  compare, // mapped values, referents
  convert, // an element of a range to what is stored
  iterate, // a range's iterators
  factory,
  predicate,
  visit,
  callback,
  other
};
inline constexpr std::array<const char*, 15> fault_names{
    "heap",    "allocator", "hash",    "equal",     "construct", "copy",     "move", "compare",
    "convert", "iterate",   "factory", "predicate", "visit",     "callback", "other"};

/// A set of kinds of faults.
class fault_set {
 public:
  constexpr fault_set() noexcept = default;
  constexpr fault_set(fault one) noexcept : bits_(1U << static_cast<unsigned>(one)) {}
  constexpr bool has(fault one) const noexcept { return (bits_ & fault_set(one).bits_) != 0; }
  constexpr bool empty() const noexcept { return bits_ == 0; }
  constexpr fault_set& operator|=(fault_set more) noexcept {
    bits_ |= more.bits_;
    return *this;
  }
  friend constexpr fault_set operator|(fault_set left, fault_set right) noexcept { return left |= right; }
  friend constexpr bool operator==(fault_set, fault_set) noexcept = default;

 private:
  unsigned bits_ = 0;
};
constexpr fault_set operator|(fault left, fault right) noexcept { return fault_set(left) | right; }

class faults {
 public:
  /// While it lives nothing fails, and nothing is counted: for what a test does inside of an operation.
  class pause {
   public:
    pause() noexcept { ++paused_; }
    ~pause() { --paused_; }
    pause(const pause&) = delete;
    pause& operator=(const pause&) = delete;
  };

  static void arm(long budget, bool lasting) noexcept {
    armed_ = true;
    lasting_ = lasting;
    budget_ = budget;
    fired_ = 0;
    asked_ = 0;
  }
  static long disarm() noexcept {
    armed_ = false;
    return fired_;
  }
  /// Whether the call that asks is the one to fail.
  static bool due(fault kind = fault::other) noexcept {
    if (!armed_ || paused_ != 0) return false;
    ++asked_;
    if (budget_-- > 0) return false;
    if (!lasting_) armed_ = false;
    if (fired_++ == 0) first_ = kind;
    if (on_failure != nullptr) {
      const pause quiet;
      on_failure();
    }
    return true;
  }
  static void point(fault kind = fault::other) {
    if (due(kind)) throw injected();
  }

  /// Called in the moment of each failure, and nothing fails in it: what happens to be the case then.
  static inline thread_local void (*on_failure)() = nullptr;

  /// Since arm(): calls that could have failed, and what the first was that did.
  static long asked() noexcept { return asked_; }
  static fault first() noexcept { return first_; }

 private:
  static inline thread_local bool armed_ = false;
  static inline thread_local bool lasting_ = false;
  static inline thread_local int paused_ = 0;
  static inline thread_local long budget_ = 0;
  static inline thread_local long fired_ = 0;
  static inline thread_local long asked_ = 0;
  static inline thread_local fault first_ = fault::other;
};

} // namespace dictionary_test

#endif
