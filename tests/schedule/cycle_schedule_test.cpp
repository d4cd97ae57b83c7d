// SPDX-License-Identifier: BSL-1.0

// Single flight among three threads, over several keys and containers, and with creations that come to nothing.
#include "scenario.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>

namespace {

using namespace scenarios;

enum class ending { makes, drops, throws, gives_null };

struct creators {
  std::optional<dictionary> table{std::in_place};
  owner results[3];
  std::atomic<unsigned> runs{0};
  std::atomic<unsigned> failures{0};

  owner make(ending how) {
    runs.fetch_add(1, std::memory_order_relaxed);
    schedule::point();
    if (how == ending::throws) throw std::runtime_error("no such thing");
    return how == ending::gives_null ? nullptr : make_thing(1);
  }
  void ask(unsigned i, ending how) {
    try {
      owner made = table->get_or_create(1, [&] { return make(how); });
      if (made == nullptr) {
        expect(how == ending::gives_null, "null is its own factory's");
        failures.fetch_add(1, std::memory_order_relaxed);
      } else {
        expect(made->whole && made->id == 1, "an object is whole");
        if (how == ending::drops)
          made.reset();
        else
          results[i] = std::move(made);
      }
    } catch (const std::runtime_error&) {
      expect(how == ending::throws, "an exception is its own factory's");
      failures.fetch_add(1, std::memory_order_relaxed);
    }
  }
  void check() {
    owner found;
    for (const owner& each : results) {
      if (each == nullptr) continue;
      expect(found == nullptr || found == each, "all who keep one keep the same");
      found = each;
    }
    expect(table->get(1) == found, "which is the one that is stored");
    expect(table->size() == (found == nullptr ? 0U : 1U), "and nothing else");
    const unsigned ran = runs.load();
    observe(ran == 0 ? "none ran" : ran == 1 ? "one ran" : ran == 2 ? "two ran" : "three ran");
  }
};

TEST_CASE("schedules: three threads ask for one key, and creators fail, give null or drop what they made") {
  using state = creators;
  const auto three = [](ending a, ending b, ending c) {
    return make_scenario<state>(
        {with(&state::ask, 0U, a), with(&state::ask, 1U, b), with(&state::ask, 2U, c)}, &state::check);
  };
  const schedule::options two{.preemptions = 2};
  holds(three(ending::throws, ending::makes, ending::makes), {"one ran", "two ran"}, two);
  holds(three(ending::gives_null, ending::makes, ending::makes), {"one ran", "two ran"}, two);
  holds(three(ending::throws, ending::gives_null, ending::makes), {"one ran", "two ran", "three ran"}, two);
  holds(three(ending::drops, ending::makes, ending::makes), {"one ran", "two ran"}, two);
  holds(three(ending::throws, ending::throws, ending::throws), {"three ran"}, two);
  holds(three(ending::drops, ending::drops, ending::drops), {"one ran", "three ran"}, two);
}

TEST_CASE("schedules: a creation fails, and its key is stored while others wait") {
  struct state : creators {
    owner inserted = make_thing(1);
    void insert() { results[2] = table->insert(1, inserted).first; }
  };
  for (const ending how : {ending::throws, ending::gives_null})
    holds(make_scenario<state>(
              {with(&state::ask, 0U, how), with(&state::ask, 1U, ending::makes), &state::insert},
              &state::check),
          {"one ran", "two ran"}, {.preemptions = 2});
}

TEST_CASE("schedules: a creation, a waiting thread, and others who erase, clear or assign its key") {
  struct state : creators {
    owner assigned = make_thing(1);
  };
  const auto scenario = [](auto other) {
    return make_scenario<state>(
        {with(&state::ask, 0U, ending::makes), with(&state::ask, 1U, ending::makes), other}, [](state& s) {
          expect(s.results[0] != nullptr && s.results[1] != nullptr, "both get one");
          observe(s.results[0] == s.results[1] ? "the same" : "two, one after the other");
        });
  };
  holds(scenario([](state& s) { s.table->erase(1); }), {"the same", "two, one after the other"},
        {.preemptions = 2});
  holds(scenario([](state& s) { s.table->clear(); }), {"the same", "two, one after the other"},
        {.preemptions = 2});
  holds(scenario([](state& s) { s.table->insert_or_assign(1, s.assigned); }), {"the same"},
        {.preemptions = 2});
}

TEST_CASE("schedules: what a flight brings dies while a waiting thread wakes up") {
  struct state : creators {
    std::atomic<unsigned> died = 0;
    void ask_and_drop() {
      owner made = table->get_or_create(1, [this] {
        owner fresh = make_thing(1);
        fresh->at_end = [this] { died.fetch_add(1, std::memory_order_relaxed); };
        runs.fetch_add(1, std::memory_order_relaxed);
        return fresh;
      });
      expect(made != nullptr && made->whole, "there is an object");
      schedule::point();
      made.reset();
    }
  };
  holds(make_scenario<state>(
            {&state::ask_and_drop, &state::ask_and_drop, [](state& s) { s.table->erase(1); }},
            [](state& s) { expect(s.table->empty() && s.died.load() == s.runs.load(), "all have died"); }),
        {}, {.preemptions = 2});
}

TEST_CASE("schedules: a creation, a waiting thread and the death of the key's old object") {
  struct state : creators {
    owner old = make_thing(9);
    state() { table->insert(1, old); }
    void ask_for_any(unsigned i) {
      results[i] = table->get_or_create(1, [this] { return make(ending::makes); });
      expect(results[i] != nullptr && results[i]->whole, "there is an object");
    }
  };
  holds(make_scenario<state>(
            {[](state& s) { s.old.reset(); }, with(&state::ask_for_any, 0U), with(&state::ask_for_any, 1U)},
            [](state& s) {
              expect(s.results[0] == s.results[1] && s.table->get(1) == s.results[0],
                     "both get the same, and it is stored");
              expect(s.table->size() == 1, "nothing else is left");
            }),
        {}, {.preemptions = 2});
}

// ---------------------------------------------------------------------------------------------------- cycles

template <unsigned Threads> struct cycle {
  dictionary tables[2];
  owner results[Threads];
  std::atomic<int> refused{0};

  // Thread i creates key i, and needs key i + 1 for it. Odd keys live in the second dictionary.
  dictionary& table_of(unsigned key) { return tables[key % 2]; }
  owner inner(unsigned key) {
    return table_of(key).get_or_create(static_cast<int>(key),
                                       [key] { return make_thing(static_cast<int>(key)); });
  }
  void ask(unsigned i) {
    results[i] = table_of(i).get_or_create(static_cast<int>(i), [&] {
      schedule::point();
      try {
        const owner needed = inner((i + 1) % Threads);
        expect(needed != nullptr && needed->whole, "what is needed is made");
      } catch (const std::logic_error&) {
        refused.fetch_add(1, std::memory_order_relaxed);
      }
      return make_thing(static_cast<int>(i));
    });
    expect(results[i] != nullptr && results[i]->id == static_cast<int>(i), "each gets its own");
  }
  void check() {
    expect(refused.load() <= 1, "at most one is refused: the one that would close the cycle");
    observe(refused.load() == 0 ? "one after the other" : "one refused");
  }
};

TEST_CASE("schedules: two creators in two dictionaries need each other's keys") {
  using state = cycle<2>;
  holds(make_scenario<state>({with(&state::ask, 0U), with(&state::ask, 1U)}, &state::check),
        {"one after the other", "one refused"}, {.preemptions = 3});
}

TEST_CASE("schedules: three creators need each other's keys in a circle") {
  using state = cycle<3>;
  holds(make_scenario<state>({with(&state::ask, 0U), with(&state::ask, 1U), with(&state::ask, 2U)},
                             &state::check),
        {"one after the other", "one refused"}, {.preemptions = 2});
}

TEST_CASE("schedules: a chain of three creators is no circle") {
  struct state {
    dictionary table;
    owner make_all(int from, int to) {
      return table.get_or_create(from, [=, this] {
        schedule::point();
        if (from < to) expect(make_all(from + 1, to) != nullptr, "nobody is refused");
        return make_thing(from);
      });
    }
    void ask(int from) {
      const owner made = make_all(from, 2);
      expect(made != nullptr && made->id == from, "each gets its own");
    }
  };
  holds(make_scenario<state>({with(&state::ask, 0), with(&state::ask, 1), with(&state::ask, 2)}), {},
        {.preemptions = 1});
}

TEST_CASE("schedules: a refused creator fails, and those who wait for it go on") {
  struct state : cycle<2> {
    void ask_and_give_up(unsigned i) {
      try {
        results[i] = table_of(i).get_or_create(static_cast<int>(i), [&]() -> owner {
          schedule::point();
          inner(1 - i); // a refusal leaves the factory, and fails this creation
          return make_thing(static_cast<int>(i));
        });
      } catch (const std::logic_error&) {
        refused.fetch_add(1, std::memory_order_relaxed);
      }
    }
  };
  holds(make_scenario<state>({with(&state::ask_and_give_up, 0U), with(&state::ask_and_give_up, 1U)},
                             [](state& s) {
                               s.check();
                               const int made = (s.results[0] != nullptr) + (s.results[1] != nullptr);
                               expect(made + s.refused.load() == 2, "who is not refused gets its own");
                             }),
        {"one after the other", "one refused"}, {.preemptions = 3});
}

TEST_CASE("schedules: a factory asks for its own key while others wait for it") {
  struct state : creators {
    void ask_twice() {
      try {
        results[0] = table->get_or_create(1, [this] {
          runs.fetch_add(1, std::memory_order_relaxed);
          return table->get_or_create(1, [this] { return make(ending::makes); });
        });
      } catch (const std::logic_error&) {
        failures.fetch_add(1, std::memory_order_relaxed);
      }
    }
  };
  holds(make_scenario<state>({&state::ask_twice, with(&state::ask, 1U, ending::makes)},
                             [](state& s) {
                               expect(s.failures.load() == (s.results[0] == nullptr ? 1U : 0U),
                                      "refused, or given");
                               s.check();
                             }),
        {"one ran", "two ran"}, {.preemptions = 4});
}

// ---------------------------------------------------------------------------------------------------- splits

TEST_CASE("schedules: a creation fails while its dictionary splits and another thread waits") {
  struct state : creators {
    owner others[2] = {make_thing(10), make_thing(11)};
    state() {
      for (const auto& each : others) table->insert(each->id, each);
    }
    void split() { table->reserve(256); }
    void check() {
      expect(results[1] != nullptr && table->get(1) == results[1], "the waiting thread makes its own");
      expect(table->size() == 3, "nothing is lost");
      observe(failures.load() == 1 ? "failed" : "shared");
    }
  };
  holds(make_scenario<state>(
            {&state::split, with(&state::ask, 0U, ending::throws), with(&state::ask, 1U, ending::makes)},
            &state::check),
        {"failed", "shared"}, {.preemptions = 1});
  holds(make_scenario<state>({&state::split, with(&state::ask, 1U, ending::makes)},
                             [](state& s) { expect(s.table->get(1) == s.results[1], "it is found again"); }),
        {}, {.preemptions = 3});
}

} // namespace
