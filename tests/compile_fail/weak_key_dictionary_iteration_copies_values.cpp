// SPDX-License-Identifier: BSL-1.0
// expect: use keys\(\) and visit\(\) for those that can't be copied
#include <weakref/weak_key_dictionary.hpp>

long owners(const weakref::WeakKeyDictionary<int, std::unique_ptr<int>>& dictionary) {
  long sum = 0;
#ifdef WEAKREF_TWIN
  for (const auto& key : dictionary.keys()) sum += key.use_count();
#else
  for (const auto& item : dictionary) sum += item.key.use_count();
#endif
  return sum;
}
