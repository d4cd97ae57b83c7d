// SPDX-License-Identifier: BSL-1.0

// How many bytes does an entry take, all in: the object of 64 bytes, its counts, the entry, the table? And
// what is left of that after a long time of storing and dropping? No time is measured. Counters of `memory`,
// for each map and size:
//
//   bytes         as counted by this program's own operator new, the allocator's rounding and header included
//   bytes_malloc  as glibc's mallinfo2 tells, to see that nothing went past the first
//   bytes_most    the highest figure of `bytes` on the way from that size to twice it: a table is at its
//                 emptiest just after it has grown
//
// Counters of `churn`, with every entry replaced twenty times under a key that never was, in another order each time,
// by maps that evict promptly: bytes_before and bytes_after, bytes_most meanwhile (all as `bytes`).

#include "bench.hpp"
#include "peers.hpp"
#include "weakref_maps.hpp"

#include <cstdlib>
#include <new>

namespace {

// Only one thread ever allocates here.
std::size_t in_use = 0;

// glibc keeps one word of its own in front of each piece.
std::size_t size_of(void* piece) noexcept { return malloc_usable_size(piece) + sizeof(std::size_t); }

void* counted(void* piece) {
  if (piece == nullptr) throw std::bad_alloc();
  in_use += size_of(piece);
  return piece;
}

void discount(void* piece) noexcept {
  if (piece == nullptr) return;
  in_use -= size_of(piece);
  std::free(piece);
}

} // namespace

void* operator new(std::size_t size) { return counted(std::malloc(size)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto unit = static_cast<std::size_t>(alignment);
  return counted(std::aligned_alloc(unit, (size + unit - 1) / unit * unit));
}
void operator delete(void* piece) noexcept { discount(piece); }
void operator delete(void* piece, std::size_t) noexcept { discount(piece); }
void operator delete(void* piece, std::align_val_t) noexcept { discount(piece); }
void operator delete(void* piece, std::size_t, std::align_val_t) noexcept { discount(piece); }

namespace {

using namespace bench;

std::size_t told_by_malloc() noexcept {
  const struct mallinfo2 told = mallinfo2();
  return told.uordblks + told.hblkhd;
}

// The floor: objects in no map at all.
struct no_map {
  using key_type = std::int64_t;
  using owner = std::shared_ptr<object>;
  static constexpr std::string_view name = "make_shared_alone";
  static constexpr bool creates_on_get = false;
  static owner make(key_type, std::int64_t id) { return std::make_shared<object>(id); }
};

template <class Map, class Keys> void bytes(benchmark::State& state, std::size_t size) {
  key_list<Keys> keys;
  take<Keys>(keys, size, shuffled(2 * size));
  const auto each = [](std::size_t total, std::size_t entries) {
    return static_cast<double>(total) / static_cast<double>(entries);
  };
  for (auto turn : state) {
    static_cast<void>(turn);
    std::vector<typename Map::owner> owners;
    owners.reserve(2 * size);
    const std::size_t before = in_use;
    const std::size_t told_before = told_by_malloc();
    Map map;
    const auto store = [&] { owners.push_back(map.make(keys[owners.size()], 0)); };

    while (owners.size() != size) store();
    state.counters["bytes"] = each(in_use - before, size);
    state.counters["bytes_malloc"] = each(told_by_malloc() - told_before, size);
    double most = each(in_use - before, size);
    while (owners.size() != 2 * size) {
      store();
      most = std::max(most, each(in_use - before, owners.size()));
    }
    state.counters["bytes_most"] = most;
    state.SetIterationTime(0);
    owners.clear(); // before the map: the hand-written deleters need it
  }
}

template <class Map, class Keys> void churn(benchmark::State& state, std::size_t size) {
  constexpr std::size_t turnovers = 20;
  key_list<Keys> keys;
  take<Keys>(keys, size, shuffled((turnovers + 1) * size));
  for (auto turn : state) {
    static_cast<void>(turn);
    std::vector<typename Map::owner> owners(size);
    const std::size_t before = in_use;
    std::size_t most = 0;
    const auto each = [&](std::size_t now) {
      return static_cast<double>(now - before) / static_cast<double>(size);
    };
    Map map;
    auto next = keys.begin();
    for (auto& owner : owners) owner = map.make(*next++, 0);
    state.counters["bytes_before"] = each(in_use);
    for (std::size_t number = 0; number != turnovers; ++number) {
      // Held until the turn is over, so that it is not counted as the map's.
      std::vector<std::size_t> order = shuffled(size);
      const std::size_t orders = size_of(order.data());
      for (std::size_t i : order) {
        owners[i].reset();
        owners[i] = map.make(*next++, 0);
        most = std::max(most, in_use - orders);
      }
    }
    state.counters["bytes_after"] = each(in_use);
    state.counters["bytes_most"] = each(most);
    state.SetIterationTime(0);
    owners.clear();
  }
}

// Flyweight's one static table would be counted in the first of its runs only.
template <class Map> constexpr bool can_be_counted = !Map::creates_on_get;

template <class Keys, class... Map> void ask_all(types<Map...>, std::size_t size) {
  const auto ask_bytes = [size]<class Asked>(types<Asked>) {
    if constexpr (can_be_counted<Asked>) {
      ask(name_of("memory", Keys::name, size, Asked::name), 1, 1,
          [size](benchmark::State& state) { bytes<Asked, Keys>(state, size); });
    }
  };
  (ask_bytes(types<Map>()), ...);
}

template <class Keys, class... Map> void ask_churn(types<Map...>, std::size_t size) {
  const auto ask_one = [size]<class Asked>(types<Asked>) {
    if constexpr (can_be_counted<Asked>) {
      ask(name_of("churn", Keys::name, size, Asked::name), 1, 1,
          [size](benchmark::State& state) { churn<Asked, Keys>(state, size); });
    }
  };
  (ask_one(types<Map>()), ...);
}

} // namespace

void bench::register_benchmarks() {
  using key = random_keys::type;
  for (std::size_t size : sizes) {
    if (size > sizes[1]) { // the others would say nothing new
      ask_all<random_keys>(types<no_map>() + few_erasing_peers<key>() + types<weakref_emplaced<key>>(), size);
      continue;
    }
    ask_all<random_keys>(types<no_map>() + all_peers<key>() + all_ours<key>(), size);
    ask_churn<random_keys>(few_erasing_peers<key>() + types<weakref_emplaced<key>>(), size);
    if (size > few) continue;
    ask_all<text_keys>(all_peers<std::string>() + all_ours<std::string>(), size);
    ask_all<id_keys>(all_peers<id>() + all_ours<id>(), size);
  }
}
