// SPDX-License-Identifier: BSL-1.0
// WeakSet: its members, Python's set algebra with sets and with ranges, and what happens to it while its
// elements die, come and go. (What becomes of it when something throws: exception/set_injection_test.cpp.)
#include <weakref/weak_set.hpp>

#include "support/dictionary_allocator.hpp"
#include "support/dictionary_keys.hpp"
#include "support/dictionary_mutex.hpp"
#include "support/dictionary_new.hpp"
#include "support/dictionary_objects.hpp"
#include "support/refused.hpp"

#include <weakref/errors.hpp>
#include <weakref/ref.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

using namespace dictionary_test;

namespace {

using Items = weakref::WeakSet<Item>;
using Owner = std::shared_ptr<Item>;
using Owners = std::vector<Owner>;
using Numbers = std::set<int>;

template <class Set> Numbers numbers(const Set& of) {
  Numbers found;
  for (const auto& element : of) CHECK(found.insert(element->number).second);
  return found;
}

// A letter is one object; sets are written as words.
class Letters {
 public:
  Letters() {
    for (int i = 0; i < 26; ++i) owners_.push_back(item('a' + i));
  }
  const Owner& operator[](char letter) const { return owners_.at(static_cast<std::size_t>(letter - 'a')); }
  Owners list(std::string_view word) const {
    Owners found;
    for (const char letter : word) found.push_back((*this)[letter]);
    return found;
  }
  Items set(std::string_view word) const { return Items(list(word)); }
  void kill(char letter) { owners_.at(static_cast<std::size_t>(letter - 'a')).reset(); }

 private:
  Owners owners_;
};

Numbers word(std::string_view letters) { return Numbers(letters.begin(), letters.end()); }

using support::refused;

// Equal by its text; the set is asked with text alone, too.
struct Name : counted<Name> {
  explicit Name(std::string start) : text(std::move(start)) {}
  std::string text;
};
struct NameHash {
  using is_transparent = void;
  std::size_t operator()(const Name& name) const noexcept { return (*this)(std::string_view(name.text)); }
  std::size_t operator()(std::string_view text) const noexcept { return text.size(); }
};
struct NameEqual {
  using is_transparent = void;
  bool operator()(const Name& left, const Name& right) const { return (*this)(left, right.text); }
  bool operator()(const Name& left, std::string_view right) const noexcept { return left.text == right; }
};
using Names = weakref::WeakSet<Name, NameHash, NameEqual>;

std::shared_ptr<Name> name(const char* text) { return weakref::make_tracked<Name>(text); }

std::set<std::string> texts(const Names& names) {
  std::set<std::string> found;
  for (const auto& element : names) CHECK(found.insert(element->text).second);
  return found;
}
using Texts = std::set<std::string>;

// A hash that lets somebody else get in between.
struct MeddlingHash {
  static inline int calls = 0;
  static inline std::function<void(int)> meddle;
  std::size_t operator()(const Name& name) const {
    if (meddle) meddle(++calls);
    return name.text.size();
  }
};
using Meddled = weakref::WeakSet<Name, MeddlingHash, NameEqual>;

} // namespace

static_assert(sizeof(weakref::WeakSet<Item>) == 16);
static_assert(sizeof(weakref::local::WeakSet<Item>) == 16);
static_assert(sizeof(weakref::WeakSet<Item, std::hash<int>, std::equal_to<>>) == 16);
static_assert(sizeof(Names) == 16);
static_assert(std::is_nothrow_default_constructible_v<Items>);
static_assert(std::is_nothrow_move_constructible_v<Items> && std::is_nothrow_move_assignable_v<Items>);
static_assert(std::is_copy_constructible_v<Items> && std::is_nothrow_swappable_v<Items>);
static_assert(std::is_same_v<Items::value_type, std::shared_ptr<Item>>);
static_assert(!std::is_convertible_v<Owners, Items>);

// --- members -------------------------------------------------------------------------------------------------

TEST_CASE("WeakSet: a new one is empty") {
  Items items;
  const auto one = item(1);
  CHECK(items.empty());
  CHECK(items.size() == 0);
  CHECK_FALSE(items.contains(one));
  CHECK(items.get(one) == nullptr);
  CHECK_FALSE(items.discard(one));
  CHECK_FALSE(items.erase(one));
  CHECK_THROWS_AS(items.remove(one), std::out_of_range);
  CHECK_THROWS_AS((void)items.pop(), std::out_of_range);
  CHECK(items.begin() == items.end());
  CHECK(items.erase_if([](const Owner&) { return true; }) == 0);
  CHECK(items == Items());
  CHECK(items <= Items());
  items.clear();
  CHECK(items.empty());
}

