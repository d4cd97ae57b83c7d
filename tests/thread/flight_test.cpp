// SPDX-License-Identifier: BSL-1.0
// get_or_create by several threads: one flight per key, what its waiters get, how it fails, and cycles of
// threads that would wait for each other. A number in a comment is the number of a failure mode.
#include <weakref/weak_value_dictionary.hpp>

#include "../support/dictionary_keys.hpp"
#include "../support/dictionary_mutex.hpp"
#include "../support/dictionary_objects.hpp"
#include "../support/dictionary_threads.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace dictionary_test;

using Items = weakref::WeakValueDictionary<int, Item>;
// Its mutex tells how many threads are waiting for a flight to land.
using Watched = weakref::WeakValueDictionary<int, Item, weakref::hash<int>, std::equal_to<>,
                                             std::allocator<Item>, waiting_mutex>;

TEST_CASE("flight: of several callers one runs its factory, and all get its object") {
  constexpr unsigned callers = 4;
  for (int round = 0; round < 200; ++round) {
    Watched items(weakref::options{.shards = 1});
    std::atomic<int> runs{0};
    std::vector<std::shared_ptr<Item>> results(callers);
    together(callers, [&](unsigned caller) {
      results[caller] = items.get_or_create(1, [&] {
        ++runs;
        waiting_mutex::await_waiting(callers - 1);
        return Item(static_cast<int>(caller));
      });
    });
    CHECK(runs == 1);
    for (const auto& result : results) CHECK(result == results[0]);
    CHECK(items.get(1) == results[0]);
    CHECK(Item::alive() == 1);
  }
}

TEST_CASE("flight: the waiters get that very object although its creator drops it at once") {
  constexpr unsigned callers = 4;
  std::atomic<int> wrong{0};
  for (int round = 0; round < 200; ++round) {
    Watched items(weakref::options{.shards = 1});
    std::atomic<int> runs{0};
    std::atomic<int> received{0};
    gate running;
    std::thread creator([&] {
      (void)items.get_or_create(1, [&] {
        ++runs;
        running.open();
        waiting_mutex::await_waiting(callers);
        return Item(77);
      });
    });
    running.wait();
    together(callers, [&](unsigned) {
      const auto got = items.get_or_create(1, [&] {
        ++runs;
        return Item(0);
      });
      if (got && got->number == 77) ++received;
    });
    creator.join();
    if (runs != 1 || received != callers) ++wrong;
  }
  CHECK(wrong == 0);
  CHECK(Item::alive() == 0);
}

TEST_CASE("flight: factories of different keys run at the same time") {
  Items items(weakref::options{.shards = 1});
  meeting both(3);
  std::vector<std::shared_ptr<Item>> results(3);
  together(3, [&](unsigned key) {
    results[key] = items.get_or_create(static_cast<int>(key), [&](int number) {
      both.arrive_and_wait();
      return Item(number);
    });
  });
  CHECK(items.size() == 3);
}

TEST_CASE("flight: the same key in two dictionaries is two flights") {
  Items left;
  Items right;
  meeting both(2);
  std::shared_ptr<Item> results[2];
  together(2, [&](unsigned number) {
    results[number] = (number == 0 ? left : right).get_or_create(1, [&] {
      both.arrive_and_wait();
      return Item(static_cast<int>(number));
    });
  });
  CHECK(results[0] != results[1]);
}

TEST_CASE("flight: keys with one hash are different flights") {
  weakref::WeakValueDictionary<int, Item, constant_hash> items;
  meeting all(3);
  std::vector<std::shared_ptr<Item>> results(3);
  together(3, [&](unsigned key) {
    results[key] = items.get_or_create(static_cast<int>(key), [&](int number) {
      all.arrive_and_wait();
      return Item(number);
    });
  });
  for (unsigned key = 0; key < 3; ++key) CHECK(results[key]->number == static_cast<int>(key));
}

// --- failing
// --------------------------------------------------------------------------------------------------------------------

