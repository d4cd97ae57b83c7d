// SPDX-License-Identifier: BSL-1.0

// A dictionary's entry dies while other threads use it, in every order.
#include "scenario.hpp"

#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace {

using namespace scenarios;

enum class kind { own_node, node_in_block };

// A key whose comparison is code that the library does not know.
struct unknown_key {
  unknown_key(int identity) : id(identity) {}
  unknown_key(const unknown_key&) = default;
  ~unknown_key() { expect(!schedule::holds_a_mutex(), "no key is destroyed under a lock"); }
  int id;
  friend bool operator==(const unknown_key& a, const unknown_key& b) { return a.id == b.id; }
  friend std::size_t hash_value(const unknown_key& key) { return static_cast<std::size_t>(key.id); }
};

template <kind Kind, class Allocator = schedule::checked_allocator<thing>, class Key = int>
struct dying_entry {
  using dictionary = dictionary_with<Allocator, Key>;
  static dictionary make_table() {
    if constexpr (std::is_empty_v<Allocator>) {
      return dictionary();
    } else {
      return dictionary(Allocator(7));
    }
  }
  std::optional<dictionary> table{make_table()};
  owner held;
  owner newer = make_thing(2);
  bool died = false;

  dying_entry() {
    if constexpr (Kind == kind::own_node) {
      held = make_thing(1);
      table->insert(1, held);
    } else {
      held = table->try_emplace(1, 1).first;
    }
    held->at_end = [this] { died = true; };
  }
  void die() { held.reset(); }

  void look_whole(const owner& found, int id) {
    if (found != nullptr) expect(found->whole && found->id == id, "what is found is whole");
  }
  void check() {
    expect(died, "the object is destroyed");
    if (table) {
      const owner stored = table->get(1);
      expect(stored == nullptr || stored == newer, "the dead object's entry is gone");
      expect(table->size() == (stored == nullptr ? 0U : 1U), "nothing else is left");
    }
  }
};

using own_node = dying_entry<kind::own_node>;
using node_in_block = dying_entry<kind::node_in_block>;
using own_node_of_unknown_key = dying_entry<kind::own_node, schedule::checked_allocator<thing>, unknown_key>;
using node_in_block_of_unknown_key =
    dying_entry<kind::node_in_block, schedule::checked_allocator<thing>, unknown_key>;
using own_node_of_stateful_allocator = dying_entry<kind::own_node, stateful_allocator<thing>>;
using node_in_block_of_stateful_allocator = dying_entry<kind::node_in_block, stateful_allocator<thing>>;

TEST_CASE_TEMPLATE("schedules: a death and get", State, own_node, node_in_block, own_node_of_unknown_key,
                   node_in_block_of_unknown_key) {
  holds(make_scenario<State>({&State::die,
                              [](State& s) {
                                const owner found = s.table->get(1);
                                s.look_whole(found, 1);
                                observe(found == nullptr ? "absent" : "found");
                              }},
                             &State::check),
        {"absent", "found"});
}

TEST_CASE_TEMPLATE("schedules: a death and contains", State, own_node, node_in_block, own_node_of_unknown_key,
                   node_in_block_of_unknown_key) {
  holds(
      make_scenario<State>(
          {&State::die, [](State& s) { observe(s.table->contains(1) ? "found" : "absent"); }}, &State::check),
      {"absent", "found"});
}

TEST_CASE_TEMPLATE("schedules: a death and visit", State, own_node, node_in_block, own_node_of_unknown_key,
                   node_in_block_of_unknown_key) {
  holds(make_scenario<State>({&State::die,
                              [](State& s) {
                                const bool found = s.table->visit(1, [](thing& visited) {
                                  expect(visited.whole, "the object is whole when visited");
                                  schedule::point();
                                  expect(visited.whole, "the object is whole until visit is over");
                                });
                                observe(found ? "found" : "absent");
                              }},
                             &State::check),
        {"absent", "found"});
}

TEST_CASE_TEMPLATE("schedules: a death and erase", State, own_node, node_in_block, own_node_of_unknown_key,
                   node_in_block_of_unknown_key) {
  holds(make_scenario<State>(
            {&State::die, [](State& s) { observe(s.table->erase(1) ? "erased" : "absent"); }}, &State::check),
        {"absent", "erased"});
}

TEST_CASE_TEMPLATE("schedules: a death and pop", State, own_node, node_in_block, own_node_of_unknown_key,
                   node_in_block_of_unknown_key) {
  holds(make_scenario<State>({&State::die,
                              [](State& s) {
                                const owner found = s.table->pop(1);
                                s.look_whole(found, 1);
                                observe(found == nullptr ? "absent" : "popped");
                              }},
                             &State::check),
        {"absent", "popped"});
}

