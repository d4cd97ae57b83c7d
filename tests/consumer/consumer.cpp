// SPDX-License-Identifier: BSL-1.0
// Built outside the project, against an installed copy or as the parent of a subproject: what a user's own
// build sees.
#include <weakref/version.hpp>
#include <weakref/weakref.hpp>

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

int main() {
  if (weakref::version() != WEAKREF_VERSION) {
    std::fprintf(stderr, "headers %d, library %s\n", WEAKREF_VERSION, weakref::version_string());
    return 1;
  }
  weakref::WeakValueDictionary<std::string, std::string> cache;
  auto owner = cache.get_or_create("key", [] { return std::string("value"); });
  if (cache.get("key") != owner) return 2;
  owner.reset();
  return cache.contains("key") ? 3 : 0;
}
