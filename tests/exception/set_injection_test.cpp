// SPDX-License-Identifier: BSL-1.0
// WeakSet: each of its operations, with every failure; by value, and where it differs by identity.
#include "fixture.hpp"
#include "public_members.hpp"

#include <weakref/weak_set.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

using namespace injection;

namespace {

using Owner = std::shared_ptr<thing>;
using Owners = std::vector<Owner>;
using Contents = std::set<const thing*>;
using Range = faulty_range<late_owner<thing>, 4>;

template <bool by_value> struct SetFixture : container_fixture<thing> {
  using Hash = std::conditional_t<by_value, crowded_hash, weakref::by_identity>;
  using Equal = std::conditional_t<by_value, faulty_equal, weakref::by_identity>;
  using Set = weakref::WeakSet<thing, Hash, Equal, accounting_allocator<thing>>;

  static Contents contents_of(const Set& set) {
    Contents contents;
    for (const Owner& element : set) CHECK(contents.insert(element.get()).second);
    return contents;
  }

  explicit SetFixture(const configuration& chosen)
      : container_fixture<thing>(chosen), set(options, allocator()), other(options, allocator()) {
    for (int i = 1; i <= chosen.entries; ++i) {
      owners.push_back(i > living ? std::make_shared<thing>(i) : tracked_thing(i));
      set.add(owners.back());
    }
    owners.resize(static_cast<std::size_t>(living));
    for (int i = living + 1; i < living + 4; ++i) others.push_back(tracked_thing(i));
    for (std::size_t i = 0; i < owners.size(); i += 2) others.push_back(owners[i]);
    for (const Owner& each : others) other.add(each);
    absent = tracked_thing(1029);
    second = tracked_thing(1033);
    present = living > 0 ? owners[0] : weakref::make_tracked<thing>(1);
    before = contents_of(set);
    other_before = contents_of(other);
  }

  Contents with(Owners added) const {
    Contents changed = before;
    for (const Owner& each : added) changed.insert(each.get());
    return changed;
  }
  Contents without(const Owner& gone) const {
    Contents changed = before;
    changed.erase(gone.get());
    return changed;
  }
  /// What an operation of the algebra gives, by what an element is in: both, only this one, only the other.
  Contents combined(bool both, bool here, bool there) const {
    Contents found;
    for (const thing* each : before) {
      if (other_before.contains(each) ? both : here) found.insert(each);
    }
    for (const thing* each : other_before) {
      if (!before.contains(each) && there) found.insert(each);
    }
    return found;
  }

  // --- for the harness -----------------------------------------------------------------------------------------

  static std::array<long, 1> census() { return {thing::alive()}; }

  struct state {
    std::size_t size;
    long objects;
    std::vector<std::size_t> watchers;
    std::vector<long> counts;
  };
  state look() const {
    state seen{set.size(), thing::alive(), {}, {}};
    for (const Owners& some : {owners, others, Owners{absent, second, present}}) {
      for (const Owner& each : some) {
        seen.watchers.push_back(weakref::getweakrefcount(each));
        seen.counts.push_back(each.use_count());
      }
    }
    return seen;
  }
  void check_contents() const {
    CHECK(contents_of(set) == before);
    CHECK(contents_of(other) == other_before);
  }
  void check_unchanged(const state& was) const {
    check_contents();
    const state is = look();
    CHECK(is.objects == was.objects);
    CHECK(is.watchers == was.watchers);
    CHECK(is.counts == was.counts);
    check_size(is.size, was.size);
    CHECK(result == nullptr);
    CHECK_FALSE(flag);
    CHECK_FALSE(made.has_value());
  }
  void use() {
    const Owner guest = weakref::make_tracked<thing>(777);
    CHECK(set.add(guest));
    CHECK(set.get(guest.get()) == guest);
    CHECK(contents_of(set).size() == before.size() + 1);
    CHECK(set.discard(guest));
  }
  void let_go() {
    for (Owner* each : {&absent, &second, &present, &result}) each->reset();
    owners.clear();
    others.clear();
    check_emptied(set, other, made);
  }

  Set set;
  Set other;
  Owners owners;
  Owners others; // every second one of the set's, and three more
  Owner absent;
  Owner second; // absent too
  Owner present;
  Contents before;
  Contents other_before;

  // What the operation gave, besides.
  Owner result;
  std::optional<Set> made;
};

using Fixture = SetFixture<true>;
using Identity = SetFixture<false>;
using Set = Fixture::Set;

template <class Any> void becomes(Any& f, const Contents& expected) {
  CHECK(f.contents_of(f.set) == expected);
  CHECK(f.contents_of(f.other) == f.other_before);
}
template <class Any> void gives(Any& f, const Contents& expected) {
  unchanged(f);
  CHECK(f.contents_of(*f.made) == expected);
}
template <class Any> Range four(Any& f) { return {{{f.absent}, {f.present}, {f.second}, {f.absent}}}; }

} // namespace

