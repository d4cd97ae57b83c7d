// SPDX-License-Identifier: BSL-1.0
// expect: a referent is one object, not an array
#include <weakref/ref.hpp>

#include <array>

#ifdef WEAKREF_TWIN
using numbers = std::array<int, 3>;
#else
using numbers = int[3];
#endif

bool dead(const weakref::ref<numbers>& r) { return r.expired(); }
