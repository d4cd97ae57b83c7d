// SPDX-License-Identifier: BSL-1.0
// Each mistake that is checked for, made in a process of its own, and what that says. Compiled with checks, whatever the
// build is.
#include <weakref/assert.hpp>

#include <weakref/weakref.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>
#if defined(__cpp_lib_memory_resource)
#include <memory_resource>
#endif

#include "assert/part.hpp"
#include "support/child_output.hpp"

namespace {

using weakref_assert_test::off, weakref_assert_test::on, weakref_assert_test::replaced;

constexpr int aborted = 128 + SIGABRT;

struct Item : weakref::enable_weakref {
  int number = 0;
  void method() {}
};

template <class Body> support::child_output errors_of(Body body) {
  return support::output_of(
      [&body] {
        std::signal(SIGABRT, SIG_DFL); // the test runner has a say on it else
        body();
      },
      STDERR_FILENO);
}

// The message of the check that ended `body`, without place and condition; or why it was not ended by one.
template <class Body> std::string mistake(Body body) {
  const support::child_output child = errors_of(body);
  if (child.status != aborted)
    return "no check, but status " + std::to_string(child.status) + ": " + child.said;
  const auto start = child.said.find(": weakref: ");
  const auto end = child.said.rfind(" (");
  if (start == std::string::npos || end == std::string::npos) return "aborted: " + child.said;
  return child.said.substr(start + 11, end - start - 11);
}

} // namespace

// --- the macro -----------------------------------------------------------------------------------------------

TEST_CASE("WEAKREF_ASSERT: says where, what and which condition in one line, and aborts") {
  const int line = __LINE__ + 1;
  const auto child = errors_of([] { WEAKREF_ASSERT(1 + 1 == 3, "numbers are not what they were"); });
  CHECK(child.status == aborted);
  CHECK(child.said == std::string(__FILE__) + ":" + std::to_string(line) +
                          ": weakref: numbers are not what they were (1 + 1 == 3)\n");
}

TEST_CASE("WEAKREF_ASSERT: what holds is evaluated once, and costs nothing else") {
  int evaluated = 0;
  WEAKREF_ASSERT(++evaluated == 1, "evaluated twice");
  CHECK(evaluated == 1);
}

TEST_CASE("WEAKREF_ASSERT: changes no layout") {
  REQUIRE(on.layout().size() == 30);
  CHECK(on.layout() == off.layout());
  CHECK(replaced.layout() == off.layout());
}

TEST_CASE("WEAKREF_ASSERT: translation units with different settings work together") {
  const std::vector parts{&off, &on, &replaced};
  for (const auto* maker : parts) {
    auto world = maker->make_world();
    std::vector<std::shared_ptr<weakref_assert_test::item>> owners;
    for (const auto* other : parts) {
      for (const auto* storing : parts) {
        owners.push_back(other->make_item(static_cast<int>(owners.size()) + 1));
        storing->store(*world, owners.back());
      }
    }
    for (const auto* looking : parts) CHECK(looking->look(*world) == std::vector{45, 45, 45, 0});
    owners.pop_back();
    for (const auto* looking : parts) CHECK(looking->look(*world) == std::vector{36, 36, 36, 1});
    owners.clear();
    for (const auto* looking : parts) CHECK(looking->look(*world) == std::vector{0, 0, 0, 9});
  }
  CHECK(weakref_assert_test::noted.empty());
}

TEST_CASE("WEAKREF_ASSERT: a mistake is met by what its own translation unit says") {
  const std::string message =
      "a null function is to be called when an object dies; without a callback there is ref<T>";
  CHECK(mistake(on.make_mistake) == message);
  CHECK(errors_of(off.make_mistake).status == 0);
  replaced.make_mistake();
  CHECK(weakref_assert_test::noted ==
        std::vector<std::string>{message + " | !detail::is_null_function(callback_)"});
  weakref_assert_test::noted.clear();
}

