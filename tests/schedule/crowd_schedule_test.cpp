// SPDX-License-Identifier: BSL-1.0

// Three threads, or several containers, at one death: what the scenarios of two threads and one dictionary
// (entry_schedule_test.cpp, schedule_test.cpp) leave open.
#include "scenario.hpp"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace {

using namespace scenarios;

// ------------------------------------------------------------------------------- one entry and three threads

struct crowd {
  std::optional<dictionary> table{std::in_place};
  owner held = make_thing(1);
  owner newer = make_thing(2);
  bool died = false;

  crowd() {
    held->at_end = [this] { died = true; };
    table->insert(1, held);
  }
  void die() { held.reset(); }
  void assign() {
    if (const owner mine = newer) table->insert_or_assign(1, mine);
  }
  void erase() { observe(table->erase(1) ? "erased" : "nothing to erase"); }
  void end() { table.reset(); }
  void get() {
    const owner found = table->get(1);
    expect(found == nullptr || (found->whole && (found->id == 1 || found == newer)), "empty or whole");
    observe(found == nullptr ? "absent" : found == newer ? "the new one" : "the old one");
  }
  void visit() {
    const bool found = table->visit(1, [](thing& visited) {
      expect(visited.whole, "whole when visited");
      schedule::point();
      expect(visited.whole, "and until visit is over");
    });
    observe(found ? "visited" : "not visited");
  }
  void check() {
    expect(died, "the object is destroyed");
    if (!table) return;
    const owner stored = table->get(1);
    expect(stored == nullptr || stored == newer, "the dead object's entry is gone");
    expect(table->size() == (stored == nullptr ? 0U : 1U), "nothing else is left");
    expect(weakref::getweakrefcount(newer) == table->size(), "the new object is watched once or not at all");
  }
};

TEST_CASE("schedules: a death, get and insert_or_assign") {
  using state = crowd;
  holds(make_scenario<state>({&state::die, &state::get, &state::assign},
                             [](state& s) {
                               s.check();
                               expect(s.table->get(1) == s.newer, "the new entry stays");
                             }),
        {"absent", "the old one", "the new one"}, {.preemptions = 3});
}

TEST_CASE("schedules: a death, erase and insert_or_assign") {
  using state = crowd;
  holds(make_scenario<state>({&state::die, &state::erase, &state::assign}, &state::check),
        {"erased", "nothing to erase"}, {.preemptions = 3});
}

TEST_CASE("schedules: a death, clear and insert_or_assign") {
  using state = crowd;
  holds(
      make_scenario<state>({&state::die, [](state& s) { s.table->clear(); }, &state::assign}, &state::check),
      {}, {.preemptions = 3});
}

TEST_CASE("schedules: a death and two visits") {
  using state = crowd;
  holds(make_scenario<state>({&state::die, &state::visit, &state::visit}, &state::check),
        {"visited", "not visited"}, {.preemptions = 3});
}

TEST_CASE("schedules: a death, and both visitors drop the last owners of what the other one sees") {
  struct state : crowd {
    owner other = make_thing(3);
    state() { table->insert(3, other); }
    void visit_and_drop(int key, owner& dropped) {
      table->visit(key, [&](thing& visited) {
        dropped.reset();
        schedule::point();
        expect(visited.whole, "what is visited is whole");
      });
    }
  };
  holds(make_scenario<state>({[](state& s) { s.visit_and_drop(1, s.other); },
                              [](state& s) { s.visit_and_drop(3, s.held); }, [](state& s) { s.assign(); }},
                             [](state& s) {
                               s.held.reset();
                               s.other.reset();
                               s.table->erase(1);
                               expect(s.died && s.table->empty(), "all are gone");
                             }),
        {}, {.preemptions = 2});
}

TEST_CASE("schedules: a death and a container's end, while a reader's owner keeps the object up to the last "
          "moment") {
  struct state : crowd {
    owner second = held;
  };
  holds(make_scenario<state>({&state::die, &state::end, [](state& s) { s.second.reset(); }}, &state::check),
        {}, {.preemptions = 3});
}