TEST_CASE("flight: when the factory throws, its caller gets the exception and one waiter runs its own") {
  for (int round = 0; round < 100; ++round) {
    Watched items(weakref::options{.shards = 1});
    gate running;
    std::atomic<int> runs{0};
    std::atomic<int> thrown{0};
    std::atomic<int> at_once{0};
    std::atomic<int> overlaps{0};
    std::thread creator([&] {
      try {
        (void)items.get_or_create(1, [&]() -> Item {
          running.open();
          waiting_mutex::await_waiting(3);
          throw std::runtime_error("no file");
        });
      } catch (const std::runtime_error&) {
        ++thrown;
      }
    });
    running.wait();
    std::vector<std::shared_ptr<Item>> results(3);
    together(3, [&](unsigned caller) {
      results[caller] = items.get_or_create(1, [&] {
        if (++at_once > 1) ++overlaps;
        ++runs;
        std::this_thread::yield();
        --at_once;
        return Item(5);
      });
    });
    creator.join();
    CHECK(thrown == 1);
    CHECK(runs == 1);
    CHECK(overlaps == 0);
    for (const auto& result : results) CHECK(result == results[0]);
    CHECK(results[0]->number == 5);
  }
}

TEST_CASE("flight: when the factory returns null, its caller gets null and one waiter runs its own") {
  for (int round = 0; round < 100; ++round) {
    Watched items(weakref::options{.shards = 1});
    gate running;
    std::atomic<int> runs{0};
    std::shared_ptr<Item> first = item(0);
    std::thread creator([&] {
      first = items.get_or_create(1, [&]() -> std::unique_ptr<Item> {
        running.open();
        waiting_mutex::await_waiting(3);
        return nullptr;
      });
    });
    running.wait();
    std::vector<std::shared_ptr<Item>> results(3);
    together(3, [&](unsigned caller) {
      results[caller] = items.get_or_create(1, [&] {
        ++runs;
        return Item(5);
      });
    });
    creator.join();
    CHECK(first == nullptr);
    CHECK(runs == 1);
    for (const auto& result : results) {
      CHECK(result != nullptr);
      CHECK(result == results[0]);
    }
  }
}

TEST_CASE("flight: when every factory fails, every caller has run its own") {
  constexpr int callers = 4;
  Items items;
  std::atomic<int> runs{0};
  std::atomic<int> thrown{0};
  std::atomic<int> at_once{0};
  std::atomic<int> overlaps{0};
  together(callers, [&](unsigned caller) {
    try {
      const auto result = items.get_or_create(1, [&]() -> std::unique_ptr<Item> {
        if (++at_once > 1) ++overlaps;
        ++runs;
        std::this_thread::yield();
        --at_once;
        if (caller % 2 == 0) throw std::runtime_error("no");
        return nullptr;
      });
      if (result == nullptr) ++thrown;
    } catch (const std::runtime_error&) {
      ++thrown;
    }
  });
  CHECK(runs == callers);
  CHECK(thrown == callers);
  CHECK(overlaps == 0);
  CHECK(items.empty());
}

// --- the dictionary changes meanwhile
// -------------------------------------------------------------------------------------------

TEST_CASE("flight: an entry stored meanwhile wins for the creator and for every waiter") {
  for (int round = 0; round < 100; ++round) {
    Watched items(weakref::options{.shards = 1});
    gate running;
    gate finish;
    const auto winner = item(9);
    std::shared_ptr<Item> created;
    std::vector<std::shared_ptr<Item>> results(2);
    std::thread creator([&] {
      created = items.get_or_create(1, [&] {
        running.open();
        finish.wait();
        return Item(1);
      });
    });
    running.wait();
    std::thread waiters([&] {
      together(2, [&](unsigned caller) { results[caller] = items.get_or_create(1, [] { return Item(2); }); });
    });
    CHECK(items.insert(1, winner).second);
    // Who comes now finds the entry, and does not wait.
    CHECK(items.get_or_create(1, [] { return Item(3); }) == winner);
    CHECK(items.get(1) == winner);
    finish.open();
    creator.join();
    waiters.join();
    CHECK(created == winner);
    for (const auto& result : results) CHECK(result == winner);
    CHECK(Item::alive() == 1);
  }
}

TEST_CASE("flight: erase and clear meanwhile do not cancel the result") {
  Items items;
  gate running;
  gate finish;
  std::shared_ptr<Item> created;
  std::thread creator([&] {
    created = items.get_or_create(1, [&] {
      running.open();
      finish.wait();
      return Item(1);
    });
  });
  running.wait();
  SUBCASE("erase") { CHECK_FALSE(items.erase(1)); }
  SUBCASE("clear") { items.clear(); }
  SUBCASE("erase_if") {
    CHECK(items.erase_if([](const int&, const auto&) { return true; }) == 0);
  }
  finish.open();
  creator.join();
  CHECK(items.get(1) == created);
}