TEST_CASE_TEMPLATE("schedules: a death and popitem", State, own_node, node_in_block, own_node_of_unknown_key,
                   node_in_block_of_unknown_key) {
  holds(make_scenario<State>({&State::die,
                              [](State& s) {
                                try {
                                  const auto [key, found] = s.table->popitem();
                                  expect(key == 1 && found != nullptr, "a living entry");
                                  s.look_whole(found, 1);
                                  observe("popped");
                                } catch (const std::out_of_range&) {
                                  observe("absent");
                                }
                              }},
                             &State::check),
        {"absent", "popped"});
}

TEST_CASE_TEMPLATE("schedules: a death and clear", State, own_node, node_in_block, own_node_of_unknown_key,
                   node_in_block_of_unknown_key, own_node_of_stateful_allocator,
                   node_in_block_of_stateful_allocator) {
  holds(make_scenario<State>({&State::die, [](State& s) { s.table->clear(); }}, &State::check));
}

TEST_CASE_TEMPLATE("schedules: a death and the dictionary's end", State, own_node, node_in_block,
                   own_node_of_unknown_key, node_in_block_of_unknown_key, own_node_of_stateful_allocator,
                   node_in_block_of_stateful_allocator) {
  holds(make_scenario<State>({&State::die, [](State& s) { s.table.reset(); }}, &State::check));
}

TEST_CASE_TEMPLATE("schedules: a death and a move of the dictionary", State, own_node, node_in_block,
                   own_node_of_unknown_key, node_in_block_of_unknown_key) {
  holds(make_scenario<State>({&State::die,
                              [](State& s) {
                                auto moved(std::move(*s.table));
                                schedule::point();
                                *s.table = std::move(moved);
                              }},
                             &State::check));
}

TEST_CASE_TEMPLATE("schedules: a death, and the dictionary grows", State, own_node, node_in_block,
                   own_node_of_unknown_key, node_in_block_of_unknown_key) {
  holds(make_scenario<State>({&State::die, [](State& s) { s.table->reserve(100); }}, &State::check));
}

TEST_CASE_TEMPLATE("schedules: a death and insert_or_assign under the same key", State, own_node,
                   node_in_block, own_node_of_unknown_key, node_in_block_of_unknown_key) {
  holds(make_scenario<State>({&State::die,
                              [](State& s) {
                                observe(s.table->insert_or_assign(1, s.newer) ? "new" : "replaced");
                                expect(s.table->get(1) == s.newer, "the new entry is there at once");
                              }},
                             [](State& s) {
                               s.check();
                               expect(s.table->get(1) == s.newer,
                                      "the late eviction does not touch the new entry");
                             }),
        {"new", "replaced"});
}

TEST_CASE_TEMPLATE("schedules: a death and insert under the same key", State, own_node, node_in_block,
                   own_node_of_unknown_key, node_in_block_of_unknown_key) {
  holds(make_scenario<State>({&State::die,
                              [](State& s) {
                                const auto [stored, is_new] = s.table->insert(1, s.newer);
                                expect(stored != nullptr, "insert gives an owner");
                                s.look_whole(stored, is_new ? 2 : 1);
                                if (!is_new) s.newer.reset();
                                observe(is_new ? "new" : "kept");
                              }},
                             [](State& s) {
                               s.check();
                               expect(s.table->get(1) == s.newer,
                                      "the late eviction does not touch the new entry");
                             }),
        {"new", "kept"});
}

TEST_CASE_TEMPLATE("schedules: a death, a new entry under its key, and that one's death", State, own_node,
                   node_in_block, own_node_of_unknown_key, node_in_block_of_unknown_key) {
  holds(make_scenario<State>({&State::die,
                              [](State& s) {
                                s.table->insert_or_assign(1, s.newer);
                                s.newer.reset();
                                expect(!s.table->contains(1), "the second is dead");
                              }},
                             [](State& s) {
                               s.check();
                               expect(s.table->empty(), "both have gone");
                             }),
        {}, {.preemptions = 5});
}

TEST_CASE("schedules: a death, erase and get") {
  using state = own_node;
  holds(make_scenario<state>({&state::die, [](state& s) { s.table->erase(1); },
                              [](state& s) { s.look_whole(s.table->get(1), 1); }},
                             &state::check),
        {}, {.preemptions = 3});
}

TEST_CASE("schedules: a death, insert_or_assign and pop") {
  using state = own_node;
  holds(make_scenario<state>({&state::die, [](state& s) { s.table->insert_or_assign(1, s.newer); },
                              [](state& s) {
                                const owner popped = s.table->pop(1);
                                observe(popped == nullptr ? "popped nothing"
                                        : popped->id == 1 ? "popped the old one"
                                                          : "popped the new one");
                              }},
                             &state::check),
        {"popped nothing", "popped the old one", "popped the new one"}, {.preemptions = 3});
}