TEST_CASE("WeakSet: an empty one allocates nothing, whatever it is asked") {
  const auto one = item(1);
  const long before = heap::calls.load();
  {
    Items items;
    (void)items.contains(one);
    (void)items.discard(one);
    (void)items.erase_if([](const Owner&) { return true; });
    for (auto&& element : items) (void)element;
    for (auto&& element : items.refs()) (void)element;
    items.clear();
    Items moved(std::move(items));
    const Items copy(moved);
    moved -= copy;
    CHECK(moved.isdisjoint(copy));
  }
  CHECK(heap::calls.load() == before);
}

TEST_CASE("WeakSet: an element costs one node of at most forty-eight bytes, and its slots") {
  using Accounted =
      weakref::WeakSet<Item, weakref::by_identity, weakref::by_identity, accounting_allocator<Item>>;
  account books;
  Accounted items({.shards = 1}, accounting_allocator<Item>(books));
  Owners owners;
  constexpr int count = 1000;
  for (int i = 0; i < count; ++i) owners.push_back(item(i));
  items.add(owners[0]);
  items.reserve(count);
  const long calls = books.calls;
  const long bytes = books.bytes;
  for (const Owner& owner : owners) items.add(owner);
  CHECK(books.calls.load() == calls + count); // the first one's was not needed
  CHECK(books.bytes.load() == bytes + 48 * (count - 1));
  owners.clear();
  CHECK(items.empty());
  CHECK(books.bytes.load() == bytes - 48);
}

TEST_CASE("WeakSet: made from lists, ranges and iterators, each element once") {
  const Letters letters;
  const Owners twice = letters.list("abcab");
  CHECK(numbers(Items(twice)) == word("abc"));
  CHECK(numbers(Items(twice.begin(), twice.end(), {.shards = 4})) == word("abc"));
  CHECK(numbers(Items{letters['x'], letters['x']}) == word("x"));
  CHECK(numbers(Items(std::list<Owner>{letters['q']})) == word("q"));
  CHECK_THROWS_AS(Items({letters['a'], nullptr}), weakref::untracked_error);
  CHECK(weakref::getweakrefcount(letters['a']) == 0);
}

TEST_CASE("WeakSet: add says whether the element is new") {
  Items items;
  const auto one = item(1);
  CHECK(items.add(one));
  CHECK_FALSE(items.add(one));
  CHECK(items.size() == 1);
  CHECK(items.contains(one));
  CHECK(weakref::getweakrefcount(one) == 1);
  CHECK(one.use_count() == 1);
}

TEST_CASE("WeakSet: discard and erase say whether there was something, remove insists on it") {
  Items items;
  const auto one = item(1);
  items.add(one);
  CHECK(items.discard(one));
  CHECK_FALSE(items.discard(one));
  items.add(one);
  CHECK(items.erase(one.get()));
  items.add(one);
  items.remove(*one);
  CHECK_THROWS_AS(items.remove(one), std::out_of_range);
  CHECK(items.empty());
  CHECK(weakref::getweakrefcount(one) == 0);
}

TEST_CASE("WeakSet: an element leaves when it dies, and only then") {
  Items items;
  auto one = item(1);
  items.add(one);
  auto second_owner = one;
  one.reset();
  CHECK(items.size() == 1);
  second_owner.reset();
  CHECK(items.empty());
  CHECK(Item::alive() == 0);
}

TEST_CASE("WeakSet: asked by owner, object and pointer, const or derived") {
  const auto square = weakref::make_tracked<Square>(3);
  const std::shared_ptr<const Shape> constant = square;
  weakref::WeakSet<Shape> shapes;
  shapes.add(square);
  CHECK(shapes.contains(square));
  CHECK(shapes.contains(constant));
  CHECK(shapes.contains(*square));
  CHECK(shapes.contains(square.get()));
  CHECK(shapes.contains(constant.get()));
  CHECK(shapes.get(square.get()) == square);
  const Square other(3);
  CHECK_FALSE(shapes.contains(other));
  CHECK_FALSE(shapes.contains(nullptr));
  CHECK_FALSE(shapes.contains(std::shared_ptr<Shape>()));
  CHECK_FALSE(shapes.discard(static_cast<const Shape*>(nullptr)));
}

TEST_CASE("WeakSet: one address under two owners is two elements") {
  Item object(1);
  const auto left = weakref::make_tracked<int>(1);
  const auto right = weakref::make_tracked<int>(2);
  const Owner by_left(left, &object);
  const Owner by_right(right, &object);
  Items items;
  CHECK(items.add(by_left));
  CHECK_FALSE(items.contains(by_right));
  CHECK(items.add(by_right));
  CHECK(items.size() == 2);
  CHECK(items.discard(by_left));
  CHECK(items.contains(by_right));
  CHECK(items.get(&object).owner_before(left) == right.owner_before(left));
}

TEST_CASE("WeakSet: const elements") {
  auto one = weakref::make_tracked<const Item>(1);
  weakref::WeakSet<const Item> items{one};
  CHECK(items.contains(*one));
  one.reset();
  CHECK(items.empty());
}

