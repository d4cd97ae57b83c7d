// SPDX-License-Identifier: BSL-1.0
// WeakKeyDictionary by value, with values whose moves are safe: each of its operations, with every failure. (By
// identity, and values whose moves fail: key_failures_test.cpp.)
#include "key_fixture.hpp"

#include "public_members.hpp"

#include <iterator>
#include <memory>
#include <stdexcept>
#include <utility>

using namespace injection;

#define WEAKREF_KEY_OPERATION(name, ...) WEAKREF_OPERATION(Fixture, name, __VA_ARGS__)

namespace {

using Fixture = KeyFixture<true, true>;
using Dictionary = Fixture::Dictionary;
using Contents = Fixture::Contents;
using Value = Fixture::Value;
using Pair = Fixture::Pair;

constexpr fault_set iterating = heap | copy;

Contents contents_of(const Dictionary& dictionary) { return Fixture::contents_of(dictionary); }

struct pair_like {
  late_owner<thing> first;
  stand_in second;
};
using Range = faulty_range<pair_like, 4>;

// A new key, an equal newcomer of one that may be there, and both once more.
Range four(Fixture& f) {
  return {{{{f.absent}, {5}}, {{f.twin}, {6}}, {{f.absent}, {7}}, {{f.present}, {8}}}};
}
Contents with_four(Fixture& f) {
  Contents changed = f.before;
  changed[f.absent.get()] = 7;
  changed[f.first(f.twin).get()] = 8;
  return changed;
}
Contents only_four(Fixture& f) { return {{f.absent.get(), 7}, {f.twin.get(), 8}}; }

} // namespace

// --- looked up -----------------------------------------------------------------------------------------------

WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: get of a present key", {"get"}, looking | copy,
    [](Fixture& f) {
      const auto found = f.dictionary.get(f.twin);
      f.number = found.has_value() ? static_cast<std::size_t>(found->number) : 0;
    },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.number == (f.has_present() ? 10 : 0));
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: get of an absent key, compared with many", {"get"}, looking | heap,
    [](Fixture& f) { f.flag = !f.dictionary.get(*f.absent).has_value(); },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.flag);
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: get with another value for an absent key", {"get or"},
    looking | heap | copy, [](Fixture& f) { f.result.emplace(f.dictionary.get(f.absent, f.value)); },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.result->number == 1);
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: at", {"at"}, looking | copy | heap,
    [](Fixture& f) {
      f.flag = refused<std::out_of_range>([&] { f.result.emplace(f.dictionary.at(f.present.get())); });
    },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.flag == !f.has_present());
      CHECK((f.flag || f.result->number == 10));
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: contains", {"contains"}, looking | heap,
    [](Fixture& f) { f.number = f.dictionary.contains(f.twin) + 2U * f.dictionary.contains(*f.absent); },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.number == (f.has_present() ? 1 : 0));
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: visit", {"visit", "visit const"}, looking | visit,
    [](Fixture& f) {
      int seen = 0;
      std::as_const(f.dictionary).visit(f.twin, [&](const Value& value) {
        faults::point(visit);
        seen = value.number;
      });
      f.dictionary.visit(f.present, [&](Value& value) {
        faults::point(visit); // before it changes anything: what f itself does is not undone
        value.number = seen + 1;
      });
    },
    [](Fixture& f) { changes_to(f, f.has_present() ? f.with(f.present, 11) : f.before); })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: no failure: size, empty, get_allocator", {"size", "empty", "get_allocator"}, nothing,
    [](Fixture& f) { ask_size(f, f.dictionary); }, has_size)

// --- stored --------------------------------------------------------------------------------------------------

WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: insert of a new key", {"insert"}, looking | copy | allocator | heap,
    [](Fixture& f) { f.flag = f.dictionary.insert(f.absent, f.value); },
    [](Fixture& f) {
      changes_to(f, f.with(f.absent, 1));
      CHECK(f.flag);
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: insert of an equal key", {"insert"}, looking | copy | allocator,
    [](Fixture& f) { f.flag = f.dictionary.insert(f.twin, f.value) == !f.has_present(); },
    [](Fixture& f) {
      changes_to(f, f.has_present() ? f.before : f.with(f.twin, 1));
      CHECK(f.flag);
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: insert of a pair", {"insert (pair)"},
    looking | copy | allocator | heap,
    [](Fixture& f) { f.flag = f.dictionary.insert(Pair(f.absent, f.value)); },
    [](Fixture& f) {
      changes_to(f, f.with(f.absent, 1));
      CHECK(f.flag);
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: insert_or_assign of a new key", {"insert_or_assign"},
    looking | copy | allocator | heap,
    [](Fixture& f) { f.flag = f.dictionary.insert_or_assign(f.absent, f.value); },
    [](Fixture& f) {
      changes_to(f, f.with(f.absent, 1));
      CHECK(f.flag);
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: insert_or_assign of a key that is there", {"insert_or_assign"},
    looking | allocator | copy,
    [](Fixture& f) { f.flag = f.dictionary.insert_or_assign(f.present, f.value) == !f.has_present(); },
    [](Fixture& f) {
      changes_to(f, f.with(f.present, 1));
      CHECK(f.flag);
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: insert_or_assign of an equal key", {"insert_or_assign"},
    looking | copy | allocator,
    [](Fixture& f) { f.flag = f.dictionary.insert_or_assign(f.twin, f.value) == !f.has_present(); },
    [](Fixture& f) {
      changes_to(f, f.with(f.twin, 1));
      CHECK(f.flag);
      CHECK(weakref::getweakrefcount(f.twin) == (f.has_present() ? 0 : 1));
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: setdefault of a new key", {"setdefault"},
    looking | copy | allocator | heap,
    [](Fixture& f) { f.result.emplace(f.dictionary.setdefault(f.absent, f.value)); },
    [](Fixture& f) {
      changes_to(f, f.with(f.absent, 1));
      CHECK(f.result->number == 1);
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: setdefault of a key that is there", {"setdefault"},
    looking | copy | allocator,
    [](Fixture& f) { f.result.emplace(f.dictionary.setdefault(f.twin, f.value)); },
    [](Fixture& f) { CHECK(f.result->number == (f.has_present() ? 10 : 1)); })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: try_emplace of a new key", {"try_emplace"},
    looking | construct | allocator | heap,
    [](Fixture& f) { f.flag = f.dictionary.try_emplace(f.absent, 1); },
    [](Fixture& f) {
      changes_to(f, f.with(f.absent, 1));
      CHECK(f.flag);
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: try_emplace of a key that is there", {"try_emplace"},
    looking | construct | allocator,
    [](Fixture& f) { f.flag = f.dictionary.try_emplace(f.twin, 1) == !f.has_present(); },
    [](Fixture& f) {
      changes_to(f, f.has_present() ? f.before : f.with(f.twin, 1));
      CHECK(f.flag);
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: storing under null is refused", {"insert", "insert_or_assign"},
    copy | allocator | heap,
    [](Fixture& f) {
      const bool is_refused =
          refused<weakref::untracked_error>([&] { f.dictionary.insert(nullptr, f.value); });
      f.flag = is_refused &&
               refused<weakref::untracked_error>([&] { f.dictionary.insert_or_assign(nullptr, f.value); });
    },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.flag);
    })

// --- get_or_create -------------------------------------------------------------------------------------------

WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: get_or_create of a value", {"get_or_create"},
    looking | copy | allocator | heap | factory | construct,
    [](Fixture& f) {
      f.result.emplace(f.dictionary.get_or_create(f.absent, [](const Owner& key) {
        faults::point(factory);
        return Value(key->number);
      }));
    },
    [](Fixture& f) {
      changes_to(f, f.with(f.absent, 1029));
      CHECK(f.result->number == 1029);
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: get_or_create of what a value is made from", {"get_or_create"},
    looking | copy | allocator | heap | factory | convert,
    [](Fixture& f) {
      f.result.emplace(f.dictionary.get_or_create(f.absent, [] {
        faults::point(factory);
        return stand_in{4};
      }));
    },
    [](Fixture& f) { changes_to(f, f.with(f.absent, 4)); })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: get_or_create of a key that is there", {"get_or_create"},
    looking | copy | allocator | construct,
    [](Fixture& f) { f.result.emplace(f.dictionary.get_or_create(f.twin, [] { return Value(4); })); },
    [](Fixture& f) { CHECK(f.result->number == (f.has_present() ? 10 : 4)); })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: get_or_create whose factory asks for its own key",
    {"get_or_create"}, looking | allocator | heap,
    [](Fixture& f) {
      f.flag = refused<std::logic_error>([&] {
        (void)f.dictionary.get_or_create(
            f.absent, [&] { return f.dictionary.get_or_create(f.absent, [] { return Value(4); }); });
      });
    },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.flag);
    })

// --- taken out -----------------------------------------------------------------------------------------------

WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: pop", {"pop"}, looking,
    [](Fixture& f) {
      const auto taken = f.dictionary.pop(f.twin);
      f.number = taken.has_value() ? static_cast<std::size_t>(taken->number) : 0;
    },
    [](Fixture& f) {
      changes_to(f, f.without(f.twin));
      CHECK(f.number == (f.has_present() ? 10 : 0));
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: pop with another value for an absent key", {"pop or"},
    looking | heap | copy, [](Fixture& f) { f.result.emplace(f.dictionary.pop(f.absent, f.value)); },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.result->number == 1);
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: erase", {"erase"}, looking,
    [](Fixture& f) { f.flag = f.dictionary.erase(f.twin) == f.has_present(); },
    [](Fixture& f) {
      changes_to(f, f.without(f.twin));
      CHECK(f.flag);
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: popitem", {"popitem"}, fault_set(heap),
    [](Fixture& f) {
      f.flag = refused<std::out_of_range>([&] { f.popped.emplace(f.dictionary.popitem()); });
    },
    [](Fixture& f) {
      CHECK(f.flag == f.before.empty());
      if (!f.popped.has_value()) return;
      CHECK(f.before.at(f.popped->first.get()) == f.popped->second.number);
      changes_to(f, f.without(f.popped->first));
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: erase_if", {"erase_if"}, iterating | predicate,
    [](Fixture& f) {
      f.number = f.dictionary.erase_if([](const Owner&, const Value& value) {
        faults::point(predicate);
        return value.number % 20 == 10;
      });
    },
    [](Fixture& f) {
      Contents left = f.before;
      CHECK(std::erase_if(left, [](const auto& each) { return each.second % 20 == 10; }) == f.number);
      changes_to(f, left);
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: erase_if that looks at keys only", {"erase_if"}, heap | predicate,
    [](Fixture& f) {
      f.number = f.dictionary.erase_if([](const Owner&) {
        faults::point(predicate);
        return true;
      });
    },
    [](Fixture& f) {
      CHECK(f.number == f.before.size());
      changes_to(f, {});
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: no failure: clear", {"clear"}, nothing, [](Fixture& f) { f.dictionary.clear(); },
    [](Fixture& f) { CHECK(f.dictionary.empty()); })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: no failure: a key's death, and the dictionary's end", {"destructor"}, nothing,
    [](Fixture& f) {
      f.owners.clear();
      f.present.reset();
      f.dictionary = Dictionary(f.options, f.allocator());
    },
    [](Fixture& f) { CHECK(f.dictionary.empty()); })

// --- as a whole ----------------------------------------------------------------------------------------------

WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: no failure: construction of an empty one",
    {"default constructor", "constructor (options)", "constructor (allocator)"}, nothing,
    [](Fixture& f) { make_empty<weakref::WeakKeyDictionary<thing, Value>>(f); },
    [](Fixture& f) { CHECK(f.flag); })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: construction from a range", {"constructor (range)"},
    looking | iterate | convert | allocator | heap,
    [](Fixture& f) { f.made.emplace(four(f), f.options, f.allocator()); },
    [](Fixture& f) { CHECK(contents_of(*f.made) == only_four(f)); })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: construction from iterators", {"constructor (iterators)"},
    looking | iterate | convert | allocator | heap, [](Fixture& f) { make_from_iterators(f, four(f)); },
    [](Fixture& f) { CHECK(contents_of(*f.made) == only_four(f)); })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: construction from a list", {"constructor (list)"},
    looking | copy | allocator | heap,
    [](Fixture& f) {
      f.made.emplace(
          std::initializer_list<Pair>{{f.twin, f.value}, {f.absent, f.value}, {f.present, f.value}},
          f.options, f.allocator());
    },
    [](Fixture& f) {
      CHECK(contents_of(*f.made) == Contents{{f.twin.get(), 1}, {f.absent.get(), 1}});
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: copy construction", {"copy constructor"},
    iterating | equal | allocator, [](Fixture& f) { f.made.emplace(f.dictionary); },
    [](Fixture& f) {
      unchanged(f);
      CHECK(contents_of(*f.made) == f.before);
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: copy assignment", {"copy assignment"},
    heap | allocator | equal | copy, [](Fixture& f) { f.dictionary = f.other; },
    [](Fixture& f) {
      changes_to(f, f.other_before);
      CHECK(contents_of(f.other) == f.other_before);
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: no failure: moves and swaps", {"move constructor", "move assignment", "swap"},
    nothing, [](Fixture& f) { move_and_swap(f.dictionary, f.other); },
    [](Fixture& f) {
      changes_to(f, f.other_before);
      CHECK(contents_of(f.other) == f.before);
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: update from a range", {"update"},
    looking | iterate | convert | allocator | heap, [](Fixture& f) { f.dictionary.update(four(f)); },
    [](Fixture& f) { changes_to(f, with_four(f)); })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: update from a dictionary", {"update"},
    iterating | looking | allocator, [](Fixture& f) { f.dictionary.update(f.other); },
    [](Fixture& f) { changes_to(f, f.united()); })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: update from a list", {"update (list)"},
    looking | copy | allocator | heap,
    [](Fixture& f) {
      f.dictionary.update({{f.absent, f.value}, {f.twin, f.value}, {f.second, f.value}});
    },
    [](Fixture& f) {
      Contents changed = f.with(f.absent, 1);
      changed[f.first(f.twin).get()] = 1;
      changed[f.second.get()] = 1;
      changes_to(f, changed);
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: |", {"|"}, iterating | looking | allocator,
    [](Fixture& f) { f.made.emplace(f.dictionary | f.other); },
    [](Fixture& f) {
      unchanged(f);
      CHECK(contents_of(*f.made) == f.united());
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: |=", {"|="}, iterating | looking | allocator,
    [](Fixture& f) { f.dictionary |= f.other; }, [](Fixture& f) { changes_to(f, f.united()); })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: ==", {"=="}, iterating | looking | compare | allocator,
    [](Fixture& f) { f.flag = f.dictionary == Dictionary(f.dictionary) && !(f.dictionary == f.other); },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.flag);
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: reserve", {"reserve"}, fault_set(allocator),
    [](Fixture& f) { f.dictionary.reserve(1000); }, unchanged)

// --- iterated ------------------------------------------------------------------------------------------------

WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: iteration",
    {"begin", "end", "iterator ++", "iterator move", "iterator *"}, iterating | other,
    [](Fixture& f) {
      f.number = sum_over(f.dictionary,
                          [&](const auto& at) { return f.before.at(at->key.get()) == (*at).value.number; });
    },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.number == f.before.size());
    })
WEAKREF_KEY_OPERATION(
    "WeakKeyDictionary: strong guarantee: lazy ranges", {"keys", "values", "items", "keyrefs"}, iterating,
    [](Fixture& f) {
      std::size_t seen = 0;
      for (const Owner& key : f.dictionary.keys()) seen += f.before.count(key.get());
      for (const Value& value : f.dictionary.values()) seen += value.number != 0;
      for (const auto& [key, value] : f.dictionary.items()) seen += f.before.at(key.get()) == value.number;
      for (const auto& reference : f.dictionary.keyrefs()) seen += !reference.expired();
      f.number = seen;
    },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.number == 4 * f.before.size());
    })

TEST_CASE("failures: every public member of WeakKeyDictionary is failed, or known not to fail") {
  operation<Fixture>::check_coverage({container_members, dictionary_members, key_dictionary_members});
}