// --- the mistakes ----------------------------------------------------------------------------------------------

TEST_CASE("WEAKREF_ASSERT: null functions") {
  const auto object = weakref::make_tracked<Item>();
  const std::string callback =
      "a null function is to be called when an object dies; without a callback there is ref<T>";
  using function = void (*)();
  using method = void (Item::*)();
  CHECK(mistake([&] { static_cast<void>(weakref::ref<Item, function>(object, nullptr)); }) == callback);
  CHECK(mistake([&] { static_cast<void>(weakref::ref(object, std::function<void()>())); }) == callback);
  CHECK(mistake([&] { static_cast<void>(weakref::proxy<Item, function>(object, nullptr)); }) == callback);
  CHECK(mistake([&] {
          static_cast<void>(weakref::WeakMethod<Item, method, function>(object, &Item::method, nullptr));
        }) == callback);
  CHECK(mistake([&] { weakref::finalize<>(object, function{}); }) ==
        "a finalizer is given a null function to call");
  CHECK(mistake([&] { weakref::finalize<>(object, method{}, Item()); }) ==
        "a finalizer is given a null function to call");
  CHECK(mistake([&] { weakref::WeakMethod<Item, method>(object, nullptr); }) ==
        "a WeakMethod is made of a null pointer to a member function");
}

TEST_CASE("WEAKREF_ASSERT: functions that are there are none of the mistakes") {
  int called = 0;
  {
    const auto object = weakref::make_tracked<Item>();
    const weakref::ref first(object, std::function<void()>([&called] { ++called; }));
    const weakref::ref second(
        object, +[](weakref::ref<Item>&) {});
    const weakref::finalize third(object, &Item::method, Item());
    CHECK(called == 0);
  }
  CHECK(called == 0); // refs that go before their object are not called
}

TEST_CASE("WEAKREF_ASSERT: a container without locks on another thread") {
  const std::string message = "a container without locks (weakref::local) is used on another thread than the "
                              "one that first stored in it; "
                              "take the container of the same name in namespace weakref";
  weakref::local::WeakValueDictionary<int, Item> items;
  weakref::local::WeakKeyDictionary<Item, int> sides;
  weakref::local::WeakSet<Item> set;
  auto object = weakref::make_tracked<Item>();
  items.insert(1, object);
  sides.insert(object, 1);
  set.add(object);
  const auto on_another_thread = [](auto body) { return mistake([&body] { std::thread(body).join(); }); };
  CHECK(on_another_thread([&] { static_cast<void>(items.get(1)); }) == message);
  CHECK(on_another_thread([&] { items.insert(2, object); }) == message);
  CHECK(on_another_thread([&] { sides.visit(object, [](int&) {}); }) == message);
  CHECK(on_another_thread([&] { static_cast<void>(set.contains(object)); }) == message);
  CHECK(on_another_thread([&] { items.clear(); }) == message);
  CHECK(on_another_thread([&] { items.reserve(10); }) == message);
  CHECK(on_another_thread([&] { static_cast<void>(items.begin()); }) == message);
  CHECK(on_another_thread([&] { object.reset(); }) ==
        "a referent of a container without locks (weakref::local) dies on another thread than the one that "
        "first stored in the container; take the container of the same name in namespace weakref");
  CHECK(items.get(1) == object);
}

TEST_CASE("WEAKREF_ASSERT: a container without locks, made on one thread and used on another alone") {
  weakref::local::WeakSet<Item> set;
  std::size_t size = 0;
  std::thread([&] {
    const auto object = weakref::make_tracked<Item>();
    set.add(object);
    size = set.size();
  }).join();
  CHECK(size == 1);
  CHECK(set.empty());
}

