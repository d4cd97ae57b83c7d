// SPDX-License-Identifier: BSL-1.0
// What a key may be, and what stands for one: keys whose comparison is somebody's code, and questions that convert to
// a key. (What must not compile: compile_fail/lookup_*.cpp.)
#include <weakref/defer.hpp>
#include <weakref/hash.hpp>
#include <weakref/referent.hpp>
#include <weakref/weak_key_dictionary.hpp>
#include <weakref/weak_set.hpp>
#include <weakref/weak_value_dictionary.hpp>

#include <doctest/doctest.h>

#include <compare>
#include <cstddef>
#include <cstring>
#include <cwchar>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <ios>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace compared {

// What every comparison of these keys does.
inline std::function<void()> meanwhile;
inline void compare() {
  if (meanwhile) meanwhile();
}

enum class Colour { red, green };
inline bool operator==(Colour left, Colour right) {
  compare();
  return static_cast<int>(left) == static_cast<int>(right);
}

struct Place {};

// A character of the program's own, whose strings compare by the program's own traits.
enum class Letter : unsigned char {};

struct Traits : std::char_traits<char> {
  static int compare(const char* left, const char* right, std::size_t length) {
    compared::compare();
    return std::char_traits<char>::compare(left, right, length);
  }
};
using Text = std::basic_string<char, Traits>;

struct Item {
  explicit Item(int start = 0) : number(start) {}
  int number;
};

} // namespace compared

template <> struct std::equal_to<compared::Place*> {
  bool operator()(const compared::Place* left, const compared::Place* right) const {
    compared::compare();
    return left == right;
  }
};

template <> struct std::char_traits<compared::Letter> {
  using char_type = compared::Letter;
  using int_type = int;
  using off_type = std::streamoff;
  using pos_type = std::streampos;
  using state_type = std::mbstate_t;
  using comparison_category = std::strong_ordering;
  static void assign(char_type& to, const char_type& from) noexcept { to = from; }
  static char_type* assign(char_type* to, std::size_t count, char_type from) {
    for (std::size_t i = 0; i < count; ++i) to[i] = from;
    return to;
  }
  static bool eq(char_type left, char_type right) noexcept { return left == right; }
  static bool lt(char_type left, char_type right) noexcept { return left < right; }
  static int compare(const char_type* left, const char_type* right, std::size_t length) {
    compared::compare();
    for (std::size_t i = 0; i < length; ++i) {
      if (lt(left[i], right[i])) return -1;
      if (lt(right[i], left[i])) return 1;
    }
    return 0;
  }
  static std::size_t length(const char_type* text) {
    std::size_t length = 0;
    while (text[length] != char_type{}) ++length;
    return length;
  }
  static const char_type* find(const char_type* text, std::size_t length, const char_type& wanted) {
    for (std::size_t i = 0; i < length; ++i) {
      if (text[i] == wanted) return text + i;
    }
    return nullptr;
  }
  static char_type* copy(char_type* to, const char_type* from, std::size_t length) {
    for (std::size_t i = 0; i < length; ++i) to[i] = from[i];
    return to;
  }
  static char_type* move(char_type* to, const char_type* from, std::size_t length) {
    return from < to ? static_cast<char_type*>(std::memmove(to, from, length)) : copy(to, from, length);
  }
  static char_type to_char_type(int_type value) noexcept { return static_cast<char_type>(value); }
  static int_type to_int_type(char_type value) noexcept { return static_cast<int_type>(value); }
  static bool eq_int_type(int_type left, int_type right) noexcept { return left == right; }
  static int_type eof() noexcept { return -1; }
  static int_type not_eof(int_type value) noexcept { return value == eof() ? 0 : value; }
};

