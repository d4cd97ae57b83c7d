// SPDX-License-Identifier: BSL-1.0
// What is put off until a container's lock has been left: deaths, the ends of containers and iterations, and what
// defer() was given; and that they follow one another instead of nesting.
#include <weakref/defer.hpp>

#include <weakref/errors.hpp>
#include <weakref/referent.hpp>
#include <weakref/weak_key_dictionary.hpp>
#include <weakref/weak_value_dictionary.hpp>

#include "support/counting_new.hpp"
#include "support/journal.hpp"
#include "support/sanitizers.hpp"
#include "support/unraisable.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using support::failing_allocation;
using support::heap_watch;
using support::journal;
using support::unraisable_log;

struct Plain {};
using Cache = weakref::WeakValueDictionary<int, Plain>;

// A container with one object, to be visited.
struct Place {
  Cache cache;
  std::shared_ptr<Plain> one = weakref::make_tracked<Plain>();
  Place() { cache.insert(1, one); }
  template <class F> void visit(F f) {
    const bool is_found = cache.visit(1, [&](Plain&) { f(); });
    CHECK(is_found);
  }
};

// Does something at its end.
struct Ender {
  explicit Ender(std::function<void()> words) : at_end(std::move(words)) {}
  Ender(const Ender&) = delete;
  Ender& operator=(const Ender&) = delete;
  ~Ender() { at_end(); }
  std::function<void()> at_end;
};
using Owner = std::shared_ptr<Ender>;

Owner make(std::function<void()> words) { return weakref::make_tracked<Ender>(std::move(words)); }

// How deep such objects' ends lie in each other when so many are let go in one visit. Each end visits, and lets go of
// another object in there, whose end visits too.
int depth_of(std::size_t count) {
  Place place;
  int depth = 0;
  int deepest = 0;
  std::size_t ends = 0;
  std::vector<Owner> owners;
  const auto nested = [&](const auto& inner) {
    deepest = std::max(deepest, ++depth);
    ++ends;
    bool is_inside = true;
    place.visit([&] { inner(); });
    is_inside = false;
    CHECK_FALSE(is_inside);
    --depth;
  };
  for (std::size_t i = 0; i != count; ++i) {
    auto second = std::make_shared<Owner>(make([&] { nested([] {}); }));
    owners.push_back(make([&, second] {
      const std::size_t before = ends;
      nested([&] { second->reset(); });
      CHECK(ends == before + 2); // what was put off in there happened before that visit returned
    }));
  }
  place.visit([&] {
    owners.clear();
    CHECK(ends == 0);
  });
  CHECK(ends == 2 * count);
  return deepest;
}

} // namespace

// --- deaths
// -------------------------------------------------------------------------------------------------------

TEST_CASE("put off: deaths that visit in their turn follow one another, and do not nest") {
  CHECK(depth_of(100) == 2);
}

TEST_CASE("put off: thirty-two thousand deaths in one visit need no more stack than two") {
  CHECK(depth_of(32000) == 2);
}

TEST_CASE("put off: deaths happen in their order, those of a visit inside one of them within it") {
  Place place;
  journal log;
  Owner d = make([&] { log("d"); });
  Owner e = make([&] { log("e"); });
  Owner a = make([&] {
    log("a");
    place.visit([&] {
      d.reset();
      e.reset();
      log("visited");
    });
    log("a-ends");
  });
  Owner b = make([&] { log("b"); });
  Owner c = make([&] { log("c"); });
  place.visit([&] {
    a.reset();
    b.reset();
    c.reset();
    log("leaving");
  });
  CHECK(log.text() == "leaving a visited d e a-ends b c");
  // The next one begins anew.
  Owner f = make([&] { log("f"); });
  place.visit([&] { f.reset(); });
  CHECK(log.text() == "leaving a visited d e a-ends b c f");
}

namespace {
struct Word {
  Word(int start, journal& where, std::string what) : number(start), log(&where), text(std::move(what)) {}
  Word(Word&& other) noexcept
      : number(other.number), log(std::exchange(other.log, nullptr)), text(other.text) {}
  Word& operator=(Word&&) = delete;
  ~Word() {
    if (log != nullptr) (*log)(text);
  }
  int number;
  journal* log;
  std::string text;
  friend bool operator==(const Word& left, const Word& right) { return left.number == right.number; }
  friend std::size_t hash_value(const Word& word) { return static_cast<std::size_t>(word.number); }
};
} // namespace

