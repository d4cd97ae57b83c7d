// SPDX-License-Identifier: BSL-1.0
//
// The death of an object, step by step: who hears of it, in which order, and what the world looks like
// meanwhile.
#include <weakref/referent.hpp>

#include <weakref/ref.hpp>
#include <weakref/weak_key_dictionary.hpp>
#include <weakref/weak_set.hpp>
#include <weakref/weak_value_dictionary.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../support/child.hpp"
#include "../support/counting_new.hpp"
#include "../support/journal.hpp"
#include "../support/threads.hpp"
#include "../support/unraisable.hpp"
#include "../support/ways.hpp"

namespace {

using support::gate;
using support::give_way;
using support::heap_watch;
using support::joining_thread;
using support::journal;
using support::last_words;

using support::every_way;
using support::object;

using callback = std::function<void()>;
using watcher = weakref::ref<object, callback>;
using cache = weakref::WeakValueDictionary<int, object>;
using by_name = weakref::WeakValueDictionary<std::string, object>;

// -- order of callbacks ---------------------------------------------------------------------------

TEST_CASE("death: callbacks run newest first, each once, when the last owner lets go") {
  for (const auto& way : every_way) {
    CAPTURE(way.name);
    journal log;
    auto owner = way.make();
    auto second_owner = owner;
    const watcher first(owner, [&] { log("first"); });
    const watcher second(owner, [&] { log("second"); });
    const watcher third(owner, [&] { log("third"); });
    owner.reset();
    CHECK(log.text().empty());
    second_owner.reset();
    CHECK(log.text() == "third second first");
    CHECK(object::alive() == 0);
  }
}

TEST_CASE("death: inside a callback every ref is dead, its own, older, newer and plain ones") {
  for (const auto& way : every_way) {
    CAPTURE(way.name);
    auto owner = way.make();
    const weakref::ref<object> plain(owner);
    int looked = 0;
    std::array<const weakref::ref<object>*, 4> all{&plain, nullptr, nullptr, nullptr};
    const callback look = [&] {
      for (const auto* r : all) {
        ++looked;
        CHECK(r->expired());
        CHECK_FALSE((*r)());
      }
    };
    const watcher a(owner, look);
    const watcher b(owner, look);
    const watcher c(owner, look);
    all = {&plain, &a, &b, &c};
    owner.reset();
    CHECK(looked == 12);
  }
}

TEST_CASE("death: the referent's destructor runs after the callbacks, and before it for enable_weakref") {
  journal log;
  auto whole = weakref::make_tracked<last_words>(log, "made");
  const weakref::ref a(whole, [&] { log("callback"); });
  whole.reset();
  CHECK(log.text() == "callback ~made");

  struct speaks : weakref::enable_weakref {
    explicit speaks(journal& j) : words(j, "enabled") {}
    last_words words;
  };
  journal other;
  auto self = std::make_shared<speaks>(other);
  const weakref::ref b(self, [&] { other("callback"); });
  self.reset();
  CHECK(other.text() == "~enabled callback");
}

// -- containers before callbacks ------------------------------------------------------------------

TEST_CASE("death: every container has forgotten the object before the first callback runs") {
  for (const auto& way : every_way) {
    CAPTURE(way.name);
    by_name before;
    by_name between;
    by_name after;
    auto owner = way.make();
    int looked = 0;
    const callback look = [&] {
      ++looked;
      for (auto* dictionary : {&before, &between, &after}) {
        CHECK(dictionary->size() == 0);
        CHECK(dictionary->empty());
        CHECK_FALSE(dictionary->contains("key"));
        CHECK_FALSE(dictionary->get("key"));
        CHECK_FALSE(dictionary->visit("key", [](object&) { FAIL_CHECK("visited a dead object"); }));
      }
    };
    // Registered in every order relative to the entries.
    const watcher first(owner, look);
    before.insert("key", owner);
    const watcher oldest(owner, look);
    between.insert("key", owner);
    between.insert("second key", owner);
    const watcher newest(owner, look);
    after.insert("key", owner);
    CHECK(weakref::getweakrefcount(owner) == 7);
    CHECK(weakref::getweakrefs(owner).size() == 7);
    owner.reset();
    CHECK(looked == 3);
    CHECK(object::alive() == 0);
  }
}

struct loud_key {
  int number = 0;
  std::shared_ptr<last_words> words;
  std::shared_ptr<std::function<void()>> at_end;
  loud_key(int n, journal& log, std::function<void()> f = {})
      : number(n),
        words(std::make_shared<last_words>(log, "key")),
        at_end(std::make_shared<std::function<void()>>(std::move(f))) {}
  loud_key(const loud_key&) = default;
  loud_key(loud_key&&) = default;
  loud_key& operator=(const loud_key&) = delete;
  loud_key& operator=(loud_key&&) = delete;
  ~loud_key() {
    if (words.use_count() == 1 && at_end && *at_end) (*at_end)();
  }
  bool operator==(const loud_key& other) const { return number == other.number; }
};
inline std::size_t hash_value(const loud_key& key) noexcept { return static_cast<std::size_t>(key.number); }

// Failure mode 3.
TEST_CASE("death: keys are destroyed before the callbacks and the object, with no lock held") {
  journal log;
  weakref::WeakValueDictionary<loud_key, last_words> dictionary;
  auto other = weakref::make_tracked<last_words>(log, "other");
  dictionary.insert(loud_key(2, log), other);
  auto owner = weakref::make_tracked<last_words>(log, "object");
  const weakref::ref on_death(owner, [&] { log("callback"); });
  dictionary.insert(loud_key(1, log,
                             [&] {
                               log("key-ends");
                               CHECK(dictionary.size() == 1); // would not return if a lock were held
                               CHECK(dictionary.contains(loud_key(2, log)));
                             }),
                    owner);
  owner.reset();
  CHECK(log.text() == "key-ends ~key ~key callback ~object"); // the first ~key is that of the look-up
}

TEST_CASE("death: before the first key or mapped value goes every container has forgotten the object") {
  for (const auto& way : every_way) {
    CAPTURE(way.name);
    struct in_all {
      weakref::WeakValueDictionary<loud_key, object> older;
      weakref::WeakKeyDictionary<object, loud_key> mapped;
      weakref::WeakSet<object> set;
      weakref::WeakValueDictionary<loud_key, object> newer;
      std::size_t size() const { return older.size() + mapped.size() + set.size() + newer.size(); }
    };
    in_all containers;
    journal log;
    int ended = 0;
    std::size_t left = 0;
    const auto look = [&] {
      ++ended;
      left += containers.size();
    };
    auto owner = way.make();
    containers.older.insert(loud_key(1, log, look), owner);
    containers.mapped.insert(owner, loud_key(2, log, look));
    containers.set.add(owner);
    containers.newer.insert(loud_key(3, log, look), owner);
    CHECK(containers.size() == 4);
    CHECK(ended == 0);
    owner.reset();
    CHECK(ended == 3);
    CHECK(left == 0);
  }
}

TEST_CASE("death: a key's destructor may destroy refs that have not had their turn") {
  for (const std::size_t survivors : {0U, 1U, 2U}) {
    journal log;
    weakref::WeakValueDictionary<loud_key, last_words> dictionary;
    std::vector<std::unique_ptr<weakref::ref<last_words, callback>>> refs;
    auto owner = weakref::make_tracked<last_words>(log, "object");
    dictionary.insert(loud_key(1, log, [&] { refs.resize(survivors); }), owner);
    for (const char* name : {"oldest", "middle", "newest"}) {
      refs.push_back(
          std::make_unique<weakref::ref<last_words, callback>>(owner, [&log, name] { log(name); }));
    }
    owner.reset();
    const std::array<const char*, 3> expected{"~key ~object", "~key oldest ~object",
                                              "~key middle oldest ~object"};
    CHECK(log.text() == expected[survivors]);
  }
}

TEST_CASE("death: the referent's destructor finds the containers without it and may use them") {
  struct cached {
    weakref::WeakValueDictionary<int, cached>* home;
    int* found;
    explicit cached(weakref::WeakValueDictionary<int, cached>& h, int& f) : home(&h), found(&f) {}
    ~cached() {
      if (home->contains(1)) ++*found;
      home->erase(1);
      home->clear();
    }
  };
  weakref::WeakValueDictionary<int, cached> dictionary;
  int found = 0;
  auto owner = weakref::make_tracked<cached>(dictionary, found);
  dictionary.insert(1, owner);
  owner.reset();
  CHECK(found == 0);
  CHECK(dictionary.empty());
}

TEST_CASE("death: an enable_weakref object is absent from count zero on, also while its destructor runs") {
  struct cached : weakref::enable_weakref {
    weakref::WeakValueDictionary<int, cached>* home;
    bool absent = false;
    bool* result;
    cached(weakref::WeakValueDictionary<int, cached>& h, bool& r) : home(&h), result(&r) {}
    ~cached() {
      *result = !home->contains(1) && !home->get(1) && !home->visit(1, [](cached&) {}) && !home->pop(1);
    }
  };
  weakref::WeakValueDictionary<int, cached> dictionary;
  bool absent = false;
  auto owner = std::make_shared<cached>(dictionary, absent);
  dictionary.insert(1, owner);
  owner.reset();
  CHECK(absent);
  CHECK(dictionary.size() == 0);
}

// Failure mode 1.
TEST_CASE("death: only the dead object's own entry leaves, a newer one under the same key stays") {
  struct cached : weakref::enable_weakref {
    explicit cached(weakref::WeakValueDictionary<int, cached>* h, std::shared_ptr<cached>* n)
        : home(h), next(n) {}
    ~cached() {
      if (home == nullptr) return;
      *next = std::make_shared<cached>(nullptr, nullptr);
      CHECK(home->insert(1, *next).second); // its own entry is dead, though not yet evicted
    }
    weakref::WeakValueDictionary<int, cached>* home;
    std::shared_ptr<cached>* next;
  };
  weakref::WeakValueDictionary<int, cached> dictionary;
  std::shared_ptr<cached> next;
  auto owner = std::make_shared<cached>(&dictionary, &next);
  dictionary.insert(1, owner);
  owner.reset();
  REQUIRE(next);
  CHECK(dictionary.get(1) == next);
  CHECK(dictionary.size() == 1);
}

// Failure mode 15.
TEST_CASE("death: a container entry does not keep the dead object's memory") {
  cache dictionary;
  dictionary.reserve(8);
  auto warm_up = weakref::make_tracked<object>(1);
  dictionary.insert(1, warm_up);
  warm_up.reset();
  const heap_watch heap;
  auto owner = weakref::make_tracked<object>(1);
  dictionary.insert(1, owner);
  owner.reset();
  CHECK(heap.kept() == 0);
}

// Failure mode 16.
TEST_CASE("death: an object under many keys and in many dictionaries leaves them all") {
  constexpr int dictionaries = 50;
  constexpr int keys = 200;
  std::vector<cache> all(dictionaries);
  auto owner = weakref::make_tracked<object>(1);
  auto bystander = weakref::make_tracked<object>(2);
  for (auto& dictionary : all) {
    for (int key = 0; key != keys; ++key) dictionary.insert(key, owner);
    dictionary.insert(-1, bystander);
  }
  CHECK(weakref::getweakrefcount(owner) == static_cast<std::size_t>(dictionaries) * keys);
  std::size_t left_at_callback = 0;
  const watcher on_death(owner, [&] {
    for (auto& dictionary : all) left_at_callback += dictionary.size();
  });
  owner.reset();
  CHECK(left_at_callback == dictionaries);
  for (auto& dictionary : all) CHECK(dictionary.get(-1) == bystander);
}

// -- refs that go during the death ----------------------------------------------------------------

// Refs are numbered from the oldest; the newest is called first. victims[i] says, bit by bit, which refs the
// callback of ref i destroys, itself included.
template <std::size_t Count>
void check_arrangement(const support::way& way, const std::array<unsigned, Count>& victims) {
  std::string expected;
  unsigned gone = 0;
  for (std::size_t i = Count; i-- != 0;) {
    if (gone & (1U << i)) continue;
    expected += static_cast<char>('0' + i);
    gone |= victims[i];
  }

  std::string called;
  std::array<std::unique_ptr<watcher>, Count> refs;
  auto owner = way.make();
  for (std::size_t i = 0; i != Count; ++i) {
    refs[i] = std::make_unique<watcher>(owner, [&called, &refs, &victims, i] {
      // The closure may go with its ref: what is needed afterwards has to be on the stack.
      auto* const all = &refs;
      const unsigned chosen = victims[i];
      called += static_cast<char>('0' + i);
      for (std::size_t k = 0; k != Count; ++k) {
        if (chosen & (1U << k)) (*all)[k].reset();
      }
    });
  }
  owner.reset();
  if (called != expected) {
    CHECK_MESSAGE(called == expected, "victims " << victims[0] << ' ' << victims[1] << ' ' << victims[2]);
  }
}

// Failure mode 5.
TEST_CASE("death: callbacks destroy themselves and their neighbours, in every arrangement of three") {
  for (const auto& way : every_way) {
    CAPTURE(way.name);
    for (unsigned choice = 0; choice != 8 * 8 * 8; ++choice) {
      check_arrangement<3>(way, {choice & 7U, (choice >> 3) & 7U, choice >> 6});
    }
    CHECK(object::alive() == 0);
  }
}

TEST_CASE("death: one callback of five destroys any set of refs, wherever it stands") {
  for (std::size_t actor = 0; actor != 5; ++actor) {
    for (unsigned set = 0; set != 32; ++set) {
      std::array<unsigned, 5> victims{};
      victims[actor] = set;
      check_arrangement<5>(every_way.front(), victims);
    }
  }
  CHECK(object::alive() == 0);
}

TEST_CASE("death: refs created and destroyed palindromically leave the right ones to be called") {
  // Created 0 1 2 3 4; destroyed in every order, the death after every number of destructions.
  std::array<std::size_t, 5> order{};
  std::iota(order.begin(), order.end(), 0U);
  do {
    for (std::size_t gone = 0; gone <= 5; ++gone) {
      std::string called;
      auto owner = weakref::make_tracked<object>(1);
      std::array<std::optional<watcher>, 5> refs;
      for (std::size_t i = 0; i != 5; ++i) {
        refs[i].emplace(owner, [&called, i] { called += static_cast<char>('0' + i); });
      }
      for (std::size_t i = 0; i != gone; ++i) refs[order[i]].reset();
      std::string expected;
      for (std::size_t i = 5; i-- != 0;) {
        if (refs[i]) expected += static_cast<char>('0' + i);
      }
      if (weakref::getweakrefcount(owner) != 5 - gone) CHECK(weakref::getweakrefcount(owner) == 5 - gone);
      owner.reset();
      if (called != expected) CHECK(called == expected);
    }
  } while (std::next_permutation(order.begin(), order.end()));
  CHECK(object::alive() == 0);
}

TEST_CASE("death: refs that a callback destroys one after the other, in any order, are not called") {
  // The memory of a destroyed ref stays: one that is still reached through its neighbour says so.
  struct note {
    std::string* called;
    char name;
    const std::function<void()>* act;
    void operator()() const {
      *called += name;
      if (name == '4') (*act)();
    }
  };
  std::array<std::size_t, 4> order{0, 1, 2, 3};
  do {
    for (std::size_t gone = 0; gone <= order.size(); ++gone) {
      std::string called;
      std::array<std::optional<weakref::ref<object, note>>, 5> refs;
      const std::function<void()> act = [&] {
        for (std::size_t i = 0; i != gone; ++i) refs[order[i]].reset();
      };
      auto owner = weakref::make_tracked<object>(1);
      for (std::size_t i = 0; i != refs.size(); ++i)
        refs[i].emplace(owner, note{&called, static_cast<char>('0' + i), &act});
      owner.reset();
      std::string expected;
      for (std::size_t i = refs.size(); i-- != 0;) {
        if (refs[i]) expected += static_cast<char>('0' + i);
      }
      if (called != expected) CHECK(called == expected);
    }
  } while (std::next_permutation(order.begin(), order.end()));
  CHECK(object::alive() == 0);
}

TEST_CASE("death: a callback destroys the ref it belongs to, and nothing looks at it afterwards") {
  int heard = 0;
  auto owner = weakref::make_tracked<object>(1);
  const watcher oldest(owner, [&] { ++heard; });
  std::unique_ptr<watcher> middle;
  middle = std::make_unique<watcher>(owner, [&] {
    auto& count = heard;
    auto& self = middle;
    self.reset();
    ++count;
  });
  const watcher newest(owner, [&] { ++heard; });
  owner.reset();
  CHECK(heard == 3);
  CHECK_FALSE(middle);
}

TEST_CASE("death: a callback that throws after destroying its own ref is reported, the others run") {
  support::unraisable_log unraisable;
  int heard = 0;
  auto owner = weakref::make_tracked<object>(1);
  const watcher older(owner, [&] { ++heard; });
  std::unique_ptr<watcher> self;
  self = std::make_unique<watcher>(owner, [&self] {
    self.reset();
    throw std::runtime_error("gone");
  });
  owner.reset();
  CHECK(heard == 1);
  CHECK(unraisable.text() == "gone");
}

TEST_CASE("death: refs that outlive the object go one after the other in any order") {
  for (const bool forwards : {true, false}) {
    auto owner = weakref::make_tracked<object>(1);
    std::vector<std::unique_ptr<watcher>> refs;
    int heard = 0;
    for (int i = 0; i != 4; ++i) refs.push_back(std::make_unique<watcher>(owner, [&] { ++heard; }));
    owner.reset();
    CHECK(heard == 4);
    while (!refs.empty()) refs.erase(forwards ? refs.begin() : refs.end() - 1);
  }
  CHECK(object::alive() == 0);
}

// -- deaths in deaths -----------------------------------------------------------------------------

TEST_CASE("death: a death inside a callback runs to completion inside it") {
  for (const auto& way : every_way) {
    CAPTURE(way.name);
    journal log;
    auto outer = way.make();
    auto inner = way.make();
    by_name dictionary;
    dictionary.insert("inner", inner);
    const watcher last(outer, [&] { log("outer-last"); });
    const watcher kills(outer, [&] {
      log("before");
      inner.reset();
      CHECK(dictionary.empty());
      CHECK(object::alive() <= 1);
      log("after");
    });
    const watcher inner_old(inner, [&] { log("inner-old"); });
    const watcher inner_new(inner, [&] { log("inner-new"); });
    outer.reset();
    CHECK(log.text() == "before inner-new inner-old after outer-last");
    CHECK(object::alive() == 0);
  }
}

TEST_CASE("death: the callback of a nested death may destroy the ref whose callback is running") {
  journal log;
  auto outer = weakref::make_tracked<object>(1);
  auto inner = weakref::make_tracked<object>(2);
  const watcher older(outer, [&] { log("older"); });
  std::unique_ptr<watcher> running;
  running = std::make_unique<watcher>(outer, [&inner, &log] {
    auto& words = log;
    inner.reset();
    words("returned");
  });
  const watcher on_inner(inner, [&] {
    running.reset(); // on the same thread, below its own callback: returns at once
    log("destroyed");
  });
  outer.reset();
  CHECK(log.text() == "destroyed returned older");
}

// Failure mode 14.
struct link {
  explicit link(weakref::WeakValueDictionary<int, link>& d) : home(&d) { ++alive; }
  link(const link&) = delete;
  link& operator=(const link&) = delete;
  ~link() {
    --alive;
    next.reset();
    CHECK(home->size() <= static_cast<std::size_t>(alive) + 1);
  }
  weakref::WeakValueDictionary<int, link>* home;
  std::shared_ptr<link> next;
  static inline int alive = 0;
};

TEST_CASE("death: a chain of a thousand objects of one dictionary dies from its head") {
  constexpr int length = 1000;
  weakref::WeakValueDictionary<int, link> dictionary;
  std::vector<std::unique_ptr<weakref::ref<link, callback>>> refs;
  int heard = 0;
  std::shared_ptr<link> head;
  for (int i = 0; i != length; ++i) {
    auto fresh = weakref::make_tracked<link>(dictionary);
    fresh->next = std::move(head);
    head = std::move(fresh);
    dictionary.insert(i, head);
    refs.push_back(std::make_unique<weakref::ref<link, callback>>(head, [&] { ++heard; }));
  }
  CHECK(dictionary.size() == length);
  head.reset();
  CHECK(link::alive == 0);
  CHECK(heard == length);
  CHECK(dictionary.empty());
}

TEST_CASE("death: a chain held by callbacks dies link by link, each inside the callback before") {
  constexpr int length = 1000;
  std::vector<std::shared_ptr<object>> owners;
  std::vector<std::unique_ptr<watcher>> refs;
  int depth = 0;
  int deepest = 0;
  for (int i = 0; i != length; ++i) owners.push_back(weakref::make_tracked<object>(i));
  for (std::size_t i = 0; i != length; ++i) {
    refs.push_back(std::make_unique<watcher>(owners[i], [&, i] {
      deepest = std::max(deepest, ++depth);
      if (i + 1 != length) owners[i + 1].reset();
      --depth;
    }));
  }
  owners[0].reset();
  CHECK(deepest == length);
  CHECK(object::alive() == 0);
}

// -- exceptions -----------------------------------------------------------------------------------

TEST_CASE("death: exceptions leave the callbacks for the hook, and nothing else") {
  for (const auto& way : every_way) {
    CAPTURE(way.name);
    support::unraisable_log unraisable;
    journal log;
    by_name dictionary;
    auto owner = way.make();
    dictionary.insert("key", owner);
    const watcher a(owner, [&] { log("a"); });
    const watcher b(owner, [] { throw std::runtime_error("b"); });
    const watcher c(owner, [&] { log("c"); });
    const watcher d(owner, [] { throw std::runtime_error("d"); });
    owner.reset();
    CHECK(log.text() == "c a");
    CHECK(unraisable.text() == "d b");
    CHECK(dictionary.empty());
    CHECK(object::alive() == 0);
  }
}

// Failure mode 13.
TEST_CASE("death: a callback may throw while the stack is being unwound for something else") {
  support::unraisable_log unraisable;
  int heard = 0;
  std::optional<watcher> older;
  std::optional<watcher> newer;
  try {
    const auto owner = weakref::make_tracked<object>(1);
    older.emplace(owner, [&] { ++heard; });
    newer.emplace(owner, [] { throw std::runtime_error("second"); });
    throw std::logic_error("first");
  } catch (const std::logic_error& error) {
    CHECK(std::string(error.what()) == "first");
  }
  CHECK(heard == 1);
  CHECK(unraisable.text() == "second");
  CHECK(object::alive() == 0);
}

TEST_CASE("death: allocates nothing") {
  for (const auto& way : every_way) {
    CAPTURE(way.name);
    cache first;
    cache second;
    int heard = 0;
    auto owner = way.make();
    for (int key = 0; key != 100; ++key) first.insert(key, owner);
    second.insert(1, owner);
    const watcher a(owner, [&] { ++heard; });
    const watcher b(owner, [&] { ++heard; });
    const heap_watch heap;
    owner.reset();
    const auto during_the_death = heap.made();
    CHECK(during_the_death == 0);
    CHECK(heard == 2);
  }
}

// -- threads --------------------------------------------------------------------------------------

// Failure mode 19.
TEST_CASE("death: happens on the thread that drops the last owner, which need not know anything") {
  cache dictionary;
  auto owner = weakref::make_tracked<object>(1);
  dictionary.insert(1, owner);
  std::thread::id on;
  const watcher on_death(owner, [&] { on = std::this_thread::get_id(); });
  std::thread::id killer_id;
  {
    const joining_thread killer([&killer_id, mine = std::move(owner)]() mutable {
      killer_id = std::this_thread::get_id();
      mine.reset();
    });
  }
  CHECK(on == killer_id);
  CHECK(dictionary.empty());
}

TEST_CASE("death: may happen while a thread ends, in the destructor of its thread_local") {
  cache dictionary;
  std::atomic<int> heard{0};
  auto owner = weakref::make_tracked<object>(1);
  dictionary.insert(1, owner);
  const watcher on_death(owner, [&] {
    // A re-entry of the library in a thread that is nearly gone.
    auto fresh = weakref::make_tracked<object>(2);
    const watcher nested(fresh, [&] { ++heard; });
    dictionary.insert(2, fresh);
    dictionary.visit(2, [&](object&) { fresh.reset(); });
    ++heard;
  });
  {
    const joining_thread ending([mine = std::move(owner)]() mutable {
      static thread_local std::shared_ptr<object> kept;
      kept = std::move(mine);
    });
  }
  CHECK(heard == 2);
  CHECK(dictionary.empty());
  CHECK(object::alive() == 0);
}

TEST_CASE("death: a ref destroyed on another thread while its callback runs waits for the callback") {
  for (const auto& way : every_way) {
    CAPTURE(way.name);
    gate entered;
    gate destroying;
    std::atomic<bool> returned{false};
    auto owner = way.make();
    std::optional<watcher> on_death;
    on_death.emplace(owner, [&] {
      entered.open();
      destroying.wait();
      give_way();
      returned = true;
    });
    const joining_thread killer([mine = std::move(owner)]() mutable { mine.reset(); });
    entered.wait();
    destroying.open();
    on_death.reset();
    CHECK(returned);
  }
}

TEST_CASE(
    "death: destroying a ref whose callback runs elsewhere waits for that callback, not for older ones") {
  gate newest_entered;
  gate destroying;
  gate destroyed;
  std::atomic<bool> newest_returned{false};
  std::atomic<bool> older_returned{false};
  auto owner = weakref::make_tracked<object>(1);
  const watcher older(owner, [&] {
    destroyed.wait(); // hangs if the destruction of the newest waited for this one
    older_returned = true;
  });
  std::optional<watcher> newest;
  newest.emplace(owner, [&] {
    newest_entered.open();
    destroying.wait();
    give_way();
    newest_returned = true;
  });
  joining_thread killer([mine = std::move(owner)]() mutable { mine.reset(); });
  newest_entered.wait();
  destroying.open();
  newest.reset();
  CHECK(newest_returned);
  destroyed.open();
  killer.join();
  CHECK(older_returned);
}

TEST_CASE("death: destroying a ref never waits for a different callback, and it is not called any more") {
  gate entered;
  gate destroyed;
  int heard = 0;
  auto owner = weakref::make_tracked<object>(1);
  std::optional<watcher> older;
  older.emplace(owner, [&] { ++heard; });
  std::optional<watcher> newer;
  newer.emplace(owner, [&] { ++heard; });
  const watcher running(owner, [&] {
    entered.open();
    destroyed.wait();
  });
  {
    const joining_thread killer([mine = std::move(owner)]() mutable { mine.reset(); });
    entered.wait();
    newer.reset();
    older.reset();
    destroyed.open();
  }
  CHECK(heard == 0);
}

TEST_CASE("death: destroying a ref that has had its turn does not wait for the callbacks after it") {
  gate entered;
  gate destroyed;
  int heard = 0;
  auto owner = weakref::make_tracked<object>(1);
  const watcher running(owner, [&] {
    entered.open();
    destroyed.wait();
  });
  std::optional<watcher> finished;
  finished.emplace(owner, [&] { ++heard; });
  {
    const joining_thread killer([mine = std::move(owner)]() mutable { mine.reset(); });
    entered.wait();
    finished.reset();
    destroyed.open();
  }
  CHECK(heard == 1);
}

TEST_CASE("death: several threads may wait for several callbacks of one object") {
  constexpr std::size_t count = 3;
  std::array<std::atomic<bool>, count> returned{};
  std::array<std::optional<watcher>, count> refs;
  std::array<bool, count> fine{};
  gate entered;
  auto owner = weakref::make_tracked<object>(1);
  for (std::size_t i = 0; i != count; ++i) {
    refs[i].emplace(owner, [&, i] {
      entered.open();
      give_way();
      returned[i] = true;
    });
  }
  {
    const joining_thread killer([mine = std::move(owner)]() mutable { mine.reset(); });
    entered.wait(); // the newest is running; the others are called only if their destructors come too late
    std::vector<std::unique_ptr<joining_thread>> threads;
    for (std::size_t i = 0; i != count; ++i) {
      threads.push_back(std::make_unique<joining_thread>([&, i] {
        refs[i].reset();
        const bool at_the_end = returned[i];
        give_way();
        fine[i] = returned[i] == at_the_end; // never called after the destruction
      }));
    }
  }
  CHECK(returned[count - 1]);
  for (const bool f : fine) CHECK(f);
}

TEST_CASE("death: the destruction of a ref races with the death, many times") {
  constexpr int rounds = 2000;
  support::rendezvous start(2);
  std::shared_ptr<object> owner;
  std::optional<watcher> on_death;
  std::unique_ptr<int> target;
  std::atomic<int> called{0};
  const joining_thread killer([&] {
    for (int round = 0; round != rounds; ++round) {
      start.meet();
      owner.reset();
      start.meet();
    }
  });
  for (int round = 0; round != rounds; ++round) {
    owner = weakref::make_tracked<object>(round);
    target = std::make_unique<int>(0);
    on_death.emplace(owner, [&] {
      ++*target; // a use after the ref's destruction is a use after free
      called.fetch_add(1);
    });
    start.meet();
    on_death.reset();
    target.reset();
    start.meet();
  }
  CHECK(called <= rounds);
  CHECK(object::alive() == 0);
}

TEST_CASE("death: two refs of one object go on two threads while it dies on a third") {
  constexpr int rounds = 700;
  support::rendezvous start(3);
  std::shared_ptr<support::self_tracked_object> owner;
  using self_watcher = weakref::ref<support::self_tracked_object, callback>;
  std::array<std::optional<self_watcher>, 2> refs;
  std::array<std::unique_ptr<int>, 2> targets;
  const auto destroy = [&](std::size_t i) {
    refs[i].reset();
    targets[i].reset();
  };
  const joining_thread killer([&] {
    for (int round = 0; round != rounds; ++round) {
      start.meet();
      owner.reset();
      start.meet();
    }
  });
  const joining_thread destroyer([&] {
    for (int round = 0; round != rounds; ++round) {
      start.meet();
      destroy(1);
      start.meet();
    }
  });
  for (int round = 0; round != rounds; ++round) {
    owner = std::make_shared<support::self_tracked_object>();
    for (std::size_t i = 0; i != 2; ++i) {
      targets[i] = std::make_unique<int>(0);
      refs[i].emplace(owner, [&targets, i] { ++*targets[i]; });
    }
    start.meet();
    destroy(0);
    start.meet();
  }
  CHECK(object::alive() == 0);
}

TEST_CASE("death: registrations on one living object from many threads all hear of its end") {
  constexpr int per_thread = 200;
  auto owner = weakref::make_tracked<object>(1);
  std::atomic<int> heard{0};
  std::array<std::vector<std::unique_ptr<watcher>>, 3> refs;
  {
    std::vector<std::unique_ptr<joining_thread>> threads;
    for (auto& mine : refs) {
      threads.push_back(std::make_unique<joining_thread>([&heard, &mine, owner] {
        for (int i = 0; i != per_thread; ++i) {
          mine.push_back(std::make_unique<watcher>(owner, [&heard] { heard.fetch_add(1); }));
          if (i % 3 == 0) mine.erase(mine.begin() + static_cast<std::ptrdiff_t>(mine.size() / 2));
        }
      }));
    }
  }
  std::size_t expected = 0;
  for (const auto& list : refs) expected += list.size();
  CHECK(weakref::getweakrefcount(owner) == expected);
  owner.reset();
  CHECK(heard == static_cast<int>(expected));
}

// -- end of program -------------------------------------------------------------------------------

// Failure mode 11. In a process of its own each: what was constructed last is destroyed first.
template <bool DictionaryFirst> void leave_with_statics() {
  static int heard = 0;
  struct judge {
    ~judge() { std::_Exit(heard == 1 ? 0 : 9); }
  };
  static judge verdict;
  static std::optional<watcher> on_death;
  if constexpr (DictionaryFirst) {
    static cache dictionary;
    static std::shared_ptr<object> owner = weakref::make_tracked<object>(1);
    dictionary.insert(1, owner);
    on_death.emplace(owner, [] { ++heard; });
  } else {
    static std::shared_ptr<object> owner = weakref::make_tracked<object>(1);
    static cache dictionary;
    dictionary.insert(1, owner);
    on_death.emplace(owner, [] { ++heard; });
  }
}

TEST_CASE("death: of an object that a dictionary has made, and that others watch too") {
  // One that only its own dictionary knows dies in a shorter way.
  for (const int others : {0, 1, 2, 3}) {
    CAPTURE(others);
    cache own;
    cache another;
    int called = 0;
    std::optional<watcher> on_death;
    auto owner = own.get_or_create(1, [] { return object(1); });
    if ((others & 1) != 0) another.insert(2, owner);
    if ((others & 2) != 0) on_death.emplace(owner, [&called] { ++called; });
    owner.reset();
    CHECK(own.empty());
    CHECK(another.empty());
    CHECK(called == others / 2);
  }
}

TEST_CASE("death: in static destruction, with the dictionary or the referent first") {
  CHECK(support::exit_status_of([] { leave_with_statics<true>(); }) == 0);
  CHECK(support::exit_status_of([] { leave_with_statics<false>(); }) == 0);
}

TEST_CASE("death: a program may end while a thread is still busy with the library") {
  const int status = support::exit_status_of([] {
    // Never destroyed, as what a detached thread uses must be.
    auto* const dictionary = new cache;
    static gate busy;
    std::thread([dictionary] {
      for (int i = 0;; ++i) {
        auto owner = weakref::make_tracked<object>(i);
        dictionary->insert(i % 10, owner);
        const watcher on_death(owner, [] { busy.open(); });
        owner.reset();
      }
    }).detach();
    busy.wait();
  });
  CHECK(status == 0);
}

} // namespace
