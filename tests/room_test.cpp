// SPDX-License-Identifier: BSL-1.0
// The room that tables take: asked for beforehand, given back when it is not needed, and where memory lies.
#include <weakref/weak_key_dictionary.hpp>
#include <weakref/weak_set.hpp>
#include <weakref/weak_value_dictionary.hpp>

#include "support/dictionary_new.hpp"
#include "support/dictionary_objects.hpp"
#include "support/room_allocator.hpp"

#include <weakref/detail/base/line_memory.hpp>
#include <weakref/detail/container/core.hpp>
#include <weakref/detail/container/value_node.hpp>
#include <weakref/mutex.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

using namespace dictionary_test;

namespace {

using Key = std::uint64_t;
using Dictionary =
    weakref::WeakValueDictionary<Key, Item, weakref::hash<Key>, std::equal_to<>, room_allocator<Item>>;
using Things = std::vector<std::shared_ptr<Item>>;

// Stores so many new objects, under the numbers from 0 on.
Things fill(Dictionary& dictionary, Key count) {
  Things owners;
  for (Key number = 0; number < count; ++number) {
    owners.push_back(item(static_cast<int>(number)));
    dictionary.insert(number, owners.back());
  }
  return owners;
}
bool holds_all(const Dictionary& dictionary, const Things& owners) {
  return std::all_of(owners.begin(), owners.end(), [&](const auto& each) {
    return each == nullptr || dictionary.get(static_cast<Key>(each->number)) == each;
  });
}

} // namespace

// --- asked for
// -------------------------------------------------------------------------------------------------------

TEST_CASE(
    "reserve: storing as many entries under random keys grows no table, however many shards there are") {
  std::mt19937_64 random(1);
  const auto one = item(1);
  for (const std::size_t shards :
       {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{16}, std::size_t{64}, std::size_t{256}}) {
    CAPTURE(shards);
    int grown = 0;
    for (int round = 0; round < 60; ++round) {
      const std::size_t count =
          round % 10 == 0 ? 3000 - static_cast<std::size_t>(round) * 45 : 300 + random() % 2701;
      room_books books;
      Dictionary dictionary({.shards = shards}, room_allocator<Item>(books));
      dictionary.reserve(count);
      const long tables = books.tables;
      for (std::size_t i = 0; i < count; ++i) dictionary.insert(random(), one);
      if (books.tables != tables) ++grown;
    }
    CHECK(grown == 0);
  }
}

TEST_CASE("reserve: makes room for so many and not for one less, and hardly for more") {
  const auto one = item(1);
  for (std::size_t count = 1; count < 300; ++count) {
    CAPTURE(count);
    room_books books;
    Dictionary dictionary({.shards = 1}, room_allocator<Item>(books));
    dictionary.reserve(count);
    CHECK(books.tables == 1);
    CHECK(books.slots <= static_cast<long>(count + count / 3 + 7));
    for (Key number = 0; number < count; ++number) dictionary.insert(number, one);
    CHECK(books.tables == 1);
  }
}

TEST_CASE("reserve: never shrinks, and what it made stays until shrink_to_fit or clear") {
  room_books books;
  Dictionary dictionary({.shards = 1}, room_allocator<Item>(books));
  dictionary.reserve(1000);
  const long slots = books.slots;
  const long tables = books.tables;
  dictionary.reserve(10);
  CHECK(books.slots == slots);
  for (int round = 0; round < 3; ++round) {
    Things owners = fill(dictionary, 1000);
    for (Key number = 0; number < 998; ++number) {
      if (number % 2 == 0) {
        owners[static_cast<std::size_t>(number)].reset();
      } else {
        dictionary.erase(number);
      }
    }
    for (const auto& [key, value] : dictionary) CHECK(value->number == static_cast<int>(key));
    (void)dictionary.popitem();
    owners.clear();
    CHECK(dictionary.empty());
    CHECK(books.slots == slots);
  }
  CHECK(books.tables == tables);
  // One that has grown beyond comes back to it.
  fill(dictionary, 20000);
  for (auto&& each : dictionary) (void)each;
  CHECK(books.slots == slots);
  SUBCASE("shrink_to_fit") { dictionary.shrink_to_fit(); }
  SUBCASE("clear") { dictionary.clear(); }
  CHECK(books.slots == 0);
  const auto one = item(1);
  dictionary.insert(1, one);
  CHECK(books.slots < 16);
  dictionary.erase(Key{1});
  fill(dictionary, 1000); // which are dead at once
  CHECK(books.slots == 0);
}

