// SPDX-License-Identifier: BSL-1.0

// What does it cost to go through all live objects, for each of them? User code runs with no lock held, so by hand the
// owners are gathered first. TBB's map must not be gone through while others use it, and Flyweight's not at all, so
// both have no part in this.
//
// In the clock: the loop, reading a member of each object. Not in it: filling. A thousand entries are stored anew for
// each batch, under other keys: the full and the empty places of so few are soon known by heart.

#include "bench.hpp"
#include "peers.hpp"
#include "weakref_maps.hpp"

#include <optional>

namespace {

using namespace bench;

template <class Map, class Keys> void iterate(benchmark::State& state, std::size_t size) {
  std::optional<filled<Map, Keys>> fresh;
  std::int64_t sum = 0;
  std::size_t seen = 0;
  measure(
      state, size,
      [&]() -> const filled<Map, Keys>& {
        if (size != sizes[0]) return kept_full<Map, Keys>(size);
        constexpr std::size_t windows = 1'000'000;
        return fresh.emplace(size, any().below(windows) * size);
      },
      [&](const filled<Map, Keys>& full) {
        seen = 0;
        full.map.each([&](const object& one) {
          sum += one.id;
          ++seen;
        });
      },
      1);
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

template <class Keys> void ask_about(std::size_t size) {
  using key = typename Keys::type;
  if (size <= few) {
    ask_all<Keys>(lazy_peers<key>() + lazy_unlocked<key>() + ours<key>(), size);
  } else {
    ask_all<Keys>(few_lazy_peers<key>() + types<weakref_emplaced<key>>(), size);
  }
}

} // namespace

void bench::register_benchmarks() {
  for_each_kind_and_size([]<class Keys>(std::size_t size) { ask_about<Keys>(size); });
}
