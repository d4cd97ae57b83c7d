// SPDX-License-Identifier: BSL-1.0
// WeakKeyDictionary: failures with values whose moves fail, and by identity. (By value, with safe values, each
// operation: key_injection_test.cpp.)
#include "key_fixture.hpp"

#include "../support/dictionary_mutex.hpp"
#include "../support/dictionary_threads.hpp"

#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

using namespace injection;
using dictionary_test::gate;
using dictionary_test::waiting_mutex;

namespace {

using Unsafe = KeyFixture<false, true>;
using Identity = KeyFixture<true, false>;

} // namespace

// --- values whose moves fail ---------------------------------------------------------------------------------

#define WEAKREF_UNSAFE_OPERATION(name, ...) WEAKREF_OPERATION(Unsafe, name, __VA_ARGS__)

WEAKREF_UNSAFE_OPERATION(
    "WeakKeyDictionary: strong guarantee: reading, with values whose moves fail", {},
    looking | copy | move | heap | other,
    [](Unsafe& f) {
      std::size_t seen = 0;
      const auto found = f.dictionary.get(f.twin);
      seen += found.has_value();
      try {
        const auto value = f.dictionary.at(f.present);
        seen += value.number == 10;
      } catch (const std::out_of_range&) {}
      const auto otherwise = f.dictionary.get(f.absent, f.value);
      seen += otherwise.number == 1;
      for (auto&& [key, value] : f.dictionary) {
        faults::point(other);
        seen += f.before.at(key.get()) == value.number;
      }
      f.number = seen;
    },
    [](Unsafe& f) {
      unchanged(f);
      CHECK(f.number == 1 + (f.has_present() ? 2 : 0) + f.before.size());
    })
WEAKREF_UNSAFE_OPERATION(
    "WeakKeyDictionary: strong guarantee: insert of a new key, with values whose moves fail", {},
    looking | copy | move | allocator | heap,
    [](Unsafe& f) { f.flag = f.dictionary.insert(f.absent, f.value); },
    [](Unsafe& f) { changes_to(f, f.with(f.absent, 1)); })
WEAKREF_UNSAFE_OPERATION(
    "WeakKeyDictionary: strong guarantee: insert of an equal key, with values whose moves fail", {},
    looking | copy | move | allocator,
    [](Unsafe& f) { f.flag = f.dictionary.insert(f.twin, f.value) == !f.has_present(); },
    [](Unsafe& f) { changes_to(f, f.has_present() ? f.before : f.with(f.twin, 1)); })
WEAKREF_UNSAFE_OPERATION(
    "WeakKeyDictionary: strong guarantee: insert_or_assign of an equal key, with values whose moves fail", {},
    looking | copy | move | allocator, [](Unsafe& f) { f.dictionary.insert_or_assign(f.twin, f.value); },
    [](Unsafe& f) { changes_to(f, f.with(f.twin, 1)); })
WEAKREF_UNSAFE_OPERATION(
    "WeakKeyDictionary: strong guarantee: taking out by pop, with values whose moves fail", {},
    looking | copy,
    [](Unsafe& f) {
      const auto value = f.dictionary.pop(f.twin);
      f.number = value.has_value() ? static_cast<std::size_t>(value->number) : 0;
    },
    [](Unsafe& f) {
      changes_to(f, f.without(f.twin));
      CHECK(f.number == (f.has_present() ? 10 : 0));
    })
WEAKREF_UNSAFE_OPERATION(
    "WeakKeyDictionary: strong guarantee: taking out by popitem, with values whose moves fail", {},
    copy | heap,
    [](Unsafe& f) {
      f.flag = refused<std::out_of_range>([&] {
        const auto taken = f.dictionary.popitem();
        const faults::pause quiet;
        f.popped.emplace(taken);
      });
    },
    [](Unsafe& f) {
      CHECK(f.flag == f.before.empty());
      if (f.popped.has_value()) changes_to(f, f.without(f.popped->first));
    })
WEAKREF_UNSAFE_OPERATION(
    "WeakKeyDictionary: strong guarantee: erase_if, with values whose moves fail", {},
    copy | heap | predicate,
    [](Unsafe& f) {
      f.dictionary.erase_if([](const Owner&, const Unsafe::Value& value) {
        faults::point(predicate);
        return value.number % 20 == 0;
      });
    },
    [](Unsafe& f) {
      Unsafe::Contents left = f.before;
      std::erase_if(left, [](const auto& each) { return each.second % 20 == 0; });
      changes_to(f, left);
    })
