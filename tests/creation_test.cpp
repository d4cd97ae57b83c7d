// SPDX-License-Identifier: BSL-1.0
// try_emplace and get_or_create as one thread sees them. What several threads see is in
// thread/flight_test.cpp. A number in a comment is the number of a failure mode.
#include <weakref/weak_value_dictionary.hpp>

#include "support/dictionary_keys.hpp"
#include "support/dictionary_new.hpp"
#include "support/dictionary_objects.hpp"

#include <weakref/errors.hpp>
#include <weakref/referent.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

using namespace dictionary_test;

using Items = weakref::WeakValueDictionary<int, Item>;
using Shapes = weakref::WeakValueDictionary<int, Shape>;

namespace {

struct Pinned : counted<Pinned> {
  Pinned(int first, std::unique_ptr<int> second) : sum(first + *second) {}
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  int sum;
};

struct Movable : counted<Movable> {
  explicit Movable(int start) : number(std::make_unique<int>(start)) {}
  std::unique_ptr<int> number;
};

struct Refusing : counted<Refusing> {
  explicit Refusing(bool refuse) {
    if (refuse) throw std::runtime_error("not made");
  }
};

struct Shared : std::enable_shared_from_this<Shared>, counted<Shared> {};

struct alignas(128) Aligned : counted<Aligned> {
  int number = 5;
};

} // namespace

// --- try_emplace
// ------------------------------------------------------------------------------------------------------------------

TEST_CASE("try_emplace: makes the object in place, tracked, and stores it") {
  weakref::WeakValueDictionary<int, Pinned> dictionary;
  auto [made, stored] = dictionary.try_emplace(1, 2, std::make_unique<int>(3));
  static_assert(std::is_same_v<decltype(dictionary.try_emplace(1, 2, nullptr)),
                               std::pair<std::shared_ptr<Pinned>, bool>>);
  CHECK(stored);
  CHECK(made->sum == 5);
  CHECK(weakref::is_tracked(made));
  CHECK(made.use_count() == 1);
  CHECK(dictionary.get(1) == made);
  made.reset();
  CHECK(dictionary.empty());
  CHECK(Pinned::alive() == 0);
}

TEST_CASE("try_emplace: keeps a living entry and makes nothing") {
  Items items;
  const auto first = items.try_emplace(1, 10);
  const long made = Item::made();
  const auto second = items.try_emplace(1, 20);
  CHECK_FALSE(second.second);
  CHECK(second.first == first.first);
  CHECK(second.first->number == 10);
  CHECK(Item::made() == made);
  CHECK(items.size() == 1);
}

TEST_CASE("try_emplace: leaves its arguments alone when the entry lives") {
  weakref::WeakValueDictionary<int, Pinned> dictionary;
  const auto first = dictionary.try_emplace(1, 2, std::make_unique<int>(3)).first;
  auto unused = std::make_unique<int>(4);
  CHECK_FALSE(dictionary.try_emplace(1, 2, std::move(unused)).second);
  CHECK(unused != nullptr); // NOLINT(bugprone-use-after-move): that is the point
}

TEST_CASE("try_emplace: a dead entry is no entry") {
  Items items;
  auto first = items.try_emplace(1, 10).first;
  first.reset();
  const auto second = items.try_emplace(1, 20);
  CHECK(second.second);
  CHECK(items.get(1)->number == 20);
}

TEST_CASE("try_emplace: an object nobody keeps is gone at once") {
  Items items;
  CHECK(items.try_emplace(1, 10).second);
  CHECK(items.empty());
  CHECK(Item::alive() == 0);
}

TEST_CASE("try_emplace: a constructor that throws stores nothing") {
  weakref::WeakValueDictionary<int, Refusing> dictionary;
  CHECK_THROWS_AS((void)dictionary.try_emplace(1, true), std::runtime_error);
  CHECK_FALSE(dictionary.contains(1));
  CHECK(dictionary.size() == 0);
  CHECK(dictionary.try_emplace(1, false).second);
  CHECK(Refusing::alive() == 0);
}

