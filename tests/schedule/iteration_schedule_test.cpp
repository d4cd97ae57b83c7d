// SPDX-License-Identifier: BSL-1.0

// A loop goes over its copy of the slots while others change the table (detail/table/slot_copy.hpp), in every order.
#include "scenario.hpp"

#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace scenarios;

// One key whose object is made apart or lies in one block with its entry, and another one that nobody touches.
template <bool in_block, unsigned shards = 1> struct looped {
  std::optional<dictionary> table;
  owner object, other = make_thing(1), third = make_thing(1), untouched;
  std::vector<const thing*> seen;
  bool is_dead = false;
  looped() {
    table.emplace(weakref::options{.shards = shards});
    if constexpr (in_block) {
      object = table->try_emplace(1, 1).first;
    } else {
      object = make_thing(1);
      table->insert(1, object);
    }
    untouched = make_thing(2);
    table->insert(2, untouched);
  }
  void loop() {
    bool saw_the_untouched = false;
    for (const auto& [key, value] : *table) {
      expect(value->whole && value->id == key, "a whole object and its key");
      if (key == 2) {
        expect(!saw_the_untouched, "once");
        saw_the_untouched = true;
        continue;
      }
      seen.push_back(value.get());
      schedule::point();
      expect(value->whole && key == 1, "for the loop's body");
    }
    expect(saw_the_untouched, "what stays is seen");
  }
  void die() { object.reset(); }
  void erase() { table->erase(1); }
  void assign() { table->insert_or_assign(1, other); }
  void clear() { table->clear(); }
  void at_most_once() {
    expect(seen.size() <= 1, "at most once");
    observe(seen.empty() ? "not seen" : "seen");
  }
  void once() {
    expect(seen.size() == 1, "a key that is there all the time is seen exactly once");
    observe(!seen.empty() && seen[0] == other.get() ? "the new one" : "the old one");
  }
};
using apart = looped<false>;
using together = looped<true>;

TEST_CASE_TEMPLATE("schedules: a loop comes to an entry while it is erased, dies, or both", state, apart,
                   together) {
  holds(make_scenario<state>({&state::loop, &state::erase}, &state::at_most_once), {"seen", "not seen"},
        {.preemptions = 3});
  holds(make_scenario<state>({&state::loop, &state::die}, &state::at_most_once), {"seen", "not seen"},
        {.preemptions = 3});
  holds(make_scenario<state>({&state::loop, &state::die, &state::erase}, &state::at_most_once),
        {"seen", "not seen"}, {.preemptions = 2});
}

TEST_CASE_TEMPLATE("schedules: a loop comes to a key that is given another object, and sees it once", state,
                   apart, together) {
  holds(make_scenario<state>({&state::loop, &state::assign}, &state::once), {"the old one", "the new one"},
        {.preemptions = 3});
  // The old object dies when nobody needs it any more: also then the key is there all the time.
  holds(make_scenario<state>({&state::loop,
                              [](state& s) {
                                s.assign();
                                s.die();
                              }},
                             &state::once),
        {"the old one", "the new one"}, {.preemptions = 3});
  holds(make_scenario<state>({&state::loop,
                              [](state& s) {
                                s.assign();
                                s.table->insert_or_assign(1, s.third);
                                s.table->insert_or_assign(1, s.other);
                              }},
                             &state::once),
        {"the old one", "the new one"}, {.preemptions = 3});
  holds(make_scenario<state>(
            {&state::loop, &state::assign, [](state& s) { s.table->insert_or_assign(1, s.third); }},
            [](state& s) { expect(s.seen.size() == 1, "exactly once"); }),
        {}, {.preemptions = 2});
}

TEST_CASE_TEMPLATE("schedules: a loop comes to a key that is given another object and then erased", state,
                   apart, together) {
  holds(make_scenario<state>({&state::loop,
                              [](state& s) {
                                s.assign();
                                s.erase();
                                s.other.reset();
                              }},
                             &state::at_most_once),
        {"seen", "not seen"}, {.preemptions = 3});
}

