// SPDX-License-Identifier: BSL-1.0

// The dictionary with weak keys and the set, in every order: what they do beyond the value dictionary.
#include "scenario.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace {

using namespace scenarios;

struct hash_of_thing {
  std::size_t operator()(const thing& object) const {
    expect(object.whole, "a key is whole when it is hashed");
    expect(!schedule::holds_a_mutex(), "no hash runs under a lock");
    return static_cast<std::size_t>(object.id);
  }
};
struct same_number {
  bool operator()(const thing& a, const thing& b) const {
    expect(a.whole && b.whole, "keys are whole when they are compared");
    schedule::point();
    expect(a.whole && b.whole, "and until the comparison is over");
    return a.id == b.id;
  }
};

// A mapped value that says when it is moved or destroyed under a lock. Copies are made there.
struct noted {
  noted(int start) : number(start) {}
  noted(const noted&) = default;
  noted(noted&& other) noexcept : number(std::exchange(other.number, -1)) { look(); }
  noted& operator=(const noted&) = default;
  noted& operator=(noted&& other) noexcept {
    number = std::exchange(other.number, -1);
    look();
    return *this;
  }
  ~noted() { look(); }
  static void look() { expect(!schedule::holds_a_mutex(), "no value is moved or destroyed under a lock"); }
  int number;
};

template <class Hash = weakref::by_identity, class KeyEqual = weakref::equal_for<Hash>>
using key_dictionary =
    weakref::WeakKeyDictionary<thing, noted, Hash, KeyEqual, schedule::checked_allocator<thing>,
                               schedule::scheduled_mutex>;
using by_value = key_dictionary<hash_of_thing, same_number>;
using set = weakref::WeakSet<thing, weakref::by_identity, weakref::by_identity,
                             schedule::checked_allocator<thing>, schedule::scheduled_mutex>;
using set_by_value = weakref::WeakSet<thing, hash_of_thing, same_number, schedule::checked_allocator<thing>,
                                      schedule::scheduled_mutex>;

// Two equal objects; the first one is the key.
struct equal_keys {
  owner first = make_thing(1);
  owner second = make_thing(1);
  std::optional<by_value> table{std::in_place};
  equal_keys() { table->insert(first, 10); }
  void assign() { table->insert_or_assign(second, 20); }
  // With the first key gone the entry, if there is one, is the second's.
  void is_the_seconds() {
    first.reset();
    const auto value = table->get(second);
    expect(value.has_value() && value->number == 20, "the newcomer's value is there, under a key that lives");
    expect(table->size() == 1, "and nothing else");
    expect(weakref::getweakrefcount(second) == 1, "bound to the newcomer");
  }
};

TEST_CASE("schedules: an equal newcomer assigns while the first key dies") {
  using state = equal_keys;
  holds(make_scenario<state>({&state::assign, [](state& s) { s.first.reset(); }},
                             [](state& s) {
                               // Assigned under the first key before it died: gone with it.
                               const auto value = s.table->get(s.second);
                               observe(value.has_value() ? "after the death" : "before the death");
                               if (value.has_value()) {
                                 s.is_the_seconds();
                               } else {
                                 expect(s.table->empty(), "nothing is left");
                                 expect(weakref::getweakrefcount(s.second) == 0,
                                        "nothing is bound to the newcomer");
                               }
                             }),
        {"after the death", "before the death"}, {.preemptions = 4});
}

TEST_CASE("schedules: an equal newcomer assigns while the first key's entry is erased") {
  using state = equal_keys;
  holds(make_scenario<state>({&state::assign, [](state& s) { s.table->erase(s.first); }},
                             [](state& s) {
                               const bool there = s.table->contains(s.second);
                               observe(there ? "erased first" : "assigned first");
                               if (there)
                                 s.is_the_seconds();
                               else
                                 expect(s.table->empty(), "nothing is left");
                             }),
        {"erased first", "assigned first"}, {.preemptions = 4});
}

