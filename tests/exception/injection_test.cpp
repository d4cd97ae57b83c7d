// SPDX-License-Identifier: BSL-1.0
// The strong guarantee, operation by operation: every allocation and every call of user code fails once, the
// first, the second, and so on until the operation is through; after each failure the dictionary is what it
// was, and nothing has leaked.
#include <weakref/weak_value_dictionary.hpp>

#include "../support/dictionary_allocator.hpp"
#include "../support/dictionary_faults.hpp"
#include "../support/dictionary_mutex.hpp"
#include "../support/dictionary_new.hpp"
#include "../support/dictionary_objects.hpp"
#include "../support/dictionary_threads.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace dictionary_test;

namespace {

// Everything a key can do may fail, its moves too.
struct FaultyKey : counted<FaultyKey> {
  explicit FaultyKey(int start) : value(start) { faults::point(); }
  FaultyKey(const FaultyKey& other) : counted<FaultyKey>(other), value(other.value) { faults::point(); }
  FaultyKey(FaultyKey&& other) : counted<FaultyKey>(other), value(other.value) {
    faults::point();
    other.value = -other.value;
  }
  FaultyKey& operator=(const FaultyKey&) = delete;
  ~FaultyKey() = default;
  int value;
};

struct FaultyHash {
  std::size_t operator()(const FaultyKey& key) const {
    faults::point();
    // Two keys share a hash, so that comparisons of different keys happen.
    return static_cast<std::size_t>(key.value / 2);
  }
};

struct FaultyEqual {
  bool operator()(const FaultyKey& left, const FaultyKey& right) const {
    faults::point();
    return left.value == right.value;
  }
};

struct Fragile : counted<Fragile> {
  explicit Fragile(int start) : number(start) { faults::point(); }
  Fragile(Fragile&& other) : counted<Fragile>(other), number(other.number) { faults::point(); }
  int number;
};

template <class Mutex>
using basic_dictionary = weakref::WeakValueDictionary<FaultyKey, Fragile, FaultyHash, FaultyEqual,
                                                      accounting_allocator<Fragile>, Mutex>;
using Dictionary = basic_dictionary<weakref::adaptive_mutex>;
using Contents = std::map<int, const Fragile*>;

Contents contents_of(const Dictionary& dictionary) {
  Contents contents;
  for (auto&& [key, value] : dictionary) contents.emplace(key.value, value.get());
  return contents;
}

// A dictionary with some living entries; a table so full that the next insertion may have to make it grow,
// for every such size.
struct Fixture {
  explicit Fixture(int entries, std::size_t shards)
      : dictionary(weakref::options{.shards = shards}, accounting_allocator<Fragile>(books)),
        other(weakref::options{.shards = shards}, accounting_allocator<Fragile>(books)) {
    for (int number = 1; number <= entries; ++number) {
      owners.push_back(weakref::make_tracked<Fragile>(number));
      dictionary.insert(FaultyKey(number), owners.back());
    }
    for (int number = entries; number < entries + 3; ++number) {
      owners.push_back(weakref::make_tracked<Fragile>(number));
      other.insert(FaultyKey(number), owners.back());
    }
    fresh = weakref::make_tracked<Fragile>(-1);
  }

