// SPDX-License-Identifier: BSL-1.0
// What the constructor's options, the allocator and the mutex change, and what they must not: every
// configuration is the same dictionary. Growth, accounts kept by an allocator, and where locks are held.
#include <weakref/weak_value_dictionary.hpp>

#include "support/dictionary_allocator.hpp"
#include "support/dictionary_keys.hpp"
#include "support/dictionary_mutex.hpp"
#include "support/dictionary_new.hpp"
#include "support/dictionary_objects.hpp"
#include "support/dictionary_threads.hpp"

#include <weakref/detail/container/set_node.hpp>
#include <weakref/mutex.hpp>
#include <weakref/weak_key_dictionary.hpp>
#include <weakref/weak_set.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>
#include <version>
#if __has_include(<memory_resource>)
#include <memory_resource>
#endif

using namespace dictionary_test;

namespace {

template <class T>
using Accounted =
    weakref::WeakValueDictionary<int, T, weakref::hash<int>, std::equal_to<>, accounting_allocator<T>>;

// Every operation once, at a size where tables have grown and shrunk a few times.
template <class Dictionary> void exercise(Dictionary& dictionary) {
  std::vector<std::shared_ptr<Item>> owners;
  for (int number = 0; number < 500; ++number) {
    switch (number % 4) {
    case 0:
      owners.push_back(dictionary.insert(number, item(number)).first);
      break;
    case 1:
      owners.push_back(dictionary.try_emplace(number, number).first);
      break;
    case 2:
      owners.push_back(dictionary.get_or_create(number, [](int key) { return Item(key); }));
      break;
    default:
      owners.push_back(item(number));
      dictionary.insert_or_assign(number, owners.back());
    }
  }
  CHECK(dictionary.size() == 500);
  int seen = 0;
  for (auto&& [key, value] : dictionary) seen += value->number == key;
  CHECK(seen == 500);
  for (int number = 0; number < 500; ++number) {
    CHECK(dictionary.get(number) == owners[static_cast<std::size_t>(number)]);
    CHECK(dictionary.visit(number, [&](Item& found) { CHECK(found.number == number); }));
  }
  Dictionary copy(dictionary);
  CHECK(copy == dictionary);
  for (int number = 0; number < 100; ++number) {
    CHECK(dictionary.erase(number));
    CHECK(dictionary.pop(100 + number) == owners[static_cast<std::size_t>(100 + number)]);
  }
  CHECK(dictionary.erase_if([](const int& key, const auto&) { return key < 300; }) == 100);
  (void)dictionary.popitem();
  CHECK(dictionary.size() == 199);
  CHECK(copy.size() == 500);
  Dictionary moved(std::move(dictionary));
  dictionary = std::move(moved);
  dictionary.swap(copy);
  CHECK(dictionary.size() == 500);
  copy |= dictionary;
  CHECK(copy.size() == 500);
  owners.clear();
  CHECK(dictionary.size() == 0);
  CHECK(copy.size() == 0);
  dictionary.clear();
  CHECK(Item::alive() == 0);
}

// An allocator with a number, which goes along with the contents.
template <class T> struct traveller : std::allocator<T> {
  using value_type = T;
  using is_always_equal = std::false_type;
  using propagate_on_container_swap = std::true_type;
  using propagate_on_container_move_assignment = std::true_type;
  template <class Other> struct rebind { using other = traveller<Other>; };
  explicit traveller(int start) noexcept : number(start) {}
  template <class Other> traveller(const traveller<Other>& other) noexcept : number(other.number) {}
  friend bool operator==(const traveller& left, const traveller& right) noexcept {
    return left.number == right.number;
  }
  int number;
};

// One that a copy takes over too.
template <class T> struct companion : traveller<T> {
  using propagate_on_container_copy_assignment = std::true_type;
  template <class Other> struct rebind { using other = companion<Other>; };
  using traveller<T>::traveller;
  template <class Other> companion(const companion<Other>& other) noexcept : traveller<T>(other) {}
};

// One that keeps accounts and never travels: each container stays with its own, and a copy gets the one that the
// source's chooses for it.
template <class T> struct homebody : accounting_allocator<T> {
  using value_type = T;
  template <class Other> struct rebind { using other = homebody<Other>; };
  homebody(account& own, account& copies) noexcept : accounting_allocator<T>(own), for_copies(&copies) {}
  template <class Other>
  homebody(const homebody<Other>& other) noexcept
      : accounting_allocator<T>(other), for_copies(other.for_copies) {}
  homebody select_on_container_copy_construction() const noexcept { return {*for_copies, *for_copies}; }
  account* for_copies;
};

// `fill` stores one entry.
template <class Container, class Fill> void check_whose_memory_copies_take(Fill fill) {
  account source_books;
  account chosen_books;
  account target_books;
  {
    using Allocator = typename Container::allocator_type;
    Container source(Allocator(source_books, chosen_books));
    const auto kept = fill(source);
    CHECK(source.size() == 1);
    CHECK(source_books.calls > 0);
    const long calls = source_books.calls;

    const Container made(source);
    CHECK(made.size() == 1);
    CHECK(made.get_allocator().books() == &chosen_books);
    CHECK(chosen_books.calls > 0);
    CHECK(source_books.calls == calls);
    const Container made_empty{Container(Allocator(source_books, chosen_books))}; // a move: nothing is chosen
    CHECK(made_empty.get_allocator().books() == &source_books);
    const Container nothing(Allocator(source_books, chosen_books));
    const Container copy_of_nothing(nothing);
    CHECK(copy_of_nothing.get_allocator().books() == &chosen_books);

    const long chosen_calls = chosen_books.calls;
    Container target(Allocator(target_books, chosen_books));
    for (int turn = 0; turn != 2; ++turn) { // into an empty one, then into one with something in it
      target_books.calls = 0;
      target = source;
      CHECK(target.size() == 1);
      CHECK(target.get_allocator().books() == &target_books);
      CHECK(target_books.calls > 0);
      CHECK(source_books.calls == calls);
      CHECK(chosen_books.calls == chosen_calls);
    }
    // What is stored later comes from there as well.
    target.clear();
    target_books.calls = 0;
    const auto later = fill(target);
    CHECK(target_books.calls > 0);
    CHECK(source_books.calls == calls);
  }
  CHECK(source_books.blocks == 0);
  CHECK(chosen_books.blocks == 0);
  CHECK(target_books.blocks == 0);
}

} // namespace

