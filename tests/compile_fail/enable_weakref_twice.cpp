// SPDX-License-Identifier: BSL-1.0
// expect: derive publicly, and only once, from weakref::enable_weakref
#include <weakref/referent.hpp>

#ifdef WEAKREF_TWIN
#define ONCE virtual
#else
#define ONCE
#endif

struct left : ONCE weakref::enable_weakref {};
struct right : ONCE weakref::enable_weakref {};
struct both : left, right {};

bool tracked() { return weakref::is_tracked(std::make_shared<both>()); }
