// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_BENCHMARKS_BENCH_HPP
#define WEAKREF_BENCHMARKS_BENCH_HPP

// What all benchmark programs share: the object that is cached, the keys, the clock and the naming.
//
// A *question* is a template over the maps of peers.hpp and weakref_maps.hpp, written once; a benchmark's
// name is question/keys/size/map (with @threads behind it, where several share the map), which is what
// ./report takes apart again. Work is timed in batches, by hand, because filling a dictionary and dropping
// its objects must stay outside the clock.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <map>
#include <numeric>
#include <random>
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

// ---- keys
// ------------------------------------------------------------------------------------------------------

struct dense_keys {
  using type = std::int64_t;
  static constexpr std::string_view name = "dense";
  static type at(std::size_t index) { return static_cast<type>(index); }
};

// Addresses of pages look like this: an identity hash into a table of 2^n places sends them all to a few of
// these.
struct strided_keys {
  using type = std::int64_t;
  static constexpr std::string_view name = "strided";
  static type at(std::size_t index) { return static_cast<type>(index) * 4096; }
};

struct text_keys {
  using type = std::string; // 30 characters: never within the string object itself
  static constexpr std::string_view name = "text";
  static type at(std::size_t index) {
    std::string digits = std::to_string(index);
    return "textures/level/" + std::string(10 - digits.size(), '0') + digits + ".webp";
  }
};

// The text of the keys lies in memory in the order of the result, so reading them in turn costs the caches
// little, whatever their order in the dictionary is.
template <class Keys> std::vector<typename Keys::type> keys_at(const std::vector<std::size_t>& indices) {
  std::vector<typename Keys::type> keys;
  keys.reserve(indices.size());
  for (std::size_t index : indices) keys.push_back(Keys::at(index));
  return keys;
}

inline std::vector<std::size_t> in_order(std::size_t first, std::size_t count) {
  std::vector<std::size_t> indices(count);
  std::iota(indices.begin(), indices.end(), first);
  return indices;
}

inline std::vector<std::size_t> shuffled(std::size_t first, std::size_t count) {
  std::vector<std::size_t> indices = in_order(first, count);
  std::shuffle(indices.begin(), indices.end(), std::mt19937_64(count));
  return indices;
}

// Long enough that the branch predictor cannot learn the sequence by heart, as it does with a thousand keys.
inline constexpr std::size_t draws = std::size_t{1} << 18;

inline std::vector<std::size_t> drawn(std::size_t first, std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<std::size_t> place(first, first + count - 1);
  std::vector<std::size_t> indices(draws);
  for (std::size_t& index : indices) index = place(random);
  return indices;
}

// Keys are made once for each size and kept: all maps of one run meet the same ones.
template <class Keys> const std::vector<typename Keys::type>& first_keys(std::size_t count) {
  static std::map<std::size_t, std::vector<typename Keys::type>> made;
  auto [at, is_new] = made.try_emplace(count);
  if (is_new) at->second = keys_at<Keys>(in_order(0, count));
  return at->second;
}

template <class Keys> const std::vector<typename Keys::type>& shuffled_keys(std::size_t count) {
  static std::map<std::size_t, std::vector<typename Keys::type>> made;
  auto [at, is_new] = made.try_emplace(count);
  if (is_new) at->second = keys_at<Keys>(shuffled(0, count));
  return at->second;
}

template <class Keys>
const std::vector<typename Keys::type>& drawn_keys(std::size_t first, std::size_t count,
                                                   std::uint64_t seed = 1) {
  static std::map<std::array<std::uint64_t, 3>, std::vector<typename Keys::type>> made;
  auto [at, is_new] = made.try_emplace({first, count, seed});
  if (is_new) at->second = keys_at<Keys>(drawn(first, count, seed));
  return at->second;
}

// ---- a filled map
// ----------------------------------------------------------------------------------------------

// The owners are declared last, so that they let go first: the hand-written deleters need their map.
template <class Map> struct filled {
  using key_type = typename Map::key_type;

  explicit filled(const std::vector<key_type>& keys) {
    owners.reserve(keys.size());
    for (const key_type& key : keys)
      owners.push_back(map.make(key, static_cast<std::int64_t>(owners.size())));
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

template <class Map, class Keys> filled<Map>& kept_full(std::size_t size) {
  return kept(size, [&] { return filled<Map>(first_keys<Keys>(size)); });
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
// timed.
template <class Setup, class Work>
void measure(benchmark::State& state, std::size_t operations, Setup setup, Work work) {
  malloc_trim(0); // what the run before left in the free lists is not this run's
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

// Each repetition does at least this many operations: a batch of a thousand alone is below what a clock
// resolves.
inline constexpr std::size_t operations_wanted = std::size_t{1} << 19;

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

} // namespace bench

#endif