TEST_CASE("WEAKREF_ASSERT: a container after its destruction") {
  const std::string message = "a container is used after its destruction; one that destructors of static "
                              "objects use must live as long: "
                              "static auto& cache = *new ...";
  using dictionary = weakref::WeakValueDictionary<int, Item>;
  alignas(dictionary) static unsigned char memory[sizeof(dictionary)];
  const auto object = weakref::make_tracked<Item>();
  for (const bool was_used : {false, true}) {
    auto* const items = ::new (static_cast<void*>(memory)) dictionary;
    if (was_used) items->insert(1, object);
    items->~dictionary();
    auto& gone = *std::launder(reinterpret_cast<dictionary*>(memory));
    CHECK(mistake([&] { static_cast<void>(gone.size()); }) == message);
    CHECK(mistake([&] { static_cast<void>(gone.get(1)); }) == message);
    CHECK(mistake([&] { gone.insert(1, object); }) == message);
    CHECK(mistake([&] { gone.clear(); }) == message);
    CHECK(mistake([&] { static_cast<void>(gone.begin()); }) == message);
    CHECK(mistake([&] { dictionary(std::move(gone)); }) == message);
    CHECK(mistake([&] { gone.~dictionary(); }) == message);
  }
  struct Late {
    dictionary* items = nullptr;
    ~Late() {
      if (items != nullptr) items->clear();
    }
  };
  CHECK(mistake([] {
          static Late late; // made first, destroyed last
          static dictionary items;
          late.items = &items;
          std::exit(0);
        }) == message);
}

TEST_CASE("WEAKREF_ASSERT: a container destroyed inside its own factory") {
  const std::string message =
      "a container is destroyed inside a factory that it was given; it must live until "
      "get_or_create returns";
  using dictionary = weakref::WeakValueDictionary<int, Item>;
  using sides = weakref::WeakKeyDictionary<Item, int>;
  using optional = std::optional<dictionary>;
  const auto object = weakref::make_tracked<Item>();
  for (const bool throws : {false, true}) {
    CHECK(mistake([&] {
            optional items(std::in_place);
            try {
              static_cast<void>(items->get_or_create(1, [&]() -> std::shared_ptr<Item> {
                items.reset();
                if (throws) throw std::runtime_error("factory");
                return object;
              }));
            } catch (const std::runtime_error&) {}
          }) == message);
    CHECK(mistake([&] {
            std::optional<sides> numbers(std::in_place);
            try {
              static_cast<void>(numbers->get_or_create(object, [&] {
                numbers.reset();
                if (throws) throw std::runtime_error("factory");
                return 1;
              }));
            } catch (const std::runtime_error&) {}
          }) == message);
  }
  // From within a factory of another container, whose own is inside.
  CHECK(mistake([&] {
          optional outer(std::in_place);
          dictionary inner;
          static_cast<void>(outer->get_or_create(1, [&] {
            return inner.get_or_create(1, [&] {
              outer.reset();
              return object;
            });
          }));
        }) == message);
}

TEST_CASE("WEAKREF_ASSERT: other ends in a factory are no mistakes") {
  using dictionary = weakref::WeakValueDictionary<int, Item>;
  using optional = std::optional<dictionary>;
  const auto object = weakref::make_tracked<Item>();
  const auto status = [](auto body) { return errors_of(body).status; };
  CHECK(status([&] {
          static dictionary items;
          static_cast<void>(items.get_or_create(1, [&]() -> std::shared_ptr<Item> { std::exit(7); }));
        }) == 7);
  CHECK(status([&] {
          dictionary items, moved_to;
          const auto made = items.get_or_create(1, [&] {
            moved_to = std::move(items);
            return object;
          });
          if (made != object || moved_to.get(1) != object || !items.empty()) std::exit(1);
        }) == 0);
  CHECK(status([&] {
          optional items(std::in_place);
          std::optional<dictionary> moved_to;
          const auto made = items->get_or_create(1, [&] {
            moved_to.emplace(std::move(*items));
            items.reset();
            return object;
          });
          if (made != object || moved_to->get(1) != object) std::exit(1);
        }) == 0);
  CHECK(status([&] {
          optional other(std::in_place);
          other->insert(1, object);
          dictionary items;
          const auto made = items.get_or_create(1, [&] {
            other.reset();
            const dictionary third{{1, object}};
            return object;
          });
          if (made != object || items.get(1) != object) std::exit(1);
        }) == 0);
  // After its factory is over, by a return or an exception.
  CHECK(status([&] {
          optional items(std::in_place);
          if (items->get_or_create(1, [&] { return object; }) != object) std::exit(1);
          try {
            static_cast<void>(items->get_or_create(2, []() -> std::shared_ptr<Item> { throw 1; }));
          } catch (int) {}
          items.reset();
        }) == 0);
}