namespace {

using compared::Colour, compared::Item, compared::Letter, compared::Place;
using Letters = std::basic_string<Letter>;

struct by_size {
  template <class Key> std::size_t operator()(const Key& key) const noexcept { return key.size(); }
};

std::shared_ptr<Item> item(int number) { return weakref::make_tracked<Item>(number); }

// Every look-up of this key compares it, and the comparison lets an object of the same container die, in the same
// shard. It must say that it is under a lock, and the death must wait; else it would wait for the lock for ever.
template <class Dictionary, class Key> void kill_while_comparing(const Key& key, const Key& other) {
  auto stays = item(1);
  Dictionary dictionary({.shards = 1});
  const auto compare_killing = [&](auto operation) {
    auto dies = item(2);
    dictionary.insert(other, dies);
    int compared = 0;
    compared::meanwhile = [&] {
      ++compared;
      REQUIRE(weakref::is_under_lock());
      dies.reset();
    };
    operation();
    compared::meanwhile = nullptr;
    CHECK(compared > 0);
    CHECK(dies == nullptr);
    CHECK_FALSE(weakref::is_under_lock());
    CHECK(dictionary.size() == 1); // `dies` left before the operation returned
  };
  dictionary.insert(key, stays);
  compare_killing([&] { CHECK(dictionary.get(key) == stays); });
  compare_killing([&] { CHECK(dictionary.contains(key)); });
  compare_killing([&] { CHECK(dictionary.visit(key, [](Item&) {})); });
  compare_killing([&] { CHECK_FALSE(dictionary.insert(key, stays).second); });
  compare_killing([&] { CHECK_FALSE(dictionary.insert_or_assign(key, stays)); });
  compare_killing([&] { CHECK(dictionary.try_emplace(key, 3).first == stays); });
  compare_killing([&] { CHECK(dictionary.get_or_create(key, [] { return Item(3); }) == stays); });
  compare_killing([&] {
    CHECK(dictionary.pop(key) == stays);
    dictionary.insert(key, stays);
  });
}

struct constant_hash {
  template <class Key> std::size_t operator()(const Key&) const noexcept { return 7; }
};

template <class Key, class Hash = weakref::hash<Key>, class KeyEqual = std::equal_to<>>
using values = weakref::WeakValueDictionary<Key, Item, Hash, KeyEqual>;

template <class Key, class Asked = Key, class KeyEqual = std::equal_to<>>
constexpr bool runs_user_code =
    weakref::detail::lookup<Key, weakref::hash<Key>, KeyEqual>::template runs_user_code<Asked>;

template <class Container, class K>
concept asked_for = requires(Container& container, const K& k) {
  container.get(k);
  container.contains(k);
  container.at(k);
  container.pop(k);
  container.erase(k);
};
template <class Container, class K>
concept creates_for = requires(Container& container, K k) {
  container.try_emplace(std::forward<K>(k));
};
template <class Container, class K>
concept gets_or_creates_for = requires(Container& container, K k) {
  container.get_or_create(std::forward<K>(k), [] { return Item(1); });
};
template <class Container, class K>
concept not_asked_for =
    !asked_for<Container, K> && !creates_for<Container, K> && !gets_or_creates_for<Container, K>;

struct transparent_hash {
  using is_transparent = void;
  template <class Pointer> std::size_t operator()(const Pointer& pointer) const noexcept {
    return std::hash<const void*>()(std::to_address(pointer));
  }
};
struct transparent_equal {
  using is_transparent = void;
  template <class Left, class Right> bool operator()(const Left& left, const Right& right) const noexcept {
    return std::to_address(left) == std::to_address(right);
  }
};

// Converts to an int, by the value category that is asked for.
struct AnyWay {
  int number;
  operator int() const { return number; }
};
struct AsTemporary {
  int number;
  operator int() && { return number; }
};
struct AsVariable {
  int number;
  operator int() & { return number; }
};

} // namespace

TEST_CASE("lookup: an enumeration's own == may kill objects of the same container") {
  kill_while_comparing<values<Colour, constant_hash>>(Colour::red, Colour::green);
  kill_while_comparing<values<Colour, constant_hash, std::equal_to<Colour>>>(Colour::red, Colour::green);
}

