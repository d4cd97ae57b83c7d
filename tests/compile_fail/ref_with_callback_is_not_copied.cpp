// SPDX-License-Identifier: BSL-1.0
// expect: deleted
#include <weakref/ref.hpp>

struct note {
  void operator()() const {}
};

void copy(const weakref::ref<int, note>& watcher) {
#ifdef WEAKREF_TWIN
  const weakref::ref<int> plain = watcher;
#else
  const weakref::ref<int, note> plain = watcher;
#endif
  static_cast<void>(plain);
}
