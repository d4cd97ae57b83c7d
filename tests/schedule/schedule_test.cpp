// SPDX-License-Identifier: BSL-1.0

// The death protocol in every order in which its threads can meet: refs with callbacks that end while their
// referent dies, and deaths that are put off because their thread is inside a visit.
#include "scenario.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace {

using namespace scenarios;

template <class Thing> std::shared_ptr<Thing> make_watched() {
  if constexpr (std::is_same_v<Thing, thing>) {
    return make_thing();
  } else {
    return std::make_shared<Thing>();
  }
}

template <class Thing, unsigned Refs> struct death_and_refs {
  watched_call::record records[Refs];
  std::shared_ptr<thing> held = make_watched<Thing>();
  std::optional<watching_ref> refs[Refs];

  death_and_refs() {
    for (unsigned i = 0; i < Refs; ++i) refs[i].emplace(held, watched_call{&records[i]});
  }
  void die() { held.reset(); }
  void destroy(unsigned i) {
    refs[i].reset();
    records[i].ended();
  }
  void check() {
    int calls = 0;
    for (const auto& record : records) {
      expect(record.calls <= 1, "a callback is called once");
      calls += record.calls;
    }
    observe(calls == 0 ? "none called" : calls == int(Refs) ? "all called" : "some called");
  }
};

TEST_CASE_TEMPLATE("schedules: a death and the end of a ref with a callback", Thing, thing, enabled_thing) {
  using state = death_and_refs<Thing, 1>;
  holds(make_scenario<state>({&state::die, with(&state::destroy, 0)}, &state::check),
        {"none called", "all called"});
}

TEST_CASE_TEMPLATE("schedules: a death and the ends of two refs, the newer first", Thing, thing,
                   enabled_thing) {
  using state = death_and_refs<Thing, 2>;
  holds(make_scenario<state>({&state::die,
                              [](state& s) {
                                s.destroy(1);
                                s.destroy(0);
                              }},
                             &state::check),
        {"none called", "some called", "all called"}, {.preemptions = 5});
}

TEST_CASE_TEMPLATE("schedules: a death and the ends of two refs, the older first", Thing, thing,
                   enabled_thing) {
  using state = death_and_refs<Thing, 2>;
  holds(make_scenario<state>({&state::die,
                              [](state& s) {
                                s.destroy(0);
                                s.destroy(1);
                              }},
                             &state::check),
        {"none called", "some called", "all called"});
}

TEST_CASE("schedules: a death, and the ends of two of three refs on two threads") {
  using state = death_and_refs<thing, 3>;
  holds(
      make_scenario<state>({&state::die, with(&state::destroy, 0), with(&state::destroy, 2)}, &state::check),
      {"some called", "all called"}, {.preemptions = 3});
}

// The last owner may go on either thread; a ref made from one of them is told exactly once.
TEST_CASE_TEMPLATE("schedules: a ref is made while other owners go", Thing, thing, enabled_thing) {
  struct state {
    watched_call::record record;
    std::shared_ptr<thing> first = make_watched<Thing>();
    std::shared_ptr<thing> second = first;
    std::optional<watching_ref> ref;
    void drop() { first.reset(); }
    void watch_and_drop() {
      ref.emplace(second, watched_call{&record});
      second.reset();
    }
    void check() { expect(record.calls == 1, "the callback is called"); }
  };
  holds(make_scenario<state>({&state::drop, &state::watch_and_drop}, &state::check));
}

TEST_CASE_TEMPLATE("schedules: two threads watch an object for the first time, and let it go", Thing, thing,
                   enabled_thing) {
  struct state {
    watched_call::record records[2];
    std::shared_ptr<thing> owners[2];
    std::optional<watching_ref> refs[2];
    state() { owners[0] = owners[1] = make_watched<Thing>(); }
    void watch_and_drop(unsigned i) {
      refs[i].emplace(owners[i], watched_call{&records[i]});
      owners[i].reset();
    }
    void check() { expect(records[0].calls == 1 && records[1].calls == 1, "each callback is called"); }
  };
  holds(
      make_scenario<state>({with(&state::watch_and_drop, 0), with(&state::watch_and_drop, 1)}, &state::check),
      {}, {.preemptions = 5});
}

