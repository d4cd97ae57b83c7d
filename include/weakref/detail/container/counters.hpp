// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_CONTAINER_COUNTERS_HPP
#define WEAKREF_DETAIL_CONTAINER_COUNTERS_HPP

// What a shard counts, under its lock; nothing unless its mutex asks for it.

#include <weakref/statistics.hpp>

namespace weakref {
inline namespace v0 {
namespace detail {

template <class Mutex> struct counters {
  static constexpr bool are_kept = false;
  static void look_up(bool) noexcept {}
  static void creation() noexcept {}
  static void wait() noexcept {}
  static void eviction() noexcept {}
};

template <class Mutex> struct counters<counting<Mutex>> {
  static constexpr bool are_kept = true;
  void look_up(bool is_hit) noexcept { ++(is_hit ? counts.hits : counts.misses); }
  void creation() noexcept { ++counts.creations; }
  void wait() noexcept { ++counts.waits; }
  void eviction() noexcept { ++counts.evictions; }

  void add_to(statistics& sum) const noexcept {
    sum.hits += counts.hits;
    sum.misses += counts.misses;
    sum.creations += counts.creations;
    sum.waits += counts.waits;
    sum.evictions += counts.evictions;
  }

  statistics counts;
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
