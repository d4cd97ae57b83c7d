// SPDX-License-Identifier: BSL-1.0

// Threads that store, take, iterate and split in one dictionary, in every order.
#include "scenario.hpp"
#include "support/room_allocator.hpp"

#include <atomic>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace scenarios;

// ------------------------------------------------------------------------------------- operations on one key

struct one_key {
  dictionary table;
  owner owners[2] = {make_thing(1), make_thing(2)};
  owner results[2];
};

TEST_CASE("schedules: two threads insert under one key, and exactly one object wins") {
  using state = one_key;
  const auto insert = [](unsigned i) {
    return [i](state& s) {
      const auto [stored, is_new] = s.table.insert(1, s.owners[i]);
      expect(is_new == (stored == s.owners[i]), "the newcomer is stored, or the first one given");
      s.results[i] = stored;
    };
  };
  holds(make_scenario<state>({insert(0), insert(1)},
                             [](state& s) {
                               expect(s.results[0] == s.results[1] && s.results[0] == s.table.get(1),
                                      "both got the one that is stored");
                               expect(s.table.size() == 1, "there is one");
                               observe(s.results[0] == s.owners[0] ? "first" : "second");
                             }),
        {"first", "second"}, {.preemptions = 5});
}

TEST_CASE("schedules: two threads try_emplace under one key, and get the same object") {
  using state = one_key;
  const auto emplace = [](unsigned i) {
    return [i](state& s) {
      const auto [stored, is_new] = s.table.try_emplace(1, static_cast<int>(10 + i));
      expect(stored != nullptr, "there is an owner");
      if (is_new) expect(stored->id == static_cast<int>(10 + i), "new means one's own");
      s.results[i] = stored;
    };
  };
  holds(make_scenario<state>({emplace(0), emplace(1)},
                             [](state& s) {
                               expect(s.results[0] == s.results[1], "both got the same");
                               expect(s.table.size() == 1, "there is one");
                               s.results[0].reset();
                               s.results[1].reset();
                               expect(s.table.empty(), "it goes with its owners");
                             }),
        {}, {.preemptions = 5});
}

TEST_CASE("schedules: two threads assign under one key, and one of the two stays") {
  using state = one_key;
  holds(make_scenario<state>(
            {[](state& s) { s.table.insert_or_assign(1, s.owners[0]); },
             [](state& s) { s.table.insert_or_assign(1, s.owners[1]); }},
            [](state& s) {
              expect(s.table.size() == 1, "there is one");
              observe(s.table.get(1) == s.owners[0] ? "first" : "second");
              expect(weakref::getweakrefcount(s.owners[0]) + weakref::getweakrefcount(s.owners[1]) == 1,
                     "the other one is watched no more");
            }),
        {"first", "second"}, {.preemptions = 5});
}

struct filled_key : one_key {
  filled_key() { table.insert(1, owners[0]); }
};

TEST_CASE("schedules: two threads erase one key, and exactly one of them does") {
  using state = filled_key;
  holds(make_scenario<state>(
      {[](state& s) { s.results[0] = s.table.pop(1); }, [](state& s) { s.results[1] = s.table.pop(1); }},
      [](state& s) {
        expect((s.results[0] == nullptr) != (s.results[1] == nullptr), "one got it");
        expect(s.table.empty(), "it is gone");
      }));
}

// A key that can only be moved.
struct ticket {
  explicit ticket(int identity) : id(identity) {}
  ticket(ticket&&) = default;
  ticket& operator=(ticket&&) = default;
  int id;
  friend bool operator==(const ticket& a, const ticket& b) { return a.id == b.id; }
  friend std::size_t hash_value(const ticket& key) { return static_cast<std::size_t>(key.id); }
};

TEST_CASE_TEMPLATE(
    "schedules: two threads take any entry where there is one, and exactly one of them gets it", Key, int,
    ticket) {
  struct state {
    dictionary_with<schedule::checked_allocator<thing>, Key> table;
    owner held = make_thing(1);
    std::atomic<int> taken = 0;
    state() { table.insert(Key(1), held); }
    void take() {
      try {
        expect(table.popitem().second == held, "what is taken is whole");
        ++taken;
      } catch (const std::out_of_range&) {
        observe("nothing to take");
      }
    }
  };
  holds(make_scenario<state>({&state::take, &state::take},
                             [](state& s) { expect(s.taken.load() == 1 && s.table.empty(), "taken once"); }),
        {"nothing to take"}, {.preemptions = 3});
}