TEST_CASE("schedules: the end of a ref waits for no callback but its own") {
  // One callback waits until the other ref is gone, whose own callback has run already (the newer ref) or
  // will not run any more (the older one).
  struct state {
    watched_call::record records[2];
    std::atomic<int> other_is_gone{0};
    owner held = make_thing();
    std::optional<watching_ref> refs[2];
    state() {
      for (unsigned i = 0; i < 2; ++i) refs[i].emplace(held, watched_call{&records[i]});
    }
    void die(unsigned waiting) {
      refs[waiting]->callback()->meanwhile = [this] {
        while (other_is_gone.load() == 0) explored_sync::wait(other_is_gone, 0);
      };
      held.reset();
    }
    void destroy(unsigned other) {
      refs[other].reset();
      records[other].ended();
      other_is_gone.store(1);
      explored_sync::notify_all(other_is_gone);
    }
  };
  for (const unsigned waiting : {0U, 1U})
    holds(make_scenario<state>({with(&state::die, waiting), with(&state::destroy, 1 - waiting)}));
}

TEST_CASE(
    "schedules: a callback destroys its own ref and a neighbour while another thread destroys a third") {
  struct state {
    watched_call::record records[4];
    owner held = make_thing();
    std::optional<watching_ref> refs[4];
    state() {
      for (unsigned i = 0; i < 4; ++i) refs[i].emplace(held, watched_call{&records[i]});
      refs[2]->callback()->meanwhile = [this] {
        records[2].inside = false; // its own end is no reason to wait
        refs[2].reset();
        refs[1].reset();
        records[1].ended();
      };
    }
    void die() { held.reset(); }
    void destroy(unsigned i) {
      refs[i].reset();
      records[i].ended();
    }
    void check() {
      expect(records[2].calls == 1 && records[1].calls == 0, "the neighbour is not called");
      expect(records[0].calls <= 1 && records[3].calls <= 1, "the others at most once");
      observe(records[0].calls + records[3].calls == 1 ? "the third is not called" : "the third is called");
    }
  };
  for (const unsigned third : {0U, 3U})
    holds(make_scenario<state>({&state::die, with(&state::destroy, third)}, &state::check),
          {"the third is not called", "the third is called"}, {.preemptions = 5});
}

// ------------------------------------------------------------------------- visits that kill, and deaths put
// off

TEST_CASE("schedules: two threads, each inside a visit, kill what the other dictionary holds") {
  struct state {
    dictionary tables[2];
    owner visited[2] = {make_thing(1), make_thing(2)};
    owner killed[2] = {make_thing(3), make_thing(4)};
    bool dead[2] = {false, false};
    state() {
      for (unsigned i = 0; i < 2; ++i) {
        tables[i].insert(1, visited[i]);
        tables[i].insert(2, killed[i]);
        killed[i]->at_end = [this, i] { dead[i] = true; };
      }
    }
    void visit_and_kill(unsigned own) {
      const unsigned other = 1 - own;
      tables[own].visit(1, [&](thing& object) {
        killed[other].reset();
        schedule::point();
        expect(!dead[other], "the death is put off until the lock is left");
        expect(object.whole, "the visited object is whole");
      });
      expect(dead[other], "the death is over when visit returns");
    }
    void check() {
      for (auto& table : tables) expect(table.size() == 1 && !table.contains(2), "the dead are gone");
    }
  };
  holds(
      make_scenario<state>({with(&state::visit_and_kill, 0), with(&state::visit_and_kill, 1)}, &state::check),
      {}, {.preemptions = 4});
}

TEST_CASE("schedules: two visits that drop the last owner of what is visited") {
  struct state {
    dictionary table;
    owner held[2] = {make_thing(1), make_thing(2)};
    state() {
      table.insert(0, held[0]);
      table.insert(1, held[1]);
    }
    void visit_and_drop(int key) {
      table.visit(key, [&](thing& object) {
        held[key].reset();
        schedule::point();
        expect(object.whole, "the object is whole until visit is over");
      });
      expect(!table.contains(key), "and gone when it is");
    }
  };
  holds(make_scenario<state>({with(&state::visit_and_drop, 0), with(&state::visit_and_drop, 1)},
                             [](state& s) { expect(s.table.empty(), "all have gone"); }),
        {}, {.preemptions = 4});
}

