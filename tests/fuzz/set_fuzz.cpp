// SPDX-License-Identifier: BSL-1.0
#include "target.hpp"

#include "../property/set_script.hpp"

using namespace model;

std::string fuzz::run(bytes input) {
  const auto [kind, script] = choose(input, 6);
  switch (kind) {
  case 0:
  case 1:
    return set_script<weakref::WeakSet<Subject>>(script, {.accept_untracked = kind == 1}).run();
  case 2:
  case 3:
    return set_script<weakref::WeakSet<Subject, kind_hash<1>, same_kind>>(script,
                                                                          {.accept_untracked = kind == 3})
        .run();
  default:
    return set_script<weakref::WeakSet<OwnSubject, kind_hash<4>, same_kind>>(
               script, {.shards = kind == 4 ? std::size_t{1} : std::size_t{4}})
        .run();
  }
}

const char* const fuzz::corpus[] = {
#include "corpus/set.inc"
    nullptr};