TEST_CASE("WeakSet: pop takes each element once, then throws") {
  for (const std::size_t shards : {std::size_t{1}, std::size_t{4}}) {
    const Letters letters;
    Items items(letters.list("hello"), {.shards = shards});
    Numbers seen;
    for (int i = 0; i < 4; ++i) {
      const Owner popped = items.pop();
      CHECK(seen.insert(popped->number).second);
      CHECK(weakref::getweakrefcount(popped) == 0);
    }
    CHECK(seen == word("helo"));
    CHECK_THROWS_AS((void)items.pop(), std::out_of_range);
  }
}

TEST_CASE("WeakSet: erase_if sees all before it takes any, and its predicate may use the set") {
  const Letters letters;
  Items items = letters.set("abcdef");
  CHECK(items.erase_if([&](const Owner& element) {
    CHECK(items.size() == 6);
    CHECK(items.contains(element));
    return element->number < 'c';
  }) == 2);
  CHECK(numbers(items) == word("cdef"));
  int asked = 0;
  CHECK_THROWS_AS(items.erase_if([&](const Owner&) {
    if (++asked == 3) throw std::runtime_error("enough");
    return true;
  }),
                  std::runtime_error);
  CHECK(numbers(items) == word("cdef"));
}

TEST_CASE("WeakSet: untracked, null and ownerless elements are refused by name") {
  Items items;
  const auto untracked = std::make_shared<Item>(1);
  CHECK_THROWS_AS(items.add(untracked), weakref::untracked_error);
  CHECK_THROWS_AS(items.add(nullptr), weakref::untracked_error);
  CHECK_THROWS_AS(items.add(Owner(std::shared_ptr<void>(), untracked.get())), weakref::untracked_error);
  CHECK(items.empty());
  try {
    items.add(untracked);
  } catch (const weakref::untracked_error& error) {
    CHECK(std::string(error.what()).find("dictionary_test::Item") != std::string::npos);
  }
  Items accepting({.accept_untracked = true});
  CHECK(accepting.add(untracked));
  CHECK_THROWS_AS(accepting.add(nullptr), weakref::untracked_error);
}

TEST_CASE("WeakSet: copies, moves, swaps; every death leaves the right set") {
  auto one = item(1);
  auto two = item(2);
  Items first{one};
  Items second{two};
  Items third(first);
  first.swap(second);
  swap(second, third);
  Items fourth(std::move(second));
  CHECK(second.empty()); // NOLINT(bugprone-use-after-move)
  second.add(two);
  third = first;
  CHECK(numbers(third) == Numbers{2});
  fourth = std::move(third);
  CHECK(third.empty()); // NOLINT(bugprone-use-after-move)
  const Items& same = fourth;
  fourth = same;
  CHECK(weakref::getweakrefcount(one) == 0);
  CHECK(weakref::getweakrefcount(two) == 3);
  two.reset();
  for (const Items* each : {&first, &second, &third, &fourth}) CHECK(each->empty());
}

namespace {

struct Person : counted<Person> {
  weakref::WeakSet<Person> friends;
};

} // namespace

TEST_CASE("WeakSet: a class can have a set of its own kind as a member, with members in circles") {
  auto one = weakref::make_tracked<Person>();
  auto two = weakref::make_tracked<Person>();
  one->friends.add(two);
  two->friends.add(one);
  one->friends.add(one);
  CHECK(one->friends.size() == 2);
  two.reset();
  CHECK(one->friends.size() == 1);
  one.reset();
  CHECK(Person::alive() == 0);
}

// 16
TEST_CASE("WeakSet: an object in a thousand sets leaves them all") {
  std::vector<Items> sets(1000);
  auto one = item(1);
  for (Items& each : sets) each.add(one);
  CHECK(weakref::getweakrefcount(one) == 1000);
  one.reset();
  for (const Items& each : sets) CHECK(each.empty());
}

// --- by value ------------------------------------------------------------------------------------------------

TEST_CASE("WeakSet: by value: get returns the object in the set that equals the given one") {
  auto first = name("red");
  const auto second = name("red");
  Names names;
  CHECK(names.add(first));
  CHECK_FALSE(names.add(second));
  CHECK(names.get(second) == first);
  CHECK(names.get(*second) == first);
  CHECK(names.get(std::string_view("red")) == first);
  CHECK(names.get(std::string_view("tan")) == nullptr);
  CHECK(names.contains(Name("red")));
  CHECK(weakref::getweakrefcount(second) == 0);
  first.reset();
  CHECK_FALSE(names.contains(second));
  CHECK(names.add(second));
  CHECK(names.discard(Name("red")));
}

namespace {
struct Stamp : weakref::enable_weakref {
  explicit Stamp(int start) : number(start) {}
  bool operator==(const Stamp& other) const { return number == other.number; }
  int number;
};
} // namespace

