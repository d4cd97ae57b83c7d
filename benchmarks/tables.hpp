// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_BENCHMARKS_TABLES_HPP
#define WEAKREF_BENCHMARKS_TABLES_HPP

// Tables of weak_ptrs that threads may share, and what the maps of peers.hpp need of one:
//
//   owner find(key)                  the live object, or empty
//   void store(key, owner)           in the place of whatever is there
//   owner find_or_store(key, make)   the live object, or what make() returns; one for all threads that ask at once
//   void erase_dead(key)             the entry, unless its object lives
//   std::vector<owner> all()         where `iterable`
//
// No owner is let go under a lock: it might be the last one, and run a deleter that takes the same lock.

#include "bench.hpp"

#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#if __has_include(<boost/unordered/unordered_flat_map.hpp>)
#include <boost/unordered/unordered_flat_map.hpp>
#define WEAKREF_BENCHMARKS_HAVE_FLAT_MAP
#endif

#if __has_include(<boost/unordered/concurrent_flat_map.hpp>)
#include <boost/unordered/concurrent_flat_map.hpp>
#define WEAKREF_BENCHMARKS_HAVE_CONCURRENT_FLAT_MAP
#endif

#ifdef WEAKREF_BENCHMARKS_HAVE_TBB // there is a library to link, so the build says
#include <oneapi/tbb/concurrent_hash_map.h>
#endif

namespace bench {

struct no_mutex {
  void lock() noexcept {}
  void unlock() noexcept {}
};

// One mutex over a map of the standard's manners.
template <class Map, class Mutex> class locked_table {
 public:
  using key_type = typename Map::key_type;
  using owner = std::shared_ptr<object>;
  static constexpr bool iterable = true;

  owner find(const key_type& key) const {
    std::lock_guard lock(mutex_);
    auto found = map_.find(key);
    return found == map_.end() ? owner() : found->second.lock();
  }

  void store(const key_type& key, const owner& made) {
    std::lock_guard lock(mutex_);
    map_.insert_or_assign(key, made);
  }

  template <class Make> owner find_or_store(const key_type& key, Make make) {
    std::lock_guard lock(mutex_);
    auto at = map_.try_emplace(key).first;
    owner found = at->second.lock();
    if (!found) at->second = found = make();
    return found;
  }

  void erase_dead(const key_type& key) {
    std::lock_guard lock(mutex_);
    auto found = map_.find(key);
    // Another object may have been stored under the key meanwhile, and lives.
    if (found != map_.end() && found->second.expired()) map_.erase(found);
  }

  std::vector<owner> all() const {
    std::vector<owner> owners;
    std::lock_guard lock(mutex_);
    owners.reserve(map_.size());
    for (const auto& entry : map_) {
      if (owner alive = entry.second.lock()) owners.push_back(std::move(alive));
    }
    return owners;
  }

 private:
  mutable Mutex mutex_;
  Map map_;
};

#ifdef WEAKREF_BENCHMARKS_HAVE_CONCURRENT_FLAT_MAP
// A lock for each group of fifteen places, which is held while a function looks at an entry.
template <class Key> class concurrent_table {
 public:
  using key_type = Key;
  using owner = std::shared_ptr<object>;
  static constexpr bool iterable = true;

  owner find(const Key& key) const {
    owner found;
    map_.cvisit(key, [&found](const auto& entry) { found = entry.second.lock(); });
    return found;
  }

  void store(const Key& key, const owner& made) { map_.insert_or_assign(key, made); }

  // One search for all three cases. What becomes the entry's value is made when its place is known to be free.
  template <class Make> owner find_or_store(const Key& key, Make make) {
    owner found;
    struct when_needed {
      owner& made;
      Make& make;
      operator std::weak_ptr<object>() const { return made = make(); }
    };
    map_.try_emplace_or_visit(key, when_needed{found, make}, [&](auto& entry) {
      found = entry.second.lock();
      if (!found) entry.second = found = make();
    });
    return found;
  }

  void erase_dead(const Key& key) {
    map_.erase_if(key, [](const auto& entry) { return entry.second.expired(); });
  }

  std::vector<owner> all() const {
    std::vector<owner> owners;
    owners.reserve(map_.size());
    map_.cvisit_all([&owners](const auto& entry) {
      if (owner alive = entry.second.lock()) owners.push_back(std::move(alive));
    });
    return owners;
  }

 private:
  boost::concurrent_flat_map<Key, std::weak_ptr<object>> map_;
};
#endif

#ifdef WEAKREF_BENCHMARKS_HAVE_TBB
// A lock for each entry, and no way to go through all of them while others are at work. Its own allocator
// would keep the bytes from being counted.
template <class Key> class tbb_table {
 public:
  using key_type = Key;
  using owner = std::shared_ptr<object>;
  static constexpr bool iterable = false;

  owner find(const Key& key) const {
    typename map::const_accessor at;
    return map_.find(at, key) ? at->second.lock() : owner();
  }

  void store(const Key& key, const owner& made) {
    typename map::accessor at;
    map_.insert(at, key);
    at->second = made;
  }

  template <class Make> owner find_or_store(const Key& key, Make make) {
    owner found = find(key);
    if (found) return found;
    typename map::accessor at;
    map_.insert(at, key);
    found = at->second.lock();
    if (!found) at->second = found = make();
    return found;
  }

  void erase_dead(const Key& key) {
    typename map::accessor at;
    if (map_.find(at, key) && at->second.expired()) map_.erase(at);
  }

 private:
  using value = std::weak_ptr<object>;
  // Its own hash takes the low bits as they are, which not every kind of key survives.
  struct mixed {
    static std::size_t hash(const Key& key) noexcept {
      const std::size_t hash = std::hash<Key>()(key) * 0x9e3779b97f4a7c15U;
      return hash ^ (hash >> 32);
    }
    static bool equal(const Key& a, const Key& b) noexcept { return a == b; }
  };
  using map =
      oneapi::tbb::concurrent_hash_map<Key, value, mixed, std::allocator<std::pair<const Key, value>>>;
  map map_;
};
#endif

} // namespace bench

#endif
