// SPDX-License-Identifier: BSL-1.0

// What does it cost an object to be tracked, when nobody watches it? Made and dropped in batches, beside
// std::make_shared and a shared_ptr of two allocations; and what does it cost to lock a ref, beside a
// weak_ptr.

#include "bench.hpp"

#include <weakref/ref.hpp>
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
  const std::vector<std::size_t> order = shuffled(0, size);
  measure(
      state, size,
      [&] {
        batch<Maker> owners(size);
        fill<Maker>(owners);
        batch<Maker> reordered(size);
        for (std::size_t i = 0; i != size; ++i) reordered[i] = std::move(owners[order[i]]);
        return reordered;
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

template <class Weak> void lock(benchmark::State& state, std::size_t size) {
  std::vector<std::shared_ptr<object>> owners(size);
  fill<by_make_shared>(owners);
  std::vector<Weak> references;
  for (std::size_t index : drawn(0, size, 1)) references.emplace_back(owners[index]);
  std::int64_t sum = 0;
  measure(
      state, draws, [&]() -> std::vector<Weak>& { return references; },
      [&](const std::vector<Weak>& all) {
        for (const Weak& weak : all) {
          if constexpr (requires { weak(); }) {
            sum += weak()->id;
          } else {
            sum += weak.lock()->id;
          }
        }
      });
  benchmark::DoNotOptimize(sum);
}

} // namespace

void bench::register_benchmarks() {
  for (std::size_t size : sizes) {
    ask_all(types<by_make_shared, by_new, by_make_tracked, by_base, by_adopting>(), size);
    ask(name_of("lock", "none", size, "weak_ptr"), draws, operations_wanted,
        [size](benchmark::State& state) { lock<std::weak_ptr<object>>(state, size); });
    ask(name_of("lock", "none", size, "weakref_ref"), draws, operations_wanted,
        [size](benchmark::State& state) { lock<weakref::ref<object>>(state, size); });
  }
}
