// SPDX-License-Identifier: BSL-1.0

// Do two threads get twice as much done on one dictionary? The time shown is the wall's for one operation of
// all threads together, so it halves where they do not hinder each other. Only a machine that does nothing
// else can say.

#include "bench.hpp"
#include "peers.hpp"
#include "weakref_maps.hpp"

#include <chrono>
#include <latch>
#include <thread>

namespace {

using namespace bench;

constexpr std::size_t rounds = 8;

struct duration {
  double wall; // from the first thread's start to the last one's end
  double processors;
};

template <class Work> duration time_of(std::size_t threads, Work work) {
  using clock = std::chrono::steady_clock;
  std::latch ready(static_cast<std::ptrdiff_t>(threads));
  std::vector<clock::time_point> starts(threads);
  std::vector<clock::time_point> ends(threads);
  std::vector<double> used(threads);
  std::vector<std::thread> running;
  for (std::size_t number = 0; number != threads; ++number) {
    running.emplace_back([&, number] {
      ready.arrive_and_wait();
      starts[number] = clock::now();
      const double used_before = thread_seconds();
      work(number);
      used[number] = thread_seconds() - used_before;
      ends[number] = clock::now();
    });
  }
  for (std::thread& thread : running) thread.join();
  const auto first = *std::min_element(starts.begin(), starts.end());
  const auto last = *std::max_element(ends.begin(), ends.end());
  return {std::chrono::duration<double>(last - first).count(),
          std::accumulate(used.begin(), used.end(), 0.0)};
}

template <class Map, class Work>
void share(benchmark::State& state, std::size_t size, std::size_t threads, Work work) {
  malloc_trim(0);
  filled<Map> full(first_keys<dense_keys>(size));
  const std::array wanted{&drawn_keys<dense_keys>(0, size, 1), &drawn_keys<dense_keys>(0, size, 2)};
  const auto operations = static_cast<benchmark::IterationCount>(draws * rounds * threads);
  while (state.KeepRunningBatch(operations)) {
    const duration taken = time_of(threads, [&](std::size_t number) {
      std::int64_t sum = 0;
      for (std::size_t round = 0; round != rounds; ++round) {
        for (const std::int64_t key : *wanted[number]) sum += work(full.map, key);
      }
      benchmark::DoNotOptimize(sum);
    });
    state.SetIterationTime(taken.wall);
    state.counters["processors_ns"] = taken.processors * 1e9 / static_cast<double>(operations);
  }
}

template <class... Map> void ask_all(types<Map...>, std::size_t size) {
  constexpr auto get = [](const auto& map, std::int64_t key) { return map.get(key)->id; };
  constexpr auto glimpse = [](const auto& map, std::int64_t key) {
    std::int64_t id = 0;
    map.visit(key, [&id](const object& found) { id = found.id; });
    return id;
  };
  for (std::size_t threads : {std::size_t{1}, std::size_t{2}}) {
    const std::size_t operations = draws * rounds * threads;
    const auto name = [=](std::string_view question, std::string_view map) {
      return name_of(question, dense_keys::name, size, map) + '@' + std::to_string(threads);
    };
    (ask(name("shared_hit", Map::name), operations, operations,
         [=](benchmark::State& state) { share<Map>(state, size, threads, get); }),
     ...);
    (ask(name("shared_visit", Map::name), operations, operations,
         [=](benchmark::State& state) { share<Map>(state, size, threads, glimpse); }),
     ...);
  }
}

using key = std::int64_t;

} // namespace

void bench::register_benchmarks() {
  for (std::size_t size : sizes) {
    ask_all(types<std_lazy<key>, flyweight_map<key>>(), size);
#ifdef WEAKREF_BENCHMARKS_HAVE_FLAT_MAP
    ask_all(types<flat_lazy<key>>(), size);
#endif
    ask_all(types<weakref_emplaced<key>, weakref_inserted<key>>(), size);
  }
}
