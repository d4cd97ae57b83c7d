// SPDX-License-Identifier: BSL-1.0

// What does it cost an object to be tracked, when nobody watches it? Made and dropped in batches, beside
// std::make_shared and a shared_ptr of two allocations. In the clock: making (make), letting go in no order, anew for
// each batch (drop); never both.

#include "bench.hpp"

#include <weakref/referent.hpp>

#include <memory>
#include <utility>

namespace {

using namespace bench;

struct watchable : object, weakref::enable_weakref {
  using object::object;
};

struct by_make_shared {
  static constexpr std::string_view name = "make_shared";
  static auto make(std::int64_t id) { return std::make_shared<object>(id); }
};
struct by_new {
  static constexpr std::string_view name = "shared_ptr_new";
  static auto make(std::int64_t id) { return std::shared_ptr<object>(new object(id)); }
};
struct by_make_tracked {
  static constexpr std::string_view name = "weakref_make_tracked";
  static auto make(std::int64_t id) { return weakref::make_tracked<object>(id); }
};
struct by_base {
  static constexpr std::string_view name = "weakref_enable_weakref";
  static auto make(std::int64_t id) { return std::make_shared<watchable>(id); }
};
struct by_adopting {
  static constexpr std::string_view name = "weakref_adopt";
  static auto make(std::int64_t id) { return weakref::adopt(std::make_unique<object>(id)); }
};

template <class Maker> using batch = std::vector<decltype(Maker::make(0))>;

template <class Maker> void fill(batch<Maker>& owners) {
  for (std::size_t i = 0; i != owners.size(); ++i) owners[i] = Maker::make(static_cast<std::int64_t>(i));
}

template <class Maker> void make(benchmark::State& state, std::size_t size) {
  measure(
      state, size, [&] { return batch<Maker>(size); }, [](batch<Maker>& owners) { fill<Maker>(owners); });
}

template <class Maker> void drop(benchmark::State& state, std::size_t size) {
  measure(
      state, size,
      [&] {
        batch<Maker> owners(size);
        fill<Maker>(owners);
        std::shuffle(owners.begin(), owners.end(), any());
        return owners;
      },
      [](batch<Maker>& owners) {
        for (auto& owner : owners) owner.reset();
      });
}

template <class... Maker> void ask_all(types<Maker...>, std::size_t size) {
  (ask(name_of("make", "none", size, Maker::name), size, operations_wanted,
       [size](benchmark::State& state) { make<Maker>(state, size); }),
   ...);
  (ask(name_of("drop", "none", size, Maker::name), size, operations_wanted,
       [size](benchmark::State& state) { drop<Maker>(state, size); }),
   ...);
}

} // namespace

void bench::register_benchmarks() {
  for (std::size_t size : {sizes[0], sizes[1]}) // there is no table: a million says nothing new
    ask_all(types<by_make_shared, by_new, by_make_tracked, by_base, by_adopting>(), size);
}
