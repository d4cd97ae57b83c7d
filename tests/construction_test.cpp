// SPDX-License-Identifier: BSL-1.0
// What the containers are made with, in every form: options, a Hash and a KeyEqual that are not like any other of
// their types, an allocator. And that all of it goes along with the contents.
#include <weakref/weak_key_dictionary.hpp>
#include <weakref/weak_set.hpp>
#include <weakref/weak_value_dictionary.hpp>

#include "support/counting_allocator.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

struct Item {
  explicit Item(int start = 0) : number(start) {}
  int number;
};
std::shared_ptr<Item> item(int number) { return weakref::make_tracked<Item>(number); }

int number_of(int number) { return number; }
int number_of(const Item& object) { return object.number; }

// Numbers that have the same rest are one, to who has this state.
struct Rest {
  int divisor = 1000;
  template <class Key> std::size_t operator()(const Key& key) const noexcept {
    return static_cast<std::size_t>(number_of(key) % divisor);
  }
};
struct SameRest {
  int divisor = 1000;
  template <class Left, class Right> bool operator()(const Left& left, const Right& right) const noexcept {
    return number_of(left) % divisor == number_of(right) % divisor;
  }
};
constexpr int chosen = 10, otherwise = 7;

// Never equal to another one's, and stays where it is; so move assignment goes element by element.
template <class T> using allocator = support::counting_allocator<T>;

template <class Allocator> struct of_values {
  using type = weakref::WeakValueDictionary<int, Item, Rest, SameRest, Allocator>;
  using element = std::pair<int, std::shared_ptr<Item>>;
  static element make(const std::shared_ptr<Item>& owner) { return {owner->number, owner}; }
  static bool store(type& container, const std::shared_ptr<Item>& owner) {
    return container.insert(owner->number, owner).second;
  }
  static bool has(const type& container, int number) { return container.contains(number); }
};
template <class Allocator> struct of_keys {
  using type = weakref::WeakKeyDictionary<Item, int, Rest, SameRest, Allocator>;
  using element = std::pair<std::shared_ptr<Item>, int>;
  static element make(const std::shared_ptr<Item>& owner) { return {owner, owner->number}; }
  static bool store(type& container, const std::shared_ptr<Item>& owner) {
    return container.insert(owner, owner->number);
  }
  static bool has(const type& container, int number) { return container.contains(Item(number)); }
};
// A value that can only be moved.
template <class Allocator> struct of_unique_values {
  using type = weakref::WeakKeyDictionary<Item, std::unique_ptr<int>, Rest, SameRest, Allocator>;
  static bool store(type& container, const std::shared_ptr<Item>& owner) {
    return container.insert(owner, std::make_unique<int>(owner->number));
  }
  static bool has(const type& container, int number) { return container.contains(Item(number)); }
};
template <class Allocator> struct of_elements {
  using type = weakref::WeakSet<Item, Rest, SameRest, Allocator>;
  using element = std::shared_ptr<Item>;
  static element make(const std::shared_ptr<Item>& owner) { return owner; }
  static bool store(type& container, const std::shared_ptr<Item>& owner) { return container.add(owner); }
  static bool has(const type& container, int number) { return container.contains(Item(number)); }
};

// That it looks up as its state says: by the rest of this divisor.
template <class Kind> void check_state(typename Kind::type& container, int divisor) {
  CHECK(container.hash_function().divisor == divisor);
  CHECK(container.key_eq().divisor == divisor);
  const auto probe = item(5);
  container.clear();
  CHECK(Kind::store(container, probe));
  CHECK(Kind::has(container, 5 + divisor));
  CHECK_FALSE(Kind::has(container, 6 + divisor));
  CHECK_FALSE(Kind::store(container, item(5 + 3 * divisor)));
}
template <class Kind> void check_options(typename Kind::type& container, bool accepts_untracked) {
  container.clear();
  const auto untracked = std::make_shared<Item>(3);
  if (accepts_untracked) {
    CHECK(Kind::store(container, untracked));
  } else {
    CHECK_THROWS_AS(Kind::store(container, untracked), weakref::untracked_error);
  }
}
template <class Kind> void check_made(typename Kind::type made, int divisor, bool accepts_untracked) {
  check_state<Kind>(made, divisor);
  check_options<Kind>(made, accepts_untracked);
}