TEST_CASE("shards: each is one cache line") {
  using shards =
      weakref::detail::shards<weakref::detail::set_node<int>, weakref::adaptive_mutex, std::allocator<int>>;
  CHECK(sizeof(shards::shard) == 64);
}

TEST_CASE("options: any number of shards is the same dictionary") {
  for (const std::size_t shards : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{3},
                                   std::size_t{7}, std::size_t{16}, std::size_t{64}}) {
    CAPTURE(shards);
    weakref::WeakValueDictionary<int, Item> dictionary(weakref::options{.shards = shards});
    exercise(dictionary);
    weakref::WeakValueDictionary<int, Item> any(weakref::options{.shards = shards, .accept_untracked = true});
    exercise(any);
  }
}

TEST_CASE("options: as many shards as asked for, at once; by itself a container begins with one") {
  using Node = weakref::detail::value_node<int, Item>;
  using SetNode = weakref::detail::set_node<Item>;
  using Allocator = std::allocator<Item>;
  const auto count = [](auto& shards) { return shards.count(); };
  const std::map<std::size_t, std::size_t> given_for{{1, 1}, {2, 2},     {3, 4},     {7, 8},
                                                     {8, 8}, {255, 256}, {256, 256}, {1000, 256}};
  for (const auto& pair : given_for) {
    const std::size_t asked = pair.first;
    const std::size_t given = pair.second;
    CAPTURE(asked);
    weakref::detail::shards<Node, weakref::adaptive_mutex, Allocator> many(Allocator(), asked);
    CHECK(count(many) == given);
    CHECK_FALSE(many.should_split(1000000));
    weakref::detail::shards<SetNode, weakref::adaptive_mutex, Allocator> of_a_set(Allocator(), asked);
    CHECK(count(of_a_set) == given);
    weakref::detail::shards<Node, weakref::null_mutex, Allocator> local(Allocator(), asked);
    CHECK(count(local) == 1);
    CHECK_FALSE(local.should_split(1000000));
  }
  weakref::detail::shards<Node, weakref::adaptive_mutex, Allocator> by_itself(Allocator(), 0);
  CHECK(count(by_itself) == 1);
  CHECK_FALSE(by_itself.should_split(255));
  CHECK(by_itself.should_split(256));
  by_itself.split();
  CHECK(count(by_itself) == std::size_t{1} << weakref::detail::chosen_shard_bits());
  CHECK(count(by_itself) >= 16);
  CHECK(count(by_itself) <= 64);
  CHECK_FALSE(by_itself.should_split(256));
  weakref::detail::shards<SetNode, weakref::adaptive_mutex, Allocator> set(Allocator(), 0);
  CHECK_FALSE(set.should_split(1000000));

  // Room for so many is room in shards.
  using Core = weakref::detail::core<Node, weakref::adaptive_mutex, Allocator>;
  Core* const core = Core::create(Allocator(), 0, false);
  core->reserve(255);
  CHECK(count(core->all_shards()) == 1);
  core->reserve(1000);
  CHECK(count(core->all_shards()) > 1);
  core->drop_ref();
}

