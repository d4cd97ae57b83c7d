// SPDX-License-Identifier: BSL-1.0
// The table of what one thread may do while another does something else, row by row. Where the outcome does
// not depend on luck it is forced with gates; the rest are races, repeated, whose every outcome must be one
// of those allowed.
#include <weakref/weak_value_dictionary.hpp>

#include "../support/dictionary_keys.hpp"
#include "../support/dictionary_mutex.hpp"
#include "../support/dictionary_objects.hpp"
#include "../support/dictionary_threads.hpp"
#include "../support/refused.hpp"

#include <weakref/ref.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

using namespace dictionary_test;

using Items = weakref::WeakValueDictionary<int, Item>;
using Sessions = weakref::WeakValueDictionary<int, Session>;
using Mortals = weakref::WeakValueDictionary<int, Mortal>;

namespace {

constexpr unsigned rounds = 3000;

// An object that knows whether it is whole.
struct Whole : counted<Whole> {
  explicit Whole(int start = 0) : number(start), twice(2 * start) {}
  ~Whole() {
    number = -1;
    twice = -1;
  }
  bool whole() const noexcept { return twice == 2 * number && number >= 0; }
  int number;
  int twice;
};

struct WholeSession : weakref::enable_weakref, Whole {
  using Whole::Whole;
};

template <class T> struct maker;
template <> struct maker<Whole> {
  static std::shared_ptr<Whole> make(int number) { return weakref::make_tracked<Whole>(number); }
};
template <> struct maker<WholeSession> {
  static std::shared_ptr<WholeSession> make(int number) { return std::make_shared<WholeSession>(number); }
};

} // namespace

// --- row: drops the last owner | gets the key
// -----------------------------------------------------------------------------------

TEST_CASE_TEMPLATE("table: last owner dropped while another gets, visits and asks", T, Whole, WholeSession) {
  weakref::WeakValueDictionary<int, T> dictionary;
  std::shared_ptr<T> owner;
  std::atomic<int> wrong{0};
  int round = 0;
  race(
      rounds,
      [&] {
        owner = maker<T>::make(++round);
        dictionary.insert(1, owner);
      },
      [&] { owner.reset(); },
      [&] {
        switch (round % 4) {
        case 0:
          // 2: the looker may become the last owner; the death then happens here, outside every lock.
          if (const auto found = dictionary.get(1); found && (!found->whole() || found->number != round))
            ++wrong;
          break;
        case 1:
          dictionary.visit(1, [&](T& found) {
            if (!found.whole() || found.number != round) ++wrong;
          });
          break;
        case 2:
          (void)dictionary.contains(1);
          break;
        default:
          try {
            if (!dictionary.at(1)->whole()) ++wrong;
          } catch (const std::out_of_range&) {}
        }
      },
      [&] {
        if (dictionary.size() != 0 || dictionary.contains(1) || Whole::alive() != 0) ++wrong;
      });
  CHECK(wrong == 0);
}

// 2: in everything that looks at entries, the looker may find that it holds the last owner.
TEST_CASE("table: last owner dropped while another copies, compares, iterates, merges and pops") {
  weakref::WeakValueDictionary<int, Whole> dictionary(weakref::options{.shards = 2});
  weakref::WeakValueDictionary<int, Whole> twin;
  std::vector<std::shared_ptr<Whole>> owners;
  std::atomic<int> wrong{0};
  unsigned round = 0;
  const auto look = [&](const Whole& found) {
    if (!found.whole()) ++wrong;
  };
  race(
      rounds,
      [&] {
        ++round;
        for (int number = 0; number < 3; ++number) {
          owners.push_back(weakref::make_tracked<Whole>(number));
          dictionary.insert(number, owners.back());
          twin.insert(number, owners.back());
        }
      },
      [&] { owners.clear(); },
      [&] {
        switch (round % 8) {
        case 0: {
          const weakref::WeakValueDictionary<int, Whole> copy(dictionary);
          for (auto&& entry : copy) look(*entry.value);
          break;
        }
        case 1:
          (void)(dictionary == twin);
          break;
        case 2:
          for (auto&& entry : dictionary) look(*entry.value);
          break;
        case 3:
          for (auto&& value : dictionary.values()) look(*value);
          break;
        case 4: {
          const auto both = dictionary | twin;
          if (both.size() > 3) ++wrong;
          break;
        }
        case 5:
          if (const auto found = dictionary.pop(1)) look(*found);
          break;
        case 6:
          try {
            look(*dictionary.popitem().second);
          } catch (const std::out_of_range&) {}
          break;
        default:
          dictionary.erase_if([&](const int&, const std::shared_ptr<Whole>& value) {
            look(*value);
            return value->number == 1;
          });
        }
      },
      [&] {
        if (dictionary.size() != 0 || twin.size() != 0 || Whole::alive() != 0) ++wrong;
      });
  CHECK(wrong == 0);
}