constexpr weakref::options accepting{.accept_untracked = true};

template <class Kind> void made_in_every_form() {
  using container = typename Kind::type;
  using element = typename Kind::element;
  const auto one = item(1), two = item(2), again = item(1 + chosen);
  const std::vector<element> range{Kind::make(one), Kind::make(two), Kind::make(again)};
  const std::initializer_list<element> list{Kind::make(one), Kind::make(two)};
  static_cast<void>(list);
  const Rest hash{chosen};
  const SameRest equal{chosen};
  support::ledger book;
  const typename container::allocator_type own(book);

  check_made<Kind>(container(accepting, hash, equal, own), chosen, true);
  check_made<Kind>(container(weakref::options(), hash, equal, own), chosen, false);
  {
    const container made(range.begin(), range.end(), accepting, hash, equal, own);
    CHECK(made.size() == 2); // `again` equals `one` already while it is made
    check_made<Kind>(made, chosen, true);
    const container of_range(range, accepting, hash, equal, own);
    CHECK(of_range.size() == 2);
    check_made<Kind>(of_range, chosen, true);
    const container of_list({Kind::make(one), Kind::make(two), Kind::make(again)}, accepting, hash, equal,
                            own);
    CHECK(of_list.size() == 2);
    check_made<Kind>(of_list, chosen, true);
    CHECK(of_list.get_allocator() == own);
  }
  CHECK(book.allocations == book.deallocations);
}

template <template <class> class Kind> void made_in_every_form() {
  using plain = Kind<std::allocator<Item>>;
  using container = typename plain::type;
  made_in_every_form<Kind<allocator<Item>>>();
  const auto one = item(1), two = item(2);
  const std::vector<typename plain::element> range{plain::make(one), plain::make(two)};
  // What is not named is made by default.
  check_made<plain>(container(), 1000, false);
  check_made<plain>(container(accepting), 1000, true);
  check_made<plain>(container({.accept_untracked = true}), 1000, true);
  check_made<plain>(container(range), 1000, false);
  check_made<plain>(container(range, accepting), 1000, true);
  check_made<plain>(container(range.begin(), range.end(), accepting), 1000, true);
  check_made<plain>(container({plain::make(one)}, accepting), 1000, true);
  container hashed(accepting, Rest{chosen});
  CHECK(hashed.hash_function().divisor == chosen);
  CHECK(hashed.key_eq().divisor == 1000);
  check_made<plain>(container({}, Rest{chosen}, SameRest{chosen}), chosen, false);
  check_made<plain>(container(range, {}, Rest{chosen}, SameRest{chosen}), chosen, false);
  check_made<plain>(container({}, {}, Rest{chosen}, SameRest{chosen}), chosen, false);
}

