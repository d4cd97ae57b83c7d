// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_BENCHMARKS_BENCH_HPP
#define WEAKREF_BENCHMARKS_BENCH_HPP

// What all benchmark programs share: the object that is cached, a filled map, the clock and the naming.
//
// A *question* is a template over the maps of peers.hpp and weakref_maps.hpp, written once; a benchmark's name is
// question/keys/size/map (with @2 behind the question, where two threads share the map), which is what ./report takes
// apart again. Work is timed in batches, by hand, because filling a dictionary, dropping its objects and making the
// next order of keys must stay outside the clock.

#include "keys.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include <malloc.h>

namespace bench {

// Each program defines it and registers its benchmarks there; main.cpp calls it.
void register_benchmarks();

struct object {
  explicit object(std::int64_t number) noexcept : id(number) {}
  std::int64_t id;
  std::array<unsigned char, 56> rest{};
};
static_assert(sizeof(object) == 64);

// ---- a filled map
// ----------------------------------------------------------------------------------------------

// Stored in no order: the memory of neighbours in the table is anywhere, as in a cache that has run for a while. The
// owners are declared last, so that they let go first: the hand-written deleters need their map.
template <class Map, class Keys> struct filled {
  // With the keys from index `first` on; owners[i] belongs to that with index first + i.
  explicit filled(std::size_t size, std::size_t first = 0) : owners(size) {
    typename Keys::type key{};
    for (const std::size_t i : shuffled(size)) {
      Keys::set(key, size, first + i);
      owners[i] = map.make(key, static_cast<std::int64_t>(i));
    }
  }
  filled(const filled&) = delete;
  filled& operator=(const filled&) = delete;

  Map map;
  std::vector<typename Map::owner> owners;
};

// Made once for all repetitions, where the question leaves it as it was: filling takes many times as long as
// asking. It is never given back, which at the end of a process nobody wants to wait for. `make` is a lambda of
// the function that owns the fixture, and its type tells one such function from the others.
template <class Make> auto& kept(std::size_t size, Make make) {
  using fixture = decltype(make());
  static fixture* made = nullptr;
  static std::size_t made_for = 0;
  if (made == nullptr || made_for != size) {
    delete made;
    made = nullptr;
    made = new fixture(make());
    made_for = size;
  }
  return *made;
}

template <class Map, class Keys> filled<Map, Keys>& kept_full(std::size_t size) {
  return kept(size, [&] { return filled<Map, Keys>(size); });
}

// ---- the clock
// -------------------------------------------------------------------------------------------------

// This thread's own time, in seconds: what others run on the machine meanwhile is not counted.
inline double thread_seconds() noexcept {
  std::timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Times work(fixture), which does `operations` operations, as often as the benchmark wants; setup() is not
// timed. Before that comes the same so many times outside the clock: maps that stay have been driven out of the caches
// by the others' turns, and an application's own map would be there.
template <class Setup, class Work>
void measure(benchmark::State& state, std::size_t operations, Setup setup, Work work,
             std::size_t before = 0) {
  malloc_trim(0); // what the run before left in the free lists is not this run's
  for (; before != 0; --before) {
    auto&& fixture = setup();
    work(fixture);
  }
  while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(operations))) {
    auto&& fixture = setup();
    const double start = thread_seconds();
    work(fixture);
    state.SetIterationTime(thread_seconds() - start);
  }
}

// ---- registration
// ----------------------------------------------------------------------------------------------

template <class... Type> struct types {};
template <class... First, class... Second>
constexpr types<First..., Second...> operator+(types<First...>, types<Second...>) {
  return {};
}

inline constexpr std::array<std::size_t, 3> sizes{1'000, 100'000, 1'000'000};

// Many entries take their time to fill, so above this only those are asked who have a chance to be the best.
inline constexpr std::size_t few = 1'000;

// Each repetition does at least this many operations: a batch of a thousand alone is below what a clock
// resolves.
inline constexpr std::size_t operations_wanted = std::size_t{1} << 17;

inline std::string name_of(std::string_view question, std::string_view keys, std::size_t size,
                           std::string_view map) {
  return std::string(question) + '/' + std::string(keys) + '/' + std::to_string(size) + '/' +
         std::string(map);
}

template <class Function>
void ask(const std::string& name, std::size_t batch, std::size_t operations, Function function) {
  const std::size_t rounds = std::max<std::size_t>(1, operations / batch);
  benchmark::RegisterBenchmark(name.c_str(), function)
      ->Iterations(static_cast<benchmark::IterationCount>(rounds * batch))
      ->UseManualTime();
}

// ask.operator()<Keys>(size) for each kind of key and each size.
template <class Ask> void for_each_kind_and_size(Ask ask) {
  for (std::size_t size : sizes) {
    ask.template operator()<random_keys>(size);
    ask.template operator()<text_keys>(size);
    ask.template operator()<id_keys>(size);
  }
}

} // namespace bench

#endif
