// SPDX-License-Identifier: BSL-1.0

// What does an application's mix cost? Of ten operations nine look up any key and read a member of what they find, and
// one drops an object and stores a new one under the same key. One thread, and two over one dictionary, each of which
// replaces objects of its own half only; so a look-up of one may be the last to hold what the other drops.
//
// In the clock: the operations, with the deaths that they cause and the making of objects. Not in it: filling, and
// drawing the keys, anew for each batch.

#include "bench.hpp"
#include "caches.hpp"
#include "threads.hpp"

namespace {

using namespace bench;

constexpr std::size_t turn = 10; // one of so many is a store and drop

template <class Keys> struct alignas(64) orders {
  key_list<Keys> keys;
  std::vector<std::size_t> replaced; // whose owner is dropped at the last of each turn
};

template <class Keys> void prepare(orders<Keys>& next, std::size_t size, const part& own, std::size_t count) {
  draw<Keys>(next.keys, size, 0, count);
  next.replaced.clear();
  for (std::size_t i = turn - 1; i < next.keys.size(); i += turn) {
    next.replaced.push_back(own.first + any().below(own.last - own.first));
    Keys::set(next.keys[i], size, next.replaced.back());
  }
}

template <class Map, class Keys> void mix(benchmark::State& state, std::size_t size, std::size_t threads) {
  filled<Map, Keys>& full = kept_full<Map, Keys>(size);
  std::array<orders<Keys>, most_threads> wanted;
  measure_threads(
      state, threads, draws_of_each(threads) * threads,
      [&](std::size_t number) {
        prepare<Keys>(wanted[number], size, part(size, number, threads), draws_of_each(threads));
      },
      [&](std::size_t number) {
        std::int64_t sum = 0;
        auto replaced = wanted[number].replaced.begin();
        std::size_t left = turn;
        for (const auto& key : wanted[number].keys) {
          if (--left == 0) {
            left = turn;
            auto& owner = full.owners[*replaced++];
            owner.reset();
            owner = full.map.make(key, 1);
          } else if (const auto found = full.map.get(key)) {
            sum += found->id;
          }
        }
        benchmark::DoNotOptimize(sum);
      },
      batches_before(threads));
}

} // namespace

void bench::register_benchmarks() {
  ask_caches("mixed",
             []<class Map, class Keys>(benchmark::State& state, std::size_t size, std::size_t threads) {
               mix<Map, Keys>(state, size, threads);
             });
}