// --- row: drops the last owner | stores a new object under the key
// --------------------------------------------------------------

// 1
TEST_CASE_TEMPLATE("table: last owner dropped while another stores a new object under the key", T, Whole,
                   WholeSession) {
  weakref::WeakValueDictionary<int, T> dictionary;
  std::shared_ptr<T> old;
  std::shared_ptr<T> fresh;
  std::shared_ptr<T> stored;
  std::atomic<int> wrong{0};
  int round = 0;
  race(
      rounds,
      [&] {
        ++round;
        stored.reset();
        fresh.reset();
        old = maker<T>::make(1);
        dictionary.insert(1, old);
        fresh = maker<T>::make(2);
      },
      [&] { old.reset(); },
      [&] {
        switch (round % 4) {
        case 0:
          stored = dictionary.insert(1, fresh).first;
          break;
        case 1:
          dictionary.insert_or_assign(1, fresh);
          stored = fresh;
          break;
        case 2:
          stored = dictionary.setdefault(1, fresh);
          break;
        default:
          stored = dictionary.get_or_create(1, [&] { return fresh; });
        }
      },
      [&] {
        // 6: what comes back is an object, never nothing; and it is what the dictionary holds.
        if (!stored || !stored->whole() || dictionary.get(1) != stored || dictionary.size() != 1) ++wrong;
        dictionary.erase(1);
      });
  CHECK(wrong == 0);
}

// Forced: the old object's destructor is running, and its eviction may still be to come, while the key gets a
// new object. 18, 20
TEST_CASE("table: a new object is made and stored while the old one's destructor is still running") {
  Mortals mortals;
  gate dying;
  gate stored;
  auto old = weakref::make_tracked<Mortal>(1, [&] {
    dying.open();
    stored.wait();
  });
  mortals.insert(1, old);
  std::thread killer([&] { old.reset(); });
  dying.wait();
  CHECK_FALSE(mortals.contains(1));
  CHECK(mortals.size() == 0);
  const auto fresh = mortals.get_or_create(1, [] { return std::make_unique<Mortal>(2); });
  CHECK(fresh->number == 2);
  CHECK(Mortal::alive() == 2);
  stored.open();
  killer.join();
  CHECK(mortals.get(1) == fresh);
  CHECK(mortals.size() == 1);
}

TEST_CASE("table: the same for an object tracked by its base, whose eviction comes after its destructor") {
  struct Slow : weakref::enable_weakref {
    explicit Slow(std::function<void()> words) : last_words(std::move(words)) {}
    ~Slow() {
      if (last_words) last_words();
    }
    std::function<void()> last_words;
  };
  weakref::WeakValueDictionary<int, Slow> dictionary;
  gate dying;
  gate stored;
  auto old = std::make_shared<Slow>([&] {
    dying.open();
    stored.wait();
  });
  dictionary.insert(1, old);
  std::thread killer([&] { old.reset(); });
  dying.wait();
  CHECK_FALSE(dictionary.contains(1));
  CHECK_FALSE(dictionary.visit(1, [](Slow&) {}));
  const auto fresh = std::make_shared<Slow>(nullptr);
  CHECK(dictionary.insert(1, fresh).second);
  CHECK(dictionary.get(1) == fresh);
  stored.open();
  killer.join();
  CHECK(dictionary.get(1) == fresh);
  CHECK(dictionary.size() == 1);
}

