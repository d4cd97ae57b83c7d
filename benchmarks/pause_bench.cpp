// SPDX-License-Identifier: BSL-1.0

// How long is the longest single store while a dictionary grows to a million entries? The time shown is that one
// store's, in this thread's own time and with a look at the clock; the counter beside it is the hundredth longest.
// Not in it: the keys, in another order each time.

#include "bench.hpp"
#include "peers.hpp"
#include "weakref_maps.hpp"

#include <functional>

namespace {

using namespace bench;

template <class Map, class Keys> void pause(benchmark::State& state, std::size_t size) {
  key_list<Keys> keys;
  malloc_trim(0);
  for (auto turn : state) {
    static_cast<void>(turn);
    take<Keys>(keys, size, shuffled(size));
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

template <class Keys, class... Map> void ask_all(types<Map...>) {
  constexpr std::size_t size = 1'000'000;
  (ask(name_of("pause", Keys::name, size, Map::name), 1, 1,
       [](benchmark::State& state) { pause<Map, Keys>(state, size); }),
   ...);
}

} // namespace

void bench::register_benchmarks() {
  using key = random_keys::type;
  ask_all<random_keys>(types<std_lazy<key>>() + flat_lazy_peer<key>() + concurrent_lazy_peer<key>() +
                       types<weakref_emplaced<key>>());
}
