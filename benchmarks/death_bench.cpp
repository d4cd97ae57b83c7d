// SPDX-License-Identifier: BSL-1.0

// What does the death of an object cost that a dictionary must forget? All objects are dropped in an order
// that has nothing to do with the one they were stored in; lazy maps sweep once at the end, the cheapest that
// they can do.

#include "bench.hpp"
#include "peers.hpp"
#include "weakref_maps.hpp"

#include <utility>

namespace {

using namespace bench;

template <class Map> struct doomed : filled<Map> {
  doomed(const std::vector<typename Map::key_type>& keys, const std::vector<std::size_t>& order)
      : filled<Map>(keys) {
    std::vector<typename Map::owner> reordered(keys.size());
    for (std::size_t i = 0; i != order.size(); ++i) reordered[i] = std::move(this->owners[order[i]]);
    this->owners = std::move(reordered);
  }
};

template <class Map, class Keys> void death(benchmark::State& state, std::size_t size) {
  const auto& keys = first_keys<Keys>(size);
  const std::vector<std::size_t> order = shuffled(0, size);
  measure(
      state, size, [&] { return doomed<Map>(keys, order); },
      [](doomed<Map>& fixture) {
        for (auto& owner : fixture.owners) owner.reset();
        fixture.map.sweep();
      });
}

template <class Keys, class... Map> void ask_all(types<Map...>, std::size_t size) {
  (ask(name_of("death", Keys::name, size, Map::name), size, operations_wanted,
       [size](benchmark::State& state) { death<Map, Keys>(state, size); }),
   ...);
}

template <class Keys> void ask_about() {
  using key = typename Keys::type;
  for (std::size_t size : sizes) ask_all<Keys>(peers<key>() + erasing_unlocked<key>() + ours<key>(), size);
}

} // namespace

void bench::register_benchmarks() {
  ask_about<dense_keys>();
  ask_about<strided_keys>();
  ask_about<text_keys>();
}
