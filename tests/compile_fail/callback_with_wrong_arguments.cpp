// SPDX-License-Identifier: BSL-1.0
// expect: F must be callable
#include <weakref/ref.hpp>

#ifdef WEAKREF_TWIN
void note(weakref::ref<int>&) {}
#else
void note(int) {}
#endif

std::size_t watch(const std::shared_ptr<int>& owner) {
  const weakref::ref watcher(owner, &note);
  return sizeof watcher;
}
