// SPDX-License-Identifier: BSL-1.0

// Whole-container operations and iterations of all containers beside other threads' operations and deaths: copy,
// comparison, erase_if, update that succeeds or fails, popitem, two cursors, splits, the family's own code.
#include "scenario.hpp"

#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace {

using namespace scenarios;

struct shared_table {
  std::optional<dictionary> table{std::in_place};
  owner owners[3] = {make_thing(1), make_thing(2), make_thing(3)};
  unsigned died = 0;
  shared_table() {
    owners[0]->at_end = [this] { ++died; };
    table->insert(1, owners[0]);
    table->insert(2, owners[1]);
  }
  void die() { owners[0].reset(); }
  void erase() { table->erase(1); }
  void check() {
    expect(owners[0] != nullptr || died == 1, "the dead object is destroyed");
    if (!table) return;
    if (owners[0] == nullptr) expect(!table->contains(1), "the dead one's entry is gone");
    expect(table->get(2) == owners[1], "what stays is there");
  }
};

TEST_CASE("schedules: a copy, a comparison and erase_if beside a death and an erasure") {
  using state = shared_table;
  const auto copy = [](state& s) {
    const dictionary copied(*s.table);
    expect(copied.get(2) == s.owners[1], "what stays is copied");
    const std::size_t size = copied.size();
    expect(size == 1 || size == 2, "and nothing twice");
    observe(copied.contains(1) ? "copied" : "not copied");
  };
  const auto erase_all = [](state& s) {
    const std::size_t erased = s.table->erase_if([](int key, const owner& value) {
      expect(value != nullptr && value->whole && value->id == key, "a whole object");
      schedule::point();
      return key == 1;
    });
    expect(erased <= 1, "at most the one");
    observe(erased == 1 ? "erased" : "nothing erased");
  };
  const auto compare = [](state& s) { expect(*s.table == *s.table, "equal to itself"); };
  holds(make_scenario<state>({copy, &state::die}, &state::check), {"copied", "not copied"},
        {.preemptions = 3});
  holds(make_scenario<state>({copy, &state::erase}, &state::check), {"copied", "not copied"},
        {.preemptions = 3});
  holds(make_scenario<state>({copy, &state::die, &state::erase}, &state::check), {"copied", "not copied"},
        {.preemptions = 1});
  holds(make_scenario<state>({erase_all, &state::die}, &state::check), {"erased", "nothing erased"},
        {.preemptions = 3});
  holds(make_scenario<state>({erase_all, &state::erase}, &state::check), {"erased", "nothing erased"},
        {.preemptions = 3});
  holds(make_scenario<state>({compare, &state::die}, &state::check), {}, {.preemptions = 3});
}

TEST_CASE("schedules: erase_if counts what it has taken out itself, not what others were quicker to take") {
  struct state : shared_table {
    void erase_all() {
      const std::size_t count = table->erase_if([](int key, const owner&) { return key == 1; });
      results[static_cast<std::size_t>(schedule::this_thread())] = count;
    }
    void erase_one() { results[static_cast<std::size_t>(schedule::this_thread())] = table->erase(1) ? 1 : 0; }
    std::size_t results[3] = {};
    void check() {
      const std::size_t sum = results[0] + results[1] + results[2];
      expect(sum == 1, "one entry is counted once");
      observe(results[0] == 1 ? "the first took it" : "another took it");
    }
  };
  holds(make_scenario<state>({&state::erase_all, &state::erase_all}, &state::check),
        {"the first took it", "another took it"}, {.preemptions = 3});
  holds(make_scenario<state>({&state::erase_all, &state::erase_one}, &state::check),
        {"the first took it", "another took it"}, {.preemptions = 3});
  holds(make_scenario<state>({&state::erase_all, &state::erase_all, &state::erase_one}, &state::check),
        {"the first took it", "another took it"}, {.preemptions = 1});
}

TEST_CASE("schedules: popitem on two threads, and a death") {
  using state = shared_table;
  const auto pop = [](state& s) {
    try {
      const auto [key, value] = s.table->popitem();
      expect(value != nullptr && value->whole && value->id == key, "a whole object");
    } catch (const std::out_of_range&) {
      observe("nothing left");
    }
  };
  holds(make_scenario<state>({pop, pop}, [](state& s) { expect(s.table->empty(), "each took one"); }), {},
        {.preemptions = 3});
  holds(make_scenario<state>({pop, pop, &state::die},
                             [](state& s) { expect(s.table->empty(), "none is left"); }),
        {"nothing left"}, {.preemptions = 2});
}

