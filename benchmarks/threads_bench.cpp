// SPDX-License-Identifier: BSL-1.0

// Do two threads get twice as much done on one dictionary? They look up (shared_hit, shared_visit), or mix:
// of ten operations nine look up any key, and one drops an object of the thread's own half and stores a new
// one under the same key. A look-up may be the last to hold what the other thread drops.

#include "bench.hpp"
#include "peers.hpp"
#include "threads.hpp"
#include "weakref_maps.hpp"

#include <memory>
#include <vector>

namespace {

using namespace bench;

constexpr std::size_t rounds = 8;

// No dictionary at all: an array of weak_ptrs that nobody changes. What two threads lose here they lose by counting
// up and down in the same objects.
class weak_pointers {
 public:
  using key_type = std::int64_t;
  using owner = std::shared_ptr<object>;
  static constexpr std::string_view name = "weak_ptr_alone";

  owner make(key_type, std::int64_t id) {
    owner made = std::make_shared<object>(id);
    pointers_.push_back(made);
    return made;
  }
  owner get(key_type key) const { return pointers_[static_cast<std::size_t>(key)].lock(); }

 private:
  std::vector<std::weak_ptr<object>> pointers_;
};

template <class Map, class Work>
void share(benchmark::State& state, std::size_t size, std::size_t threads, Work work) {
  const Map& map = kept_full<Map, dense_keys>(size).map;
  const std::array wanted{&drawn_keys<dense_keys>(0, size, 1), &drawn_keys<dense_keys>(0, size, 2)};
  measure_threads(state, threads, draws * rounds, [&](std::size_t number) {
    std::int64_t sum = 0;
    for (std::size_t round = 0; round != rounds; ++round) {
      for (const std::int64_t key : *wanted[number]) sum += work(map, key);
    }
    benchmark::DoNotOptimize(sum);
  });
}

template <class Map> void mix(benchmark::State& state, std::size_t size, std::size_t threads) {
  filled<Map>& full = kept(size, [&] { return filled<Map>(first_keys<dense_keys>(size)); });
  const std::array wanted{&drawn_keys<dense_keys>(0, size, 1), &drawn_keys<dense_keys>(0, size, 2)};
  const std::size_t half = size / 2;
  measure_threads(state, threads, draws, [&](std::size_t number) {
    std::int64_t sum = 0;
    std::size_t turn = 0;
    for (const std::int64_t key : *wanted[number]) {
      if (++turn % 10 == 0) {
        const std::size_t own = static_cast<std::size_t>(key) % half + number * half;
        full.owners[own].reset();
        full.owners[own] = full.map.make(dense_keys::at(own), key);
      } else if (const auto found = full.map.get(key)) {
        sum += found->id;
      }
    }
    benchmark::DoNotOptimize(sum);
  });
}

constexpr auto get = [](const auto& map, std::int64_t key) { return map.get(key)->id; };

template <class Map> void ask_hits(std::size_t size) {
  ask_threads(name_of("shared_hit", dense_keys::name, size, Map::name), draws * rounds,
              [=](benchmark::State& state, std::size_t threads) { share<Map>(state, size, threads, get); });
}

template <class... Map> void ask_all(types<Map...>, std::size_t size) {
  constexpr auto glimpse = [](const auto& map, std::int64_t key) {
    std::int64_t id = 0;
    map.visit(key, [&id](const object& found) { id = found.id; });
    return id;
  };
  const auto name = [size](std::string_view question, std::string_view map) {
    return name_of(question, dense_keys::name, size, map);
  };
  (ask_hits<Map>(size), ...);
  (ask_threads(
       name("shared_visit", Map::name), draws * rounds,
       [=](benchmark::State& state, std::size_t threads) { share<Map>(state, size, threads, glimpse); }),
   ...);
  (ask_threads(name("mixed", Map::name), draws,
               [=](benchmark::State& state, std::size_t threads) { mix<Map>(state, size, threads); }),
   ...);
}

} // namespace

void bench::register_benchmarks() {
  for (std::size_t size : sizes) {
    ask_all(peers<std::int64_t>(), size);
    ask_all(types<weakref_emplaced<std::int64_t>, weakref_inserted<std::int64_t>>(), size);
    ask_hits<weak_pointers>(size);
  }
}