TEST_CASE("schedules: a loop comes to an entry while its table is cleared, filled again, and ends") {
  using state = apart;
  const auto body = [](state& s) {
    for (const auto& [key, value] : *s.table) {
      expect(value->whole && value->id == key, "a whole object and its key");
      if (key == 1) s.seen.push_back(value.get());
      schedule::point();
      expect(value->whole && (key == 1 || key == 2), "for the loop's body");
    }
  };
  holds(make_scenario<state>({body, &state::clear}, &state::at_most_once), {"seen", "not seen"},
        {.preemptions = 3});
  holds(make_scenario<state>({body,
                              [](state& s) {
                                s.clear();
                                s.table->insert(1, s.other);
                                s.erase();
                              }},
                             &state::at_most_once),
        {"seen", "not seen"}, {.preemptions = 3});
  struct ending : apart {
    std::optional<decltype(std::declval<dictionary&>().begin())> at{table->begin()};
    void rest() {
      for (; *at != std::default_sentinel; ++*at) expect((**at).value->whole, "a whole object");
      at.reset();
    }
  };
  holds(make_scenario<ending>({&ending::rest, [](ending& s) { s.table.reset(); }}), {}, {.preemptions = 3});
  holds(make_scenario<ending>({&ending::rest, [](ending& s) { s.table.reset(); }, &ending::die}), {},
        {.preemptions = 2});
}

TEST_CASE_TEMPLATE("schedules: a loop is given up while what it stands on is erased, replaced or dies", state,
                   apart, together) {
  const auto give_up = [](state& s) {
    auto at = s.table->begin();
    expect(at != std::default_sentinel && (*at).value->whole, "there is one at least");
    auto later = std::move(at);
    schedule::point();
  };
  holds(make_scenario<state>({give_up, &state::erase}), {}, {.preemptions = 3});
  holds(make_scenario<state>({give_up, &state::assign}), {}, {.preemptions = 3});
  holds(make_scenario<state>({give_up, &state::die}), {}, {.preemptions = 3});
}

TEST_CASE("schedules: a loop goes on over its copy while the table moves, and entries go from the new one") {
  using state = apart;
  holds(make_scenario<state>({&state::loop,
                              [](state& s) {
                                s.table->reserve(100);
                                s.erase();
                                s.table->shrink_to_fit();
                              }},
                             &state::at_most_once),
        {"seen", "not seen"}, {.preemptions = 3});
  holds(make_scenario<state>({&state::loop,
                              [](state& s) {
                                s.table->reserve(100);
                                s.assign();
                              }},
                             &state::once),
        {"the old one", "the new one"}, {.preemptions = 3});
}

using splitting = looped<false, 0>;

TEST_CASE(
    "schedules: a loop goes on over its copy while the dictionary splits, and entries go from the shards") {
  using state = splitting;
  const auto split_and = [](auto then) {
    return [then](state& s) {
      s.table->reserve(256);
      (s.*then)();
    };
  };
  holds(make_scenario<state>({&state::loop, split_and(&state::erase)}, &state::at_most_once),
        {"seen", "not seen"}, {.preemptions = 2});
  holds(make_scenario<state>({&state::loop, split_and(&state::die)}, &state::at_most_once),
        {"seen", "not seen"}, {.preemptions = 2});
  holds(make_scenario<state>({&state::loop, split_and(&state::assign)}, &state::once),
        {"the old one", "the new one"}, {.preemptions = 2});
  holds(make_scenario<state>({&state::loop, [](state& s) { s.table->reserve(256); }, &state::assign},
                             &state::once),
        {"the old one", "the new one"}, {.preemptions = 1});
  holds(make_scenario<state>({[](state& s) {
                                for (const auto& [key, value] : *s.table)
                                  expect(value->whole && value->id == key, "a whole object and its key");
                              },
                              split_and(&state::clear)},
                             [](state& s) { expect(s.table->empty(), "nothing is left"); }),
        {}, {.preemptions = 2});
}

// Both copies hang in one list, and in the lists of all shards after a split.
template <unsigned shards> struct two_loops : looped<false, shards> {
  using base = looped<false, shards>;
  std::size_t times[2] = {};
  void loop(std::size_t which) {
    for (const auto& [key, value] : *this->table) {
      expect(value->whole && value->id == key, "a whole object and its key");
      if (key == 1) ++times[which];
    }
  }
  void split() { this->table->reserve(256); }
  void once() { expect(times[0] == 1 && times[1] == 1, "exactly once, in each loop"); }
  void at_most_once() { expect(times[0] <= 1 && times[1] <= 1, "at most once, in each loop"); }
};

