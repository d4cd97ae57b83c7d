// SPDX-License-Identifier: BSL-1.0
// A weak pointer that is dead would throw half-way.
// expect: no matching (constructor|function)
#include <weakref/weak_value_dictionary.hpp>

#include <map>

#ifdef WEAKREF_TWIN
using pointer = std::shared_ptr<long>;
#else
using pointer = std::weak_ptr<long>;
#endif

void make(const std::map<int, pointer>& range) {
  const weakref::WeakValueDictionary<int, long> numbers(range);
}