template <class Kind>
void goes_along(typename Kind::type::allocator_type first_memory,
                typename Kind::type::allocator_type second_memory) {
  using container = typename Kind::type;
  const auto make = [&](auto memory) { return container(accepting, Rest{chosen}, SameRest{chosen}, memory); };
  const auto target = [&](auto memory) {
    return container(weakref::options(), Rest{otherwise}, SameRest{otherwise}, memory);
  };
  const auto one = item(1), two = item(2);
  {
    container source = make(first_memory);
    container moved(std::move(source));
    check_state<Kind>(moved, chosen);
    check_options<Kind>(moved, true);
    check_state<Kind>(source, chosen); // usable, and as before
  }
  for (const bool is_empty : {false, true}) {
    CAPTURE(is_empty);
    container source = make(first_memory), to = target(second_memory);
    if (!is_empty) CHECK(Kind::store(source, one));
    CHECK(Kind::store(to, two));
    to = std::move(source);
    CHECK(Kind::has(to, 1 + chosen) == !is_empty);
    CHECK_FALSE(Kind::has(to, 2));
    check_state<Kind>(to, chosen);
    check_options<Kind>(to, true);
    CHECK(to.get_allocator() == second_memory);
    source.clear();
    CHECK(Kind::store(source, one));
  }
  {
    container left = make(first_memory), right = target(first_memory);
    CHECK(Kind::store(left, one));
    CHECK(Kind::store(right, two));
    left.swap(right);
    CHECK(Kind::has(right, 1 + chosen));
    CHECK(Kind::has(left, 2 + otherwise));
    check_state<Kind>(left, otherwise);
    check_options<Kind>(left, false);
    check_state<Kind>(right, chosen);
    check_options<Kind>(right, true);
  }
  if constexpr (requires { typename Kind::element; }) {
    container source = make(first_memory), to = target(second_memory);
    CHECK(Kind::store(source, one));
    check_made<Kind>(source, chosen, true);
    to = source;
    CHECK(Kind::has(to, 1 + chosen));
    check_state<Kind>(to, chosen);
    check_options<Kind>(to, true);
    CHECK(to.get_allocator() == second_memory);
    CHECK(Kind::has(source, 1 + chosen));
  }
}
template <template <class> class Kind> void goes_along() {
  goes_along<Kind<std::allocator<Item>>>({}, {});
  support::ledger first, second;
  goes_along<Kind<allocator<Item>>>(allocator<Item>(first), allocator<Item>(second));
  goes_along<Kind<allocator<Item>>>(allocator<Item>(first), allocator<Item>(first));
  CHECK(first.allocations == first.deallocations);
  CHECK(second.allocations == second.deallocations);
}

// The members of a class, and values that are no constants: how options are given in place.
std::size_t some_shards = 4;
struct Caches {
  weakref::WeakValueDictionary<std::string, Item> values{{.accept_untracked = true}};
  weakref::WeakKeyDictionary<Item, int> keys{{.accept_untracked = true}};
  weakref::WeakSet<Item> set{{.accept_untracked = true}};
  weakref::WeakValueDictionary<int, Item> split{
      {.shards = some_shards, .accept_untracked = some_shards == 4}};
  weakref::WeakKeyDictionary<Item, int> split_keys{
      {.shards = some_shards, .accept_untracked = some_shards == 4}};
  weakref::WeakSet<Item> split_set{{.shards = some_shards, .accept_untracked = some_shards == 4}};
};

} // namespace

TEST_CASE("construction: a Hash and a KeyEqual of one's own, in every form") {
  made_in_every_form<of_values>();
  made_in_every_form<of_keys>();
  made_in_every_form<of_elements>();
}

TEST_CASE("construction: Hash, KeyEqual and options go along with the contents, and the allocator stays") {
  goes_along<of_values>();
  goes_along<of_keys>();
  goes_along<of_unique_values>();
  goes_along<of_elements>();
}

TEST_CASE("construction: a union of dictionaries is made as the left one was") {
  const auto one = item(1), two = item(2 + otherwise);
  using values = of_values<std::allocator<Item>>;
  const values::type left({{1, one}}, accepting, Rest{chosen}, SameRest{chosen});
  const values::type right({{2 + otherwise, two}}, {}, Rest{otherwise}, SameRest{otherwise});
  check_made<values>(left | right, chosen, true);
  CHECK((left | right).get(2 + otherwise + chosen) == two);
  check_made<values>(right | left, otherwise, false);
  using keys = of_keys<std::allocator<Item>>;
  const keys::type sides({{one, 1}}, accepting, Rest{chosen}, SameRest{chosen});
  check_made<keys>(sides | std::vector<keys::element>{{two, 2}}, chosen, true);
}