TEST_CASE(
    "schedules: two loops at once, and what they come to is erased, replaced, or its container splits") {
  using state = two_loops<1>;
  const auto loops = [](auto then) {
    using any = two_loops<1>;
    return make_scenario<any>({[](any& s) { s.loop(0); }, [](any& s) { s.loop(1); }, then.first},
                              then.second);
  };
  using step = std::pair<std::function<void(state&)>, std::function<void(state&)>>;
  holds(loops(step{&state::erase, &state::at_most_once}), {}, {.preemptions = 2});
  holds(loops(step{&state::assign, &state::once}), {}, {.preemptions = 2});
  holds(loops(step{&state::die, &state::at_most_once}), {}, {.preemptions = 2});
  using parted = two_loops<0>;
  holds(make_scenario<parted>({[](parted& s) { s.loop(0); }, [](parted& s) { s.loop(1); }, &parted::split},
                              &parted::once),
        {}, {.preemptions = 1});
}

// More keys of one hash than a group has slots.
TEST_CASE("schedules: a loop comes to displaced entries while they are erased and replaced") {
  struct one_hash {
    std::size_t operator()(int) const { return 1; }
  };
  using crowded = weakref::WeakValueDictionary<int, thing, one_hash, std::equal_to<>,
                                               schedule::checked_allocator<thing>, schedule::scheduled_mutex>;
  struct state {
    enum { count = 9 };
    std::optional<crowded> table;
    std::vector<owner> owners, others;
    std::vector<int> seen = std::vector<int>(count);
    state() {
      table.emplace(weakref::options{.shards = 1});
      for (int i = 0; i < count; ++i) {
        owners.push_back(make_thing(i));
        others.push_back(make_thing(i));
        table->insert(i, owners.back());
      }
    }
    void loop() {
      for (const auto& [key, value] : *table) {
        expect(value->whole && value->id == key, "a whole object and its key");
        ++seen[static_cast<std::size_t>(key)];
      }
    }
    void change() {
      table->insert_or_assign(8, others[8]);
      table->erase(0); // calls another one back
      table->insert_or_assign(7, others[7]);
      owners[3].reset();
    }
    void check() {
      for (int i = 0; i < count; ++i) {
        const int times = seen[static_cast<std::size_t>(i)];
        expect(i == 0 || i == 3 ? times <= 1 : times == 1, "what stays is seen once, what goes at most once");
      }
    }
  };
  holds(make_scenario<state>({&state::loop, &state::change}, &state::check), {}, {.preemptions = 2});
}

// A comparison that throws at one key.
struct throwing_key {
  explicit throwing_key(int number) : id(number) {}
  int id;
  friend bool operator==(const throwing_key& a, const throwing_key& b) {
    if (a.id == 9 || b.id == 9) throw std::runtime_error("nine");
    return a.id == b.id;
  }
  friend std::size_t hash_value(const throwing_key&) { return 1; }
};

TEST_CASE("schedules: a loop comes to a key whose new object is taken back") {
  using table_type = dictionary_with<schedule::checked_allocator<thing>, throwing_key>;
  struct state {
    std::optional<table_type> table;
    owner old = make_thing(1), added[2] = {make_thing(1), make_thing(9)};
    int times = 0;
    state() {
      table.emplace(weakref::options{.shards = 1});
      table->insert(throwing_key(1), old);
    }
    void loop() {
      for (const auto& [key, value] : *table) {
        expect(value->whole && key.id == 1, "a whole object and its key");
        observe(value == old ? "the old one" : "the new one");
        ++times;
      }
    }
    void update() {
      const std::vector<std::pair<throwing_key, owner>> pairs{{throwing_key(1), added[0]},
                                                              {throwing_key(9), added[1]}};
      try {
        table->update(pairs);
        expect(false, "it fails");
      } catch (const std::runtime_error&) {}
    }
    void check() {
      expect(times == 1, "exactly once");
      expect(table->get(throwing_key(1)) == old, "as it was");
    }
  };
  holds(make_scenario<state>({&state::loop, &state::update}, &state::check), {"the old one", "the new one"},
        {.preemptions = 3});
}

// ------------------------------------------------------------------------------------------------ the family

struct number_of {
  std::size_t operator()(const thing& object) const { return static_cast<std::size_t>(object.id); }
};
struct equal_number {
  bool operator()(const thing& a, const thing& b) const { return a.id == b.id; }
};
using key_dictionary =
    weakref::WeakKeyDictionary<thing, int, number_of, equal_number, schedule::checked_allocator<thing>,
                               schedule::scheduled_mutex>;

