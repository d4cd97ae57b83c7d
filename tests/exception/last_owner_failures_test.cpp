// SPDX-License-Identifier: BSL-1.0
// Failures that come together with a death: when a call fails all other owners of what is being stored have gone, and
// the operation, on its way out, lets the object go. Nothing is left of it, no lock is held when it dies, and the
// container is as it was.
#include "faulty.hpp"
#include "injection.hpp"

#include "../support/dictionary_mutex.hpp"

#include <weakref/ref.hpp>
#include <weakref/weak_key_dictionary.hpp>
#include <weakref/weak_set.hpp>
#include <weakref/weak_value_dictionary.hpp>

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace injection;
using dictionary_test::accounting_allocator;
using dictionary_test::watched_mutex;

namespace {

using end_function = std::function<void()>;

struct mourned : counted<mourned> {
  explicit mourned(int start, const end_function* end = nullptr) : number(start), at_end(end) {
    faults::point(fault::construct);
  }
  mourned(const mourned&) = delete;
  mourned& operator=(const mourned&) = delete;
  virtual ~mourned() {
    if (at_end != nullptr) (*at_end)();
  }
  const int number;
  const end_function* at_end;
};
struct self_tracked_mourned : mourned, weakref::enable_weakref {
  using mourned::mourned;
};

using Owner = std::shared_ptr<mourned>;
using Value = faulty<true>;
using Values = weakref::WeakValueDictionary<faulty<false>, mourned, faulty_hash, faulty_equal,
                                            accounting_allocator<mourned>, watched_mutex>;
using Keys = weakref::WeakKeyDictionary<mourned, Value, crowded_hash, faulty_equal,
                                        accounting_allocator<mourned>, watched_mutex>;
using Set =
    weakref::WeakSet<mourned, crowded_hash, faulty_equal, accounting_allocator<mourned>, watched_mutex>;

// Of all three, by the object's number.
void store(Values& values, const Owner& owner) { values.insert(faulty<false>(owner->number), owner); }
void store(Keys& keys, const Owner& owner) { keys.insert(owner, Value(owner->number)); }
void store(Set& set, const Owner& owner) { set.add(owner); }
void erase(Values& values, const Owner& owner) { values.erase(faulty<false>(owner->number)); }
void erase(Keys& keys, const Owner& owner) { keys.erase(owner); }
void erase(Set& set, const Owner& owner) { set.erase(owner); }
bool has(const Values& values, const Owner& owner) {
  return values.get(faulty<false>(owner->number)) == owner;
}
bool has(const Keys& keys, const Owner& owner) {
  return keys.contains(owner) && keys.at(owner).number == owner->number;
}
bool has(const Set& set, const Owner& owner) { return set.get(owner) == owner; }

// Gives the owner away when it is asked for one.
struct giving {
  Owner* owner;
  operator Owner() const {
    faults::point(fault::convert);
    return std::move(*owner);
  }
};

// An operation meets this.
template <class Container> struct scene {
  static constexpr int residents_count = 4; // a table of 6 slots is full with them

  scene(int number, bool is_self_tracked)
      : container(weakref::options{.shards = 1}, accounting_allocator<mourned>(books)) {
    for (int i = 1; i <= residents_count; ++i) {
      residents.push_back(weakref::make_tracked<mourned>(i));
      store(container, residents.back());
    }
    if (is_self_tracked) {
      newcomer = std::make_shared<self_tracked_mourned>(number, &at_end);
    } else {
      newcomer = weakref::make_tracked<mourned>(number, &at_end);
    }
  }

  // What a death finds. It would not return if a lock were held: so it looks first.
  void look() {
    const faults::pause quiet;
    ++ended;
    is_outside = is_outside && watched_mutex::held() == 0 && weakref::detail::this_thread().depth == 0;
    if (!is_outside) return;
    store(container, guest);
    was_usable = was_usable && has(container, guest) && has(container, residents.back());
    erase(container, guest);
  }

  closing_account books;
  Container container;
  std::vector<Owner> residents;
  int ended = 0;
  bool is_outside = true;
  bool was_usable = true;
  const end_function at_end = [this] { look(); };
  Owner guest = weakref::make_tracked<mourned>(777);
  Owner newcomer;
};

template <class Container> struct operation_at_last {
  const char* name;
  void (*run)(scene<Container>&);
  // It makes an object of its own besides.
  bool makes = false;
};

// The owners that go in the moment of the failure. Not in a comparison, under the lock, where nobody else owns the
// object: that death would be the comparison's own.
thread_local Owner* going[2] = {nullptr, nullptr};
void let_them_go() {
  for (Owner* const each : going) {
    if (each != nullptr && (watched_mutex::held() == 0 || each->use_count() > 1)) each->reset();
  }
}

// Which newcomer, and what goes with it.
struct situation {
  int number; // 17 has the hash of the first resident, 1 equals it
  bool is_self_tracked;
  bool resident_goes; // the first one, in the same moment
  bool lasting;       // whatever comes after the first failure fails too
};

template <class Container>
bool comes_through(const operation_at_last<Container>& operation, const situation& now, long budget,
                   int& deaths) {
  scene<Container> s(now.number, now.is_self_tracked);
  const auto count_keys = [] { return faulty<false>::alive() + Value::alive(); };
  const long keys = count_keys();
  const long objects = mourned::alive();
  const long blocks = s.books.blocks;
  going[0] = &s.newcomer;
  going[1] = now.resident_goes ? &s.residents.front() : nullptr;
  faults::on_failure = &let_them_go;
  const bool is_through = !fails([&] { operation.run(s); }, budget, now.lasting);
  faults::on_failure = nullptr;
  if (!is_through) let_them_go();

  check_thread_record();
  CHECK(watched_mutex::held() == 0);
  CHECK(s.is_outside);
  CHECK(s.was_usable);
  if (is_through) return true;
  deaths += s.ended;
  CHECK((operation.makes ? s.ended >= 1 : s.ended == 1));
  const long gone = now.resident_goes ? 1 : 0;
  CHECK(mourned::alive() == objects - 1 - gone);
  CHECK(s.books.blocks == blocks - gone);
  CHECK(count_keys() == keys - (std::is_same_v<Container, Set> ? 0 : gone));
  CHECK(s.container.size() == s.residents.size() - static_cast<std::size_t>(gone));
  for (const Owner& each : s.residents) {
    if (each == nullptr) continue;
    CHECK(has(s.container, each));
    CHECK(weakref::getweakrefcount(each) == 1);
    CHECK(each.use_count() == 1);
  }
  store(s.container, s.guest);
  CHECK(has(s.container, s.guest));
  return false;
}

template <class Container, std::size_t count>
void fail_with_the_last_owner(const std::array<operation_at_last<Container>, count>& operations) {
  for (const auto& operation : operations) {
    const std::string name = operation.name;
    CAPTURE(name);
    for (int choice = 0; choice != 16; ++choice) {
      const situation now{(choice & 1) != 0 ? 17 : 1, (choice & 2) != 0, (choice & 4) != 0,
                          (choice & 8) != 0};
      CAPTURE(now.number);
      CAPTURE(now.is_self_tracked);
      CAPTURE(now.resident_goes);
      CAPTURE(now.lasting);
      int deaths = 0;
      const long failures = failures_until_through(300, [&](long budget) {
        const long left = mourned::alive() + faulty<false>::alive() + Value::alive();
        const long blocks = dictionary_test::heap::blocks.load();
        const bool is_through = comes_through(operation, now, budget, deaths);
        CHECK(mourned::alive() + faulty<false>::alive() + Value::alive() == left);
        CHECK(dictionary_test::heap::blocks.load() == blocks);
        return is_through;
      });
      CHECK(failures > 0);
      CHECK(deaths >= failures);
    }
  }
}

} // namespace

