// SPDX-License-Identifier: BSL-1.0
#include "target.hpp"

#include "../property/table_script.hpp"

std::string fuzz::run(bytes input) {
  const auto [kind, script] = choose(input, 3);
  switch (kind) {
  case 0:
    return model::table_script(script, 0, 1 << 16, 8).run();
  case 1:
    return model::table_script(script, 0, 2, 200).run();
  default:
    return model::table_script(script, 4, 256, 8).run();
  }
}

const char* const fuzz::corpus[] = {
#include "corpus/table.inc"
    nullptr};
