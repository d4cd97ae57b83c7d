// SPDX-License-Identifier: BSL-1.0
// expect: deleted
#include <weakref/ref.hpp>

#include <optional>
#include <utility>

struct note {
  void operator()() const {}
};
using watcher = weakref::ref<int, note>;

void take(const std::shared_ptr<int>& owner, watcher& other) {
#ifdef WEAKREF_TWIN
  static_cast<void>(other);
  const std::optional<watcher> mine(std::in_place, owner, note());
#else
  static_cast<void>(owner);
  const watcher mine(std::move(other));
#endif
  static_cast<void>(mine);
}