TEST_CASE("WeakValueDictionary: an operation that fails as the last owner lets the object die outside its "
          "locks, and "
          "nothing is left") {
  using key = faulty<false>;
  using in = scene<Values>;
  fail_with_the_last_owner<Values, 12>({{
      {"insert of a copy", [](in& s) { s.container.insert(key(17), s.newcomer); }},
      {"insert of the owner itself", [](in& s) { s.container.insert(key(17), std::move(s.newcomer)); }},
      {"insert_or_assign under a new key",
       [](in& s) { s.container.insert_or_assign(key(17), std::move(s.newcomer)); }},
      {"insert_or_assign under a key that is there",
       [](in& s) { s.container.insert_or_assign(key(1), std::move(s.newcomer)); }},
      {"setdefault", [](in& s) { s.container.setdefault(key(17), std::move(s.newcomer)); }},
      {"update with the owner itself",
       [](in& s) {
         const faulty_range<std::pair<stand_in, giving>, 1> one{{{{17}, {&s.newcomer}}}};
         s.container.update(one);
       }},
      {"update whose later pairs fail, in the place of what is there",
       [](in& s) {
         Owner second = s.guest;
         Owner third = s.guest;
         const faulty_range<std::pair<stand_in, giving>, 3> three{
             {{{1}, {&s.newcomer}}, {{33}, {&second}}, {{49}, {&third}}}};
         s.container.update(three);
       }},
      {"update whose first pair fails",
       [](in& s) {
         Owner first = s.guest;
         const faulty_range<std::pair<stand_in, giving>, 2> two{{{{33}, {&first}}, {{17}, {&s.newcomer}}}};
         s.container.update(two);
       }},
      {"try_emplace", [](in& s) { (void)s.container.try_emplace(key(33), 33, &s.at_end); }, true},
      {"get_or_create of the owner itself",
       [](in& s) { (void)s.container.get_or_create(key(17), [&] { return std::move(s.newcomer); }); }},
      {"get_or_create of an object",
       [](in& s) { (void)s.container.get_or_create(key(33), [&] { return mourned(33, &s.at_end); }); }, true},
      {"get_or_create of a unique_ptr",
       [](in& s) {
         (void)s.container.get_or_create(
             key(33), [&] { return std::make_unique<self_tracked_mourned>(33, &s.at_end); });
       },
       true},
  }});
}