// Destruction needs exclusive access: the same thread that has used the container ends it.
TEST_CASE("schedules: a death, and its entry is erased and the dictionary destroyed") {
  using state = crowd;
  holds(make_scenario<state>({&state::die,
                              [](state& s) {
                                s.erase();
                                s.end();
                              }},
                             &state::check),
        {"erased", "nothing to erase"});
  struct lending : crowd {
    owner lent{newer};
    void assign_and_end() {
      table->insert_or_assign(1, newer);
      newer.reset();
      end();
    }
  };
  holds(make_scenario<lending>({&lending::die, &lending::assign_and_end, [](lending& s) { s.lent.reset(); }},
                               [](lending& s) { expect(s.died, "it died"); }),
        {}, {.preemptions = 2});
}

// From the moment the count is zero the object is dead for everybody, however far its death has come.
TEST_CASE("schedules: whoever has seen a ref dead finds no entry") {
  struct state : crowd {
    weakref::ref<thing> ref{held};
    bool is_known() const {
      const bool known = ref.expired();
      observe(known ? "known" : "not known");
      return known;
    }
  };
  const auto scenario = [](auto look) {
    return make_scenario<state>({&state::die, [look](state& s) {
                                   if (s.is_known()) look(s);
                                 }});
  };
  holds(scenario([](state& s) { expect(s.table->get(1) == nullptr, "get"); }), {"known", "not known"});
  holds(scenario([](state& s) { expect(!s.table->contains(1), "contains"); }), {"known", "not known"});
  holds(scenario([](state& s) { expect(!s.table->visit(1, [](thing&) {}), "visit"); }),
        {"known", "not known"});
  holds(scenario([](state& s) { expect(!s.table->erase(1), "erase"); }), {"known", "not known"});
  holds(scenario([](state& s) { expect(s.table->insert_or_assign(1, s.newer), "insert_or_assign"); }),
        {"known", "not known"});
  holds(scenario([](state& s) {
          const owner made = s.table->get_or_create(1, [] { return make_thing(3); });
          expect(made->id == 3, "get_or_create");
        }),
        {"known", "not known"});
  holds(scenario([](state& s) {
          for (const auto& each : *s.table) expect(each.value == nullptr, "iteration");
        }),
        {"known", "not known"});
}

TEST_CASE("schedules: two deaths, and each callback is waited for by a thread of its own") {
  struct state {
    watched_call::record records[2];
    owner objects[2] = {make_thing(1), make_thing(2)};
    std::optional<watching_ref> refs[2];
    state() {
      for (unsigned i = 0; i < 2; ++i) refs[i].emplace(objects[i], watched_call{&records[i]});
    }
    void die(unsigned i) { objects[i].reset(); }
    void destroy(unsigned i) {
      refs[i].reset();
      records[i].ended();
    }
  };
  holds(make_scenario<state>({with(&state::die, 0U), with(&state::die, 1U), with(&state::destroy, 0U),
                              with(&state::destroy, 1U)}),
        {}, {.preemptions = 2});
}

TEST_CASE("schedules: a death and the ends of both its refs on two threads, and of its dictionary") {
  struct state : crowd {
    watched_call::record records[2];
    std::optional<watching_ref> refs[2];
    state() {
      for (unsigned i = 0; i < 2; ++i)
        refs[i].emplace(held, watched_call{&records[i], [this] { expect(!died, "callbacks come first"); }});
    }
    void destroy(unsigned i) {
      refs[i].reset();
      records[i].ended();
    }
    void check() {
      crowd::check();
      for (const auto& each : records) observe(each.calls == 0 ? "not called" : "called");
    }
  };
  holds(
      make_scenario<state>({&state::die, with(&state::destroy, 0), with(&state::destroy, 1)}, &state::check),
      {"called", "not called"}, {.preemptions = 3});
  holds(make_scenario<state>({&state::die, with(&state::destroy, 0),
                              [](state& s) {
                                s.destroy(1);
                                s.end();
                              }},
                             &state::check),
        {"called", "not called"}, {.preemptions = 2});
}

