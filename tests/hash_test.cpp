// SPDX-License-Identifier: BSL-1.0
#include <weakref/hash.hpp>

#include <doctest/doctest.h>

#include <concepts>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "support/counting_new.hpp"

namespace cities {

struct city {
  int number;
  bool operator==(const city&) const = default;
};
inline std::size_t hash_value(const city& c) noexcept { return static_cast<std::size_t>(c.number) * 31; }

// Knows both ways; the standard's comes first.
struct town {
  int number;
};
inline std::size_t hash_value(const town&) noexcept { return 1; }

} // namespace cities

template <> struct std::hash<cities::town> {
  std::size_t operator()(const cities::town&) const noexcept { return 2; }
};

// The program's own, of a pair and a tuple of its own types.
template <> struct std::hash<std::pair<cities::town, int>> {
  std::size_t operator()(const std::pair<cities::town, int>&) const noexcept { return 77; }
};
template <> struct std::hash<std::tuple<cities::town, int>> {
  std::size_t operator()(const std::tuple<cities::town, int>&) const noexcept { return 78; }
};

namespace {

enum class colour { red, green };

template <class Key> std::size_t hash_of(const Key& key) { return weakref::hash<Key>()(key); }

template <class Key>
concept hashable = requires(const Key& key) {
  sizeof(weakref::hash<Key>);
  { weakref::hash<Key>()(key) } -> std::convertible_to<std::size_t>;
};

struct plain {};

TEST_CASE("hash: equal keys hash equally, whatever the standard can hash") {
  CHECK(hash_of(5) == hash_of(5));
  CHECK(hash_of(std::string("abc")) == hash_of(std::string("abc")));
  CHECK(hash_of(colour::green) == hash_of(colour::green));
  CHECK(hash_of(std::optional<int>(3)) == hash_of(std::optional<int>(3)));
  const auto pointer = std::make_shared<int>(1);
  CHECK(hash_of(pointer) == hash_of(std::shared_ptr<int>(pointer)));
  static_assert(hashable<int> && hashable<std::string> && hashable<colour> && hashable<void*>);
}

TEST_CASE("hash: strings are looked up as string_view or literal, without allocating") {
  using string_hash = weakref::hash<std::string>;
  static_assert(requires { typename string_hash::is_transparent; });
  const std::string key = "a string too long for any small string optimization, for certain";
  const auto wanted = string_hash()(key);
  const support::heap_watch heap;
  const auto by_view = string_hash()(std::string_view(key));
  const auto by_literal = string_hash()("a string too long for any small string optimization, for certain");
  const auto by_pointer = string_hash()(key.c_str());
  CHECK(heap.made() == 0);
  CHECK(by_view == wanted);
  CHECK(by_literal == wanted);
  CHECK(by_pointer == wanted);
  CHECK(weakref::hash<std::string_view>()(std::string_view(key)) == wanted);
  CHECK(weakref::hash<std::wstring>()(std::wstring_view(L"wide")) ==
        weakref::hash<std::wstring>()(std::wstring(L"wide")));
}

TEST_CASE("hash: a class's own hash_value is found by argument-dependent look-up") {
  CHECK(hash_of(cities::city{2}) == hash_of(cities::city{2}));
  CHECK(hash_of(cities::city{2}) != hash_of(cities::city{3}));
  static_assert(hashable<cities::city>);
}

TEST_CASE("hash: the standard's hash comes before hash_value") { CHECK(hash_of(cities::town{1}) == 2); }

TEST_CASE("hash: pairs and tuples, nested and mixed") {
  using pair = std::pair<int, std::string>;
  CHECK(hash_of(pair(1, "a")) == hash_of(pair(1, "a")));
  CHECK(hash_of(pair(1, "a")) != hash_of(pair(2, "a")));
  CHECK(hash_of(pair(1, "a")) != hash_of(pair(1, "b")));
  CHECK(hash_of(std::pair(1, 2)) != hash_of(std::pair(2, 1)));
  using deep = std::tuple<std::pair<int, cities::city>, std::tuple<>, std::string, colour>;
  const deep a{{1, {2}}, {}, "x", colour::red};
  const deep b{{1, {2}}, {}, "x", colour::green};
  CHECK(hash_of(a) == hash_of(deep(a)));
  CHECK(hash_of(a) != hash_of(b));
  CHECK(hash_of(std::tuple<>()) == hash_of(std::tuple<>()));
  static_assert(hashable<deep>);
}

TEST_CASE("hash: a std::hash that the program has for a pair or a tuple comes before that of the members") {
  CHECK(hash_of(std::pair(cities::town{1}, 2)) == 77);
  CHECK(hash_of(std::tuple(cities::town{1}, 2)) == 78);
  // Also within another one.
  CHECK(hash_of(std::pair(std::pair(cities::town{1}, 2), 3)) ==
        hash_of(std::pair(std::pair(cities::town{2}, 4), 3)));
  CHECK(hash_of(std::pair(2, cities::town{1})) != hash_of(std::pair(3, cities::town{1})));
}

TEST_CASE("hash: a grid of pairs does not collapse to a few hashes") {
  std::set<std::size_t> seen;
  for (int x = 0; x != 50; ++x) {
    for (int y = 0; y != 50; ++y) seen.insert(hash_of(std::pair(x, y)));
  }
  CHECK(seen.size() == 2500);
}

TEST_CASE("hash: paths that are equal hash equally") {
  using std::filesystem::path;
  CHECK(path("a//b") == path("a/b"));
  CHECK(hash_of(path("a//b")) == hash_of(path("a/b")));
  CHECK(hash_of(path("a/b")) != hash_of(path("a/c")));
  static_assert(hashable<std::pair<path, int>>);
  CHECK(hash_of(std::pair(path("a//b"), 1)) == hash_of(std::pair(path("a/b"), 1)));
}

TEST_CASE("hash: what can't be hashed is disabled, not an error deep inside") {
  CHECK_FALSE(hashable<plain>);
  CHECK(hashable<std::pair<int, int>>);
}

TEST_CASE("hash: a move-only key can be hashed") {
  const auto key = std::make_unique<int>(4);
  CHECK(hash_of(key) == hash_of(key));
  CHECK(hash_of(std::pair<std::unique_ptr<int>, int>(nullptr, 1)) ==
        hash_of(std::pair<std::unique_ptr<int>, int>(nullptr, 1)));
}

} // namespace
