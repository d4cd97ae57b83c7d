// SPDX-License-Identifier: BSL-1.0
// expect: no matching function
#include <weakref/referent.hpp>

#ifdef WEAKREF_TWIN
struct pooled : weakref::enable_weakref {};
#else
struct pooled {};
#endif

void give_back(pooled& object) { weakref::retire(object); }