TEST_CASE("options: dictionaries with different numbers of shards work together") {
  weakref::WeakValueDictionary<int, Item> one(weakref::options{.shards = 1});
  weakref::WeakValueDictionary<int, Item> many(weakref::options{.shards = 16});
  std::vector<std::shared_ptr<Item>> owners;
  for (int number = 0; number < 100; ++number) {
    owners.push_back(one.insert(number, item(number)).first);
    many.insert(number, owners.back());
  }
  CHECK(one == many);
  owners.resize(60);
  CHECK(one == many);
  many.erase(7);
  CHECK(one != many);
  many |= one;
  CHECK(one == many);
  one.swap(many);
  many = one;
  one = std::move(many);
  CHECK(one.size() == 60);
  owners.clear();
  CHECK(one.empty());
}

TEST_CASE("growth: from nothing to a hundred thousand entries and back") {
  weakref::WeakValueDictionary<int, Item> dictionary;
  std::vector<std::shared_ptr<Item>> owners;
  constexpr int count = 100000;
  // Strided keys under an identity hash: the table has to spread them itself.
  for (int number = 0; number < count; ++number)
    owners.push_back(dictionary.try_emplace(number * 4096, number).first);
  CHECK(dictionary.size() == count);
  int wrong = 0;
  for (int number = 0; number < count; ++number)
    wrong += dictionary.get(number * 4096) != owners[static_cast<std::size_t>(number)];
  CHECK(wrong == 0);
  std::shuffle(owners.begin(), owners.end(), std::mt19937(1));
  while (owners.size() > 10) owners.pop_back();
  CHECK(dictionary.size() == 10);
  for (const auto& owner : owners) CHECK(dictionary.get(owner->number * 4096) == owner);
}

TEST_CASE("growth: look-ups, deaths and erasures go on while other threads make the tables grow") {
  weakref::WeakValueDictionary<int, Item> dictionary;
  const auto fixed = item(-1);
  dictionary.insert(-1, fixed);
  std::atomic<int> wrong{0};
  together(4, [&](unsigned thread) {
    std::vector<std::shared_ptr<Item>> owners;
    const int base = static_cast<int>(thread) * 100000;
    for (int number = 0; number < 5000; ++number) {
      owners.push_back(dictionary.try_emplace(base + number, number).first);
      if (dictionary.get(-1) != fixed) ++wrong;
      if (number % 3 == 0) owners[static_cast<std::size_t>(number / 2)].reset();
      if (number % 7 == 0 && owners.back() && !dictionary.erase(base + number)) ++wrong;
    }
    for (int number = 0; number < 5000; ++number)
      if (owners[static_cast<std::size_t>(number)] && number % 7 != 0 &&
          dictionary.get(base + number) != owners[static_cast<std::size_t>(number)])
        ++wrong;
  });
  CHECK(wrong == 0);
  CHECK(dictionary.size() == 1);
}