WEAKREF_UNSAFE_OPERATION(
    "WeakKeyDictionary: strong guarantee: update, with values whose moves fail", {},
    looking | copy | move | allocator | heap,
    [](Unsafe& f) {
      f.dictionary.update(
          {{f.absent, f.value}, {f.twin, f.value}, {f.second, f.value}, {f.present, f.value}});
    },
    [](Unsafe& f) {
      Unsafe::Contents changed = f.with(f.absent, 1);
      changed[f.first(f.twin).get()] = 1;
      changed[f.second.get()] = 1;
      changes_to(f, changed);
    })
WEAKREF_UNSAFE_OPERATION(
    "WeakKeyDictionary: strong guarantee: copies and |, with values whose moves fail", {},
    looking | copy | move | allocator | heap,
    [](Unsafe& f) {
      const auto copy = f.dictionary | f.other;
      f.dictionary = copy;
    },
    [](Unsafe& f) { changes_to(f, f.united()); })

// The documented exceptions: where a value is handed out by moving it, the change has been made by then. Everything
// else that fails there leaves the dictionary as it was.
namespace {

void fail_handing_out(void (*run)(Unsafe&), Unsafe::Contents (*done)(Unsafe&)) {
  long too_late = 0;
  for (const configuration& chosen : configurations) {
    failures_until_through(500, [&](long budget) {
      bool is_through = false;
      const auto census = Unsafe::census();
      const long blocks = dictionary_test::heap::blocks.load();
      {
        Unsafe f(chosen);
        const auto before = f.look();
        is_through = !fails([&] { run(f); }, budget, chosen.lasting);
        check_thread_record();
        if (is_through || (faults::first() == move && f.contents_of(f.dictionary) != f.before)) {
          CHECK(f.contents_of(f.dictionary) == done(f));
          too_late += is_through ? 0 : 1;
        } else {
          f.check_unchanged(before);
          f.use();
          f.check_unchanged(before);
          run(f);
          CHECK(f.contents_of(f.dictionary) == done(f));
        }
        f.let_go();
      }
      CHECK(Unsafe::census() == census);
      CHECK(dictionary_test::heap::blocks.load() == blocks);
      return is_through;
    });
  }
  CHECK(too_late > 0);
}

} // namespace

TEST_CASE("WeakKeyDictionary: setdefault: a value whose move fails when it is handed out is stored already") {
  fail_handing_out([](Unsafe& f) { (void)f.dictionary.setdefault(f.absent, f.value); },
                   [](Unsafe& f) { return f.with(f.absent, 1); });
}
TEST_CASE(
    "WeakKeyDictionary: get_or_create: a value whose move fails when it is handed out is stored already") {
  fail_handing_out(
      [](Unsafe& f) {
        (void)f.dictionary.get_or_create(f.absent, [] {
          faults::point(factory);
          return Unsafe::Value(4);
        });
      },
      [](Unsafe& f) { return f.with(f.absent, 4); });
}
TEST_CASE("WeakKeyDictionary: pop with a default: a value whose move fails when it is handed out has gone") {
  fail_handing_out([](Unsafe& f) { (void)f.dictionary.pop(f.twin, f.value); },
                   [](Unsafe& f) { return f.without(f.twin); });
}

// --- by identity ---------------------------------------------------------------------------------------------

#define WEAKREF_IDENTITY_OPERATION(name, ...) WEAKREF_OPERATION(Identity, name, __VA_ARGS__)

WEAKREF_IDENTITY_OPERATION(
    "WeakKeyDictionary: by identity: strong guarantee: reading", {}, copy | heap | visit,
    [](Identity& f) {
      std::size_t seen = 0;
      seen += f.dictionary.get(f.present).has_value();
      seen += f.dictionary.get(f.absent.get(), f.value).number == 1;
      seen += f.dictionary.contains(*f.present);
      seen += f.dictionary.visit(f.present, [](auto&) { faults::point(visit); });
      for (const auto& item : f.dictionary) seen += item.value.number != 0;
      f.number = seen;
    },
    [](Identity& f) {
      unchanged(f);
      CHECK(f.number == 1 + (f.has_present() ? 3 : 0) + f.before.size());
    })
WEAKREF_IDENTITY_OPERATION(
    "WeakKeyDictionary: by identity: strong guarantee: setdefault", {}, copy | allocator | heap,
    [](Identity& f) { f.result.emplace(f.dictionary.setdefault(f.absent, f.value)); },
    [](Identity& f) { changes_to(f, f.with(f.absent, 1)); })
WEAKREF_IDENTITY_OPERATION(
    "WeakKeyDictionary: by identity: strong guarantee: insert_or_assign over an entry", {}, copy | allocator,
    [](Identity& f) { f.flag = f.dictionary.insert_or_assign(f.present, f.value) == !f.has_present(); },
    [](Identity& f) { changes_to(f, f.with(f.present, 1)); })
