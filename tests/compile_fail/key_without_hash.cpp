// SPDX-License-Identifier: BSL-1.0
// expect: the key has no hash: specialise std::hash
#include <weakref/weak_value_dictionary.hpp>

struct texture {};
struct place {
  int x;
  bool operator==(const place&) const = default;
};
#ifdef WEAKREF_TWIN
std::size_t hash_value(const place& p) { return weakref::hash<int>()(p.x); }
#endif

bool has(weakref::WeakValueDictionary<place, texture>& textures) { return textures.contains(place{1}); }
