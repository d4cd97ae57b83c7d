// SPDX-License-Identifier: BSL-1.0

// How long is the longest single store while a dictionary grows to a million entries? The time shown is that
// one store's, in this thread's own time; the counter beside it is the hundredth longest.

#include "bench.hpp"
#include "peers.hpp"
#include "weakref_maps.hpp"

#include <functional>

namespace {

using namespace bench;

template <class Map> void pause(benchmark::State& state, std::size_t size) {
  const auto& keys = first_keys<dense_keys>(size);
  malloc_trim(0);
  for (auto turn : state) {
    static_cast<void>(turn);
    Map map;
    std::vector<typename Map::owner> owners(size);
    std::vector<double> pauses(size);
    double before = thread_seconds();
    for (std::size_t i = 0; i != size; ++i) {
      owners[i] = map.make(keys[i], 0);
      const double after = thread_seconds();
      pauses[i] = after - before;
      before = after;
    }
    std::nth_element(pauses.begin(), pauses.begin() + 99, pauses.end(), std::greater<>());
    state.SetIterationTime(*std::max_element(pauses.begin(), pauses.begin() + 100));
    state.counters["hundredth_longest_ns"] = pauses[99] * 1e9;
  }
}

template <class... Map> void ask_all(types<Map...>) {
  constexpr std::size_t size = 1'000'000;
  const auto ask_pause = [size]<class Asked>(types<Asked>) {
    if constexpr (!Asked::creates_on_get) {
      ask(name_of("pause", dense_keys::name, size, Asked::name), 1, 1,
          [size](benchmark::State& state) { pause<Asked>(state, size); });
    }
  };
  (ask_pause(types<Map>()), ...);
}

} // namespace

void bench::register_benchmarks() {
  ask_all(peers<std::int64_t>());
  ask_all(ours<std::int64_t>());
}
