// SPDX-License-Identifier: BSL-1.0
// expect: protected
#include <weakref/referent.hpp>

#ifdef WEAKREF_TWIN
struct object : weakref::enable_weakref {};
#else
using object = weakref::enable_weakref;
#endif

void live() {
  const object o;
  static_cast<void>(o);
}