TEST_CASE(
    "put off: the ends of containers and iterations, and deferred calls, come in order after the deaths") {
  using Words = weakref::WeakValueDictionary<Word, Plain>;
  Place place;
  journal log;
  const auto one = weakref::make_tracked<Plain>();
  auto first = std::make_optional<Words>();
  auto second = std::make_optional<Words>();
  Words third;
  first->insert(Word(1, log, "first"), one);
  second->insert(Word(1, log, "second"), one);
  auto seen = weakref::make_tracked<Plain>();
  third.insert(Word(1, log, "iterated"), seen);
  std::optional<Words::iterator> at(third.begin());
  third.clear();
  CHECK(log.text().empty());
  Owner a = make([&] { log("a"); });
  Owner b = make([&] { log("b"); });
  place.visit([&] {
    weakref::defer([&] { log("deferred"); });
    first.reset();
    a.reset();
    at.reset();
    second.reset();
    weakref::defer([&] { log("deferred-too"); });
    b.reset();
    log("leaving");
  });
  CHECK(log.text() == "leaving a b deferred first iterated second deferred-too");
}

TEST_CASE("put off: what an exception leaves behind happens before it is caught") {
  Place place;
  journal log;
  Owner a = make([&] { log("a"); });
  try {
    place.visit([&] {
      a.reset();
      weakref::defer([&] { log("deferred"); });
      throw std::runtime_error("out of it");
    });
    FAIL_CHECK("nothing thrown");
  } catch (const std::runtime_error&) {
    log("caught");
  }
  CHECK(log.text() == "a deferred caught");
  CHECK_FALSE(weakref::is_under_lock());
}

// --- defer
// -------------------------------------------------------------------------------------------------------

TEST_CASE("defer: calls at once where no lock is held, and allocates nothing") {
  int calls = 0;
  const heap_watch heap;
  weakref::defer([&] { ++calls; });
  CHECK(calls == 1);
  CHECK(heap.made() == 0);
}

TEST_CASE("defer: inside a visit it waits, one call after the other, before the visit returns") {
  Place place;
  journal log;
  place.visit([&] {
    weakref::defer([&] {
      log("first");
      CHECK_FALSE(weakref::is_under_lock());
      CHECK(place.cache.contains(1));
      place.visit([&] {
        weakref::defer([&] { log("inner"); });
        log("visited");
      });
      weakref::defer([&] { log("at-once"); });
    });
    weakref::defer([&, own = std::make_unique<int>(2)] { log(*own == 2 ? "second" : "lost"); });
    log("leaving");
  });
  log("left");
  CHECK(log.text() == "leaving first visited inner at-once second left");
}

namespace {
struct Asked {
  int number;
  static inline int calls = 0;
  friend bool operator==(const Asked& left, const Asked& right) {
    CHECK(weakref::is_under_lock());
    const int before = calls;
    weakref::defer([] { ++calls; });
    CHECK(calls == before);
    return left.number == right.number;
  }
  friend std::size_t hash_value(const Asked& key) {
    CHECK_FALSE(weakref::is_under_lock());
    return static_cast<std::size_t>(key.number);
  }
};
} // namespace

TEST_CASE("defer: a call may wait for the end of a comparison or of a mapped value's copy, too") {
  struct Value {
    Value() = default;
    Value(const Value&) {
      if (!weakref::is_under_lock()) return; // a copy on its way to the caller
      const int before = calls();
      weakref::defer([] {
        CHECK_FALSE(weakref::is_under_lock());
        ++calls();
      });
      CHECK(calls() == before);
    }
    Value& operator=(const Value&) = default;
    ~Value() = default;
    static int& calls() {
      static int made = 0;
      return made;
    }
  };
  weakref::WeakKeyDictionary<Plain, Value> values;
  const auto one = weakref::make_tracked<Plain>();
  values.insert(one, Value());
  Value::calls() = 0;
  CHECK(values.get(one).has_value());
  CHECK(Value::calls() == 1);

  weakref::WeakValueDictionary<Asked, Plain> asked;
  asked.insert(Asked{1}, one);
  Asked::calls = 0;
  CHECK(asked.contains(Asked{1}));
  CHECK(Asked::calls == 1);
  CHECK_FALSE(weakref::is_under_lock());
}

TEST_CASE("defer: exceptions go to the hook, and what waits after them happens") {
  Place place;
  journal log;
  unraisable_log unraisable;
  weakref::defer([] { throw std::runtime_error("now"); });
  CHECK(unraisable.text() == "now");
  Owner a = make([&] { log("a"); });
  place.visit([&] {
    weakref::defer([] { throw std::runtime_error("later"); });
    weakref::defer([&] { log("after"); });
    a.reset();
    CHECK(unraisable.text() == "now");
  });
  CHECK(unraisable.text() == "now later");
  CHECK(log.text() == "a after");
}