TEST_CASE("reserve: more than tables can hold is refused, and changes nothing") {
  constexpr auto most = std::numeric_limits<std::size_t>::max();
  constexpr std::uint64_t of_one = (std::uint64_t{1} << 32) / 5 * 4;
  for (const std::size_t shards : {std::size_t{0}, std::size_t{1}, std::size_t{16}, std::size_t{256}}) {
    CAPTURE(shards);
    room_books books;
    Dictionary dictionary({.shards = shards}, room_allocator<Item>(books));
    const Things owners = fill(dictionary, 100);
    const std::uint64_t parts = shards == 0 ? 64 : shards;
    std::vector<std::uint64_t> refused{most,
                                       most - 1,
                                       most / 2,
                                       most / 2 + 1,
                                       most / 5 * 4,
                                       parts * of_one + parts,
                                       parts * of_one + 5 * parts,
                                       parts * (std::uint64_t{1} << 32),
                                       parts * (std::uint64_t{1} << 34) + parts,
                                       parts * (std::uint64_t{1} << 35)};
    for (unsigned bits = 42; bits < 64; ++bits) {
      refused.push_back(std::uint64_t{1} << bits);
      refused.push_back((std::uint64_t{1} << bits) + (std::uint64_t{1} << (bits - 2)));
    }
    const long bytes = books.bytes;
    const long tables = books.tables;
    books.is_scarce = true; // nobody should come so far as to ask
    for (const std::uint64_t entries : refused) {
      CAPTURE(entries);
      CHECK_THROWS_AS(dictionary.reserve(entries), std::length_error);
    }
    CHECK(books.refused == 0);
    books.is_scarce = false;
    CHECK(books.bytes == bytes);
    CHECK(books.tables == tables);
    CHECK(holds_all(dictionary, owners));
    // Nor is anything kept from now on.
    dictionary.shrink_to_fit();
    CHECK(books.bytes <= bytes);
  }
}

TEST_CASE("reserve: that finds no memory changes nothing, and keeps nothing") {
  room_books books;
  Dictionary dictionary({.shards = 1}, room_allocator<Item>(books));
  Things owners = fill(dictionary, 1000);
  books.is_scarce = true;
  CHECK_THROWS_AS(dictionary.reserve(5000), std::bad_alloc);
  books.is_scarce = false;
  CHECK(holds_all(dictionary, owners));
  owners.clear();
  CHECK(books.slots == 0);
}

// --- given back
// -------------------------------------------------------------------------------------------------------