// --- row: drops the last owner | erases, pops, clears
// ---------------------------------------------------------------------------

TEST_CASE_TEMPLATE("table: last owner dropped while another takes the entry out: one side frees it", T, Whole,
                   WholeSession) {
  struct CountedKey : counted<CountedKey> {
    explicit CountedKey(int start) : value(start) {}
    int value;
    bool operator==(const CountedKey& other) const noexcept { return value == other.value; }
  };
  struct hasher {
    std::size_t operator()(const CountedKey& key) const noexcept {
      return static_cast<std::size_t>(key.value);
    }
  };
  weakref::WeakValueDictionary<CountedKey, T, hasher> dictionary;
  std::shared_ptr<T> owner;
  std::atomic<int> wrong{0};
  int round = 0;
  race(
      rounds,
      [&] {
        ++round;
        owner = maker<T>::make(1);
        dictionary.insert(CountedKey(1), owner);
        dictionary.insert(CountedKey(2), owner);
      },
      [&] { owner.reset(); },
      [&] {
        switch (round % 4) {
        case 0:
          dictionary.erase(CountedKey(1));
          break;
        case 1:
          (void)dictionary.pop(CountedKey(1));
          break;
        case 2:
          dictionary.clear();
          break;
        default:
          dictionary.erase_if([](const CountedKey&, const auto&) { return true; });
        }
      },
      [&] {
        if (dictionary.size() != 0 || CountedKey::alive() != 0 || Whole::alive() != 0) ++wrong;
      });
  CHECK(wrong == 0);
}

TEST_CASE("table: nobody who takes entries out waits for a destructor, a callback or a key's end on another "
          "thread") {
  struct SlowKey {
    int value = 0;
    std::shared_ptr<std::function<void()>> at_end{};
    SlowKey(int start) : value(start) {}
    SlowKey(SlowKey&&) noexcept = default;
    SlowKey& operator=(SlowKey&&) = delete;
    ~SlowKey() {
      if (at_end && at_end.use_count() == 1) (*at_end)();
    }
    bool operator==(const SlowKey& other) const noexcept { return value == other.value; }
  };
  struct hasher {
    std::size_t operator()(const SlowKey& key) const noexcept { return static_cast<std::size_t>(key.value); }
  };
  gate busy;
  gate done;
  const auto block = [&] {
    busy.open();
    done.wait();
  };
  weakref::WeakValueDictionary<SlowKey, Mortal, hasher> dictionary(weakref::options{.shards = 1});
  const auto kept = weakref::make_tracked<Mortal>(9);
  const auto second = weakref::make_tracked<Mortal>(8);
  std::shared_ptr<Mortal> owner;
  std::optional<weakref::ref<Mortal, std::function<void()>>> watcher;
  SUBCASE("in the referent's destructor") {
    owner = weakref::make_tracked<Mortal>(1, block);
    dictionary.insert(SlowKey(1), owner);
  }
  SUBCASE("in a callback") {
    owner = weakref::make_tracked<Mortal>(1);
    dictionary.insert(SlowKey(1), owner);
    watcher.emplace(owner, std::function<void()>(block));
  }
  SUBCASE("in a key's destructor") {
    owner = weakref::make_tracked<Mortal>(1);
    SlowKey key(1);
    key.at_end = std::make_shared<std::function<void()>>(block);
    dictionary.insert(std::move(key), owner);
  }
  dictionary.insert(SlowKey(2), kept);
  dictionary.insert(SlowKey(3), kept);
  std::thread killer([&] { owner.reset(); });
  busy.wait();
  CHECK(dictionary.size() == 2);
  CHECK_FALSE(dictionary.erase(SlowKey(1)));
  CHECK(dictionary.pop(SlowKey(1)) == nullptr);
  CHECK(dictionary.insert(SlowKey(1), second).second);
  CHECK(dictionary.erase(SlowKey(2)));
  CHECK(dictionary.get(SlowKey(3)) == kept);
  int seen = 0;
  for (auto&& entry : dictionary) seen += entry.value != nullptr;
  CHECK(seen == 2);
  dictionary.clear();
  CHECK(dictionary.empty());
  done.open();
  killer.join();
  CHECK(dictionary.empty());
}