TEST_CASE("lookup: a program's std::equal_to of its pointers may kill objects of the same container") {
  Place one, two;
  kill_while_comparing<values<Place*, constant_hash, std::equal_to<Place*>>>(&one, &two);
}

TEST_CASE("lookup: strings of a program's own characters or traits may kill objects as they are compared") {
  kill_while_comparing<values<Letters, by_size>>(Letters(1, Letter{1}), Letters(1, Letter{2}));
  kill_while_comparing<values<compared::Text, by_size>>(compared::Text("a"), compared::Text("b"));
}

TEST_CASE("lookup: where only the standard's code compares, no thread is told of it") {
  CHECK_FALSE((runs_user_code<int>));
  CHECK_FALSE((runs_user_code<double>));
  CHECK_FALSE((runs_user_code<long, int>));
  CHECK_FALSE((runs_user_code<int, int, std::equal_to<int>>));
  CHECK_FALSE((runs_user_code<Place*>));
  CHECK_FALSE((runs_user_code<const void*>));
  CHECK_FALSE((runs_user_code<std::string>));
  CHECK_FALSE((runs_user_code<std::string, std::string_view>));
  CHECK_FALSE((runs_user_code<std::string, char[4]>));
  CHECK_FALSE((runs_user_code<std::string, const char*>));
  CHECK_FALSE((runs_user_code<std::string, std::string, std::equal_to<std::string>>));
  CHECK_FALSE((runs_user_code<std::string_view>));
  CHECK_FALSE((runs_user_code<std::u16string>));
  CHECK((runs_user_code<std::pair<int, int>>));
  CHECK((runs_user_code<Colour>));
  CHECK((runs_user_code<Place*, Place*, std::equal_to<Place*>>));
  using identity = weakref::detail::referent_lookup<Item, weakref::by_identity, weakref::by_identity,
                                                    weakref::adaptive_mutex>;
  CHECK_FALSE((identity::runs_user_code<Item>));
  CHECK_FALSE((identity::stores_run_user_code));
  using numbers =
      weakref::detail::referent_lookup<int, weakref::hash<int>, std::equal_to<>, weakref::adaptive_mutex>;
  CHECK_FALSE((numbers::runs_user_code<int>));
  CHECK_FALSE((numbers::stores_run_user_code));
  using colours = weakref::detail::referent_lookup<Colour, weakref::hash<Colour>, std::equal_to<>,
                                                   weakref::adaptive_mutex>;
  CHECK((colours::runs_user_code<Colour>));
  CHECK((colours::stores_run_user_code));
}

TEST_CASE("lookup: by value: an element's own == may kill elements of the same set") {
  weakref::WeakSet<Colour, constant_hash, std::equal_to<>> set({.shards = 1});
  auto red = weakref::make_tracked<Colour>(Colour::red), green = weakref::make_tracked<Colour>(Colour::green);
  set.add(red);
  set.add(green);
  compared::meanwhile = [&] {
    REQUIRE(weakref::is_under_lock());
    green.reset();
  };
  const bool found = set.contains(Colour::red);
  compared::meanwhile = nullptr;
  CHECK(found);
  CHECK(set.size() == 1 + (green != nullptr ? 1 : 0));
}