TEST_CASE("schedules: deaths are put off while another thread destroys refs to the objects") {
  struct state {
    watched_call::record records[4];
    dictionary table;
    owner visited = make_thing(0);
    owner killed[2] = {make_thing(1), make_thing(2)};
    std::optional<watching_ref> refs[4];
    int died = 0;
    state() {
      table.insert(0, visited);
      for (unsigned i = 0; i < 4; ++i) refs[i].emplace(killed[i / 2], watched_call{&records[i]});
      for (const auto& each : killed) each->at_end = [this] { ++died; };
    }
    void kill() {
      table.visit(0, [this](thing&) {
        killed[0].reset();
        killed[1].reset();
        schedule::point();
      });
    }
    void destroy(unsigned first, unsigned second) {
      for (const unsigned i : {first, second}) {
        refs[i].reset();
        records[i].ended();
      }
    }
    void check() {
      expect(died == 2 && table.size() == 1, "both have gone");
      for (unsigned i = 0; i < 4; ++i)
        if (records[i].calls == 0)
          observe(i < 2 ? "a ref to the first is spared" : "a ref to the second is spared");
    }
  };
  // The objects are in the dictionary, too, or else the refs are all that is in their watch lists.
  struct stored : state {
    stored() {
      table.insert(1, killed[0]);
      table.insert(2, killed[1]);
    }
  };
  for (const auto& [first, second] : {std::pair(0, 1), std::pair(1, 0), std::pair(1, 3)}) {
    holds(make_scenario<state>({&state::kill, with(&state::destroy, first, second)}, &state::check),
          {"a ref to the first is spared"}, {.preemptions = 4});
    holds(make_scenario<stored>({&state::kill, with(&state::destroy, first, second)}, &state::check),
          {"a ref to the first is spared"}, {.preemptions = 3});
  }
}

TEST_CASE("schedules: a death put off and the end of another dictionary that holds the object") {
  struct state {
    dictionary visited_table;
    std::optional<dictionary> other{std::in_place};
    owner visited = make_thing(0), killed = make_thing(1);
    state() {
      visited_table.insert(0, visited);
      visited_table.insert(1, killed);
      other->insert(1, killed);
    }
  };
  holds(make_scenario<state>({[](state& s) {
                                s.visited_table.visit(0, [&](thing&) {
                                  s.killed.reset();
                                  schedule::point();
                                });
                              },
                              [](state& s) { s.other.reset(); }},
                             [](state& s) { expect(s.visited_table.size() == 1, "the dead one has gone"); }),
        {}, {.preemptions = 5});
}

// Comparing kills: the last owner of an entry may go while its own key, or another one, is compared.
struct deadly_key {
  deadly_key(int identity, owner* killed = nullptr) : id(identity), victim(killed) {}
  deadly_key(const deadly_key&) = default;
  ~deadly_key() { expect(!schedule::holds_a_mutex(), "no key is destroyed under a lock"); }
  int id;
  owner* victim;
  friend bool operator==(const deadly_key& a, const deadly_key& b) {
    for (owner* each : {a.victim, b.victim})
      if (each != nullptr) each->reset();
    return a.id == b.id;
  }
  friend std::size_t hash_value(const deadly_key&) { return 1; }
};

TEST_CASE("schedules: comparisons that kill, in two threads") {
  using deadly = dictionary_with<schedule::checked_allocator<thing>, deadly_key>;
  struct state {
    deadly tables[2];
    owner held[2] = {make_thing(1), make_thing(2)};
    bool died[2] = {};
    state() {
      for (int i = 0; i < 2; ++i) {
        held[i]->at_end = [this, i] { died[i] = true; };
        for (auto& table : tables) table.insert(i, held[i]);
      }
    }
    void get(int i) {
      // kills, while it compares, an object that both dictionaries hold
      (void)tables[i].get(deadly_key{i, &held[i]});
      expect(held[i] == nullptr, "it was compared");
    }
    void check() {
      expect(died[0] && died[1], "both died");
      expect(tables[0].empty() && tables[1].empty(), "and have gone");
    }
  };
  holds(make_scenario<state>({with(&state::get, 0), with(&state::get, 1)}, &state::check), {},
        {.preemptions = 3});
}

} // namespace