#define WEAKREF_SET_OPERATION(name, ...) WEAKREF_OPERATION(Fixture, "WeakSet: " name, __VA_ARGS__)
#define WEAKREF_IDENTITY_OPERATION(name, ...) WEAKREF_OPERATION(Identity, "WeakSet: " name, __VA_ARGS__)

// --- looked up -----------------------------------------------------------------------------------------------

WEAKREF_SET_OPERATION(
    "strong guarantee: contains and get", {"contains", "get"}, looking | heap,
    [](Fixture& f) {
      const Owner found = f.set.get(*f.present);
      f.flag = (found != nullptr) == f.has_present() && !f.set.contains(f.absent);
    },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.flag);
    })
WEAKREF_SET_OPERATION(
    "no failure: size, empty, get_allocator", {"size", "empty", "get_allocator"}, nothing,
    [](Fixture& f) { ask_size(f, f.set); }, has_size)

// --- changed -------------------------------------------------------------------------------------------------

WEAKREF_SET_OPERATION(
    "strong guarantee: add", {"add"}, looking | allocator | heap,
    [](Fixture& f) { f.flag = f.set.add(f.absent); },
    [](Fixture& f) {
      becomes(f, f.with({f.absent}));
      CHECK(f.flag);
    })
WEAKREF_SET_OPERATION(
    "strong guarantee: add of what is there", {"add"}, looking | allocator,
    [](Fixture& f) { f.flag = f.set.add(f.present) == !f.has_present(); },
    [](Fixture& f) {
      becomes(f, f.with({f.present}));
      CHECK(f.flag);
    })
WEAKREF_SET_OPERATION(
    "strong guarantee: get_or_add", {"get_or_add"}, looking | allocator | heap,
    [](Fixture& f) { f.flag = f.set.get_or_add(f.absent) == f.absent; },
    [](Fixture& f) {
      becomes(f, f.with({f.absent}));
      CHECK(f.flag);
    })
WEAKREF_SET_OPERATION(
    "strong guarantee: get_or_add of what is there", {"get_or_add"}, looking | allocator,
    [](Fixture& f) { f.flag = f.set.get_or_add(f.present) == f.present; },
    [](Fixture& f) {
      becomes(f, f.with({f.present}));
      CHECK(f.flag);
    })
WEAKREF_SET_OPERATION(
    "strong guarantee: adding null is refused", {"add", "update"}, allocator | heap,
    [](Fixture& f) { f.flag = refused<weakref::untracked_error>([&] { f.set.add(nullptr); }); },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.flag);
    })
WEAKREF_SET_OPERATION(
    "strong guarantee: discard", {"discard"}, looking,
    [](Fixture& f) { f.flag = f.set.discard(f.present) == f.has_present(); },
    [](Fixture& f) {
      becomes(f, f.without(f.present));
      CHECK(f.flag);
    })
WEAKREF_SET_OPERATION(
    "strong guarantee: erase of what is not there", {"erase"}, looking | heap,
    [](Fixture& f) { f.flag = !f.set.erase(*f.absent); },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.flag);
    })
