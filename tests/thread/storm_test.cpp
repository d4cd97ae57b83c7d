// SPDX-License-Identifier: BSL-1.0
// Bounded storms: all operations at once, on keys that are fought over and on keys that are not. What must
// hold throughout: at most one living entry for a key, no entry lost while it is owned, no half-dead object;
// and at the end nothing is left.
#include <weakref/weak_value_dictionary.hpp>

#include "../support/dictionary_keys.hpp"
#include "../support/dictionary_mutex.hpp"
#include "../support/dictionary_objects.hpp"
#include "../support/dictionary_threads.hpp"
#include "../support/storm.hpp"

#include <weakref/ref.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

using namespace dictionary_test;

namespace {

const unsigned workers = storm_workers();
const int steps = storm_steps(20000);

template <class T> std::shared_ptr<T> make(int number) {
  if constexpr (std::is_base_of_v<weakref::enable_weakref, T>)
    return std::make_shared<T>(number);
  else
    return weakref::make_tracked<T>(number);
}

// All operations on a few hot keys. Every object carries its key, so a wrong entry is seen by whoever meets
// it.
template <class T, class Dictionary> void storm(Dictionary& dictionary, int hot_keys, bool clearing) {
  std::atomic<int> wrong{0};
  const auto look = [&](const std::shared_ptr<T>& found, int key) {
    if (found && !found->whole(key)) ++wrong;
  };
  together(workers, [&](unsigned worker) {
    dice roll(worker + 1);
    std::vector<std::shared_ptr<T>> owners(8);
    for (int step = 0; step < steps; ++step) {
      const int key = static_cast<int>(roll(static_cast<unsigned>(hot_keys)));
      auto& place = owners[roll(8)];
      switch (roll(20)) {
      case 0:
      case 1:
        look(dictionary.get(key), key);
        break;
      case 2:
        dictionary.visit(key, [&](T& found) {
          if (!found.whole(key)) ++wrong;
          // Deaths inside a visit, of this very object too.
          place.reset();
          if (!found.whole(key)) ++wrong;
        });
        break;
      case 3:
        (void)dictionary.contains(key);
        break;
      case 4:
        place = dictionary.insert(key, make<T>(key)).first;
        break;
      case 5:
        place = make<T>(key);
        dictionary.insert_or_assign(key, place);
        break;
      case 6:
        place = dictionary.setdefault(key, make<T>(key));
        break;
      case 7:
        if constexpr (!std::is_base_of_v<weakref::enable_weakref, T>)
          place = dictionary.try_emplace(key, key).first;
        break;
      case 8:
      case 9:
      case 10:
        place = dictionary.get_or_create(key, [&] { return std::make_unique<T>(key); });
        if (!place || !place->whole(key)) ++wrong;
        break;
      case 11:
        look(dictionary.pop(key), key);
        break;
      case 12:
        dictionary.erase(key);
        break;
      case 13:
        try {
          const auto [taken, value] = dictionary.popitem();
          look(value, taken);
          if (!value) ++wrong;
        } catch (const std::out_of_range&) {}
        break;
      case 14: {
        for (auto&& [seen, value] : dictionary) {
          look(value, seen);
          if (roll(4) == 0) place.reset();
          if (roll(50) == 0) break;
        }
        break;
      }
      case 15:
        if (roll(8) == 0) {
          const Dictionary copy(dictionary);
          for (auto&& entry : copy) look(entry.value, entry.key);
        } else {
          for (auto&& reference : dictionary.valuerefs()) (void)reference.expired();
        }
        break;
      case 16:
        if (clearing && roll(16) == 0)
          dictionary.clear();
        else if (roll(8) == 0)
          dictionary.erase_if([&](const int& seen, const auto& value) {
            look(value, seen);
            return seen == key;
          });
        break;
      default:
        place.reset();
      }
      look(place, place ? place->number : 0);
    }
  });
  CHECK(wrong == 0);
  CHECK(dictionary.size() == 0);
  CHECK(dictionary.begin() == dictionary.end());
  CHECK(Whole::alive() == 0);
}

} // namespace

TEST_CASE_TEMPLATE("storm: everything at once on a few keys of a sharded dictionary", T, Whole,
                   WholeSession) {
  weakref::WeakValueDictionary<int, T> dictionary(weakref::options{.shards = 4});
  storm<T>(dictionary, 6, true);
}

TEST_CASE_TEMPLATE("storm: everything at once in one shard, with one hash for all keys", T, Whole,
                   WholeSession) {
  weakref::WeakValueDictionary<int, T, constant_hash> dictionary(weakref::options{.shards = 1});
  storm<T>(dictionary, 12, false);
}