TEST_CASE("try_emplace: takes a key that can only be moved, and leaves it alone when the entry lives") {
  weakref::WeakValueDictionary<Ticket, Item, TicketHash> tickets;
  Ticket ticket(1);
  const auto first = tickets.try_emplace(std::move(ticket), 1).first;
  CHECK(tickets.get(1) == first);
  Ticket same(1);
  CHECK_FALSE(tickets.try_emplace(std::move(same), 2).second);
  CHECK(same.value == 1); // NOLINT(bugprone-use-after-move): that is the point
}

TEST_CASE("try_emplace: object and node, an over-aligned one too, come as few allocations and all go back") {
  weakref::WeakValueDictionary<int, Aligned> dictionary;
  const long before = heap::blocks.load();
  {
    std::vector<std::shared_ptr<Aligned>> owners;
    for (int number = 0; number < 100; ++number) {
      owners.push_back(dictionary.try_emplace(number).first);
      CHECK(reinterpret_cast<std::uintptr_t>(owners.back().get()) % alignof(Aligned) == 0);
      CHECK(owners.back()->number == 5);
    }
    const long live = heap::blocks.load();
    for (int number = 0; number < 100; number += 2) dictionary.erase(number);
    CHECK(dictionary.size() == 50);
    CHECK(heap::blocks.load() <= live);
  }
  CHECK(dictionary.empty());
  dictionary = {};
  CHECK(heap::blocks.load() == before);
}

TEST_CASE("try_emplace: an erased entry's object lives on, and can be stored again and elsewhere") {
  Items items;
  Items other;
  auto made = items.try_emplace(1, 10).first;
  CHECK(items.erase(1));
  CHECK(made->number == 10);
  CHECK(weakref::getweakrefcount(made) == 0);
  CHECK(items.insert(2, made).second);
  CHECK(other.insert(3, made).second);
  CHECK(weakref::getweakrefcount(made) == 2);
  made.reset();
  CHECK(items.empty());
  CHECK(other.empty());
}

TEST_CASE("try_emplace: a made object outlives its dictionary") {
  std::shared_ptr<Item> made;
  {
    Items items;
    made = items.try_emplace(1, 10).first;
  }
  CHECK(made->number == 10);
  CHECK(weakref::getweakrefcount(made) == 0);
  made.reset();
  CHECK(Item::alive() == 0);
}

// --- get_or_create: what a factory may return
// -----------------------------------------------------------------------------------

TEST_CASE("get_or_create: a factory that returns the object itself") {
  Items items;
  const std::shared_ptr<Item> made = items.get_or_create(1, [] { return Item(7); });
  CHECK(made->number == 7);
  CHECK(weakref::is_tracked(made));
  CHECK(items.get(1) == made);
  CHECK(items.size() == 1);

  weakref::WeakValueDictionary<int, Movable> movables;
  const auto moved = movables.get_or_create(1, [] { return Movable(8); });
  CHECK(*moved->number == 8);
}

TEST_CASE("get_or_create: a factory that returns a unique_ptr, with any deleter") {
  Items items;
  auto made = items.get_or_create(1, [] { return std::make_unique<Item>(7); });
  CHECK(weakref::is_tracked(made));
  CHECK(items.get(1) == made);
  made.reset();
  CHECK(items.empty());

  static int deleted = 0;
  deleted = 0;
  struct counting_deleter {
    void operator()(Item* doomed) const {
      ++deleted;
      delete doomed;
    }
  };
  auto second = items.get_or_create(1, [] { return std::unique_ptr<Item, counting_deleter>(new Item(8)); });
  CHECK(items.contains(1));
  second.reset();
  CHECK(deleted == 1);
  CHECK(items.empty());
  CHECK(Item::alive() == 0);
}

TEST_CASE(
    "get_or_create: a factory that returns a shared_ptr, tracked or the sole owner of an untracked object") {
  Items items;
  const auto tracked = item(1);
  CHECK(items.get_or_create(1, [&] { return tracked; }) == tracked);
  CHECK(items.get(1) == tracked);

  auto adopted = items.get_or_create(2, [] { return std::make_shared<Item>(2); });
  CHECK(weakref::is_tracked(adopted));
  CHECK(items.get(2) == adopted);
  adopted.reset();
  CHECK_FALSE(items.contains(2));
  CHECK(Item::alive() == 1);
}

