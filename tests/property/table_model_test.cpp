// SPDX-License-Identifier: BSL-1.0
//
// The table against its model (table_script.hpp), in random scripts; seeds.hpp says how to run more.
#include "table_script.hpp"

#include "seeds.hpp"

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <vector>

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

TEST_CASE("table model: tables large enough to grow without reading an entry") {
  run_scripts(12, 1 << 16, 8, {500, 30, 1000});
  run_scripts(12, 3, 40, {600, 10, 300});
}

TEST_CASE("table: one that is large enough grows without reading an entry") {
  struct no_core final : weakref::detail::core_base {
    weakref::detail::discard_function evict(weakref::detail::entry&) noexcept override { return nullptr; }
    void finish() noexcept override {}
  } core;
  using table = weakref::detail::table<std::allocator<int>>;
  for (const unsigned shard_bits : {0U, 4U, 8U}) {
    CAPTURE(shard_bits);
    table real(std::allocator<int>(), shard_bits);
    table::slots_type slots((std::size_t{1} << (18 - shard_bits)) + 1, 0U);
    real.rehash(slots);
    std::list<weakref::detail::entry> entries;
    std::vector<std::uint32_t> hashes;
    for (std::uint32_t number = 0; real.has_room(); ++number) {
      hashes.push_back(number * 0x9e3779b9U);
      real.insert(entries.emplace_back(core, hashes.back(), 0U));
    }
    for (auto& each : entries) each.hash = ~each.hash;
    table::slots_type more(real.grown_capacity(), 0U);
    real.rehash(more);
    std::size_t at = 0;
    for (auto& each : entries) each.hash = hashes[at++];
    std::size_t found = 0;
    for (auto& each : entries) {
      const std::uint32_t index = real.find_entry(each);
      if (index != table::none && &real[index] == &each) ++found;
    }
    CHECK(found == entries.size());
  }
}

TEST_CASE("table model: so crowded that distances saturate") { run_scripts(0, 2, 200, {400, 10, 300}); }