TEST_CASE("WeakSet: by value: a look-up among a thousand objects of one hash allocates now and then only") {
  // The objects are held while they are compared, since others have made them.
  constexpr int count = 1000;
  constexpr long few = 16;
  weakref::WeakSet<Stamp, constant_hash> stamps({.shards = 1});
  std::vector<std::shared_ptr<Stamp>> owners;
  for (int i = 0; i < count; ++i) owners.push_back(std::make_shared<Stamp>(i));
  const auto extra = std::make_shared<Stamp>(count);
  const auto calls_of = [](auto operation) {
    const long before = heap::calls.load();
    operation();
    return heap::calls.load() - before;
  };
  stamps.update(owners);
  REQUIRE(stamps.size() == count);
  CHECK(calls_of([&] { CHECK(stamps.contains(owners.back())); }) <= few);
  CHECK(calls_of([&] { CHECK_FALSE(stamps.contains(extra)); }) <= few);
  CHECK(calls_of([&] { CHECK_FALSE(stamps.contains(Stamp(-1))); }) <= few);
  CHECK(calls_of([&] { CHECK(stamps.get(owners.front()) == owners.front()); }) <= few);
  CHECK(calls_of([&] { CHECK_FALSE(stamps.discard(extra)); }) <= few);
  CHECK(calls_of([&] { CHECK(stamps.add(extra)); }) <= few + 4);
  CHECK(calls_of([&] { CHECK(stamps.get_or_add(owners[500]) == owners[500]); }) <= few);
  CHECK(calls_of([&] { CHECK(stamps.discard(owners.back())); }) <= few);
  for (const auto& owner : owners) CHECK(owner.use_count() == 1);
}

TEST_CASE("WeakSet: get_or_add gives the element that is there, or adds the object") {
  Names names;
  const auto first = name("one");
  const auto equal = name("one");
  CHECK(names.get_or_add(first) == first);
  CHECK(names.size() == 1);
  const long allocated = heap::calls.load();
  CHECK(names.get_or_add(equal) == first);
  CHECK(names.get_or_add(first) == first);
  CHECK(heap::calls.load() == allocated);
  CHECK(names.size() == 1);
  CHECK(first.use_count() == 1);
  CHECK(equal.use_count() == 1);
  CHECK(weakref::getweakrefcount(equal) == 0);

  Items by_identity;
  const auto item_one = item(1);
  const auto item_equal = item(1);
  CHECK(by_identity.get_or_add(item_one) == item_one);
  CHECK(by_identity.get_or_add(item_equal) == item_equal);
  CHECK(by_identity.size() == 2);

  CHECK_THROWS_AS((void)names.get_or_add(nullptr), weakref::untracked_error);
  CHECK_THROWS_AS((void)names.get_or_add(std::make_shared<Name>("one")), weakref::untracked_error);
  CHECK(names.size() == 1);
}

TEST_CASE("WeakSet: get_or_add in the place of an element that has died") {
  Names names;
  auto first = name("one");
  names.add(first);
  const weakref::ref last(first, [&] {
    // The entry has gone before any callback runs.
    CHECK(names.get_or_add(name("one"))->text == "one");
  });
  first.reset();
  CHECK(names.empty());
}

TEST_CASE("WeakSet: get_or_add gives the element that somebody adds between its look and its store") {
  Meddled set;
  const auto mine = name("same");
  const auto other = name("same");
  MeddlingHash::calls = 0;
  MeddlingHash::meddle = [&](int call) {
    if (call == 2) CHECK(set.add(other)); // the first was for the look
  };
  CHECK(set.get_or_add(mine) == other);
  MeddlingHash::meddle = nullptr;
  CHECK(MeddlingHash::calls == 3);
  CHECK(set.size() == 1);
  CHECK(mine.use_count() == 1);
  CHECK(other.use_count() == 1);
}

TEST_CASE("WeakSet: by value: the algebra goes by equality and keeps the left one's objects") {
  const auto red = name("red");
  const auto other_red = name("red");
  const auto blue = name("blue");
  const auto green = name("green");
  const Names left{red, blue};
  const Names right{other_red, green};
  CHECK(texts(left | right) == Texts{"red", "blue", "green"});
  CHECK(texts(left & right) == Texts{"red"});
  CHECK(texts(left - right) == Texts{"blue"});
  CHECK(texts(left ^ right) == Texts{"blue", "green"});
  CHECK((left | right).get(*red) == red);
  CHECK((left & right).get(*red) == red);
  CHECK((right & left).get(*red) == other_red);
  CHECK(Names{red} == Names{other_red});
  CHECK_FALSE(left.isdisjoint(right));
  const std::vector<std::shared_ptr<Name>> range{other_red, green, other_red};
  CHECK(texts(left ^ range) == Texts{"blue", "green"});
  CHECK(texts(left - range) == Texts{"blue"});
}

// --- set algebra ---------------------------------------------------------------------------------------------