// update() stores all or nothing, while the entries that it replaces die, are erased or looked at.
struct failing_key {
  failing_key(int identity) : id(identity) {}
  int id;
  friend bool operator==(const failing_key& a, const failing_key& b) {
    if (a.id == 9 || b.id == 9) throw std::runtime_error("not comparable");
    return a.id == b.id;
  }
  friend std::size_t hash_value(const failing_key&) { return 1; }
};

TEST_CASE("schedules: an update that succeeds, or fails and is taken back, beside deaths and erasures") {
  using dictionary_of_failing = dictionary_with<schedule::checked_allocator<thing>, failing_key>;
  struct state {
    std::optional<dictionary_of_failing> table{std::in_place};
    owner old = make_thing(1), added[2] = {make_thing(2), make_thing(3)};
    bool died = false, added_all = false;
    state() {
      old->at_end = [this] { died = true; };
      table->insert(failing_key(1), old);
    }
    void update(int second) {
      const std::vector<std::pair<failing_key, owner>> pairs{{failing_key(1), added[0]},
                                                             {failing_key(second), added[1]}};
      try {
        table->update(pairs);
      } catch (const std::runtime_error&) {
        expect(second == 9, "it succeeds");
        return observe("failed");
      }
      added_all = true;
      observe("succeeded"); // also where there is nothing left to compare with
    }
    void die() { old.reset(); }
    void erase() { table->erase(failing_key(1)); }
    void get() {
      const owner found = table->get(failing_key(1));
      expect(found == nullptr || found->whole, "empty or whole");
    }
    void succeeded() {
      expect(table->contains(failing_key(2)), "the second is stored");
      const owner first = table->get(failing_key(1));
      expect(first == nullptr || first == added[0], "the old one has been replaced");
      expect(table->size() == (first == nullptr ? 1U : 2U), "nothing else is there");
    }
    void failed() {
      if (added_all) return;
      const owner first = table->get(failing_key(1));
      expect(first == old || (first == nullptr && (old == nullptr || table->empty())),
             "as it was, or erased");
      expect(table->size() == (first == nullptr ? 0U : 1U), "nothing else is there");
      for (const auto& each : added)
        expect(weakref::getweakrefcount(each) == 0, "nobody watches the new ones");
    }
  };
  const auto dead = [](auto check) {
    return [check](state& s) {
      expect(s.died, "the old one died");
      (s.*check)();
    };
  };
  const schedule::options three{.preemptions = 3};
  holds(make_scenario<state>({with(&state::update, 2), &state::die}, dead(&state::succeeded)), {}, three);
  holds(make_scenario<state>({with(&state::update, 2), &state::erase}, &state::succeeded), {}, three);
  holds(make_scenario<state>({with(&state::update, 9), &state::die}, dead(&state::failed)), {}, three);
  holds(make_scenario<state>({with(&state::update, 9), &state::erase}, &state::failed), {}, three);
  holds(make_scenario<state>({with(&state::update, 9), &state::die, &state::get}, dead(&state::failed)), {},
        {.preemptions = 2});
}

// ------------------------------------------------------------------------------------------------- iteration

TEST_CASE("schedules: two iterations, and what they stand on dies or is erased") {
  struct state : shared_table {
    void iterate() {
      for (const auto& [key, value] : *table) {
        expect(value->whole && value->id == key, "a whole object");
        schedule::point();
        expect(value->whole, "for the loop's body");
      }
    }
  };
  holds(make_scenario<state>({&state::iterate, &state::iterate, &state::die}, &state::check), {},
        {.preemptions = 2});
  holds(make_scenario<state>({&state::iterate, &state::iterate, &state::erase}, &state::check), {},
        {.preemptions = 2});
  holds(make_scenario<state>({&state::iterate, [](state& s) { s.table->clear(); }, &state::die}), {},
        {.preemptions = 2});
}

TEST_CASE("schedules: a dictionary splits while it is iterated over and an entry dies") {
  struct state : shared_table {
    unsigned seen[3] = {};
    void iterate() {
      for (const auto& [key, value] : *table) {
        expect(value->whole && value->id == key, "a whole object");
        ++seen[key];
      }
    }
    void split() { table->reserve(256); }
    void check() {
      shared_table::check();
      expect(seen[2] == 1 && seen[1] <= 1, "what stays is seen once, what goes at most once");
      expect(table->size() == 1, "nothing else is left");
    }
  };
  holds(make_scenario<state>({&state::split, &state::iterate, &state::die}, &state::check), {},
        {.preemptions = 1});
}