TEST_CASE("storm: everything at once on many keys, with the application's own mutex") {
  weakref::WeakValueDictionary<int, Whole, weakref::hash<int>, std::equal_to<>, std::allocator<Whole>,
                               std::mutex>
      dictionary;
  storm<Whole>(dictionary, 3000, false);
}

TEST_CASE("storm: no thread ever holds the locks of two shards") {
  const long nested = watched_mutex::nested();
  weakref::WeakValueDictionary<int, Whole, weakref::hash<int>, std::equal_to<>, std::allocator<Whole>,
                               watched_mutex>
      dictionary(weakref::options{.shards = 4});
  storm<Whole>(dictionary, 50, true);
  CHECK(watched_mutex::nested() == nested);
}

TEST_CASE("storm: a dictionary that accepts untracked objects gets tracked and untracked ones") {
  weakref::WeakValueDictionary<int, Whole> dictionary({.accept_untracked = true});
  std::atomic<int> wrong{0};
  together(workers, [&](unsigned worker) {
    dice roll(worker + 1);
    std::vector<std::shared_ptr<Whole>> owners(8);
    for (int step = 0; step < steps; ++step) {
      const int key = static_cast<int>(roll(20));
      auto& place = owners[roll(8)];
      switch (roll(8)) {
      case 0:
        place = dictionary.insert(key, std::make_shared<Whole>(key)).first;
        break;
      case 1:
        place = dictionary.insert(key, weakref::make_tracked<Whole>(key)).first;
        break;
      case 2:
        place = dictionary.get_or_create(key, [&] { return std::make_unique<Whole>(key); });
        break;
      case 3:
        if (const auto found = dictionary.get(key); found && !found->whole(key)) ++wrong;
        break;
      case 4:
        dictionary.visit(key, [&](Whole& found) {
          place.reset();
          if (!found.whole(key)) ++wrong;
        });
        break;
      case 5:
        dictionary.erase(key);
        break;
      case 6:
        for (auto&& [seen, value] : dictionary)
          if (!value->whole(seen)) ++wrong;
        break;
      default:
        place.reset();
      }
      if (place && !place->whole(place->number)) ++wrong;
    }
  });
  CHECK(wrong == 0);
  CHECK(Whole::alive() == 0);
  for (int number = 0; number < 1000; ++number) CHECK_FALSE(dictionary.contains(100 + number));
  CHECK(dictionary.size() == 0);
}

// While a thread holds what get_or_create gave it, and nobody erases or replaces, that object is what
// everybody gets.
TEST_CASE("storm: at most one living object for a key") {
  constexpr int keys = 5;
  weakref::WeakValueDictionary<int, Whole> dictionary(weakref::options{.shards = 2});
  std::atomic<int> wrong{0};
  together(workers, [&](unsigned worker) {
    dice roll(worker + 1);
    for (int step = 0; step < steps; ++step) {
      const int key = static_cast<int>(roll(keys));
      std::shared_ptr<Whole> mine;
      switch (roll(4)) {
      case 0:
        mine = dictionary.get_or_create(key, [&] { return std::make_unique<Whole>(key); });
        break;
      case 1:
        mine = dictionary.insert(key, weakref::make_tracked<Whole>(key)).first;
        break;
      case 2:
        mine = dictionary.setdefault(key, weakref::make_tracked<Whole>(key));
        break;
      default:
        mine = dictionary.try_emplace(key, key).first;
      }
      if (!mine || !mine->whole(key)) ++wrong;
      if (dictionary.get(key) != mine) ++wrong;
      if (dictionary.insert(key, weakref::make_tracked<Whole>(key)).first != mine) ++wrong;
      if (roll(16) == 0) {
        int seen = 0;
        for (auto&& [each, value] : dictionary)
          if (each == key) {
            ++seen;
            if (value != mine) ++wrong;
          }
        if (seen != 1) ++wrong;
      }
      if (dictionary.size() > keys * 2u) ++wrong;
    }
  });
  CHECK(wrong == 0);
  CHECK(dictionary.size() == 0);
  CHECK(Whole::alive() == 0);
}

