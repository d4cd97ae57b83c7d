// SPDX-License-Identifier: BSL-1.0
// The room that a container's tables take: what reserve() promises, what goes back when entries go, and what others
// may do meanwhile. And who takes dead untracked entries out of the shards that nobody asks.
#include <weakref/weak_value_dictionary.hpp>

#include "support/dictionary_objects.hpp"
#include "support/room_allocator.hpp"

#include <weakref/defer.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using dictionary_test::Item;

namespace {

// Counts, asks somebody before it gives memory for a table, and aligns to sixteen bytes but never to a cache line.
struct ledger {
  long calls = 0;
  long bytes = 0;
  std::function<void()> before_table;
};
template <class T> struct crooked {
  using value_type = T;
  explicit crooked(ledger& where) noexcept : books(&where) {}
  template <class Other> crooked(const crooked<Other>& other) noexcept : books(other.books) {}
  T* allocate(std::size_t count) {
    if constexpr (dictionary_test::is_room<T>) {
      if (const auto words = std::exchange(books->before_table, nullptr)) words();
    }
    auto address = reinterpret_cast<std::uintptr_t>(std::malloc(count * sizeof(T) + 128));
    const std::uintptr_t start = (address + 63) / 64 * 64 + 16;
    *reinterpret_cast<std::uintptr_t*>(start - sizeof(std::uintptr_t)) = address;
    ++books->calls;
    books->bytes += static_cast<long>(count * sizeof(T));
    return reinterpret_cast<T*>(start);
  }
  void deallocate(T* memory, std::size_t count) noexcept {
    books->bytes -= static_cast<long>(count * sizeof(T));
    std::free(reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t*>(memory)[-1]));
  }
  friend bool operator==(const crooked& a, const crooked& b) noexcept { return a.books == b.books; }
  ledger* books;
};

using Items = weakref::WeakValueDictionary<int, Item, weakref::hash<int>, std::equal_to<int>, crooked<Item>>;
using Owners = std::vector<std::shared_ptr<Item>>;

// New objects, stored under the numbers from `first` on.
void fill(Items& items, Owners& owners, int count, int first = 0) {
  for (int number = first; number < first + count; ++number)
    owners.push_back(items.insert(number, dictionary_test::item(number)).first);
}
// The same of objects that are not tracked.
Owners untracked(Items& items, int count) {
  Owners owners;
  for (int number = 0; number < count; ++number)
    owners.push_back(items.insert(number, std::make_shared<Item>(number)).first);
  return owners;
}

} // namespace

TEST_CASE("room: what reserve has asked for is there, and stays") {
  for (const std::size_t shards : {1U, 16U}) {
    CAPTURE(shards);
    ledger books;
    Items items({.shards = shards}, crooked<Item>(books));
    items.reserve(1000);
    for (int round = 0; round < 3; ++round) {
      Owners owners;
      const long calls = books.calls;
      fill(items, owners, 1000);
      CHECK(books.calls - calls == 1000); // nodes
      if (round == 1) {
        for (int number = 0; number < 1000; ++number) CHECK(items.erase(number));
      }
    }
    const long bytes = books.bytes;
    items.shrink_to_fit();
    CHECK(books.bytes < bytes - 1000 * 8);
  }
}

TEST_CASE("room: goes back with the last entry, and with most of them") {
  ledger books;
  Items items({.shards = 1}, crooked<Item>(books));
  (void)items.insert(0, dictionary_test::item(0));
  const long small = books.bytes + 64 * 8;
  Owners owners;
  fill(items, owners, 1000);
  CHECK(books.bytes > small + 1000 * 8);
  owners.clear();
  CHECK(books.bytes <= small);
  fill(items, owners, 1000);
  for (int number = 3; number < 1000; ++number) CHECK(items.erase(number));
  CHECK(books.bytes <= small + 3 * 128);
  for (int number = 0; number < 3; ++number) CHECK(items.contains(number));
}

TEST_CASE("room: others may store while a table's smaller one is being made") {
  ledger books;
  Items items({.shards = 1}, crooked<Item>(books));
  Owners owners;
  fill(items, owners, 1000);
  books.before_table = [&] { fill(items, owners, 700, 1000); };
  int erased = 0;
  while (books.before_table != nullptr) CHECK(items.erase(erased++));
  CHECK(erased < 1000);
  CHECK(items.size() == static_cast<std::size_t>(1700 - erased));
  for (int number = 0; number < 1700; ++number) CHECK(items.contains(number) == (number >= erased));
}

TEST_CASE("room: others may shrink the table further meanwhile") {
  ledger books;
  Items items({.shards = 1}, crooked<Item>(books));
  Owners owners;
  fill(items, owners, 1000);
  long bytes = 0;
  int erased = 0;
  books.before_table = [&] {
    while (erased < 990) CHECK(items.erase(++erased));
    bytes = books.bytes; // with the node that is being erased
  };
  while (books.before_table != nullptr) CHECK(items.erase(erased++));
  CHECK(erased == 990);
  CHECK(books.bytes <= bytes);
  CHECK(items.size() == 10);
}