// --- kinds of dictionaries
// ------------------------------------------------------------------------------------------------------

TEST_CASE("local: a dictionary for one thread has the same members") {
  weakref::local::WeakValueDictionary<int, Item> dictionary;
  exercise(dictionary);
  weakref::local::WeakValueDictionary<std::string, Item> names;
  const auto one = names.try_emplace("one", 1).first;
  CHECK(names.get("one") == one);
}

TEST_CASE("mutex: the application may bring its own") {
  weakref::WeakValueDictionary<int, Item, weakref::hash<int>, std::equal_to<>, std::allocator<Item>,
                               std::mutex>
      standard;
  exercise(standard);
  weakref::WeakValueDictionary<int, Item, weakref::hash<int>, std::equal_to<>, std::allocator<Item>,
                               weakref::null_mutex>
      none;
  exercise(none);
  weakref::WeakValueDictionary<int, Item, weakref::hash<int>, std::equal_to<>, std::allocator<Item>,
                               watched_mutex>
      watched;
  exercise(watched);
  weakref::WeakValueDictionary<int, Item, weakref::hash<int>, std::equal_to<>, std::allocator<Item>,
                               watched_mutex>
      sharded(weakref::options{.shards = 8});
  exercise(sharded);
  CHECK(watched_mutex::released() > 0);
  CHECK(watched_mutex::nested() == 0);
  CHECK(watched_mutex::held() == 0);
}

#if defined(__cpp_lib_memory_resource)
TEST_CASE("pmr: everything comes from the resource and goes back to it") {
  struct bank : std::pmr::memory_resource {
    account books;
    void* do_allocate(std::size_t size, std::size_t alignment) override {
      books.take(static_cast<long>(size));
      return std::pmr::new_delete_resource()->allocate(size, alignment);
    }
    void do_deallocate(void* place, std::size_t size, std::size_t alignment) override {
      books.give(static_cast<long>(size));
      std::pmr::new_delete_resource()->deallocate(place, size, alignment);
    }
    bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
  } resource;
  {
    weakref::pmr::WeakValueDictionary<int, Item> dictionary(weakref::options{}, &resource);
    CHECK(dictionary.get_allocator().resource() == &resource);
    const long before = heap::calls.load();
    auto made = dictionary.try_emplace(1, 1).first;
    const auto other = dictionary.get_or_create(2, [] { return Item(2); });
    CHECK(heap::calls.load() - before == resource.books.calls.load());
    CHECK(resource.books.blocks > 0);
    made.reset();
    CHECK(dictionary.size() == 1);
    weakref::pmr::WeakValueDictionary<int, Item> moved(std::move(dictionary));
    CHECK(moved.get(2) == other);
    CHECK(moved.get_allocator().resource() == &resource);
  }
  CHECK(resource.books.blocks == 0);
  CHECK(resource.books.bytes == 0);
  {
    weakref::pmr::WeakValueDictionary<int, Item> dictionary(weakref::options{.shards = 4}, &resource);
    std::vector<std::shared_ptr<Item>> owners;
    for (int number = 0; number < 1000; ++number)
      owners.push_back(dictionary.try_emplace(number, number).first);
    CHECK(dictionary.size() == 1000);
    // A monotonic resource of the application's own, too: it must only outlive what came from it.
    std::pmr::monotonic_buffer_resource arena;
    weakref::pmr::WeakValueDictionary<int, Item> copy(weakref::options{}, &arena);
    copy = dictionary;
    CHECK(copy == dictionary);
  }
  CHECK(resource.books.blocks == 0);
}

