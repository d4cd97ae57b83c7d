// SPDX-License-Identifier: BSL-1.0
// WeakValueDictionary: each of its operations, with every failure. (Two threads, other kinds of keys and other
// allocators: value_failures_test.cpp.)
#include "value_fixture.hpp"

#include "public_members.hpp"

#include <iterator>
#include <memory>
#include <stdexcept>
#include <utility>

using namespace injection;

#define WEAKREF_VALUE_OPERATION(name, ...) WEAKREF_OPERATION(Fixture, name, __VA_ARGS__)

namespace {

struct pair_like {
  stand_in first;
  late_owner<fragile> second;
};
using Range = faulty_range<pair_like, 3>;

Range three(Fixture& f) { return {{{{1}, {f.fresh}}, {{1028}, {f.spare}}, {{1}, {f.spare}}}}; }
Contents with_three(Fixture& f) {
  Contents changed = f.with(f.absent, f.spare);
  changed[1] = f.spare.get();
  return changed;
}
const Contents only_three(Fixture& f) { return {{1, f.spare.get()}, {1028, f.spare.get()}}; }

} // namespace

// --- looked up -----------------------------------------------------------------------------------------------

WEAKREF_VALUE_OPERATION(
    "strong guarantee: get of a present key", {"get"}, looking,
    [](Fixture& f) { f.result = f.dictionary.get(f.present); },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.result == (f.has_present() ? f.owners[0] : nullptr));
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: get of an absent key", {"get"}, looking,
    [](Fixture& f) { f.flag = f.dictionary.get(f.absent) == nullptr; },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.flag);
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: get by what a key is made from", {"get"}, looking | convert,
    [](Fixture& f) { f.result = f.dictionary.get(stand_in{1}); },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.result == (f.has_present() ? f.owners[0] : nullptr));
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: get with another owner for an absent key", {"get or"}, looking,
    [](Fixture& f) { f.result = f.dictionary.get(f.absent, f.fresh); },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.result == f.fresh);
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: at", {"at"}, looking | heap,
    [](Fixture& f) { f.flag = refused<std::out_of_range>([&] { f.result = f.dictionary.at(f.present); }); },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.flag == !f.has_present());
      CHECK(f.result == (f.has_present() ? f.owners[0] : nullptr));
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: contains", {"contains"}, looking,
    [](Fixture& f) { f.number = f.dictionary.contains(f.present) + 2U * f.dictionary.contains(f.absent); },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.number == (f.has_present() ? 1 : 0));
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: visit", {"visit"}, looking | visit,
    [](Fixture& f) {
      int seen = 0;
      const bool is_there = f.dictionary.visit(f.present, [&](fragile& object) {
        faults::point(visit);
        seen = object.number;
      });
      f.flag = is_there == f.has_present() && seen == (is_there ? 1 : 0);
    },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.flag);
    })
WEAKREF_VALUE_OPERATION(
    "no failure: size, empty, get_allocator", {"size", "empty", "get_allocator"}, nothing,
    [](Fixture& f) { ask_size(f, f.dictionary); }, has_size)

// --- stored --------------------------------------------------------------------------------------------------