TEST_CASE("lookup: what converts to a key only explicitly is no question") {
  using by_unique = values<std::unique_ptr<int>>;
  static_assert(asked_for<by_unique, std::unique_ptr<int>>);
  static_assert(creates_for<by_unique, std::unique_ptr<int>&&> && creates_for<by_unique, std::nullptr_t>);
  static_assert(not_asked_for<by_unique, int*>);
  using by_shared = values<std::shared_ptr<int>>;
  static_assert(asked_for<by_shared, std::shared_ptr<int>>);
  static_assert(asked_for<by_shared, std::unique_ptr<int>> == false);
  static_assert(not_asked_for<by_shared, int*>);
  static_assert(not_asked_for<by_shared, std::weak_ptr<int>>);
  using by_transparent = values<std::unique_ptr<int>, transparent_hash, transparent_equal>;
  static_assert(asked_for<by_transparent, int*>);
  static_assert(!creates_for<by_transparent, int*> && !gets_or_creates_for<by_transparent, int*>);
  using by_vector = values<std::vector<int>, by_size>;
  static_assert(asked_for<by_vector, std::vector<int>>);
  static_assert(not_asked_for<by_vector, int> && not_asked_for<by_vector, std::size_t>);
  static_assert(not_asked_for<values<std::string>, std::nullptr_t>);
  static_assert(not_asked_for<values<std::string>, int>);
  static_assert(not_asked_for<values<std::string>, char>);
  static_assert(not_asked_for<values<std::string_view>, std::nullptr_t>);
  static_assert(not_asked_for<values<std::string, by_size>, std::nullptr_t>);
  static_assert(not_asked_for<values<std::string, by_size>, std::string_view>);
  static_assert(asked_for<values<std::string, by_size>, const char*>);
}

TEST_CASE("lookup: containers are made from what converts implicitly, and from nothing else") {
  using dictionary = values<int>;
  using set = weakref::WeakSet<Item>;
  using keys = weakref::WeakKeyDictionary<Item, std::vector<int>>;
  static_assert(std::is_constructible_v<dictionary, std::map<int, std::shared_ptr<Item>>>);
  static_assert(std::is_constructible_v<dictionary, std::map<short, std::shared_ptr<Item>>&>);
  static_assert(!std::is_constructible_v<dictionary, std::map<int, std::weak_ptr<Item>>>);
  static_assert(!std::is_constructible_v<dictionary, std::map<int, Item*>>);
  static_assert(!std::is_constructible_v<dictionary, std::map<int, std::unique_ptr<Item>>&>);
  static_assert(!std::is_constructible_v<dictionary, std::map<std::string, std::shared_ptr<Item>>>);
  static_assert(std::is_constructible_v<keys, std::map<std::shared_ptr<Item>, std::vector<int>>>);
  static_assert(!std::is_constructible_v<keys, std::map<std::shared_ptr<Item>, int>>);
  static_assert(!std::is_constructible_v<keys, std::map<Item*, std::vector<int>>>);
  static_assert(std::is_constructible_v<set, std::vector<std::shared_ptr<Item>>>);
  static_assert(!std::is_constructible_v<set, std::vector<std::weak_ptr<Item>>>);
  static_assert(!std::is_constructible_v<set, std::vector<Item*>>);
}

TEST_CASE("lookup: what converts to a key implicitly is a question") {
  const auto owner = item(1);
  values<long> longs{{5, owner}};
  CHECK(longs.get(5) == owner);
  CHECK(longs.get(short{5}) == owner);
  CHECK(longs.get(AnyWay{5}) == owner);
  const AnyWay lasting{5};
  CHECK(longs.contains(lasting));
  CHECK(longs.get_or_create(lasting, [] { return Item(2); }) == owner);
  CHECK(longs.try_emplace(AnyWay{5}, 2).first == owner);
  CHECK(longs.get({}) == nullptr);
  values<unsigned char> bytes{{5, owner}};
  CHECK(bytes.get(5) == owner); // with no warning, as of all here
  CHECK(bytes.try_emplace(5, 2).first == owner);

  values<std::string> names{{"a", owner}};
  CHECK(names.get("a") == owner);
  CHECK(names.get(std::string_view("a")) == owner);
  const char* const text = "a";
  CHECK(names.get(text) == owner);
  CHECK(names.get_or_create(text, [] { return Item(2); }) == owner);
  CHECK(names.try_emplace(std::string_view("a"), 2).first == owner);
  CHECK(names.pop("a") == owner);
  CHECK(names.get_or_create(std::string_view("b"), [] { return Item(2); })->number == 2);

  values<std::string, by_size> sized{{"a", owner}};
  CHECK(sized.get("a") == owner);

  int place = 0;
  values<int*> places{{&place, owner}, {nullptr, owner}};
  CHECK(places.get(&place) == owner);
  CHECK(places.get(nullptr) == owner);
  CHECK(places.try_emplace(nullptr, 2).first == owner);
  CHECK(places.pop(nullptr) == owner);

  values<std::unique_ptr<int>> unique;
  CHECK(unique.insert(nullptr, owner).second);
  CHECK(unique.get(nullptr) == owner);
  CHECK(unique.get_or_create(nullptr, [] { return Item(2); }) == owner);
  auto key = std::make_unique<int>(1);
  const auto made = unique.get_or_create(std::move(key), [] { return Item(3); });
  CHECK(key == nullptr);
  CHECK(unique.size() == 2);

  values<std::pair<int, std::string>> pairs{{{1, "a"}, owner}};
  CHECK(pairs.get({1, "a"}) == owner);
  CHECK(pairs.get(std::pair(1, "a")) == owner);
  values<std::filesystem::path> paths{{"a/b", owner}};
  CHECK(paths.get("a/b") == owner);
  CHECK(paths.get(std::string("a/b")) == owner);
}