TEST_CASE("get_or_create: an untracked object that others own is treated as by insert") {
  const auto untracked = std::make_shared<Item>(1);
  Items items;
  CHECK_THROWS_AS((void)items.get_or_create(1, [&] { return untracked; }), weakref::untracked_error);
  CHECK_FALSE(items.contains(1));
  CHECK(items.size() == 0);
  Items any({.accept_untracked = true});
  CHECK(any.get_or_create(1, [&] { return untracked; }) == untracked);
  CHECK(any.get(1) == untracked);
}

TEST_CASE("get_or_create: an object that can hand out owners of itself is not adopted") {
  weakref::WeakValueDictionary<int, Shared> dictionary;
  CHECK_THROWS_AS((void)dictionary.get_or_create(1, [] { return std::make_shared<Shared>(); }),
                  weakref::untracked_error);
  CHECK(dictionary.empty());
  const auto tracked = dictionary.get_or_create(1, [] { return weakref::make_tracked<Shared>(); });
  CHECK(tracked->shared_from_this() == tracked);
  CHECK(dictionary.get(1) == tracked);
}

TEST_CASE("get_or_create: a derived class is made as that class") {
  Shapes shapes;
  const auto by_value = shapes.get_or_create(1, [] { return Square(3); });
  const auto by_unique = shapes.get_or_create(2, [] { return std::make_unique<Square>(4); });
  const auto by_shared = shapes.get_or_create(3, [] { return std::make_shared<Square>(5); });
  const auto by_tracked = shapes.get_or_create(4, [] { return weakref::make_tracked<Square>(6); });
  const auto by_base =
      shapes.get_or_create(5, []() -> std::unique_ptr<Shape> { return std::make_unique<Square>(7); });
  const auto by_window = shapes.get_or_create(6, [] { return std::make_shared<Window>(); });
  int edge = 3;
  for (const auto& shape : {by_value, by_unique, by_shared, by_tracked, by_base}) {
    CHECK(shape->sides() == 4);
    CHECK(dynamic_cast<const Square&>(*shape).edge == edge++);
  }
  CHECK(by_window->sides() == 40);
  CHECK(shapes.size() == 6);
}

TEST_CASE("get_or_create: a class that is tracked by itself may come in any of the three ways") {
  weakref::WeakValueDictionary<int, Session> sessions;
  auto one = sessions.get_or_create(1, [] { return Session(1); });
  auto two = sessions.get_or_create(2, [] { return std::make_unique<Session>(2); });
  auto three = sessions.get_or_create(3, [] { return std::make_shared<Session>(3); });
  CHECK(sessions.size() == 3);
  CHECK(weakref::getweakrefcount(one) == 1);
  one.reset();
  two.reset();
  three.reset();
  CHECK(sessions.size() == 0);
  CHECK(Session::alive() == 0);
}

TEST_CASE("get_or_create: const values") {
  weakref::WeakValueDictionary<int, const Item> constants;
  const auto one = constants.get_or_create(1, [] { return Item(1); });
  const auto two = constants.get_or_create(2, [] { return std::make_unique<const Item>(2); });
  CHECK(constants.get(1) == one);
  CHECK(constants.get(2) == two);
}

// --- get_or_create: when the factory runs, and with what
// ------------------------------------------------------------------------

TEST_CASE("get_or_create: a living entry is returned, and the factory does not run") {
  Items items;
  const auto one = item(1);
  items.insert(1, one);
  int runs = 0;
  const auto factory = [&] {
    ++runs;
    return Item(2);
  };
  CHECK(items.get_or_create(1, factory) == one);
  CHECK(runs == 0);
  auto two = items.get_or_create(2, factory);
  CHECK(runs == 1);
  CHECK(items.get_or_create(2, factory) == two);
  CHECK(runs == 1);
  two.reset();
  two = items.get_or_create(2, factory);
  CHECK(runs == 2);
}

TEST_CASE("get_or_create: the factory is called with the key if it accepts it") {
  Items items;
  CHECK(items.get_or_create(7, [](int key) { return Item(key); })->number == 7);
  CHECK(items.get_or_create(8, [](const int& key) { return std::make_unique<Item>(key); })->number == 8);
  CHECK(items.get_or_create(9, [](auto key) { return Item(key); })->number == 9);

  weakref::WeakValueDictionary<std::string, Item> names;
  const auto length = [](const std::string& name) { return Item(static_cast<int>(name.size())); };
  CHECK(names.get_or_create("four", length)->number == 4);
  CHECK(names.get_or_create(std::string_view("seven!!"), length)->number == 7);
  CHECK(names.get_or_create(std::string("ab"), length)->number == 2);
  const auto view_length = [](std::string_view name) { return Item(static_cast<int>(name.size())); };
  CHECK(names.get_or_create("abc", view_length)->number == 3);

  weakref::WeakValueDictionary<Ticket, Item, TicketHash> tickets;
  CHECK(tickets.get_or_create(Ticket(5), [](const Ticket& ticket) { return Item(ticket.value); })->number ==
        5);
}