TEST_CASE("room: a core and its shards begin with a cache line, whatever the allocator gives") {
  using Core =
      weakref::detail::core<weakref::detail::value_node<int, Item>, weakref::adaptive_mutex, crooked<Item>>;
  ledger books;
  Core* const core = Core::create(crooked<Item>(books), 16, false);
  for (std::size_t index = 0; index < 16; ++index)
    CHECK(reinterpret_cast<std::uintptr_t>(&core->all_shards().at(true, index)) % 64 == 0);
  CHECK(reinterpret_cast<std::uintptr_t>(&core->all_shards().at(false, 0)) % 64 == 0);
  core->drop_ref();
  CHECK(books.bytes == 0);
}

TEST_CASE("dead untracked entries: operations on one key come by those of all shards") {
  ledger books;
  Items items({.shards = 16, .accept_untracked = true}, crooked<Item>(books));
  untracked(items, 1000);
  CHECK(items.size() > 900);
  for (int i = 0; i < 1500; ++i) CHECK_FALSE(items.contains(-1));
  CHECK(items.empty());
}

TEST_CASE("dead untracked entries: a split knows that there may be some") {
  ledger books;
  Items items({.accept_untracked = true}, crooked<Item>(books));
  untracked(items, 100).clear();
  Owners owners = untracked(items, 200);
  items.reserve(1000);
  owners.clear();
  for (int i = 0; i < 2000; ++i) CHECK_FALSE(items.contains(-1));
  CHECK(items.empty());
}

TEST_CASE("dead untracked entries: a loop, popitem and sweep take all that they pass") {
  ledger books;
  Items items({.shards = 1, .accept_untracked = true}, crooked<Item>(books));
  Owners owners = untracked(items, 100);
  owners.clear();
  CHECK(items.begin() == items.end());
  CHECK(items.empty());
  owners = untracked(items, 100);
  owners.clear();
  CHECK_THROWS_AS((void)items.popitem(), std::out_of_range);
  CHECK(items.empty());
  owners = untracked(items, 100);
  owners.clear();
  CHECK(items.sweep() > 0);
  CHECK(items.empty());
}

TEST_CASE("dead untracked entries: a key's destructor may destroy the dictionary that has found it") {
  struct Last {
    explicit Last(int start) : number(start) {}
    Last(const Last&) = default;
    Last& operator=(const Last&) = default;
    ~Last() {
      if (number == 0) return;
      if (const auto words = std::exchange(destroys(), nullptr)) words();
    }
    bool operator==(const Last&) const = default;
    static std::function<void()>& destroys() {
      static std::function<void()> words;
      return words;
    }
    int number;
  };
  struct Number {
    std::size_t operator()(const Last& key) const noexcept { return static_cast<std::size_t>(key.number); }
  };
  using Fragile = weakref::WeakValueDictionary<Last, Item, Number>;
  const Last absent(0);
  for (int before = 0; before < 16; ++before) { // one of these look-ups is the one that helps another shard
    auto items = std::make_unique<Fragile>(weakref::options{.shards = 16, .accept_untracked = true});
    Owners owners;
    for (int number = 1; number <= 300; ++number)
      owners.push_back(items->insert(Last(number), std::make_shared<Item>(number)).first);
    for (int i = 0; i < before; ++i) CHECK_FALSE(items->contains(absent));
    owners.clear();
    Last::destroys() = [&] { items.reset(); };
    CHECK_FALSE(items->contains(absent));
    CHECK(items == nullptr);
  }
}

TEST_CASE("dead untracked entries: one look at a full table empties it, whatever lives there") {
  ledger books;
  for (int trial = 0; trial < 20; ++trial) {
    Items items({.shards = 1, .accept_untracked = true}, crooked<Item>(books));
    items.reserve(100);
    Owners owners;
    for (int number = 0; number < 100; ++number)
      owners.push_back(items.insert(1000 * trial + number, std::make_shared<Item>(number)).first);
    for (std::size_t number = 0; number < owners.size(); number += 4) owners[number].reset();
    const long calls = books.calls;
    (void)items.insert(-1, std::make_shared<Item>(0));
    CHECK(books.calls == calls + 1);
  }
}

TEST_CASE("put off: deaths come first, then what else waits, the oldest first") {
  struct Speaker {
    Speaker(std::string& to, char as) : text(to), name(as) {}
    ~Speaker() { text += name; }
    std::string& text;
    char name;
  };
  std::string text;
  weakref::WeakValueDictionary<int, Item> items;
  const auto one = dictionary_test::item(1);
  items.insert(1, one);
  auto a = weakref::make_tracked<Speaker>(text, 'a');
  auto b = weakref::make_tracked<Speaker>(text, 'b');
  CHECK(items.visit(1, [&](Item&) {
    weakref::defer([&] { text += '1'; });
    weakref::defer([&] {
      text += '2';
      CHECK(items.visit(1, [&](Item&) { weakref::defer([&] { text += '3'; }); }));
    });
    a.reset();
    weakref::defer([&] { text += '4'; });
    b.reset();
    text += '.';
  }));
  CHECK(text == ".ab1234");
}
