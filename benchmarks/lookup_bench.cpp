// SPDX-License-Identifier: BSL-1.0

// What does a look-up cost that finds a live object (hit), that is content with a glimpse of it (visit), that
// finds nothing (miss)? For one thread, and for two that share dictionary and objects.
//
// In the clock: a batch of look-ups, each of any key, and reading a member of what was found, as whoever looks it up
// would; so the owner that a hit returns is dropped there too. Not in it: filling, and drawing the keys, anew for each
// batch.

#include "bench.hpp"
#include "peers.hpp"
#include "threads.hpp"
#include "weakref_maps.hpp"

#include <memory>

namespace {

using namespace bench;

constexpr auto hit = [](const auto& map, const auto& key) { return map.get(key)->id; };

constexpr auto visit = [](const auto& map, const auto& key) {
  std::int64_t id = 0;
  map.visit(key, [&id](const object& found) { id = found.id; });
  return id;
};

constexpr auto miss = [](const auto& map, const auto& key) {
  return static_cast<std::int64_t>(static_cast<bool>(map.get(key)));
};

// The sum of what work(map, key) returns must not be seen by the compiler.
template <class Map, class Keys, class Work>
void look_up(benchmark::State& state, std::size_t size, std::size_t threads, std::size_t first, Work work) {
  const Map& map = kept_full<Map, Keys>(size).map;
  std::array<key_list<Keys>, most_threads> wanted;
  measure_threads(
      state, threads, draws_of_each(threads) * threads,
      [&](std::size_t number) { draw<Keys>(wanted[number], size, first, draws_of_each(threads)); },
      [&](std::size_t number) {
        std::int64_t sum = 0;
        for (const auto& key : wanted[number]) sum += work(map, key);
        benchmark::DoNotOptimize(sum);
      },
      batches_before(threads));
}

template <class Map, class Keys, class Work>
void ask_one(std::string_view question, std::size_t size, std::size_t threads, std::size_t first, Work work) {
  ask_threads<Keys, Map>(
      question, size, threads, draws_of_each(threads) * threads, draws_wanted,
      [=](benchmark::State& state, std::size_t) { look_up<Map, Keys>(state, size, threads, first, work); });
}

template <class Keys, class... Map> void ask_all(types<Map...>, std::size_t size, std::size_t threads) {
  (ask_one<Map, Keys>("hit", size, threads, 0, hit), ...);
  (ask_one<Map, Keys>("visit", size, threads, 0, visit), ...);
  const auto ask_miss = [=]<class Asked>(types<Asked>) {
    if constexpr (!Asked::creates_on_get) ask_one<Asked, Keys>("miss", size, threads, size, miss);
  };
  (ask_miss(types<Map>()), ...);
}

template <class Keys> void ask_about(std::size_t size) {
  using key = typename Keys::type;
  if (size <= few) {
    ask_all<Keys>(lazy_peers<key>() + lazy_unlocked<key>() + ours<key>(), size, 1);
  } else {
    ask_all<Keys>(few_lazy_peers<key>() + lazy_unlocked<key>() + ours<key>(), size, 1);
  }
  ask_all<Keys>(sharing_lazy_peers<key>() + types<weakref_emplaced<key>>(), size, 2);
}

// ---- the floor for owners that two threads share
// ---------------------------------------------------------------

// What random_keys are asked, for who needs no search.
struct indices : random_keys {
  static void set(type& key, std::size_t, std::size_t index) { key = static_cast<type>(index); }
};

// No dictionary at all: an array of weak_ptrs that nobody changes. What two threads lose here they lose by counting
// up and down in the same objects.
class weak_pointers {
 public:
  using key_type = std::int64_t;
  using owner = std::shared_ptr<object>;
  static constexpr std::string_view name = "weak_ptr_alone";

  owner make(key_type key, std::int64_t id) {
    owner made = std::make_shared<object>(id);
    const auto place = static_cast<std::size_t>(key);
    if (pointers_.size() <= place) pointers_.resize(place + 1);
    pointers_[place] = made;
    return made;
  }
  owner get(key_type key) const { return pointers_[static_cast<std::size_t>(key)].lock(); }

 private:
  std::vector<std::weak_ptr<object>> pointers_;
};

} // namespace

void bench::register_benchmarks() {
  for_each_kind_and_size([]<class Keys>(std::size_t size) { ask_about<Keys>(size); });
  for (std::size_t size : sizes) {
    for (std::size_t threads : {1U, 2U}) ask_one<weak_pointers, indices>("hit", size, threads, 0, hit);
  }
  // What statistics cost where they are wanted.
  ask_all<random_keys>(types<weakref_counted<std::int64_t>>(), sizes[0], 1);
}
