// SPDX-License-Identifier: BSL-1.0
// What throws at a death: callbacks and finalizers, each subset of them, with hooks that throw too, without
// memory, while the stack is unwound, and when the death was put off. It all goes to the hook, and nothing else
// changes.
#include "faulty.hpp"
#include "injection.hpp"

#include "../support/unraisable.hpp"

#include <weakref/finalize.hpp>
#include <weakref/ref.hpp>
#include <weakref/weak_key_dictionary.hpp>
#include <weakref/weak_set.hpp>
#include <weakref/weak_value_dictionary.hpp>

#include <array>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace injection;

namespace {

using Owner = std::shared_ptr<thing>;
using Watcher = weakref::ref<thing, std::function<void()>>;

// The ways in which a thing is tracked.
Owner tracked(int way) {
  switch (way) {
  case 0:
    return weakref::make_tracked<thing>(1);
  case 1:
    return std::make_shared<self_tracked_thing>(1);
  default:
    return weakref::adopt(std::make_unique<thing>(1));
  }
}

class swapped_hook {
 public:
  explicit swapped_hook(weakref::unraisable_hook hook)
      : previous_(weakref::set_unraisable_hook(std::move(hook))) {}
  ~swapped_hook() { weakref::set_unraisable_hook(std::move(previous_)); }
  swapped_hook(const swapped_hook&) = delete;
  swapped_hook& operator=(const swapped_hook&) = delete;

 private:
  weakref::unraisable_hook previous_;
};

} // namespace

TEST_CASE(
    "callbacks that throw: every subset, in every way of being tracked; the others are called all the same") {
  constexpr int callbacks = 4;
  for (int way = 0; way < 3; ++way) {
    for (unsigned failing = 0; failing < 1U << callbacks; ++failing) {
      CAPTURE(way);
      CAPTURE(failing);
      const support::unraisable_log log;
      std::string called;
      std::string expected;
      std::string reported;
      Owner owner = tracked(way);
      weakref::WeakSet<thing> set({owner});
      const auto watch = [&](int number) {
        return std::make_unique<Watcher>(owner, [&, number] {
          called += std::to_string(number);
          if (!set.empty()) called += "(not evicted)";
          if ((failing >> number & 1U) != 0) throw std::runtime_error(std::to_string(number));
        });
      };
      std::vector<std::unique_ptr<Watcher>> watchers;
      for (int number = 0; number < callbacks; ++number) watchers.push_back(watch(number));
      for (int number = callbacks - 1; number >= 0; --number) {
        expected += std::to_string(number);
        if ((failing >> number & 1U) != 0) reported += (reported.empty() ? "" : " ") + std::to_string(number);
      }
      owner.reset();
      CHECK(called == expected);
      CHECK(log.text() == reported);
      CHECK(thing::alive() == 0);
      check_thread_record();
    }
  }
}

TEST_CASE("callbacks that throw: a hook that throws as well hears of each, and stops nothing") {
  for (int way = 0; way < 3; ++way) {
    CAPTURE(way);
    int reported = 0;
    const swapped_hook hook([&](std::exception_ptr) {
      ++reported;
      throw std::runtime_error("the hook, too");
    });
    int called = 0;
    Owner owner = tracked(way);
    const auto fail = [&called] {
      ++called;
      throw injected();
    };
    const Watcher first(owner, fail);
    const Watcher second(owner, fail);
    weakref::finalize(owner, fail);
    owner.reset();
    CHECK(called == 3);
    CHECK(reported == 3);
    CHECK(thing::alive() == 0);
  }
}

TEST_CASE("callbacks that throw: while the stack is unwound, and the exception on its way arrives") {
  for (int way = 0; way < 3; ++way) {
    CAPTURE(way);
    const support::unraisable_log log;
    int under_way = 0;
    std::vector<std::unique_ptr<Watcher>> watchers;
    bool has_arrived = false;
    try {
      const Owner owner = tracked(way);
      for (int i = 0; i < 2; ++i) {
        watchers.push_back(std::make_unique<Watcher>(owner, [&] {
          under_way += std::uncaught_exceptions();
          throw std::runtime_error("callback");
        }));
      }
      throw std::runtime_error("on its way");
    } catch (const std::runtime_error& error) {
      has_arrived = std::string(error.what()) == "on its way";
    }
    CHECK(has_arrived);
    CHECK(under_way == 2);
    CHECK(log.text() == "callback callback");
    CHECK(thing::alive() == 0);
  }
}

TEST_CASE(
    "callbacks that throw: of a death that a visit had put off; the visit's own exception leaves the visit") {
  for (int way = 0; way < 3; ++way) {
    CAPTURE(way);
    const support::unraisable_log log;
    weakref::WeakKeyDictionary<thing, int> values;
    Owner owner = tracked(way);
    values.insert(owner, 1);
    const Watcher watcher(owner, [] { throw std::runtime_error("callback"); });
    bool was_told_inside = false;
    CHECK_THROWS_AS(values.visit(owner.get(),
                                 [&](int&) {
                                   owner.reset();
                                   was_told_inside = !log.text().empty();
                                   throw injected();
                                 }),
                    injected);
    CHECK_FALSE(was_told_inside);
    CHECK(log.text() == "callback");
    CHECK(values.empty());
    CHECK(thing::alive() == 0);
    check_thread_record();
  }
}

TEST_CASE("callbacks that throw: a finalizer at the death, and by hand") {
  const support::unraisable_log log;
  for (int way = 0; way < 3; ++way) {
    CAPTURE(way);
    Owner owner = tracked(way);
    const auto argument = std::make_shared<int>(0);
    const auto fail = [](const std::shared_ptr<int>&) -> int { throw injected(); };
    weakref::finalize by_hand(owner, fail, argument);
    weakref::finalize by_death(owner, fail, argument);
    CHECK(argument.use_count() == 3);
    CHECK_THROWS_AS((void)by_hand(), injected);
    // It was called, so it is over: the function and its arguments are gone, and the object is not watched.
    CHECK_FALSE(by_hand.alive());
    CHECK_FALSE(by_hand().has_value());
    CHECK(argument.use_count() == 2);
    CHECK(weakref::getweakrefcount(owner) == 1);
    CHECK(by_death.alive());
    owner.reset();
    CHECK_FALSE(by_death.alive());
    CHECK(argument.use_count() == 1);
  }
  CHECK(log.text() == "injected injected injected");
}

TEST_CASE("callbacks that throw: without memory; a death and its reports need none") {
  for (int way = 0; way < 3; ++way) {
    CAPTURE(way);
    int reported = 0;
    int called = 0;
    const swapped_hook hook([&](std::exception_ptr) { ++reported; });
    Owner owner = tracked(way);
    weakref::WeakSet<thing> set({owner});
    weakref::WeakValueDictionary<int, thing> by_number{{1, owner}, {2, owner}};
    weakref::WeakKeyDictionary<thing, faulty<false>> values;
    values.try_emplace(owner, 1);
    const auto fail = [&called] {
      ++called;
      faults::point(fault::callback);
    };
    const weakref::ref first(owner, fail);
    weakref::finalize(owner, fail);
    const weakref::ref second(owner, fail);
    faults::arm(0, true);
    owner.reset();
    CHECK(faults::disarm() == 3);
    // The callbacks have failed, and nothing else was asked for anything.
    CHECK(faults::asked() == 3);
    CHECK(called == 3);
    CHECK(reported == 3);
    CHECK((set.empty() && by_number.empty() && values.empty()));
  }
  CHECK(thing::alive() == 0);
}
