// SPDX-License-Identifier: BSL-1.0

// What does the death of an object cost that a dictionary must forget? For one thread, and for two that let go of a
// half each.
//
// In the clock: all owners of a full dictionary let go one after the other, in an order that has nothing to do with the
// one they were stored in; so freeing the object, and the dictionary's getting empty. Not in it: filling, anew for each
// batch.

#include "bench.hpp"
#include "peers.hpp"
#include "threads.hpp"
#include "weakref_maps.hpp"

#include <optional>

namespace {

using namespace bench;

template <class Map, class Keys> struct doomed : filled<Map, Keys> {
  explicit doomed(std::size_t size) : filled<Map, Keys>(size) {
    std::shuffle(this->owners.begin(), this->owners.end(), any());
  }
};

template <class Map, class Keys> void death(benchmark::State& state, std::size_t size, std::size_t threads) {
  std::optional<doomed<Map, Keys>> full;
  measure_threads(
      state, threads, size,
      [&](std::size_t number) {
        if (number == 0) full.emplace(size);
      },
      [&](std::size_t number) {
        const part own(size, number, threads);
        for (std::size_t i = own.first; i != own.last; ++i) full->owners[i].reset();
      });
}

template <class Keys, class... Map> void ask_all(types<Map...>, std::size_t size, std::size_t threads) {
  (ask_threads<Keys, Map>(
       "death", size, threads, size, operations_wanted,
       [=](benchmark::State& state, std::size_t) { death<Map, Keys>(state, size, threads); }),
   ...);
}

template <class Keys> void ask_about(std::size_t size) {
  using key = typename Keys::type;
  using flyweight = types<flyweight_map<key>>;
  if (size <= few) {
    ask_all<Keys>(erasing_peers<key>() + erasing_unlocked<key>() + flyweight() + all_ours<key>(), size, 1);
  } else {
    ask_all<Keys>(few_erasing_peers<key>() + types<weakref_emplaced<key>>(), size, 1);
  }
  ask_all<Keys>(sharing_erasing_peers<key>() + types<weakref_emplaced<key>>(), size, 2);
}

} // namespace

void bench::register_benchmarks() {
  for_each_kind_and_size([]<class Keys>(std::size_t size) { ask_about<Keys>(size); });
}
