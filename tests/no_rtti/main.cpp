// SPDX-License-Identifier: BSL-1.0
//
// A program without run-time type information, with a library that has it: classes derived from enable_weakref are
// tracked, in every container. (That the others are refused is compile_fail's to show.)
#include <weakref/weakref.hpp>

#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#ifdef __GXX_RTTI
#error "this program is about a build without RTTI"
#endif

namespace {

int failures = 0;
void check(bool holds, const char* what) {
  if (holds) return;
  ++failures;
  std::fprintf(stderr, "failed: %s\n", what);
}

struct Texture : weakref::enable_weakref {
  explicit Texture(int start) : number(start) {}
  int number;
};

void containers(std::shared_ptr<Texture> owner, const char* how) {
  weakref::WeakValueDictionary<std::string, Texture> by_name;
  weakref::WeakKeyDictionary<Texture, int> sizes;
  weakref::WeakSet<Texture> all;
  const std::size_t before = weakref::getweakrefcount(owner);
  int heard = 0;
  const weakref::ref watcher(owner, [&] { ++heard; });
  by_name.insert("a", owner);
  sizes.insert(owner, 1);
  all.add(owner);
  check(weakref::is_tracked(owner), how);
  check(weakref::getweakrefcount(owner) == before + 4, "all watchers are in one list");
  check(by_name.visit("a", [](Texture& texture) { texture.number += 1; }), "visit");
  check(by_name.get("a") == owner && sizes.at(owner) == 1 && all.contains(owner), "found");
  by_name.erase("a");
  check(weakref::getweakrefcount(owner) == before + 3, "an erased entry leaves the list");
  by_name.insert("b", owner);
  owner.reset();
  check(heard == 1, "the callback is called");
  check(by_name.empty() && sizes.empty() && all.empty(), "the entries leave with the object");
}

} // namespace

int main() {
  containers(std::make_shared<Texture>(1), "made by make_shared");
  containers(weakref::make_tracked<Texture>(2), "made by make_tracked");
  containers(weakref::adopt(std::make_unique<Texture>(3)), "adopted");
  weakref::WeakValueDictionary<int, Texture> made_here;
  auto made = made_here.try_emplace(1, 4).first;
  check(made_here.get(1) == made && weakref::getweakrefcount(made) == 1, "the entry it was made with");
  containers(std::move(made), "made by try_emplace");
  check(made_here.empty(), "and evicted");
  containers(made_here.get_or_create(2, [] { return Texture(5); }), "made by a factory");
  check(made_here.empty(), "with its object");
  return failures == 0 ? 0 : 1;
}
