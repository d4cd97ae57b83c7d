// SPDX-License-Identifier: BSL-1.0
// expect: adopt\(shared_ptr\) is not for classes with weak_from_this\(\)
#include <weakref/referent.hpp>

struct session : std::enable_shared_from_this<session> {};

bool tracked(std::unique_ptr<session> unique) {
#ifdef WEAKREF_TWIN
  const auto owner = weakref::adopt(std::move(unique));
#else
  const auto owner = weakref::adopt(std::shared_ptr<session>(std::move(unique)));
#endif
  return weakref::is_tracked(owner);
}
