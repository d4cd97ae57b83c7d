// SPDX-License-Identifier: BSL-1.0
//
// The table against its model (table_script.hpp), in random scripts; seeds.hpp says how to run more.
#include "table_script.hpp"

#include "seeds.hpp"

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <new>
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
    const unsigned told_bits = 7 + weakref::detail::fragment_bits; // of a hash, by tag and fragment
    if (32 - shard_bits - told_bits > 20) return;                  // so many groups would take gigabytes
    table::slots_type slots(7 * (1U << (32 - told_bits - shard_bits)), std::allocator<int>());
    real.rehash(slots);
    std::list<weakref::detail::entry> entries;
    std::vector<std::uint32_t> hashes;
    for (std::uint32_t number = 0; real.has_room(); ++number) {
      hashes.push_back(number * 0x9e3779b9U);
      real.insert(entries.emplace_back(core, hashes.back(), 0U));
    }
    for (auto& each : entries) each.hash = ~each.hash;
    table::slots_type more(real.grown_capacity(), std::allocator<int>());
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

TEST_CASE("table: a slot holds addresses of 48 bits, and the table says which it can't hold") {
  using weakref::detail::address_mask;
  using weakref::detail::entry_of, weakref::detail::fits_slot, weakref::detail::slot;
  CHECK(address_mask == (weakref::detail::fragment_bits == 0 ? ~slot{7} : slot{0x0000'ffff'ffff'fff8}));
  constexpr slot all_else = ~address_mask;
  for (const slot address :
       {slot{0}, slot{8}, (slot{1} << 47) - 8, slot{1} << 47, (slot{1} << 47) + 8, (slot{1} << 48) - 8}) {
    CAPTURE(address);
    auto* const place = reinterpret_cast<weakref::detail::entry*>(address);
    CHECK(fits_slot(place));
    CHECK(entry_of(address) == place);
    CHECK(entry_of(address | all_else) == place); // whatever distance and fragment
  }
  for (const slot address : {slot{1} << 48, slot{1} << 52, slot{0xff} << 56, ~slot{7}})
    CHECK(fits_slot(reinterpret_cast<const void*>(address)) == (weakref::detail::fragment_bits == 0));
  for (const slot address : {slot{4}, slot{1}})
    CHECK_FALSE(fits_slot(reinterpret_cast<const void*>(address)));
}

// x86-64 gives such memory where the processor has five levels of page tables, and AArch64 where it has 48 bits.
TEST_CASE("table: entries above 2^47 are found, moved and taken out, where there is such memory") {
#if defined(MAP_FIXED_NOREPLACE)
  constexpr std::size_t size = 1 << 16;
  void* const memory = ::mmap(reinterpret_cast<void*>(std::uintptr_t{1} << 47), size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (memory == MAP_FAILED) {
    MESSAGE("skipped: the system gives no memory above 2^47");
    return;
  }
  REQUIRE(reinterpret_cast<std::uintptr_t>(memory) == std::uintptr_t{1} << 47);
  struct no_core final : weakref::detail::core_base {
    weakref::detail::discard_function evict(weakref::detail::entry&) noexcept override { return nullptr; }
    void finish() noexcept override {}
  } core;
  using weakref::detail::entry;
  weakref::detail::table<std::allocator<int>> real{std::allocator<int>()};
  std::vector<entry*> entries;
  for (std::uint32_t number = 0; number < 1000; ++number) {
    entries.push_back(::new (static_cast<entry*>(memory) + number) entry(core, number * 0x9e3779b9U, 0U));
    if (!real.has_room()) {
      decltype(real)::slots_type more(real.grown_capacity(), std::allocator<int>());
      real.rehash(more);
    }
    real.insert(*entries.back());
  }
  for (entry* const each : entries) {
    const std::uint32_t index = real.find_entry(*each);
    REQUIRE(index != decltype(real)::none);
    CHECK(&real[index] == each);
    real.erase(index);
  }
  CHECK(real.size() == 0);
  ::munmap(memory, size);
#else
  MESSAGE("skipped: this system has no MAP_FIXED_NOREPLACE");
#endif
}
