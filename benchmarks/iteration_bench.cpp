// SPDX-License-Identifier: BSL-1.0

// What does it cost to go through all live objects, for each of them? User code runs with no lock held, so
// by hand the owners are gathered first. TBB's map must not be gone through while others use it, and
// Flyweight's not at all, so both have no part in this.

#include "bench.hpp"
#include "peers.hpp"
#include "weakref_maps.hpp"

namespace {

using namespace bench;

template <class Map, class Keys> void iterate(benchmark::State& state, std::size_t size) {
  const filled<Map>& full = kept_full<Map, Keys>(size);
  std::int64_t sum = 0;
  std::size_t seen = 0;
  measure(
      state, size, [&]() -> const filled<Map>& { return full; },
      [&](const filled<Map>& fixture) {
        seen = 0;
        fixture.map.each([&](const object& one) {
          sum += one.id;
          ++seen;
        });
      });
  benchmark::DoNotOptimize(sum);
  if (seen != size) state.SkipWithError("not every object was seen");
}

template <class Keys, class... Map> void ask_all(types<Map...>, std::size_t size) {
  const auto ask_iterate = [size]<class Asked>(types<Asked>) {
    if constexpr (Asked::iterable) {
      ask(name_of("iteration", Keys::name, size, Asked::name), size, operations_wanted,
          [size](benchmark::State& state) { iterate<Asked, Keys>(state, size); });
    }
  };
  (ask_iterate(types<Map>()), ...);
}

} // namespace

void bench::register_benchmarks() {
  using key = std::int64_t;
  for (std::size_t size : sizes) ask_all<dense_keys>(peers<key>() + lazy_unlocked<key>() + ours<key>(), size);
}