TEST_CASE("WeakSet: union, intersection, difference and symmetric difference, with sets and ranges") {
  const Letters letters;
  const Items left = letters.set("simsalabim");
  for (const std::string_view other : {"madagascar", "x", "", "simsalabim", "ab"}) {
    CAPTURE(other);
    Numbers both = word("simsalabim");
    Numbers common;
    Numbers only_left;
    Numbers only_one = word(other);
    for (const int letter : word("simsalabim")) {
      (word(other).contains(letter) ? common : only_left).insert(letter);
      if (only_one.erase(letter) == 0) only_one.insert(letter);
    }
    both.merge(word(other));

    const auto check = [&](const auto& right) {
      CHECK(numbers(left | right) == both);
      CHECK(numbers(left & right) == common);
      CHECK(numbers(left - right) == only_left);
      CHECK(numbers(left ^ right) == only_one);
      CHECK(numbers(left.union_(right)) == both);
      CHECK(numbers(left.intersection(right)) == common);
      CHECK(numbers(left.difference(right)) == only_left);
      CHECK(numbers(left.symmetric_difference(right)) == only_one);

      const auto changed = [&](auto change) {
        Items copy(left);
        change(copy);
        return numbers(copy);
      };
      CHECK(changed([&](Items& s) { CHECK(&(s |= right) == &s); }) == both);
      CHECK(changed([&](Items& s) { CHECK(&(s &= right) == &s); }) == common);
      CHECK(changed([&](Items& s) { CHECK(&(s -= right) == &s); }) == only_left);
      CHECK(changed([&](Items& s) { CHECK(&(s ^= right) == &s); }) == only_one);
      CHECK(changed([&](Items& s) { s.update(right); }) == both);
      CHECK(changed([&](Items& s) { s.intersection_update(right); }) == common);
      CHECK(changed([&](Items& s) { s.difference_update(right); }) == only_left);
      CHECK(changed([&](Items& s) { s.symmetric_difference_update(right); }) == only_one);
      CHECK(left.isdisjoint(right) == common.empty());
      CHECK(left.issuperset(right) == (common == word(other)));
      CHECK(left.issubset(right) == only_left.empty());
    };
    check(letters.set(other));
    check(letters.list(other));
    Owners doubled = letters.list(other);
    for (const Owner& each : letters.list(other)) doubled.push_back(each);
    check(doubled);
    check(std::list<Owner>(doubled.begin(), doubled.end()));
    check(weakref::local::WeakSet<Item>(letters.list(other)));
  }
  CHECK(numbers(left) == word("simsalabim"));
}

TEST_CASE("WeakSet: an operand may be the set itself") {
  const Letters letters;
  Items set = letters.set("abc");
  const Items& self = set;
  set |= self;
  CHECK(numbers(set) == word("abc"));
  set &= self;
  CHECK(numbers(set) == word("abc"));
  set.update(self);
  set.intersection_update(self);
  CHECK(numbers(set) == word("abc"));
  CHECK(weakref::getweakrefcount(letters['a']) == 1);
  CHECK(numbers(set | self) == word("abc"));
  CHECK(numbers(set & self) == word("abc"));
  CHECK((set - self).empty());
  CHECK((set ^ self).empty());
  CHECK(set == self);
  CHECK(set <= self);
  CHECK_FALSE(set < self);
  CHECK_FALSE(set.isdisjoint(self));
  set -= self;
  CHECK(set.empty());
  set = letters.set("abc");
  set ^= self;
  CHECK(set.empty());
  CHECK(weakref::getweakrefcount(letters['a']) == 0);
  CHECK(set.isdisjoint(self));
}

TEST_CASE("WeakSet: subset and superset, proper or not, and equality") {
  const Letters letters;
  const Items ab = letters.set("ab");
  const Items abc = letters.set("abc");
  const Items def = letters.set("def");
  CHECK(ab <= abc);
  CHECK(ab < abc);
  CHECK(abc >= ab);
  CHECK(abc > ab);
  CHECK_FALSE(abc <= ab);
  CHECK_FALSE(abc < abc);
  CHECK_FALSE(abc > abc);
  CHECK(abc <= abc);
  CHECK(abc >= abc);
  CHECK_FALSE(ab <= def);
  CHECK_FALSE(ab >= def);
  CHECK(ab == letters.set("ba"));
  CHECK(ab != abc);
  CHECK(ab != def);
  CHECK(Items() <= ab);
  CHECK(Items() < ab);
  CHECK(ab.issubset(letters.list("cab")));
  CHECK_FALSE(ab.issubset(letters.list("a")));
  CHECK(abc.issuperset(letters.list("aabb")));
  CHECK_FALSE(abc.issuperset(letters.list("abd")));
  CHECK(abc.isdisjoint(letters.list("xyz")));
  CHECK_FALSE(abc.isdisjoint(letters.list("xyc")));
  CHECK(abc.issuperset(Owners()));
}

TEST_CASE("WeakSet: equal, and subset, after deaths on one side only of what the other never had") {
  Letters letters;
  const Items left = letters.set("abx");
  const Items right = letters.set("ab");
  CHECK(left != right);
  letters.kill('x');
  CHECK(left == right);
  CHECK(left <= right);
}