TEST_CASE("schedules: a dictionary splits while others insert under new keys and pop") {
  struct state : shared_table {
    void split() { table->reserve(256); }
    void insert() { table->insert(3, owners[2]); }
    void pop() {
      const owner found = table->pop(1);
      expect(found == owners[0], "it is there until it is taken");
    }
  };
  holds(make_scenario<state>({&state::split, &state::insert, &state::pop},
                             [](state& s) {
                               expect(s.table->size() == 2 && s.table->get(3) == s.owners[2],
                                      "the new one is there");
                               expect(!s.table->contains(1), "the popped one is not");
                             }),
        {}, {.preemptions = 2});
}

// All keys in one shard, which others fill while the split is without the lock: it starts again.
TEST_CASE("schedules: a dictionary splits while others store more than it has made room for") {
  struct one_hash {
    std::size_t operator()(int) const { return 1; }
  };
  using crowded = weakref::WeakValueDictionary<int, thing, one_hash, std::equal_to<>,
                                               schedule::checked_allocator<thing>, schedule::scheduled_mutex>;
  struct state {
    crowded table;
    std::vector<owner> owners;
    state() {
      for (int i = 0; i < 8; ++i) owners.push_back(make_thing(i));
      table.reserve(8);
      table.insert(0, owners[0]);
    }
    void split() { table.reserve(256); }
    void insert() {
      for (int i = 1; i < 8; ++i) table.insert(i, owners[static_cast<std::size_t>(i)]);
    }
    void check() {
      expect(table.size() == 8, "nothing is lost");
      for (int i = 0; i < 8; ++i)
        expect(table.get(i) == owners[static_cast<std::size_t>(i)], "all are found");
    }
  };
  holds(make_scenario<state>({&state::split, &state::insert}, &state::check), {}, {.preemptions = 2});
}

TEST_CASE("schedules: a cursor on a dead entry keeps the key, and none of the object's memory") {
  struct state {
    std::optional<dictionary> table{std::in_place};
    std::weak_ptr<thing> watch;
    owner held;
    state() {
      held = make_thing(1);
      table->insert(1, held);
    }
    void iterate() {
      auto at = table->begin();
      if (at == std::default_sentinel) return observe("nothing to see");
      const int& key = (*at).key;
      schedule::point();
      expect(key == 1 && (*at).value->whole, "key and object are whole for the loop's body");
      table->erase(1);
      schedule::point();
      expect(key == 1 && (*at).value->whole, "also when the entry is erased");
      ++at;
      expect(at == std::default_sentinel, "there is no other");
      observe("seen");
    }
    void die() { held.reset(); }
  };
  holds(make_scenario<state>({&state::iterate, &state::die},
                             [](state& s) { expect(s.table->empty(), "gone"); }),
        {"seen", "nothing to see"});
}

// ------------------------------------------------------------------------------------------------ the family

// A mapped value whose copy, made under the lock, lets the last owner of another key go.
struct deadly_value {
  owner* victim = nullptr;
  deadly_value() = default;
  explicit deadly_value(owner& killed) : victim(&killed) {}
  deadly_value(const deadly_value& other) : victim(other.victim) {
    if (victim != nullptr) victim->reset();
  }
  deadly_value(deadly_value&& other) noexcept : victim(std::exchange(other.victim, nullptr)) {}
  deadly_value& operator=(const deadly_value&) = default;
  deadly_value& operator=(deadly_value&&) = default;
};

struct number_of_thing {
  std::size_t operator()(const thing& object) const { return static_cast<std::size_t>(object.id); }
};
struct equal_number {
  bool operator()(const thing& a, const thing& b) const { return a.id == b.id; }
};
template <class Value>
using key_dictionary =
    weakref::WeakKeyDictionary<thing, Value, number_of_thing, equal_number,
                               schedule::checked_allocator<thing>, schedule::scheduled_mutex>;
using set = weakref::WeakSet<thing, number_of_thing, equal_number, schedule::checked_allocator<thing>,
                             schedule::scheduled_mutex>;

