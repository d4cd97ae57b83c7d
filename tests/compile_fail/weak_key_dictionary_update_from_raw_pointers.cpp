// SPDX-License-Identifier: BSL-1.0
// expect: update takes pairs of std::shared_ptrs and values
#include <weakref/weak_key_dictionary.hpp>

#include <map>

#ifdef WEAKREF_TWIN
using pointer = std::shared_ptr<long>;
#else
using pointer = long*;
#endif

void store(weakref::WeakKeyDictionary<long, int>& numbers, const std::map<pointer, int>& range) {
  numbers.update(range);
}
