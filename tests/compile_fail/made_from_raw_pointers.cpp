// SPDX-License-Identifier: BSL-1.0
// A raw pointer would become an owner beside the one that it has.
// expect: no matching (constructor|function)
#include <weakref/weak_value_dictionary.hpp>

#include <map>

#ifdef WEAKREF_TWIN
using pointer = std::shared_ptr<long>;
#else
using pointer = long*;
#endif

void make(const std::map<int, pointer>& range) {
  const weakref::WeakValueDictionary<int, long> numbers(range);
}
