// SPDX-License-Identifier: BSL-1.0

// What does it cost to make an object and store it, while the dictionary grows from nothing (grow), and when
// for each object stored another one is dropped (replace)? Lazy maps sweep once for each turnover of all
// their entries.

#include "bench.hpp"
#include "peers.hpp"
#include "weakref_maps.hpp"

namespace {

using namespace bench;

template <class Map> struct growing {
  explicit growing(std::size_t size) : owners(size) {}
  Map map;
  std::vector<typename Map::owner> owners; // its pages are touched already
};

template <class Map, class Keys> void grow(benchmark::State& state, std::size_t size) {
  const auto& keys = first_keys<Keys>(size);
  measure(
      state, size, [&] { return growing<Map>(size); },
      [&](growing<Map>& fixture) {
        for (std::size_t i = 0; i != size; ++i) {
          fixture.owners[i] = fixture.map.make(keys[i], static_cast<std::int64_t>(i));
        }
      });
}

// Twice as many keys as live objects, taken in turn: a key comes back when its object has long been dropped.
// They come in no order: an identity hash of consecutive numbers would walk through its table from end to end.
// The first objects are made in another order than they are dropped in, and as each new one takes the memory
// of the one before, they stay as scattered as in a cache that has run for a while.
template <class Map, class Keys> struct turnover {
  explicit turnover(std::size_t size) : keys(shuffled_keys<Keys>(2 * size)), owners(size) {
    for (std::size_t i : shuffled(0, size)) owners[i] = map.make(keys[i], 0);
    run(); // the table finds its steady state
  }

  turnover(const turnover&) = delete;
  turnover& operator=(const turnover&) = delete;

  void run() {
    const std::size_t size = owners.size();
    half = size - half;
    for (std::size_t i = 0; i != size; ++i) {
      owners[i].reset();
      owners[i] = map.make(keys[half + i], 0);
    }
    map.sweep();
  }

  const std::vector<typename Keys::type>& keys;
  std::size_t half = 0;
  Map map;
  std::vector<typename Map::owner> owners;
};

template <class Map, class Keys> void replace(benchmark::State& state, std::size_t size) {
  turnover<Map, Keys>& steady = kept(size, [&] { return turnover<Map, Keys>(size); });
  measure(
      state, size, [&]() -> turnover<Map, Keys>& { return steady; },
      [](turnover<Map, Keys>& fixture) { fixture.run(); });
}

template <class Keys, class... Map> void ask_all(types<Map...>, std::size_t size) {
  const auto ask_grow = [size]<class Asked>(types<Asked>) {
    // Flyweight's one static table stays as large as it once was.
    if constexpr (!Asked::creates_on_get) {
      ask(name_of("grow", Keys::name, size, Asked::name), size, operations_wanted,
          [size](benchmark::State& state) { grow<Asked, Keys>(state, size); });
    }
  };
  (ask_grow(types<Map>()), ...);
  (ask(name_of("replace", Keys::name, size, Map::name), size, operations_wanted,
       [size](benchmark::State& state) { replace<Map, Keys>(state, size); }),
   ...);
}

template <class Keys> void ask_about() {
  using key = typename Keys::type;
  for (std::size_t size : sizes)
    ask_all<Keys>(peers<key>() + erasing_unlocked<key>() + all_ours<key>(), size);
}

} // namespace

void bench::register_benchmarks() {
  ask_about<dense_keys>();
  ask_about<strided_keys>();
  ask_about<text_keys>();
}
