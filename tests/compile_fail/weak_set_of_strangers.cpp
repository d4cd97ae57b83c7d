// SPDX-License-Identifier: BSL-1.0
// expect: no matching (member )?function
#include <weakref/weak_set.hpp>

struct observer {};
struct stranger {};

#ifdef WEAKREF_TWIN
using asked = observer;
#else
using asked = stranger;
#endif

bool has(const weakref::WeakSet<observer>& set, const std::shared_ptr<asked>& who) {
  return set.contains(who);
}
