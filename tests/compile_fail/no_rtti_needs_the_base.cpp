// SPDX-License-Identifier: BSL-1.0
// flags: -fno-rtti
// expect: without RTTI only classes derived from enable_weakref are tracked
#include <weakref/weak_value_dictionary.hpp>

#ifdef WEAKREF_TWIN
struct object : weakref::enable_weakref {};
#else
struct object {};
#endif

void store(weakref::WeakValueDictionary<int, object>& dictionary, const std::shared_ptr<object>& owner) {
  dictionary.insert(1, owner);
}