TEST_CASE("construction: the results of set algebra are made as the left one was") {
  using kind = of_elements<std::allocator<Item>>;
  const auto one = item(1), two = item(2), three = item(3), again = item(1 + chosen);
  const kind::type left({one, two}, accepting, Rest{chosen}, SameRest{chosen});
  const std::vector<std::shared_ptr<Item>> others{again, three};
  check_made<kind>(left | others, chosen, true);
  check_made<kind>(left & others, chosen, true);
  check_made<kind>(left - others, chosen, true);
  check_made<kind>(left ^ others, chosen, true);
  // A range becomes a set that looks up as this one does.
  CHECK((left & others).size() == 1);
  CHECK((left & others).contains(one));
  CHECK((left - others).size() == 1);
  CHECK((left | others).size() == 3);
  CHECK((left ^ others).size() == 2);
  CHECK_FALSE(left.isdisjoint(others));
  CHECK(left.issubset(std::vector{again, item(2 + chosen)}));
  CHECK(left.issuperset(std::vector{again}));
  const auto untracked = std::make_shared<Item>(1);
  CHECK(left.issubset(std::vector{untracked, two}));
}

TEST_CASE("construction: a function, or a lambda with a state, is a Hash") {
  const auto one = item(1);
  const auto lambda = [divisor = 10](int number) { return static_cast<std::size_t>(number % divisor); };
  weakref::WeakValueDictionary<int, Item, decltype(lambda)> by_lambda({}, lambda);
  by_lambda.insert(1, one);
  CHECK(by_lambda.get(1) == one);
  CHECK(by_lambda.hash_function()(21) == 1);
  using function = std::function<std::size_t(int)>;
  weakref::WeakValueDictionary<int, Item, function> by_function({.shards = 2}, lambda);
  by_function.insert(1, one);
  CHECK(by_function.get(1) == one);
  weakref::WeakValueDictionary<int, Item, function> other({}, [](int) { return std::size_t{1}; });
  other = by_function;
  CHECK(other.get(1) == one);
  CHECK(other.hash_function()(21) == 1);
  const auto pointer = +[](const int& number) { return static_cast<std::size_t>(number); };
  weakref::WeakValueDictionary<int, Item, decltype(pointer)> by_pointer({{1, one}}, {}, pointer);
  CHECK(by_pointer.get(1) == one);
}

TEST_CASE("construction: options stand in their place, constants or not, for variables and members") {
  Caches caches;
  const auto untracked = std::make_shared<Item>(1);
  CHECK(caches.values.insert("a", untracked).second);
  CHECK(caches.keys.insert(untracked, 1));
  CHECK(caches.set.add(untracked));
  CHECK(caches.split.insert(1, untracked).second);
  CHECK(caches.split_keys.insert(untracked, 1));
  CHECK(caches.split_set.add(untracked));
  const bool accepts = some_shards == 4;
  weakref::WeakValueDictionary<int, Item> values({.shards = some_shards, .accept_untracked = accepts});
  weakref::WeakKeyDictionary<Item, int> keys({.shards = some_shards, .accept_untracked = accepts});
  weakref::WeakSet<Item> set({.shards = some_shards, .accept_untracked = accepts});
  CHECK(values.insert(1, untracked).second);
  CHECK(keys.insert(untracked, 1));
  CHECK(set.add(untracked));
}

TEST_CASE("construction: pairs in variables, of maps and in braces make one dictionary") {
  const auto one = item(1);
  const std::pair<const int, std::shared_ptr<Item>> of_a_map(1, one);
  std::pair<int, std::shared_ptr<Item>> variable(2, one);
  const weakref::WeakValueDictionary<int, Item> values{of_a_map, variable, {3, one}, std::pair(4, one)};
  CHECK(values.size() == 4);
  const weakref::WeakValueDictionary<int, Item> none{};
  CHECK(none.empty());
  const std::map<int, std::shared_ptr<Item>> map{of_a_map, variable};
  CHECK(weakref::WeakValueDictionary<int, Item>(map, accepting).size() == 2);
  std::pair<std::shared_ptr<Item>, std::string> side(one, "side");
  const weakref::WeakKeyDictionary<Item, std::string> sides{side, {one, "other"}};
  CHECK(sides.get(one) == "other");
  CHECK(side.second == "side");
}