  account books;
  Dictionary dictionary;
  Dictionary other;
  std::vector<std::shared_ptr<Fragile>> owners;
  std::shared_ptr<Fragile> fresh;
};

account& accounts() {
  static account books;
  return books;
}

struct Configuration {
  std::size_t shards;
  int entries;
  bool lasting;
};

// Empty tables, and full ones of several sizes, so that the operation may have to make them grow.
constexpr Configuration configurations[] = {
    {1, 0, false}, {1, 0, true}, {1, 1, false}, {1, 3, false}, {1, 4, false}, {1, 4, true},  {1, 8, false},
    {1, 9, false}, {1, 9, true}, {4, 0, false}, {4, 0, true},  {4, 9, false}, {4, 16, true}, {0, 9, false},
};

// The operation once, with the failure after `budget` calls. Returns whether it was through before that.
template <class Operation>
bool attempt(Operation& operation, const Configuration& configuration, long budget) {
  const long blocks = heap::blocks.load();
  const long keys = FaultyKey::alive();
  const long objects = Fragile::alive();
  bool completed = false;
  {
    Fixture fixture(configuration.entries, configuration.shards);
    const Contents before = contents_of(fixture.dictionary);
    const Contents other_before = contents_of(fixture.other);
    const long keys_before = FaultyKey::alive();
    const long objects_before = Fragile::alive();
    const std::size_t size_before = fixture.dictionary.size();
    long failures = 0;
    bool thrown = false;
    faults::arm(budget, configuration.lasting);
    try {
      operation(fixture);
      failures = faults::disarm();
    } catch (const injected&) {
      failures = faults::disarm();
      thrown = true;
    } catch (const std::bad_alloc&) {
      failures = faults::disarm();
      thrown = true;
    }
    // A failure that the operation swallowed is a failure that its caller was not told of.
    CHECK(thrown == (failures > 0));
    completed = !thrown;
    if (thrown) {
      CHECK(contents_of(fixture.dictionary) == before);
      CHECK(fixture.dictionary.size() == size_before);
      CHECK(contents_of(fixture.other) == other_before);
      CHECK(FaultyKey::alive() == keys_before);
      CHECK(Fragile::alive() == objects_before);
      CHECK(weakref::getweakrefcount(fixture.fresh) == 0);
      long held = 0;
      for (const auto& owner : fixture.owners) held += owner.use_count() - 1;
      CHECK(held == 0);
      // The same operation again, undisturbed, does what it would have done.
      operation(fixture);
    }
    fixture.owners.clear();
    fixture.fresh.reset();
    CHECK(fixture.dictionary.empty());
    CHECK(fixture.other.empty());
  }
  CHECK(FaultyKey::alive() == keys);
  CHECK(Fragile::alive() == objects);
  CHECK(heap::blocks.load() == blocks);
  return completed;
}

// Runs `operation` with one failure after another until it succeeds. Requires at least one of each, unless it
// can't fail.
template <class Operation>
void fail_everywhere(Operation operation, const Configuration& configuration, bool may_fail = true) {
  CAPTURE(configuration.shards);
  CAPTURE(configuration.entries);
  CAPTURE(configuration.lasting);
  constexpr long limit = 3000;
  long budget = 0;
  for (; budget < limit; ++budget) {
    CAPTURE(budget);
    if (attempt(operation, configuration, budget)) break;
  }
  CHECK(budget < limit);
  CHECK((budget > 0) == may_fail);
}

template <class Operation> void fail_everywhere(Operation operation, bool may_fail = true) {
  for (const Configuration& configuration : configurations)
    fail_everywhere(operation, configuration, may_fail);
}

} // namespace

TEST_CASE("strong guarantee: get, contains, at, visit of a present and an absent key") {
  fail_everywhere([](Fixture& f) {
    const FaultyKey present(1);
    const FaultyKey absent(100);
    (void)f.dictionary.get(present);
    (void)f.dictionary.get(absent);
    (void)f.dictionary.get(absent, f.fresh);
    (void)f.dictionary.contains(present);
    f.dictionary.visit(present, [](Fragile&) { faults::point(); });
  });
  fail_everywhere([](Fixture& f) {
    faults::point();
    if (!f.dictionary.empty()) (void)f.dictionary.at(FaultyKey(1));
  });
}

TEST_CASE("strong guarantee: insert of a new key") {
  fail_everywhere([](Fixture& f) { f.dictionary.insert(FaultyKey(100), f.fresh); });
}

// A dictionary that chooses its shards itself splits when it has grown to some size about here.
TEST_CASE("strong guarantee: an insertion that makes the dictionary split") {
  for (int entries = 250; entries < 275; ++entries)
    fail_everywhere([](Fixture& f) { f.dictionary.insert(FaultyKey(1000), f.fresh); },
                    Configuration{0, entries, false});
}

TEST_CASE("strong guarantee: insert of a key that is there") {
  fail_everywhere([](Fixture& f) { f.dictionary.insert(FaultyKey(1), f.fresh); });
}

TEST_CASE("strong guarantee: insert_or_assign") {
  fail_everywhere([](Fixture& f) { f.dictionary.insert_or_assign(FaultyKey(1), f.fresh); });
  fail_everywhere([](Fixture& f) { f.dictionary.insert_or_assign(FaultyKey(101), f.fresh); });
}

