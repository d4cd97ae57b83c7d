// SPDX-License-Identifier: BSL-1.0
// expect: a factory is called with the key, or with nothing
#include <weakref/weak_value_dictionary.hpp>

#include <string>

struct texture {};

void create(weakref::WeakValueDictionary<std::string, texture>& textures) {
#ifdef WEAKREF_TWIN
  static_cast<void>(textures.get_or_create("a", [](const std::string&) { return texture(); }));
#else
  static_cast<void>(textures.get_or_create("a", [](int) { return texture(); }));
#endif
}
