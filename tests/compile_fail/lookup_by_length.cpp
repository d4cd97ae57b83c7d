// SPDX-License-Identifier: BSL-1.0
// A number would become a vector of that length.
// expect: no matching (member )?function
#include <weakref/weak_value_dictionary.hpp>

#include <vector>

struct size_hash {
  std::size_t operator()(const std::vector<int>& key) const noexcept { return key.size(); }
};

#ifdef WEAKREF_TWIN
using asked = std::vector<int>;
#else
using asked = int;
#endif

bool has(const weakref::WeakValueDictionary<std::vector<int>, long, size_hash>& numbers, asked k) {
  return numbers.get(k) != nullptr;
}
