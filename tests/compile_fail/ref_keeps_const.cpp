// SPDX-License-Identifier: BSL-1.0
// expect: no matching
#include <weakref/ref.hpp>

#ifdef WEAKREF_TWIN
using target = const int;
#else
using target = int;
#endif

bool dead(const std::shared_ptr<const int>& owner) {
  const weakref::ref<target> r(owner);
  return r.expired();
}
