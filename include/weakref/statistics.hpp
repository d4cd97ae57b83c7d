// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_STATISTICS_HPP
#define WEAKREF_STATISTICS_HPP

// How well a cache does its work. Counting is a policy that comes with the mutex, because the counts lie in the
// shards, under their locks, and cost no atomic operation; a container that does not ask for it has neither the
// counts nor the code. What counting costs stands in benchmarks/RESULTS.md, as weakref_counted.
//
//   weakref::counted::WeakValueDictionary<std::string, Texture> textures;
//   ...
//   const weakref::statistics seen = textures.statistics();
//   std::cout << seen.hits << " of " << seen.hits + seen.misses << '\n';
//
// Python's module has nothing like it; functools.lru_cache has cache_info().

#include <weakref/fwd.hpp>
#include <weakref/mutex.hpp>

#include <cstddef>
#include <cstdint>

namespace weakref {
inline namespace v0 {

/// What a container has seen since it was first stored into. All counts but `live` only grow; they go with the
/// contents through a move or swap, and a copy begins with none.
struct statistics {
  /// Look-ups that found a living object: get, at, visit, contains, pop, discard and erase by key, and those with
  /// which try_emplace, get_or_create and get_or_add begin.
  std::uint64_t hits = 0;
  /// Those that found none.
  std::uint64_t misses = 0;
  /// Entries stored for what try_emplace has constructed, or a factory given to get_or_create has returned.
  std::uint64_t creations = 0;
  /// Calls of get_or_create that found another one's factory at work and waited for it, once for each factory; those
  /// that were refused, because they would have waited for themselves, too.
  std::uint64_t waits = 0;
  /// Entries that left because their object died.
  std::uint64_t evictions = 0;
  /// Entries present: size().
  std::size_t live = 0;
};

/// A mutex whose container counts: `WeakSet<Observer, by_identity, by_identity, std::allocator<Observer>, counting<>>`.
/// Locks as Mutex does.
template <class Mutex> struct counting : Mutex { using Mutex::Mutex; };

} // namespace v0
} // namespace weakref

#endif
