// SPDX-License-Identifier: BSL-1.0
// expect: a referent is one object, not an array
#include <weakref/referent.hpp>

#include <array>

#ifdef WEAKREF_TWIN
using numbers = std::array<int, 3>;
#else
using numbers = int[3];
#endif

bool tracked() { return weakref::is_tracked(weakref::make_tracked<numbers>()); }