TEST_CASE("tables: all that a hundred thousand entries needed goes when all but one have died") {
  const auto check = [](const char* kind, auto operation) {
    CAPTURE(kind);
    for (const std::size_t shards : {std::size_t{1}, std::size_t{0}}) {
      CAPTURE(shards);
      room_books books;
      Dictionary dictionary({.shards = shards}, room_allocator<Item>(books));
      Things owners = fill(dictionary, shards == 1 ? 10000 : 20000);
      const auto last = owners[owners.size() / 2];
      owners.clear();
      CHECK(dictionary.size() == 1);
      if (shards == 0) CHECK(books.slots < 20000 * 2 / 16); // the other shards' have gone with the last death
      operation(dictionary, static_cast<Key>(last->number));
      CHECK(books.slots <= 64);
      if (last.use_count() > 1) CHECK(dictionary.size() >= 1);
    }
  };
  const auto other = item(-1);
  check("assign", [&](Dictionary& in, Key last) { in.insert_or_assign(last, other); });
  check("insert what is there",
        [&](Dictionary& in, Key last) { CHECK_FALSE(in.insert(last, other).second); });
  check("try_emplace and get_or_create", [](Dictionary& in, Key last) {
    in.erase(last);
    const auto one = in.try_emplace(last, 1).first;
    CHECK(in.get_or_create(last, [] { return Item(2); }) == one);
  });
  check("erase", [](Dictionary& in, Key last) { CHECK(in.erase(last)); });
  check("pop", [](Dictionary& in, Key last) { CHECK(in.pop(last) != nullptr); });
  check("popitem", [](Dictionary& in, Key last) { CHECK(in.popitem().first == last); });
  check("loop", [](Dictionary& in, Key last) {
    for (const auto& [key, value] : in) CHECK(key == last);
  });
  check("copy", [](Dictionary& in, Key) { CHECK(Dictionary(in).size() == 1); });
  check("erase_if", [](Dictionary& in, Key) { CHECK(in.erase_if([](auto&&...) { return false; }) == 0); });
  check("shrink_to_fit", [](Dictionary& in, Key) { in.shrink_to_fit(); });

  room_books books;
  Dictionary large(weakref::options{}, room_allocator<Item>(books));
  {
    const Things owners = fill(large, 100000);
    CHECK(books.slots >= 125000);
  }
  CHECK(large.empty());
  CHECK(books.slots <= 64 * 64); // only small tables stay
}

TEST_CASE("tables: those of a WeakKeyDictionary and a WeakSet go likewise") {
  const auto check = [](auto& container, const room_books& books, auto store) {
    Things owners;
    for (int number = 0; number < 5000; ++number) {
      owners.push_back(item(number));
      store(owners.back());
    }
    CHECK(books.slots > 5000);
    owners.resize(1);
    std::size_t seen = 0;
    for (auto&& each : container) {
      (void)each;
      ++seen;
    }
    CHECK(seen == 1);
    CHECK(books.slots <= 64);
    owners.clear();
    CHECK(container.empty());
  };
  room_books books;
  weakref::WeakKeyDictionary<Item, int, weakref::by_identity, weakref::by_identity, room_allocator<Item>>
      keys({.shards = 1}, room_allocator<Item>(books));
  check(keys, books, [&](const auto& owner) { keys.insert(owner, 1); });
  room_books others;
  weakref::WeakSet<Item, weakref::by_identity, weakref::by_identity, room_allocator<Item>> set(
      weakref::options{}, room_allocator<Item>(others));
  check(set, others, [&](const auto& owner) { set.add(owner); });
}

TEST_CASE(
    "tables: the last death of all frees the table itself, and nothing is left but the container's core") {
  room_books books;
  Dictionary dictionary({.shards = 1}, room_allocator<Item>(books));
  for (int round = 0; round < 3; ++round) {
    Things owners = fill(dictionary, 1000);
    std::shuffle(owners.begin(), owners.end(), std::mt19937(static_cast<unsigned>(round)));
    while (owners.size() > 1) {
      owners.pop_back();
      CHECK(books.slots > 0);
    }
    const long tables = books.tables;
    owners.clear();
    CHECK(books.slots == 0);
    CHECK(books.blocks == 1);
    CHECK(books.tables == tables);
  }
}

TEST_CASE("tables: a dead foreign object's go when the last of its fellows is found") {
  room_books books;
  Dictionary dictionary({.shards = 1, .accept_untracked = true}, room_allocator<Item>(books));
  {
    Things owners;
    for (Key number = 0; number < 1000; ++number) {
      owners.push_back(std::make_shared<Item>(1));
      dictionary.insert(number, owners.back());
    }
  }
  for (int i = 0; i < 1000 && books.slots != 0; ++i) CHECK_FALSE(dictionary.contains(Key{1}));
  CHECK(books.slots == 0);
  CHECK(books.blocks == 1);
}