// The one wait that is allowed: for a visit in that very shard; and a visit elsewhere delays nobody.
TEST_CASE("table: a visit delays nobody in another dictionary") {
  Items visited(weakref::options{.shards = 1});
  Items other(weakref::options{.shards = 1});
  auto one = item(1);
  auto two = item(2);
  visited.insert(1, one);
  other.insert(1, one);
  other.insert(2, two);
  gate inside;
  gate leave;
  std::thread visitor([&] {
    visited.visit(1, [&](Item&) {
      inside.open();
      leave.wait();
    });
  });
  inside.wait();
  CHECK(other.get(1) == one);
  CHECK(other.erase(1));
  two.reset();
  CHECK(other.empty());
  CHECK(visited.size() <= 1);
  leave.open();
  visitor.join();
  CHECK(visited.get(1) == one);
}

struct Watchful {
  explicit Watchful(std::atomic<bool>& flag) : destroyed(flag) {}
  ~Watchful() { destroyed = true; }
  std::atomic<bool>& destroyed;
};
struct WatchfulSession : weakref::enable_weakref, Watchful {
  using Watchful::Watchful;
};

// An object that is tracked by its base is destroyed before it is evicted; there it is an owner that keeps it
// whole.
TEST_CASE_TEMPLATE("table: an object that is visited does not end before the visit does", T, Watchful,
                   WatchfulSession) {
  weakref::WeakValueDictionary<int, T> dictionary;
  std::atomic<bool> destroyed{false};
  std::shared_ptr<T> owner;
  if constexpr (std::is_same_v<T, Watchful>)
    owner = weakref::make_tracked<T>(destroyed);
  else
    owner = std::make_shared<T>(destroyed);
  dictionary.insert(1, owner);
  gate inside;
  std::atomic<bool> dropping{false};
  std::atomic<bool> early{false};
  std::thread visitor([&] {
    dictionary.visit(1, [&](T& found) {
      inside.open();
      while (!dropping) std::this_thread::yield();
      for (int turn = 0; turn < 1000; ++turn) {
        if (found.destroyed) early = true;
        std::this_thread::yield();
      }
    });
  });
  inside.wait();
  dropping = true;
  owner.reset();
  visitor.join();
  CHECK_FALSE(early);
  CHECK(destroyed);
  CHECK(dictionary.size() == 0);
}

// Step 1 of a death: from the moment the count is zero every dictionary treats the entry as absent, also
// while the rest of the death waits for the end of a visit elsewhere.
TEST_CASE_TEMPLATE("table: an entry is absent from the moment its last owner is gone, on every thread", T,
                   Whole, WholeSession) {
  weakref::WeakValueDictionary<int, T> dictionary(weakref::options{.shards = 1});
  weakref::WeakValueDictionary<int, T> twin;
  Items elsewhere(weakref::options{.shards = 1});
  const auto one = item(1);
  elsewhere.insert(1, one);
  auto doomed = maker<T>::make(1);
  const auto fresh = maker<T>::make(2);
  for (const int key : {1, 2, 3, 4}) dictionary.insert(key, doomed);
  const weakref::ref<T> seen(doomed);
  gate dropped;
  gate checked;
  std::thread visitor([&] {
    elsewhere.visit(1, [&](Item&) {
      doomed.reset();
      dropped.open();
      checked.wait();
    });
  });
  dropped.wait();
  CHECK(seen.expired());
  CHECK(dictionary.get(1) == nullptr);
  CHECK_FALSE(dictionary.contains(1));
  CHECK_FALSE(dictionary.visit(1, [](T&) {}));
  CHECK_FALSE(dictionary.erase(1));
  CHECK(dictionary.pop(1) == nullptr);
  CHECK_THROWS_AS((void)dictionary.at(1), std::out_of_range);
  CHECK_THROWS_AS((void)dictionary.popitem(), std::out_of_range);
  CHECK(dictionary.begin() == dictionary.end());
  CHECK(dictionary == twin);
  CHECK(dictionary.erase_if([](const int&, const auto&) { return true; }) == 0);
  twin = dictionary;
  CHECK(twin.empty());
  // 6, 18
  CHECK(dictionary.insert(1, fresh).second);
  CHECK(dictionary.setdefault(2, fresh) == fresh);
  CHECK(dictionary.insert_or_assign(3, fresh));
  CHECK(dictionary.get_or_create(4, [&] { return fresh; }) == fresh);
  checked.open();
  visitor.join();
  // 1
  for (const int key : {1, 2, 3, 4}) CHECK(dictionary.get(key) == fresh);
  CHECK(dictionary.size() == 4);
}

