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
//
// The hand-written ones are correct as far as their kind can be, and get every benefit of the doubt: the
// deleters hold a plain pointer to a map that is known to outlive them, objects are made under the lock, and each
// table hashes as it does by default (Boost's hash of a text is quicker than the standard's).
//
// Lazy maps keep the dead until somebody sweeps. They have no part in questions about letting go, where they would
// merely put the work off; where the same keys come back, nothing is there to be swept.

#include "bench.hpp"
#include "tables.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include <boost/flyweight.hpp>
#include <boost/flyweight/key_value.hpp>

namespace bench {

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

// Entries of the dead stay, and keep the memory of what std::make_shared made.
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

template <class Key> using flat_lazy_peer = types<flat_lazy<Key>>;
template <class Key> using flat_erasing_peer = types<flat_erasing<Key>>;
template <class Key> using lazy_unlocked = types<flat_lazy_unlocked<Key>>;
template <class Key> using erasing_unlocked = types<flat_erasing_unlocked<Key>>;
#else
template <class Key> using flat_lazy_peer = types<>;
template <class Key> using flat_erasing_peer = types<>;
template <class Key> using lazy_unlocked = types<>;
template <class Key> using erasing_unlocked = types<>;
#endif

#ifdef WEAKREF_BENCHMARKS_HAVE_CONCURRENT_FLAT_MAP
template <class Key> struct concurrent_lazy : lazy_map<concurrent_table<Key>> {
  static constexpr std::string_view name = "concurrent_flat_map";
};
template <class Key> struct concurrent_erasing : erasing_map<concurrent_table<Key>> {
  static constexpr std::string_view name = "concurrent_flat_map_erasing";
};
template <class Key> using concurrent_lazy_peer = types<concurrent_lazy<Key>>;
template <class Key> using concurrent_erasing_peer = types<concurrent_erasing<Key>>;
#else
template <class Key> using concurrent_lazy_peer = types<>;
template <class Key> using concurrent_erasing_peer = types<>;
#endif

#ifdef WEAKREF_BENCHMARKS_HAVE_TBB
template <class Key> struct tbb_lazy : lazy_map<tbb_table<Key>> {
  static constexpr std::string_view name = "tbb_map";
};
template <class Key> struct tbb_erasing : erasing_map<tbb_table<Key>> {
  static constexpr std::string_view name = "tbb_map_erasing";
};
template <class Key> using tbb_lazy_peer = types<tbb_lazy<Key>>;
template <class Key> using tbb_erasing_peer = types<tbb_erasing<Key>>;
#else
template <class Key> using tbb_lazy_peer = types<>;
template <class Key> using tbb_erasing_peer = types<>;
#endif

// ---- by question
// -----------------------------------------------------------------------------------------------

// All of these may be shared by threads. The best for one thread are not the best for two: TBB's map takes twice the
// time of the others alone, the standard's map is left behind by Boost's from some thousand entries on, and what has
// one lock for all can't win where two threads want it.
template <class Key>
using few_lazy_peers =
    decltype(flat_lazy_peer<Key>() + concurrent_lazy_peer<Key>() + types<flyweight_map<Key>>());
template <class Key>
using few_erasing_peers = decltype(flat_erasing_peer<Key>() + concurrent_erasing_peer<Key>());

template <class Key> using lazy_peers = decltype(types<std_lazy<Key>>() + few_lazy_peers<Key>());
template <class Key> using erasing_peers = decltype(types<std_erasing<Key>>() + few_erasing_peers<Key>());

template <class Key> using sharing_lazy_peers = decltype(few_lazy_peers<Key>() + tbb_lazy_peer<Key>());
template <class Key>
using sharing_erasing_peers = decltype(few_erasing_peers<Key>() + tbb_erasing_peer<Key>());

template <class Key>
using all_peers =
    decltype(lazy_peers<Key>() + tbb_lazy_peer<Key>() + erasing_peers<Key>() + tbb_erasing_peer<Key>());

} // namespace bench

#endif
