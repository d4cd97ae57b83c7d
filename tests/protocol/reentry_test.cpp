// SPDX-License-Identifier: BSL-1.0
//
// What callbacks, keys and functions under a lock may do to the library that is calling them: everything that
// is promised, and a clear refusal of the rest.
#include <weakref/referent.hpp>

#include <weakref/ref.hpp>
#include <weakref/weak_value_dictionary.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#if __has_include(<memory_resource>)
#include <memory_resource>
#endif

#include "../support/counting_allocator.hpp"
#include "../support/counting_new.hpp"
#include "../support/journal.hpp"
#include "../support/threads.hpp"
#include "../support/unraisable.hpp"
#include "../support/ways.hpp"

namespace {

using support::gate;
using support::heap_watch;
using support::joining_thread;
using support::journal;
using support::last_words;

using support::every_way;
using support::object;

using callback = std::function<void()>;
using watcher = weakref::ref<object, callback>;
using cache = weakref::WeakValueDictionary<int, object>;

// -- what a callback may do -----------------------------------------------------------------------

TEST_CASE("callback: may store a new object under the same key, which stays") {
  for (const auto& way : every_way) {
    CAPTURE(way.name);
    cache dictionary;
    std::shared_ptr<object> fresh;
    auto owner = way.make();
    dictionary.insert(1, owner);
    const watcher older(owner, [&] { CHECK(dictionary.get(1) == fresh); });
    const watcher newer(owner, [&] {
      fresh = way.make();
      CHECK(dictionary.insert(1, fresh).second);
    });
    owner.reset();
    REQUIRE(fresh);
    CHECK(dictionary.get(1) == fresh);
    CHECK(dictionary.size() == 1);
    fresh.reset();
    CHECK(dictionary.empty());
  }
}

TEST_CASE("callback: may clear, copy, move, swap and refill the dictionary") {
  cache dictionary;
  cache other;
  auto owner = weakref::make_tracked<object>(1);
  const auto bystander = weakref::make_tracked<object>(2);
  dictionary.insert(1, owner);
  dictionary.insert(2, bystander);
  int steps = 0;
  const watcher clears(owner, [&] {
    dictionary.clear();
    CHECK(dictionary.empty());
    dictionary.insert(3, bystander);
    ++steps;
  });
  const watcher swaps(owner, [&] {
    dictionary.swap(other);
    CHECK(other.get(2) == bystander);
    dictionary = std::move(other);
    CHECK(dictionary.get(2) == bystander);
    ++steps;
  });
  const watcher copies(owner, [&] {
    const cache copy = dictionary;
    CHECK(copy.size() == 1);
    CHECK(copy.get(2) == bystander);
    ++steps;
  });
  owner.reset();
  CHECK(steps == 3);
  CHECK(dictionary.size() == 1);
  CHECK(dictionary.get(3) == bystander);
}

TEST_CASE("callback: may destroy the dictionary, other entries and all") {
  auto dictionary = std::make_unique<cache>();
  auto owner = weakref::make_tracked<object>(1);
  const auto bystander = weakref::make_tracked<object>(2);
  dictionary->insert(1, owner);
  dictionary->insert(2, bystander);
  dictionary->insert(3, owner);
  int heard = 0;
  const watcher older(owner, [&] { ++heard; });
  const watcher destroys(owner, [&] { dictionary.reset(); });
  owner.reset();
  CHECK(heard == 1);
  CHECK_FALSE(dictionary);
  CHECK(weakref::getweakrefcount(bystander) == 0);
}

TEST_CASE("callback: may destroy the dictionary and the memory it came from") {
  using pooled = weakref::WeakValueDictionary<std::string, object, weakref::hash<std::string>,
                                              std::equal_to<>, support::counting_allocator<object>>;
  auto book = std::make_unique<support::ledger>();
  auto dictionary = std::make_unique<pooled>(weakref::options{}, support::counting_allocator<object>(*book));
  auto owner = weakref::make_tracked<object>(1);
  for (int i = 0; i != 20; ++i)
    dictionary->insert("a key that is too long to be small " + std::to_string(i), owner);
  const watcher destroys(owner, [&] {
    CHECK(dictionary->empty());
    dictionary.reset();
    CHECK(book->bytes == 0);
    CHECK(book->users == 0);
    book.reset();
  });
  owner.reset();
  CHECK_FALSE(book);
}

#if defined(__cpp_lib_memory_resource)
TEST_CASE("callback: may destroy a pmr dictionary and its resource") {
  auto resource = std::make_unique<std::pmr::unsynchronized_pool_resource>();
  using pooled = weakref::pmr::WeakValueDictionary<std::string, object>;
  auto dictionary = std::make_unique<pooled>(weakref::options{}, resource.get());
  auto owner = weakref::make_tracked<object>(1);
  for (int i = 0; i != 20; ++i) dictionary->insert(std::to_string(i), owner);
  const watcher destroys(owner, [&] {
    dictionary.reset();
    resource.reset();
  });
  owner.reset();
  CHECK_FALSE(resource);
}
#endif

TEST_CASE("callback: may watch other objects, and be watched in turn") {
  journal log;
  auto owner = weakref::make_tracked<object>(1);
  auto other = weakref::make_tracked<object>(2);
  std::optional<watcher> late;
  const watcher registers(owner, [&] {
    late.emplace(other, [&] { log("late"); });
    CHECK(weakref::getweakrefcount(other) == 1);
    log("registered");
  });
  owner.reset();
  other.reset();
  CHECK(log.text() == "registered late");
}

TEST_CASE("callback: may replace its own ref by one for another object") {
  journal log;
  auto owner = weakref::make_tracked<object>(1);
  auto other = weakref::make_tracked<object>(2);
  std::optional<watcher> self;
  self.emplace(owner, [&] {
    auto& words = log;
    self.emplace(other, [&words] { words("second"); });
    words("first");
  });
  owner.reset();
  CHECK(log.text() == "first");
  other.reset();
  CHECK(log.text() == "first second");
}

TEST_CASE("callback: may kill every other object in the dictionary, whose callbacks kill in turn") {
  cache dictionary;
  std::vector<std::shared_ptr<object>> owners;
  std::vector<std::unique_ptr<watcher>> refs;
  int heard = 0;
  for (int i = 0; i != 30; ++i) {
    owners.push_back(weakref::make_tracked<object>(i));
    dictionary.insert(i, owners.back());
    refs.push_back(std::make_unique<watcher>(owners.back(), [&] {
      ++heard;
      for (auto& owner : owners) owner.reset();
    }));
  }
  owners[17].reset();
  CHECK(heard == 30);
  CHECK(dictionary.empty());
  CHECK(object::alive() == 0);
}

TEST_CASE(
    "callback: runs with no lock held, so another thread can use the dictionary and the object's list") {
  cache dictionary;
  auto owner = weakref::make_tracked<object>(1);
  const auto bystander = weakref::make_tracked<object>(2);
  dictionary.insert(1, owner);
  dictionary.insert(2, bystander);
  std::optional<watcher> sibling;
  sibling.emplace(owner, [] { FAIL_CHECK("destroyed before its turn"); });
  const watcher waits(owner, [&] {
    const joining_thread other([&] {
      CHECK(dictionary.get(2) == bystander);
      CHECK(dictionary.insert(1, bystander).second);
      sibling.reset();
    });
  });
  owner.reset();
  CHECK(dictionary.size() == 2);
}

TEST_CASE("callback: one that destroys an iterating loop's current entry, and the dictionary, leaves the "
          "loop whole") {
  auto dictionary = std::make_unique<cache>();
  std::vector<std::shared_ptr<object>> owners;
  for (int i = 0; i != 5; ++i) {
    owners.push_back(weakref::make_tracked<object>(i));
    dictionary->insert(i, owners.back());
  }
  const watcher destroys(owners[4], [&] { dictionary.reset(); });
  int seen = 0;
  for (auto&& item : *dictionary) {
    CHECK(item.value->value == item.key);
    owners.clear(); // all but the current one die; if the last is current, it dies as the loop moves on
    CHECK(item.value->value == item.key);
    ++seen;
  }
  CHECK(seen >= 1);
  CHECK_FALSE(dictionary);
  CHECK(object::alive() == 0);
}

// -- deaths put off inside visit ------------------------------------------------------------------

TEST_CASE("visit: the death of the visited object waits until visit has let its lock go") {
  for (const auto& way : every_way) {
    CAPTURE(way.name);
    if (!way.whole_in_callbacks) continue;
    journal log;
    cache dictionary;
    auto owner = way.make();
    dictionary.insert(1, owner);
    const weakref::ref<object> plain(owner);
    const watcher on_death(owner, [&] {
      log("callback");
      CHECK(dictionary.empty()); // would not return, or throw, inside the lock
      CHECK(object::alive() == 1);
    });
    const bool found = dictionary.visit(1, [&](object& visited) {
      owner.reset();
      log("dropped");
      CHECK(visited.value >= 0);
      CHECK(object::alive() == 1);
      CHECK(plain.expired());
      log("leaving");
    });
    CHECK(found);
    CHECK(log.text() == "dropped leaving callback");
    CHECK(object::alive() == 0);
    CHECK(dictionary.empty());
  }
}

TEST_CASE("visit: an enable_weakref object is held while it is visited, and dies after the unlocking") {
  journal log;
  struct cached : weakref::enable_weakref {
    cached(journal& j, weakref::WeakValueDictionary<int, cached>& d) : log(&j), home(&d) {}
    ~cached() {
      (*log)("destructor");
      CHECK_FALSE(home->contains(1)); // would throw inside the lock
    }
    journal* log;
    weakref::WeakValueDictionary<int, cached>* home;
  };
  weakref::WeakValueDictionary<int, cached> dictionary;
  auto owner = std::make_shared<cached>(log, dictionary);
  dictionary.insert(1, owner);
  const weakref::ref<cached, callback> on_death(owner, [&] { log("callback"); });
  CHECK(dictionary.visit(1, [&](cached&) {
    owner.reset();
    log("leaving");
  }));
  CHECK(log.text() == "leaving destructor callback");
  CHECK(dictionary.empty());
}

TEST_CASE(
    "visit: another enable_weakref object that dies inside is destroyed at once and mourned afterwards") {
  journal log;
  struct speaks : weakref::enable_weakref {
    explicit speaks(journal& j) : words(j, "other") {}
    last_words words;
  };
  cache dictionary;
  weakref::WeakValueDictionary<int, speaks> others;
  const auto visited = weakref::make_tracked<object>(1);
  dictionary.insert(1, visited);
  auto other = std::make_shared<speaks>(log);
  others.insert(1, other);
  const weakref::ref<speaks, callback> on_death(other, [&] {
    log("callback");
    CHECK(others.empty());
  });
  dictionary.visit(1, [&](object&) {
    other.reset();
    log("leaving");
    CHECK(on_death.expired());
  });
  CHECK(log.text() == "~other leaving callback");
  CHECK(others.empty());
}

TEST_CASE("visit: a retire inside it is put off like any other death") {
  struct pooled : weakref::enable_weakref {};
  journal log;
  pooled slot;
  cache dictionary;
  const auto visited = weakref::make_tracked<object>(1);
  dictionary.insert(1, visited);
  std::shared_ptr<pooled> owner(&slot, [](pooled* p) { weakref::retire(*p); });
  const weakref::ref<pooled, callback> on_death(owner, [&] { log("callback"); });
  dictionary.visit(1, [&](object&) {
    owner.reset();
    log("leaving");
  });
  CHECK(log.text() == "leaving callback");
}

TEST_CASE("visit: deaths put off run in their order, whole one after the other") {
  journal log;
  cache dictionary;
  const auto visited = weakref::make_tracked<object>(0);
  dictionary.insert(0, visited);
  std::vector<std::shared_ptr<last_words>> owners;
  std::vector<std::unique_ptr<weakref::ref<last_words, callback>>> refs;
  for (const char* name : {"a", "b", "c", "d"}) {
    owners.push_back(weakref::make_tracked<last_words>(log, name));
    refs.push_back(std::make_unique<weakref::ref<last_words, callback>>(
        owners.back(), [&log, name] { log(std::string("old-") + name); }));
    refs.push_back(std::make_unique<weakref::ref<last_words, callback>>(
        owners.back(), [&log, name] { log(std::string("new-") + name); }));
  }
  dictionary.visit(0, [&](object&) {
    for (const std::size_t i : {2U, 0U, 3U, 1U}) {
      owners[i].reset();
      log(".");
    }
  });
  CHECK(log.text() == ". . . . new-c old-c ~c new-a old-a ~a new-d old-d ~d new-b old-b ~b");
}

TEST_CASE("visit: an object that nobody watches is not destroyed inside either") {
  journal log;
  cache dictionary;
  const auto visited = weakref::make_tracked<object>(0);
  dictionary.insert(0, visited);
  auto made = weakref::make_tracked<last_words>(log, "made");
  auto adopted = weakref::adopt(std::make_unique<last_words>(log, "adopted"));
  const heap_watch heap;
  dictionary.visit(0, [&](object&) {
    made.reset();
    adopted.reset();
    log("leaving");
  });
  CHECK(log.text() == "leaving ~made ~adopted");
  CHECK(heap.freed() >= 3); // two blocks and the adopted object
}

TEST_CASE("visit: a death put off allocates nothing") {
  cache dictionary;
  cache other;
  auto owner = weakref::make_tracked<object>(1);
  auto bystander = weakref::make_tracked<object>(2);
  dictionary.insert(1, owner);
  other.insert(1, owner);
  other.insert(2, bystander);
  int heard = 0;
  const watcher on_death(owner, [&] { ++heard; });
  const heap_watch heap;
  dictionary.visit(1, [&](object&) {
    owner.reset();
    bystander.reset();
  });
  CHECK(heap.made() == 0);
  CHECK(heard == 1);
  CHECK(object::alive() == 0);
  CHECK(other.empty());
}

TEST_CASE("visit: the memory of an object that died inside goes back before visit returns") {
  cache dictionary;
  auto owner = weakref::make_tracked<object>(1);
  dictionary.insert(1, owner);
  const heap_watch heap;
  std::size_t inside = 1;
  dictionary.visit(1, [&](object&) {
    owner.reset();
    inside = heap.freed();
  });
  const auto after = heap.freed();
  CHECK(inside == 0);
  CHECK(after >= 1);
}

TEST_CASE("visit: an exception leaves it after the deaths put off inside") {
  journal log;
  cache dictionary;
  auto owner = weakref::make_tracked<object>(1);
  dictionary.insert(1, owner);
  const watcher on_death(owner, [&] { log("callback"); });
  try {
    dictionary.visit(1, [&](object&) {
      owner.reset();
      log("throwing");
      throw std::runtime_error("out");
    });
    FAIL("the function has thrown");
  } catch (const std::runtime_error& error) {
    log(error.what());
  }
  CHECK(log.text() == "throwing callback out");
  CHECK(object::alive() == 0);
  CHECK(dictionary.empty());
}

// Failure mode 13.
TEST_CASE("visit: callbacks put off may throw while the function's exception is on its way") {
  support::unraisable_log unraisable;
  journal log;
  cache dictionary;
  auto owner = weakref::make_tracked<object>(1);
  dictionary.insert(1, owner);
  const watcher older(owner, [&] { log("older"); });
  const watcher throws(owner, [] { throw std::runtime_error("callback's"); });
  std::string caught;
  try {
    dictionary.visit(1, [&](object&) {
      owner.reset();
      throw std::runtime_error("function's");
    });
  } catch (const std::runtime_error& error) {
    caught = error.what();
  }
  CHECK(caught == "function's");
  CHECK(unraisable.text() == "callback's");
  CHECK(log.text() == "older");
}

TEST_CASE("visit: any use of any dictionary inside throws std::logic_error and changes nothing") {
  cache dictionary;
  cache other;
  weakref::WeakValueDictionary<std::string, std::string> stranger;
  const auto a = weakref::make_tracked<object>(1);
  const auto b = weakref::make_tracked<object>(2);
  const auto text = weakref::make_tracked<std::string>("text");
  dictionary.insert(1, a);
  other.insert(1, a);
  stranger.insert("key", text);
  auto iterator = dictionary.begin();
  int refused = 0;
  const auto refuses = [&refused](auto operation) {
    CHECK_THROWS_AS(operation(), std::logic_error);
    ++refused;
  };
  dictionary.visit(1, [&](object&) {
    for (auto* target : {&dictionary, &other}) {
      refuses([&] { static_cast<void>(target->get(1)); });
      refuses([&] { static_cast<void>(target->contains(1)); });
      refuses([&] { target->visit(1, [](object&) {}); });
      refuses([&] { target->insert(2, b); });
      refuses([&] { target->insert_or_assign(1, b); });
      refuses([&] { static_cast<void>(target->setdefault(2, b)); });
      refuses([&] { static_cast<void>(target->try_emplace(2, 2)); });
      refuses([&] { static_cast<void>(target->get_or_create(2, [] { return object(2); })); });
      refuses([&] { static_cast<void>(target->pop(1)); });
      refuses([&] { static_cast<void>(target->popitem()); });
      refuses([&] { target->erase(1); });
      refuses([&] { target->clear(); });
      refuses([&] { target->erase_if([](int, const auto&) { return true; }); });
      refuses([&] { const cache copy = *target; });
      refuses([&] { static_cast<void>(target->begin()); });
    }
    refuses([&] { static_cast<void>(stranger.get("key")); });
    refuses([&] { ++iterator; });
  });
  CHECK(refused == 32);
  iterator = {};
  CHECK(dictionary.size() == 1);
  CHECK(dictionary.get(1) == a);
  CHECK(other.size() == 1);
  CHECK(other.get(1) == a);
  CHECK(a.use_count() == 1);
  CHECK(b.use_count() == 1);
  CHECK(weakref::getweakrefcount(b) == 0);
}

TEST_CASE("visit: refs, registrations, deaths and moves of dictionaries are allowed inside") {
  cache dictionary;
  cache other;
  const auto a = weakref::make_tracked<object>(1);
  auto b = weakref::make_tracked<object>(2);
  dictionary.insert(1, a);
  other.insert(2, b);
  int heard = 0;
  std::optional<watcher> kept;
  dictionary.visit(1, [&](object&) {
    const weakref::ref<object> plain(b);
    CHECK(plain() == b);
    {
      const watcher short_lived(b, [&] { ++heard; });
    }
    kept.emplace(b, [&] { ++heard; });
    CHECK(weakref::getweakrefcount(b) == 2);
    auto fresh = weakref::make_tracked<object>(3);
    const watcher on_fresh(fresh, [&] { ++heard; });
    cache moved = std::move(other);
    other = std::move(moved);
    b.reset();
    fresh.reset();
    CHECK(heard == 0);
    // on_fresh goes here, before its turn: it must not be called.
  });
  CHECK(heard == 1);
  CHECK(other.empty());
  CHECK(object::alive() == 1);
}

TEST_CASE("visit: a ref destroyed inside before its put-off turn is not called, its callback() is null") {
  cache dictionary;
  auto owner = weakref::make_tracked<object>(1);
  dictionary.insert(1, owner);
  int heard = 0;
  std::optional<watcher> destroyed;
  destroyed.emplace(owner, [&] { heard += 100; });
  watcher stays(owner, [&] { ++heard; });
  dictionary.visit(1, [&](object&) {
    owner.reset();
    CHECK(stays.callback() == nullptr);
    destroyed.reset();
    CHECK(heard == 0);
  });
  CHECK(heard == 1);
}

TEST_CASE("visit: refs may leave objects whose death is put off, in any order, and no death gets lost") {
  // Three objects, the middle one with three refs; the refs in `set` go while the deaths are waiting.
  for (unsigned set = 0; set != 32; ++set) {
    for (const bool forwards : {true, false}) {
      CAPTURE(set);
      CAPTURE(forwards);
      journal log;
      std::string expected;
      cache dictionary;
      const auto visited = weakref::make_tracked<object>(0);
      dictionary.insert(0, visited);
      std::array<std::shared_ptr<last_words>, 3> owners;
      for (const char* name : {"a", "b", "c"}) {
        owners[static_cast<std::size_t>(*name - 'a')] = weakref::make_tracked<last_words>(log, name);
      }
      constexpr std::array<std::size_t, 5> watched{0, 1, 1, 1, 2};
      std::array<std::optional<weakref::ref<last_words, callback>>, 5> refs;
      for (std::size_t i = 0; i != refs.size(); ++i) {
        refs[i].emplace(owners[watched[i]], [&log, i] { log(std::to_string(i)); });
      }
      dictionary.visit(0, [&](object&) {
        for (auto& owner : owners) owner.reset();
        for (std::size_t step = 0; step != refs.size(); ++step) {
          const std::size_t i = forwards ? step : refs.size() - 1 - step;
          if (set & (1U << i)) refs[i].reset();
        }
      });
      for (const auto& [object_name, newest, oldest] :
           {std::tuple("~a", 0U, 0U), std::tuple("~b", 3U, 1U), std::tuple("~c", 4U, 4U)}) {
        for (std::size_t i = newest + 1; i-- != oldest;) {
          if (!(set & (1U << i))) expected += std::to_string(i) + ' ';
        }
        expected += object_name;
        if (newest != 4) expected += ' ';
      }
      CHECK(log.text() == expected);
    }
  }
}

TEST_CASE("visit: callbacks of deaths put off may visit again and put further deaths off") {
  journal log;
  cache dictionary;
  auto a = weakref::make_tracked<object>(1);
  auto b = weakref::make_tracked<object>(2);
  const auto c = weakref::make_tracked<object>(3);
  dictionary.insert(1, a);
  dictionary.insert(2, b);
  dictionary.insert(3, c);
  const watcher on_a(a, [&] {
    log("a");
    CHECK(dictionary.visit(3, [&](object&) {
      b.reset();
      log("inside");
    }));
    log("a-ends");
  });
  const watcher on_b(b, [&] { log("b"); });
  dictionary.visit(1, [&](object&) { a.reset(); });
  CHECK(log.text() == "a inside b a-ends");
  CHECK(dictionary.size() == 1);
}

TEST_CASE("visit: a death put off inside a callback comes before that visit returns, and no other with it") {
  journal log;
  cache dictionary;
  auto a = weakref::make_tracked<object>(1);
  auto b = weakref::make_tracked<object>(2);
  auto c = weakref::make_tracked<object>(3);
  const auto visited = weakref::make_tracked<object>(4);
  dictionary.insert(4, visited);
  const watcher on_a(a, [&] {
    log("a");
    dictionary.visit(4, [&](object&) { c.reset(); });
    log("a-ends");
  });
  const watcher on_b(b, [&] { log("b"); });
  const watcher on_c(c, [&] { log("c"); });
  dictionary.visit(4, [&](object&) {
    a.reset();
    b.reset();
  });
  CHECK(log.text() == "a c a-ends b");
}

TEST_CASE("visit: a death put off destroys the dictionary that is being visited") {
  auto dictionary = std::make_unique<cache>();
  auto owner = weakref::make_tracked<object>(1);
  dictionary->insert(1, owner);
  const auto bystander = weakref::make_tracked<object>(2);
  dictionary->insert(2, bystander);
  const watcher destroys(owner, [&] { dictionary.reset(); });
  CHECK(dictionary->visit(1, [&](object&) { owner.reset(); }));
  CHECK_FALSE(dictionary);
  CHECK(weakref::getweakrefcount(bystander) == 0);
}

// Failure mode 14.
TEST_CASE("visit: a chain of a thousand objects that loses its head inside dies after it") {
  struct link {
    std::shared_ptr<link> next;
    object part;
  };
  constexpr int length = 1000;
  weakref::WeakValueDictionary<int, link> dictionary;
  std::shared_ptr<link> head;
  for (int i = 0; i != length; ++i) {
    auto fresh = weakref::make_tracked<link>();
    fresh->next = std::move(head);
    head = std::move(fresh);
    dictionary.insert(i, head);
  }
  CHECK(dictionary.visit(length - 1, [&](link& first) {
    head.reset();
    CHECK(object::alive() == length);
    CHECK(first.next);
  }));
  CHECK(object::alive() == 0);
  CHECK(dictionary.empty());
}

TEST_CASE("visit: a thousand objects that die inside are put off without recursion or memory") {
  constexpr int count = 1000;
  cache dictionary;
  std::vector<std::shared_ptr<object>> owners;
  for (int i = 0; i != count; ++i) {
    owners.push_back(weakref::make_tracked<object>(i));
    dictionary.insert(i, owners.back());
  }
  const auto visited = weakref::make_tracked<object>(-1);
  dictionary.insert(-1, visited);
  std::size_t allocated = 1;
  dictionary.visit(-1, [&](object&) {
    const heap_watch heap;
    for (auto& owner : owners) owner.reset();
    allocated = heap.made();
    CHECK(object::alive() == count + 1);
  });
  CHECK(allocated == 0);
  CHECK(object::alive() == 1);
  CHECK(dictionary.size() == 1);
}

// Failure mode 21.
TEST_CASE("visit: two threads, each inside a visit, each killing what the other's dictionary holds") {
  cache left;
  cache right;
  const auto visited_left = weakref::make_tracked<object>(1);
  const auto visited_right = weakref::make_tracked<object>(2);
  left.insert(0, visited_left);
  right.insert(0, visited_right);
  std::atomic<int> heard{0};
  for (int round = 0; round != 50; ++round) {
    auto in_left = weakref::make_tracked<object>(3);
    auto in_right = weakref::make_tracked<object>(4);
    left.insert(1, in_left);
    right.insert(1, in_right);
    const watcher on_left(in_left, [&] { heard.fetch_add(1); });
    const watcher on_right(in_right, [&] { heard.fetch_add(1); });
    support::rendezvous both_inside(2);
    {
      const joining_thread other([&] {
        right.visit(0, [&](object&) {
          both_inside.meet();
          in_left.reset();
        });
      });
      left.visit(0, [&](object&) {
        both_inside.meet();
        in_right.reset();
      });
    }
    CHECK(left.size() == 1);
    CHECK(right.size() == 1);
  }
  CHECK(heard == 100);
}

// -- deaths put off inside a comparison -----------------------------------------------------------

// Its comparison runs whatever the test wants.
struct nasty_key {
  int number;
};
inline std::size_t hash_value(const nasty_key&) noexcept { return 7; }
thread_local std::function<void()>* in_comparison = nullptr;
struct nasty_equal {
  bool operator()(const nasty_key& a, const nasty_key& b) const {
    if (in_comparison != nullptr) (*in_comparison)();
    return a.number == b.number;
  }
};
class while_comparing {
 public:
  explicit while_comparing(std::function<void()> f) : function_(std::move(f)) { in_comparison = &function_; }
  while_comparing(const while_comparing&) = delete;
  while_comparing& operator=(const while_comparing&) = delete;
  ~while_comparing() { in_comparison = nullptr; }