TEST_CASE("WeakKeyDictionary: an operation that fails as the last owner of a key lets it die outside its "
          "locks, and "
          "nothing is left") {
  using in = scene<Keys>;
  fail_with_the_last_owner<Keys, 6>({{
      {"insert", [](in& s) { s.container.insert(s.newcomer, Value(17)); }},
      {"insert_or_assign", [](in& s) { s.container.insert_or_assign(s.newcomer, Value(17)); }},
      {"setdefault", [](in& s) { (void)s.container.setdefault(s.newcomer, Value(17)); }},
      {"update with the owner itself",
       [](in& s) {
         const faulty_range<std::pair<giving, stand_in>, 1> one{{{{&s.newcomer}, {17}}}};
         s.container.update(one);
       }},
      {"update whose later pairs fail",
       [](in& s) {
         Owner second = s.guest;
         const faulty_range<std::pair<giving, stand_in>, 2> two{{{{&s.newcomer}, {17}}, {{&second}, {777}}}};
         s.container.update(two);
       }},
      {"get_or_create", [](in& s) { (void)s.container.get_or_create(s.newcomer, [] { return Value(17); }); }},
  }});
}

TEST_CASE("WeakSet: an operation that fails as the last owner lets the element die outside its locks, and "
          "nothing is "
          "left") {
  using in = scene<Set>;
  fail_with_the_last_owner<Set, 4>({{
      {"add", [](in& s) { s.container.add(s.newcomer); }},
      {"get_or_add", [](in& s) { (void)s.container.get_or_add(s.newcomer); }},
      {"update with the owner itself",
       [](in& s) {
         const faulty_range<giving, 1> one{{{&s.newcomer}}};
         s.container.update(one);
       }},
      {"update whose later elements fail",
       [](in& s) {
         Owner second = s.guest;
         const faulty_range<giving, 2> two{{{&s.newcomer}, {&second}}};
         s.container.update(two);
       }},
  }});
}
