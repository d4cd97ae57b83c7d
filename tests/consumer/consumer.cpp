// SPDX-License-Identifier: BSL-1.0
// Built outside the project, against an installed copy or as the parent of a subproject: what a user's own
// build sees. A bit of everything, so that each template meets the user's warnings.
#include <weakref/version.hpp>
#include <weakref/weakref.hpp>

#include <cstdio>
#include <memory>
#include <string>

namespace {

struct Session : weakref::enable_weakref {
  int user = 7;
  int who() const { return user; }
};

int dictionaries() {
  weakref::WeakValueDictionary<std::string, std::string> cache;
  auto owner = cache.get_or_create("key", [] { return std::string("value"); });
  if (cache.get("key") != owner) return 1;
  weakref::WeakKeyDictionary<std::string, int> lengths;
  lengths.insert(owner, 5);
  weakref::WeakSet<std::string> all;
  all.add(owner);
  if (lengths.at(owner) != 5 || !all.contains(owner)) return 2;
  for (const auto& [key, value] : cache) {
    if (key != "key" || value != owner) return 3;
  }
  owner.reset();
  return cache.contains("key") || !lengths.empty() || !all.empty() ? 4 : 0;
}

int references() {
  int told = 0;
  auto session = std::make_shared<Session>();
  weakref::ref watched(session, [&told] { ++told; });
  weakref::finalize last(session, [&told] { told += 10; });
  weakref::WeakMethod method(session, &Session::who);
  weakref::proxy same(session);
  auto adopted = weakref::adopt(std::make_unique<int>(1));
  if (!weakref::is_tracked(adopted) || same->user != 7 || method()() != 7) return 5;
  session.reset();
  return told == 11 && !watched() ? 0 : 6;
}

} // namespace

int main() {
  if (weakref::version() != WEAKREF_VERSION) {
    std::fprintf(stderr, "headers %d, library %s\n", WEAKREF_VERSION, weakref::version_string());
    return 7;
  }
  if (const int wrong = dictionaries()) return wrong;
  return references();
}
