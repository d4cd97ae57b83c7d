// SPDX-License-Identifier: BSL-1.0
// expect: (deleted|no match|no viable)
#include <weakref/ref.hpp>

struct note {
  void operator()() const {}
};

void replace(weakref::ref<int, note>& watcher, weakref::ref<int>& plain) {
#ifdef WEAKREF_TWIN
  plain = watcher;
#else
  watcher = plain;
#endif
}