WEAKREF_SET_OPERATION(
    "strong guarantee: remove", {"remove"}, looking | heap,
    [](Fixture& f) { f.flag = refused<std::out_of_range>([&] { f.set.remove(f.present); }); },
    [](Fixture& f) {
      becomes(f, f.without(f.present));
      CHECK(f.flag == !f.has_present());
    })
WEAKREF_SET_OPERATION(
    "strong guarantee: pop", {"pop"}, fault_set(heap),
    [](Fixture& f) { f.flag = refused<std::out_of_range>([&] { f.result = f.set.pop(); }); },
    [](Fixture& f) {
      CHECK(f.flag == f.before.empty());
      becomes(f, f.without(f.result));
    })
WEAKREF_SET_OPERATION(
    "strong guarantee: erase_if", {"erase_if"}, heap | predicate,
    [](Fixture& f) {
      f.number = f.set.erase_if([](const Owner& element) {
        faults::point(predicate);
        return element->number % 2 == 0;
      });
    },
    [](Fixture& f) {
      Contents left = f.before;
      CHECK(std::erase_if(left, [](const thing* each) { return each->number % 2 == 0; }) == f.number);
      becomes(f, left);
    })
WEAKREF_SET_OPERATION(
    "no failure: clear", {"clear"}, nothing, [](Fixture& f) { f.set.clear(); },
    [](Fixture& f) { becomes(f, {}); })
WEAKREF_SET_OPERATION(
    "no failure: an element's death, and the set's end", {"destructor"}, nothing,
    [](Fixture& f) {
      f.owners.clear();
      f.present.reset();
      f.set = Set(f.options, f.allocator());
    },
    [](Fixture& f) { CHECK(f.set.empty()); })
WEAKREF_SET_OPERATION(
    "strong guarantee: reserve", {"reserve"}, fault_set(allocator), [](Fixture& f) { f.set.reserve(1000); },
    unchanged)

// --- made, copied, moved -------------------------------------------------------------------------------------

WEAKREF_SET_OPERATION(
    "no failure: construction of an empty one",
    {"default constructor", "constructor (options)", "constructor (allocator)"}, nothing,
    [](Fixture& f) { make_empty<weakref::WeakSet<thing>>(f); }, [](Fixture& f) { CHECK(f.flag); })
WEAKREF_SET_OPERATION(
    "strong guarantee: construction from a range", {"constructor (range)"},
    looking | iterate | convert | allocator | heap,
    [](Fixture& f) { f.made.emplace(four(f), f.options, f.allocator()); },
    [](Fixture& f) {
      gives(f, {f.absent.get(), f.present.get(), f.second.get()});
    })
WEAKREF_SET_OPERATION(
    "strong guarantee: construction from iterators", {"constructor (iterators)"},
    looking | iterate | convert | allocator | heap, [](Fixture& f) { make_from_iterators(f, four(f)); },
    [](Fixture& f) {
      gives(f, {f.absent.get(), f.present.get(), f.second.get()});
    })
WEAKREF_SET_OPERATION(
    "strong guarantee: construction from a list", {"constructor (list)"}, looking | allocator | heap,
    [](Fixture& f) {
      f.made.emplace(std::initializer_list<Owner>{f.absent, f.present, f.absent}, f.options, f.allocator());
    },
    [](Fixture& f) {
      gives(f, {f.absent.get(), f.present.get()});
    })
WEAKREF_SET_OPERATION(
    "strong guarantee: copy construction", {"copy constructor"}, equal | allocator | heap,
    [](Fixture& f) { f.made.emplace(f.set); }, [](Fixture& f) { gives(f, f.before); })
WEAKREF_SET_OPERATION(
    "strong guarantee: copy assignment", {"copy assignment"}, equal | allocator | heap,
    [](Fixture& f) { f.set = f.other; }, [](Fixture& f) { becomes(f, f.other_before); })
WEAKREF_SET_OPERATION(
    "no failure: moves and swaps", {"move constructor", "move assignment", "swap"}, nothing,
    [](Fixture& f) { move_and_swap(f.set, f.other); },
    [](Fixture& f) {
      CHECK(f.contents_of(f.set) == f.other_before);
      CHECK(f.contents_of(f.other) == f.before);
    })