TEST_CASE("strong guarantee: insert_or_assign of a temporary owner over the last entry of another") {
  fail_everywhere(
      [](Fixture& f) { f.dictionary.insert_or_assign(FaultyKey(1), weakref::make_tracked<Fragile>(5)); });
}

TEST_CASE("strong guarantee: setdefault") {
  fail_everywhere([](Fixture& f) { (void)f.dictionary.setdefault(FaultyKey(1), f.fresh); });
  fail_everywhere([](Fixture& f) { (void)f.dictionary.setdefault(FaultyKey(101), f.fresh); });
}

TEST_CASE("strong guarantee: try_emplace") {
  fail_everywhere([](Fixture& f) { f.fresh = f.dictionary.try_emplace(FaultyKey(100), 4).first; });
  fail_everywhere([](Fixture& f) { (void)f.dictionary.try_emplace(FaultyKey(1), 4); });
}

TEST_CASE("strong guarantee: get_or_create, with each kind of result") {
  fail_everywhere([](Fixture& f) {
    f.fresh = f.dictionary.get_or_create(FaultyKey(100), [] {
      faults::point();
      return Fragile(4);
    });
  });
  fail_everywhere([](Fixture& f) {
    f.fresh = f.dictionary.get_or_create(FaultyKey(100), [](const FaultyKey& key) {
      faults::point();
      return std::make_unique<Fragile>(key.value);
    });
  });
  fail_everywhere([](Fixture& f) {
    f.fresh = f.dictionary.get_or_create(FaultyKey(100), [] {
      faults::point();
      return std::make_shared<Fragile>(4);
    });
  });
  fail_everywhere([](Fixture& f) {
    f.fresh = f.dictionary.get_or_create(FaultyKey(100), [] {
      faults::point();
      return weakref::make_tracked<Fragile>(4);
    });
  });
  fail_everywhere(
      [](Fixture& f) { (void)f.dictionary.get_or_create(FaultyKey(1), [] { return Fragile(4); }); });
}

TEST_CASE("strong guarantee: get_or_create whose factory stores an entry itself") {
  fail_everywhere([](Fixture& f) {
    std::shared_ptr<Fragile> winner;
    (void)f.dictionary.get_or_create(FaultyKey(100), [&] {
      winner = f.dictionary.try_emplace(FaultyKey(100), 5).first;
      return Fragile(4);
    });
  });
}

TEST_CASE("strong guarantee: a caller of get_or_create who fails while another runs the factory") {
  bool completed = false;
  long failures = 0;
  for (long budget = 0; !completed && budget < 100; ++budget) {
    CAPTURE(budget);
    basic_dictionary<waiting_mutex> dictionary(weakref::options{.shards = 1},
                                               accounting_allocator<Fragile>(accounts()));
    gate running;
    std::atomic<bool> failed{false};
    std::shared_ptr<Fragile> made;
    std::shared_ptr<Fragile> joined;
    std::thread creator([&] {
      made = dictionary.get_or_create(FaultyKey(1), [&] {
        running.open();
        while (!failed && waiting_mutex::waiting() == 0) std::this_thread::yield();
        return Fragile(1);
      });
    });
    running.wait();
    faults::arm(budget, false);
    try {
      joined = dictionary.get_or_create(FaultyKey(1), [] { return Fragile(2); });
      completed = true;
    } catch (const injected&) {
      ++failures;
    } catch (const std::bad_alloc&) {
      ++failures;
    }
    faults::disarm();
    failed = true;
    creator.join();
    CHECK(made != nullptr);
    CHECK((!completed || joined == made));
    CHECK(dictionary.get(FaultyKey(1)) == made);
  }
  CHECK(completed);
  CHECK(failures > 0);
  CHECK(FaultyKey::alive() == 0);
  CHECK(accounts().blocks == 0);
}

TEST_CASE("strong guarantee: pop and erase") {
  fail_everywhere([](Fixture& f) { (void)f.dictionary.pop(FaultyKey(1)); });
  fail_everywhere([](Fixture& f) { (void)f.dictionary.pop(FaultyKey(100), f.fresh); });
  fail_everywhere([](Fixture& f) { f.dictionary.erase(FaultyKey(1)); });
  fail_everywhere([](Fixture& f) { f.dictionary.erase(FaultyKey(100)); });
}

TEST_CASE("strong guarantee: popitem") {
  fail_everywhere([](Fixture& f) {
    faults::point();
    if (!f.dictionary.empty()) (void)f.dictionary.popitem();
  });
}