// --- row: drops the last owner | destroys the container
// -------------------------------------------------------------------------

TEST_CASE_TEMPLATE("table: last owner dropped while another destroys, moves or assigns the dictionary", T,
                   Whole, WholeSession) {
  using Dictionary = weakref::WeakValueDictionary<int, T>;
  std::unique_ptr<Dictionary> dictionary;
  std::vector<std::shared_ptr<T>> owners;
  std::atomic<int> wrong{0};
  int round = 0;
  race(
      rounds,
      [&] {
        ++round;
        dictionary = std::make_unique<Dictionary>(weakref::options{.shards = 2});
        for (int number = 0; number < 4; ++number) {
          owners.push_back(maker<T>::make(number));
          dictionary->insert(number, owners.back());
          dictionary->insert(10 + number, owners.back());
        }
      },
      [&] { owners.clear(); },
      [&] {
        switch (round % 4) {
        case 0:
          dictionary.reset();
          break;
        case 1: {
          const Dictionary moved(std::move(*dictionary));
          break;
        }
        case 2:
          *dictionary = Dictionary();
          break;
        default: {
          Dictionary other;
          other.swap(*dictionary);
          (void)other.size();
        }
        }
      },
      [&] {
        if (dictionary && !dictionary->empty()) ++wrong;
        if (Whole::alive() != 0) ++wrong;
      });
  CHECK(wrong == 0);
}

// 11
TEST_CASE("table: no wait on user code when a dictionary is destroyed while its object's destructor runs") {
  auto mortals = std::make_unique<Mortals>();
  gate dying;
  gate gone;
  auto owner = weakref::make_tracked<Mortal>(1, [&] {
    dying.open();
    gone.wait();
  });
  mortals->insert(1, owner);
  std::thread killer([&] { owner.reset(); });
  dying.wait();
  mortals.reset();
  gone.open();
  killer.join();
  CHECK(Mortal::alive() == 0);
}

// Forced: the death has begun, and waits for the end of a visit elsewhere, when the dictionary ends, or
// forgets the entry.
TEST_CASE("table: a dictionary may end, or be cleared, while the death of its object is put off") {
  auto dictionary = std::make_unique<weakref::WeakValueDictionary<LoudKey, Whole>>();
  Items elsewhere;
  const auto one = item(1);
  elsewhere.insert(1, one);
  auto doomed = maker<Whole>::make(1);
  for (int key = 0; key < 10; ++key) dictionary->insert(LoudKey(key), doomed);
  gate dropped;
  gate ended;
  std::thread visitor([&] {
    elsewhere.visit(1, [&](Item&) {
      doomed.reset();
      dropped.open();
      ended.wait();
    });
  });
  dropped.wait();
  CHECK(Whole::alive() == 1);
  SUBCASE("end") { dictionary.reset(); }
  SUBCASE("clear") {
    dictionary->clear();
    CHECK(dictionary->empty());
  }
  SUBCASE("move, then end") {
    auto moved = std::make_unique<weakref::WeakValueDictionary<LoudKey, Whole>>(std::move(*dictionary));
    dictionary.reset();
    moved.reset();
  }
  ended.open();
  visitor.join();
  CHECK(Whole::alive() == 0);
  CHECK(LoudKey::alive() == 0);
}

// --- row: drops the last owner | destroys a ref to it
// ---------------------------------------------------------------------------

