// SPDX-License-Identifier: BSL-1.0
// expect: deleted
#include <weakref/mutex.hpp>

#ifdef WEAKREF_TWIN
using mutex = weakref::null_mutex;
#else
using mutex = weakref::adaptive_mutex;
#endif

void copy(const mutex& original) {
  const mutex another = original;
  static_cast<void>(another);
}
