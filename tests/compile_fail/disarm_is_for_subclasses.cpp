// SPDX-License-Identifier: BSL-1.0
// expect: protected
#include <weakref/ref.hpp>

struct note {
  void operator()() const {}
};

struct subclass : weakref::ref<int, note> {
  explicit subclass(const std::shared_ptr<int>& owner) : weakref::ref<int, note>(owner, note()) {}
  ~subclass() { disarm(); }
};

void end(weakref::ref<int, note>& watcher) {
#ifdef WEAKREF_TWIN
  static_cast<void>(watcher);
#else
  watcher.disarm();
#endif
}