TEST_CASE("flight: the table may grow, and be copied and compared, while a factory runs") {
  Items items;
  gate running;
  gate finish;
  std::shared_ptr<Item> created;
  std::thread creator([&] {
    created = items.get_or_create(-1, [&] {
      running.open();
      finish.wait();
      return Item(1);
    });
  });
  running.wait();
  std::vector<std::shared_ptr<Item>> owners;
  for (int number = 0; number < 3000; ++number) owners.push_back(items.try_emplace(number, number).first);
  const Items copy(items);
  CHECK(copy == items);
  CHECK(copy.size() == 3000);
  finish.open();
  creator.join();
  CHECK(items.get(-1) == created);
  CHECK(items.size() == 3001);
}

// 6: get_or_create and the deaths of what it made, over and over: never nothing, never half dead, and one at
// a time.
TEST_CASE("flight: callers keep coming while the object dies again and again") {
  struct Tracked : counted<Tracked> {
    explicit Tracked(std::atomic<int>& where) : open(&where) { ++*open; }
    Tracked(Tracked&& other) noexcept : counted<Tracked>(other), open(std::exchange(other.open, nullptr)) {}
    ~Tracked() {
      if (open != nullptr) --*open;
    }
    std::atomic<int>* open;
  };
  weakref::WeakValueDictionary<int, Tracked> dictionary;
  std::atomic<int> open[2]{};
  std::atomic<int> making[2]{};
  std::atomic<int> wrong{0};
  together(3, [&](unsigned caller) {
    for (unsigned turn = 0; turn < 4000; ++turn) {
      const int key = static_cast<int>((turn + caller) % 2);
      const auto got = dictionary.get_or_create(key, [&] {
        if (++making[key] != 1) ++wrong;
        Tracked made(open[key]);
        --making[key];
        return made;
      });
      if (!got || got->open != &open[key] || open[key] < 1) ++wrong;
      // While this owner is held the dictionary must have this object and no other.
      if (dictionary.get(key) != got) ++wrong;
    }
  });
  CHECK(wrong == 0);
  CHECK(dictionary.empty());
  CHECK(open[0] == 0);
  CHECK(open[1] == 0);
}

// --- cycles
// ---------------------------------------------------------------------------------------------------------------------

// 17
TEST_CASE("flight: factories that need each other's keys: one of them is told, the rest go on") {
  const auto cycle = [](unsigned threads, bool two_dictionaries) {
    Items first;
    Items second;
    meeting all(threads);
    std::atomic<int> refused{0};
    std::vector<std::shared_ptr<Item>> results(threads);
    const auto at = [&](unsigned number) -> Items& {
      return two_dictionaries && number % 2 == 1 ? second : first;
    };
    together(threads, [&](unsigned number) {
      results[number] = at(number).get_or_create(static_cast<int>(number), [&] {
        all.arrive_and_wait();
        const unsigned next = (number + 1) % threads;
        try {
          const auto needed = at(next).get_or_create(static_cast<int>(next), [&] { return Item(-1); });
          return Item(needed->number + 1);
        } catch (const std::logic_error&) {
          ++refused;
          return Item(100);
        }
      });
    });
    CHECK(refused == 1);
    // The one that was told made its object without help; each of the others built on the next.
    std::set<int> numbers;
    for (const auto& result : results) numbers.insert(result->number);
    std::set<int> expected;
    for (unsigned step = 0; step < threads; ++step) expected.insert(100 + static_cast<int>(step));
    CHECK(numbers == expected);
    CHECK(first.size() + second.size() == threads);
  };
  for (int round = 0; round < 50; ++round) {
    cycle(2, false);
    cycle(2, true);
    cycle(3, false);
    cycle(4, true);
    cycle(5, true);
  }
}

// 17
TEST_CASE("flight: a refusal that leaves its factory fails that flight, and the waiters run their own") {
  for (int round = 0; round < 50; ++round) {
    Items items;
    meeting both(2);
    std::atomic<int> refused{0};
    std::atomic<int> second_runs{0};
    std::vector<std::shared_ptr<Item>> results(2);
    together(2, [&](unsigned number) {
      const int other = static_cast<int>(1 - number);
      try {
        results[number] = items.get_or_create(static_cast<int>(number), [&] {
          both.arrive_and_wait();
          return Item(items
                          .get_or_create(other,
                                         [&] {
                                           ++second_runs;
                                           return Item(10);
                                         })
                          ->number +
                      1);
        });
      } catch (const std::logic_error&) {
        ++refused;
      }
    });
    CHECK(refused == 1);
    CHECK(second_runs == 1);
    const auto& survivor = results[0] ? results[0] : results[1];
    CHECK(survivor->number == 11);
  }
}