WEAKREF_VALUE_OPERATION(
    "strong guarantee: insert of a new key", {"insert"}, looking | heap | allocator | copy | move,
    [](Fixture& f) { f.flag = f.dictionary.insert(f.absent, f.fresh).second; },
    [](Fixture& f) {
      CHECK(contents_of(f.dictionary) == f.with(f.absent, f.fresh));
      CHECK(f.flag);
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: insert of a key that is there", {"insert"}, looking | heap | allocator | copy | move,
    [](Fixture& f) { f.result = f.dictionary.insert(f.present, f.fresh).first; },
    [](Fixture& f) {
      CHECK(contents_of(f.dictionary) == (f.has_present() ? f.before : f.with(f.present, f.fresh)));
      CHECK(f.result == (f.has_present() ? f.owners[0] : f.fresh));
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: insert of a pair", {"insert (pair)"}, looking | heap | allocator | copy | move,
    [](Fixture& f) { f.flag = f.dictionary.insert(Dictionary::value_type(f.absent, f.fresh)).second; },
    [](Fixture& f) {
      CHECK(contents_of(f.dictionary) == f.with(f.absent, f.fresh));
      CHECK(f.flag);
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: insert_or_assign over an entry", {"insert_or_assign"},
    looking | heap | allocator | copy | move,
    [](Fixture& f) { f.flag = f.dictionary.insert_or_assign(f.present, f.fresh) == !f.has_present(); },
    [](Fixture& f) {
      CHECK(contents_of(f.dictionary) == f.with(f.present, f.fresh));
      CHECK(f.flag);
      if (f.has_present()) CHECK(weakref::getweakrefcount(f.owners[0]) == 0);
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: insert_or_assign of a new key", {"insert_or_assign"},
    looking | heap | allocator | copy | move,
    [](Fixture& f) { f.flag = f.dictionary.insert_or_assign(f.absent, f.fresh); },
    [](Fixture& f) {
      CHECK(contents_of(f.dictionary) == f.with(f.absent, f.fresh));
      CHECK(f.flag);
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: insert_or_assign of an object that nobody else owns", {"insert_or_assign"},
    looking | copy | move | allocator | construct | heap,
    [](Fixture& f) { f.dictionary.insert_or_assign(f.present, weakref::make_tracked<fragile>(5)); },
    [](Fixture& f) { CHECK(contents_of(f.dictionary) == f.without(f.present)); })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: setdefault of a new key", {"setdefault"}, looking | heap | allocator | copy | move,
    [](Fixture& f) { f.result = f.dictionary.setdefault(f.absent, f.fresh); },
    [](Fixture& f) {
      CHECK(contents_of(f.dictionary) == f.with(f.absent, f.fresh));
      CHECK(f.result == f.fresh);
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: setdefault of a key that is there", {"setdefault"},
    looking | heap | allocator | copy | move,
    [](Fixture& f) { f.result = f.dictionary.setdefault(f.present, f.fresh); },
    [](Fixture& f) { CHECK(f.result == (f.has_present() ? f.owners[0] : f.fresh)); })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: storing null is refused", {"insert", "insert_or_assign"}, copy | allocator | heap,
    [](Fixture& f) {
      const bool is_refused =
          refused<weakref::untracked_error>([&] { f.dictionary.insert(f.absent, nullptr); });
      f.flag = is_refused &&
               refused<weakref::untracked_error>([&] { f.dictionary.insert_or_assign(f.present, nullptr); });
    },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.flag);
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: try_emplace of a new key", {"try_emplace"},
    looking | copy | move | allocator | construct,
    [](Fixture& f) { f.result = f.dictionary.try_emplace(f.absent, 4).first; },
    [](Fixture& f) {
      CHECK(f.result->number == 4);
      CHECK(contents_of(f.dictionary) == f.with(f.absent, f.result));
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: try_emplace of a key that is there", {"try_emplace"},
    looking | copy | move | allocator | construct,
    [](Fixture& f) { f.result = f.dictionary.try_emplace(f.present, 4).first; },
    [](Fixture& f) {
      CHECK(contents_of(f.dictionary) == (f.has_present() ? f.before : f.with(f.present, f.result)));
      CHECK(f.result->number == (f.has_present() ? 1 : 4));
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: try_emplace by what a key is made from", {"try_emplace"},
    looking | move | convert | allocator | construct,
    [](Fixture& f) { f.result = f.dictionary.try_emplace(stand_in{1028}, 4).first; },
    [](Fixture& f) { CHECK(contents_of(f.dictionary) == f.with(f.absent, f.result)); })

// --- get_or_create, with each kind of result -----------------------------------------------------------------

WEAKREF_VALUE_OPERATION(
    "strong guarantee: get_or_create of an object", {"get_or_create"},
    looking | copy | move | allocator | factory | construct,
    [](Fixture& f) {
      f.result = f.dictionary.get_or_create(f.absent, [] {
        faults::point(factory);
        return fragile(4);
      });
    },
    [](Fixture& f) { CHECK(contents_of(f.dictionary) == f.with(f.absent, f.result)); })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: get_or_create of an object that must be moved", {"get_or_create"},
    looking | copy | move | allocator | construct,
    [](Fixture& f) {
      f.result = f.dictionary.get_or_create(f.absent, [](const Key& key) -> derived_fragile {
        derived_fragile first(key.number);
        return derived_fragile(std::move(first));
      });
    },
    [](Fixture& f) {
      CHECK(contents_of(f.dictionary) == f.with(f.absent, f.result));
      CHECK(f.result->number == 1028);
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: get_or_create of a unique_ptr", {"get_or_create"},
    looking | copy | move | allocator | factory | construct | heap,
    [](Fixture& f) {
      f.result = f.dictionary.get_or_create(f.absent, [](const Key& key) {
        faults::point(factory);
        return std::make_unique<derived_fragile>(key.number);
      });
    },
    [](Fixture& f) { CHECK(contents_of(f.dictionary) == f.with(f.absent, f.result)); })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: get_or_create of a tracked shared_ptr", {"get_or_create"},
    looking | heap | allocator | copy | move | factory,
    [](Fixture& f) {
      f.result = f.dictionary.get_or_create(f.absent, [&] {
        faults::point(factory);
        return f.fresh;
      });
    },
    [](Fixture& f) {
      CHECK(f.result == f.fresh);
      CHECK(contents_of(f.dictionary) == f.with(f.absent, f.fresh));
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: get_or_create of a shared_ptr that is the only owner", {"get_or_create"},
    looking | copy | move | allocator | factory | construct | heap,
    [](Fixture& f) {
      f.result = f.dictionary.get_or_create(f.absent, [] {
        faults::point(factory);
        return std::make_shared<fragile>(4);
      });
    },
    [](Fixture& f) { CHECK(contents_of(f.dictionary) == f.with(f.absent, f.result)); })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: get_or_create of an untracked shared_ptr with other owners", {"get_or_create"},
    looking | copy | move | allocator | factory | heap | construct,
    [](Fixture& f) {
      Owner other_owner;
      f.flag = refused<weakref::untracked_error>([&] {
        f.result = f.dictionary.get_or_create(f.absent, [&] {
          faults::point(factory);
          other_owner = std::make_shared<fragile>(4);
          return other_owner;
        });
      });
    },
    [](Fixture& f) {
      CHECK(f.flag == !f.options.accept_untracked);
      CHECK(contents_of(f.dictionary) == (f.flag ? f.before : f.with(f.absent, f.result)));
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: get_or_create whose factory returns null", {"get_or_create"},
    looking | copy | move | allocator | factory,
    [](Fixture& f) {
      f.flag = f.dictionary.get_or_create(f.absent, [] {
        faults::point(factory);
        return std::unique_ptr<fragile>();
      }) == nullptr;
    },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.flag);
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: get_or_create of a key that is there", {"get_or_create"},
    looking | copy | move | allocator | construct,
    [](Fixture& f) { f.result = f.dictionary.get_or_create(f.present, [] { return fragile(4); }); },
    [](Fixture& f) {
      CHECK(contents_of(f.dictionary) == (f.has_present() ? f.before : f.with(f.present, f.result)));
      CHECK(f.result->number == (f.has_present() ? 1 : 4));
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: get_or_create whose factory asks for its own key", {"get_or_create"},
    looking | copy | move | allocator | heap,
    [](Fixture& f) {
      f.flag = refused<std::logic_error>([&] {
        f.result = f.dictionary.get_or_create(
            f.absent, [&] { return f.dictionary.get_or_create(f.absent, [] { return Owner(); }); });
      });
    },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.flag);
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: get_or_create whose factory is beaten by an entry stored meanwhile", {"get_or_create"},
    looking | copy | move | allocator | construct,
    [](Fixture& f) {
      Owner winner; // dies with the operation if that fails, and its entry with it
      f.result = f.dictionary.get_or_create(f.absent, [&] {
        winner = f.dictionary.try_emplace(f.absent, 5).first;
        return fragile(4);
      });
    },
    [](Fixture& f) {
      CHECK(f.result->number == 5);
      CHECK(contents_of(f.dictionary) == f.with(f.absent, f.result));
    })

// --- taken out -----------------------------------------------------------------------------------------------

WEAKREF_VALUE_OPERATION(
    "strong guarantee: pop", {"pop"}, looking, [](Fixture& f) { f.result = f.dictionary.pop(f.present); },
    [](Fixture& f) {
      CHECK(contents_of(f.dictionary) == f.without(f.present));
      CHECK(f.result == (f.has_present() ? f.owners[0] : nullptr));
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: pop with another owner for an absent key", {"pop or"}, looking,
    [](Fixture& f) { f.result = f.dictionary.pop(f.absent, f.fresh); },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.result == f.fresh);
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: erase", {"erase"}, looking,
    [](Fixture& f) { f.flag = f.dictionary.erase(f.present) == f.has_present(); },
    [](Fixture& f) {
      CHECK(contents_of(f.dictionary) == f.without(f.present));
      CHECK(f.flag);
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: erase of an absent key", {"erase"}, looking,
    [](Fixture& f) { f.flag = !f.dictionary.erase(f.absent); },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.flag);
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: popitem", {"popitem"}, copy | heap,
    [](Fixture& f) {
      f.flag = refused<std::out_of_range>([&] {
        const auto taken = f.dictionary.popitem(); // made here: no move that is the caller's own
        const faults::pause quiet;
        f.popped.emplace(taken);
      });
    },
    [](Fixture& f) {
      CHECK(f.flag == f.before.empty());
      if (!f.popped.has_value()) return;
      CHECK(f.before.at(f.popped->first.number) == f.popped->second.get());
      CHECK(contents_of(f.dictionary) == f.without(f.popped->first));
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: erase_if", {"erase_if"}, iterating | predicate,
    [](Fixture& f) {
      f.number = f.dictionary.erase_if([](const Key& key, const Owner&) {
        faults::point(predicate);
        return key.number % 2 == 1;
      });
    },
    [](Fixture& f) {
      Contents left = f.before;
      CHECK(std::erase_if(left, [](const auto& each) { return each.first % 2 == 1; }) == f.number);
      CHECK(contents_of(f.dictionary) == left);
    })
WEAKREF_VALUE_OPERATION(
    "no failure: clear", {"clear"}, nothing, [](Fixture& f) { f.dictionary.clear(); },
    [](Fixture& f) {
      CHECK(f.dictionary.empty());
      for (const Owner& each : f.owners) CHECK(weakref::getweakrefcount(each) == 0);
    })
WEAKREF_VALUE_OPERATION(
    "no failure: an entry's death", {"destructor"}, nothing,
    [](Fixture& f) {
      f.owners.clear();
      f.dictionary = Dictionary(f.options, f.allocator());
    },
    [](Fixture& f) { CHECK(f.dictionary.empty()); })

// --- as a whole ----------------------------------------------------------------------------------------------

WEAKREF_VALUE_OPERATION(
    "no failure: construction of an empty one",
    {"default constructor", "constructor (options)", "constructor (allocator)"}, nothing,
    [](Fixture& f) { make_empty<weakref::WeakValueDictionary<int, fragile>>(f); },
    [](Fixture& f) { CHECK(f.flag); })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: construction from a range", {"constructor (range)"},
    looking | iterate | convert | move | allocator | heap,
    [](Fixture& f) { f.made.emplace(three(f), f.options, f.allocator()); },
    [](Fixture& f) { CHECK(contents_of(*f.made) == only_three(f)); })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: construction from iterators", {"constructor (iterators)"},
    looking | heap | allocator | move | convert | iterate,
    [](Fixture& f) { make_from_iterators(f, three(f)); },
    [](Fixture& f) { CHECK(contents_of(*f.made) == only_three(f)); })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: construction from a list", {"constructor (list)"},
    heap | allocator | hash | copy | move,
    [](Fixture& f) {
      f.made.emplace(std::initializer_list<Dictionary::value_type>{{f.present, f.fresh}, {f.absent, f.spare}},
                     f.options, f.allocator());
    },
    [](Fixture& f) {
      CHECK(contents_of(*f.made) == Contents{{1, f.fresh.get()}, {1028, f.spare.get()}});
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: copy construction", {"copy constructor"}, iterating | equal | copy | move | allocator,
    [](Fixture& f) { f.made.emplace(f.dictionary); },
    [](Fixture& f) {
      unchanged(f);
      CHECK(contents_of(*f.made) == f.before);
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: copy assignment", {"copy assignment"}, iterating | copy | move | allocator,
    [](Fixture& f) { f.dictionary = f.other; },
    [](Fixture& f) {
      CHECK(contents_of(f.dictionary) == f.other_before);
      CHECK(contents_of(f.other) == f.other_before);
    })
WEAKREF_VALUE_OPERATION(
    "no failure: moves and swaps", {"move constructor", "move assignment", "swap"}, nothing,
    [](Fixture& f) { move_and_swap(f.dictionary, f.other); },
    [](Fixture& f) {
      CHECK(contents_of(f.dictionary) == f.other_before);
      CHECK(contents_of(f.other) == f.before);
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: update from a range", {"update"},
    looking | iterate | convert | move | allocator | heap, [](Fixture& f) { f.dictionary.update(three(f)); },
    [](Fixture& f) { CHECK(contents_of(f.dictionary) == with_three(f)); })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: update from a dictionary", {"update"}, iterating | looking | copy | move | allocator,
    [](Fixture& f) { f.dictionary.update(f.other); },
    [](Fixture& f) { CHECK(contents_of(f.dictionary) == f.united()); })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: update from a list", {"update (list)"}, looking | copy | move | allocator | heap,
    [](Fixture& f) {
      f.dictionary.update({{f.present, f.fresh}, {f.absent, f.spare}, {f.present, f.spare}});
    },
    [](Fixture& f) { CHECK(contents_of(f.dictionary) == with_three(f)); })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: |", {"|"}, iterating | looking | copy | move | allocator,
    [](Fixture& f) { f.made.emplace(f.dictionary | f.other); },
    [](Fixture& f) {
      unchanged(f);
      CHECK(contents_of(*f.made) == f.united());
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: |=", {"|="}, iterating | looking | copy | move | allocator,
    [](Fixture& f) { f.dictionary |= f.other; },
    [](Fixture& f) { CHECK(contents_of(f.dictionary) == f.united()); })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: ==", {"=="}, iterating | looking,
    [](Fixture& f) { f.flag = !(f.dictionary == f.other) && f.dictionary == f.dictionary; },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.flag);
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: reserve", {"reserve"}, fault_set(allocator),
    [](Fixture& f) { f.dictionary.reserve(1000); }, unchanged)

// --- iterated ------------------------------------------------------------------------------------------------

WEAKREF_VALUE_OPERATION(
    "strong guarantee: iteration", {"begin", "end", "iterator ++", "iterator move", "iterator *"},
    iterating | other,
    [](Fixture& f) {
      f.number = sum_over(f.dictionary, [&](const auto& at) {
        return f.before.at(at->key.number) == at->value.get() && &(*at).key == &at->key;
      });
    },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.number == f.before.size());
    })
WEAKREF_VALUE_OPERATION(
    "strong guarantee: lazy ranges", {"keys", "values", "items", "valuerefs"}, iterating,
    [](Fixture& f) {
      std::size_t seen = 0;
      for (const Key& key : f.dictionary.keys()) seen += f.before.count(key.number);
      for (const Owner& value : f.dictionary.values()) seen += value != nullptr;
      for (const auto& [key, value] : f.dictionary.items()) seen += f.before.at(key.number) == value.get();
      for (const auto& reference : f.dictionary.valuerefs()) seen += !reference.expired();
      f.number = seen;
    },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.number == 4 * f.before.size());
    })

TEST_CASE("failures: every public member of WeakValueDictionary is failed, or known not to fail") {
  operation<Fixture>::check_coverage({container_members, dictionary_members, value_dictionary_members});
}
