// SPDX-License-Identifier: BSL-1.0
// fwd.hpp is enough to name every type, with its default arguments.
#include <weakref/fwd.hpp>

class Thing;

struct named {
  weakref::ref<Thing>* ref;
  weakref::KeyedRef<int, Thing>* keyed_ref;
  weakref::WeakValueDictionary<int, Thing>* values;
  weakref::WeakKeyDictionary<Thing, int>* keys;
  weakref::WeakSet<Thing, weakref::hash<Thing>>* set;
  weakref::local::WeakValueDictionary<int, Thing>* local_values;
  weakref::local::WeakKeyDictionary<Thing, int>* local_keys;
  weakref::local::WeakSet<Thing>* local_set;
  weakref::proxy<Thing>* proxy;
  weakref::WeakMethod<Thing, void (Thing::*)()>* method;
  weakref::finalize<>* finalize;
};

#include <weakref/weakref.hpp>

static_assert(std::is_same_v<decltype(named::values),
                             weakref::WeakValueDictionary<int, Thing, weakref::hash<int>, std::equal_to<>,
                                                          std::allocator<Thing>, weakref::adaptive_mutex>*>);