TEST_CASE("schedules: an untracked object dies while two threads store, sweep and look") {
  struct state {
    std::optional<dictionary> table{std::in_place, weakref::options{.accept_untracked = true}};
    owner held = std::make_shared<thing>(1);
    owner newer = make_thing(2);
    owner untracked = std::make_shared<thing>(3);
    state() { table->insert(1, held); }
    void die() { held.reset(); }
    void assign() { table->insert_or_assign(1, newer); }
    void get() {
      const owner found = table->get(1);
      expect(found == nullptr || found->whole, "empty or whole");
      observe(found == nullptr ? "absent" : found == newer ? "the new one" : "the old one");
    }
    void check() {
      expect(held == nullptr, "dead");
      expect(table->get(1) == newer || table->get(1) == untracked || table->get(1) == nullptr,
             "no dead one is seen");
      for (int i = 0; i < 8; ++i) expect(!table->contains(5), "absent");
      const std::size_t living = (table->contains(1) ? 1U : 0U) + (table->contains(2) ? 1U : 0U);
      expect(table->size() == living, "all dead entries have been swept out");
    }
  };
  holds(make_scenario<state>({&state::die, &state::assign, &state::get}, &state::check),
        {"absent", "the old one", "the new one"}, {.preemptions = 3});
  holds(make_scenario<state>({&state::die, [](state& s) { s.table->insert_or_assign(1, s.untracked); },
                              [](state& s) { s.table->erase(1); }},
                             &state::check),
        {}, {.preemptions = 3});
  // Two sweeps meet the same dead entry.
  holds(make_scenario<state>({&state::die, [](state& s) { s.table->insert(2, s.newer); },
                              [](state& s) { s.table->insert(2, s.untracked); }},
                             &state::check),
        {}, {.preemptions = 3});
}

// --------------------------------------------------------------------------------------- several containers

TEST_CASE("schedules: two objects, each in the same two dictionaries, die") {
  struct state {
    dictionary tables[2];
    owner objects[2] = {make_thing(1), make_thing(2)};
    unsigned died = 0;
    bool dead[2] = {};
    state() {
      for (unsigned i = 0; i < 2; ++i) {
        objects[i]->at_end = [this, i] { dead[i] = true; };
        for (auto& table : tables) table.insert(static_cast<int>(i), objects[i]);
      }
    }
  };
  holds(make_scenario<state>({[](state& s) { s.objects[0].reset(); }, [](state& s) { s.objects[1].reset(); }},
                             [](state& s) {
                               expect(s.dead[0] && s.dead[1], "both died");
                               for (auto& table : s.tables) expect(table.empty(), "and left both");
                             }));
}

TEST_CASE("schedules: an object under several keys dies while one of them is erased and another assigned") {
  struct state : crowd {
    state() {
      table->insert(2, held);
      table->insert(3, held);
    }
  };
  holds(make_scenario<state>({&state::die, [](state& s) { s.table->erase(2); },
                              [](state& s) { s.table->insert_or_assign(3, s.newer); }},
                             [](state& s) {
                               expect(s.died, "it died");
                               expect(s.table->size() == 1 && s.table->get(3) == s.newer,
                                      "only the new entry is left");
                             }),
        {}, {.preemptions = 2});
}

TEST_CASE("schedules: a destructor drops further objects of a dictionary that another thread destroys") {
  struct state {
    std::optional<dictionary> table{std::in_place};
    owner first = make_thing(1);
    bool died = false;
    state() {
      owner next = make_thing(2);
      table->insert(1, first);
      table->insert(2, next);
      first->at_end = [this, next = std::move(next)]() mutable {
        next->at_end = [this] { died = true; };
        next.reset();
      };
    }
  };
  holds(make_scenario<state>({[](state& s) { s.first.reset(); }, [](state& s) { s.table.reset(); }},
                             [](state& s) { expect(s.died, "the whole chain died"); }),
        {}, {.preemptions = 5});
  holds(make_scenario<state>({[](state& s) { s.first.reset(); }, [](state& s) { s.table->clear(); }},
                             [](state& s) { expect(s.died && s.table->empty(), "the whole chain died"); }),
        {}, {.preemptions = 4});
}

