// SPDX-License-Identifier: BSL-1.0
// What the storms have in common: dice, objects that know whether they are whole, and how many threads.
//
// WEAKREF_STORM_SEED=7 gives the dice another beginning, WEAKREF_STORM_WORKERS=16 is another number of threads;
// how long a storm lasts is said in dictionary_threads.hpp. (tests/thread/soak sets them.)
#ifndef WEAKREF_TESTS_SUPPORT_STORM_HPP
#define WEAKREF_TESTS_SUPPORT_STORM_HPP

#include "dictionary_objects.hpp"
#include "dictionary_threads.hpp"

#include <cstdint>

namespace dictionary_test {

inline unsigned storm_workers() { return from_environment("WEAKREF_STORM_WORKERS", 4); }
inline int storm_steps(int usual) { return static_cast<int>(lasting(static_cast<unsigned>(usual))); }

class dice {
 public:
  explicit dice(std::uint64_t thread)
      : state_((thread + 1000 * from_environment("WEAKREF_STORM_SEED", 0)) * 0x9e3779b97f4a7c15u + 1) {}
  unsigned operator()(unsigned sides) noexcept {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<unsigned>((state_ >> 32) % sides);
  }

 private:
  std::uint64_t state_;
};

// Shows in its numbers whether it has been destroyed, or is somebody else.
struct Whole : counted<Whole> {
  explicit Whole(int start = 0) : number(start), twice(2 * start) {}
  Whole(const Whole&) = default;
  Whole& operator=(const Whole&) = default;
  ~Whole() {
    number = -1;
    twice = 0;
  }
  bool whole() const noexcept { return number >= 0 && twice == 2 * number; }
  bool whole(int expected) const noexcept { return number == expected && twice == 2 * expected; }
  int doubled() const noexcept { return twice; }
  friend bool operator==(const Whole& left, const Whole& right) noexcept {
    return left.number == right.number;
  }
  int number;
  int twice;
};

struct WholeSession : weakref::enable_weakref, Whole {
  using Whole::Whole;
};

} // namespace dictionary_test

#endif
