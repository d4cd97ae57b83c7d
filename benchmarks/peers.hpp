// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_BENCHMARKS_PEERS_HPP
#define WEAKREF_BENCHMARKS_PEERS_HPP

// The weak maps that people write by hand today, and Boost.Flyweight. Every map here and in weakref_maps.hpp
// answers to the same few members:
//
//   owner make(key, id)   makes object(id) and stores it under a key that no live object has
//   owner get(key)        the live object, or empty (`creates_on_get`: or makes one)
//   bool visit(key, f)    f(const object&) if there is one; by hand there is no way but through get
//   void sweep()          takes out what is dead, where that does not happen by itself
//
// The hand-written ones are correct as far as their kind can be, and get every benefit of the doubt: the
// deleters hold a plain pointer to a map that is known to outlive them.

#include "bench.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include <boost/flyweight.hpp>
#include <boost/flyweight/key_value.hpp>

#if __has_include(<boost/unordered/unordered_flat_map.hpp>)
#include <boost/unordered/unordered_flat_map.hpp>
#define WEAKREF_BENCHMARKS_HAVE_FLAT_MAP
#endif

namespace bench {

struct no_mutex {
  void lock() noexcept {}
  void unlock() noexcept {}
};

// Entries of the dead stay until somebody sweeps, and keep the memory of what std::make_shared made.
template <class Map, class Mutex> class lazy_map {
 public:
  using key_type = typename Map::key_type;
  using owner = std::shared_ptr<object>;
  static constexpr bool creates_on_get = false;

  owner make(const key_type& key, std::int64_t id) {
    owner made = std::make_shared<object>(id);
    std::lock_guard lock(mutex_);
    map_.insert_or_assign(key, made);
    return made;
  }

  owner get(const key_type& key) const {
    std::lock_guard lock(mutex_);
    auto found = map_.find(key);
    return found == map_.end() ? owner() : found->second.lock();
  }

  template <class Function> bool visit(const key_type& key, Function function) const {
    const owner found = get(key);
    if (found) function(*found);
    return found != nullptr;
  }

  void sweep() {
    std::lock_guard lock(mutex_);
    for (auto at = map_.begin(); at != map_.end();) {
      if (at->second.expired()) {
        map_.erase(at++); // the flat map's erase returns nothing
      } else {
        ++at;
      }
    }
  }

 private:
  mutable Mutex mutex_;
  Map map_;
};

// Prompt eviction by hand: the object's deleter looks for its key.
template <class Map, class Mutex> class erasing_map {
 public:
  using key_type = typename Map::key_type;
  using owner = std::shared_ptr<object>;
  static constexpr bool creates_on_get = false;

  owner make(const key_type& key, std::int64_t id) {
    owner made(new object(id), [this, key](object* dead) {
      evict(key);
      delete dead;
    });
    std::lock_guard lock(mutex_);
    map_.insert_or_assign(key, made);
    return made;
  }

  owner get(const key_type& key) const {
    std::lock_guard lock(mutex_);
    auto found = map_.find(key);
    return found == map_.end() ? owner() : found->second.lock();
  }

  template <class Function> bool visit(const key_type& key, Function function) const {
    const owner found = get(key);
    if (found) function(*found);
    return found != nullptr;
  }

  void sweep() {}

 private:
  void evict(const key_type& key) {
    std::lock_guard lock(mutex_);
    auto found = map_.find(key);
    // Another object may have been stored under the key meanwhile, and lives.
    if (found != map_.end() && found->second.expired()) map_.erase(found);
  }

  mutable Mutex mutex_;
  Map map_;
};

// Flyweight's table is a static one for each type, counts in the entry, and has no look-up that does not
// create.
template <class Key> class flyweight_map {
  struct value : object {
    explicit value(const Key&) : object(0) {}
  };

 public:
  using key_type = Key;
  static constexpr std::string_view name = "flyweight";
  static constexpr bool creates_on_get = true;

  using shared = boost::flyweights::flyweight<boost::flyweights::key_value<Key, value>>;

  class owner { // a shared_ptr's manners for what is never empty by itself
   public:
    owner() = default;
    explicit owner(const Key& key) : held_(std::in_place, key) {}
    const object* operator->() const { return &held_->get(); }
    void reset() { held_.reset(); }

   private:
    std::optional<shared> held_;
  };

  owner make(const Key& key, std::int64_t) { return owner(key); }
  owner get(const Key& key) const { return owner(key); }

  template <class Function> bool visit(const Key& key, Function function) const {
    function(shared(key).get());
    return true;
  }

  void sweep() {}
};

template <class Key> struct std_lazy : lazy_map<std::unordered_map<Key, std::weak_ptr<object>>, std::mutex> {
  static constexpr std::string_view name = "unordered_map";
};
template <class Key>
struct std_erasing : erasing_map<std::unordered_map<Key, std::weak_ptr<object>>, std::mutex> {
  static constexpr std::string_view name = "unordered_map_erasing";
};

#ifdef WEAKREF_BENCHMARKS_HAVE_FLAT_MAP
template <class Key>
struct flat_lazy : lazy_map<boost::unordered_flat_map<Key, std::weak_ptr<object>>, std::mutex> {
  static constexpr std::string_view name = "flat_map";
};
template <class Key>
struct flat_erasing : erasing_map<boost::unordered_flat_map<Key, std::weak_ptr<object>>, std::mutex> {
  static constexpr std::string_view name = "flat_map_erasing";
};
template <class Key>
struct flat_unlocked : erasing_map<boost::unordered_flat_map<Key, std::weak_ptr<object>>, no_mutex> {
  static constexpr std::string_view name = "flat_map_erasing_unlocked";
};

template <class Key>
using peers = types<std_lazy<Key>, std_erasing<Key>, flat_lazy<Key>, flat_erasing<Key>, flat_unlocked<Key>,
                    flyweight_map<Key>>;
#else
template <class Key> using peers = types<std_lazy<Key>, std_erasing<Key>, flyweight_map<Key>>;
#endif

} // namespace bench

#endif