TEST_CASE("lookup: a question is asked as a constant, and one that converts only otherwise is none") {
  static_assert(asked_for<values<int>, AnyWay>);
  static_assert(!asked_for<values<int>, AsTemporary>);
  static_assert(!asked_for<values<int>, AsVariable>);
  const auto owner = item(1);
  values<int> numbers{{5, owner}};
  CHECK(numbers.get_or_create(AsTemporary{5}, [] { return Item(2); }) == owner);
  AsVariable variable{5};
  CHECK(numbers.get_or_create(variable, [] { return Item(2); }) == owner);
  CHECK(numbers.try_emplace(variable, 2).first == owner);
}

TEST_CASE("lookup: a list holds pairs of what converts implicitly, as that of a std::map") {
  struct Derived : Item {};
  const auto owner = weakref::make_tracked<Derived>();
  std::size_t number = 7;
  values<std::string> names{std::pair("a", owner), std::make_pair(std::string("b"), owner), {"c", owner}};
  CHECK(names.size() == 3);
  const std::pair<const std::string, std::shared_ptr<Item>> element("d", owner);
  names.update({element, {"e", owner}});
  CHECK(names.get("d") == owner);
  values<int> numbers{{number, owner}, {1L, owner}};
  CHECK(numbers.get(7) == owner);
  weakref::WeakKeyDictionary<Item, int> sides{{owner, number}};
  CHECK(sides.at(owner) == 7);
  weakref::WeakKeyDictionary<Item, std::string> texts{std::pair(owner, "a")};
  CHECK(texts.at(owner) == "a");
  static_assert(!std::is_constructible_v<values<std::vector<int>, by_size>,
                                         std::initializer_list<std::pair<int, std::shared_ptr<Item>>>>);
}

TEST_CASE("lookup: a container whose Hash can only be copied is copied and moved") {
  const auto owner = item(1);
  const auto hash = [divisor = 10](int number) { return static_cast<std::size_t>(number % divisor); };
  values<int, decltype(hash)> numbers({}, hash);
  numbers.insert(1, owner);
  values<int, decltype(hash)> moved(std::move(numbers));
  const values<int, decltype(hash)> copy(moved);
  CHECK(copy.get(1) == owner);
  CHECK(copy.hash_function()(21) == 1);
}

TEST_CASE("lookup: update takes owners of derived classes, and moves what it may") {
  struct Derived : Item {};
  const auto owner = weakref::make_tracked<Derived>();
  values<long> longs;
  longs.update(std::map<int, std::shared_ptr<Derived>>{{1, owner}});
  longs.update(std::vector<std::tuple<short, std::shared_ptr<Derived>>>{{short{2}, owner}});
  CHECK(longs.get(1) == owner);
  CHECK(longs.get(2) == owner);
  weakref::WeakSet<Item> set;
  set.update(std::vector<std::shared_ptr<Derived>>{owner});
  CHECK(set.contains(owner));
}