TEST_CASE("schedules: a loop and a copy show a key once while its value is replaced") {
  struct state {
    std::optional<key_dictionary> table;
    owner key = make_thing(1), equal = make_thing(1);
    int times = 0;
    state() {
      table.emplace(weakref::options{.shards = 1});
      table->insert(key, 10);
    }
    void assign() { table->insert_or_assign(key, 20); }
    void loop() {
      for (const auto& [shown, value] : *table) {
        expect(shown == key && (value == 10 || value == 20), "the key with either value");
        observe(value == 10 ? "the old one" : "the new one");
        ++times;
      }
    }
    void copy() {
      const key_dictionary copied(*table);
      expect(copied.size() == 1, "the key is in the copy");
      const auto value = copied.get(key);
      expect(value == 10 || value == 20, "with either value");
      observe(value == 10 ? "the old one" : "the new one");
      ++times;
    }
    void check() { expect(times == 1, "exactly once"); }
  };
  holds(make_scenario<state>({&state::loop, &state::assign}, &state::check), {"the old one", "the new one"},
        {.preemptions = 3});
  holds(make_scenario<state>({&state::loop, [](state& s) { s.table->insert_or_assign(s.equal, 20); }},
                             &state::check),
        {"the old one", "the new one"}, {.preemptions = 3});
  holds(make_scenario<state>({&state::copy, &state::assign}, &state::check), {"the old one", "the new one"},
        {.preemptions = 3});
}

TEST_CASE("schedules: copies of a dictionary and of a set beside erasures and deaths") {
  using state = apart;
  const auto copy = [](state& s) {
    const dictionary copied(*s.table);
    expect(copied.get(2) == s.untouched, "what stays is in the copy");
    if (const owner found = copied.get(1)) s.seen.push_back(found.get());
  };
  holds(make_scenario<state>({copy, &state::erase}, &state::at_most_once), {"seen", "not seen"},
        {.preemptions = 3});
  holds(make_scenario<state>({copy, &state::die}, &state::at_most_once), {"seen", "not seen"},
        {.preemptions = 3});
  holds(make_scenario<state>({copy, &state::assign}, &state::once), {"the old one", "the new one"},
        {.preemptions = 3});

  using set = weakref::WeakSet<thing, weakref::by_identity, weakref::by_identity,
                               schedule::checked_allocator<thing>, schedule::scheduled_mutex>;
  struct members {
    owner element = make_thing(1);
    std::optional<set> all{std::in_place};
    members() { all->add(element); }
    void look() {
      int seen = 0;
      for (const owner& each : *all) {
        expect(each->whole && each->id == 1, "a whole object");
        ++seen;
      }
      observe(seen == 1 ? "seen" : "not seen");
      expect(seen <= 1, "at most once");
    }
  };
  holds(make_scenario<members>({&members::look, [](members& s) { s.all->discard(*s.element); }}),
        {"seen", "not seen"}, {.preemptions = 3});
  holds(make_scenario<members>({&members::look, [](members& s) { s.element.reset(); }}), {"seen", "not seen"},
        {.preemptions = 3});
}

// Nobody hears of this death but a loop that comes by, or the next operations.
TEST_CASE("schedules: a loop comes to an untracked object while it dies, is erased or replaced") {
  struct state {
    std::optional<dictionary> table;
    owner object = std::make_shared<thing>(1), other = make_thing(1);
    int times = 0;
    state() {
      table.emplace(weakref::options{.shards = 1, .accept_untracked = true});
      table->insert(1, object);
    }
    void loop() {
      for (const auto& [key, value] : *table) {
        expect(value->whole && key == 1, "a whole object and its key");
        ++times;
      }
    }
    void die() { object.reset(); }
    void erase() { table->erase(1); }
    void assign() { table->insert_or_assign(1, other); }
    void sweep() { table->sweep(); }
    void check() {
      expect(times <= 1, "at most once");
      observe(times == 0 ? "not seen" : "seen");
    }
  };
  holds(make_scenario<state>({&state::loop, &state::die},
                             [](state& s) {
                               s.check();
                               if (s.times == 0) expect(s.table->empty(), "the loop took the dead one along");
                             }),
        {"seen", "not seen"}, {.preemptions = 3});
  holds(make_scenario<state>({&state::loop,
                              [](state& s) {
                                s.die();
                                s.sweep();
                              }},
                             &state::check),
        {"seen", "not seen"}, {.preemptions = 3});
  holds(make_scenario<state>({&state::loop, &state::erase}, &state::check), {"seen", "not seen"},
        {.preemptions = 3});
  holds(make_scenario<state>({&state::loop,
                              [](state& s) {
                                s.assign();
                                s.die();
                              }},
                             [](state& s) { expect(s.times == 1, "exactly once"); }),
        {}, {.preemptions = 3});
}

} // namespace