TEST_CASE("WeakSet: what an operator returns is a set of its own, made as the left one was") {
  Letters letters;
  Items left({.accept_untracked = true});
  left.add(letters['a']);
  const auto untracked = std::make_shared<Item>(1);
  Items result = left | letters.set("b");
  CHECK(result.add(untracked));
  CHECK(numbers(left) == word("a"));
  letters.kill('b');
  CHECK(result.size() == 2);
  CHECK(weakref::getweakrefcount(letters['a']) == 2);
}

TEST_CASE("WeakSet: a null in a range is refused by what would add it, and nothing has changed") {
  const Letters letters;
  Items set = letters.set("abc");
  Owners range = letters.list("cd");
  range.push_back(nullptr);
  CHECK_THROWS_AS(set.update(range), weakref::untracked_error);
  CHECK_THROWS_AS(set |= range, weakref::untracked_error);
  CHECK_THROWS_AS(set.update({letters['d'], nullptr}), weakref::untracked_error);
  CHECK_THROWS_AS(set ^= range, weakref::untracked_error);
  CHECK_THROWS_AS((void)(set | range), weakref::untracked_error);
  CHECK_THROWS_AS((void)(set ^ range), weakref::untracked_error);
  CHECK_THROWS_AS(Items{range}, weakref::untracked_error);
  CHECK(numbers(set) == word("abc"));
  CHECK_FALSE(set.issuperset(range));
  CHECK_FALSE(set.isdisjoint(range));
  CHECK(set.isdisjoint(Owners{nullptr}));
  CHECK(weakref::getweakrefcount(letters['d']) == 0);

  // An untracked object is refused in the same way; a set that accepts such takes it.
  const Owners untracked{letters['d'], std::make_shared<Item>('y')};
  CHECK_THROWS_AS(set.update(untracked), weakref::untracked_error);
  CHECK_THROWS_AS(set ^= untracked, weakref::untracked_error);
  CHECK(numbers(set) == word("abc"));
  Items accepting(letters.list("abc"), {.accept_untracked = true});
  accepting ^= untracked;
  CHECK(numbers(accepting) == word("abcdy"));
  accepting -= untracked;
  CHECK(numbers(accepting) == word("abc"));
}

TEST_CASE("WeakSet: algebra with a set whose elements die meanwhile") {
  // Each comparison kills an element of both sets.
  std::vector<std::shared_ptr<Name>> owners;
  for (int i = 0; i < 40; ++i) owners.push_back(name(std::to_string(100 + i).c_str()));
  const Names left(owners);
  const Names right(owners);
  Names result = left;
  for (int round = 0; round < 4; ++round) {
    std::size_t next = 0;
    for (const auto& element : left) {
      owners.at(next).reset();
      next += 3;
      if (next >= owners.size()) break;
      (void)element;
      result &= right;
      CHECK(result.size() <= left.size());
      CHECK(result <= left);
      CHECK((left ^ right).empty());
      CHECK((left - right).empty());
      CHECK((left | right) == left);
    }
  }
  owners.clear();
  CHECK(left.empty());
  CHECK(result.empty());
}

// --- iterated ------------------------------------------------------------------------------------------------

TEST_CASE("WeakSet: iteration shows each living element once; refs keep nothing alive") {
  Letters letters;
  const Items set = letters.set("abcdef");
  letters.kill('c');
  CHECK(numbers(set) == word("abdef"));
  std::vector<weakref::ref<Item>> refs;
  for (const auto& each : set.refs()) refs.push_back(each);
  CHECK(refs.size() == 5);
  for (const auto& each : refs) CHECK_FALSE(each.expired());
  letters.kill('a');
  int expired = 0;
  for (const auto& each : refs) expired += each.expired();
  CHECK(expired == 1);
}

namespace {

struct Observer : counted<Observer> {
  explicit Observer(std::function<void()> reaction) : notified(std::move(reaction)) {}
  std::function<void()> notified;
  bool seen = false;
};
struct Subject {
  weakref::WeakSet<Observer> observers;
  int notify() {
    int count = 0;
    for (const auto& each : observers) {
      CHECK_FALSE(std::exchange(each->seen, true));
      ++count;
      each->notified();
    }
    return count;
  }
};

} // namespace