// Keys of each thread's own: what is owned is there, what was dropped is not, whatever the others do to the
// tables.
TEST_CASE("storm: no entry is lost, none outlives its object") {
  weakref::WeakValueDictionary<int, Whole> dictionary;
  std::atomic<int> wrong{0};
  together(workers, [&](unsigned worker) {
    dice roll(worker + 1);
    const int base = static_cast<int>(worker) * 10000;
    std::vector<std::shared_ptr<Whole>> owners(300);
    for (int step = 0; step < steps; ++step) {
      const unsigned slot = roll(300);
      const int key = base + static_cast<int>(slot);
      auto& mine = owners[slot];
      if (dictionary.get(key) != mine) ++wrong;
      if (dictionary.contains(key) != (mine != nullptr)) ++wrong;
      if (mine && roll(2) == 0) {
        mine.reset();
        if (dictionary.contains(key)) ++wrong;
      } else if (mine) {
        if (!dictionary.erase(key)) ++wrong;
        mine.reset();
      } else if (roll(3) == 0) {
        mine = dictionary.try_emplace(key, key).first;
      } else {
        mine = weakref::make_tracked<Whole>(key);
        if (!dictionary.insert_or_assign(key, mine)) ++wrong;
      }
    }
  });
  CHECK(wrong == 0);
  CHECK(dictionary.size() == 0);
}

// 16: objects that are in several dictionaries under several keys, dying on any thread, with callbacks that
// use the dictionaries.
TEST_CASE("storm: objects in many places, with callbacks and destructors that come back") {
  using Mortals = weakref::WeakValueDictionary<int, Mortal>;
  Mortals dictionaries[3] = {Mortals(weakref::options{.shards = 1}), Mortals(weakref::options{.shards = 2}),
                             Mortals()};
  std::atomic<int> wrong{0};
  std::atomic<int> deaths{0};
  std::atomic<int> calls{0};
  std::atomic<int> made{0};
  std::mutex guard;
  std::vector<std::shared_ptr<Mortal>> market(16);
  together(workers, [&](unsigned worker) {
    dice roll(worker + 1);
    for (int step = 0; step < steps / 4; ++step) {
      const int key = static_cast<int>(roll(10));
      ++made;
      auto mortal = weakref::make_tracked<Mortal>(key, [&, key] {
        ++deaths;
        for (auto& dictionary : dictionaries) (void)dictionary.contains(key);
      });
      const Mortal* const address = mortal.get();
      const auto callback = [&, key, address] {
        ++calls;
        for (auto& dictionary : dictionaries)
          if (dictionary.get(key).get() == address) ++wrong;
      };
      std::optional<weakref::ref<Mortal, decltype(callback)>> watcher;
      watcher.emplace(mortal, callback);
      for (auto& dictionary : dictionaries)
        for (int shift = 0; shift < 3; ++shift) dictionary.insert_or_assign((key + shift) % 10, mortal);
      switch (roll(4)) {
      case 0:
        mortal.reset();
        break;
      case 1:
        dictionaries[roll(3)].clear();
        break;
      case 2:
        dictionaries[roll(3)].visit(key, [&](Mortal&) { mortal.reset(); });
        break;
      default: {
        std::unique_lock lock(guard);
        market[roll(16)].swap(mortal);
        lock.unlock();
      }
      }
      mortal.reset();
    }
  });
  market.clear();
  CHECK(wrong == 0);
  CHECK(deaths == made);
  CHECK(Mortal::alive() == 0);
  for (const auto& dictionary : dictionaries) CHECK(dictionary.size() == 0);
}

// 9, 11: dictionaries that come and go while their objects die elsewhere.
TEST_CASE("storm: short-lived dictionaries, copied, moved and destroyed while their objects die") {
  std::mutex guard;
  std::vector<std::shared_ptr<Whole>> market(32);
  std::atomic<int> wrong{0};
  together(workers, [&](unsigned worker) {
    dice roll(worker + 1);
    for (int step = 0; step < steps / 10; ++step) {
      weakref::WeakValueDictionary<int, Whole> dictionary(weakref::options{.shards = 1 + roll(3)});
      for (int number = 0; number < 10; ++number) {
        std::shared_ptr<Whole> other;
        {
          const std::lock_guard lock(guard);
          auto& place = market[roll(32)];
          if (!place || roll(4) == 0) {
            other = std::exchange(place, weakref::make_tracked<Whole>(number));
          }
          dictionary.insert(number, place);
        }
        if (other) dictionary.insert(number, other);
      }
      weakref::WeakValueDictionary<int, Whole> copy(dictionary);
      weakref::WeakValueDictionary<int, Whole> moved(std::move(dictionary));
      copy.swap(moved);
      dictionary = std::move(copy);
      copy = dictionary;
      copy |= moved;
      for (auto&& [key, value] : copy)
        if (!value->whole(value->number)) ++wrong;
    }
  });
  CHECK(wrong == 0);
  market.clear();
  CHECK(Whole::alive() == 0);
}

TEST_CASE("storm: nothing of these tests is left") {
  CHECK(Whole::alive() == 0);
  CHECK(Mortal::alive() == 0);
}