TEST_CASE("schedules: the copies of two mapped values, under two locks, kill each other's keys") {
  struct state {
    key_dictionary<deadly_value> tables[2];
    owner keys[2] = {make_thing(1), make_thing(2)};
    owner killed[2] = {make_thing(3), make_thing(4)};
    bool died[2] = {};
    state() {
      for (unsigned i = 0; i < 2; ++i) {
        killed[i]->at_end = [this, i] { died[i] = true; };
        tables[i].insert(killed[i], deadly_value());
        tables[1 - i].insert(keys[1 - i], deadly_value(killed[i]));
      }
    }
    void get(unsigned i) {
      expect(tables[i].get(keys[i]).has_value(), "there is a value");
      expect(died[1 - i], "what its copy killed is dead when get returns");
    }
  };
  holds(make_scenario<state>({with(&state::get, 0U), with(&state::get, 1U)},
                             [](state& s) {
                               for (auto& table : s.tables)
                                 expect(table.size() == 1, "the dead keys are gone");
                             }),
        {}, {.preemptions = 3});
}

TEST_CASE("schedules: a key dies, its value is taken, and an equal key comes") {
  struct state {
    key_dictionary<int> table;
    owner first = make_thing(1), second = make_thing(1);
    int taken = 0;
    state() { table.insert(first, 10); }
    void pop() {
      if (const auto value = table.pop(*second)) {
        taken = *value;
        expect(taken == 10 || taken == 20, "a whole value");
      }
    }
    void check() {
      const auto left = table.get(second);
      expect(table.size() == (left.has_value() ? 1U : 0U), "nothing else is left");
      if (left.has_value()) expect(*left == 20 && taken != 20, "the newcomer's, unless it was taken");
    }
  };
  const auto die = [](state& s) { s.first.reset(); };
  holds(
      make_scenario<state>({die, &state::pop, [](state& s) { s.table.insert(s.second, 20); }}, &state::check),
      {}, {.preemptions = 2});
  holds(make_scenario<state>({die, &state::pop, [](state& s) { s.table.insert_or_assign(s.second, 20); }},
                             [](state& s) {
                               const auto left = s.table.get(s.second);
                               expect(s.table.size() == (left.has_value() ? 1U : 0U), "nothing else is left");
                             }),
        {}, {.preemptions = 2});
}

TEST_CASE(
    "schedules: three threads create the value of one key, which may fail, or whose key dies afterwards") {
  struct state {
    owner key = make_thing(1);
    key_dictionary<int> table;
    std::atomic<int> runs{0};
    int results[3] = {};
    void ask(unsigned i, bool fails) {
      try {
        results[i] = table.get_or_create(key, [&] {
          const int run = 1 + runs.fetch_add(1, std::memory_order_relaxed);
          if (fails) throw std::runtime_error("no value");
          return 100 + run;
        });
      } catch (const std::runtime_error&) {
        expect(fails, "an exception is its own factory's");
      }
    }
  };
  holds(make_scenario<state>(
            {with(&state::ask, 0U, false), with(&state::ask, 1U, false), with(&state::ask, 2U, true)},
            [](state& s) {
              expect(s.results[0] == s.results[1] && s.results[0] > 100, "both got the same value");
              s.key.reset();
              expect(s.table.empty(), "it goes with its key");
            }),
        {}, {.preemptions = 2});
}

TEST_CASE("schedules: set algebra beside deaths and discards") {
  struct state {
    set first, second;
    owner elements[3] = {make_thing(1), make_thing(2), make_thing(3)};
    state() {
      first.add(elements[0]);
      first.add(elements[1]);
      second.add(elements[0]);
      second.add(elements[2]);
    }
    void die() { elements[0].reset(); }
    void check() {
      expect(!first.contains(thing(1)) && !second.contains(thing(1)), "the dead one is in neither");
    }
  };
  holds(make_scenario<state>({[](state& s) { s.first -= s.second; }, &state::die}, &state::check), {},
        {.preemptions = 2});
  holds(make_scenario<state>({[](state& s) { s.first |= s.second; }, &state::die},
                             [](state& s) {
                               s.check();
                               expect(s.first.size() == 2 && s.first.contains(*s.elements[2]), "the union");
                             }),
        {}, {.preemptions = 2});
  holds(make_scenario<state>({[](state& s) { s.first &= s.second; },
                              [](state& s) { s.first.discard(*s.elements[1]); }, &state::die},
                             [](state& s) { expect(s.first.empty(), "nothing is left"); }),
        {}, {.preemptions = 1});
  holds(make_scenario<state>({[](state& s) {
                                const owner popped = s.first.pop();
                                expect(popped != nullptr && popped->whole, "a whole element");
                              },
                              [](state& s) { s.first.add(s.elements[2]); }, &state::die}),
        {}, {.preemptions = 2});
}

} // namespace