TEST_CASE("get_or_create: factories that can only be moved, or that keep state") {
  Items items;
  const auto one =
      items.get_or_create(1, [number = std::make_unique<int>(4)]() mutable { return Item((*number)++); });
  CHECK(one->number == 4);
  struct maker {
    int runs = 0;
    Item operator()() { return Item(++runs); }
  } make;
  const auto two = items.get_or_create(2, make);
  CHECK(make.runs == 1);
  const auto three = items.get_or_create(3, std::ref(make));
  CHECK(make.runs == 2);
}

TEST_CASE("get_or_create: what nobody keeps is gone at once") {
  Items items;
  (void)items.get_or_create(1, [] { return Item(1); });
  CHECK(items.empty());
  CHECK(Item::alive() == 0);
}

// --- get_or_create: failing
// -----------------------------------------------------------------------------------------------------

TEST_CASE("get_or_create: a factory that throws stores nothing, and the next caller may try again") {
  Items items;
  CHECK_THROWS_AS((void)items.get_or_create(1, []() -> Item { throw std::runtime_error("no file"); }),
                  std::runtime_error);
  CHECK_FALSE(items.contains(1));
  CHECK(items.size() == 0);
  CHECK(items.get_or_create(1, [] { return Item(2); })->number == 2);
}

// 6
TEST_CASE("get_or_create: a factory that returns null gives its caller null and stores nothing") {
  Items items;
  CHECK(items.get_or_create(1, [] { return std::unique_ptr<Item>(); }) == nullptr);
  CHECK(items.get_or_create(1, [] { return std::shared_ptr<Item>(); }) == nullptr);
  CHECK_FALSE(items.contains(1));
  CHECK(items.size() == 0);
  CHECK(items.begin() == items.end());
  const auto made = items.get_or_create(1, [] { return Item(2); });
  CHECK(items.get(1) == made);
}

TEST_CASE("get_or_create: an ownerless pointer from a factory is refused") {
  Items items;
  Item local(1);
  const std::shared_ptr<Item> ownerless(std::shared_ptr<Item>(), &local);
  CHECK_THROWS_AS((void)items.get_or_create(1, [&] { return ownerless; }), weakref::untracked_error);
  CHECK(items.empty());
}

// --- get_or_create: a factory that uses the dictionary
// --------------------------------------------------------------------------

TEST_CASE("get_or_create: meanwhile the key is absent, for the factory too") {
  Items items;
  const auto made = items.get_or_create(1, [&] {
    CHECK(items.get(1) == nullptr);
    CHECK_FALSE(items.contains(1));
    CHECK(items.size() == 0);
    CHECK(items.begin() == items.end());
    CHECK_FALSE(items.visit(1, [](Item&) {}));
    CHECK(items.pop(1) == nullptr);
    return Item(1);
  });
  CHECK(items.get(1) == made);
}

TEST_CASE("get_or_create: a factory may build on other keys") {
  Items items;
  std::vector<std::shared_ptr<Item>> parts;
  const auto made = items.get_or_create(3, [&](int) {
    parts.push_back(items.get_or_create(2, [&](int) {
      parts.push_back(items.get_or_create(1, [] { return Item(1); }));
      return Item(parts.back()->number + 10);
    }));
    return Item(parts.back()->number + 100);
  });
  CHECK(made->number == 111);
  CHECK(items.size() == 3);
}

TEST_CASE("get_or_create: a factory may fill the dictionary until its table grows") {
  Items items;
  std::vector<std::shared_ptr<Item>> owners;
  const auto made = items.get_or_create(-1, [&] {
    for (int number = 0; number < 5000; ++number) owners.push_back(items.try_emplace(number, number).first);
    return Item(1);
  });
  CHECK(items.size() == 5001);
  CHECK(items.get(-1) == made);
}