TEST_CASE("tables: entries that come and go make few tables, wherever their number swings") {
  const auto swing = [](Key low, Key high, int rounds, bool by_death) {
    CAPTURE(low);
    CAPTURE(high);
    room_books books;
    Dictionary dictionary({.shards = 1}, room_allocator<Item>(books));
    Things owners = fill(dictionary, high);
    const long before = books.tables;
    long operations = 0;
    for (int round = 0; round < rounds; ++round) {
      for (Key number = low; number < high; ++number, ++operations) {
        if (!by_death) dictionary.erase(number);
        owners[static_cast<std::size_t>(number)].reset();
      }
      CHECK(dictionary.size() == low);
      for (Key number = low; number < high; ++number, ++operations) {
        auto& owner = owners[static_cast<std::size_t>(number)];
        owner = item(static_cast<int>(number));
        dictionary.insert(number, owner);
      }
    }
    CHECK(holds_all(dictionary, owners));
    CHECK((books.tables - before) * 10 <= operations);
  };
  for (const bool by_death : {false, true}) {
    CAPTURE(by_death);
    swing(0, 60, 200, by_death);
    swing(0, 1000, 10, by_death);
    swing(100, 1000, 10, by_death);
    swing(500, 1000, 10, by_death);
    for (Key low = 8; low < 40; ++low) swing(low, low + 5, 20, by_death);
  }
  // Around the very size at which a table is sparse.
  room_books books;
  Dictionary dictionary({.shards = 1}, room_allocator<Item>(books));
  Things owners = fill(dictionary, 2000);
  for (Key number = 0; number < 1900; ++number) dictionary.erase(number);
  const long before = books.tables;
  for (Key size = 1900; size > 1700; --size) {
    for (int i = 0; i < 5; ++i) {
      dictionary.insert(size, owners[static_cast<std::size_t>(size)]);
      dictionary.erase(size);
    }
  }
  CHECK(books.tables - before <= 2);
}

TEST_CASE("tables: one that has shrunk has room for as many entries again") {
  for (std::size_t left = 20; left < 110; ++left) {
    CAPTURE(left);
    room_books books;
    Dictionary dictionary({.shards = 1}, room_allocator<Item>(books));
    Things owners = fill(dictionary, 1000);
    owners.resize(left);
    CHECK(dictionary.erase(Key{0}));
    CHECK(books.slots < 300);
    const long tables = books.tables;
    for (Key number = 1; number < left; ++number) dictionary.insert(2000 + number, owners[1]);
    CHECK(books.tables == tables);
  }
}

TEST_CASE("shrink_to_fit: leaves room for what is there and no more, reserved or not") {
  for (const Key count : {Key{0}, Key{1}, Key{3}, Key{100}, Key{2000}}) {
    CAPTURE(count);
    room_books books;
    Dictionary dictionary({.shards = 1}, room_allocator<Item>(books));
    dictionary.shrink_to_fit();
    CHECK(books.blocks == 0);
    dictionary.reserve(5000);
    const Things owners = fill(dictionary, count);
    dictionary.shrink_to_fit();
    CHECK(books.slots <= static_cast<long>(count + count / 3 + 7));
    if (count == 0) CHECK(books.blocks == 1);
    CHECK(holds_all(dictionary, owners));
    const long tables = books.tables;
    dictionary.shrink_to_fit();
    CHECK(books.tables == tables);
  }
  room_books books;
  Dictionary split({.shards = 16}, room_allocator<Item>(books));
  split.reserve(10000);
  const Things owners = fill(split, 1000);
  split.shrink_to_fit();
  CHECK(books.slots <= 1000 + 1000 / 3 + 16 * 7);
  CHECK(holds_all(split, owners));
}

