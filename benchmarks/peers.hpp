// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_BENCHMARKS_PEERS_HPP
#define WEAKREF_BENCHMARKS_PEERS_HPP

// The weak maps that people write by hand today, and Boost.Flyweight. Every map here and in weakref_maps.hpp
// answers to the same few members:
//
//   owner make(key, id)           makes object(id) and stores it under a key that no live object has
//   owner get(key)                the live object, or empty (`creates_on_get`: or makes one)
//   bool visit(key, f)            f(const object&) if there is one; by hand there is no way but through get
//   owner get_or_create(key, id)  the live object, or a new one; for two threads that ask at once the same one
//   void each(f)                  f(const object&) for each live object, with no lock held (where `iterable`)
//   void sweep()                  takes out what is dead, where that does not happen by itself
//
// The hand-written ones are correct as far as their kind can be, and get every benefit of the doubt: the
// deleters hold a plain pointer to a map that is known to outlive them, and objects are made under the lock.
// The lazy ones are the maps that are swept periodically: once for each turnover of all their entries, and
// at the end of the question about death.

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

#ifdef WEAKREF_BENCHMARKS_HAVE_TBB // there is a library to link, so the build says
#include <oneapi/tbb/concurrent_hash_map.h>
#endif

namespace bench {

struct no_mutex {
  void lock() noexcept {}
  void unlock() noexcept {}
};

// ---- tables
// ----------------------------------------------------------------------------------------------------

// What both kinds below need of a table of weak_ptrs. One mutex over a map of the standard's manners:
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

  void erase_all_dead() {
    std::lock_guard lock(mutex_);
    for (auto at = map_.begin(); at != map_.end();) {
      if (at->second.expired()) {
        map_.erase(at++); // the flat map's erase returns nothing
      } else {
        ++at;
      }
    }
  }

  // Who let go of an owner under the lock might be the last one, and run the deleter there.
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

  void erase_all_dead() { // for one thread
    std::vector<Key> dead;
    for (const auto& entry : map_) {
      if (entry.second.expired()) dead.push_back(entry.first);
    }
    for (const Key& key : dead) map_.erase(key);
  }

 private:
  using value = std::weak_ptr<object>;
  // Its own hash leaves strided integers in a few of its 2^n buckets: a hundred times slower.
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

// ---- what happens at a death
// -----------------------------------------------------------------------------------

template <class Table> class looked_up : protected Table {
 public:
  using Table::iterable;
  using typename Table::key_type;
  using typename Table::owner;
  static constexpr bool creates_on_get = false;

  owner get(const key_type& key) const { return this->find(key); }

  template <class Function> bool visit(const key_type& key, Function function) const {
    const owner found = get(key);
    if (found) function(*found);
    return found != nullptr;
  }

  template <class Function> void each(Function function) const {
    for (const owner& one : this->all()) function(*one);
  }
};

// Entries of the dead stay until somebody sweeps, and keep the memory of what std::make_shared made.
template <class Table> class lazy_map : public looked_up<Table> {
 public:
  using typename looked_up<Table>::key_type;
  using typename looked_up<Table>::owner;

  owner make(const key_type& key, std::int64_t id) {
    owner made = std::make_shared<object>(id);
    this->store(key, made);
    return made;
  }

  owner get_or_create(const key_type& key, std::int64_t id) {
    return this->find_or_store(key, [id] { return std::make_shared<object>(id); });
  }

  void sweep() { this->erase_all_dead(); }
};

// Prompt eviction by hand: the object's deleter looks for its key.
template <class Table> class erasing_map : public looked_up<Table> {
 public:
  using typename looked_up<Table>::key_type;
  using typename looked_up<Table>::owner;

  owner make(const key_type& key, std::int64_t id) {
    owner made = made_for(key, id);
    this->store(key, made);
    return made;
  }

  owner get_or_create(const key_type& key, std::int64_t id) {
    return this->find_or_store(key, [&] { return made_for(key, id); });
  }

  void sweep() {}

 private:
  owner made_for(const key_type& key, std::int64_t id) {
    return owner(new object(id), [this, key](object* dead) {
      this->erase_dead(key);
      delete dead;
    });
  }
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
  static constexpr bool iterable = false;

  using shared = boost::flyweights::flyweight<boost::flyweights::key_value<Key, value>>;

  class owner { // a shared_ptr's manners for what is never empty by itself
   public:
    owner() = default;
    explicit owner(const Key& key) : held_(std::in_place, key) {}
    const object* operator->() const { return &held_->get(); }
    explicit operator bool() const { return held_.has_value(); }
    void reset() { held_.reset(); }

   private:
    std::optional<shared> held_;
  };

  owner make(const Key& key, std::int64_t) { return owner(key); }
  owner get(const Key& key) const { return owner(key); }
  owner get_or_create(const Key& key, std::int64_t) { return owner(key); }

  template <class Function> bool visit(const Key& key, Function function) const {
    function(shared(key).get());
    return true;
  }

  void sweep() {}
};

// ---- by name
// ---------------------------------------------------------------------------------------------------

template <class Key, class Mutex>
using std_table = locked_table<std::unordered_map<Key, std::weak_ptr<object>>, Mutex>;

template <class Key> struct std_lazy : lazy_map<std_table<Key, std::mutex>> {
  static constexpr std::string_view name = "unordered_map";
};
template <class Key> struct std_erasing : erasing_map<std_table<Key, std::mutex>> {
  static constexpr std::string_view name = "unordered_map_erasing";
};

#ifdef WEAKREF_BENCHMARKS_HAVE_FLAT_MAP
template <class Key, class Mutex>
using flat_table = locked_table<boost::unordered_flat_map<Key, std::weak_ptr<object>>, Mutex>;

template <class Key> struct flat_lazy : lazy_map<flat_table<Key, std::mutex>> {
  static constexpr std::string_view name = "flat_map";
};
template <class Key> struct flat_erasing : erasing_map<flat_table<Key, std::mutex>> {
  static constexpr std::string_view name = "flat_map_erasing";
};
template <class Key> struct flat_lazy_unlocked : lazy_map<flat_table<Key, no_mutex>> {
  static constexpr std::string_view name = "flat_map_unlocked";
};
template <class Key> struct flat_erasing_unlocked : erasing_map<flat_table<Key, no_mutex>> {
  static constexpr std::string_view name = "flat_map_erasing_unlocked";
};

template <class Key> using flat_peers = types<flat_lazy<Key>, flat_erasing<Key>>;
template <class Key> using lazy_unlocked = types<flat_lazy_unlocked<Key>>;
template <class Key> using erasing_unlocked = types<flat_erasing_unlocked<Key>>;
#else
template <class Key> using flat_peers = types<>;
template <class Key> using lazy_unlocked = types<>;
template <class Key> using erasing_unlocked = types<>;
#endif

#ifdef WEAKREF_BENCHMARKS_HAVE_TBB
template <class Key> struct tbb_lazy : lazy_map<tbb_table<Key>> {
  static constexpr std::string_view name = "tbb_map";
};
template <class Key> struct tbb_erasing : erasing_map<tbb_table<Key>> {
  static constexpr std::string_view name = "tbb_map_erasing";
};
template <class Key> using tbb_peers = types<tbb_lazy<Key>, tbb_erasing<Key>>;
#else
template <class Key> using tbb_peers = types<>;
#endif

// Those that threads may share.
template <class Key>
using peers = decltype(types<std_lazy<Key>, std_erasing<Key>>() + flat_peers<Key>() + tbb_peers<Key>() +
                       types<flyweight_map<Key>>());

} // namespace bench

#endif
