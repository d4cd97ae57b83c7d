// SPDX-License-Identifier: BSL-1.0
//
// The table against its model (table_script.hpp), in random scripts; seeds.hpp says how to run more.
#include "table_script.hpp"

#include "seeds.hpp"

using namespace model;

namespace {

void run_scripts(unsigned shard_bits, int hashes, int longest_run, const seeds& chosen) {
  run_seeds(chosen,
            [&](const auto& script) { return table_script(script, shard_bits, hashes, longest_run); });
}

} // namespace

TEST_CASE("table model: many hashes") { run_scripts(0, 1 << 16, 8, {1, 30, 1000}); }

TEST_CASE("table model: few hashes") { run_scripts(0, 3, 6, {100, 30, 1000}); }

TEST_CASE("table model: hashes whose upper bits have chosen the shard") {
  run_scripts(4, 256, 8, {200, 30, 1000});
  run_scripts(8, 1 << 16, 8, {300, 10, 1000});
}

TEST_CASE("table model: so crowded that distances saturate") { run_scripts(0, 2, 200, {400, 10, 300}); }