TEST_CASE("schedules: two equal newcomers assign") {
  struct state : equal_keys {
    owner third = make_thing(1);
  };
  holds(make_scenario<state>({[](state& s) { s.table->insert_or_assign(s.second, 20); },
                              [](state& s) { s.table->insert_or_assign(s.third, 30); }},
                             [](state& s) {
                               const int number = s.table->at(s.first).number;
                               expect(number == 20 || number == 30, "one of the two");
                               observe(number == 20 ? "second" : "third");
                               expect(s.table->size() == 1, "one entry");
                               expect(weakref::getweakrefcount(s.first) == 1, "the first key's");
                               s.first.reset();
                               expect(s.table->empty(), "it goes with the first key");
                             }),
        {"second", "third"}, {.preemptions = 3});
}

// One key, by identity.
struct one_entry {
  owner key = make_thing(1);
  std::optional<key_dictionary<>> table{std::in_place};
  int popped = 0;
  one_entry() { table->insert(key, 10); }
};

TEST_CASE("schedules: two threads pop one value, and exactly one gets it") {
  using state = one_entry;
  const auto pop = [](state& s) {
    if (const auto value = s.table->pop(*s.key)) {
      expect(value->number == 10, "the value is whole");
      ++s.popped;
    }
  };
  holds(make_scenario<state>({pop, pop}, [](state& s) {
    expect(s.popped == 1, "exactly one");
    expect(s.table->empty(), "nothing is left");
  }));
}

TEST_CASE("schedules: a value is copied while its key dies, its entry is erased, or it is replaced") {
  using state = one_entry;
  const auto get = [](state& s) {
    const weakref::ref<thing> key(s.key); // a look-up by address, as from inside the object
    if (const auto value = s.table->get(s.key.get())) {
      expect(value->number == 10 || value->number == 20, "a whole value");
      observe("found");
    } else {
      observe("absent");
    }
  };
  holds(make_scenario<state>({get, [](state& s) { s.table->erase(*s.key); }}), {"found", "absent"});
  holds(make_scenario<state>({get, [](state& s) { s.table->insert_or_assign(s.key, 20); }}), {"found"});
  holds(make_scenario<state>(
            {get, [](state& s) { s.table->visit(*s.key, [](noted& value) { value.number = 20; }); }}),
        {"found"});
}

TEST_CASE("schedules: items are copied while their keys die and their entries go") {
  struct state { // by value: an order of addresses would differ from run to run
    owner first = make_thing(1);
    owner other = make_thing(2);
    std::optional<by_value> table{std::in_place};
    state() {
      table->insert(first, 10);
      table->insert(other, 10);
    }
  };
  const auto walk = [](state& s) {
    int seen = 0;
    for (const auto& [key, value] : *s.table) {
      expect(key != nullptr && key->whole && value.number == 10, "a living key with its value");
      ++seen;
    }
    observe(seen == 2 ? "both" : "one");
  };
  holds(make_scenario<state>({walk, [](state& s) { s.other.reset(); }}), {"both", "one"}, {.preemptions = 4});
  holds(make_scenario<state>({walk, [](state& s) { s.table->erase(s.other); }}), {"both", "one"},
        {.preemptions = 3});
  holds(make_scenario<state>({walk, [](state& s) { s.table->pop(s.other); }}), {"both", "one"},
        {.preemptions = 3});
}

TEST_CASE("schedules: two threads create the value of one key, and get the same") {
  struct state {
    owner key = make_thing(1);
    key_dictionary<> table;
    int runs = 0;
    int results[2] = {};
  };
  const auto ask = [](unsigned i) {
    return [i](state& s) {
      s.results[i] = s.table.get_or_create(s.key, [&] { return noted(100 + ++s.runs); }).number;
    };
  };
  holds(make_scenario<state>({ask(0), ask(1)},
                             [](state& s) {
                               expect(s.runs == 1, "one factory ran");
                               expect(s.results[0] == 101 && s.results[1] == 101, "both got its value");
                             }),
        {}, {.preemptions = 4});
}

