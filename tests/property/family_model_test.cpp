// SPDX-License-Identifier: BSL-1.0
//
// All containers over the same objects, with everybody who can watch them, against their model
// (family_script.hpp), in random scripts; seeds.hpp says how to run more.
#include "family_script.hpp"

#include "seeds.hpp"

using namespace model;

TEST_CASE("family model: objects in containers of each kind, watched, owned and looped over at once") {
  run_seeds({1, 60}, [](const auto& script) { return family_script(script, {.shards = 1}); });
  run_seeds({1000, 60}, [](const auto& script) { return family_script(script, {}); });
}
