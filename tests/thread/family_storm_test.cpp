// SPDX-License-Identifier: BSL-1.0
// Bounded storms over the dictionary with weak keys and the set: all operations at once, on keys that several
// threads own and drop. What must hold throughout: a value belongs to its key, every object shown is whole, by
// value no two living elements are equal for who stores one at a time; and at the end nothing is left.
#include <weakref/weak_key_dictionary.hpp>
#include <weakref/weak_set.hpp>

#include "../support/dictionary_objects.hpp"
#include "../support/dictionary_threads.hpp"
#include "../support/storm.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

using namespace dictionary_test;

namespace {

const unsigned workers = storm_workers();
const int steps = storm_steps(8000);
constexpr unsigned places = 12;

struct by_number {
  std::size_t operator()(const Whole& object) const noexcept {
    return static_cast<std::size_t>(object.number);
  }
  bool operator()(const Whole& left, const Whole& right) const noexcept {
    return left.number == right.number;
  }
};

// Comparisons and copies of it are user code to the containers.
struct Payload : Whole {
  using Whole::Whole;
};

enum class way { tracked, session, untracked };

template <class T> std::shared_ptr<T> make(way how, int number) {
  if constexpr (std::is_base_of_v<weakref::enable_weakref, T>) {
    return std::make_shared<T>(number);
  } else {
    return how == way::untracked ? std::make_shared<T>(number) : weakref::make_tracked<T>(number);
  }
}

// Objects that all threads may take, use and replace.
template <class T> class pool {
 public:
  explicit pool(way how) : how_(how), owners_(places) {
    for (unsigned i = 0; i < places; ++i) owners_[i] = make<T>(how, static_cast<int>(i));
  }
  std::shared_ptr<T> take(unsigned which) {
    const std::lock_guard lock(mutex_);
    return owners_[which];
  }
  void renew(unsigned which) {
    auto fresh = make<T>(how_, static_cast<int>(which));
    const std::lock_guard lock(mutex_);
    owners_[which].swap(fresh);
  }
  void clear() {
    for (unsigned i = 0; i < places; ++i) {
      std::shared_ptr<T> gone;
      const std::lock_guard lock(mutex_);
      gone.swap(owners_[i]);
    }
  }

 private:
  const way how_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<T>> owners_;
};

template <class T, class Dictionary> void key_storm(Dictionary& dictionary, way how, bool in_place) {
  std::atomic<int> wrong{0};
  pool<T> objects(how);
  const auto expect = [&](bool holds) {
    if (!holds) ++wrong;
  };
  together(workers, [&](unsigned worker) {
    dice roll(worker + 1);
    for (int step = 0; step < steps; ++step) {
      const unsigned which = roll(places);
      const int number = static_cast<int>(which);
      std::shared_ptr<T> key = objects.take(which);
      switch (roll(22)) {
      case 0:
        if (const auto found = dictionary.get(key)) expect(found->whole(number));
        break;
      case 1:
        if (const auto found = dictionary.get(*key)) expect(found->whole(number));
        break;
      case 2:
        expect(dictionary.get(key.get(), Payload(number)).whole(number));
        break;
      case 3:
        (void)dictionary.contains(key.get());
        break;
      case 4:
        dictionary.visit(key.get(), [&](Payload& value) {
          expect(value.whole(number));
          key.reset(); // perhaps the last owner
          objects.renew(which);
          expect(value.whole(number));
          if (in_place) value = Payload(number);
        });
        break;
      case 5:
        dictionary.insert(key, Payload(number));
        break;
      case 6:
      case 7:
        dictionary.insert_or_assign(key, Payload(number));
        break;
      case 8:
        expect(dictionary.setdefault(key, Payload(number)).whole(number));
        break;
      case 9:
        dictionary.try_emplace(key, number);
        break;
      case 10:
      case 11:
        expect(dictionary
                   .get_or_create(key,
                                  [&](const std::shared_ptr<T>& wanted) {
                                    if (roll(8) == 0) dictionary.erase(wanted);
                                    return Payload(wanted->number);
                                  })
                   .whole(number));
        break;
      case 12:
        if (const auto taken = dictionary.pop(key)) expect(taken->whole(number));
        break;
      case 13:
        dictionary.erase(key.get());
        break;
      case 14:
        try {
          const auto [taken, value] = dictionary.popitem();
          expect(taken->whole() && value.whole(taken->number));
        } catch (const std::out_of_range&) {}
        break;
      case 15:
        for (auto&& [seen, value] : dictionary) {
          expect(seen->whole() && value.whole(seen->number));
          if (roll(8) == 0) objects.renew(roll(places));
          if (roll(50) == 0) break;
        }
        break;
      case 16:
        for (const auto& seen : dictionary.keyrefs()) (void)seen.expired();
        for (const auto& seen : dictionary.keys()) expect(seen->whole());
        break;
      case 17:
        if (roll(8) == 0) {
          const Dictionary copy(dictionary);
          for (auto&& [seen, value] : copy) expect(value.whole(seen->number));
          (void)(copy == dictionary);
        } else if (roll(8) == 0) {
          dictionary.clear();
        }
        break;
      case 18: {
        const std::vector<std::pair<std::shared_ptr<T>, Payload>> pairs{{key, Payload(number)},
                                                                        {key, Payload(number)}};
        dictionary.update(pairs);
        break;
      }
      case 19:
        dictionary.erase_if([&](const std::shared_ptr<T>& seen, const Payload& value) {
          expect(value.whole(seen->number));
          return roll(8) == 0;
        });
        break;
      default:
        key.reset();
        objects.renew(which);
        break;
      }
      expect(dictionary.size() < 100000);
    }
  });
  CHECK(wrong == 0);
  objects.clear();
  if (how != way::untracked) CHECK(dictionary.empty());
  for (auto&& entry : dictionary) {
    (void)entry;
    FAIL_CHECK("an entry without a key");
  }
  dictionary.clear();
  CHECK(dictionary.empty());
  CHECK(Whole::alive() == 0);
}

template <class T, class Set> void set_storm(Set& set, way how) {
  std::atomic<int> wrong{0};
  pool<T> objects(how);
  const auto expect = [&](bool holds) {
    if (!holds) ++wrong;
  };
  together(workers, [&](unsigned worker) {
    dice roll(worker + 1);
    const weakref::options chosen{.shards = 1, .accept_untracked = how == way::untracked};
    for (int step = 0; step < steps; ++step) {
      const unsigned which = roll(places);
      std::shared_ptr<T> object = objects.take(which);
      const std::vector<std::shared_ptr<T>> range{objects.take(roll(places)), object, object};
      switch (roll(20)) {
      case 0:
      case 1:
      case 2:
        set.add(object);
        break;
      case 3:
        set.discard(object);
        break;
      case 4:
        set.erase(object.get());
        break;
      case 5:
        try {
          set.remove(*object);
        } catch (const std::out_of_range&) {}
        break;
      case 6:
        if (const auto found = set.get(*object)) expect(found->whole(object->number));
        break;
      case 7:
        (void)set.contains(object);
        break;
      case 8:
        try {
          expect(set.pop()->whole());
        } catch (const std::out_of_range&) {}
        break;
      case 9:
        for (const auto& seen : set) {
          expect(seen->whole());
          if (roll(8) == 0) objects.renew(roll(places));
          if (roll(8) == 0) set.discard(seen);
          if (roll(50) == 0) break;
        }
        break;
      case 10:
        for (const auto& seen : set.refs()) {
          if (const auto owner = seen()) expect(owner->whole());
        }
        break;
      case 11:
        set.update(range);
        break;
      case 12:
        set ^= range;
        break;
      case 13:
        set -= range;
        break;
      case 14: {
        const Set other(range, chosen);
        for (const auto& seen : set& other) expect(seen->whole());
        for (const auto& seen : set | other) expect(seen->whole());
        expect(other.issuperset(range));
        expect((other - set) <= other);
        break;
      }
      case 15:
        if (roll(8) == 0) {
          Set copy(set);
          copy &= set;
          (void)(copy == set);
          (void)set.isdisjoint(copy);
        } else if (roll(8) == 0) {
          set.clear();
        }
        break;
      case 16:
        set.erase_if([&](const std::shared_ptr<T>& seen) {
          expect(seen->whole());
          return roll(8) == 0;
        });
        break;
      default:
        object.reset();
        objects.renew(which);
        break;
      }
    }
  });
  CHECK(wrong == 0);
  objects.clear();
  if (how != way::untracked) CHECK(set.empty());
  for (const auto& element : set) {
    (void)element;
    FAIL_CHECK("an element that nobody owns");
  }
  set.clear();
  CHECK(set.empty());
  CHECK(Whole::alive() == 0);
}

constexpr weakref::options accepting{.shards = 1, .accept_untracked = true};

} // namespace

