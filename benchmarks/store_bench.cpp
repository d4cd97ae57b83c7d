// SPDX-License-Identifier: BSL-1.0

// What does it cost to make an object and store it, while the dictionary grows from nothing (grow), and when for each
// object stored another one is dropped (replace)? The second also for two threads, with half of the objects and of the
// keys each.
//
// In the clock: making the object, storing it, and at `replace` letting go of another one before. Not in it: the keys,
// shuffled anew for each batch, as are the owners; the array that holds the owners, which is in the order of the work.

#include "bench.hpp"
#include "peers.hpp"
#include "threads.hpp"
#include "weakref_maps.hpp"

#include <optional>
#include <utility>

namespace {

using namespace bench;

template <class Map> struct growing {
  explicit growing(std::size_t size) : owners(size) {}
  Map map;
  std::vector<typename Map::owner> owners; // its pages are touched already
};

template <class Map, class Keys> void grow(benchmark::State& state, std::size_t size) {
  key_list<Keys> keys;
  std::optional<growing<Map>> fixture;
  measure(
      state, size,
      [&]() -> growing<Map>& {
        take<Keys>(keys, size, shuffled(size));
        return fixture.emplace(size);
      },
      [&](growing<Map>& empty) {
        for (std::size_t i = 0; i != size; ++i)
          empty.owners[i] = empty.map.make(keys[i], static_cast<std::int64_t>(i));
      });
}

// Twice as many keys as live objects: those that are not stored are the next ones to be. A turn replaces all objects.
// The map's tables and free lists find their steady state in a turn before the clock.
template <class Map, class Keys> class turnover {
 public:
  explicit turnover(std::size_t size) : full_(size), live_(size), spare_(size) {
    for (std::size_t i = 0; i != size; ++i) {
      live_[i] = i;
      spare_[i] = size + i;
    }
    prepare(0, 1);
    run(0, 1);
  }

  // Which object goes, and which key comes, is decided anew.
  void prepare(std::size_t number, std::size_t threads) {
    const part own(live_.size(), number, threads);
    for (std::size_t i = own.first; i != own.last; ++i) {
      const std::size_t other = i + any().below(own.last - i);
      std::swap(full_.owners[i], full_.owners[other]);
      std::swap(live_[i], live_[other]);
      std::swap(spare_[i], spare_[i + any().below(own.last - i)]);
    }
    keys_[number].resize(own.last - own.first);
    for (std::size_t i = own.first; i != own.last; ++i) {
      Keys::set(keys_[number][i - own.first], live_.size(), spare_[i]);
      std::swap(live_[i], spare_[i]);
    }
  }

  void run(std::size_t number, std::size_t threads) {
    auto* owner = full_.owners.data() + part(live_.size(), number, threads).first;
    for (const auto& key : keys_[number]) {
      owner->reset();
      *owner++ = full_.map.make(key, 0);
    }
  }

 private:
  filled<Map, Keys> full_;
  std::vector<std::size_t> live_;  // the index of each owner's key
  std::vector<std::size_t> spare_; // those that are not stored
  std::array<key_list<Keys>, most_threads> keys_;
};

template <class Map, class Keys>
void replace(benchmark::State& state, std::size_t size, std::size_t threads) {
  turnover<Map, Keys>& steady = kept(size, [&] { return turnover<Map, Keys>(size); });
  measure_threads(
      state, threads, size, [&](std::size_t number) { steady.prepare(number, threads); },
      [&](std::size_t number) { steady.run(number, threads); }, 1);
}

template <class Keys, class... Map> void ask_grow(types<Map...>, std::size_t size) {
  (ask(name_of("grow", Keys::name, size, Map::name), size, operations_wanted,
       [=](benchmark::State& state) { grow<Map, Keys>(state, size); }),
   ...);
}

template <class Keys, class... Map> void ask_replace(types<Map...>, std::size_t size, std::size_t threads) {
  (ask_threads<Keys, Map>(
       "replace", size, threads, size, operations_wanted,
       [=](benchmark::State& state, std::size_t) { replace<Map, Keys>(state, size, threads); }),
   ...);
}

template <class Keys> void ask_about(std::size_t size) {
  using key = typename Keys::type;
  using one_of_ours = types<weakref_emplaced<key>>;
  if (size <= few) {
    // Flyweight's one static table stays as large as it once was, so it can't grow.
    ask_grow<Keys>(erasing_peers<key>() + erasing_unlocked<key>() + all_ours<key>(), size);
    ask_replace<Keys>(erasing_peers<key>() + erasing_unlocked<key>() + types<flyweight_map<key>>() +
                          all_ours<key>(),
                      size, 1);
  } else {
    ask_grow<Keys>(few_erasing_peers<key>() + one_of_ours(), size);
    ask_replace<Keys>(few_erasing_peers<key>() + one_of_ours(), size, 1);
  }
  ask_replace<Keys>(sharing_erasing_peers<key>() + one_of_ours(), size, 2);
}

} // namespace

void bench::register_benchmarks() {
  for_each_kind_and_size([]<class Keys>(std::size_t size) { ask_about<Keys>(size); });
}