TEST_CASE("tables: that find no memory to shrink into stay as they are, and nobody hears of it") {
  const auto check = [](const char* kind, auto operation) {
    CAPTURE(kind);
    room_books books;
    Dictionary dictionary({.shards = 1}, room_allocator<Item>(books));
    Things owners = fill(dictionary, 1000);
    for (std::size_t i = 0; i < owners.size(); ++i)
      if (i % 50 != 0) owners[i].reset();
    REQUIRE(dictionary.size() == 20);
    const long slots = books.slots;
    books.is_scarce = true;
    CHECK_NOTHROW(operation(dictionary, owners));
    CHECK(books.refused > 0);
    CHECK(books.slots == slots);
    books.is_scarce = false;
    CHECK(holds_all(dictionary, owners));
    CHECK_NOTHROW(operation(dictionary, owners));
    CHECK(books.slots < 200);
    CHECK(holds_all(dictionary, owners));
  };
  check("erase", [](Dictionary& in, Things& owners) {
    for (auto& each : owners) {
      if (each == nullptr) continue;
      CHECK(in.erase(static_cast<Key>(each->number)));
      each.reset();
      return;
    }
  });
  check("loop", [](Dictionary& in, Things& owners) {
    std::size_t seen = 0;
    for (const auto& [key, value] : in) seen += value == owners[static_cast<std::size_t>(key)];
    CHECK(seen == in.size());
  });
  check("popitem",
        [](Dictionary& in, Things& owners) { owners[static_cast<std::size_t>(in.popitem().first)].reset(); });
  check("store", [](Dictionary& in, Things& owners) {
    owners.push_back(item(static_cast<int>(owners.size())));
    CHECK(in.insert(owners.size() - 1, owners.back()).second);
  });
  check("erase_if", [](Dictionary& in, Things& owners) {
    const auto unwanted = in.begin()->key;
    CHECK(in.erase_if([&](const Key& key, const auto&) { return key == unwanted; }) == 1);
    owners[static_cast<std::size_t>(unwanted)].reset();
  });
  check("shrink_to_fit", [](Dictionary& in, Things&) { in.shrink_to_fit(); });
}

TEST_CASE("tables: taking all out by popitem walks over what is there, while the tables shrink") {
  room_books books;
  Dictionary dictionary({.shards = 1}, room_allocator<Item>(books));
  const Things owners = fill(dictionary, 5000);
  std::vector<bool> seen(5000);
  for (Key left = 5000; left > 0; --left) {
    const auto [key, owner] = dictionary.popitem();
    CHECK_FALSE(seen[static_cast<std::size_t>(key)]);
    seen[static_cast<std::size_t>(key)] = true;
    CHECK(owner == owners[static_cast<std::size_t>(key)]);
  }
  CHECK(dictionary.empty());
  CHECK(books.slots <= 64);
  CHECK(books.tables < 40);
}

// --- where memory lies
// -------------------------------------------------------------------------------------------------------

namespace {

// Memory of an allocator that gives no more alignment than it must, one multiple of it after the other; with what
// lies behind.
struct shelf {
  struct block {
    void* raw;
    std::size_t bytes;
  };
  std::map<void*, block> blocks;
  std::size_t next = 0;
  long wrong = 0;

