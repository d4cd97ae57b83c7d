// SPDX-License-Identifier: BSL-1.0

// Single flight in every order.
#include "scenario.hpp"
#include "support/sanitizers.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>

namespace {

using namespace scenarios;

struct flights {
  std::optional<dictionary> table{std::in_place};
  owner results[3];
  unsigned runs = 0; // plain: factories of one key never run at the same time
};

TEST_CASE("schedules: two threads ask for one key, and one factory runs") {
  const auto ask = [](unsigned i) {
    return [i](flights& s) {
      s.results[i] = s.table->get_or_create(1, [&] {
        ++s.runs;
        schedule::point();
        return thing(1);
      });
    };
  };
  holds(make_scenario<flights>({ask(0), ask(1)},
                               [](flights& s) {
                                 expect(s.runs == 1, "one factory ran");
                                 expect(s.results[0] != nullptr && s.results[0] == s.results[1],
                                        "both got its object");
                                 s.results[0].reset();
                                 s.results[1].reset();
                                 expect(s.table->empty(), "which is gone with its owners");
                               }),
        {}, {.preemptions = 5});
}

TEST_CASE("schedules: three threads ask for one key, and one factory runs") {
  const auto ask = [](unsigned i) {
    return [i](flights& s) {
      s.results[i] = s.table->get_or_create(1, [&] {
        ++s.runs;
        return make_thing(1);
      });
    };
  };
  holds(make_scenario<flights>({ask(0), ask(1), ask(2)},
                               [](flights& s) {
                                 expect(s.runs == 1, "one factory ran");
                                 expect(s.results[0] != nullptr && s.results[0] == s.results[1] &&
                                            s.results[0] == s.results[2],
                                        "all got its object");
                               }),
        {}, {.preemptions = 2});
}

TEST_CASE("schedules: a waiting thread gets the object although its creator drops it at once") {
  const auto ask = [](flights& s) {
    owner mine = s.table->get_or_create(1, [&] {
      ++s.runs;
      return thing(1);
    });
    expect(mine != nullptr && mine->whole, "there is an object");
    mine.reset();
  };
  holds(make_scenario<flights>({ask, ask},
                               [](flights& s) {
                                 expect(s.table->empty(), "nothing is left");
                                 observe(s.runs == 1 ? "shared" : "made twice, one after the other");
                               }),
        {"shared", "made twice, one after the other"}, {.preemptions = 4});
}

TEST_CASE("schedules: a factory fails, and a waiting thread runs its own") {
  struct state : flights {
    unsigned failures = 0;
    bool throws = false;
  };
  const auto ask = [](unsigned i, bool throws) {
    return [i, throws](state& s) {
      const auto factory = [&]() -> owner {
        if (++s.runs > 1) return make_thing(1);
        schedule::point();
        if (throws) throw std::runtime_error("no such thing");
        return nullptr;
      };
      try {
        s.results[i] = s.table->get_or_create(1, factory);
        if (s.results[i] == nullptr) ++s.failures;
      } catch (const std::runtime_error&) {
        ++s.failures;
      }
    };
  };
  for (const bool throws : {false, true})
    holds(make_scenario<state>({ask(0, throws), ask(1, throws)},
                               [](state& s) {
                                 expect(s.runs == 2, "each ran its own factory");
                                 expect(s.failures == 1, "one failed");
                                 const owner made = s.results[0] != nullptr ? s.results[0] : s.results[1];
                                 expect(made != nullptr && s.table->get(1) == made,
                                        "the other one's object is stored");
                               }),
          {}, {.preemptions = 5});
}

// Who shares a variable so has a race of his own, and ThreadSanitizer says so; what he has asked for must be found all the
// same.
#if !defined(__SANITIZE_THREAD__)
TEST_CASE("schedules: a factory changes the variable that another thread has asked with") {
  struct state : flights {
    int key = 1;
    void change() {
      try {
        static_cast<void>(table->get_or_create(1, [this]() -> owner {
          key = 2;
          throw std::runtime_error("no such thing");
        }));
      } catch (const std::runtime_error&) {}
    }
    void ask() {
      results[0] = table->get_or_create(key, [](int wanted) { return thing(wanted); });
    }
  };
  holds(make_scenario<state>({&state::change, &state::ask},
                             [](state& s) {
                               const owner& made = s.results[0];
                               expect(made != nullptr && s.table->get(made->id) == made,
                                      "what was made for a key is found under that key");
                               observe(made->id == 1 ? "before" : "after");
                             }),
        {"before", "after"}, {.preemptions = 4});
}
#endif

TEST_CASE("schedules: two factories that need each other's keys: one of them is refused") {
  struct state : flights {
    std::atomic<int> refused{0};
  };
  const auto ask = [](int own, int other) {
    return [own, other](state& s) {
      const auto inner = [&] { return thing(other); };
      const auto outer = [&] {
        owner needed;
        try {
          needed = s.table->get_or_create(other, inner);
        } catch (const std::logic_error&) {
          s.refused.fetch_add(1, std::memory_order_relaxed);
        }
        return thing(own);
      };
      s.results[own] = s.table->get_or_create(own, outer);
      expect(s.results[own] != nullptr && s.results[own]->id == own, "each gets its own");
    };
  };
  holds(make_scenario<state>({ask(1, 2), ask(2, 1)},
                             [](state& s) {
                               const int refused = s.refused.load();
                               expect(refused <= 1, "at most one is refused");
                               observe(refused == 0 ? "one after the other" : "one refused");
                             }),
        {"one after the other", "one refused"}, {.preemptions = 4});
}

TEST_CASE("schedules: a thread that is about to wake up closes no cycle") {
  // The second waits for the first one's key 1. When that has landed, the first may ask for key 2, which the
  // second is creating, whether or not the second has noticed the landing.
  const auto make = [](int id) {
    return [id] {
      schedule::point();
      return thing(id);
    };
  };
  holds(make_scenario<flights>({[make](flights& s) {
                                  s.results[0] = s.table->get_or_create(1, make(1));
                                  s.results[1] = s.table->get_or_create(2, make(2));
                                },
                                [make](flights& s) {
                                  s.results[2] = s.table->get_or_create(2, [&] {
                                    const owner needed = s.table->get_or_create(1, make(1));
                                    expect(needed != nullptr, "it is made");
                                    observe("nested");
                                    return thing(2);
                                  });
                                }},
                               [](flights& s) { expect(s.table->size() <= 2, "nobody is refused"); }),
        {"nested"}, {.preemptions = 4});
}

TEST_CASE("schedules: what is inserted during a creation wins") {
  struct state : flights {
    owner inserted = make_thing(7);
  };
  holds(make_scenario<state>({[](state& s) {
                                s.results[0] = s.table->get_or_create(1, [] {
                                  schedule::point();
                                  return thing(1);
                                });
                              },
                              [](state& s) {
                                const auto [stored, is_new] = s.table->insert(1, s.inserted);
                                s.results[1] = stored;
                                observe(is_new ? "the inserted one" : "the created one");
                              }},
                             [](state& s) {
                               expect(s.results[0] != nullptr && s.results[0] == s.results[1],
                                      "both have the one that is stored");
                               expect(s.table->get(1) == s.results[0], "which is there");
                               s.table->erase(1);
                               const owner again = s.table->get_or_create(1, [] { return thing(3); });
                               expect(again != nullptr && again->id == 3, "nothing is left of the flight");
                             }),
        {"the inserted one", "the created one"}, {.preemptions = 5});
}

TEST_CASE("schedules: get during a creation is empty at once") {
  holds(make_scenario<flights>({[](flights& s) {
                                  s.results[0] = s.table->get_or_create(1, [] {
                                    schedule::point();
                                    return thing(1);
                                  });
                                },
                                [](flights& s) {
                                  const owner found = s.table->get(1);
                                  expect(found == nullptr || found->whole, "empty or whole");
                                  observe(found == nullptr ? "empty" : "found");
                                }}),
        {"empty", "found"});
}

TEST_CASE("schedules: erase and clear during a creation do not cancel it") {
  const auto create = [](flights& s) {
    s.results[0] = s.table->get_or_create(1, [] {
      schedule::point();
      return thing(1);
    });
  };
  holds(make_scenario<flights>({create, [](flights& s) { s.table->clear(); }},
                               [](flights& s) { expect(s.results[0] != nullptr, "the result is given"); }));
  holds(make_scenario<flights>({create, [](flights& s) { s.table->erase(1); }},
                               [](flights& s) { expect(s.results[0] != nullptr, "the result is given"); }));
}

TEST_CASE("schedules: an old object dies while a new one is created under its key") {
  struct state : flights {
    owner old = make_thing(9);
    state() { table->insert(1, old); }
  };
  holds(make_scenario<state>({[](state& s) { s.old.reset(); },
                              [](state& s) {
                                s.results[0] = s.table->get_or_create(1, [] { return thing(1); });
                                expect(s.results[0] != nullptr && s.results[0]->whole, "there is an object");
                                observe(s.results[0]->id == 1 ? "new" : "old");
                              }},
                             [](state& s) {
                               s.results[1] = s.table->get(1);
                               expect(s.results[1] == s.results[0], "the one that was given is stored");
                             }),
        {"new", "old"});
}

} // namespace