// 8
TEST_CASE("WeakSet: observers add, remove and kill others and themselves while they are notified") {
  Subject subject;
  std::vector<std::shared_ptr<Observer>> owners;
  std::function<void(std::size_t)> react;
  for (std::size_t i = 0; i < 10; ++i) {
    owners.push_back(weakref::make_tracked<Observer>([&react, i] { react(i); }));
    subject.observers.add(owners.back());
  }
  const auto again = [&] {
    for (const auto& each : owners) {
      if (each) each->seen = false;
    }
  };

  SUBCASE("nothing happens") {
    react = [](std::size_t) {};
    CHECK(subject.notify() == 10);
  }
  SUBCASE("each discards itself") {
    react = [&](std::size_t i) { CHECK(subject.observers.discard(owners[i])); };
    CHECK(subject.notify() == 10);
    CHECK(subject.observers.empty());
  }
  SUBCASE("each kills itself") {
    react = [&](std::size_t i) { owners[i].reset(); };
    CHECK(subject.notify() == 10);
    CHECK(Observer::alive() == 0);
    CHECK(subject.observers.empty());
  }
  SUBCASE("the first kills all others") {
    react = [&](std::size_t i) {
      for (std::size_t other = 0; other < owners.size(); ++other) {
        if (other != i) owners[other].reset();
      }
    };
    CHECK(subject.notify() == 1);
    CHECK(subject.observers.size() == 1);
  }
  SUBCASE("the first discards all others, and they come back") {
    react = [&](std::size_t i) {
      for (std::size_t other = 0; other < owners.size(); ++other) {
        if (other != i) CHECK(subject.observers.discard(owners[other]) != owners[other]->seen);
      }
    };
    CHECK(subject.notify() == 1);
    for (const auto& each : owners) subject.observers.add(each);
    again();
    react = [](std::size_t) {};
    CHECK(subject.notify() == 10);
  }
  SUBCASE("each adds a hundred, who may or may not be told") {
    std::vector<std::shared_ptr<Observer>> added;
    react = [&](std::size_t) {
      for (int i = 0; i < 100; ++i) {
        added.push_back(weakref::make_tracked<Observer>([] {}));
        subject.observers.add(added.back());
      }
    };
    CHECK(subject.notify() >= 10);
    for (const auto& each : owners) CHECK(each->seen);
    CHECK(subject.observers.size() == 1010);
  }
  SUBCASE("each clears the list") {
    react = [&](std::size_t) { subject.observers.clear(); };
    CHECK(subject.notify() == 1);
  }
  SUBCASE("one notifies the others again") {
    bool nested = false;
    react = [&](std::size_t) {
      if (std::exchange(nested, true)) return;
      again();
      CHECK(subject.notify() == 10);
      again();
    };
    CHECK(subject.notify() == 10);
  }
}

TEST_CASE("WeakSet: the list may end while it is iterated") {
  auto subject = std::make_unique<Subject>();
  const auto one = weakref::make_tracked<Observer>([&] { subject.reset(); });
  const auto two = weakref::make_tracked<Observer>([&] { subject.reset(); });
  subject->observers.add(one);
  subject->observers.add(two);
  int told = 0;
  for (auto at = subject->observers.begin(); at != std::default_sentinel; ++at) {
    ++told;
    (*at)->notified();
  }
  CHECK(told == 1);
}

TEST_CASE("WeakSet: a loop that is left early holds nothing back") {
  Letters letters;
  Items set = letters.set("abcdef");
  char held = 0;
  for (const Owner& element : set) {
    held = static_cast<char>(element->number);
    break;
  }
  const weakref::ref<Item> was(letters[held]);
  letters.kill(held);
  CHECK(was.expired());
  CHECK(set.size() == 5);
}

TEST_CASE("WeakSet: it is asked and changed under a visit's lock: refused") {
  // A set has no visit; the comparison of a set by value runs under its lock.
  struct Nosy {
    explicit Nosy(std::function<void()>* curiosity) : ask(curiosity) {}
    bool operator==(const Nosy&) const {
      if (*ask) (*ask)();
      return true;
    }
    std::function<void()>* ask;
  };
  struct Same {
    std::size_t operator()(const Nosy&) const { return 1; }
  };
  std::function<void()> ask;
  weakref::WeakSet<Nosy, Same> nosy;
  Items other;
  const auto one = weakref::make_tracked<Nosy>(&ask);
  const auto key = item(1);
  nosy.add(one);
  int count = 0;
  ask = [&] {
    count += refused<std::logic_error>([&] { nosy.add(one); });
    count += refused<std::logic_error>([&] { nosy.discard(one); });
    count += refused<std::logic_error>([&] { (void)nosy.contains(one); });
    count += refused<std::logic_error>([&] { (void)nosy.get(one); });
    count += refused<std::logic_error>([&] { (void)nosy.pop(); });
    count += refused<std::logic_error>([&] { nosy.clear(); });
    count += refused<std::logic_error>([&] { (void)nosy.begin(); });
    count += refused<std::logic_error>([&] { other.add(key); });
    count += refused<std::logic_error>([&] { other.update({key}); });
    count += refused<std::logic_error>([&] { other ^= Owners{key}; });
    count += refused<std::logic_error>([&] { other.reserve(10); });
  };
  CHECK(nosy.contains(Nosy(&ask)));
  CHECK(count == 11);
  ask = nullptr;
  CHECK(nosy.size() == 1);
  CHECK(other.empty());
}

// --- Python's behaviours -------------------------------------------------------------------------------------

