// SPDX-License-Identifier: BSL-1.0

// What does a ref cost: to make it (ref_make), to call it for an owner (ref_call), and for its callback to be
// called at the death of its referent (ref_callback)? Beside a weak_ptr, and a deleter that calls a function.
//
// In the clock: that, and for the first two nothing of the objects but what their counts cost; at a death the object's
// end. Not in it: which objects the refs are to, anew for each batch of calls.

#include "bench.hpp"

#include <weakref/ref.hpp>
#include <weakref/referent.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace {

using namespace bench;

using owners = std::vector<std::shared_ptr<object>>;

struct count_up {
  std::size_t* called;
  void operator()() const noexcept { ++*called; }
};

struct by_weak_ptr {
  static constexpr std::string_view name = "weak_ptr";
  using type = std::weak_ptr<object>;
  static std::shared_ptr<object> make_owner(std::int64_t id) { return std::make_shared<object>(id); }
  static void make(std::optional<type>& at, const std::shared_ptr<object>& owner) { at.emplace(owner); }
  static std::shared_ptr<object> call(const type& weak) { return weak.lock(); }
};

struct by_ref {
  static constexpr std::string_view name = "weakref_ref";
  using type = weakref::ref<object>;
  static std::shared_ptr<object> make_owner(std::int64_t id) { return std::make_shared<object>(id); }
  static void make(std::optional<type>& at, const std::shared_ptr<object>& owner) { at.emplace(owner); }
  static std::shared_ptr<object> call(const type& weak) { return weak(); }
};

struct by_ref_with_callback {
  static constexpr std::string_view name = "weakref_ref_with_callback";
  using type = weakref::ref<object, count_up>;
  static std::shared_ptr<object> make_owner(std::int64_t id) { return weakref::make_tracked<object>(id); }
  static void make(std::optional<type>& at, const std::shared_ptr<object>& owner) {
    at.emplace(owner, count_up{&called});
  }
  static std::shared_ptr<object> call(const type& weak) { return weak(); }
  static inline std::size_t called = 0;
};

template <class Kind> owners made(std::size_t size) {
  owners all(size);
  for (std::size_t i : shuffled(size)) all[i] = Kind::make_owner(static_cast<std::int64_t>(i));
  return all;
}

template <class Kind> using places = std::vector<std::optional<typename Kind::type>>;

template <class Kind> void ref_make(benchmark::State& state, std::size_t size) {
  const owners all = made<Kind>(size);
  measure(
      state, size, [&] { return places<Kind>(size); },
      [&](places<Kind>& made) {
        for (std::size_t i = 0; i != size; ++i) Kind::make(made[i], all[i]);
      });
}

template <class Kind> void ref_call(benchmark::State& state, std::size_t size) {
  const owners all = made<Kind>(size);
  places<Kind> references(draws);
  std::int64_t sum = 0;
  measure(
      state, draws,
      [&]() -> places<Kind>& {
        for (auto& reference : references) Kind::make(reference, all[any().below(size)]);
        return references;
      },
      [&](const places<Kind>& asked) {
        for (const auto& weak : asked) sum += Kind::call(*weak)->id;
      });
  benchmark::DoNotOptimize(sum);
}

// The refs outlive the objects, in the order of which the callbacks are called.
struct with_refs {
  explicit with_refs(std::size_t size) : references(size), all(made<by_ref_with_callback>(size)) {
    for (std::size_t i = 0; i != size; ++i) by_ref_with_callback::make(references[i], all[i]);
  }
  places<by_ref_with_callback> references;
  owners all;
};

struct with_deleters {
  static inline std::size_t called = 0;
  explicit with_deleters(std::size_t size) : all(size) {
    for (std::size_t i : shuffled(size)) {
      all[i] = std::shared_ptr<object>(new object(0), [call = count_up{&called}](object* dead) {
        call();
        delete dead;
      });
    }
  }
  owners all;
};

template <class Kind> void ref_callback(benchmark::State& state, std::size_t size) {
  measure(
      state, size, [&] { return Kind(size); },
      [](Kind& fixture) {
        for (auto& owner : fixture.all) owner.reset();
      });
}

template <class... Kind> void ask_all(types<Kind...>, std::size_t size) {
  (ask(name_of("ref_make", "none", size, Kind::name), size, operations_wanted,
       [size](benchmark::State& state) { ref_make<Kind>(state, size); }),
   ...);
  (ask(name_of("ref_call", "none", size, Kind::name), draws, operations_wanted,
       [size](benchmark::State& state) { ref_call<Kind>(state, size); }),
   ...);
}

} // namespace

void bench::register_benchmarks() {
  for (std::size_t size : {sizes[0], sizes[1]}) { // there is no table: a million says nothing new
    ask_all(types<by_weak_ptr, by_ref, by_ref_with_callback>(), size);
    ask(name_of("ref_callback", "none", size, "deleter_that_calls"), size, operations_wanted,
        [size](benchmark::State& state) { ref_callback<with_deleters>(state, size); });
    ask(name_of("ref_callback", "none", size, by_ref_with_callback::name), size, operations_wanted,
        [size](benchmark::State& state) { ref_callback<with_refs>(state, size); });
  }
}
