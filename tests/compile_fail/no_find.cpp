// SPDX-License-Identifier: BSL-1.0
// What a map of weak pointers has is not there, and is not some inner base's either.
// expect: no member named .find
#include <weakref/weak_value_dictionary.hpp>

struct texture {};

bool has(weakref::WeakValueDictionary<int, texture>& textures) {
#ifdef WEAKREF_TWIN
  return textures.get(1) != nullptr;
#else
  return textures.find(1) != nullptr;
#endif
}