// 17: nested flights: each thread holds two keys before the circle closes.
TEST_CASE("flight: a cycle through factories within factories and two kinds of dictionaries") {
  for (int round = 0; round < 50; ++round) {
    Items numbers;
    weakref::WeakValueDictionary<std::string, Session> names;
    meeting both(2);
    std::atomic<int> refused{0};
    std::thread other([&] {
      (void)names.get_or_create("outer", [&] {
        const auto inner = names.get_or_create("inner", [&] {
          both.arrive_and_wait();
          try {
            return Session(numbers.get_or_create(1, [] { return Item(1); })->number);
          } catch (const std::logic_error&) {
            ++refused;
            return Session(0);
          }
        });
        return Session(inner->number);
      });
    });
    (void)numbers.get_or_create(1, [&] {
      const auto inner = numbers.get_or_create(2, [&] {
        both.arrive_and_wait();
        try {
          return Item(names.get_or_create("outer", [] { return Session(1); })->number);
        } catch (const std::logic_error&) {
          ++refused;
          return Item(0);
        }
      });
      return Item(inner->number);
    });
    other.join();
    CHECK(refused == 1);
    CHECK(numbers.empty());
    CHECK(names.empty());
  }
}

// Waiting is not yet a cycle: many wait for one that waits for nobody.
TEST_CASE("flight: a tree of waits is no cycle") {
  constexpr unsigned threads = 5;
  Watched items(weakref::options{.shards = 1});
  for (int round = 0; round < 50; ++round) {
    std::vector<std::shared_ptr<Item>> results(threads);
    std::vector<gate> running(threads);
    together(threads, [&](unsigned number) {
      const unsigned parent = number / 2;
      if (number != 0) running[parent].wait();
      results[number] = items.get_or_create(static_cast<int>(number), [&] {
        running[number].open();
        if (number == 0) {
          waiting_mutex::await_waiting(threads - 1);
          return Item(7);
        }
        return Item(items.get_or_create(static_cast<int>(parent), [] { return Item(-100); })->number + 1);
      });
    });
    for (unsigned number = 0; number < threads; ++number) {
      constexpr int expected[threads] = {7, 8, 9, 9, 10};
      CHECK(results[number]->number == expected[number]);
    }
  }
}

// The same two keys, asked for in the same order, never make a cycle.
TEST_CASE("flight: threads that need the same keys in the same order all succeed") {
  Items items;
  std::atomic<int> wrong{0};
  together(4, [&](unsigned) {
    for (int turn = 0; turn < 500; ++turn) {
      const auto got = items.get_or_create(1, [&] {
        const auto second = items.get_or_create(2, [&] {
          const auto third = items.get_or_create(3, [] { return Item(1); });
          return Item(third->number + 1);
        });
        return Item(second->number + 1);
      });
      if (got->number != 3) ++wrong;
    }
  });
  CHECK(wrong == 0);
}

// 17, 20: the objects' destructors ask for keys, too.
TEST_CASE("flight: destructors that create, while others create and drop") {
  weakref::WeakValueDictionary<int, Mortal> mortals;
  std::atomic<int> wrong{0};
  std::atomic<int> budget{3000};
  static thread_local int depth = 0;
  const std::function<void(int)> words = [&](int key) {
    if (--budget < 0 || depth > 20) return;
    ++depth;
    try {
      if (!mortals.get_or_create((key + 1) % 5, [&](int next) {
            return std::make_unique<Mortal>(next, [&words, next] { words(next); });
          }))
        ++wrong;
    } catch (const std::logic_error&) {}
    --depth;
  };
  together(3, [&](unsigned caller) {
    while (budget > 0) {
      const int key = static_cast<int>(caller) % 5;
      if (!mortals.get_or_create(key, [&](int number) {
            return std::make_unique<Mortal>(number, [&words, number] { words(number); });
          }))
        ++wrong;
    }
  });
  CHECK(wrong == 0);
  CHECK(mortals.empty());
  CHECK(Mortal::alive() == 0);
}

TEST_CASE("flight: try_emplace beside get_or_create: one object per key") {
  std::atomic<int> wrong{0};
  for (int round = 0; round < 300; ++round) {
    Items items;
    std::vector<std::shared_ptr<Item>> results(3);
    together(3, [&](unsigned caller) {
      results[caller] =
          caller == 0 ? items.try_emplace(1, 0).first : items.get_or_create(1, [] { return Item(1); });
    });
    for (const auto& result : results)
      if (!result || result != results[0]) ++wrong;
    if (items.size() != 1) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("flight: nothing of these tests is left") {
  CHECK(Item::alive() == 0);
  CHECK(Session::alive() == 0);
}
