// SPDX-License-Identifier: BSL-1.0
//
// Referents compared by value, with a hash and an equality that a script makes do whatever it likes.
#ifndef WEAKREF_TESTS_PROPERTY_HOSTILE_HPP
#define WEAKREF_TESTS_PROPERTY_HOSTILE_HPP

#include "script.hpp"

#include <cstddef>
#include <functional>

namespace model {

/// Subjects with the same rest are equal.
inline constexpr int kinds = 7;
inline int kind_of(const Subject& subject) { return subject.serial < 0 ? -1 : subject.serial % kinds; }

/// What the next comparison does besides comparing: `run(stored, asked)`, once.
struct comparison_hook {
  static inline std::function<void(const Subject&, const Subject&)> run;
  /// Set when somebody who is no more is hashed or compared.
  static inline bool has_seen_the_dead = false;
};

template <int Buckets> struct kind_hash {
  std::size_t operator()(const Subject& subject) const {
    if (subject.serial < 0) comparison_hook::has_seen_the_dead = true;
    return static_cast<std::size_t>(kind_of(subject) % Buckets);
  }
};

struct same_kind {
  bool operator()(const Subject& left, const Subject& right) const {
    if (left.serial < 0 || right.serial < 0) comparison_hook::has_seen_the_dead = true;
    const bool result = kind_of(left) == kind_of(right);
    if (comparison_hook::run) {
      const auto run = std::move(comparison_hook::run);
      comparison_hook::run = nullptr;
      run(left, right);
    }
    return result;
  }
};

} // namespace model

#endif