TEST_CASE("schedules: clear, erase and insert_or_assign of one key leave each node to one thread") {
  using state = filled_key;
  holds(make_scenario<state>({[](state& s) { s.table.clear(); }, [](state& s) { s.table.erase(1); },
                              [](state& s) { s.table.insert_or_assign(1, s.owners[1]); }},
                             [](state& s) {
                               const owner left = s.table.get(1);
                               expect(left == nullptr || left == s.owners[1], "the old one has gone");
                               expect(s.table.size() == (left == nullptr ? 0U : 1U), "the size is right");
                               s.table.clear();
                               expect(weakref::getweakrefcount(s.owners[0]) == 0,
                                      "nobody watches the old one");
                               expect(weakref::getweakrefcount(s.owners[1]) == 0, "nor the new one");
                             }),
        {}, {.preemptions = 3});
}

TEST_CASE("schedules: an owner that get returns may be the last one") {
  struct state : filled_key {
    bool died = false;
    state() {
      owners[0]->at_end = [this] { died = true; };
    }
  };
  holds(make_scenario<state>({[](state& s) { s.owners[0].reset(); },
                              [](state& s) {
                                if (owner found = s.table.get(1)) {
                                  schedule::point();
                                  const bool last = found.use_count() == 1;
                                  found.reset();
                                  if (last) {
                                    expect(s.died && !s.table.contains(1),
                                           "it dies with its last owner, here");
                                    observe("died in the looker's hands");
                                  }
                                }
                              }},
                             [](state& s) { expect(s.died && s.table.empty(), "it died"); }),
        {"died in the looker's hands"});
}

// ------------------------------------------------------------------------------------------ a dictionary
// splits

struct splitting {
  std::optional<dictionary> table{std::in_place};
  std::vector<owner> owners;
  splitting() {
    for (int i = 0; i < 4; ++i) {
      owners.push_back(make_thing(i));
      table->insert(i, owners.back());
    }
  }
  void split() { table->reserve(256); }
};

TEST_CASE("schedules: a dictionary splits while an entry dies, another is stored, and all are looked for") {
  using state = splitting;
  const auto check = [](state& s) {
    for (const auto& each : s.owners)
      if (each != nullptr) expect(s.table->get(each->id) == each, "what lives is found");
    expect(s.table->size() == 4, "three of four, and the new one");
  };
  holds(make_scenario<state>({&state::split,
                              [](state& s) {
                                s.owners[1].reset();
                                s.owners.push_back(make_thing(4));
                                s.table->insert(4, s.owners.back());
                              }},
                             check),
        {}, {.preemptions = 3});
  holds(make_scenario<state>({&state::split,
                              [](state& s) {
                                for (int i = 0; i < 4; ++i)
                                  expect(s.table->contains(i), "nothing is ever missing");
                              }}),
        {}, {.preemptions = 3});
}

TEST_CASE("schedules: a dictionary splits while it is iterated over, split and cleared by others") {
  using state = splitting;
  holds(make_scenario<state>({&state::split,
                              [](state& s) {
                                std::vector<int> seen(4);
                                for (const auto& [key, value] : *s.table) ++seen[static_cast<unsigned>(key)];
                                for (const int times : seen) expect(times == 1, "what stays is seen once");
                              }}),
        {}, {.preemptions = 2});
  holds(make_scenario<state>({&state::split, &state::split},
                             [](state& s) { expect(s.table->size() == 4, "nothing is lost"); }),
        {}, {.preemptions = 2});
  holds(make_scenario<state>({&state::split, [](state& s) { s.table->clear(); }},
                             [](state& s) { expect(s.table->empty(), "nothing is left"); }),
        {}, {.preemptions = 2});
}

TEST_CASE("schedules: a dictionary that splits has something to take all the time") {
  using state = splitting;
  holds(make_scenario<state>({&state::split,
                              [](state& s) {
                                try {
                                  (void)s.table->popitem();
                                } catch (const std::out_of_range&) {
                                  expect(false, "popitem found nothing");
                                }
                              }},
                             [](state& s) { expect(s.table->size() == 3, "one of four is taken"); }),
        {}, {.preemptions = 3});
}

TEST_CASE("schedules: a dictionary splits during a creation for which another thread waits") {
  struct state : splitting {
    owner results[2];
    unsigned runs = 0;
    void ask(unsigned i) {
      results[i] = table->get_or_create(9, [this] {
        ++runs;
        return thing(9);
      });
    }
  };
  holds(make_scenario<state>({&state::split, with(&state::ask, 0), with(&state::ask, 1)},
                             [](state& s) {
                               expect(s.runs == 1 && s.results[0] != nullptr && s.results[0] == s.results[1],
                                      "one creation");
                               expect(s.table->size() == 5, "nothing is lost");
                             }),
        {}, {.preemptions = 1});
}

