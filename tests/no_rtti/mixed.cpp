// SPDX-License-Identifier: BSL-1.0
//
// A program of which this half has no run-time type information, and is linked first: the inline functions of both are
// this one's. It asks about objects that only the other half can make, and both are told the truth.
#include "mixed.hpp"

#include <weakref/referent.hpp>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#ifdef __GXX_RTTI
#error "this half is about a build without RTTI"
#endif

namespace {

int failures = 0;
void check(bool holds, const char* what) {
  if (holds) return;
  ++failures;
  std::fprintf(stderr, "failed: %s\n", what);
}

void ask(std::shared_ptr<mixed::Plain> owner, const char* how) {
  check(weakref::is_tracked(owner), how);
  check(weakref::getweakrefcount(owner) == 0 && weakref::getweakrefs(owner).empty(), "nobody watches");
  check(mixed::knows(owner), "the other half knows it too");
  const std::string refused = mixed::refusal(std::move(owner));
  check(refused.empty(), refused.c_str());
}

} // namespace

int main() {
  ask(mixed::tracked(), "made by make_tracked");
  ask(mixed::adopted(), "adopted");
  check(!weakref::is_tracked(mixed::untracked()), "an untracked one is known as such");
  check(!mixed::refusal(mixed::untracked()).empty(), "and refused");
  return failures == 0 ? 0 : 1;
}
