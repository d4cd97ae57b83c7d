// SPDX-License-Identifier: BSL-1.0
// A raw pointer would become an owner beside the one that it has.
// expect: update takes pairs of keys and std::shared_ptrs
#include <weakref/weak_value_dictionary.hpp>

#include <map>

#ifdef WEAKREF_TWIN
using pointer = std::shared_ptr<long>;
#else
using pointer = long*;
#endif

void store(weakref::WeakValueDictionary<int, long>& numbers, const std::map<int, pointer>& range) {
  numbers.update(range);
}
