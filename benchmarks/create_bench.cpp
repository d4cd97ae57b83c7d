// SPDX-License-Identifier: BSL-1.0

// What does get_or_create cost under the load of a cache? Keys come by Zipf's law (exponent 0.99) out of four
// times as many as there are places for owners; each call's result takes the place of the oldest one, whose
// object dies if nobody else holds it. Two of three calls find their object with a thousand places, three of
// four with a hundred thousand. One thread, and two with half of the places each.
//
// Lazy maps are not swept here: the keys come back, so their tables do not grow, and the memory of the dead
// is not counted against them.

#include "bench.hpp"
#include "peers.hpp"
#include "threads.hpp"
#include "weakref_maps.hpp"

#include <cmath>

namespace {

using namespace bench;

constexpr double exponent = 0.99;

// Which key is popular has nothing to do with its value.
std::vector<std::size_t> by_zipf(std::size_t population, std::size_t count, std::uint64_t seed) {
  std::vector<double> up_to(population);
  double sum = 0;
  for (std::size_t rank = 0; rank != population; ++rank) {
    sum += 1 / std::pow(static_cast<double>(rank + 1), exponent);
    up_to[rank] = sum;
  }
  const std::vector<std::size_t> index_of = shuffled(0, population);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> place(0, sum);
  std::vector<std::size_t> indices(count);
  for (std::size_t& index : indices) {
    const auto found = std::upper_bound(up_to.begin(), up_to.end() - 1, place(random));
    index = index_of[static_cast<std::size_t>(found - up_to.begin())];
  }
  return indices;
}

template <class Keys> using key_list = std::vector<typename Keys::type>;

template <class Keys> const key_list<Keys>& zipf_keys(std::size_t size, std::uint64_t seed) {
  static std::map<std::array<std::uint64_t, 2>, key_list<Keys>> made;
  auto [at, is_new] = made.try_emplace({size, seed});
  if (is_new) at->second = keys_at<Keys>(by_zipf(4 * size, std::max(draws, size), seed));
  return at->second;
}

template <class Map> class places {
 public:
  explicit places(std::size_t size) : owners_(size) {}

  template <class Key> void fill(Map& map, const std::vector<Key>& keys) {
    for (const Key& key : keys) {
      owners_[next_] = map.get_or_create(key, 1);
      next_ = next_ + 1 == owners_.size() ? 0 : next_ + 1;
    }
  }

 private:
  std::vector<typename Map::owner> owners_;
  std::size_t next_ = 0;
};

// All places are taken before the clock starts.
template <class Map, class Keys> struct cache {
  cache(std::size_t places_in_all, std::size_t threads)
      : size(places_in_all), held(threads, places<Map>(places_in_all / threads)) {
    for (std::size_t number = 0; number != threads; ++number) run(number);
  }
  cache(const cache&) = delete;
  cache& operator=(const cache&) = delete;

  void run(std::size_t number) { held[number].fill(map, zipf_keys<Keys>(size, number)); }

  std::size_t size;
  Map map;
  std::vector<places<Map>> held;
};

template <class Map, class Keys> void create(benchmark::State& state, std::size_t size, std::size_t threads) {
  auto& full = threads == 1 ? kept(size, [&] { return cache<Map, Keys>(size, 1); })
                            : kept(size, [&] { return cache<Map, Keys>(size, 2); });
  measure_threads(state, threads, zipf_keys<Keys>(size, 0).size(),
                  [&](std::size_t number) { full.run(number); });
}

template <class Keys, class... Map> void ask_all(types<Map...>, std::size_t size) {
  (ask_threads(
       name_of("get_or_create", Keys::name, size, Map::name), std::max(draws, size),
       [=](benchmark::State& state, std::size_t threads) { create<Map, Keys>(state, size, threads); }),
   ...);
}

template <class Keys> void ask_about(std::size_t size) {
  ask_all<Keys>(peers<typename Keys::type>(), size);
  ask_all<Keys>(types<weakref_emplaced<typename Keys::type>>(), size);
}

} // namespace

void bench::register_benchmarks() {
  for (std::size_t size : sizes) {
    ask_about<dense_keys>(size);
    if (size <= 100'000) ask_about<text_keys>(size);
  }
}