TEST_CASE("WeakSet: as in Python: len, in, and what an empty or a foreign argument means") {
  Letters letters;
  Items set = letters.set("spam");
  CHECK(set.size() == 4);
  CHECK(set.contains(letters['s']));
  CHECK_FALSE(set.contains(letters['z']));
  CHECK_FALSE(set.contains(Owner()));
  const Item stranger(1);
  CHECK_FALSE(set.contains(stranger));
  set.update(Owners());
  CHECK(set.size() == 4);
  set &= Owners();
  CHECK(set.empty());
}

TEST_CASE("WeakSet: as in Python: an element that dies is no longer counted, listed or found in any result") {
  Letters letters;
  Items set = letters.set("eggs");
  const Items copy(set);
  const Items joined = set | letters.list("x");
  letters.kill('g');
  CHECK(numbers(set) == word("es"));
  CHECK(numbers(copy) == word("es"));
  CHECK(numbers(joined) == word("esx"));
  CHECK((set & copy).size() == 2);
}

TEST_CASE("WeakSet: as in Python: clear, discard and remove twice, pop until the end") {
  const Letters letters;
  Items set = letters.set("abc");
  set.clear();
  CHECK(set.empty());
  set.add(letters['a']);
  set.discard(letters['a']);
  CHECK_FALSE(set.discard(letters['a']));
  CHECK_THROWS_AS(set.remove(letters['a']), std::out_of_range);
  set = letters.set("abc");
  std::size_t left = 3;
  while (!set.empty()) {
    (void)set.pop();
    CHECK(set.size() == --left);
  }
  CHECK_THROWS_AS((void)set.pop(), std::out_of_range);
}

TEST_CASE("WeakSet: as in Python: the size stands while an iterator holds an element, and falls with it") {
  Letters letters;
  Items set = letters.set("abc");
  auto at = set.begin();
  REQUIRE(at != set.end());
  for (const char letter : {'a', 'b', 'c'}) letters.kill(letter);
  CHECK(set.size() == 1);
  at = {};
  CHECK(set.empty());
  CHECK(Item::alive() == 23);
}

TEST_CASE("WeakSet: as in Python: a set as the source of its own update, or of another with dying elements") {
  auto owners = Letters().list("abcdef");
  Items set(owners);
  set.update(set);
  CHECK(set.size() == 6);
  Items copy;
  for (const Owner& element : set) {
    copy.add(element);
    owners.clear();
  }
  CHECK(copy.empty());
  CHECK(set.empty());
}

TEST_CASE("WeakSet: as in Python: an object resurrected under a new owner is a new object to the set") {
  // The old owner is gone for good: what is stored again is another referent.
  Items set({.accept_untracked = true});
  auto* const raw = new Item(1);
  bool deleted = false;
  {
    const Owner first(raw, [&](Item*) { deleted = true; });
    set.add(first);
  }
  CHECK(deleted);
  CHECK_FALSE(set.contains(raw));
  const Owner second(raw);
  CHECK_FALSE(set.contains(second));
  CHECK(set.add(second));
  CHECK(set.contains(raw));
}

// --- options, allocators -------------------------------------------------------------------------------------

TEST_CASE("WeakSet: four shards, no locks, a memory resource") {
  Letters letters;
  Items sharded(letters.list("abc"), {.shards = 4});
  weakref::local::WeakSet<Item> local(letters.list("abc"));
  CHECK(numbers(sharded) == numbers(local));
  CHECK(numbers(sharded & local) == word("abc"));
  CHECK(numbers(local ^ sharded).empty());
#if defined(__cpp_lib_memory_resource)
  std::pmr::unsynchronized_pool_resource pool;
  weakref::pmr::WeakSet<Item> pooled(letters.list("abc"), {}, &pool);
  CHECK(numbers(pooled) == word("abc"));
  CHECK((pooled - sharded).empty());
#endif
  letters.kill('a');
  CHECK(sharded.size() == 2);
  CHECK(local.size() == 2);
}

TEST_CASE("WeakSet: allocators that differ: assignment makes the elements anew, results use the left one's") {
  using Accounted =
      weakref::WeakSet<Item, weakref::by_identity, weakref::by_identity, accounting_allocator<Item>>;
  account left_books;
  account right_books;
  {
    const Letters letters;
    Accounted left(letters.list("ab"), {}, accounting_allocator<Item>(left_books));
    Accounted right(letters.list("bc"), {}, accounting_allocator<Item>(right_books));
    CHECK((left | right).get_allocator().books() == &left_books);
    CHECK((left ^ letters.list("x")).get_allocator().books() == &left_books);
    left = std::move(right);
    CHECK(numbers(left) == word("bc"));
    CHECK(right.empty()); // NOLINT(bugprone-use-after-move)
    CHECK(left.get_allocator().books() == &left_books);
  }
  CHECK(left_books.bytes == 0);
  CHECK(right_books.bytes == 0);
}
