// SPDX-License-Identifier: BSL-1.0
// expect: (no matching|no viable|cannot deduce|class template argument deduction failed)
#include <weakref/finalize.hpp>

bool made(const std::shared_ptr<int>& owner) {
#ifdef WEAKREF_TWIN
  return weakref::finalize(
             owner, [](int) {}, 1)
      .alive();
#else
  return weakref::finalize(
             owner, [](int) {}, "one")
      .alive();
#endif
}