// 5: evicted keys and nodes are destroyed before the callbacks, one of which may end the dictionary and its
// resource.
TEST_CASE("pmr: a callback may destroy the dictionary and its memory resource") {
  auto resource = std::make_unique<std::pmr::unsynchronized_pool_resource>();
  auto dictionary = std::make_unique<weakref::pmr::WeakValueDictionary<std::string, Item>>(weakref::options{},
                                                                                           resource.get());
  auto one = item(1);
  dictionary->insert("a key that is long enough to be on the heap, wherever that is", one);
  const weakref::ref watcher(one, [&] {
    dictionary.reset();
    resource.reset();
  });
  one.reset();
  CHECK(resource == nullptr);
}
#endif

// --- allocators
// -----------------------------------------------------------------------------------------------------------------

TEST_CASE(
    "allocator: nothing is allocated before the first entry, everything comes from it, all of it goes back") {
  account books;
  const long heap_before = heap::calls.load();
  {
    Accounted<Item> dictionary(weakref::options{}, accounting_allocator<Item>(books));
    CHECK(dictionary.get_allocator().books() == &books);
    (void)dictionary.get(1);
    CHECK(dictionary.begin() == dictionary.end());
    dictionary.clear();
    CHECK(dictionary.empty());
  }
  // Shards that were asked for may be made at once, but nothing may stay.
  CHECK(books.blocks == 0);
  CHECK(heap::calls.load() - heap_before == books.calls.load());
  {
    Accounted<Item> dictionary(weakref::options{}, accounting_allocator<Item>(books));
    std::vector<std::shared_ptr<Item>> owners;
    owners.reserve(1000);
    const long heap_here = heap::calls.load() - books.calls.load();
    for (int number = 0; number < 1000; ++number)
      owners.push_back(dictionary.try_emplace(number, number).first);
    CHECK(heap::calls.load() - books.calls.load() == heap_here);
    for (int number = 0; number < 500; ++number) dictionary.erase(number);
    CHECK(dictionary.size() == 500);
    Accounted<Item> copy(dictionary);
    CHECK(copy.get_allocator().books() == &books);
    owners.clear();
    CHECK(copy.empty());
  }
  CHECK(books.blocks == 0);
  CHECK(books.bytes == 0);
}

TEST_CASE("allocator: what an object was made with outlives the dictionary, and goes back with the object") {
  account books;
  std::shared_ptr<Item> made;
  std::shared_ptr<Item> created;
  {
    Accounted<Item> dictionary(weakref::options{}, accounting_allocator<Item>(books));
    made = dictionary.try_emplace(1, 1).first;
    created = dictionary.get_or_create(2, [] { return Item(2); });
  }
  CHECK(books.blocks > 0);
  CHECK(made->number + created->number == 3);
  made.reset();
  created.reset();
  CHECK(books.blocks == 0);
  CHECK(books.bytes == 0);
}

TEST_CASE("allocator: entries stored by insert go back when their objects die, the object elsewhere") {
  account books;
  Accounted<Item> dictionary(weakref::options{.shards = 1}, accounting_allocator<Item>(books));
  dictionary.reserve(2000);
  const long before = books.blocks.load();
  auto one = item(1);
  for (int number = 0; number < 1000; ++number) dictionary.insert(number, one);
  CHECK(books.blocks >= before + 1000);
  CHECK(books.blocks <= before + 1001);
  one.reset();
  CHECK(books.blocks <= before + 1);
}

TEST_CASE("allocator: churn has a flat peak") {
  account books;
  Accounted<Item> dictionary(weakref::options{.shards = 1}, accounting_allocator<Item>(books));
  const auto churn = [&](int from, int to) {
    for (int number = from; number < to; ++number)
      CHECK_MESSAGE(dictionary.try_emplace(number, number).second, number);
  };
  churn(0, 1000);
  const long peak = books.peak.load();
  churn(1000, 50000);
  CHECK(books.peak <= peak);
}

