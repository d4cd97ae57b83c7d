// SPDX-License-Identifier: BSL-1.0
// expect: use visit\(\) or pop\(\) for one that can't be copied
#include <weakref/weak_key_dictionary.hpp>

bool has(weakref::WeakKeyDictionary<int, std::unique_ptr<int>>& dictionary, const std::shared_ptr<int>& key) {
#ifdef WEAKREF_TWIN
  return dictionary.visit(key, [](const std::unique_ptr<int>&) {});
#else
  return dictionary.get(key).has_value();
#endif
}
