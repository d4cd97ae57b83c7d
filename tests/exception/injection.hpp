// SPDX-License-Identifier: BSL-1.0
// The strong guarantee, operation by operation. An operation is a named function on a fixture; the first call
// that can fail (an allocation, a hash, a comparison, a copy, …) does, then in a new fixture the second, and so
// on until the operation comes through. After each failure the fixture says whether everything is what it was,
// its containers are used, and the operation, repeated, must do what is documented.
//
// Each operation says which kinds of calls it makes: all of those and no others must have failed once, and an
// operation that says none must make none. Each says which public members it uses; a list of them
// (public_members.hpp) is held against that.
//
// WEAKREF_INJECTION=1 in the environment prints for each operation how often which kind failed, and how often it
// came through.
#ifndef WEAKREF_TESTS_EXCEPTION_INJECTION_HPP
#define WEAKREF_TESTS_EXCEPTION_INJECTION_HPP

#include "../support/dictionary_faults.hpp"
#include "../support/dictionary_new.hpp"
#include "../support/refused.hpp"

#include <weakref/detail/base/thread_record.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <initializer_list>
#include <iterator>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace injection {

using dictionary_test::fault;
using dictionary_test::fault_names;
using dictionary_test::fault_set;
using dictionary_test::faults;
using dictionary_test::injected;
using support::refused;

inline constexpr fault_set nothing{};

/// In which state a container meets its operation.
struct configuration {
  std::size_t shards;
  int entries;
  int dead;     // of them: untracked, and dead when the operation begins
  bool lasting; // whatever comes after the first failure fails too
};

// A table of 6, 12, 24 slots is full with 4, 9, 19 entries: there the operation must make it grow. Several
// shards are full one by one.
inline constexpr configuration configurations[] = {
    {1, 0, 0, false}, {1, 0, 0, true}, {1, 3, 0, false},  {1, 4, 0, false}, {1, 4, 0, true},
    {1, 9, 0, false}, {4, 0, 0, true}, {4, 16, 0, false}, {4, 17, 0, true}, {0, 9, 0, true},
    {1, 9, 3, false}, {1, 4, 2, true}, {4, 16, 5, false},
};

struct counts {
  std::string name;
  std::array<long, fault_names.size()> failures{};
  long completions = 0;

  long all_failures() const {
    long sum = 0;
    for (const long each : failures) sum += each;
    return sum;
  }
  fault_set failed() const {
    fault_set kinds;
    for (std::size_t i = 0; i < failures.size(); ++i) {
      if (failures[i] != 0) kinds |= static_cast<fault>(i);
    }
    return kinds;
  }
};

inline std::string names_of(fault_set kinds) {
  std::string names;
  for (std::size_t i = 0; i < fault_names.size(); ++i) {
    if (kinds.has(static_cast<fault>(i))) names += std::string(names.empty() ? "" : " ") + fault_names[i];
  }
  return names.empty() ? "nothing" : names;
}

/// What happened in this program, printed at its end.
class summary {
 public:
  static void add(const counts& operation) { get().operations_.push_back(operation); }

 private:
  static summary& get() {
    static summary only;
    return only;
  }
  summary() { operations_.reserve(256); } // before a test looks for leaks
  ~summary() {
    if (std::getenv("WEAKREF_INJECTION") == nullptr) return;
    long failures = 0;
    long completions = 0;
    for (const counts& each : operations_) {
      std::printf("%-100s %6ld failures, %3ld completions:", each.name.c_str(), each.all_failures(),
                  each.completions);
      for (std::size_t i = 0; i < fault_names.size(); ++i) {
        if (each.failures[i] != 0) std::printf(" %s %ld", fault_names[i], each.failures[i]);
      }
      std::printf("\n");
      failures += each.all_failures();
      completions += each.completions;
    }
    std::printf("in all: %zu operations, %ld failures, %ld completions\n", operations_.size(), failures,
                completions);
  }
  std::vector<counts> operations_;
};

/// No user code of a failed operation is still on record, and nothing waits to be run later.
inline void check_thread_record() {
  const weakref::detail::thread_record& thread = weakref::detail::this_thread();
  CHECK(thread.depth == 0);
  CHECK(thread.first_death == nullptr);
  CHECK(thread.first_work == nullptr);
  CHECK(thread.waits == nullptr);
  CHECK(thread.delivering == 0);
}

/// Calls `run` with the failure after `budget` calls. Says whether one left it; a failure that it swallowed is
/// one that its caller was not told of.
template <class Run> bool fails(Run&& run, long budget, bool lasting) {
  bool is_thrown = true;
  std::string stranger;
  faults::arm(budget, lasting);
  try {
    run();
    is_thrown = false;
  } catch (const injected&) {
  } catch (const std::bad_alloc&) {
  } catch (const std::exception& error) {
    const faults::pause quiet;
    stranger = error.what();
  }
  const long failures = faults::disarm();
  CHECK(stranger == "");
  CHECK(is_thrown == (failures > 0));
  return is_thrown;
}

