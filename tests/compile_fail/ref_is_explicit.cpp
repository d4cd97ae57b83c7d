// SPDX-License-Identifier: BSL-1.0
// expect: (could not convert|no viable conversion)
#include <weakref/ref.hpp>

weakref::ref<int> weak(const std::shared_ptr<int>& owner) {
#ifdef WEAKREF_TWIN
  return weakref::ref<int>(owner);
#else
  return owner;
#endif
}