TEST_CASE("allocator: churn beside living entries has a flat peak, too") {
  account books;
  Accounted<Item> dictionary(weakref::options{.shards = 1}, accounting_allocator<Item>(books));
  std::vector<std::shared_ptr<Item>> owners;
  for (int number = 0; number < 100; ++number)
    owners.push_back(dictionary.try_emplace(-number - 1, number).first);
  const auto churn = [&](int from, int to) {
    for (int number = from; number < to; ++number) {
      auto& place = owners[static_cast<std::size_t>(number % 100)];
      place = dictionary.try_emplace(number, number).first;
    }
  };
  churn(0, 10000);
  const long peak = books.peak.load();
  churn(10000, 100000);
  CHECK(dictionary.size() == 100);
  CHECK(books.peak <= peak);
}

// 7: room that dead untracked entries take is found again before a table grows.
TEST_CASE("allocator: a table does not grow while dead untracked entries fill it") {
  const weakref::options chosen{.shards = 1, .accept_untracked = true};
  const auto insert = [](Accounted<Item>& dictionary, int number) {
    return dictionary.insert(number, std::make_shared<Item>(number)).first;
  };
  // How many entries just fit: an insertion that makes the table grow allocates more than a node.
  int fitting = 0;
  {
    account books;
    Accounted<Item> dictionary(chosen, accounting_allocator<Item>(books));
    std::vector<std::shared_ptr<Item>> owners;
    for (int number = 0; number < 5000; ++number) {
      const long before = books.calls.load();
      owners.push_back(insert(dictionary, number));
      if (books.calls - before > 1 && number > 500) fitting = number;
      if (fitting != 0) break;
    }
  }
  CHECK(fitting > 500);
  account books;
  Accounted<Item> dictionary(chosen, accounting_allocator<Item>(books));
  std::vector<std::shared_ptr<Item>> owners;
  for (int number = 0; number < fitting; ++number) owners.push_back(insert(dictionary, number));
  for (std::size_t number = 0; number < owners.size(); number += 3) owners[number].reset();
  const long calls = books.calls.load();
  const int more = fitting / 4;
  for (int number = 0; number < more; ++number) owners.push_back(insert(dictionary, fitting + number));
  CHECK(books.calls - calls == more);
}

TEST_CASE("allocator: a swap exchanges those that propagate, also while nothing was ever stored") {
  using Allocator = traveller<Item>;
  using Cache = weakref::WeakValueDictionary<int, Item, weakref::hash<int>, std::equal_to<>, Allocator>;
  Cache a(Allocator(1));
  Cache b(Allocator(2));
  a.swap(b);
  CHECK(a.get_allocator().number == 2);
  CHECK(b.get_allocator().number == 1);
  const auto owner = item(1);
  a.insert(1, owner);
  a.swap(b);
  CHECK(b.get_allocator().number == 2);
  CHECK(b.get(1) == owner);
  Cache copy(Allocator(3));
  copy = b;
  CHECK(copy.get_allocator().number == 3); // this one does not propagate
  CHECK(copy.get(1) == owner);
  a = std::move(b);
  CHECK(a.get_allocator().number == 2);
  CHECK(a.get(1) == owner);
}

TEST_CASE("allocator: a copy assigned takes over one that propagates, empty or not") {
  using Allocator = companion<Item>;
  using Cache = weakref::WeakValueDictionary<int, Item, weakref::hash<int>, std::equal_to<>, Allocator>;
  Cache from(Allocator(1));
  Cache to(Allocator(2));
  to = from;
  CHECK(to.get_allocator().number == 1);
  const auto owner = item(1);
  from.insert(1, owner);
  Cache filled(Allocator(3));
  filled.insert(2, owner);
  filled = from;
  CHECK(filled.get_allocator().number == 1);
  CHECK(filled.size() == 1);
  CHECK(filled.get(1) == owner);
}

