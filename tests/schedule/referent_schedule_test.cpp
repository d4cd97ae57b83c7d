// SPDX-License-Identifier: BSL-1.0

// How objects come to be tracked, and what stands on a ref, in every order: first registrations, retire() and
// new owners, adopted objects, objects that nobody watches, callbacks that throw, subclasses, proxies, methods.
#include "scenario.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

namespace {

using namespace scenarios;

// ---------------------------------------------------------------------------------------- nobody watches it

TEST_CASE("schedules: an object that nobody watches any more dies while its last entry or ref leaves") {
  struct state {
    watched_call::record record;
    dictionary table;
    owner first = make_thing(1), second = first;
    bool died = false;
    state() {
      first->at_end = [this] { died = true; };
    }
    void insert_and_erase() {
      table.insert(1, first);
      table.erase(1);
      first.reset();
    }
    void watch_and_leave() {
      const watching_ref ref(first, watched_call{&record});
      first.reset();
    }
    void drop() { second.reset(); }
    void check() { expect(died && table.empty(), "it died"); }
  };
  holds(make_scenario<state>({&state::insert_and_erase, &state::drop}, &state::check));
  holds(make_scenario<state>({&state::watch_and_leave, &state::drop}, &state::check));
}

TEST_CASE("schedules: two threads let go of an object, and plain refs ask for it meanwhile") {
  struct state {
    owner owners[2];
    weakref::ref<thing> ref;
    unsigned died = 0;
    state() {
      owners[0] = owners[1] = make_thing(1);
      owners[0]->at_end = [this] { ++died; };
      ref = weakref::ref<thing>(owners[0]);
    }
    void drop(unsigned i) { owners[i].reset(); }
    void ask() {
      const bool was_expired = ref.expired();
      schedule::point();
      const owner found = ref();
      expect(found == nullptr || found->whole, "empty or whole");
      if (was_expired) expect(found == nullptr, "once dead, dead for ever");
      observe(found == nullptr ? "dead" : "alive");
    }
  };
  holds(make_scenario<state>({with(&state::drop, 0), with(&state::drop, 1), &state::ask},
                             [](state& s) { expect(s.died == 1, "it died once"); }),
        {"dead", "alive"});
}

TEST_CASE("schedules: the size is right at every moment, also while a dictionary splits") {
  struct state {
    dictionary table;
    owner owners[3] = {make_thing(0), make_thing(1), make_thing(2)};
    state() {
      table.insert(0, owners[0]);
      table.insert(1, owners[1]);
    }
    void split() { table.reserve(256); }
    void look(std::size_t least, std::size_t most) {
      for (int i = 0; i < 2; ++i) {
        const std::size_t size = table.size();
        expect(size >= least && size <= most, "as many as there are");
      }
    }
  };
  holds(make_scenario<state>({&state::split, with(&state::look, 2U, 2U)}), {}, {.preemptions = 3});
  holds(make_scenario<state>(
            {&state::split, with(&state::look, 2U, 3U), [](state& s) { s.table.insert(2, s.owners[2]); }}),
        {}, {.preemptions = 2});
  holds(make_scenario<state>(
            {&state::split, with(&state::look, 1U, 2U), [](state& s) { s.owners[1].reset(); }}),
        {}, {.preemptions = 2});
}

// Memory is made with no lock held, and whoever makes it may be overtaken.
template <class T> struct pausing_allocator : schedule::checked_allocator<T> {
  using value_type = T;
  pausing_allocator() = default;
  template <class Other> pausing_allocator(const pausing_allocator<Other>&) noexcept {}
  T* allocate(std::size_t count) {
    expect(!schedule::holds_a_mutex(), "nothing is allocated under a lock");
    schedule::point();
    return schedule::checked_allocator<T>::allocate(count);
  }
};

TEST_CASE("schedules: the first two stores of a dictionary, and who makes its core") {
  struct state {
    dictionary_with<pausing_allocator<thing>> table;
    owner owners[2] = {make_thing(1), make_thing(2)};
    void store(unsigned i) { table.insert(static_cast<int>(i), owners[i]); }
  };
  holds(make_scenario<state>({with(&state::store, 0), with(&state::store, 1)},
                             [](state& s) {
                               expect(s.table.size() == 2, "both are stored");
                               expect(s.table.get(0) == s.owners[0] && s.table.get(1) == s.owners[1],
                                      "and found");
                             }),
        {}, {.preemptions = 3});
  holds(make_scenario<state>(
            {with(&state::store, 0), with(&state::store, 1),
             [](state& s) { expect(s.table.get(1) == nullptr || s.table.contains(1), "found"); }},
            [](state& s) { expect(s.table.size() == 2, "both are stored"); }),
        {}, {.preemptions = 2});
}

// ------------------------------------------------------------------------------------------- enabled classes

TEST_CASE("schedules: three threads watch an object of an enabled class for the first time") {
  struct state {
    watched_call::record record;
    dictionary table;
    owner owners[3];
    std::optional<watching_ref> ref;
    bool died = false;
    state() {
      owners[0] = owners[1] = owners[2] = std::make_shared<enabled_thing>(1);
      owners[0]->at_end = [this] { died = true; };
    }
    void watch() {
      ref.emplace(owners[0], watched_call{&record});
      owners[0].reset();
    }
    void insert() {
      table.insert(1, owners[1]);
      owners[1].reset();
    }
    void ask() {
      const owner found = table.get(1);
      expect(found == nullptr || found->whole, "empty or whole");
      owners[2].reset();
    }
    void check() { expect(died && record.calls == 1 && table.empty(), "all of them heard of its death"); }
  };
  holds(make_scenario<state>({&state::watch, &state::insert},
                             [](state& s) {
                               s.owners[2].reset();
                               s.check();
                             }),
        {}, {.preemptions = 4});
  holds(make_scenario<state>({&state::watch, &state::insert, &state::ask}, &state::check), {},
        {.preemptions = 2});
}

// A pool: the object stays where it is, one owner comes after the other. Others own it for a moment, so it is the
// deleter that says when it is free again.
template <bool Retires> struct pooled {
  enabled_thing object{1};
  std::atomic<bool> is_free{false};
  watched_call::record records[2];
  std::optional<dictionary> table{std::in_place};
  std::optional<watching_ref> refs[2];
  owner first = lend();
  owner second;
  pooled() {
    table->insert(1, first);
    refs[0].emplace(first, watched_call{&records[0]});
  }
  owner lend() {
    is_free.store(false, std::memory_order_relaxed);
    return owner(static_cast<thing*>(&object), [this](thing*) {
      if constexpr (Retires) weakref::retire(object);
      is_free.store(true, std::memory_order_release);
    });
  }
  void drop() { first.reset(); }
  void destroy_ref() {
    refs[0].reset();
    records[0].ended();
  }
  // A registration under a new owner completes the death of the old one.
  void lend_again() {
    first.reset();
    if (!is_free.load(std::memory_order_acquire)) return;
    second = lend();
    refs[1].emplace(second, watched_call{&records[1]});
    table->insert(2, second);
    observe("lent again");
  }
  void check() {
    expect(is_free == (second == nullptr), "the old owner's time is over");
    if (!table) return;
    expect(!table->contains(1), "the old owner's entry is dead");
    expect(table->get(2) == second, "the new owner's is there");
    expect(records[0].calls <= 1 && records[1].calls == 0, "only the old owner's refs are called");
  }
  ~pooled() {
    second.reset();
    weakref::retire(object);
  }
};
using retiring_pool = pooled<true>;
using forgetful_pool = pooled<false>;

TEST_CASE("schedules: a pool retires an object whose entries and refs others use") {
  using state = retiring_pool;
  const auto check = [](state& s) {
    s.check();
    expect(!s.table || s.table->empty(), "the entry is gone");
  };
  holds(make_scenario<state>({&state::drop, &state::destroy_ref}, check));
  holds(make_scenario<state>({&state::drop,
                              [](state& s) {
                                owner found = s.table->get(1);
                                schedule::point();
                                observe(found == nullptr ? "absent" : "found");
                              }},
                             check),
        {"absent", "found"});
  holds(make_scenario<state>({&state::drop, [](state& s) { s.table->clear(); }}, check), {},
        {.preemptions = 4});
  holds(make_scenario<state>({&state::drop, [](state& s) { s.table.reset(); }, &state::destroy_ref}, check),
        {}, {.preemptions = 2});
}

TEST_CASE_TEMPLATE(
    "schedules: a pooled object gets a new owner while others use what is left of the old one's time", State,
    retiring_pool, forgetful_pool) {
  holds(make_scenario<State>({&State::lend_again, &State::destroy_ref}, &State::check), {"lent again"},
        {.preemptions = 4});
  holds(make_scenario<State>({&State::lend_again, [](State& s) { s.table->erase(1); }}, &State::check),
        {"lent again"}, {.preemptions = 3});
  holds(make_scenario<State>({&State::lend_again, [](State& s) { s.table->erase(1); }, &State::destroy_ref},
                             &State::check),
        {"lent again"}, {.preemptions = 2});
}

// Two threads register under the new owner at once: one of them completes the old death, both are in one list.
TEST_CASE("schedules: two threads register under a new owner of an object that has been taken back") {
  struct state : forgetful_pool {
    owner owners[2];
    state() {
      first.reset();
      owners[0] = owners[1] = lend();
    }
    void watch() {
      refs[1].emplace(owners[0], watched_call{&records[1]});
      owners[0].reset();
    }
    void insert() {
      table->insert(2, owners[1]);
      schedule::point();
      owners[1].reset();
    }
    void check() {
      weakref::retire(object);
      expect(records[0].calls == 1 && records[1].calls == 1, "each callback is called");
      expect(table->empty(), "each entry is gone");
    }
  };
  holds(make_scenario<state>({&state::watch, &state::insert}, &state::check), {}, {.preemptions = 4});
}

// --------------------------------------------------------------------------------------------------- adopted

template <bool Shared> struct adopted_state {
  watched_call::record record;
  dictionary table;
  owner held;
  std::optional<watching_ref> ref;
  bool died = false;
  adopted_state() {
    if constexpr (Shared) {
      held = weakref::detail::adopt_shared<explored_sync>(std::make_shared<thing>(1));
    } else {
      held = weakref::detail::adopt_unique<explored_sync>(std::make_unique<thing>(1));
    }
    held->at_end = [this] { died = true; };
    table.insert(1, held);
    ref.emplace(held, watched_call{&record});
  }
  void die() { held.reset(); }
  void destroy_ref() {
    ref.reset();
    record.ended();
  }
  void visit() {
    table.visit(1, [](thing& visited) {
      expect(visited.whole, "whole when visited");
      schedule::point();
      expect(visited.whole, "and until visit is over");
    });
  }
  void check() { expect(died && table.empty() && record.calls <= 1, "it died"); }
};
using adopted_from_unique = adopted_state<false>;
using adopted_from_shared = adopted_state<true>;

TEST_CASE_TEMPLATE("schedules: an adopted object dies while it is used", State, adopted_from_unique,
                   adopted_from_shared) {
  holds(make_scenario<State>({&State::die, &State::visit}, &State::check));
  holds(make_scenario<State>({&State::die, &State::destroy_ref}, &State::check));
  holds(make_scenario<State>({&State::die, &State::visit, &State::destroy_ref}, &State::check), {},
        {.preemptions = 2});
}

// ----------------------------------------------------------------------------------------------- callbacks

TEST_CASE("schedules: a callback throws while others wait for it, and the next one is called all the same") {
  struct state {
    watched_call::record records[2];
    owner held = make_thing();
    std::optional<watching_ref> refs[2];
    std::atomic<int> reported{0};
    weakref::unraisable_hook former = weakref::set_unraisable_hook(
        [this](const std::exception_ptr&) { reported.fetch_add(1, std::memory_order_relaxed); });
    state() {
      for (unsigned i = 0; i < 2; ++i) {
        refs[i].emplace(held, watched_call{&records[i]});
        refs[i]->callback()->meanwhile = [this, i] {
          records[i].inside = false;
          throw std::runtime_error("so be it");
        };
      }
    }
    ~state() { weakref::set_unraisable_hook(former); }
    void die() { held.reset(); }
    void destroy(unsigned i) {
      refs[i].reset();
      records[i].ended();
    }
    void check() {
      expect(reported.load() == records[0].calls + records[1].calls, "each exception is reported");
      observe(reported.load() == 2 ? "both threw" : "not both threw");
    }
  };
  for (const unsigned destroyed : {0U, 1U})
    holds(make_scenario<state>({&state::die, with(&state::destroy, destroyed)}, &state::check),
          {"both threw", "not both threw"});
}

TEST_CASE("schedules: a death inside a callback, and the ends of the refs of both objects") {
  struct state {
    watched_call::record records[2];
    owner outer = make_thing(1), inner = make_thing(2);
    std::optional<watching_ref> refs[2];
    unsigned died = 0;
    state() {
      refs[0].emplace(outer, watched_call{&records[0], [this] { inner.reset(); }});
      refs[1].emplace(inner, watched_call{&records[1]});
      inner->at_end = [this] { ++died; };
    }
    void die() { outer.reset(); }
    void destroy(unsigned i) {
      refs[i].reset();
      records[i].ended();
    }
    void check() { expect(records[0].calls >= records[1].calls, "the inner death is the outer callback's"); }
  };
  holds(make_scenario<state>({&state::die, with(&state::destroy, 0)}, &state::check));
  holds(make_scenario<state>({&state::die, with(&state::destroy, 1)}, &state::check));
  holds(
      make_scenario<state>({&state::die, with(&state::destroy, 0), with(&state::destroy, 1)}, &state::check),
      {}, {.preemptions = 3});
}

// Each of two callbacks destroys the other death's ref: both would wait for each other's callback.
TEST_CASE("schedules: two deaths whose callbacks each end a ref that the other thread still has to call") {
  struct state {
    watched_call::record records[4];
    owner objects[2] = {make_thing(1), make_thing(2)};
    std::optional<watching_ref> called[2];  // newer, called first
    std::optional<watching_ref> waiting[2]; // older
    state() {
      for (unsigned i = 0; i < 2; ++i) {
        waiting[i].emplace(objects[i], watched_call{&records[2 + i]});
        called[i].emplace(objects[i], watched_call{&records[i], [this, i] {
                                                     waiting[1 - i].reset();
                                                     records[3 - i].ended();
                                                   }});
      }
    }
    void die(unsigned i) { objects[i].reset(); }
    void check() {
      expect(records[0].calls == 1 && records[1].calls == 1, "both first callbacks are called");
      expect(records[2].calls <= 1 && records[3].calls <= 1, "the others at most once");
    }
  };
  holds(make_scenario<state>({with(&state::die, 0), with(&state::die, 1)}, &state::check), {},
        {.preemptions = 4});
}

struct forwarded_call {
  using weakref_sync = explored_sync;
  int* calls;
  template <class Ref> void operator()(Ref&) { call(); }
  void operator()() { call(); }
  void call() {
    schedule::point();
    ++*calls;
    schedule::point();
  }
};

// The callback uses members of the subclass: disarm() waits before they go.
struct counting_ref : weakref::ref<thing, forwarded_call> {
  std::unique_ptr<int> own;
  counting_ref(const owner& watched, std::unique_ptr<int> calls)
      : weakref::ref<thing, forwarded_call>(watched, forwarded_call{calls.get()}), own(std::move(calls)) {}
  ~counting_ref() {
    disarm();
    disarm(); // idempotent
  }
};

TEST_CASE("schedules: a subclass whose callback uses its members ends while its referent dies") {
  struct state {
    owner held = make_thing();
    std::optional<counting_ref> ref{std::in_place, held, std::make_unique<int>(0)};
  };
  holds(make_scenario<state>({[](state& s) { s.held.reset(); }, [](state& s) { s.ref.reset(); }}));
}

struct method_owner : thing {
  using thing::thing;
  void method() { expect(whole, "whole while its method runs"); }
};

TEST_CASE("schedules: a proxy and a method with callbacks, and the death of their object") {
  struct state {
    int calls[2] = {};
    std::shared_ptr<method_owner> held = weakref::detail::make_tracked_with<explored_sync, method_owner>(1);
    std::optional<weakref::proxy<method_owner, forwarded_call>> proxy;
    std::optional<weakref::WeakMethod<method_owner, void (method_owner::*)(), forwarded_call>> method;
    state() {
      proxy.emplace(held, forwarded_call{&calls[0]});
      method.emplace(held, &method_owner::method, forwarded_call{&calls[1]});
    }
    void die() { held.reset(); }
    void use() {
      try {
        expect((*proxy)->whole, "whole through a proxy");
        observe("alive");
      } catch (const weakref::ReferenceError&) {
        observe("dead");
      }
      schedule::point();
      if (const auto bound = (*method)()) {
        schedule::point();
        bound();
      }
    }
    void end() {
      proxy.reset();
      const int seen = calls[0];
      schedule::point();
      expect(calls[0] == seen, "no call after the end of a proxy");
      method.reset();
    }
    void check() { expect(calls[0] <= 1 && calls[1] <= 1, "each callback at most once"); }
  };
  holds(make_scenario<state>({&state::die, &state::use},
                             [](state& s) { expect(s.calls[0] == 1 && s.calls[1] == 1, "both callbacks"); }),
        {"alive", "dead"});
  holds(make_scenario<state>({&state::die, &state::end}, &state::check), {}, {.preemptions = 4});
}

} // namespace