WEAKREF_IDENTITY_OPERATION(
    "WeakKeyDictionary: by identity: strong guarantee: get_or_create", {},
    copy | allocator | heap | factory | construct,
    [](Identity& f) {
      f.result.emplace(f.dictionary.get_or_create(f.absent, [] {
        faults::point(factory);
        return Identity::Value(4);
      }));
    },
    [](Identity& f) { changes_to(f, f.with(f.absent, 4)); })
WEAKREF_IDENTITY_OPERATION(
    "WeakKeyDictionary: by identity: no failure: pop, popitem, erase take out what is there", {}, nothing,
    [](Identity& f) {
      f.number = f.dictionary.pop(f.present).has_value();
      f.number += f.dictionary.erase(f.absent);
      if (f.dictionary.size() > static_cast<std::size_t>(f.dead)) {
        (void)f.dictionary.popitem();
        ++f.number;
      }
    },
    [](Identity& f) { CHECK(f.contents_of(f.dictionary).size() == f.before.size() - f.number); })
WEAKREF_IDENTITY_OPERATION(
    "WeakKeyDictionary: by identity: strong guarantee: update", {}, copy | allocator | heap,
    [](Identity& f) {
      f.dictionary.update(
          {{f.absent, f.value}, {f.twin, f.value}, {f.present, f.value}, {f.second, f.value}});
    },
    [](Identity& f) {
      Identity::Contents changed = f.with(f.absent, 1);
      for (const Owner& each : {f.twin, f.present, f.second}) changed[each.get()] = 1;
      changes_to(f, changed);
    })
WEAKREF_IDENTITY_OPERATION(
    "WeakKeyDictionary: by identity: strong guarantee: copy, |, ==", {}, copy | compare | allocator | heap,
    [](Identity& f) {
      const bool is_equal = f.dictionary == Identity::Dictionary(f.dictionary);
      f.made.emplace(f.dictionary | f.other);
      f.flag = is_equal;
    },
    [](Identity& f) {
      unchanged(f);
      CHECK(f.flag);
      CHECK(f.contents_of(*f.made) == f.united());
    })

// --- deaths put off, by a value's copy -----------------------------------------------------------------------

TEST_CASE("WeakKeyDictionary: a copy that kills its key and fails leaves no entry, no lock, no depth") {
  struct deadly {
    std::function<void()> on_copy;
    deadly() = default;
    deadly(const deadly& other) {
      if (other.on_copy) other.on_copy();
    }
  };
  weakref::WeakKeyDictionary<thing, deadly> dictionary;
  Owner key = weakref::make_tracked<thing>(1);
  Owner neighbour = weakref::make_tracked<thing>(2);
  dictionary.try_emplace(key);
  dictionary.try_emplace(neighbour);
  const thing* const address = key.get();
  dictionary.visit(key, [&](deadly& value) {
    value.on_copy = [&] {
      key.reset();
      neighbour.reset();
      throw injected();
    };
  });
  CHECK_THROWS_AS((void)dictionary.get(address), injected);
  CHECK(thing::alive() == 0);
  CHECK(dictionary.empty());
  check_thread_record();
}

// --- two threads ---------------------------------------------------------------------------------------------

TEST_CASE(
    "WeakKeyDictionary: a value that can't be copied for those who wait is found by them all the same") {
  using Dictionary = weakref::WeakKeyDictionary<thing, faulty<true>, weakref::by_identity,
                                                weakref::by_identity, std::allocator<thing>, waiting_mutex>;
  Dictionary dictionary;
  dictionary.reserve(10); // no memory is asked for between the two copies below
  const Owner key = weakref::make_tracked<thing>(1);
  gate running;
  int found = 0;
  std::thread waiter([&] {
    running.wait();
    found = dictionary.get_or_create(key, [] { return faulty<true>(2); }).number;
  });
  // The creator copies the value once for itself, before it stores it, and once for all who wait.
  const auto make = [&] {
    running.open();
    waiting_mutex::await_waiting(1);
    faults::arm(1, false);
    return stand_in{1};
  };
  bool is_thrown = false;
  int made = 0;
  try {
    made = dictionary
               .get_or_create(key,
                              [&] {
                                const stand_in from = make();
                                const faults::pause quiet; // the value itself is made
                                return faulty<true>(from);
                              })
               .number;
  } catch (const injected&) {
    is_thrown = true;
  }
  CHECK(faults::disarm() == 1);
  CHECK(faults::first() == copy);
  CHECK_FALSE(is_thrown);
  waiter.join();
  CHECK(made == 1);
  CHECK(found == 1);
}