TEST_CASE("allocator: a copy takes its memory where the source's allocator says, an assignment where its own "
          "does") {
  using Allocator = homebody<Item>;
  using Values = weakref::WeakValueDictionary<int, Item, weakref::hash<int>, std::equal_to<>, Allocator>;
  using Keys = weakref::WeakKeyDictionary<Item, int, weakref::by_identity, weakref::by_identity, Allocator>;
  using Set = weakref::WeakSet<Item, weakref::by_identity, weakref::by_identity, Allocator>;
  static_assert(!std::allocator_traits<Allocator>::propagate_on_container_copy_assignment::value);
  check_whose_memory_copies_take<Values>([](Values& values) { return values.insert(1, item(1)).first; });
  check_whose_memory_copies_take<Keys>([](Keys& keys) {
    auto key = item(1);
    keys.insert(key, 1);
    return key;
  });
  check_whose_memory_copies_take<Set>([](Set& set) {
    auto element = item(1);
    set.add(element);
    return element;
  });
}

TEST_CASE("allocator: move and swap take it along or copy element by element, and the accounts stay right") {
  account first_books;
  account second_books;
  {
    Accounted<Item> first(weakref::options{}, accounting_allocator<Item>(first_books));
    Accounted<Item> second(weakref::options{}, accounting_allocator<Item>(second_books));
    auto one = first.try_emplace(1, 1).first;
    auto two = second.try_emplace(2, 2).first;
    Accounted<Item> third(std::move(first));
    CHECK(third.get(1) == one);
    CHECK(third.get_allocator().books() == &first_books);
    third = std::move(second);
    CHECK(third.get(2) == two);
    CHECK(third.size() == 1);
    third = Accounted<Item>(weakref::options{}, accounting_allocator<Item>(second_books));
    CHECK(third.empty());
    third.insert(1, one);
    CHECK(third.get(1) == one);
  }
  CHECK(first_books.blocks == 0);
  CHECK(second_books.blocks == 0);
}

// --- where locks are held
// -------------------------------------------------------------------------------------------------------

// 2, 3: no user code but comparisons and visit's function under a lock, no allocation, and never two locks of
// shards at once.
TEST_CASE("locks: hashing, copying and destroying keys and values, factories and predicates run outside") {
  struct Careful : counted<Careful> {
    explicit Careful(int start) : number(start) { CHECK(watched_mutex::held() == 0); }
    Careful(Careful&& other) noexcept : counted<Careful>(other), number(other.number) {
      CHECK(watched_mutex::held() == 0);
    }
    ~Careful() { CHECK(watched_mutex::held() == 0); }
    int number;
  };
  using Dictionary = weakref::WeakValueDictionary<LoudKey, Careful, weakref::hash<LoudKey>, std::equal_to<>,
                                                  std::allocator<Careful>, watched_mutex>;
  int comparisons = 0;
  const key_hook hook([&](key_event what, int) {
    if (what == key_event::equal) {
      ++comparisons;
      CHECK(watched_mutex::held() <= 1);
    } else {
      CHECK(watched_mutex::held() == 0);
    }
  });
  const long nested = watched_mutex::nested();
  {
    Dictionary dictionary(weakref::options{.shards = 4});
    std::vector<std::shared_ptr<Careful>> owners;
    for (int number = 0; number < 200; ++number) {
      owners.push_back(dictionary.get_or_create(LoudKey(number), [](const LoudKey& key) {
        CHECK(watched_mutex::held() == 0);
        return Careful(key.value);
      }));
      dictionary.insert(LoudKey(1000 + number), owners.back());
      dictionary.insert_or_assign(LoudKey(1000 + number), owners.back());
    }
    for (auto&& [key, value] : dictionary) {
      CHECK(watched_mutex::held() == 0);
      CHECK(value->number == key.value % 1000);
    }
    Dictionary copy(dictionary);
    CHECK(copy == dictionary);
    copy |= dictionary;
    CHECK(dictionary.erase_if([](const LoudKey& key, const std::shared_ptr<Careful>&) {
      CHECK(watched_mutex::held() == 0);
      return key.value < 20;
    }) == 20);
    CHECK(dictionary.erase(LoudKey(1030)));
    CHECK(dictionary.pop(LoudKey(1031)) == owners[31]);
    (void)dictionary.popitem();
    CHECK(dictionary.visit(LoudKey(1100), [&](Careful&) {
      CHECK(watched_mutex::held() == 1);
      owners.clear();
    }));
    CHECK(dictionary.size() == 0);
    CHECK(copy.size() == 0);
    CHECK(Careful::alive() == 0);
  }
  CHECK(comparisons > 0);
  CHECK(watched_mutex::nested() == nested);
}

