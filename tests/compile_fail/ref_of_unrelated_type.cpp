// SPDX-License-Identifier: BSL-1.0
// expect: no matching
#include <weakref/ref.hpp>

struct base {};
#ifdef WEAKREF_TWIN
struct other : base {};
#else
struct other {};
#endif

bool dead(const std::shared_ptr<other>& owner) {
  const weakref::ref<base> r(owner);
  return r.expired();
}