/// Calls `attempt(budget)` with a larger budget each time until it says that it came through. Gives how many did
/// not.
template <class Attempt> long failures_until_through(long limit, Attempt attempt) {
  long budget = 0;
  for (; budget < limit; ++budget) {
    CAPTURE(budget);
    if (attempt(budget)) break;
  }
  CHECK(budget < limit);
  return budget;
}

template <class Fixture> class operation {
 public:
  /// `members`: the public members that it is about. `run` does it, and leaves what it returned in the fixture;
  /// `then` checks that and the fixture, once it is through.
  operation(const char* name, std::vector<std::string> members, fault_set may_fail, void (*run)(Fixture&),
            void (*then)(Fixture&), std::vector<configuration> where = {})
      : name_(name),
        members_(std::move(members)),
        may_fail_(may_fail),
        run_(run),
        then_(then),
        where_(where.empty() ? usual() : std::move(where)) {
    all().push_back(this);
  }
  operation(const operation&) = delete;
  operation& operator=(const operation&) = delete;

  void inject() const {
    counts seen;
    seen.name = name_;
    for (const configuration& chosen : where_) {
      CAPTURE(chosen.shards);
      CAPTURE(chosen.entries);
      CAPTURE(chosen.dead);
      CAPTURE(chosen.lasting);
      failures_until_through(5000, [&](long budget) { return comes_through(chosen, budget, seen); });
    }
    // What fails is what is said to, all of it, and something came through.
    CHECK(names_of(seen.failed()) == names_of(may_fail_));
    CHECK(seen.completions == static_cast<long>(where_.size()));
    summary::add(seen);
  }

  /// Holds the operations against the lists of a class's members.
  static void check_coverage(std::initializer_list<std::span<const std::string_view>> lists) {
    std::vector<std::string_view> list;
    for (const auto& each : lists) list.insert(list.end(), each.begin(), each.end());
    for (const std::string_view member : list) {
      CAPTURE(member);
      CHECK(std::any_of(all().begin(), all().end(), [&](const operation* each) {
        return std::find(each->members_.begin(), each->members_.end(), member) != each->members_.end();
      }));
    }
    for (const operation* each : all()) {
      for (const std::string& member : each->members_) {
        CAPTURE(each->name_);
        CAPTURE(member);
        CHECK(std::find(list.begin(), list.end(), member) != list.end());
      }
    }
  }

 private:
  static std::vector<const operation*>& all() {
    static std::vector<const operation*> registered;
    return registered;
  }

  /// The fixture's own choice, if it has one.
  static std::vector<configuration> usual() {
    if constexpr (requires { Fixture::where(); }) {
      return Fixture::where();
    } else {
      return {std::begin(configurations), std::end(configurations)};
    }
  }

  bool comes_through(const configuration& chosen, long budget, counts& seen) const {
    const long blocks = dictionary_test::heap::blocks.load();
    const auto census = Fixture::census();
    bool is_through = false;
    {
      Fixture fixture(chosen);
      const auto before = fixture.look();
      is_through = !fails([&] { run_(fixture); }, budget, chosen.lasting);
      check_thread_record();
      if (is_through) {
        ++seen.completions;
        CHECK((faults::asked() > 0 || budget == 0));
      } else {
        ++seen.failures[static_cast<std::size_t>(faults::first())];
        fixture.check_unchanged(before);
        fixture.use();
        fixture.check_unchanged(before);
        run_(fixture); // undisturbed, it does what it would have done
      }
      then_(fixture);
      fixture.let_go();
    }
    CHECK(Fixture::census() == census);
    CHECK(dictionary_test::heap::blocks.load() == blocks);
    return is_through;
  }

  const char* name_;
  std::vector<std::string> members_;
  fault_set may_fail_;
  void (*run_)(Fixture&);
  void (*then_)(Fixture&);
  std::vector<configuration> where_;
};

} // namespace injection

/// WEAKREF_OPERATION(Fixture, name, members, kinds, run, then): an operation, and its test case.
#define WEAKREF_OPERATION_AS(id, Fixture, name, ...)                                                         \
  const injection::operation<Fixture> id(name, __VA_ARGS__);                                                 \
  TEST_CASE(name) { id.inject(); }
#define WEAKREF_OPERATION(Fixture, name, ...)                                                                \
  WEAKREF_OPERATION_AS(DOCTEST_ANONYMOUS(operation_), Fixture, name, __VA_ARGS__)

#endif