TEST_CASE("get_or_create: a factory may split the dictionary into shards") {
  // Tables that have changed equally often are still not the same.
  for (int changes = 0; changes < 5; ++changes) {
    Items items;
    for (int i = 1; i <= changes; ++i) items.reserve(static_cast<std::size_t>(10 * i));
    const auto made = items.get_or_create(-1, [&] {
      items.reserve(1000);
      return Item(1);
    });
    CHECK(items.get(-1) == made);
    CHECK(items.size() == 1);
    items.erase(-1);
    CHECK(items.empty());
  }
}

TEST_CASE("get_or_create: an entry stored meanwhile wins, and is what comes back") {
  Items items;
  const auto winner = item(9);
  SUBCASE("by insert") {
    CHECK(items.get_or_create(1, [&] {
      CHECK(items.insert(1, winner).second);
      return Item(1);
    }) == winner);
  }
  SUBCASE("by insert_or_assign") {
    CHECK(items.get_or_create(1, [&] {
      items.insert_or_assign(1, winner);
      return std::make_unique<Item>(1);
    }) == winner);
  }
  SUBCASE("by setdefault") {
    CHECK(items.get_or_create(1, [&] {
      CHECK(items.setdefault(1, winner) == winner);
      return Item(1);
    }) == winner);
  }
  CHECK(items.get(1) == winner);
  CHECK(items.size() == 1);
  CHECK(Item::alive() == 1);
}

TEST_CASE("get_or_create: an entry that came and died meanwhile does not win") {
  Items items;
  const auto made = items.get_or_create(1, [&] {
    items.insert(1, item(9));
    return Item(1);
  });
  CHECK(made->number == 1);
  CHECK(items.get(1) == made);
}

// 17
TEST_CASE("get_or_create: a factory that erases its own key, or clears, does not cancel its result") {
  Items items;
  std::shared_ptr<Item> made;
  SUBCASE("erase") {
    made = items.get_or_create(1, [&] {
      CHECK_FALSE(items.erase(1));
      return Item(1);
    });
  }
  SUBCASE("clear") {
    made = items.get_or_create(1, [&] {
      items.clear();
      return Item(1);
    });
  }
  SUBCASE("insert, then erase") {
    made = items.get_or_create(1, [&] {
      const auto other = item(2);
      items.insert(1, other);
      CHECK(items.erase(1));
      return Item(1);
    });
  }
  CHECK(made->number == 1);
  CHECK(items.get(1) == made);
}

TEST_CASE("get_or_create: a factory that changes the key that it was given for is told so all the same") {
  Items items;
  int key = 1;
  const auto made = items.get_or_create(key, [&] {
    key = 2;
    CHECK_THROWS_AS((void)items.get_or_create(1, [] { return Item(6); }), std::logic_error);
    return Item(5);
  });
  CHECK(items.get(1) == made);
  CHECK(made->number == 5);
  CHECK(items.size() == 1);
}

// 17
TEST_CASE("get_or_create: a factory that asks for its own key is told so") {
  Items items;
  int runs = 0;
  SUBCASE("and lets it out") {
    CHECK_THROWS_AS(
        (void)items.get_or_create(1,
                                  [&]() -> Item {
                                    ++runs;
                                    return Item(items.get_or_create(1, [&] { return Item(++runs); })->number);
                                  }),
        std::logic_error);
    CHECK_FALSE(items.contains(1));
  }
  SUBCASE("and goes on without") {
    const auto made = items.get_or_create(1, [&] {
      ++runs;
      CHECK_THROWS_AS((void)items.get_or_create(1, [&] { return Item(++runs); }), std::logic_error);
      return Item(5);
    });
    CHECK(made->number == 5);
    CHECK(items.get(1) == made);
  }
  CHECK(runs == 1);
  // The key is not spoilt.
  CHECK(items.get_or_create(1, [] { return Item(5); })->number == 5);
}

// 17
TEST_CASE(
    "get_or_create: a factory that comes back to its own key by way of another key and another dictionary") {
  Items items;
  Items other;
  int refused = 0;
  const auto made = items.get_or_create(1, [&] {
    const auto second = items.get_or_create(2, [&] {
      const auto third = other.get_or_create(1, [&] {
        try {
          (void)items.get_or_create(1, [] { return Item(0); });
        } catch (const std::logic_error&) {
          ++refused;
        }
        return Item(3);
      });
      return Item(third->number + 1);
    });
    return Item(second->number + 1);
  });
  CHECK(refused == 1);
  CHECK(made->number == 5);
  CHECK(items.size() == 1);
}