TEST_CASE("WeakKeyDictionary: a storm by identity, over objects made tracked") {
  weakref::WeakKeyDictionary<Whole, Payload> dictionary;
  key_storm<Whole>(dictionary, way::tracked, true);
}

TEST_CASE("WeakKeyDictionary: a storm by identity, in four shards, over enable_weakref objects") {
  weakref::WeakKeyDictionary<WholeSession, Payload> dictionary({.shards = 4});
  key_storm<WholeSession>(dictionary, way::session, true);
}

TEST_CASE("WeakKeyDictionary: a storm by value, where equal keys replace one another") {
  weakref::WeakKeyDictionary<Whole, Payload, by_number, by_number> dictionary;
  key_storm<Whole>(dictionary, way::tracked, true);
}

TEST_CASE("WeakKeyDictionary: a storm by value over enable_weakref objects, which may die while they are "
          "compared") {
  weakref::WeakKeyDictionary<WholeSession, Payload, by_number, by_number> dictionary;
  key_storm<WholeSession>(dictionary, way::session, false);
}

TEST_CASE("WeakKeyDictionary: a storm over untracked objects") {
  weakref::WeakKeyDictionary<Whole, Payload> dictionary(accepting);
  key_storm<Whole>(dictionary, way::untracked, true);
}