// --- algebra that changes the set ------------------------------------------------------------------------------

WEAKREF_SET_OPERATION(
    "strong guarantee: update from a range", {"update"}, looking | iterate | convert | allocator | heap,
    [](Fixture& f) { f.set.update(four(f)); },
    [](Fixture& f) {
      becomes(f, f.with({f.absent, f.present, f.second}));
    })
WEAKREF_SET_OPERATION(
    "strong guarantee: update from a list", {"update (list)"}, looking | allocator | heap,
    [](Fixture& f) {
      f.set.update({f.absent, f.present, f.second});
    },
    [](Fixture& f) {
      becomes(f, f.with({f.absent, f.present, f.second}));
    })
WEAKREF_SET_OPERATION(
    "strong guarantee: |= with a set", {"|=", "update"}, looking | allocator | heap,
    [](Fixture& f) { f.set |= f.other; }, [](Fixture& f) { becomes(f, f.combined(true, true, true)); })
WEAKREF_SET_OPERATION(
    "strong guarantee: intersection_update from a range", {"intersection_update"},
    looking | iterate | convert | allocator | heap, [](Fixture& f) { f.set.intersection_update(four(f)); },
    [](Fixture& f) { becomes(f, f.has_present() ? Contents{f.present.get()} : Contents()); })
WEAKREF_SET_OPERATION(
    "strong guarantee: &= with a set", {"&=", "intersection_update"}, looking | heap,
    [](Fixture& f) { f.set &= f.other; }, [](Fixture& f) { becomes(f, f.combined(true, false, false)); })
WEAKREF_SET_OPERATION(
    "strong guarantee: difference_update from a range", {"difference_update"},
    looking | iterate | convert | allocator | heap, [](Fixture& f) { f.set.difference_update(four(f)); },
    [](Fixture& f) { becomes(f, f.without(f.present)); })
WEAKREF_SET_OPERATION(
    "strong guarantee: -= with a set", {"-=", "difference_update"}, looking | heap,
    [](Fixture& f) { f.set -= f.other; }, [](Fixture& f) { becomes(f, f.combined(false, true, false)); })
WEAKREF_SET_OPERATION(
    "strong guarantee: symmetric_difference_update from a range", {"symmetric_difference_update"},
    looking | iterate | convert | allocator | heap,
    [](Fixture& f) { f.set.symmetric_difference_update(four(f)); },
    [](Fixture& f) {
      Contents changed = f.with({f.absent, f.second, f.present});
      if (f.has_present()) changed.erase(f.present.get());
      becomes(f, changed);
    })
WEAKREF_SET_OPERATION(
    "strong guarantee: ^= with a set", {"^=", "symmetric_difference_update"}, looking | allocator | heap,
    [](Fixture& f) { f.set ^= f.other; }, [](Fixture& f) { becomes(f, f.combined(false, true, true)); })

// --- algebra that makes a set ----------------------------------------------------------------------------------

WEAKREF_SET_OPERATION(
    "strong guarantee: union_ and |", {"union_", "|"}, looking | allocator | heap,
    [](Fixture& f) {
      const Set both = f.set.union_(f.other);
      f.made.emplace(f.set | both);
    },
    [](Fixture& f) { gives(f, f.combined(true, true, true)); })
WEAKREF_SET_OPERATION(
    "strong guarantee: intersection and &", {"intersection", "&"}, looking | allocator | heap,
    [](Fixture& f) {
      const Set both = f.set.intersection(f.other);
      f.made.emplace(f.other & both);
    },
    [](Fixture& f) { gives(f, f.combined(true, false, false)); })
WEAKREF_SET_OPERATION(
    "strong guarantee: difference and -", {"difference", "-"}, looking | allocator | heap,
    [](Fixture& f) {
      const Set both = f.set.difference(f.other);
      f.made.emplace(both - f.others);
    },
    [](Fixture& f) { gives(f, f.combined(false, true, false)); })
