// SPDX-License-Identifier: BSL-1.0
//
// Referents compared by value, with a hash and an equality that a script makes do whatever it likes; and what
// scripts about containers of such referents have in common.
#ifndef WEAKREF_TESTS_PROPERTY_HOSTILE_HPP
#define WEAKREF_TESTS_PROPERTY_HOSTILE_HPP

#include "script.hpp"

#include <weakref/hash.hpp>

#include <cstddef>
#include <functional>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>

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

/// By identity an object's serial number stands for it in a model, by value its kind.
template <class Container> class referents_script : public owners_script<typename Container::key_type> {
 protected:
  using T = typename Container::key_type;
  static constexpr bool by_value = !std::is_same_v<typename Container::hasher, weakref::by_identity>;

  referents_script(std::span<const unsigned char> script, const weakref::options& wanted)
      : owners_script<T>(script, wanted, 14) {
    comparison_hook::run = nullptr;
    comparison_hook::has_seen_the_dead = false;
  }

  static int key_of(const T& object) { return by_value ? kind_of(object) : object.serial; }

  /// Runs `operation`, in whose first comparison `deed` is done. If that throws, so must the operation.
  template <class Deed, class Operation> void run_hostile(Deed deed, Operation operation) {
    bool has_thrown = false;
    comparison_hook::run = [&](const Subject&, const Subject&) {
      has_thrown = refused<std::domain_error>(deed);
      if (has_thrown) throw std::domain_error("compared");
    };
    const bool is_thrown = refused<std::domain_error>(operation);
    this->expect(is_thrown || !has_thrown, "what a comparison threw was swallowed");
    this->expect(has_thrown || !is_thrown, "thrown from somewhere else");
    comparison_hook::run = nullptr;
  }
};

} // namespace model

#endif