TEST_CASE("table: last owner dropped while another destroys a ref with a callback") {
  Items items;
  std::shared_ptr<Item> owner;
  std::atomic<int> calls{0};
  std::atomic<int> wrong{0};
  std::atomic<bool> ref_gone{false};
  int before = 0;
  const auto callback = [&] {
    ++calls;
    if (ref_gone) ++wrong;
    if (items.contains(1)) ++wrong;
  };
  std::optional<weakref::ref<Item, decltype(callback)>> watcher;
  race(
      rounds,
      [&] {
        owner = item(1);
        items.insert(1, owner);
        ref_gone = false;
        before = calls;
        watcher.emplace(owner, callback);
      },
      [&] { owner.reset(); },
      [&] {
        watcher.reset();
        ref_gone = true;
      },
      [&] {
        if (calls - before > 1 || items.size() != 0) ++wrong;
      });
  CHECK(wrong == 0);
}

// --- row: inside A.visit, killing what B holds | inside B.visit, killing what A holds
// -------------------------------------------

// 21
TEST_CASE("table: two visits that kill across dictionaries") {
  for (int round = 0; round < 200; ++round) {
    Mortals left(weakref::options{.shards = 1});
    Mortals right(weakref::options{.shards = 1});
    const auto left_stays = weakref::make_tracked<Mortal>(1);
    const auto right_stays = weakref::make_tracked<Mortal>(2);
    std::atomic<int> destroyed{0};
    const auto words = [&] {
      ++destroyed;
      (void)left.size();
      (void)right.contains(2);
    };
    auto in_left = weakref::make_tracked<Mortal>(3, words);
    auto in_right = weakref::make_tracked<Mortal>(4, words);
    left.insert(1, left_stays);
    left.insert(2, in_left);
    right.insert(1, right_stays);
    right.insert(2, in_right);
    meeting both_inside(2);
    const auto visit_and_kill = [&](Mortals& visited, std::shared_ptr<Mortal>& victim) {
      visited.visit(1, [&](Mortal&) {
        both_inside.arrive_and_wait();
        victim.reset();
        both_inside.arrive_and_wait();
      });
    };
    std::thread other([&] { visit_and_kill(left, in_right); });
    visit_and_kill(right, in_left);
    other.join();
    CHECK(destroyed == 2);
    CHECK(left.size() == 1);
    CHECK(right.size() == 1);
  }
}

// 10, 21
TEST_CASE("table: two comparisons that kill across dictionaries") {
  struct Meeting {
    int value;
    std::function<void()>* hook;
    bool operator==(const Meeting& other) const {
      // Either side may be the key that is looked for.
      for (std::function<void()>* const each : {hook, other.hook})
        if (each != nullptr) (*each)();
      return value == other.value;
    }
  };
  struct hasher {
    std::size_t operator()(const Meeting& key) const noexcept { return static_cast<std::size_t>(key.value); }
  };
  using Dictionary = weakref::WeakValueDictionary<Meeting, Item, hasher>;
  Dictionary left(weakref::options{.shards = 1});
  Dictionary right(weakref::options{.shards = 1});
  const auto stays = item(1);
  auto in_left = item(2);
  auto in_right = item(3);
  left.insert(Meeting{1, nullptr}, stays);
  left.insert(Meeting{2, nullptr}, in_left);
  right.insert(Meeting{1, nullptr}, stays);
  right.insert(Meeting{2, nullptr}, in_right);
  meeting both_inside(2);
  const auto compare_and_kill = [&](Dictionary& dictionary, std::shared_ptr<Item>& victim) {
    std::function<void()> once = [&, run = false]() mutable {
      if (std::exchange(run, true)) return;
      both_inside.arrive_and_wait();
      victim.reset();
      both_inside.arrive_and_wait();
    };
    return dictionary.get(Meeting{1, &once});
  };
  std::shared_ptr<Item> found;
  std::thread other([&] { found = compare_and_kill(left, in_right); });
  CHECK(compare_and_kill(right, in_left) == stays);
  other.join();
  CHECK(found == stays);
  CHECK(left.size() == 1);
  CHECK(right.size() == 1);
  CHECK(Item::alive() == 1);
}