WEAKREF_SET_OPERATION(
    "strong guarantee: symmetric_difference and ^", {"symmetric_difference", "^"}, looking | allocator | heap,
    [](Fixture& f) {
      const Set both = f.set.symmetric_difference(f.other);
      f.made.emplace(both ^ Owners());
    },
    [](Fixture& f) { gives(f, f.combined(false, true, true)); })

// --- compared --------------------------------------------------------------------------------------------------

WEAKREF_SET_OPERATION(
    "strong guarantee: isdisjoint, issuperset, issubset with a range",
    {"isdisjoint", "issuperset", "issubset"}, looking | iterate | allocator | heap,
    [](Fixture& f) {
      const faulty_range<Owner, 4> range{{f.absent, f.present, f.second, f.absent}};
      const bool is_apart = f.set.isdisjoint(range);
      const bool holds = f.set.issuperset(range);
      const bool is_in = f.set.issubset(range);
      f.flag =
          is_apart == !f.has_present() && !holds && is_in == (f.before.size() <= (f.has_present() ? 1 : 0));
    },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.flag);
    })
WEAKREF_SET_OPERATION(
    "strong guarantee: the comparisons of two sets", {"==", "<=", ">=", "<", ">"}, looking | heap,
    [](Fixture& f) {
      f.flag = f.set == f.set && !(f.set == f.other) && (f.set <= f.other) == (f.before.size() < 2) &&
               !(f.set >= f.other) && (f.set < f.other) == (f.before.size() < 2) && !(f.set > f.other);
    },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.flag);
    })

// --- iterated --------------------------------------------------------------------------------------------------

WEAKREF_SET_OPERATION(
    "strong guarantee: iteration", {"begin", "end", "refs", "iterator ++", "iterator move", "iterator *"},
    heap | other,
    [](Fixture& f) {
      std::size_t seen = sum_over(
          f.set, [&](const auto& at) { return f.before.count(at->get()) + f.before.count((*at).get()); });
      for (const auto& reference : f.set.refs()) seen += !reference.expired();
      f.number = seen;
    },
    [](Fixture& f) {
      unchanged(f);
      CHECK(f.number == 3 * f.before.size());
    })

// --- by identity: no user code, so only memory and ranges can fail -----------------------------------------------

WEAKREF_IDENTITY_OPERATION(
    "by identity: strong guarantee: add", {}, allocator | heap,
    [](Identity& f) { f.flag = f.set.add(f.absent); }, [](Identity& f) { becomes(f, f.with({f.absent})); })
WEAKREF_IDENTITY_OPERATION(
    "by identity: strong guarantee: update from a range", {}, iterate | convert | allocator | heap,
    [](Identity& f) { f.set.update(four(f)); },
    [](Identity& f) {
      becomes(f, f.with({f.absent, f.present, f.second}));
    })
WEAKREF_IDENTITY_OPERATION(
    "by identity: strong guarantee: symmetric_difference_update", {}, iterate | convert | allocator | heap,
    [](Identity& f) { f.set.symmetric_difference_update(four(f)); },
    [](Identity& f) {
      Contents changed = f.with({f.absent, f.second, f.present});
      if (f.has_present()) changed.erase(f.present.get());
      becomes(f, changed);
    })
WEAKREF_IDENTITY_OPERATION(
    "by identity: no failure: contains, get, discard, pop", {}, nothing,
    [](Identity& f) {
      f.number = f.set.contains(f.present) + (f.set.get(*f.present) != nullptr) + f.set.discard(f.present);
      if (f.before.size() > 1) f.result = f.set.pop();
    },
    [](Identity& f) {
      CHECK(f.number == (f.has_present() ? 3 : 0));
      CHECK(f.contents_of(f.set).size() == f.before.size() - (f.before.size() > 1 ? 2 : f.before.size()));
    })

TEST_CASE("failures: every public member of WeakSet is failed, or known not to fail") {
  operation<Fixture>::check_coverage({container_members, set_members});
}