// ---------------------------------------------------------------------------------------------------
// iteration

struct iterated {
  std::optional<dictionary> table{std::in_place};
  owner owners[3] = {make_thing(1), make_thing(2), make_thing(3)};
  iterated() {
    for (const auto& each : owners) table->insert(each->id, each);
  }
  unsigned seen[5] = {};
  template <class At> void walk(At& at) {
    for (; at != std::default_sentinel; ++at) {
      const auto& [key, value] = *at;
      expect(value != nullptr && value->whole && value->id == key, "an entry is whole");
      schedule::point();
      expect(value->whole && value->id == key, "and stays so for the loop's body");
      ++seen[key];
    }
  }
  void iterate() {
    auto at = table->begin();
    walk(at);
  }
  void check() {
    expect(seen[2] == 1 && seen[3] == 1, "what stays is seen exactly once");
    expect(seen[1] <= 1 && seen[4] <= 1, "nothing is seen twice");
    observe(seen[1] == 0 ? "not seen" : "seen");
  }
};

TEST_CASE("schedules: iteration and a death") {
  holds(make_scenario<iterated>({[](iterated& s) { s.owners[0].reset(); }, &iterated::iterate},
                                [](iterated& s) {
                                  s.check();
                                  expect(s.table->size() == 2, "the dead one has gone");
                                }),
        {"seen", "not seen"}, {.preemptions = 4});
}

TEST_CASE("schedules: iteration and erase") {
  holds(
      make_scenario<iterated>({[](iterated& s) { s.table->erase(1); }, &iterated::iterate}, &iterated::check),
      {"seen", "not seen"}, {.preemptions = 4});
}

TEST_CASE("schedules: iteration, an insertion and a rehash") {
  holds(make_scenario<iterated>({[](iterated& s) {
                                   s.table->reserve(100);
                                   const owner fourth = make_thing(4);
                                   s.table->insert(4, fourth);
                                   schedule::point();
                                 },
                                 &iterated::iterate},
                                &iterated::check),
        {"seen"}, {.preemptions = 3});
}

TEST_CASE("schedules: iteration and the dictionary's end") {
  struct state : iterated {
    std::optional<decltype(std::declval<dictionary&>().begin())> at{table->begin()};
  };
  holds(make_scenario<state>({[](state& s) { s.table.reset(); },
                              [](state& s) {
                                s.walk(*s.at);
                                s.at.reset();
                              }}),
        {}, {.preemptions = 3});
}

TEST_CASE("schedules: iteration, a death and the dictionary's end") {
  struct state : iterated {
    std::optional<decltype(std::declval<dictionary&>().begin())> at{table->begin()};
  };
  holds(make_scenario<state>({[](state& s) { s.table.reset(); },
                              [](state& s) {
                                s.walk(*s.at);
                                s.at.reset();
                              },
                              [](state& s) {
                                s.owners[0].reset();
                                s.owners[2].reset();
                              }}),
        {}, {.preemptions = 2});
}

// ----------------------------------------------------------------------------------------------- tables
// shrink

// Rooms of tables that were ever made.
std::atomic<int>& tables() {
  static std::atomic<int> made = 0;
  return made;
}

// Counts them.
template <class T> struct room_allocator : schedule::checked_allocator<T> {
  using value_type = T;
  template <class Other> struct rebind { using other = room_allocator<Other>; };
  room_allocator() = default;
  template <class Other> room_allocator(const room_allocator<Other>&) noexcept {}
  T* allocate(std::size_t count) {
    if constexpr (dictionary_test::is_room<T>) ++tables();
    return schedule::checked_allocator<T>::allocate(count);
  }
};

// A table in which sixty were, and four are: whoever stores or erases next makes it shrink.
struct sparse {
  dictionary_with<room_allocator<thing>> table;
  std::vector<owner> owners;
  owner others[2] = {make_thing(100), make_thing(101)};
  explicit sparse(weakref::options chosen = {}) : table(chosen) {
    for (int i = 0; i < 60; ++i) {
      owners.push_back(make_thing(i));
      table.insert(i, owners.back());
    }
    owners.resize(4);
  }
  void store() { expect(table.insert(100, others[0]).second, "stored"); }
  void check(std::size_t size, int first = 0) {
    expect(table.size() == size, "nothing is lost, and nothing there twice");
    for (int i = first; i < 4; ++i)
      expect(table.get(i) == owners[static_cast<std::size_t>(i)], "what lives is found");
    expect(table.get(100) == others[0], "and what was stored");
    const int before = tables();
    table.insert_or_assign(100, others[1]);
    observe(tables() == before ? "shrunk" : "not yet");
  }
};