TEST_CASE("defer: that finds no memory leaves nothing behind, and is not called") {
  Place place;
  int calls = 0;
  const auto used = std::make_shared<int>();
  const auto waiting = [&calls, used] { ++calls; };
  place.visit([&] {
    {
      const failing_allocation none(0);
      CHECK_THROWS_AS(weakref::defer(waiting), std::bad_alloc);
    }
    CHECK(used.use_count() == 2);
    weakref::defer(waiting);
    CHECK(used.use_count() == 3);
  });
  CHECK(calls == 1);
  CHECK(used.use_count() == 2);
}

TEST_CASE("defer: what it was given is destroyed with no lock held, and the memory goes back") {
  Place place;
  const auto warm_up = [] {};
  place.visit([&] { weakref::defer(warm_up); });
  bool is_gone = false;
  const heap_watch heap;
  {
    auto token = std::shared_ptr<int>(new int(1), [&](int* gone) {
      CHECK_FALSE(weakref::is_under_lock());
      CHECK(place.cache.contains(1));
      delete gone;
      is_gone = true;
    });
    place.visit([&] {
      weakref::defer([own = std::move(token)] { CHECK(*own == 1); });
      CHECK_FALSE(is_gone);
    });
  }
  CHECK(is_gone);
  CHECK(heap.kept() == 0);
}

TEST_CASE("is_under_lock: in a visit and nowhere else") {
  Place place;
  CHECK_FALSE(weakref::is_under_lock());
  Owner a = make([] { CHECK_FALSE(weakref::is_under_lock()); });
  place.visit([&] {
    CHECK(weakref::is_under_lock());
    a.reset();
    CHECK(weakref::is_under_lock());
  });
  CHECK_FALSE(weakref::is_under_lock());
  (void)place.cache.erase_if([](const int&, const auto&) {
    CHECK_FALSE(weakref::is_under_lock());
    return false;
  });
  for (auto&& each : place.cache) {
    (void)each;
    CHECK_FALSE(weakref::is_under_lock());
  }
}

TEST_CASE("defer: the destructor of an enabled object that dies in a visit may erase later") {
  struct Session : weakref::enable_weakref {
    Session(weakref::WeakValueDictionary<int, Plain>& where, int number) : home(&where), id(number) {}
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session() {
      const bool was_inside = weakref::is_under_lock();
      weakref::defer([home = home, id = id] { CHECK(home->erase(id)); });
      CHECK(home->size() == (was_inside ? 2 : 1));
    }
    weakref::WeakValueDictionary<int, Plain>* home;
    int id;
  };
  Place place;
  const auto entry = weakref::make_tracked<Plain>();
  weakref::WeakValueDictionary<int, Session> sessions;
  for (const bool is_inside : {true, false}) {
    place.cache.insert(2, entry);
    auto session = std::make_shared<Session>(place.cache, 2);
    sessions.insert(2, session);
    if (is_inside) {
      place.visit([&] {
        session.reset();
        CHECK(place.cache.size() == 2);
      });
    } else {
      session.reset();
    }
    CHECK(place.cache.size() == 1);
    CHECK(sessions.empty());
  }
}

// --- chains
// -------------------------------------------------------------------------------------------------------

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int chain_length = 1000; // a sanitizer's frames take most of a kilobyte
#elif defined(__OPTIMIZE__)
constexpr int chain_length = 100000;
#else
constexpr int chain_length = 10000;
#endif

struct Link {
  std::shared_ptr<Link> next;
  static inline int ends = 0;
  Link() = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link() { ++ends; }
};

} // namespace

TEST_CASE("chains: objects of a dictionary, each of which owns the next, die from the first one on") {
  weakref::WeakValueDictionary<int, Link> links;
  Link::ends = 0;
  std::shared_ptr<Link> head;
  for (int number = 0; number != chain_length; ++number) {
    auto before = std::move(head);
    head = weakref::make_tracked<Link>();
    head->next = std::move(before);
    links.insert(number, head);
  }
  CHECK(links.size() == static_cast<std::size_t>(chain_length));
  head.reset();
  CHECK(Link::ends == chain_length);
  CHECK(links.empty());
}

TEST_CASE("chains: those that try_emplace has made, and those that die in a visit, are no deeper") {
  weakref::WeakValueDictionary<int, Link> links;
  Link::ends = 0;
  std::shared_ptr<Link> head;
  for (int number = 0; number != chain_length; ++number) {
    auto before = std::move(head);
    head = links.try_emplace(number).first;
    head->next = std::move(before);
  }
  Place place;
  place.visit([&] {
    head.reset();
    CHECK(Link::ends == 0);
  });
  CHECK(Link::ends == chain_length);
  CHECK(links.empty());
}