TEST_CASE("strong guarantee: erase_if") {
  fail_everywhere([](Fixture& f) {
    faults::point();
    f.dictionary.erase_if([](const FaultyKey& key, const std::shared_ptr<Fragile>&) {
      faults::point();
      return key.value % 2 == 1;
    });
  });
}

TEST_CASE("strong guarantee: reserve") {
  fail_everywhere([](Fixture& f) { f.dictionary.reserve(1000); });
}

TEST_CASE("strong guarantee: copy and copy assignment") {
  fail_everywhere([](Fixture& f) {
    faults::point();
    const Dictionary copy(f.dictionary);
    faults::point();
  });
  fail_everywhere([](Fixture& f) {
    faults::point();
    f.dictionary = f.other;
  });
}

TEST_CASE("strong guarantee: update from a range and from a dictionary") {
  fail_everywhere([](Fixture& f) {
    faults::point();
    f.dictionary.update(f.other);
  });
  fail_everywhere([](Fixture& f) {
    faults::point();
    std::vector<std::pair<FaultyKey, std::shared_ptr<Fragile>>> pairs;
    pairs.reserve(2);
    pairs.emplace_back(FaultyKey(1), f.fresh);
    pairs.emplace_back(FaultyKey(100), f.fresh);
    f.dictionary.update(pairs);
  });
}

TEST_CASE("strong guarantee: | and |=") {
  fail_everywhere([](Fixture& f) {
    faults::point();
    const Dictionary both = f.dictionary | f.other;
  });
  fail_everywhere([](Fixture& f) {
    faults::point();
    f.dictionary |= f.other;
  });
}

TEST_CASE("strong guarantee: ==") {
  fail_everywhere([](Fixture& f) {
    faults::point();
    (void)(f.dictionary == f.other);
    (void)(f.dictionary == f.dictionary);
  });
}

TEST_CASE("strong guarantee: construction from a range") {
  fail_everywhere([](Fixture& f) {
    faults::point();
    std::vector<std::pair<FaultyKey, std::shared_ptr<Fragile>>> pairs;
    pairs.reserve(3);
    for (int number = 1; number <= 3; ++number) pairs.emplace_back(FaultyKey(number), f.fresh);
    const Dictionary made(pairs, weakref::options{}, accounting_allocator<Fragile>(f.books));
  });
}

TEST_CASE("strong guarantee: iteration") {
  fail_everywhere([](Fixture& f) {
    for (auto&& [key, value] : f.dictionary) {
      faults::point();
      (void)key;
    }
    for (auto&& reference : f.dictionary.valuerefs()) (void)reference;
    for (auto&& key : f.dictionary.keys()) (void)key;
    faults::point();
  });
}

TEST_CASE("no failure: clear, swap, move, size and deaths neither allocate nor call the user") {
  fail_everywhere(
      [](Fixture& f) {
        f.owners.resize(f.owners.size() / 2);
        (void)f.dictionary.size();
        f.dictionary.swap(f.other);
        Dictionary moved(std::move(f.dictionary));
        f.dictionary = std::move(moved);
        f.owners.clear();
        f.dictionary.clear();
        f.other.clear();
      },
      false);
}

TEST_CASE("basic facts after a failure: a dictionary with std::string keys and the global heap") {
  using Names = weakref::WeakValueDictionary<std::string, Item>;
  const std::string base = "a name that is long enough to need memory of its own, number ";
  bool completed = false;
  long failures = 0;
  for (long budget = 0; !completed && budget < 2000; ++budget) {
    const long blocks = heap::blocks.load();
    {
      Names names;
      std::vector<std::shared_ptr<Item>> owners;
      owners.reserve(10);
      faults::arm(budget, false);
      try {
        for (int number = 0; number < 10; ++number)
          owners.push_back(names.get_or_create(base + std::to_string(number), [&] { return Item(number); }));
        completed = true;
      } catch (const std::bad_alloc&) {
        ++failures;
      }
      faults::disarm();
      CHECK(names.size() == owners.size());
      for (const auto& owner : owners) CHECK(names.get(base + std::to_string(owner->number)) == owner);
    }
    CHECK(heap::blocks.load() == blocks);
  }
  CHECK(completed);
  CHECK(failures > 10);
}