TEST_CASE("get_or_create: the same key in another dictionary is another key") {
  Items items;
  Items other;
  const auto made = items.get_or_create(
      1, [&] { return Item(other.get_or_create(1, [] { return Item(4); })->number + 1); });
  CHECK(made->number == 5);
}

// 17: try_emplace's constructor is user code like a factory.
TEST_CASE("try_emplace: a constructor may use the dictionary, even for its own key") {
  struct Nested : counted<Nested> {
    explicit Nested(weakref::WeakValueDictionary<int, Nested>* where,
                    std::shared_ptr<Nested>* out = nullptr) {
      if (where == nullptr) return;
      CHECK_FALSE(where->contains(1));
      (void)where->try_emplace(2, nullptr);
      if (out == nullptr) return;
      *out = weakref::make_tracked<Nested>(nullptr);
      CHECK(where->insert(1, *out).second);
    }
  };
  weakref::WeakValueDictionary<int, Nested> nested;
  auto made = nested.try_emplace(1, &nested);
  CHECK(made.second);
  made.first.reset();
  CHECK(nested.empty());
  std::shared_ptr<Nested> winner;
  made = nested.try_emplace(1, &nested, &winner);
  CHECK_FALSE(made.second);
  CHECK(made.first == winner);
  CHECK(nested.get(1) == winner);
  made.first.reset();
  winner.reset();
  CHECK(Nested::alive() == 0);
}

TEST_CASE("get_or_create: a factory may move the owner it was given elsewhere before it returns null") {
  Items items;
  std::shared_ptr<Item> kept;
  CHECK(items.get_or_create(1, [&]() -> std::shared_ptr<Item> {
    kept = items.get_or_create(2, [] { return Item(2); });
    return nullptr;
  }) == nullptr);
  CHECK(items.get(2) == kept);
  CHECK(items.size() == 1);
}

// 5: no factory of its own dictionary may be running when a dictionary is destroyed, but a nested
// dictionary's may.
TEST_CASE("get_or_create: a factory may use and destroy a dictionary of its own") {
  Items items;
  const auto made = items.get_or_create(1, [] {
    Items scratch;
    const auto part = scratch.get_or_create(1, [] { return Item(3); });
    return Item(part->number);
  });
  CHECK(made->number == 3);
}

// 10, 17: the hash and the copies of a key happen outside locks, also on the creating path.
TEST_CASE("get_or_create: hashing, copying and destroying keys may use the dictionary") {
  weakref::WeakValueDictionary<LoudKey, Item> items;
  std::shared_ptr<Item> made;
  int calls = 0;
  {
    const key_hook hook([&](key_event what, int) {
      if (what == key_event::equal) return;
      ++calls;
      (void)items.contains(LoudKey(50));
    });
    made = items.get_or_create(LoudKey(1), [&] { return Item(1); });
    CHECK(items.try_emplace(LoudKey(2), 2).second);
  }
  CHECK(calls > 0);
  CHECK(items.size() == 1);
}

TEST_CASE(
    "get_or_create: a comparison that uses a dictionary is refused, and the flight leaves nothing behind") {
  weakref::WeakValueDictionary<LoudKey, Item> items;
  Items other;
  const auto one = item(1);
  items.insert(LoudKey(1), one);
  {
    const key_hook hook([&](key_event what, int) {
      if (what == key_event::equal) (void)other.contains(1);
    });
    CHECK_THROWS_AS((void)items.get_or_create(LoudKey(1), [] { return Item(3); }), std::logic_error);
    CHECK_THROWS_AS((void)items.try_emplace(LoudKey(1), 3), std::logic_error);
  }
  CHECK(items.get_or_create(LoudKey(1), [] { return Item(3); }) == one);
  CHECK(items.size() == 1);
}

TEST_CASE("creation: nothing of these tests is left") {
  CHECK(Item::alive() == 0);
  CHECK(Shape::alive() == 0);
  CHECK(Ticket::alive() == 0);
  CHECK(LoudKey::alive() == 0);
}
