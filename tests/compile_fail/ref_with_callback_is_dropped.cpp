// SPDX-License-Identifier: BSL-1.0
// flags: -Werror=unused-value -Werror=unused-result
// expect: destroyed at once, it takes its callback back: name it
#include <weakref/ref.hpp>

void watch(const std::shared_ptr<int>& owner) {
#ifdef WEAKREF_TWIN
  const weakref::ref watcher(owner, [] {});
#else
  weakref::ref(owner, [] {});
#endif
}