TEST_CASE("locks: an iteration given up inside a visit lets its key go after the unlock") {
  using Dictionary = weakref::WeakValueDictionary<LoudKey, Item, weakref::hash<LoudKey>, std::equal_to<>,
                                                  std::allocator<Item>, watched_mutex>;
  Dictionary dictionary;
  int destroyed = 0;
  std::vector<std::shared_ptr<Item>> owners;
  for (int number = 0; number < 10; ++number) {
    owners.push_back(item(number));
    dictionary.insert(LoudKey(number), owners.back());
  }
  std::optional<Dictionary::iterator> iteration(dictionary.begin());
  const int seen = (*iteration)->key.value;
  dictionary.erase(LoudKey(seen)); // only the iteration has this key now
  CHECK(dictionary.size() == 9);
  CHECK(LoudKey::alive() == 10);
  const LoudKey other((seen + 1) % 10);
  const key_hook hook([&](key_event what, int) {
    if (what != key_event::destroy) return;
    CHECK(watched_mutex::held() == 0);
    ++destroyed;
  });
  dictionary.visit(other, [&](Item&) {
    destroyed = 0;
    iteration.reset();
    CHECK(destroyed == 0);
  });
  CHECK(destroyed == 1);
  CHECK(LoudKey::alive() == 10); // with `other`
}

TEST_CASE("locks: several iterations given up inside one visit all let their keys go") {
  using Dictionary = weakref::WeakValueDictionary<LoudKey, Item>;
  const long before = LoudKey::alive();
  {
    Dictionary dictionary;
    auto kept = item(0);
    dictionary.insert(LoudKey(0), kept);
    std::vector<std::shared_ptr<Item>> owners;
    for (int number = 1; number < 10; ++number) {
      owners.push_back(item(number));
      dictionary.insert(LoudKey(number), owners.back());
    }
    std::vector<std::optional<Dictionary::iterator>> iterations(3);
    for (auto& each : iterations) each.emplace(dictionary.begin());
    owners.clear(); // but the one that the iterations stand at
    dictionary.visit(LoudKey(0), [&](Item&) {
      for (auto& each : iterations) each.reset();
    });
    CHECK(dictionary.size() == 1);
  }
  CHECK(LoudKey::alive() == before);
}

TEST_CASE("locks: tables grow outside") {
  using Dictionary = weakref::WeakValueDictionary<int, Item, weakref::hash<int>, std::equal_to<>,
                                                  std::allocator<Item>, watched_mutex>;
  Dictionary dictionary(weakref::options{.shards = 1});
  std::vector<std::shared_ptr<Item>> owners;
  heap::under_lock = 0;
  heap::is_locked = [] { return watched_mutex::held() > 0; };
  for (int number = 0; number < 5000; ++number)
    owners.push_back(dictionary.try_emplace(number, number).first);
  dictionary.reserve(20000);
  owners.resize(10);
  for (auto&& entry : dictionary) (void)entry;
  Dictionary copy(dictionary);
  dictionary.clear();
  heap::is_locked = nullptr;
  CHECK(heap::under_lock == 0);
}

TEST_CASE("shards: nothing of these tests is left") { CHECK(Item::alive() == 0); }
