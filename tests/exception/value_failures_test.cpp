// SPDX-License-Identifier: BSL-1.0
// WeakValueDictionary: failures where more than one fixture is needed: a split, two threads, other keys, other
// allocators, deaths that an operation had put off. (The operations one by one: value_injection_test.cpp.)
#include "value_fixture.hpp"

#include "../support/dictionary_keys.hpp"
#include "../support/dictionary_mutex.hpp"
#include "../support/dictionary_threads.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace injection;
using dictionary_test::gate;
using dictionary_test::Item;
using dictionary_test::Ticket;
using dictionary_test::TicketHash;
using dictionary_test::waiting_mutex;

namespace {

// As many as the last table of an unsplit dictionary holds: the next one makes it split.
constexpr int full = 142;

template <class Mutex>
using With = weakref::WeakValueDictionary<Key, fragile, faulty_hash, faulty_equal,
                                          accounting_allocator<fragile>, Mutex>;

bool has_split(const Fixture& f) {
  // Besides the nodes: each of the 16 or more shards has slots of its own.
  return static_cast<std::size_t>(f.books.blocks) >= f.dictionary.size() + f.other.size() + 16;
}

} // namespace

// --- across a split ------------------------------------------------------------------------------------------

WEAKREF_OPERATION(
    Fixture, "strong guarantee: an insertion that makes the dictionary split", {},
    looking | heap | allocator | construct | move,
    [](Fixture& f) { f.dictionary.insert(Key(1000), f.fresh); },
    [](Fixture& f) {
      CHECK(contents_of(f.dictionary) == f.with(Key(1000), f.fresh));
      CHECK(has_split(f));
    },
    {{0, full, 0, false}, {0, full, 0, true}})
// The first key still fits, the second makes the dictionary split, and the third is taken back over the split.
WEAKREF_OPERATION(
    Fixture, "strong guarantee: an update in the middle of which the dictionary splits", {},
    looking | construct | copy | move | allocator | heap,
    [](Fixture& f) {
      f.dictionary.update({{f.present, f.spare},
                           {f.absent, f.fresh},
                           {Key(1000), f.fresh},
                           {Key(1001), f.fresh},
                           {Key(1002), f.fresh}});
    },
    [](Fixture& f) {
      Contents changed = f.with(f.present, f.spare);
      for (const int key : {1028, 1000, 1001, 1002}) changed[key] = f.fresh.get();
      CHECK(contents_of(f.dictionary) == changed);
      CHECK(has_split(f));
    },
    {{0, full - 1, 0, false}, {0, full - 1, 0, true}})
WEAKREF_OPERATION(
    Fixture, "strong guarantee: a creation that makes the dictionary split", {},
    looking | move | allocator | factory | construct,
    [](Fixture& f) {
      f.result = f.dictionary.get_or_create(Key(1000), [] {
        faults::point(factory);
        return fragile(4);
      });
    },
    [](Fixture& f) {
      CHECK(contents_of(f.dictionary) == f.with(Key(1000), f.result));
      CHECK(has_split(f));
    },
    {{0, full, 0, false}, {0, full, 0, true}})
// Taking out what an iteration over all shards has chosen.
WEAKREF_OPERATION(
    Fixture, "strong guarantee: erase_if in a dictionary that has split", {}, fault_set(heap),
    [](Fixture& f) {
      f.number = f.dictionary.erase_if([](const Key& key, const Owner&) { return key.number % 20 == 0; });
    },
    [](Fixture& f) {
      CHECK(f.number == static_cast<std::size_t>(full) / 20 + 1);
      CHECK(has_split(f));
    },
    {{0, full + 20, 0, false}})

// --- two threads ---------------------------------------------------------------------------------------------

TEST_CASE("strong guarantee: a caller of get_or_create who fails while another runs the factory") {
  const long failures = failures_until_through(100, [](long budget) {
    closing_account books;
    With<waiting_mutex> dictionary(weakref::options{.shards = 1}, accounting_allocator<fragile>(books));
    gate running;
    std::atomic<bool> failed{false};
    Owner made;
    Owner joined;
    std::thread creator([&] {
      made = dictionary.get_or_create(Key(1), [&] {
        running.open();
        while (!failed && waiting_mutex::waiting() == 0) std::this_thread::yield();
        return fragile(1);
      });
    });
    running.wait();
    const bool is_through =
        !fails([&] { joined = dictionary.get_or_create(Key(1), [] { return fragile(2); }); }, budget, false);
    failed = true;
    creator.join();
    check_thread_record();
    CHECK(made != nullptr);
    CHECK((!is_through || joined == made));
    CHECK(dictionary.get(Key(1)) == made);
    return is_through;
  });
  CHECK(failures > 0);
  CHECK(Key::alive() == 0);
}

