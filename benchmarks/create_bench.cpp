// SPDX-License-Identifier: BSL-1.0

// What does get_or_create cost under the load of a cache? Keys come by Zipf's law out of four times as many as there
// are places for owners; each call's result takes the place of the oldest one, whose object dies if nobody else holds
// it. Two of three calls find their object with a thousand places, three of four with a hundred thousand. One thread,
// and two with half of the places each.
//
// In the clock: the calls, making what is not there, and the deaths that they cause. Not in it: drawing the keys, anew
// for each batch, and a first round in which all places are taken.
//
// Lazy maps are not swept here: the keys come back, so their tables do not grow, and the memory of the dead is not
// counted against them.

#include "bench.hpp"
#include "caches.hpp"
#include "threads.hpp"
#include "zipf.hpp"

namespace {

using namespace bench;

template <class Map, class Keys> class cache {
 public:
  explicit cache(std::size_t size) : chosen_(4 * size), owners_(size) {
    for (std::size_t stored = 0; stored < size; stored += draws) {
      prepare(0, draws);
      run(0, 1);
    }
  }
  cache(const cache&) = delete;
  cache& operator=(const cache&) = delete;

  void prepare(std::size_t number, std::size_t count) {
    key_list<Keys>& keys = keys_[number];
    keys.resize(count);
    for (auto& key : keys) Keys::set(key, owners_.size(), chosen_(any()));
  }

  void run(std::size_t number, std::size_t threads) {
    const part own(owners_.size(), number, threads);
    std::size_t at = next_[number].place;
    for (const auto& key : keys_[number]) {
      if (at < own.first || at >= own.last) at = own.first;
      owners_[at++] = map_.get_or_create(key, 1);
    }
    next_[number].place = at;
  }

 private:
  struct alignas(64) position {
    std::size_t place = 0;
  };

  zipf chosen_;
  std::array<position, most_threads> next_;
  std::array<key_list<Keys>, most_threads> keys_;
  Map map_;
  std::vector<typename Map::owner> owners_; // let go before the map does
};

template <class Map, class Keys> void create(benchmark::State& state, std::size_t size, std::size_t threads) {
  auto& full = kept(size, [&] { return cache<Map, Keys>(size); });
  measure_threads(
      state, threads, draws_of_each(threads) * threads,
      [&](std::size_t number) { full.prepare(number, draws_of_each(threads)); },
      [&](std::size_t number) { full.run(number, threads); }, batches_before(threads));
}

} // namespace

void bench::register_benchmarks() {
  ask_caches("get_or_create",
             []<class Map, class Keys>(benchmark::State& state, std::size_t size, std::size_t threads) {
               create<Map, Keys>(state, size, threads);
             });
}