 private:
  std::function<void()> function_;
};
using nasty_cache = weakref::WeakValueDictionary<nasty_key, object, weakref::hash<nasty_key>, nasty_equal>;

// Failure mode 10.
TEST_CASE("comparison: may kill the object that is being looked for, or another one") {
  for (const auto& way : every_way) {
    CAPTURE(way.name);
    journal log;
    nasty_cache dictionary;
    auto wanted = way.make();
    auto other = way.make();
    const auto stays = way.make();
    dictionary.insert(nasty_key{1}, wanted);
    dictionary.insert(nasty_key{2}, other);
    dictionary.insert(nasty_key{3}, stays);
    const watcher on_wanted(wanted, [&] { log("wanted"); });
    const watcher on_other(other, [&] { log("other"); });
    {
      const while_comparing kills([&] {
        if (!wanted) return;
        wanted.reset();
        other.reset();
        log("compared");
      });
      CHECK_FALSE(dictionary.get(nasty_key{1}));
      log("returned");
    }
    CHECK(log.text() == "compared wanted other returned");
    CHECK(dictionary.size() == 1);
    CHECK(dictionary.get(nasty_key{3}) == stays);
    CHECK(object::alive() == 1);
  }
}

TEST_CASE("comparison: deaths in it are put off in every operation that compares, until its lock is gone") {
  std::vector<std::function<void(nasty_cache&, const std::shared_ptr<object>&)>> operations = {
      [](auto& d, auto&) { static_cast<void>(d.get(nasty_key{1})); },
      [](auto& d, auto&) { static_cast<void>(d.contains(nasty_key{1})); },
      [](auto& d, auto&) { d.visit(nasty_key{1}, [](object&) {}); },
      [](auto& d, auto& o) { d.insert(nasty_key{1}, o); },
      [](auto& d, auto& o) { d.insert_or_assign(nasty_key{1}, o); },
      [](auto& d, auto& o) { static_cast<void>(d.setdefault(nasty_key{1}, o)); },
      [](auto& d, auto&) { static_cast<void>(d.pop(nasty_key{1})); },
      [](auto& d, auto&) { d.erase(nasty_key{1}); },
      [](auto& d, auto&) { static_cast<void>(d.try_emplace(nasty_key{1}, 5)); },
      [](auto& d, auto&) { static_cast<void>(d.get_or_create(nasty_key{1}, [] { return object(5); })); },
      [](auto& d, auto& o) {
        try {
          static_cast<void>(d.at(nasty_key{1}));
        } catch (const std::out_of_range&) {
          static_cast<void>(o);
        }
      },
  };
  for (std::size_t i = 0; i != operations.size(); ++i) {
    CAPTURE(i);
    nasty_cache dictionary;
    auto first = weakref::make_tracked<object>(1);
    auto second = weakref::make_tracked<object>(2);
    const auto replacement = weakref::make_tracked<object>(3);
    dictionary.insert(nasty_key{1}, first);
    dictionary.insert(nasty_key{2}, second);
    int heard = 0;
    bool comparing = false;
    const callback note = [&] {
      ++heard;
      CHECK_FALSE(comparing);
      CHECK(dictionary.size() <= 2); // would throw or hang inside the lock
    };
    const watcher on_first(first, note);
    const watcher on_second(second, note);
    {
      const while_comparing kills([&] {
        comparing = true;
        first.reset();
        second.reset();
        comparing = false;
      });
      operations[i](dictionary, replacement);
      CHECK(heard == 2); // before the operation returned
    }
    for (const auto& owner : {replacement}) CHECK(owner.use_count() >= 1);
  }
  CHECK(object::alive() == 0);
}

TEST_CASE("comparison: an exception leaves the operation after the deaths put off inside") {
  journal log;
  nasty_cache dictionary;
  auto owner = weakref::make_tracked<object>(1);
  dictionary.insert(nasty_key{1}, owner);
  const watcher on_death(owner, [&] { log("callback"); });
  {
    const while_comparing kills([&] {
      owner.reset();
      log("throwing");
      throw std::runtime_error("comparison");
    });
    try {
      static_cast<void>(dictionary.get(nasty_key{1}));
      FAIL("the comparison has thrown");
    } catch (const std::runtime_error& error) {
      log(error.what());
    }
  }
  CHECK(log.text() == "throwing callback comparison");
  CHECK(dictionary.empty());
}

TEST_CASE("comparison: an update that fails does not take back what a death put off has taken out") {
  nasty_cache dictionary;
  auto former = weakref::make_tracked<object>(1);
  const auto first = weakref::make_tracked<object>(2);
  const auto second = weakref::make_tracked<object>(3);
  const auto update_fails = [&](auto&& last_words) {
    int compared = 0;
    const while_comparing throws([&] {
      if (++compared != 2) return; // the first pair has been stored
      last_words();
      throw std::runtime_error("comparison");
    });
    CHECK_THROWS_AS(dictionary.update({{nasty_key{1}, first}, {nasty_key{2}, second}}), std::runtime_error);
    CHECK(compared >= 2);
    CHECK(dictionary.empty());
    CHECK(weakref::getweakrefcount(first) == 0);
    CHECK(weakref::getweakrefcount(second) == 0);
  };

  // What was stored is erased meanwhile: it is gone once, and what it had replaced does not come back.
  dictionary.insert(nasty_key{1}, former);
  auto dying = weakref::make_tracked<object>(4);
  const watcher erases(dying, [&] { CHECK(dictionary.erase(nasty_key{1})); });
  update_fails([&] { dying.reset(); });
  CHECK(weakref::getweakrefcount(former) == 0);

  // What was replaced dies meanwhile: it has been looked for, and nobody would take it out again.
  dictionary.insert(nasty_key{1}, former);
  update_fails([&] { former.reset(); });

  // Or both are there still.
  former = weakref::make_tracked<object>(5);
  dictionary.insert(nasty_key{1}, former);
  {
    int compared = 0;
    const while_comparing throws([&] {
      if (++compared == 2) throw std::runtime_error("comparison");
    });
    CHECK_THROWS_AS(dictionary.update({{nasty_key{1}, first}, {nasty_key{2}, second}}), std::runtime_error);
  }
  CHECK(dictionary.size() == 1);
  CHECK(dictionary.get(nasty_key{1}) == former);
}

TEST_CASE("comparison: any use of a dictionary inside throws std::logic_error") {
  nasty_cache dictionary;
  cache other;
  const auto owner = weakref::make_tracked<object>(1);
  dictionary.insert(nasty_key{1}, owner);
  other.insert(1, owner);
  int asked = 0;
  const while_comparing looks([&] {
    ++asked;
    CHECK_THROWS_AS(static_cast<void>(other.get(1)), std::logic_error);
    CHECK_THROWS_AS(static_cast<void>(dictionary.get(nasty_key{1})), std::logic_error);
  });
  CHECK(dictionary.get(nasty_key{1}) == owner);
  CHECK(asked >= 1);
}

// -- nobody becomes the last owner under a lock ---------------------------------------------------

// Failure mode 2.
TEST_CASE("look-up: the last owner that a look-up hands out may die at once, and re-enter") {
  struct reenters {
    weakref::WeakValueDictionary<int, reenters>* home;
    int* deaths;
    ~reenters() {
      CHECK_FALSE(home->contains(1));
      ++*deaths;
    }
  };
  weakref::WeakValueDictionary<int, reenters> dictionary;
  int deaths = 0;
  constexpr int rounds = 300;
  support::rendezvous start(2);
  std::shared_ptr<reenters> owner;
  const joining_thread looker([&] {
    for (int round = 0; round != rounds; ++round) {
      start.meet();
      while (dictionary.get(1)) {
        static_cast<void>(dictionary.contains(1));
        const weakref::WeakValueDictionary<int, reenters> copy = dictionary;
        static_cast<void>(copy == dictionary);
        for (auto&& item : dictionary) static_cast<void>(item);
      }
      start.meet();
    }
  });
  for (int round = 0; round != rounds; ++round) {
    owner = weakref::adopt(std::unique_ptr<reenters>(new reenters{&dictionary, &deaths}));
    dictionary.insert(1, owner);
    start.meet();
    owner.reset();
    start.meet();
  }
  CHECK(deaths == rounds);
}

TEST_CASE("insert: a new owner that is refused dies outside the lock") {
  journal log;
  cache dictionary;
  const auto kept = weakref::make_tracked<object>(1);
  dictionary.insert(1, kept);
  auto refused = weakref::make_tracked<object>(2);
  const watcher on_refused(refused, [&] {
    log("refused");
    CHECK(dictionary.size() == 1);
  });
  const auto [present, inserted] = dictionary.insert(1, std::move(refused));
  CHECK_FALSE(inserted);
  CHECK(present == kept);
  CHECK(log.text() == "refused");
}

TEST_CASE("insert_or_assign: what is replaced goes outside the lock") {
  journal log;
  struct key {
    int number;
    std::shared_ptr<std::function<void()>> at_end;
    key(int n, std::function<void()> f)
        : number(n), at_end(std::make_shared<std::function<void()>>(std::move(f))) {}
    key(const key&) = default;
    key(key&&) = default;
    key& operator=(const key&) = default;
    key& operator=(key&&) = default;
    ~key() {
      if (at_end && at_end.use_count() == 1) (*at_end)();
    }
    bool operator==(const key& other) const { return number == other.number; }
  };
  struct key_hash {
    std::size_t operator()(const key& k) const noexcept { return static_cast<std::size_t>(k.number); }
  };
  weakref::WeakValueDictionary<key, object, key_hash> dictionary;
  const auto first = weakref::make_tracked<object>(1);
  const auto second = weakref::make_tracked<object>(2);
  const auto note = [&] {
    log("key-ends");
    static_cast<void>(dictionary.size());
    static_cast<void>(dictionary.contains(key(5, {[] {}})));
  };
  dictionary.insert(key(1, note), first);
  CHECK_FALSE(dictionary.insert_or_assign(key(1, [] {}), second));
  CHECK(log.text() == "key-ends");
  dictionary.insert(key(2, note), first);
  dictionary.erase(key(2, [] {}));
  CHECK(log.text() == "key-ends key-ends");
  dictionary.insert(key(3, note), first);
  dictionary.clear();
  CHECK(log.text() == "key-ends key-ends key-ends");
}

} // namespace