TEST_CASE("schedules: a dictionary dies in a callback while another thread's death evicts from it") {
  struct state {
    watched_call::record record;
    std::optional<dictionary> table{std::in_place};
    owner first = make_thing(1), second = make_thing(2);
    std::optional<watching_ref> ref;
    state() {
      table->insert(1, first);
      table->insert(2, second);
      ref.emplace(first, watched_call{&record, [this] { table.reset(); }});
    }
  };
  holds(make_scenario<state>({[](state& s) { s.first.reset(); }, [](state& s) { s.second.reset(); }},
                             [](state& s) { expect(s.record.calls == 1, "the callback is called"); }),
        {}, {.preemptions = 5});
}

TEST_CASE("schedules: a callback uses a dictionary while another thread clears it and a third one stores") {
  struct state {
    watched_call::record record;
    dictionary table;
    owner first = make_thing(1), second = make_thing(2), newer = make_thing(3);
    std::optional<watching_ref> ref;
    state() {
      table.insert(1, first);
      table.insert(2, second);
      ref.emplace(first, watched_call{&record, [this] {
                                        expect(table.get(1) != first || first == nullptr, "it is forgotten");
                                        table.insert_or_assign(1, newer);
                                        const owner found = table.pop(2);
                                        expect(found == nullptr || found == second || found == newer,
                                               "whole");
                                      }});
    }
    void check() {
      expect(record.calls == 1, "the callback is called");
      table.clear();
      expect(weakref::getweakrefcount(second) == 0 && weakref::getweakrefcount(newer) == 0,
             "nobody is watched");
    }
  };
  holds(make_scenario<state>({[](state& s) { s.first.reset(); }, [](state& s) { s.table.clear(); },
                              [](state& s) { s.table.insert_or_assign(2, s.newer); }},
                             &state::check),
        {}, {.preemptions = 2});
}

TEST_CASE("schedules: two dictionaries are swapped while what they hold dies") {
  struct state {
    std::optional<dictionary> tables[2];
    owner objects[2] = {make_thing(1), make_thing(2)};
    state() {
      for (unsigned i = 0; i < 2; ++i) {
        tables[i].emplace();
        tables[i]->insert(1, objects[i]);
      }
    }
  };
  holds(make_scenario<state>({[](state& s) { s.objects[0].reset(); },
                              [](state& s) {
                                s.tables[0]->swap(*s.tables[1]);
                                expect(s.tables[0]->get(1) == s.objects[1], "the living one has moved along");
                                s.tables[1].reset();
                              }},
                             [](state& s) { expect(s.tables[0]->size() == 1, "and nothing else"); }));
}

// --------------------------------------------------------------------------------------------- deaths put off

struct put_off_base {
  std::optional<dictionary> visited_table{std::in_place};
  std::optional<dictionary> other{std::in_place};
  owner visited = make_thing(0);
  std::string died;    // in this order
  std::string put_off; // those of which the visitor let the last owner go
  put_off_base() { visited_table->insert(0, visited); }
  owner make(int id, bool enabled = false) {
    owner made = enabled ? owner(std::make_shared<enabled_thing>(id)) : make_thing(id);
    made->dies_in_visit = enabled;
    made->at_end = [this, id] {
      if (schedule::this_thread() == 0) died += static_cast<char>('0' + id);
    };
    return made;
  }
  // Others may own the object for a moment, and then be the last to let it go.
  void let_go(owner& killed) {
    if (killed.use_count() == 1) put_off += static_cast<char>('0' + killed->id);
    killed.reset();
  }
  void expect_all_died() { expect(died == put_off, "the deaths put off are over, in their order"); }
};

