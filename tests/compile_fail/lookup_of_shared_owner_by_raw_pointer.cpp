// SPDX-License-Identifier: BSL-1.0
// A raw pointer would become an owner, that ends it.
// expect: no matching (member )?function
#include <weakref/weak_value_dictionary.hpp>

#ifdef WEAKREF_TWIN
using asked = const std::shared_ptr<int>&;
#else
using asked = int*;
#endif

bool has(const weakref::WeakValueDictionary<std::shared_ptr<int>, long>& numbers, asked k) {
  return numbers.get(k) != nullptr;
}
