// SPDX-License-Identifier: BSL-1.0
// expect: (const|discards)
#include <weakref/keyed_ref.hpp>

#include <string>

void rename(weakref::KeyedRef<std::string, int>& r) {
#ifdef WEAKREF_TWIN
  std::string copy = r.key();
  copy = "new";
#else
  r.key() = "new";
#endif
}
