// SPDX-License-Identifier: BSL-1.0
// expect: a factory returns the object, a class derived from it
#include <weakref/weak_value_dictionary.hpp>

struct texture {};
struct sound {};

void create(weakref::WeakValueDictionary<int, texture>& textures) {
#ifdef WEAKREF_TWIN
  static_cast<void>(textures.get_or_create(1, [] { return texture(); }));
#else
  static_cast<void>(textures.get_or_create(1, [] { return sound(); }));
#endif
}
