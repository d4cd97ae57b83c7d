// SPDX-License-Identifier: BSL-1.0
// expect: a referent is one object, not an array
#include <weakref/referent.hpp>

#include <vector>

bool tracked() {
#ifdef WEAKREF_TWIN
  const auto owner = weakref::make_tracked<std::vector<int>>(3U);
#else
  const auto owner = weakref::make_tracked<int[]>(3U);
#endif
  return weakref::is_tracked(owner);
}