TEST_CASE("schedules: a table shrinks while others store, erase and look") {
  using state = sparse;
  holds(make_scenario<state>(
            {&state::store, [](state& s) { expect(s.table.insert(101, s.others[1]).second, "stored"); }},
            [](state& s) {
              expect(s.table.get(101) == s.others[1], "what the other one stored is found");
              s.check(6);
            }),
        {"shrunk"}, {.preemptions = 3});
  holds(make_scenario<state>({&state::store, [](state& s) { expect(s.table.erase(0), "erased"); }},
                             [](state& s) {
                               expect(!s.table.contains(0), "what was erased stays away");
                               s.check(4, 1);
                             }),
        {"shrunk"}, {.preemptions = 3});
  holds(make_scenario<state>({&state::store,
                              [](state& s) {
                                for (int i = 0; i < 4; ++i)
                                  expect(s.table.get(i) != nullptr, "nothing is ever missing");
                              }},
                             [](state& s) { s.check(5); }),
        {"shrunk"}, {.preemptions = 3});
}

TEST_CASE("schedules: a table shrinks while an entry dies, and while all of them do") {
  using state = sparse;
  holds(make_scenario<state>({&state::store, [](state& s) { s.owners[0].reset(); }},
                             [](state& s) { s.check(4, 1); }),
        {"shrunk"}, {.preemptions = 4});
  holds(make_scenario<state>({[](state& s) { s.table.erase(0); },
                              [](state& s) {
                                for (auto& each : s.owners) each.reset();
                              }},
                             [](state& s) { expect(s.table.empty(), "all have gone"); }),
        {}, {.preemptions = 3});
}

TEST_CASE("schedules: a table shrinks while it is iterated over, and taken from") {
  using state = sparse;
  holds(make_scenario<state>({&state::store,
                              [](state& s) {
                                std::vector<int> seen(101);
                                for (const auto& [key, value] : s.table) ++seen[static_cast<unsigned>(key)];
                                for (unsigned i = 0; i < 4; ++i)
                                  expect(seen[i] == 1, "what stays is seen once");
                              }},
                             [](state& s) { s.check(5); }),
        {"shrunk"}, {.preemptions = 3});
  holds(make_scenario<state>({&state::store,
                              [](state& s) {
                                const auto [key, value] = s.table.popitem();
                                expect(value != nullptr && value->id == key, "what is taken is whole");
                                s.table.insert(key, value);
                              }},
                             [](state& s) { s.check(5); }),
        {"shrunk"}, {.preemptions = 2});
}

TEST_CASE("schedules: a table shrinks while its dictionary splits") {
  using state = sparse;
  holds(make_scenario<state>({&state::store, [](state& s) { s.table.reserve(256); }},
                             [](state& s) { s.check(5); }),
        {}, {.preemptions = 2});
}

TEST_CASE("schedules: two threads make one table shrink, and nothing is lost") {
  struct state : sparse {
    state() : sparse({.shards = 1}) {}
  };
  holds(make_scenario<state>(
            {&state::store, [](state& s) { s.table.shrink_to_fit(); }, [](state& s) { s.table.erase(0); }},
            [](state& s) { s.check(4, 1); }),
        {"shrunk"}, {.preemptions = 2});
}

TEST_CASE("schedules: what reserve has made room for stays, though the table was about to shrink") {
  struct state : sparse {
    state() : sparse({.shards = 1}) {}
    void reserve() { table.reserve(76); } // the table is as large as that already
  };
  holds(make_scenario<state>({&state::store, &state::reserve},
                             [](state& s) {
                               const int before = tables();
                               for (int i = 200; i < 271; ++i) s.table.insert(i, s.others[1]);
                               expect(tables() == before, "so many need no other table");
                               s.check(76);
                             }),
        {}, {.preemptions = 3});
}

TEST_CASE("schedules: sweep takes all that were dead before it, whatever others do to the table") {
  struct state : sparse {
    std::size_t swept = 0;
    state() : sparse({.shards = 1, .accept_untracked = true}) {
      table.reserve(1500);
      table.shrink_to_fit();
      for (int i = 0; i < 2; ++i) table.insert(300 + i, std::make_shared<thing>(300 + i));
    }
    void sweep() { swept = table.sweep(); }
  };
  holds(make_scenario<state>({&state::sweep, &state::store},
                             [](state& s) {
                               expect(s.swept <= 2, "no more than there were");
                               s.check(5);
                             }),
        {}, {.preemptions = 2});
}

} // namespace
