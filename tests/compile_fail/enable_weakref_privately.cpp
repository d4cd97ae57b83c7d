// SPDX-License-Identifier: BSL-1.0
// expect: derive publicly, and only once, from weakref::enable_weakref
#include <weakref/referent.hpp>

#ifdef WEAKREF_TWIN
class texture : public weakref::enable_weakref {};
#else
class texture : weakref::enable_weakref {};
#endif

bool tracked() { return weakref::is_tracked(std::make_shared<texture>()); }