TEST_CASE("strong guarantee: a creator who fails leaves the creation to one who waits") {
  const long failures = failures_until_through(100, [](long budget) {
    closing_account books;
    With<waiting_mutex> dictionary(weakref::options{.shards = 1}, accounting_allocator<fragile>(books));
    gate running;
    Owner made;
    Owner joined;
    std::thread waiter([&] {
      running.wait();
      joined = dictionary.get_or_create(Key(1), [] { return fragile(2); });
    });
    // What fails before the factory runs fails with nobody waiting.
    const bool is_through = !fails(
        [&] {
          made = dictionary.get_or_create(Key(1), [&] {
            running.open();
            waiting_mutex::await_waiting(1);
            return fragile(1);
          });
        },
        budget, false);
    running.open();
    waiter.join();
    check_thread_record();
    CHECK(joined->number == (is_through ? 1 : 2));
    CHECK((!is_through || joined == made));
    CHECK(dictionary.get(Key(1)) == joined);
    return is_through;
  });
  CHECK(failures > 4);
}

// --- other keys ----------------------------------------------------------------------------------------------

TEST_CASE("basic facts after a failure: a dictionary with std::string keys and the global heap") {
  using Names = weakref::WeakValueDictionary<std::string, Item>;
  const std::string base = "a name that is long enough to need memory of its own, number ";
  const long failures = failures_until_through(2000, [&](long budget) {
    bool is_through = false;
    const long blocks = dictionary_test::heap::blocks.load();
    {
      Names names;
      std::vector<std::shared_ptr<Item>> owners;
      owners.reserve(10);
      is_through = !fails(
          [&] {
            for (int number = 0; number < 10; ++number)
              owners.push_back(
                  names.get_or_create(base + std::to_string(number), [&] { return Item(number); }));
          },
          budget, false);
      CHECK(names.size() == owners.size());
      for (const auto& owner : owners) CHECK(names.get(base + std::to_string(owner->number)) == owner);
    }
    CHECK(dictionary_test::heap::blocks.load() == blocks);
    return is_through;
  });
  CHECK(failures > 10);
}

TEST_CASE("strong guarantee: keys that can only be moved") {
  using Tickets =
      weakref::WeakValueDictionary<Ticket, Item, TicketHash, std::equal_to<>, accounting_allocator<Item>>;
  const long failures = failures_until_through(100, [](long budget) {
    closing_account books;
    Tickets tickets({}, accounting_allocator<Item>(books));
    const auto one = dictionary_test::item(1);
    const auto two = dictionary_test::item(2);
    tickets.insert(Ticket(1), one);
    const bool is_through = !fails(
        [&] {
          const auto added = tickets.try_emplace(Ticket(2), 2);
          tickets.insert_or_assign(Ticket(1), two);
          (void)tickets.popitem();
        },
        budget, false);
    if (is_through) return true;
    CHECK(tickets.size() == 1);
    CHECK(tickets.get(1) == one);
    CHECK(weakref::getweakrefcount(two) == 0);
    return false;
  });
  CHECK(failures > 1);
  CHECK(Ticket::alive() == 0);
}

// --- allocators that differ ----------------------------------------------------------------------------------

namespace {

void assign_to_another_allocator(void (*run)(Dictionary& target, Fixture& f), bool is_moved) {
  const long failures = failures_until_through(300, [&](long budget) {
    closing_account books;
    Fixture f({1, 9, 0, false});
    Dictionary target({}, accounting_allocator<fragile>(books));
    target.insert(Key(1), f.spare);
    const bool is_through = !fails([&] { run(target, f); }, budget, false);
    CHECK(contents_of(f.dictionary) == (is_through && is_moved ? Contents() : f.before));
    CHECK(contents_of(target) == (is_through ? f.before : Contents{{1, f.spare.get()}}));
    return is_through;
  });
  CHECK(failures > 9);
}

} // namespace

TEST_CASE("strong guarantee: copies into another allocator's memory") {
  assign_to_another_allocator([](Dictionary& target, Fixture& f) { target = f.dictionary; }, false);
}

TEST_CASE("strong guarantee: move assignment into another allocator's memory") {
  assign_to_another_allocator([](Dictionary& target, Fixture& f) { target = std::move(f.dictionary); }, true);
}

// --- deaths put off ------------------------------------------------------------------------------------------

TEST_CASE("an exception leaves a visit only after the deaths that the visit caused") {
  closing_account books;
  Dictionary dictionary({}, accounting_allocator<fragile>(books));
  Owner one = weakref::make_tracked<fragile>(1);
  Owner two = weakref::make_tracked<fragile>(2);
  dictionary.insert(Key(1), one);
  dictionary.insert(Key(2), two);
  const long objects = fragile::alive();
  bool is_whole = false;
  try {
    dictionary.visit(Key(1), [&](fragile& object) {
      one.reset();
      two.reset();
      is_whole = object.number == 1 && fragile::alive() == objects;
      throw injected();
    });
    FAIL_CHECK("nothing was thrown");
  } catch (const injected&) {
    CHECK(fragile::alive() == objects - 2);
    CHECK(dictionary.empty());
  }
  CHECK(is_whole);
  check_thread_record();
}