TEST_CASE(
    "schedules: deaths put off run in their order, while others destroy and clear where the objects are") {
  struct state : put_off_base {
    owner killed[3] = {make(1), make(2), make(3)};
    state() {
      for (const auto& each : killed) {
        visited_table->insert(each->id, each);
        other->insert(each->id, each);
      }
    }
    void kill() {
      visited_table->visit(0, [this](thing&) {
        for (auto& each : killed) let_go(each);
        schedule::point();
        expect(died.empty(), "none dies under the lock");
      });
      expect_all_died();
      observe(put_off == "123" ? "all are put off" : "some died elsewhere");
    }
  };
  holds(make_scenario<state>({&state::kill, [](state& s) { s.other.reset(); }},
                             [](state& s) { expect(s.visited_table->size() == 1, "the dead are gone"); }),
        {"all are put off", "some died elsewhere"}, {.preemptions = 3});
  holds(make_scenario<state>(
            {&state::kill, [](state& s) { s.other->erase(2); }, [](state& s) { s.visited_table->clear(); }},
            [](state& s) {
              // Cleared before the visit, the dictionary has nothing to visit.
              const bool visited = s.killed[0] == nullptr;
              expect(s.other->size() == (visited ? 0U : 2U), "the dead are gone");
            }),
        {"all are put off", "some died elsewhere"}, {.preemptions = 2});
}

TEST_CASE(
    "schedules: a function that throws leaves visit after the deaths that it put off, and so does the next") {
  struct state : put_off_base {
    owner killed[2] = {make(1), make(2)};
    state() { other->insert(1, killed[0]); }
    void kill() {
      for (owner& each : killed) {
        try {
          visited_table->visit(0, [&](thing&) {
            let_go(each);
            throw std::runtime_error("so be it");
          });
          expect(false, "the exception leaves visit");
        } catch (const std::runtime_error&) {
          expect_all_died();
        }
      }
    }
  };
  holds(make_scenario<state>({&state::kill, [](state& s) { s.other->erase(1); }},
                             [](state& s) { expect(s.other->empty(), "it is gone"); }),
        {}, {.preemptions = 4});
}

TEST_CASE(
    "schedules: objects of an enabled class die inside a visit while others use their entries and refs") {
  struct state : put_off_base {
    watched_call::record record;
    owner killed = make(1, true);
    std::optional<watching_ref> ref;
    state() {
      other->insert(1, killed);
      ref.emplace(killed, watched_call{&record});
    }
    void kill() {
      visited_table->visit(0, [this](thing&) {
        let_go(killed);
        expect(died == put_off, "its destructor has run");
        if (!put_off.empty()) expect(record.calls == 0, "its callbacks wait");
        schedule::point();
      });
      if (!put_off.empty()) expect(other->empty(), "the eviction came before visit returned");
    }
    void destroy_ref() {
      ref.reset();
      record.ended();
    }
  };
  holds(make_scenario<state>({&state::kill,
                              [](state& s) {
                                const owner found = s.other->get(1);
                                expect(found == nullptr || found->whole, "empty or whole");
                              }},
                             [](state& s) { expect(s.record.calls == 1, "called"); }),
        {}, {.preemptions = 4});
  holds(make_scenario<state>({&state::kill, &state::destroy_ref},
                             [](state& s) { observe(s.record.calls == 1 ? "called" : "not called"); }),
        {"called", "not called"});
  holds(make_scenario<state>({&state::kill, [](state& s) { s.other->erase(1); }, &state::destroy_ref}), {},
        {.preemptions = 2});
}

// The weak reference that keeps a dead object's memory goes while the death is still put off: the second to end
// frees the block.
TEST_CASE("schedules: the last weak reference goes before, during or after a death that is put off") {
  struct state : put_off_base {
    owner killed = make(1);
    std::optional<weakref::ref<thing>> plain{killed};
    void kill() {
      visited_table->visit(0, [this](thing&) {
        let_go(killed);
        schedule::point();
      });
      expect_all_died();
    }
    void forget() {
      schedule::point();
      plain.reset();
    }
    void own_and_forget() {
      owner found = (*plain)();
      expect(found == nullptr || found->whole, "empty or whole");
      plain.reset();
      schedule::point();
      found.reset();
    }
  };
  holds(make_scenario<state>({&state::kill, &state::forget}));
  holds(make_scenario<state>({&state::kill, &state::own_and_forget}));
}

} // namespace
