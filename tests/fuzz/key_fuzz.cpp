// SPDX-License-Identifier: BSL-1.0
#include "target.hpp"

#include "../property/key_script.hpp"

using namespace model;

std::string fuzz::run(bytes input) {
  const auto [kind, script] = choose(input, 6);
  switch (kind) {
  case 0:
  case 1:
    return key_script<key_dictionary<Subject, Payload>>(script, {.accept_untracked = kind == 1}).run();
  case 2:
  case 3:
    return key_script<value_keyed_dictionary<Subject, Payload, kind_hash<1>>>(script,
                                                                              {.accept_untracked = kind == 3})
        .run();
  default:
    return key_script<value_keyed_dictionary<OwnSubject, int, kind_hash<4>>>(
               script, {.shards = kind == 4 ? std::size_t{1} : std::size_t{4}})
        .run();
  }
}

const char* const fuzz::corpus[] = {
#include "corpus/key.inc"
    nullptr};