TEST_CASE("table: crossing visits that store or erase in the other dictionary are refused, not deadlocked") {
  Items left(weakref::options{.shards = 1});
  Items right(weakref::options{.shards = 1});
  const auto one = item(1);
  left.insert(1, one);
  right.insert(1, one);
  meeting both_inside(2);
  std::atomic<int> refused{0};
  const auto cross = [&](Items& visited, Items& other) {
    visited.visit(1, [&](Item&) {
      both_inside.arrive_and_wait();
      if (support::refused<std::logic_error>([&] { other.erase(1); })) ++refused;
      if (support::refused<std::logic_error>([&] { other.visit(1, [](Item&) {}); })) ++refused;
      both_inside.arrive_and_wait();
    });
  };
  std::thread other([&] { cross(left, right); });
  cross(right, left);
  other.join();
  CHECK(refused == 4);
  CHECK(left.size() == 1);
  CHECK(right.size() == 1);
}

// --- row: runs a factory | gets that key
// ----------------------------------------------------------------------------------------

TEST_CASE("table: while a factory runs, every other operation goes on, and the key is absent") {
  Items items(weakref::options{.shards = 1});
  const auto other = item(9);
  items.insert(9, other);
  gate running;
  gate finish;
  std::shared_ptr<Item> made;
  std::thread creator([&] {
    made = items.get_or_create(1, [&] {
      running.open();
      finish.wait();
      return Item(1);
    });
  });
  running.wait();
  CHECK(items.get(1) == nullptr);
  CHECK_FALSE(items.contains(1));
  CHECK_FALSE(items.visit(1, [](Item&) {}));
  CHECK_FALSE(items.erase(1));
  CHECK(items.pop(1) == nullptr);
  CHECK_THROWS_AS((void)items.at(1), std::out_of_range);
  CHECK(items.size() == 1);
  CHECK(items.get(9) == other);
  // A slow key delays no other.
  const auto second = items.get_or_create(2, [] { return Item(2); });
  CHECK(items.size() == 2);
  int seen = 0;
  for (auto&& entry : items) seen += entry.key != 1;
  CHECK(seen == 2);
  finish.open();
  creator.join();
  CHECK(items.get(1) == made);
}

// --- row: iterates | anything
// ---------------------------------------------------------------------------------------------------

// 8
TEST_CASE("table: iteration while others store, erase, clear, rehash and drop owners") {
  weakref::WeakValueDictionary<int, Whole> dictionary(weakref::options{.shards = 4});
  std::vector<std::shared_ptr<Whole>> stay;
  for (int number = 0; number < 50; ++number) {
    stay.push_back(weakref::make_tracked<Whole>(number));
    dictionary.insert(number, stay.back());
  }
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  together(3, [&](unsigned thread) {
    if (thread == 0) {
      for (int turn = 0; turn < 150; ++turn) {
        std::vector<int> seen(50, 0);
        for (auto&& [key, value] : dictionary) {
          if (!value->whole()) ++wrong;
          if (key < 50) ++seen[static_cast<std::size_t>(key)];
        }
        for (const int times : seen)
          if (times != 1) ++wrong;
        int keys = 0;
        for (const int key : dictionary.keys()) keys += key < 50;
        if (keys != 50) ++wrong;
      }
      stop = true;
      return;
    }
    std::vector<std::shared_ptr<Whole>> owners(64);
    const int base = 1000 * static_cast<int>(thread);
    for (unsigned step = 0; !stop; ++step) {
      const int number = base + static_cast<int>(step * 2654435761u % 512u);
      auto& place = owners[step % 64];
      switch (step % 5) {
      case 0:
        place = dictionary.get_or_create(number, [&] { return std::make_unique<Whole>(number); });
        break;
      case 1:
        place = weakref::make_tracked<Whole>(number);
        dictionary.insert_or_assign(number, place);
        break;
      case 2:
        dictionary.erase(number);
        break;
      case 3:
        place.reset();
        break;
      default:
        if (step % 100 == 4)
          dictionary.reserve(1000 + step % 5000);
        else
          dictionary.erase_if([&](const int& key, const auto&) { return key == number; });
      }
    }
  });
  CHECK(wrong == 0);
  CHECK(dictionary.size() == 50);
}

