// SPDX-License-Identifier: BSL-1.0

// What does a look-up cost that finds a live object (hit), that is content with a glimpse of it (visit), that
// finds nothing (miss)? Each hit reads a member of the object, as whoever looks it up would.

#include "bench.hpp"
#include "peers.hpp"
#include "weakref_maps.hpp"

namespace {

using namespace bench;

template <class Map, class Keys> void hit(benchmark::State& state, std::size_t size) {
  filled<Map>& full = kept_full<Map, Keys>(size);
  const auto& wanted = drawn_keys<Keys>(0, size);
  std::int64_t sum = 0;
  measure(
      state, draws, [&]() -> filled<Map>& { return full; },
      [&](const filled<Map>& fixture) {
        for (const auto& key : wanted) sum += fixture.map.get(key)->id;
      });
  benchmark::DoNotOptimize(sum);
}

template <class Map, class Keys> void visit(benchmark::State& state, std::size_t size) {
  filled<Map>& full = kept_full<Map, Keys>(size);
  const auto& wanted = drawn_keys<Keys>(0, size);
  std::int64_t sum = 0;
  measure(
      state, draws, [&]() -> filled<Map>& { return full; },
      [&](const filled<Map>& fixture) {
        for (const auto& key : wanted)
          fixture.map.visit(key, [&sum](const object& found) { sum += found.id; });
      });
  benchmark::DoNotOptimize(sum);
}

template <class Map, class Keys> void miss(benchmark::State& state, std::size_t size) {
  filled<Map>& full = kept_full<Map, Keys>(size);
  const auto& wanted = drawn_keys<Keys>(size, size);
  std::size_t found = 0;
  measure(
      state, draws, [&]() -> filled<Map>& { return full; },
      [&](const filled<Map>& fixture) {
        for (const auto& key : wanted) found += fixture.map.get(key) != nullptr;
      });
  if (found != 0) state.SkipWithError("a key was found that nobody stored");
}

template <class Keys, class... Map> void ask_all(types<Map...>, std::size_t size) {
  (ask(name_of("hit", Keys::name, size, Map::name), draws, operations_wanted,
       [size](benchmark::State& state) { hit<Map, Keys>(state, size); }),
   ...);
  (ask(name_of("visit", Keys::name, size, Map::name), draws, operations_wanted,
       [size](benchmark::State& state) { visit<Map, Keys>(state, size); }),
   ...);
  const auto ask_miss = [size]<class Asked>(types<Asked>) {
    if constexpr (!Asked::creates_on_get) {
      ask(name_of("miss", Keys::name, size, Asked::name), draws, operations_wanted,
          [size](benchmark::State& state) { miss<Asked, Keys>(state, size); });
    }
  };
  (ask_miss(types<Map>()), ...);
}

template <class Keys> void ask_about() {
  using key = typename Keys::type;
  for (std::size_t size : sizes) ask_all<Keys>(peers<key>() + lazy_unlocked<key>() + ours<key>(), size);
  ask_all<Keys>(types<weakref_counted<key>>(), sizes[0]); // what statistics cost where they are wanted
}

} // namespace

void bench::register_benchmarks() {
  ask_about<dense_keys>();
  ask_about<strided_keys>();
  ask_about<text_keys>();
}