TEST_CASE("WeakKeyDictionary: a storm by value over untracked objects") {
  weakref::WeakKeyDictionary<Whole, Payload, by_number, by_number> dictionary(accepting);
  key_storm<Whole>(dictionary, way::untracked, true);
}

TEST_CASE("WeakSet: a storm by identity, over objects made tracked") {
  weakref::WeakSet<Whole> set;
  set_storm<Whole>(set, way::tracked);
}

TEST_CASE("WeakSet: a storm by value, over enable_weakref objects") {
  weakref::WeakSet<WholeSession, by_number, by_number> set;
  set_storm<WholeSession>(set, way::session);
}

TEST_CASE("WeakSet: a storm by value, over untracked objects") {
  weakref::WeakSet<Whole, by_number, by_number> set(accepting);
  set_storm<Whole>(set, way::untracked);
}

TEST_CASE("WeakSet: a storm by identity, in four shards") {
  weakref::WeakSet<Whole> set({.shards = 4});
  set_storm<Whole>(set, way::tracked);
}

TEST_CASE("WeakSet: many sets of the same objects, on threads of their own, while the objects die") {
  pool<Whole> objects(way::tracked);
  std::vector<weakref::WeakSet<Whole>> sets(workers);
  std::atomic<int> wrong{0};
  together(workers, [&](unsigned worker) {
    dice roll(worker + 1);
    for (int step = 0; step < steps; ++step) {
      sets[worker].add(objects.take(roll(places)));
      if (roll(4) == 0) objects.renew(roll(places));
      for (const auto& each : sets[worker]) {
        if (!each->whole()) ++wrong;
      }
      if (roll(64) == 0) sets[worker] = weakref::WeakSet<Whole>();
    }
  });
  CHECK(wrong == 0);
  objects.clear();
  for (const auto& set : sets) CHECK(set.empty());
  CHECK(Whole::alive() == 0);
}
