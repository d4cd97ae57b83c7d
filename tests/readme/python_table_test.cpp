// SPDX-License-Identifier: BSL-1.0

// The middle and right columns of the README's table "Coming from Python", row by row.

#include <weakref/weakref.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {
struct Number {
  int value = 0;
  int next() { return ++value; }
  friend bool operator==(const Number&, const Number&) = default;
};
} // namespace

template <> struct std::hash<Number> {
  std::size_t operator()(const Number& number) const noexcept {
    return static_cast<std::size_t>(number.value);
  }
};

using namespace weakref;

TEST_CASE("README: references, proxies and methods are made and used as the table says") {
  auto owner = make_tracked<Number>();
  ref r(owner);
  ref s(owner);
  ref with_itself(owner, [](ref<Number>& gone) { CHECK(gone.expired()); });
  ref with_nothing(owner, [] {});
  CHECK(r() == owner);
  CHECK(r == s);
  CHECK(std::hash<ref<Number>>()(r) == std::hash<ref<Number>>()(s));
  CHECK(with_nothing.callback() != nullptr);

  proxy p(owner);
  CHECK(p->value == 0);
  static_assert(std::is_base_of_v<std::runtime_error, ReferenceError>);
  KeyedRef k(owner, std::string("key"));
  CHECK(k.key() == "key");
  WeakMethod m(owner, &Number::next);
  CHECK(m()() == 1);

  CHECK(getweakrefcount(owner) == 2); // those with a callback
  CHECK(getweakrefs(owner) == std::vector<const void*>{&with_nothing, &with_itself});
  CHECK_THROWS_AS(static_cast<void>(ref(std::make_shared<Number>(), [] {})), untracked_error);
  ref plain(std::make_shared<Number>()); // nobody must hear of the end

  owner.reset();
  CHECK(r() == nullptr);
  CHECK(with_nothing.callback() == nullptr);
  CHECK(r == s);
  CHECK_THROWS_AS(static_cast<void>(p->value), ReferenceError);
}

TEST_CASE("README: finalizers are made and used as the table says") {
  auto owner = make_tracked<Number>();
  finalize done(
      owner, [](int a, int b) { return a + b; }, 1, 2);
  CHECK(done.alive());
  CHECK(done.atexit());
  CHECK(done.peek() == owner);
  done.atexit(false);
  CHECK_FALSE(done.atexit());
  CHECK(done() == 3);
  CHECK_FALSE(done().has_value());
  CHECK(done.detach() == nullptr);

  finalize quiet(owner, [] {});
  CHECK(quiet());
  CHECK_FALSE(quiet());
  finalize dropped(owner, [] { FAIL("it was detached"); });
  CHECK(dropped.detach() == owner);
}

TEST_CASE("README: dictionaries do what the table says") {
  auto owner = make_tracked<Number>();
  auto equal = make_tracked<Number>();
  WeakValueDictionary<std::string, Number> d;
  CHECK(d.insert_or_assign("k", owner));
  CHECK(d.setdefault("k", equal) == owner);
  CHECK_FALSE(d.insert("k", equal).second);
  CHECK(d.at("k") == owner);
  CHECK(d.get("k") == owner);
  CHECK(d.contains("k"));
  CHECK(d.size() == 1);
  CHECK_THROWS_AS(d.at("other"), std::out_of_range);

  auto e = d;
  CHECK(e == d);
  e.insert_or_assign("k", equal);
  CHECK_FALSE(e == d); // equal objects are not the same
  CHECK((d | e) == e);
  d |= e;
  CHECK(d == e);
  d.update(e);
  for (const auto& [key, value] : d) CHECK((key == "k" && value == equal));
  for (const std::string& key : d.keys()) CHECK(key == "k");
  for (const auto& value : d.values()) CHECK(value == equal);
  for (const auto& value : d.valuerefs()) CHECK(value == ref(equal));

  CHECK(d.popitem().second == equal);
  CHECK(d.pop("k") == nullptr);
  CHECK(d.pop("k", owner) == owner);
  CHECK_FALSE(d.erase("k"));
  e.clear();
  CHECK(e.size() == 0);

  WeakKeyDictionary<Number, int> by_identity;
  WeakKeyDictionary<Number, int, weakref::hash<Number>> by_value;
  by_identity.insert_or_assign(owner, 1);
  by_value.insert_or_assign(owner, 1);
  CHECK_FALSE(by_identity.contains(equal));
  CHECK(by_value.at(equal) == 1);
  CHECK_FALSE(by_identity.pop(equal).has_value());
  for (const auto& key : by_value.keyrefs()) CHECK(key() == owner);
}

TEST_CASE("README: sets do what the table says") {
  auto owner = make_tracked<Number>();
  auto equal = make_tracked<Number>();
  WeakSet<Number> by_identity{owner, equal};
  WeakSet<Number, weakref::hash<Number>> by_value{owner, equal};
  CHECK(by_identity.size() == 2);
  CHECK(by_value.size() == 1);
  CHECK(by_value.get(equal) == owner);
  WeakSet<Number> other;
  other.add(owner);
  CHECK(other <= by_identity);
  CHECK(by_identity.union_(other) == by_identity);
  CHECK_FALSE(other.isdisjoint(by_identity));
  other.discard(owner);
  CHECK_THROWS_AS(other.remove(owner), std::out_of_range);
  other.update(by_identity);
  CHECK(other.pop() != nullptr);
}