  static constexpr std::size_t guard = 64;
  void* take(std::size_t bytes, std::size_t alignment) {
    const std::size_t shift = ++next * alignment % 64;
    void* const raw = std::aligned_alloc(64, (bytes + 64 + guard + 63) / 64 * 64);
    auto* const place = static_cast<unsigned char*>(raw) + shift;
    std::memset(place + bytes, 0xa5, guard);
    blocks[place] = {raw, bytes};
    return place;
  }
  void give(void* place, std::size_t bytes) noexcept {
    const auto found = blocks.find(place);
    if (found == blocks.end() || found->second.bytes != bytes) {
      ++wrong;
      return;
    }
    const auto* const behind = static_cast<const unsigned char*>(place) + bytes;
    if (!std::all_of(behind, behind + guard, [](unsigned char each) { return each == 0xa5; })) ++wrong;
    std::free(found->second.raw);
    blocks.erase(found);
  }
};

template <class T, std::size_t Alignment> struct shelved {
  using value_type = T;
  template <class Other> struct rebind { using other = shelved<Other, Alignment>; };
  explicit shelved(shelf& from) noexcept : where(&from) {}
  template <class Other> shelved(const shelved<Other, Alignment>& other) noexcept : where(other.where) {}
  T* allocate(std::size_t count) {
    static_assert(alignof(T) <= Alignment, "no allocator need give more");
    return static_cast<T*>(where->take(count * sizeof(T), Alignment));
  }
  void deallocate(T* place, std::size_t count) noexcept { where->give(place, count * sizeof(T)); }
  friend bool operator==(const shelved& left, const shelved& right) noexcept {
    return left.where == right.where;
  }
  shelf* where;
};

struct Eight {
  template <class T> using allocator = shelved<T, 8>;
};
struct Sixteen {
  template <class T> using allocator = shelved<T, 16>;
};

bool is_on_line(const void* address) { return reinterpret_cast<std::uintptr_t>(address) % 64 == 0; }

} // namespace

TEST_CASE_TEMPLATE("memory: cores and shards lie on cache lines, whatever the allocator gives", Given, Eight,
                   Sixteen) {
  using Allocator = typename Given::template allocator<Item>;
  using Node = weakref::detail::value_node<int, Item>;
  using Core = weakref::detail::core<Node, weakref::adaptive_mutex, Allocator>;
  shelf from;
  for (int round = 0; round < 8; ++round) {
    Core* const core = Core::create(Allocator(from), 4, false);
    CHECK(is_on_line(core));
    CHECK(is_on_line(&core->all_shards().at(false, 0)));
    for (std::size_t i = 0; i < 4; ++i) CHECK(is_on_line(&core->all_shards().at(true, i)));
    core->drop_ref();
    CHECK(from.blocks.empty());
    (void)from.take(1, 8);
    from.give(from.blocks.begin()->first, 1);
    ++from.next;
  }
  {
    weakref::WeakValueDictionary<int, Item, weakref::hash<int>, std::equal_to<>, Allocator> dictionary(
        weakref::options{}, Allocator(from));
    Things owners;
    for (int number = 0; number < 1000; ++number) {
      owners.push_back(item(number));
      dictionary.insert(number, owners.back());
    }
    owners.resize(10);
    dictionary.shrink_to_fit();
    for (const auto& each : owners) CHECK(dictionary.get(each->number) == each);
  }
  CHECK(from.blocks.empty());
  CHECK(from.wrong == 0);
}

TEST_CASE("memory: every size of it begins with a line and goes back whole, at every distance from one") {
  using memory = weakref::detail::line_memory<shelved<int, 8>, int>;
  shelf from;
  const shelved<int, 8> allocator(from);
  for (std::size_t bytes = 1; bytes < 200; ++bytes) {
    CAPTURE(bytes);
    for (int round = 0; round < 8; ++round) {
      std::byte* const place = memory::allocate(allocator, bytes);
      CHECK(is_on_line(place));
      std::memset(place, 0xff, bytes);
      CHECK(from.blocks.size() == 1);
      CHECK(from.blocks.begin()->second.bytes <= bytes + 2 * 64);
      memory::deallocate(allocator, place, bytes);
      CHECK(from.blocks.empty());
    }
  }
  CHECK(from.wrong == 0);
}

TEST_CASE("memory: std::allocator is taken at its word, and wastes nothing") {
  using memory = weakref::detail::line_memory<std::allocator<int>, int>;
  for (std::size_t lines = 1; lines < 20; ++lines) {
    const long before = heap::bytes;
    std::byte* const place = memory::allocate(std::allocator<int>(), 64 * lines);
    CHECK(heap::bytes - before == static_cast<long>(64 * lines));
    CHECK(is_on_line(place));
    memory::deallocate(std::allocator<int>(), place, 64 * lines);
  }
}
