// SPDX-License-Identifier: BSL-1.0
// flags: -Werror=unused-value -Werror=unused-result
// expect: destroyed at once, it takes its callback back: name it
#include <weakref/weak_method.hpp>

struct button {
  void click();
};

void watch(const std::shared_ptr<button>& owner) {
#ifdef WEAKREF_TWIN
  const weakref::WeakMethod watcher(owner, &button::click, [] {});
#else
  weakref::WeakMethod(owner, &button::click, [] {});
#endif
}