struct two_dying_entries {
  std::optional<dictionary> table{std::in_place};
  owner first = make_thing(1), second = make_thing(2);
  two_dying_entries() {
    table->insert(1, first);
    table->insert(2, second);
  }
};

TEST_CASE("schedules: two deaths and the dictionary's end") {
  using state = two_dying_entries;
  holds(make_scenario<state>({[](state& s) { s.first.reset(); }, [](state& s) { s.second.reset(); },
                              [](state& s) { s.table.reset(); }}),
        {}, {.preemptions = 3});
}

TEST_CASE("schedules: one object in two dictionaries dies while both are destroyed") {
  struct state {
    std::optional<dictionary> tables[2];
    owner held = make_thing(1);
    state() {
      for (auto& table : tables) {
        table.emplace();
        table->insert(1, held);
        table->insert(2, held);
      }
    }
  };
  holds(make_scenario<state>({[](state& s) { s.held.reset(); }, [](state& s) { s.tables[0].reset(); },
                              [](state& s) { s.tables[1].reset(); }}),
        {}, {.preemptions = 2});
}

TEST_CASE(
    "schedules: the callbacks of a death find every container without the object, whoever else is at work") {
  struct state {
    watched_call::record record;
    dictionary table, quiet;
    owner held = make_thing(1);
    owner newer = make_thing(2);
    std::optional<watching_ref> ref;
    state() {
      table.insert(1, held);
      quiet.insert(1, held);
      ref.emplace(held, watched_call{&record, [this] {
                                       expect(quiet.empty(), "the entry is gone, not only dead");
                                       const owner found = table.get(1);
                                       expect(found == nullptr || found == newer,
                                              "the container has forgotten the object");
                                       table.insert(3, newer);
                                     }});
    }
    void check() {
      expect(record.calls == 1, "the callback is called");
      expect(table.get(1) == newer && table.get(3) == newer && table.size() == 2, "both new entries stay");
    }
  };
  holds(make_scenario<state>(
            {[](state& s) { s.held.reset(); }, [](state& s) { s.table.insert_or_assign(1, s.newer); }},
            &state::check),
        {}, {.preemptions = 4});
}

TEST_CASE("schedules: an object that its class makes tracked dies while its entry is used") {
  struct state : own_node {
    state() {
      held = std::make_shared<enabled_thing>(1);
      held->at_end = [this] { died = true; };
      table->insert_or_assign(1, held);
      newer = std::make_shared<enabled_thing>(2);
    }
  };
  const auto visit = [](state& s) {
    s.table->visit(1, [](thing& visited) {
      expect(visited.whole, "the object is whole when visited");
      schedule::point();
      expect(visited.whole, "and until visit is over");
    });
  };
  holds(make_scenario<state>({&state::die, visit}, &state::check));
  holds(
      make_scenario<state>({&state::die, [](state& s) { s.look_whole(s.table->get(1), 1); }}, &state::check));
  holds(make_scenario<state>({&state::die, [](state& s) { s.table->erase(1); }}, &state::check));
  holds(make_scenario<state>({&state::die, [](state& s) { s.table->insert_or_assign(1, s.newer); }},
                             &state::check),
        {}, {.preemptions = 4});
  holds(make_scenario<state>({&state::die, [](state& s) { s.table.reset(); }}, &state::check));
}

TEST_CASE("schedules: an untracked object dies while others store, look and sweep") {
  struct state {
    std::optional<dictionary> table{std::in_place, weakref::options{.accept_untracked = true}};
    owner held = std::make_shared<thing>(1);
    owner newer = make_thing(2);
    state() { table->insert(1, held); }
    void die() { held.reset(); }
    void check() {
      if (!table) return;
      expect(!table->contains(1) || table->get(1) == newer, "the dead one is not seen");
      for (int i = 0; i < 100; ++i) expect(!table->contains(5), "");
      expect(table->size() <= 1, "and is swept out");
    }
  };
  holds(make_scenario<state>({&state::die, [](state& s) { s.table->insert(2, s.newer); },
                              [](state& s) { (void)s.table->contains(3); }},
                             &state::check),
        {}, {.preemptions = 3});
  holds(make_scenario<state>({&state::die, [](state& s) { s.table->insert_or_assign(1, s.newer); }},
                             &state::check));
  holds(make_scenario<state>({&state::die, [](state& s) { s.table.reset(); }}, &state::check));
  holds(make_scenario<state>({&state::die,
                              [](state& s) {
                                s.table->visit(1, [](thing& visited) {
                                  schedule::point();
                                  expect(visited.whole, "whole until visit is over");
                                });
                              }},
                             &state::check));
}

} // namespace
