// SPDX-License-Identifier: BSL-1.0
// expect: (incomplete type|undefined template).*hash
#include <weakref/hash.hpp>

struct point {
  int x;
  int y;
};
#ifdef WEAKREF_TWIN
std::size_t hash_value(const point& p) { return weakref::hash<std::pair<int, int>>()({p.x, p.y}); }
#endif

std::size_t of(const point& p) { return weakref::hash<point>()(p); }