TEST_CASE("table: iteration while another clears") {
  Items items;
  std::vector<std::shared_ptr<Item>> owners;
  for (int number = 0; number < 16; ++number) owners.push_back(item(number));
  std::atomic<int> wrong{0};
  race(
      rounds / 4,
      [&] {
        for (int number = 0; number < 16; ++number)
          items.insert(number, owners[static_cast<std::size_t>(number)]);
      },
      [&] { items.clear(); },
      [&] {
        for (auto&& [key, value] : items)
          if (value->number != key) ++wrong;
      },
      [&] {
        if (!items.empty()) ++wrong;
      });
  CHECK(wrong == 0);
  for (const auto& owner : owners) CHECK(weakref::getweakrefcount(owner) == 0);
}

TEST_CASE(
    "table: an iterator that holds the last owner, on one thread, and the end of the dictionary on another") {
  std::unique_ptr<Items> items;
  std::optional<Items::iterator> position;
  std::atomic<int> wrong{0};
  race(
      rounds / 4,
      [&] {
        items = std::make_unique<Items>();
        auto one = items->try_emplace(1, 1).first;
        auto two = items->try_emplace(2, 2).first;
        position.emplace(items->begin());
      },
      [&] { items.reset(); },
      [&] {
        if ((**position).value->number < 1) ++wrong;
        ++*position;
        position.reset();
      },
      [&] {
        if (Item::alive() != 0) ++wrong;
      });
  CHECK(wrong == 0);
}

// --- more than two
// --------------------------------------------------------------------------------------------------------------

// 6
TEST_CASE("table: of several insertions of one key exactly one wins, and all are told which") {
  Items items;
  std::atomic<int> wrong{0};
  for (int round = 0; round < 300; ++round) {
    std::vector<std::shared_ptr<Item>> results(4);
    std::atomic<int> stored{0};
    together(4, [&](unsigned thread) {
      const auto mine = item(static_cast<int>(thread));
      switch ((thread + static_cast<unsigned>(round)) % 4) {
      case 0: {
        const auto [owner, fresh] = items.insert(1, mine);
        results[thread] = owner;
        stored += fresh;
        break;
      }
      case 1:
        results[thread] = items.setdefault(1, mine);
        stored += results[thread] == mine;
        break;
      case 2: {
        const auto [owner, fresh] = items.try_emplace(1, static_cast<int>(thread));
        results[thread] = owner;
        stored += fresh;
        break;
      }
      default: {
        bool ran = false;
        results[thread] = items.get_or_create(1, [&] {
          ran = true;
          return mine;
        });
        stored += ran && results[thread] == mine;
      }
      }
      // Nobody lets go before all have asked: results keeps each owner.
    });
    for (const auto& result : results)
      if (!result || result != results[0]) ++wrong;
    if (stored != 1 || items.get(1) != results[0]) ++wrong;
  }
  CHECK(wrong == 0);
  CHECK(items.empty());
}

// 11: a thread that is still at work when the process exits. Its dictionary is never destroyed; the library's
// own state must not be either.
namespace {
struct at_exit {
  ~at_exit() {
    if (!wanted) return;
    static Items& forever = *new Items;
    static std::atomic<unsigned> turns{0};
    std::thread([] {
      for (;;) {
        const auto owner = forever.get_or_create(static_cast<int>(turns % 7), [] { return Item(1); });
        const weakref::ref watcher(owner, [] {});
        forever.visit(1, [](Item&) {});
        ++turns;
      }
    }).detach();
    while (turns < 100) std::this_thread::yield();
  }
  bool wanted = false;
};
at_exit busy_at_exit;
} // namespace

TEST_CASE("table: a thread may still use a dictionary while the process exits") {
  busy_at_exit.wanted = true;
  CHECK(Item::alive() == 0);
}

TEST_CASE("table: nothing of these tests is left") {
  CHECK(Item::alive() == 0);
  CHECK(Whole::alive() == 0);
  CHECK(Mortal::alive() == 0);
}
