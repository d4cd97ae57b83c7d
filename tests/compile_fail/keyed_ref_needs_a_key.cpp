// SPDX-License-Identifier: BSL-1.0
// expect: no matching
#include <weakref/keyed_ref.hpp>

bool dead(const std::shared_ptr<int>& owner) {
#ifdef WEAKREF_TWIN
  const weakref::KeyedRef<int, int> r(owner, 3);
#else
  const weakref::KeyedRef<int, int> r(owner);
#endif
  return r.expired();
}