TEST_CASE("WEAKREF_ASSERT: an iterator at its end") {
  const auto object = weakref::make_tracked<Item>();
  const weakref::WeakValueDictionary<int, Item> items{{1, object}};
  const weakref::WeakSet<Item> none;
  const std::string dereferenced = "an iterator at its end is dereferenced; compare it with end() first";
  const std::string advanced = "an iterator at its end is advanced; compare it with end() first";
  auto at = items.begin();
  ++at;
  REQUIRE(at == items.end());
  CHECK(mistake([&] { static_cast<void>(*at); }) == dereferenced);
  CHECK(mistake([&] { static_cast<void>(at->key); }) == dereferenced);
  CHECK(mistake([&] { static_cast<void>(*none.begin()); }) == dereferenced);
  CHECK(mistake([&] { ++at; }) == advanced);
  CHECK(mistake([&] { at++; }) == advanced);
  auto from = items.begin();
  const auto to = std::move(from);
  CHECK(mistake([&] { ++from; }) == advanced);
  CHECK((*to).value == object);
}

#if defined(__cpp_lib_memory_resource)
TEST_CASE("WEAKREF_ASSERT: a swap of containers whose allocators stay where they are") {
  std::pmr::monotonic_buffer_resource one, two;
  using set = weakref::pmr::WeakSet<Item>;
  set left(&one), right(&two), also_left(&one);
  CHECK(mistake([&] { left.swap(right); }) ==
        "containers are swapped whose allocators differ and stay where they are; move them instead");
  const auto object = weakref::make_tracked<Item>();
  left.add(object);
  left.swap(also_left);
  CHECK(also_left.contains(object));
  right = std::move(also_left);
  CHECK(right.contains(object));
}
#endif

TEST_CASE("WEAKREF_ASSERT: an object destroyed, or adopted, while somebody owns it") {
  weakref::WeakSet<Item> set;
  CHECK(mistake([&] {
          std::shared_ptr<Item> owner;
          Item item;
          owner = std::shared_ptr<Item>(&item, [](Item*) {});
          set.add(owner);
        }) == "an object derived from enable_weakref is destroyed while a std::shared_ptr owns it");
  CHECK(mistake([&] {
          const std::shared_ptr<Item> owner(new Item);
          set.add(owner);
          const auto adopted = weakref::adopt(std::unique_ptr<Item>(owner.get()));
          std::_Exit(adopted != nullptr ? 1 : 0); // or both would destroy it
        }) == "adopt is given an object that a std::shared_ptr owns already; that owner is as good");
  // No mistakes: owned before, and by nobody now.
  Item item;
  for (int i = 0; i < 2; ++i) {
    const std::shared_ptr<Item> owner(&item, [](Item*) {});
    set.add(owner);
    CHECK(set.contains(owner));
  }
  CHECK_FALSE(set.contains(item));
}

TEST_CASE("WEAKREF_ASSERT: a mutex unlocked by who has not locked it") {
  weakref::adaptive_mutex mutex;
  CHECK(mistake([&] { mutex.unlock(); }) == "an adaptive_mutex is unlocked that nobody has locked");
  mutex.lock();
  mutex.unlock();
  CHECK(mutex.try_lock());
}