TEST_CASE("schedules: a copy for one who waits asks for what he is creating, and is refused") {
  // A mapped value whose copies, but for those under a lock, speak.
  struct speaking {
    speaking(int start, std::function<void()> words) : number(start), on_copy(std::move(words)) {}
    speaking(const speaking& other) : number(other.number), on_copy(other.on_copy) {
      if (other.on_copy != nullptr && !schedule::holds_a_mutex()) other.on_copy();
    }
    speaking(speaking&&) noexcept = default;
    speaking& operator=(const speaking&) = default;
    speaking& operator=(speaking&&) noexcept = default;
    int number;
    std::function<void()> on_copy;
  };
  struct state {
    owner key = make_thing(1);
    weakref::WeakKeyDictionary<thing, speaking, weakref::by_identity, weakref::by_identity,
                               schedule::checked_allocator<thing>, schedule::scheduled_mutex>
        values;
    dictionary things;
    int results[2] = {};
    int copies = 0;
    const char* outcome = "nobody waited";

    void create_value() {
      const auto ask = [this] {
        if (++copies != 2) return; // the first is the creator's own
        outcome = "refused";
        static_cast<void>(things.get_or_create(7, [] { return thing(8); }));
        outcome = "not refused";
      };
      results[0] = values.get_or_create(key, [&] { return speaking(100, ask); }).number;
    }
    void create_thing() {
      static_cast<void>(things.get_or_create(7, [this] {
        results[1] = values.get_or_create(key, [] { return speaking(200, nullptr); }).number;
        return thing(7);
      }));
    }
  };
  holds(make_scenario<state>({&state::create_value, &state::create_thing},
                             [](state& s) {
                               expect(s.results[0] == s.results[1], "both got one value");
                               expect(s.things.empty(), "nobody who has gone has been given an owner");
                               observe(s.outcome);
                             }),
        {"nobody waited", "refused"}, {.preemptions = 3});
  // What the copy asks for a third one creates, and may be through with.
  const auto wait = [](state& s) {
    s.results[1] = s.values.get_or_create(s.key, [] { return speaking(200, nullptr); }).number;
  };
  const auto create = [](state& s) {
    expect(s.things.get_or_create(7, [] { return thing(7); })->whole, "the third one's own");
  };
  holds(make_scenario<state>({&state::create_value, wait, create},
                             [](state& s) {
                               expect(s.results[0] == s.results[1], "both got one value");
                               expect(s.things.empty(), "nobody who has gone has been given an owner");
                               observe(s.outcome);
                             }),
        {"nobody waited", "refused", "not refused"}, {.preemptions = 3});
}

TEST_CASE("schedules: an object is added, discarded and dies") {
  struct state {
    owner element = make_thing(1);
    set members;
    bool in = false;
  };
  const auto add = [](state& s) { s.members.add(s.element); };
  const auto discard = [](state& s) { observe(s.members.discard(*s.element) ? "discarded" : "not there"); };
  holds(make_scenario<state>({add, discard},
                             [](state& s) {
                               s.element.reset();
                               expect(s.members.empty(), "nothing is left");
                             }),
        {"discarded", "not there"});
}

TEST_CASE("schedules: equal objects are added while the one in the set dies") {
  struct state {
    owner first = make_thing(1);
    owner second = make_thing(1);
    set_by_value members;
    state() { members.add(first); }
  };
  holds(make_scenario<state>({[](state& s) { observe(s.members.add(s.second) ? "added" : "kept"); },
                              [](state& s) { s.first.reset(); }},
                             [](state& s) {
                               const owner found = s.members.get(*s.second);
                               expect(found == nullptr || found == s.second, "the dead one is not found");
                               expect(s.members.size() == (found == nullptr ? 0U : 1U),
                                      "nothing else is left");
                             }),
        {"added", "kept"}, {.preemptions = 4});
}

TEST_CASE("schedules: two bring equal objects, and get one and the same") {
  struct state {
    owner brought[2] = {make_thing(1), make_thing(1)};
    owner got[2];
    set_by_value members;
    void bring(std::size_t which) { got[which] = members.get_or_add(brought[which]); }
  };
  holds(make_scenario<state>({[](state& s) { s.bring(0); }, [](state& s) { s.bring(1); }},
                             [](state& s) {
                               expect(s.got[0] == s.got[1], "one object");
                               expect(s.members.size() == 1, "one element");
                               observe(s.got[0] == s.brought[0] ? "the first's" : "the second's");
                             }),
        {"the first's", "the second's"});
}

} // namespace
