// SPDX-License-Identifier: BSL-1.0
#include "target.hpp"

#include "../property/value_script.hpp"

using namespace model;
using dictionary_test::constant_hash;
using dictionary_test::crowded_hash;
using dictionary_test::LoudKey;

std::string fuzz::run(bytes input) {
  const auto [kind, script] = choose(input, 6);
  switch (kind) {
  case 0:
    return value_script<value_dictionary<int, Subject, crowded_hash<4>>>(script, {}).run();
  case 1:
    return value_script<value_dictionary<int, Subject, constant_hash>>(script, {.accept_untracked = true})
        .run();
  case 2:
    return value_script<value_dictionary<LoudKey, OwnSubject>>(script, {.shards = 4}).run();
  case 3:
    return value_script<value_dictionary<int, Subject, crowded_hash<4>>>(
               script, {.shards = 1, .accept_untracked = true})
        .run();
  default:
    return value_script<value_dictionary<int, Subject>, many_keys>(script, {.accept_untracked = kind == 5})
        .run();
  }
}

const char* const fuzz::corpus[] = {
#include "corpus/value.inc"
    nullptr};
