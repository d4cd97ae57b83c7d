// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_BENCHMARKS_WEAKREF_MAPS_HPP
#define WEAKREF_BENCHMARKS_WEAKREF_MAPS_HPP

// WeakValueDictionary with the members that peers.hpp describes, once for each way of storing, since that
// decides how object, counts and node lie in memory.

#include "bench.hpp"

#include <weakref/weak_value_dictionary.hpp>

#include <memory>
#include <utility>

namespace bench {

template <class Dictionary> class dictionary_map {
 public:
  using key_type = typename Dictionary::key_type;
  using owner = std::shared_ptr<object>;
  static constexpr bool creates_on_get = false;
  static constexpr bool iterable = true;

  owner get(const key_type& key) const { return dictionary_.get(key); }

  template <class Function> bool visit(const key_type& key, Function function) const {
    return dictionary_.visit(key, function);
  }

  owner get_or_create(const key_type& key, std::int64_t id) {
    return dictionary_.get_or_create(key, [id] { return object(id); });
  }

  template <class Function> void each(Function function) const {
    for (const auto& one : dictionary_.values()) function(*one);
  }

 protected:
  Dictionary dictionary_;
};

// One allocation for object, counts and node.
template <class Dictionary> class emplaced_map : public dictionary_map<Dictionary> {
 public:
  std::shared_ptr<object> make(const typename Dictionary::key_type& key, std::int64_t id) {
    return this->dictionary_.try_emplace(key, id).first;
  }
};

// Two: the node is the dictionary's, the object had been made before.
template <class Dictionary> class inserted_map : public dictionary_map<Dictionary> {
 public:
  std::shared_ptr<object> make(const typename Dictionary::key_type& key, std::int64_t id) {
    return this->dictionary_.insert(key, weakref::make_tracked<object>(id)).first;
  }
};

// As emplaced, through the door that lets only one of many threads make the object.
template <class Dictionary> class created_map : public dictionary_map<Dictionary> {
 public:
  std::shared_ptr<object> make(const typename Dictionary::key_type& key, std::int64_t id) {
    return this->get_or_create(key, id);
  }
};

template <class Key> struct weakref_emplaced : emplaced_map<weakref::WeakValueDictionary<Key, object>> {
  static constexpr std::string_view name = "weakref";
};
template <class Key> struct weakref_inserted : inserted_map<weakref::WeakValueDictionary<Key, object>> {
  static constexpr std::string_view name = "weakref_inserted";
};
template <class Key> struct weakref_created : created_map<weakref::WeakValueDictionary<Key, object>> {
  static constexpr std::string_view name = "weakref_created";
};
template <class Key>
struct weakref_unlocked : emplaced_map<weakref::local::WeakValueDictionary<Key, object>> {
  static constexpr std::string_view name = "weakref_unlocked";
};
template <class Key>
struct weakref_counted : emplaced_map<weakref::counted::WeakValueDictionary<Key, object>> {
  static constexpr std::string_view name = "weakref_counted";
};

template <class Key> using ours = types<weakref_emplaced<Key>, weakref_unlocked<Key>>;

// For the questions about storing, deaths and bytes: looking up hardly depends on the door.
template <class Key>
using all_ours =
    types<weakref_emplaced<Key>, weakref_inserted<Key>, weakref_created<Key>, weakref_unlocked<Key>>;

} // namespace bench

#endif
