// SPDX-License-Identifier: BSL-1.0
// WeakKeyDictionary by identity and by value: its members one by one, and what its values may do. (What becomes of
// it when something throws: exception/key_*.cpp.)
#include <weakref/weak_key_dictionary.hpp>

#include "support/dictionary_allocator.hpp"
#include "support/dictionary_keys.hpp"
#include "support/dictionary_mutex.hpp"
#include "support/dictionary_new.hpp"
#include "support/dictionary_objects.hpp"
#include "support/dictionary_threads.hpp"
#include "support/refused.hpp"

#include <weakref/errors.hpp>
#include <weakref/ref.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace dictionary_test;

namespace {

template <class T, class Value>
using Watched = weakref::WeakKeyDictionary<T, Value, weakref::by_identity, weakref::by_identity,
                                           std::allocator<T>, watched_mutex>;

using Sides = weakref::WeakKeyDictionary<Item, int>;
using Shared = weakref::WeakKeyDictionary<Item, std::shared_ptr<Mortal>>;
using Pair = std::pair<std::shared_ptr<Item>, int>;

std::shared_ptr<Mortal> last_words(std::function<void()> words) {
  return std::make_shared<Mortal>(0, std::move(words));
}

template <class Dictionary> std::map<int, typename Dictionary::mapped_type> contents(const Dictionary& of) {
  std::map<int, typename Dictionary::mapped_type> found;
  for (const auto& [key, value] : of) CHECK(found.emplace(key->number, value).second);
  return found;
}
using Contents = std::map<int, int>;

// A key with a value of its own. Knows whether it still lives, and how often it was hashed and compared.
struct Word : counted<Word> {
  explicit Word(std::string start) : text(std::move(start)) {}
  Word(const Word&) = delete;
  Word& operator=(const Word&) = delete;
  ~Word() { lives = false; }

  static void reset() {
    hashed = 0;
    compared = 0;
    dead_seen = 0;
    on_equal = nullptr;
  }

  std::string text;
  volatile bool lives = true;
  static inline int hashed = 0;
  static inline int compared = 0;
  static inline int dead_seen = 0;
  static inline std::function<void()> on_equal;
};

struct WordHash {
  using is_transparent = void;
  std::size_t operator()(const Word& word) const {
    ++Word::hashed;
    if (!word.lives) ++Word::dead_seen;
    return (*this)(std::string_view(word.text));
  }
  // All words of one length collide.
  std::size_t operator()(std::string_view text) const noexcept { return text.size(); }
};

struct WordEqual {
  using is_transparent = void;
  bool operator()(const Word& left, const Word& right) const {
    ++Word::compared;
    if (!left.lives || !right.lives) ++Word::dead_seen;
    if (Word::on_equal) Word::on_equal();
    return left.text == right.text;
  }
  bool operator()(const Word& left, std::string_view right) const { return left.text == right; }
};

using Words = weakref::WeakKeyDictionary<Word, int, WordHash, WordEqual>;

std::shared_ptr<Word> word(const char* text) { return weakref::make_tracked<Word>(text); }

using support::refused;

// Where one object after the other lives at the same address.
template <class T> class place {
 public:
  template <class... Args> std::shared_ptr<T> make(Args&&... args) {
    return std::shared_ptr<T>(::new (static_cast<void*>(&room_)) T(std::forward<Args>(args)...),
                              [](T* gone) { gone->~T(); });
  }

 private:
  alignas(T) std::byte room_[sizeof(T)];
};

} // namespace

static_assert(std::is_nothrow_default_constructible_v<Sides>);
static_assert(std::is_nothrow_move_constructible_v<Sides>);
static_assert(std::is_nothrow_move_assignable_v<Sides> && std::is_nothrow_swappable_v<Sides>);
static_assert(std::is_copy_constructible_v<Sides> && std::is_copy_assignable_v<Sides>);
static_assert(std::is_same_v<Sides::key_type, Item> && std::is_same_v<Sides::mapped_type, int>);
static_assert(std::is_same_v<Sides::owner, std::shared_ptr<Item>>);
static_assert(!std::is_convertible_v<const weakref::options&, Sides>);
static_assert(sizeof(Sides) == 16);

// --- making one ----------------------------------------------------------------------------------------------

TEST_CASE("WeakKeyDictionary: a new one is empty") {
  Sides sides;
  const auto one = item(1);
  CHECK(sides.empty());
  CHECK(sides.size() == 0);
  CHECK(sides.get(one) == std::nullopt);
  CHECK(sides.get(one, 7) == 7);
  CHECK_THROWS_AS((void)sides.at(one), std::out_of_range);
  CHECK_FALSE(sides.contains(one));
  CHECK_FALSE(sides.visit(one, [](int&) { FAIL_CHECK("nothing to visit"); }));
  CHECK(sides.pop(one) == std::nullopt);
  CHECK(sides.pop(one, 8) == 8);
  CHECK_THROWS_AS((void)sides.popitem(), std::out_of_range);
  CHECK_FALSE(sides.erase(one));
  CHECK(sides.erase_if([](const std::shared_ptr<Item>&) { return true; }) == 0);
  CHECK(sides.begin() == sides.end());
  CHECK(sides == Sides());
  sides.clear();
  CHECK(sides.empty());
}

TEST_CASE("WeakKeyDictionary: making an empty one, asking it and destroying it allocate nothing") {
  const auto one = item(1);
  const long before = heap::calls.load();
  {
    Sides sides;
    (void)sides.get(one);
    (void)sides.contains(*one);
    (void)sides.erase(one.get());
    for (auto&& entry : sides) (void)entry;
    const Sides moved(std::move(sides));
  }
  CHECK(heap::calls.load() == before);
}

TEST_CASE("WeakKeyDictionary: made from lists, ranges and iterators; the last value of a key counts") {
  const auto one = item(1);
  const auto two = item(2);
  const Sides listed{{one, 10}, {two, 20}, {one, 11}};
  CHECK(contents(listed) == Contents{{1, 11}, {2, 20}});

  const std::map<std::shared_ptr<Item>, int> pairs{{one, 1}, {two, 2}};
  const Sides ranged(pairs);
  CHECK(contents(ranged) == Contents{{1, 1}, {2, 2}});
  const Sides counted_out(pairs.begin(), pairs.end(), {.shards = 4});
  CHECK(counted_out == ranged);
}

// --- storing -------------------------------------------------------------------------------------------------

TEST_CASE("WeakKeyDictionary: insert keeps a living entry, insert_or_assign replaces its value") {
  Sides sides;
  const auto one = item(1);
  CHECK(sides.insert(one, 10));
  CHECK_FALSE(sides.insert(one, 11));
  CHECK_FALSE(sides.insert({one, 12}));
  CHECK(sides.at(one) == 10);
  CHECK_FALSE(sides.insert_or_assign(one, 13));
  CHECK(sides.at(one) == 13);
  CHECK(sides.size() == 1);
  CHECK(weakref::getweakrefcount(one) == 1);
  const auto two = item(2);
  CHECK(sides.insert_or_assign(two, 20));
  CHECK(sides.size() == 2);
}

TEST_CASE("WeakKeyDictionary: setdefault returns what is in the dictionary now") {
  Sides sides;
  const auto one = item(1);
  CHECK(sides.setdefault(one, 10) == 10);
  CHECK(sides.setdefault(one, 11) == 10);
  CHECK(sides.at(one) == 10);
}

TEST_CASE("WeakKeyDictionary: try_emplace makes the value in its place, and only if it is needed") {
  weakref::WeakKeyDictionary<Item, Mortal> mortals; // neither copied nor moved
  const auto one = item(1);
  const long made = Mortal::made();
  CHECK(mortals.try_emplace(one, 5));
  CHECK_FALSE(mortals.try_emplace(one, 6));
  CHECK(Mortal::made() == made + 1);
  CHECK(mortals.visit(one, [](Mortal& value) { CHECK(value.number == 5); }));

  weakref::WeakKeyDictionary<Item, std::vector<int>> lists;
  CHECK(lists.try_emplace(one, std::size_t{3}, 7));
  CHECK(lists.at(one) == std::vector<int>(3, 7));
}

TEST_CASE("WeakKeyDictionary: an entry and its value leave when the key dies") {
  Shared shared;
  bool gone = false;
  auto one = item(1);
  shared.insert(one, last_words([&] { gone = true; }));
  auto second_owner = one;
  one.reset();
  CHECK(shared.size() == 1);
  CHECK_FALSE(gone);
  second_owner.reset();
  CHECK(shared.empty());
  CHECK(gone);
  CHECK(Item::alive() == 0);
}

TEST_CASE("WeakKeyDictionary: an entry does not own its key") {
  const auto one = item(1);
  Sides sides{{one, 1}};
  CHECK(one.use_count() == 1);
  (void)sides.get(one);
  for (const auto& key : sides.keyrefs()) CHECK(key() == one);
  CHECK(one.use_count() == 1);
}

// --- by identity ---------------------------------------------------------------------------------------------

TEST_CASE("WeakKeyDictionary: equal objects are different keys, and are neither hashed nor compared") {
  weakref::WeakKeyDictionary<LoudKey, int> loud;
  const auto left = weakref::make_tracked<LoudKey>(1);
  const auto right = weakref::make_tracked<LoudKey>(1);
  int asked = 0;
  const key_hook hook(
      [&](key_event what, int) { asked += what == key_event::hash || what == key_event::equal; });
  CHECK(loud.insert(left, 10));
  CHECK_FALSE(loud.contains(right));
  CHECK(loud.insert(right, 20));
  CHECK(loud.at(left) == 10);
  CHECK(loud.at(*right) == 20);
  CHECK(asked == 0);
}

TEST_CASE("WeakKeyDictionary: looked up by owner, reference and pointer, const or not") {
  const auto one = item(1);
  const std::shared_ptr<const Item> constant = one;
  const Item& reference = *one;
  const Item* const pointer = one.get();
  Sides sides{{one, 10}};
  CHECK(sides.at(one) == 10);
  CHECK(sides.at(constant) == 10);
  CHECK(sides.at(*one) == 10);
  CHECK(sides.at(reference) == 10);
  CHECK(sides.at(one.get()) == 10);
  CHECK(sides.at(pointer) == 10);
  CHECK(sides.get(pointer, 0) == 10);
  CHECK(sides.visit(reference, [](int& value) { ++value; }));
  CHECK(sides.contains(pointer));
  CHECK(sides.pop(constant) == 11);
  CHECK_FALSE(sides.erase(pointer));
}

namespace {

struct Label {
  virtual ~Label() = default;
  int padding = 0;
};
struct Sign : Shape, Label {};

} // namespace

TEST_CASE("WeakKeyDictionary: looked up through derived and base classes") {
  const auto sign = weakref::make_tracked<Sign>();
  weakref::WeakKeyDictionary<Label, int> labels;
  labels.insert(sign, 10);
  const Label* const base = sign.get();
  REQUIRE(static_cast<const void*>(base) != static_cast<const void*>(sign.get()));
  CHECK(labels.at(sign) == 10);
  CHECK(labels.at(*sign) == 10);
  CHECK(labels.at(sign.get()) == 10);
  CHECK(labels.at(base) == 10);
  CHECK(labels.at(*base) == 10);
  CHECK(labels.at(std::shared_ptr<const Sign>(sign)) == 10);

  const Sign stranger;
  CHECK_FALSE(labels.contains(stranger));
}

namespace {

class Node : public counted<Node> {
 public:
  using Marks = weakref::WeakKeyDictionary<Node, int>;

  explicit Node(Marks& marks) : marks_(marks) {}
  ~Node() {
    marks_.visit(this, [](int&) { FAIL_CHECK("a dying object still has its side data"); });
  }
  int visits() const {
    if (!marks_.visit(this, [](int& count) { ++count; })) return 0;
    return marks_.at(this);
  }

 private:
  Marks& marks_;
};

struct Tree {
  weakref::WeakKeyDictionary<Tree, int> children;
};

} // namespace

TEST_CASE(
    "WeakKeyDictionary: a member function finds the side data of this; a destructor finds none any more") {
  Node::Marks marks;
  auto node = weakref::make_tracked<Node>(marks);
  CHECK(node->visits() == 0);
  marks.insert(node, 0);
  CHECK(node->visits() == 1);
  CHECK(node->visits() == 2);
  node.reset();
  CHECK(marks.empty());
  CHECK(Node::alive() == 0);
}

TEST_CASE("WeakKeyDictionary: a class can have one of its own kind") {
  const auto root = weakref::make_tracked<Tree>();
  auto leaf = weakref::make_tracked<Tree>();
  root->children.insert(leaf, 1);
  CHECK(root->children.contains(leaf));
  leaf.reset();
  CHECK(root->children.empty());
}

TEST_CASE("WeakKeyDictionary: members of one object are keys of their own, whoever points to them") {
  struct Couple {
    int left = 0;
    int right = 0;
  };
  auto couple = weakref::make_tracked<Couple>();
  weakref::WeakKeyDictionary<int, std::string> notes;
  notes.insert(std::shared_ptr<int>(couple, &couple->left), "left");
  CHECK_FALSE(notes.contains(&couple->right));
  notes.insert(std::shared_ptr<int>(couple, &couple->right), "right");
  CHECK(notes.at(std::shared_ptr<int>(couple, &couple->left)) == "left");
  CHECK(notes.at(couple->right) == "right");
  couple.reset();
  CHECK(notes.empty());
}

TEST_CASE("WeakKeyDictionary: one address under two owners is two keys") {
  Item shared_by_both(7);
  const auto left = weakref::make_tracked<int>(1);
  const auto right = weakref::make_tracked<int>(2);
  const std::shared_ptr<Item> by_left(left, &shared_by_both);
  const std::shared_ptr<Item> by_right(right, &shared_by_both);
  Sides sides;
  CHECK(sides.insert(by_left, 1));
  CHECK_FALSE(sides.contains(by_right));
  CHECK(sides.get(by_right) == std::nullopt);
  CHECK(sides.insert(by_right, 2));
  CHECK(sides.at(by_left) == 1);
  CHECK(sides.at(by_right) == 2);
  CHECK(sides.size() == 2);
}

TEST_CASE("WeakKeyDictionary: null and ownerless pointers find nothing") {
  const auto one = item(1);
  Sides sides{{one, 1}};
  const std::shared_ptr<Item> null;
  const std::shared_ptr<Item> ownerless(std::shared_ptr<void>(), one.get());
  const Item* const null_pointer = nullptr;
  for (const auto& absent : {null, ownerless}) {
    CHECK(sides.get(absent) == std::nullopt);
    CHECK_FALSE(sides.contains(absent));
    CHECK_FALSE(sides.visit(absent, [](int&) {}));
    CHECK(sides.pop(absent) == std::nullopt);
    CHECK_FALSE(sides.erase(absent));
  }
  CHECK(sides.get(null_pointer) == std::nullopt);
  CHECK(sides.get(null_pointer, 5) == 5);
  CHECK_FALSE(sides.erase(null_pointer));
  CHECK_FALSE(sides.contains(nullptr));
  CHECK_THROWS_AS((void)sides.at(null), std::out_of_range);
  CHECK(sides.size() == 1);
}

// 23
TEST_CASE(
    "WeakKeyDictionary: a new untracked object at a dead one's address finds nothing, and then its own") {
  Sides sides({.shards = 1, .accept_untracked = true});
  place<Item> room;
  for (int round = 0; round < 20; ++round) {
    auto first = room.make(1);
    const Item* const address = first.get();
    REQUIRE(sides.insert(first, round));
    first.reset();
    CHECK_FALSE(sides.contains(address));
    const auto second = room.make(2);
    REQUIRE(second.get() == address);
    CHECK(sides.get(second) == std::nullopt);
    CHECK(sides.get(*second) == std::nullopt);
    CHECK(sides.get(address) == std::nullopt);
    CHECK_FALSE(sides.visit(address, [](int&) {}));
    CHECK(sides.pop(address) == std::nullopt);
  }
}

// 23
TEST_CASE("WeakKeyDictionary: beside a dead entry of the same address the living one is found") {
  Sides sides({.shards = 1, .accept_untracked = true});
  place<Item> room;
  // Enough living neighbours that no operation of a round comes across the dead entry.
  std::vector<std::shared_ptr<Item>> crowd;
  for (int i = 0; i < 400; ++i) {
    crowd.push_back(item(i));
    sides.insert(crowd.back(), 0);
  }
  int beside = 0;
  for (int round = 0; round < 20; ++round) {
    auto first = room.make(1);
    REQUIRE(sides.insert(first, 100));
    first.reset();
    auto second = room.make(2);
    REQUIRE(sides.insert(second, 200));
    beside += sides.size() > crowd.size() + 1;
    CHECK(sides.get(second.get()) == 200);
    CHECK(sides.get(*second) == 200);
    CHECK(sides.get(second) == 200);
    CHECK(sides.contains(second.get()));
    CHECK(sides.visit(*second, [](int& value) { CHECK(value == 200); }));
    CHECK(sides.pop(second.get()) == 200);
    second.reset();
  }
  CHECK(beside > 0);
}

// 23
TEST_CASE("WeakKeyDictionary: a new enable_weakref object at a dead one's address finds nothing") {
  weakref::WeakKeyDictionary<Session, int> sessions;
  place<Session> room;
  auto first = room.make(1);
  const Session* const address = first.get();
  sessions.insert(first, 1);
  const weakref::ref<Session> kept(first);
  first.reset();
  CHECK(sessions.empty());
  const auto second = room.make(2);
  REQUIRE(second.get() == address);
  CHECK_FALSE(sessions.contains(address));
  CHECK_FALSE(sessions.contains(second));
  CHECK(sessions.insert(second, 2));
  CHECK(sessions.at(address) == 2);
  CHECK(kept.expired());
}

namespace {

// Hands out one and the same memory for every block.
template <class T> struct one_place {
  using value_type = T;
  explicit one_place(void* where) noexcept : memory(where) {}
  template <class U> one_place(const one_place<U>& other) noexcept : memory(other.memory) {}
  T* allocate(std::size_t) noexcept { return static_cast<T*>(memory); }
  void deallocate(T*, std::size_t) noexcept {}
  template <class U> friend bool operator==(const one_place& left, const one_place<U>& right) noexcept {
    return left.memory == right.memory;
  }
  void* memory;
};

} // namespace

// 23
TEST_CASE(
    "WeakKeyDictionary: a new tracked object in a dead one's block finds nothing, during an iteration too") {
  alignas(64) static std::byte memory[1024];
  const one_place<Item> pool(memory);
  Sides sides;
  auto first = weakref::allocate_tracked<Item>(pool, 1);
  const Item* const address = first.get();
  sides.insert(first, 1);
  auto at = sides.keys().begin();
  REQUIRE(*at == first);
  ++at;
  first.reset();
  CHECK(sides.empty());
  const auto second = weakref::allocate_tracked<Item>(pool, 2);
  REQUIRE(second.get() == address);
  CHECK_FALSE(sides.contains(address));
  CHECK(sides.insert(second, 2));
  CHECK(sides.at(*address) == 2);
}

TEST_CASE("WeakKeyDictionary: const keys") {
  auto one = weakref::make_tracked<const Item>(1);
  weakref::WeakKeyDictionary<const Item, int> sides;
  sides.insert(one, 10);
  CHECK(sides.at(one) == 10);
  CHECK(sides.at(*one) == 10);
  for (const auto& [key, value] : sides) {
    static_assert(std::is_same_v<decltype(key), const std::shared_ptr<const Item>>);
    CHECK(value == 10);
  }
  one.reset();
  CHECK(sides.empty());
}

// --- bad input -----------------------------------------------------------------------------------------------

TEST_CASE("WeakKeyDictionary: untracked, null and ownerless keys are refused by name, and change nothing") {
  Sides sides;
  const auto untracked = std::make_shared<Item>(1);
  const std::shared_ptr<Item> null;
  Item local(1);
  const std::shared_ptr<Item> ownerless(std::shared_ptr<void>(), &local);
  for (const auto& bad : {untracked, null, ownerless}) {
    CHECK_THROWS_AS(sides.insert(bad, 1), weakref::untracked_error);
    CHECK_THROWS_AS(sides.insert_or_assign(bad, 1), weakref::untracked_error);
    CHECK_THROWS_AS((void)sides.setdefault(bad, 1), weakref::untracked_error);
    CHECK_THROWS_AS(sides.try_emplace(bad, 1), weakref::untracked_error);
    CHECK_THROWS_AS((void)sides.get_or_create(bad,
                                              [] {
                                                FAIL_CHECK("the factory of a refused key");
                                                return 1;
                                              }),
                    weakref::untracked_error);
    CHECK_THROWS_AS(sides.update({{item(2), 2}, {bad, 1}}), weakref::untracked_error);
  }
  CHECK(sides.empty());
  try {
    sides.insert(untracked, 1);
  } catch (const weakref::untracked_error& error) {
    const std::string message = error.what();
    CHECK(message.find("dictionary_test::Item") != std::string::npos);
    for (const char* remedy : {"make_tracked", "enable_weakref", "adopt", "accept_untracked"})
      CHECK(message.find(remedy) != std::string::npos);
  }
  Sides accepting({.accept_untracked = true});
  CHECK(accepting.insert(untracked, 1));
  CHECK_THROWS_AS(accepting.insert(null, 1), weakref::untracked_error);
  CHECK_THROWS_AS(accepting.insert(ownerless, 1), weakref::untracked_error);
}

// --- visit ---------------------------------------------------------------------------------------------------

TEST_CASE("WeakKeyDictionary: visit changes the value in its place") {
  const auto one = item(1);
  Sides sides{{one, 1}};
  CHECK(sides.visit(one, [](int& value) { value = 5; }));
  const Sides& constant = sides;
  CHECK(constant.visit(*one, [](const int& value) { CHECK(value == 5); }));
  CHECK(one.use_count() == 1);
  CHECK_THROWS_AS(sides.visit(one,
                              [](int& value) {
                                value = 6;
                                throw std::runtime_error("enough");
                              }),
                  std::runtime_error);
  CHECK(sides.at(one) == 6);
}

TEST_CASE("WeakKeyDictionary: deaths inside visit happen when it is over, of the very key too") {
  Shared shared;
  bool value_gone = false;
  bool key_gone = false;
  weakref::WeakKeyDictionary<Mortal, std::shared_ptr<Mortal>> mortals;
  auto key = weakref::make_tracked<Mortal>(1, [&] { key_gone = true; });
  mortals.insert(key, last_words([&] { value_gone = true; }));
  CHECK(mortals.visit(key.get(), [&](std::shared_ptr<Mortal>& value) {
    key.reset();
    CHECK_FALSE(value_gone);
    CHECK_FALSE(key_gone);
    CHECK(value != nullptr);
  }));
  CHECK(value_gone);
  CHECK(key_gone);
  CHECK(mortals.empty());
}

TEST_CASE("WeakKeyDictionary: inside visit every operation that locks is refused, in any dictionary") {
  const auto one = item(1);
  Sides sides{{one, 1}};
  Sides other{{one, 1}};
  int count = 0;
  CHECK(sides.visit(one, [&](int&) {
    for (Sides* const target : {&sides, &other}) {
      count += refused<std::logic_error>([&] { (void)target->get(one); });
      count += refused<std::logic_error>([&] { (void)target->get(*one, 1); });
      count += refused<std::logic_error>([&] { (void)target->at(one.get()); });
      count += refused<std::logic_error>([&] { (void)target->contains(one); });
      count += refused<std::logic_error>([&] { target->visit(one, [](int&) {}); });
      count += refused<std::logic_error>([&] { target->insert(one, 2); });
      count += refused<std::logic_error>([&] { target->insert_or_assign(one, 2); });
      count += refused<std::logic_error>([&] { (void)target->setdefault(one, 2); });
      count += refused<std::logic_error>([&] { target->try_emplace(one, 2); });
      count += refused<std::logic_error>([&] { (void)target->get_or_create(one, [] { return 2; }); });
      count += refused<std::logic_error>([&] { (void)target->pop(one); });
      count += refused<std::logic_error>([&] { (void)target->popitem(); });
      count += refused<std::logic_error>([&] { target->erase(one); });
      count += refused<std::logic_error>(
          [&] { target->erase_if([](const std::shared_ptr<Item>&) { return true; }); });
      count += refused<std::logic_error>([&] { target->clear(); });
      count += refused<std::logic_error>([&] { target->update({{one, 2}}); });
      count += refused<std::logic_error>([&] { target->reserve(100); });
      count += refused<std::logic_error>([&] { const Sides copy(*target); });
      count += refused<std::logic_error>([&] {
        for (auto&& entry : *target) (void)entry;
      });
      count += refused<std::logic_error>([&] { (void)target->keys().begin(); });
    }
  }));
  CHECK(count == 40);
  CHECK(contents(sides) == Contents{{1, 1}});
  CHECK(contents(other) == Contents{{1, 1}});
}

// --- values --------------------------------------------------------------------------------------------------

TEST_CASE("WeakKeyDictionary: values that can only be moved") {
  weakref::WeakKeyDictionary<Item, Ticket> tickets;
  const auto one = item(1);
  const auto two = item(2);
  CHECK(tickets.insert(one, Ticket(1)));
  CHECK_FALSE(tickets.insert_or_assign(one, Ticket(2)));
  CHECK(tickets.try_emplace(two, 3));
  CHECK(tickets.visit(one, [](Ticket& ticket) { CHECK(ticket.value == 2); }));
  std::set<int> seen;
  for (const auto& key : tickets.keys()) seen.insert(key->number);
  CHECK(seen == std::set<int>{1, 2});
  for (const auto& key : tickets.keyrefs()) CHECK(key() != nullptr);
  CHECK(tickets.erase_if([&](const std::shared_ptr<Item>& key) { return key == two; }) == 1);
  CHECK(tickets.pop(one).value().value == 2);
  CHECK(tickets.pop(one, Ticket(9)).value == 9);
  tickets.insert(one, Ticket(4));
  const auto [key, ticket] = tickets.popitem();
  CHECK(key == one);
  CHECK(ticket.value == 4);
  tickets.insert(two, Ticket(5));
  weakref::WeakKeyDictionary<Item, Ticket> taken(std::move(tickets));
  CHECK(taken.size() == 1);
  taken.clear();
  CHECK(Ticket::alive() == 1);
}

TEST_CASE("WeakKeyDictionary: a value whose end kills, stores, erases and clears in the same dictionary") {
  Shared shared;
  auto one = item(1);
  auto two = item(2);
  const auto three = item(3);
  const auto four = item(4);
  shared.insert(two, nullptr);
  shared.insert(four, last_words([&] { shared.insert(three, nullptr); }));
  shared.insert(one, last_words([&] {
                  CHECK_FALSE(shared.contains(one.get()));
                  two.reset();
                  shared.insert(three, nullptr);
                  shared.erase(three);
                  shared.erase(four); // whose end stores three again
                  CHECK(shared.contains(three));
                  shared.insert_or_assign(four, last_words([&] { shared.clear(); }));
                }));
  one.reset();
  CHECK(shared.size() == 2);
  CHECK(shared.erase(four));
  CHECK(shared.empty());
}

TEST_CASE("WeakKeyDictionary: whichever way a value goes, its end may use the dictionary") {
  const auto run = [](auto&& leave) {
    auto shared = std::make_unique<Shared>();
    auto key = item(1);
    const auto other = item(2);
    int ends = 0;
    shared->insert(key, last_words([&] {
                     ++ends;
                     CHECK(shared->insert(other, nullptr));
                     CHECK(shared->erase(other));
                   }));
    leave(*shared, key);
    CHECK(ends == 1);
    CHECK(shared->empty());
  };
  run([](Shared& of, std::shared_ptr<Item>& key) { of.erase(key); });
  run([](Shared& of, std::shared_ptr<Item>& key) { (void)of.pop(key); });
  run([](Shared& of, std::shared_ptr<Item>&) { (void)of.popitem(); });
  run([](Shared& of, std::shared_ptr<Item>&) { of.clear(); });
  run([](Shared& of, std::shared_ptr<Item>& key) {
    key.reset();
    (void)of;
  });
  run([](Shared& of, std::shared_ptr<Item>&) {
    of.erase_if([](const std::shared_ptr<Item>&, const std::shared_ptr<Mortal>&) { return true; });
  });
  run([](Shared& of, std::shared_ptr<Item>& key) {
    of.insert_or_assign(key, nullptr);
    of.erase(key);
  });
  run([](Shared& of, std::shared_ptr<Item>& key) {
    of.update({{key, nullptr}});
    of.erase(key);
  });
  run([](Shared& of, std::shared_ptr<Item>& key) {
    of.visit(key, [&](std::shared_ptr<Mortal>&) { key.reset(); });
  });
}

// 5, 11
TEST_CASE("WeakKeyDictionary: the end of a value destroys the dictionary") {
  auto shared = std::make_unique<Shared>();
  auto one = item(1);
  auto two = item(2);
  int ends = 0;
  shared->insert(two, last_words([&] { ++ends; }));
  shared->insert(one, last_words([&] {
                   ++ends;
                   shared.reset();
                 }));
  one.reset();
  CHECK(shared == nullptr);
  CHECK(ends == 2);
  CHECK(weakref::getweakrefcount(two) == 0);
}

// 14
TEST_CASE("WeakKeyDictionary: values that own the last owner of the next key, a thousand deep") {
  weakref::WeakKeyDictionary<Item, std::shared_ptr<Item>> chain;
  std::shared_ptr<Item> first = item(0);
  std::shared_ptr<Item> last = first;
  for (int i = 1; i < 1000; ++i) {
    auto next = item(i);
    chain.insert(last, next);
    last = std::move(next);
  }
  last.reset();
  CHECK(chain.size() == 999);
  CHECK(Item::alive() == 1000);
  first.reset();
  CHECK(chain.empty());
  CHECK(Item::alive() == 0);
}

TEST_CASE("WeakKeyDictionary: a value that owns its own key keeps it until the entry goes") {
  {
    weakref::WeakKeyDictionary<Item, std::shared_ptr<Item>> selfish;
    {
      const auto one = item(1);
      selfish.insert(one, one);
      const auto two = item(2);
      selfish.insert(two, two);
    }
    CHECK(selfish.size() == 2);
    CHECK(selfish.popitem().first != nullptr);
    CHECK(selfish.size() == 1);
    CHECK(Item::alive() == 1);
  }
  CHECK(Item::alive() == 0);
}

namespace {

// Watches under how many locks it is copied, moved and destroyed.
struct Payload : counted<Payload> {
  explicit Payload(int start) : number(start) {}
  Payload(const Payload& other) : counted<Payload>(other), number(other.number) {
    if (on_copy) on_copy();
  }
  Payload(Payload&& other) : counted<Payload>(other), number(other.number) {
    disturbed += watched_mutex::held();
  }
  Payload& operator=(const Payload& other) {
    disturbed += watched_mutex::held();
    number = other.number;
    return *this;
  }
  ~Payload() { disturbed += watched_mutex::held(); }
  friend bool operator==(const Payload& left, const Payload& right) {
    disturbed += watched_mutex::held();
    return left.number == right.number;
  }
  int number;
  static inline int disturbed = 0;
  static inline std::function<void()> on_copy;
};

struct copy_hook {
  explicit copy_hook(std::function<void()> hook) { Payload::on_copy = std::move(hook); }
  copy_hook(const copy_hook&) = delete;
  copy_hook& operator=(const copy_hook&) = delete;
  ~copy_hook() { Payload::on_copy = nullptr; }
};

} // namespace

// 3
TEST_CASE("WeakKeyDictionary: locks: values are moved, compared and destroyed under none") {
  using Payloads = Watched<Item, Payload>;
  Payload::disturbed = 0;
  const long nested = watched_mutex::nested();
  {
    auto one = item(1);
    const auto two = item(2);
    Payloads payloads;
    payloads.insert(one, Payload(1));
    payloads.insert(one, Payload(1));
    payloads.insert_or_assign(one, Payload(2));
    (void)payloads.setdefault(one, Payload(3));
    (void)payloads.setdefault(two, Payload(3));
    (void)payloads.get(one);
    (void)payloads.at(one);
    (void)payloads.get_or_create(one, [] { return Payload(4); });
    (void)payloads.pop(one);
    (void)payloads.get_or_create(one, [] { return Payload(4); });
    payloads.try_emplace(two, 5);
    CHECK(Payload::disturbed == 0);
    Payloads copy(payloads);
    copy |= payloads;
    CHECK(copy == payloads);
    CHECK(Payload::disturbed == 0);
    (void)copy.popitem();
    (void)copy.erase_if([](const auto&, const Payload&) { return true; });
    copy = payloads;
    copy.erase(one);
    copy = std::move(payloads);
    CHECK(Payload::disturbed == 0);
    one.reset();
    copy.clear();
  }
  CHECK(Payload::disturbed == 0);
  CHECK(Payload::alive() == 0);
  CHECK(watched_mutex::nested() == nested);
}

// 3
TEST_CASE("WeakKeyDictionary: locks: iteration moves and destroys values under none") {
  Payload::disturbed = 0;
  const auto one = item(1);
  const auto two = item(2);
  Watched<Item, Payload> payloads{{one, Payload(1)}, {two, Payload(2)}};
  int seen = 0;
  for (auto&& entry : payloads) seen += entry.value.number;
  for (const Payload& value : payloads.values()) seen += value.number;
  CHECK(seen == 6);
  CHECK(Payload::disturbed == 0);
}

// 2
TEST_CASE("WeakKeyDictionary: locks: a value whose copy drops the last owner and throws lets no key die "
          "under one") {
  struct Untracked {
    ~Untracked() {
      CHECK(watched_mutex::held() == 0);
      ++ends;
    }
    int& ends;
  };
  int ends = 0;
  Watched<Untracked, Payload> payloads({.accept_untracked = true});
  const auto run = [&](auto&& operation) {
    auto key = std::shared_ptr<Untracked>(new Untracked{ends});
    payloads.insert(key, Payload(1));
    const int before = ends;
    {
      const copy_hook hook([&] {
        if (key == nullptr) return;
        key.reset();
        throw std::runtime_error("enough");
      });
      CHECK_THROWS_AS(operation(key.get()), std::runtime_error);
    }
    CHECK(ends == before + 1);
    payloads.clear();
  };
  run([&](Untracked*) {
    for (auto&& entry : payloads) (void)entry;
  });
  run([&](Untracked*) {
    for (auto&& value : payloads.values()) (void)value;
  });
  run([&](Untracked* key) { (void)payloads.pop(key); });
  run([&](Untracked*) { (void)payloads.popitem(); });
  run([&](Untracked*) { const auto copy = payloads; });
  run([&](Untracked*) { payloads.erase_if([](const auto&, const Payload&) { return true; }); });
}

TEST_CASE("WeakKeyDictionary: a copy of a value that kills its key is made all the same, then the key dies") {
  weakref::WeakKeyDictionary<Item, Payload> payloads;
  auto one = item(1);
  payloads.insert(one, Payload(1));
  std::optional<Payload> copy;
  {
    const copy_hook hook([&] {
      one.reset();
      CHECK(Item::alive() == 1);
    });
    copy = payloads.get(one.get());
  }
  CHECK(copy.value().number == 1);
  CHECK(Item::alive() == 0);
  CHECK(payloads.empty());
}

TEST_CASE(
    "WeakKeyDictionary: a value's copy that uses a dictionary is told so, and everything stays as it was") {
  weakref::WeakKeyDictionary<Item, Payload> payloads;
  Sides other;
  const auto one = item(1);
  payloads.insert(one, Payload(1));
  int copies = 0;
  const copy_hook hook([&] {
    ++copies;
    other.insert(one, 1);
  });
  CHECK_THROWS_AS((void)payloads.get(one), std::logic_error);
  CHECK_THROWS_AS((void)payloads.at(one), std::logic_error);
  CHECK_THROWS_AS((void)payloads.pop(one), std::logic_error);
  CHECK_THROWS_AS((void)payloads.popitem(), std::logic_error);
  CHECK_THROWS_AS((void)payloads.begin(), std::logic_error);
  CHECK_THROWS_AS(payloads.erase_if([](const auto&, const Payload&) { return true; }), std::logic_error);
  CHECK_THROWS_AS(decltype(payloads)(std::as_const(payloads)), std::logic_error);
  CHECK_THROWS_AS((void)payloads.get_or_create(one, [] { return Payload(2); }), std::logic_error);
  CHECK(copies == 8);
  CHECK(payloads.size() == 1);
  CHECK(other.empty());
}

// --- by value ------------------------------------------------------------------------------------------------

TEST_CASE(
    "WeakKeyDictionary: by value: equal objects are one key, the first stays and the value is replaced") {
  Words words;
  auto first = word("apple");
  auto second = word("apple");
  CHECK(words.insert(first, 1));
  CHECK_FALSE(words.insert(second, 2));
  CHECK(words.at(second) == 1);
  CHECK_FALSE(words.insert_or_assign(second, 3));
  CHECK(words.at(first) == 3);
  CHECK(words.size() == 1);
  for (const auto& key : words.keys()) CHECK(key == first);
  CHECK(weakref::getweakrefcount(first) == 1);
  CHECK(weakref::getweakrefcount(second) == 0);

  SUBCASE("the entry lives as long as the first key") {
    second.reset();
    CHECK(words.size() == 1);
    first.reset();
    CHECK(words.empty());
  }
  SUBCASE("and not longer") {
    first.reset();
    CHECK(words.empty());
    CHECK_FALSE(words.contains(second));
    CHECK(words.insert_or_assign(second, 4));
    CHECK(words.at(second) == 4);
  }
  SUBCASE("update keeps the first key too") {
    words.update({{second, 5}});
    second.reset();
    CHECK(words.at(std::string_view("apple")) == 5);
    first.reset();
    CHECK(words.empty());
  }
  Word::reset();
}

// 23
TEST_CASE("WeakKeyDictionary: by identity: referents with one hash, or at one address, are different keys") {
  // Among so many addresses, which nobody looks into, two have the same hash of 32 bits.
  const auto arena = weakref::make_tracked<int>(0);
  std::map<std::uint32_t, std::uintptr_t> seen;
  std::shared_ptr<char> one;
  std::shared_ptr<char> other;
  for (std::uintptr_t number = 1; number < 1'000'000; ++number) {
    const std::uintptr_t address = number * number * 4099;
    const auto [at, is_new] = seen.emplace(weakref::detail::table_hash(address), address);
    if (is_new) continue;
    one = std::shared_ptr<char>(arena, reinterpret_cast<char*>(at->second));
    other = std::shared_ptr<char>(arena, reinterpret_cast<char*>(address));
    break;
  }
  REQUIRE(static_cast<bool>(other));
  const auto check_different = [](const std::shared_ptr<char>& a, const std::shared_ptr<char>& b) {
    weakref::WeakKeyDictionary<char, int> all;
    all.insert(a, 1);
    CHECK_FALSE(all.contains(b));
    all.insert(b, 2);
    CHECK(all.at(a) == 1);
    CHECK(all.at(b) == 2);
    // A creation of one is no creation of the other.
    all.clear();
    CHECK(all.get_or_create(a, [&] { return all.get_or_create(b, [] { return 4; }) - 1; }) == 3);
    CHECK(all.size() == 2);
  };
  check_different(one, other);
  check_different(other, one);
  {
    weakref::WeakKeyDictionary<char, int> all;
    all.insert(one, 1);
    CHECK_FALSE(all.contains(other.get()));
    CHECK(all.contains(one.get()));
  }
  // Two groups of owners of one address.
  const auto second_arena = weakref::make_tracked<int>(0);
  const std::shared_ptr<char> same_address(second_arena, one.get());
  check_different(one, same_address);
  check_different(same_address, one);
}

TEST_CASE("WeakKeyDictionary: by value: of equal keys in one update the first stays, with the last value") {
  const auto first = word("pear");
  const auto second = word("pear");
  Words words;
  words.update({{first, 1}, {second, 2}});
  CHECK(words.at(first) == 2);
  for (const auto& key : words.keys()) CHECK(key == first);
  CHECK(weakref::getweakrefcount(second) == 0);
  const Words listed{{second, 1}, {first, 2}};
  for (const auto& key : listed.keys()) CHECK(key == second);
  CHECK(listed == words);
}

TEST_CASE("WeakKeyDictionary: by value: an equal newcomer in every way of being tracked") {
  struct Tag : weakref::enable_weakref {
    explicit Tag(int start) : number(start) {}
    bool operator==(const Tag& other) const { return number == other.number; }
    int number;
  };
  struct TagHash {
    std::size_t operator()(const Tag& tag) const { return static_cast<std::size_t>(tag.number); }
  };
  using Tags = weakref::WeakKeyDictionary<Tag, int, TagHash>;
  const auto make = [](int way) -> std::shared_ptr<Tag> {
    if (way == 0) return weakref::make_tracked<Tag>(1);
    if (way == 1) return std::make_shared<Tag>(1);
    return weakref::adopt(std::make_unique<Tag>(1));
  };
  for (int old_way = 0; old_way < 3; ++old_way) {
    for (int new_way = 0; new_way < 3; ++new_way) {
      Tags tags;
      auto first = make(old_way);
      auto second = make(new_way);
      tags.insert(first, 1);
      CHECK_FALSE(tags.insert_or_assign(second, 2));
      CHECK(weakref::getweakrefcount(first) == 1);
      CHECK(weakref::getweakrefcount(second) == 0);
      second.reset();
      CHECK(tags.visit(first, [](int& value) { CHECK(value == 2); }));
      CHECK(tags.erase(first));
      CHECK(weakref::getweakrefcount(first) == 0);
      CHECK(tags.insert(first, 3));
      first.reset();
      CHECK(tags.empty());
    }
  }
}

TEST_CASE(
    "WeakKeyDictionary: by value: an untracked newcomer, and a tracked first key, and the other way round") {
  Words words({.shards = 1, .accept_untracked = true});
  auto tracked = word("plum");
  auto untracked = std::make_shared<Word>("plum");
  words.insert(tracked, 1);
  CHECK_FALSE(words.insert_or_assign(untracked, 2));
  untracked.reset();
  CHECK(words.at(tracked) == 2);
  tracked.reset();
  CHECK(words.empty()); // prompt: the entry did not become an untracked one

  untracked = std::make_shared<Word>("plum");
  tracked = word("plum");
  words.insert(untracked, 1);
  CHECK_FALSE(words.insert_or_assign(tracked, 2));
  CHECK(weakref::getweakrefcount(tracked) == 0);
  CHECK(words.at(tracked) == 2);
  untracked.reset();
  CHECK_FALSE(words.contains(tracked));
}

TEST_CASE("WeakKeyDictionary: by value: looked up by owner, object, pointer, and whatever is transparent") {
  const auto apple = word("apple");
  const Word equal("apple");
  const Word* const null_pointer = nullptr;
  Words words{{apple, 1}};
  CHECK(words.at(apple) == 1);
  CHECK(words.at(equal) == 1);
  CHECK(words.at(&equal) == 1);
  CHECK(words.at(std::make_shared<Word>("apple")) == 1);
  CHECK(words.at(std::string_view("apple")) == 1);
  CHECK_FALSE(words.contains(std::string_view("grape")));
  CHECK_FALSE(words.contains(null_pointer));
  CHECK_FALSE(words.contains(std::shared_ptr<Word>()));
  CHECK(words.pop(std::string_view("apple")) == 1);
  Word::reset();
}

TEST_CASE("WeakKeyDictionary: by value: a dead key is never hashed or compared, only looked past") {
  Word::reset();
  Words words({.shards = 1, .accept_untracked = true});
  std::vector<std::shared_ptr<Word>> living;
  for (int i = 0; i < 20; ++i) {
    auto dying = std::make_shared<Word>("aaaa");
    words.insert_or_assign(dying, i);
    const auto twin = std::make_shared<Word>("aaaa");
    dying.reset();
    CHECK_FALSE(words.contains(*twin));
    CHECK(words.get(twin) == std::nullopt);
    CHECK_FALSE(words.visit(*twin, [](int&) {}));
    CHECK(words.pop(*twin) == std::nullopt);
    CHECK(words.insert(twin, 100 + i));
    CHECK(words.at(*twin) == 100 + i);
    living.push_back(std::make_shared<Word>(std::to_string(1000 + i)));
    words.insert(living.back(), i);
  }
  CHECK(Word::dead_seen == 0);

  // Deaths, rehashes and clean-ups ask no hash.
  const int hashed = Word::hashed;
  const int compared = Word::compared;
  words.reserve(1000);
  living.clear();
  const Words copy(words);
  words.clear();
  CHECK(Word::hashed == hashed);
  CHECK(Word::compared == compared);
  Word::reset();
}

TEST_CASE("WeakKeyDictionary: by value: a tracked key's death asks neither hash nor comparison") {
  Word::reset();
  Words words;
  std::vector<std::shared_ptr<Word>> keys;
  for (int i = 0; i < 100; ++i) {
    keys.push_back(word(std::to_string(1000 + i).c_str()));
    words.insert(keys.back(), i);
  }
  const int hashed = Word::hashed;
  const int compared = Word::compared;
  keys.clear();
  CHECK(words.empty());
  CHECK(Word::hashed == hashed);
  CHECK(Word::compared == compared);
  Word::reset();
}

// 18
TEST_CASE("WeakKeyDictionary: by value: an equal key stored while the old one dies stays") {
  struct Dying : weakref::enable_weakref {
    explicit Dying(std::function<void()> words) : last(std::move(words)) {}
    ~Dying() { last(); }
    bool operator==(const Dying&) const { return true; }
    std::function<void()> last;
  };
  struct Same {
    std::size_t operator()(const Dying&) const { return 1; }
  };
  weakref::WeakKeyDictionary<Dying, int, Same> all;
  const auto successor = std::make_shared<Dying>([] {});
  const std::vector<std::function<void()>> ways{[&] { CHECK(all.insert(successor, 2)); },
                                                [&] { CHECK(all.insert_or_assign(successor, 2)); },
                                                [&] { CHECK(all.setdefault(successor, 2) == 2); }};
  for (const auto& store : ways) {
    auto old = std::make_shared<Dying>([&] {
      CHECK_FALSE(all.contains(successor));
      store();
      CHECK(all.at(successor) == 2);
    });
    all.insert(old, 1);
    old.reset();
    CHECK(all.at(successor) == 2);
    CHECK(all.size() == 1);
    all.clear();
  }

  // The same from a ref's callback and a value's end, when the old entry has gone already.
  weakref::WeakKeyDictionary<Word, std::shared_ptr<Mortal>, WordHash, WordEqual> words;
  auto first = word("fig");
  const auto second = word("fig");
  words.insert(first, last_words([&] { CHECK(words.insert(second, nullptr)); }));
  first.reset();
  CHECK(words.contains(second));
  CHECK(words.size() == 1);
}

// 14
TEST_CASE("WeakKeyDictionary: by value: a node that moves on to the first key leaves no trace of the "
          "newcomer's list") {
  Word::reset();
  Words words;
  auto first = word("plum");
  words.insert(first, 1);
  {
    // A ref joins the newcomer's list while the node is in it, and so comes before the node.
    const auto newcomer = word("plum");
    using watcher = weakref::ref<Word, std::function<void()>>;
    std::optional<watcher> joins;
    Word::on_equal = [&] {
      if (!joins) joins.emplace(newcomer, [] {});
    };
    words.insert_or_assign(newcomer, 2);
    Word::on_equal = nullptr;
    REQUIRE(joins.has_value());
    CHECK(weakref::getweakrefcount(newcomer) == 1);
  }
  CHECK(words.at(first) == 2);
  // A death put off looks into its first watcher for the next one.
  const auto other = word("pear");
  words.insert(other, 3);
  words.visit(other, [&](int&) { first.reset(); });
  CHECK(words.size() == 1);
  Word::reset();
}

// 10
TEST_CASE("WeakKeyDictionary: by value: a comparison that kills the compared keys or re-enters") {
  Word::reset();
  Words words;
  auto first = word("kiwi");
  auto second = word("lime");
  words.insert(first, 1);
  words.insert(second, 2);
  const Word wanted("kiwi");
  Word::on_equal = [&] {
    first.reset();
    second.reset();
    CHECK(Word::alive() == 4);
  };
  CHECK_FALSE(words.contains(Word("nuts")));
  Word::on_equal = nullptr;
  CHECK(words.empty());
  CHECK(Word::alive() == 1);

  first = word("kiwi");
  words.insert(first, 1);
  Word::on_equal = [&] { words.clear(); };
  CHECK_THROWS_AS((void)words.get(wanted), std::logic_error);
  CHECK_THROWS_AS(words.insert_or_assign(word("kiwi"), 2), std::logic_error);
  CHECK_THROWS_AS(words.update({{word("lime"), 3}, {word("kiwi"), 2}}), std::logic_error);
  Word::on_equal = nullptr;
  CHECK(words.at(wanted) == 1);
  CHECK(words.size() == 1);
  Word::reset();
}

TEST_CASE("WeakKeyDictionary: by value: a comparison is not shown what it has killed") {
  Word::reset();
  Words words;
  auto first = word("kiwi");
  auto second = word("plum");
  words.insert(first, 1);
  words.insert(second, 2);
  Word::compared = 0;
  Word::on_equal = [&] {
    // Put off: still whole, but dead.
    first.reset();
    second.reset();
  };
  CHECK_FALSE(words.contains(Word("nuts")));
  CHECK(Word::compared == 1);
  Word::reset();
}

TEST_CASE("WeakKeyDictionary: by value: what dies with its last owner at once is held while it is compared") {
  struct Based : Word, weakref::enable_weakref {
    using Word::Word;
  };
  Word::reset();
  weakref::WeakKeyDictionary<Based, int, WordHash, WordEqual> words;
  auto first = std::make_shared<Based>("kiwi");
  words.insert(first, 1);
  long alive = 0;
  Word::on_equal = [&] {
    first.reset();
    alive = Word::alive();
  };
  CHECK_FALSE(words.contains(std::make_shared<Based>("nuts")));
  CHECK(alive == 2);
  Word::on_equal = nullptr;
  CHECK(words.empty());
  CHECK(Word::alive() == 0);
  Word::reset();
}

// 6, 10
TEST_CASE("WeakKeyDictionary: by value: a comparison that kills the key it finds finds nothing") {
  Word::reset();
  Words words;
  auto first = word("kiwi");
  const Word wanted("kiwi");
  const auto dying = [&](auto&& operation) {
    first = word("kiwi");
    words.insert(first, 1);
    Word::on_equal = [&] { first.reset(); };
    operation();
    Word::on_equal = nullptr;
    CHECK(first == nullptr);
    CHECK(words.empty());
  };
  dying([&] { CHECK(words.get(wanted) == std::nullopt); });
  dying([&] { CHECK_FALSE(words.contains(wanted)); });
  dying([&] { CHECK_FALSE(words.visit(wanted, [](int&) {})); });
  dying([&] { CHECK(words.pop(wanted) == std::nullopt); });
  dying([&] { CHECK_FALSE(words.erase(wanted)); });
  dying([&] { CHECK(words.setdefault(word("kiwi"), 2) == 2); });
  Word::reset();
}

// 1
TEST_CASE(
    "WeakKeyDictionary: by value: an entry that is erased while its value is being replaced stays erased") {
  Word::reset();
  Words words;
  auto first = word("date");
  const auto second = word("date");
  words.insert(first, 1);
  // A death inside the comparison is put off until the lock is let go: after the first key was found, before
  // the value is stored under it.
  auto fuse = weakref::make_tracked<Mortal>(0, [&] { words.erase(first); });
  Word::on_equal = [&] { fuse.reset(); };
  words.insert_or_assign(second, 2);
  CHECK(fuse == nullptr);
  CHECK(words.size() == 1);
  for (const auto& key : words.keys()) CHECK(key == second);
  CHECK(weakref::getweakrefcount(first) == 0);
  first.reset();
  CHECK(words.at(second) == 2);
  Word::reset();
}

// 10
TEST_CASE("WeakKeyDictionary: by value: the first key dies while its value is being replaced") {
  Word::reset();
  Words words;
  auto first = word("date");
  const auto second = word("date");
  words.insert(first, 1);
  // The last owner goes inside the comparison; the newcomer is the key after all, or replaces the value of a key
  // that dies at once. Either way nothing is left of the old one.
  Word::on_equal = [&] { first.reset(); };
  words.insert_or_assign(second, 2);
  Word::on_equal = nullptr;
  if (!words.contains(second)) {
    CHECK(words.empty());
    CHECK(words.insert_or_assign(second, 2));
  }
  CHECK(words.at(second) == 2);
  CHECK(words.size() == 1);
  CHECK(Word::alive() == 1);
  Word::reset();
}

// --- get_or_create -------------------------------------------------------------------------------------------

TEST_CASE("WeakKeyDictionary: get_or_create makes a value once, with the key if the factory takes it") {
  Sides sides;
  const auto one = item(7);
  int runs = 0;
  const auto make = [&](const std::shared_ptr<Item>& key) {
    ++runs;
    return 10 * key->number;
  };
  CHECK(sides.get_or_create(one, make) == 70);
  CHECK(sides.get_or_create(one, make) == 70);
  CHECK(sides.get_or_create(one, [] { return 1; }) == 70);
  CHECK(runs == 1);
  CHECK(sides.size() == 1);
  CHECK(weakref::getweakrefcount(one) == 1);
}

TEST_CASE("WeakKeyDictionary: a factory may use the dictionary, and what is stored meanwhile wins") {
  Sides sides;
  const auto one = item(1);
  const auto two = item(2);
  CHECK(sides.get_or_create(one, [&] {
    CHECK_FALSE(sides.contains(one));
    CHECK(sides.get_or_create(two, [] { return 20; }) == 20);
    sides.insert(one, 5);
    return 10;
  }) == 5);
  CHECK(sides.at(one) == 5);
  // What is erased meanwhile does not cancel the creation.
  sides.erase(one);
  CHECK(sides.get_or_create(one, [&] {
    sides.insert(one, 5);
    sides.erase(one);
    sides.clear();
    return 10;
  }) == 10);
  CHECK(contents(sides) == Contents{{1, 10}});
}

namespace {

// Copies, but its assignment and its move fail once they are told to.
struct Brittle {
  explicit Brittle(int start) : number(start) {}
  Brittle(const Brittle&) = default;
  Brittle(Brittle&& other) : number(other.number) { fail(); }
  Brittle& operator=(const Brittle& other) {
    fail();
    number = other.number;
    return *this;
  }
  static void fail() {
    if (fails) throw std::runtime_error("brittle");
  }
  int number;
  static inline bool fails = false;
};

} // namespace

TEST_CASE(
    "WeakKeyDictionary: a value whose move fails at the end of get_or_create leaves no creation behind") {
  weakref::WeakKeyDictionary<Item, Brittle> brittle;
  const auto one = item(1);
  try {
    (void)brittle.get_or_create(one, [&] {
      brittle.try_emplace(one, 5);
      Brittle::fails = true;
      return Brittle(10);
    });
  } catch (const std::runtime_error&) {}
  Brittle::fails = false;
  CHECK(brittle.at(one).number == 5);
  CHECK(brittle.get_or_create(one, [] { return Brittle(11); }).number == 5);
  CHECK(brittle.erase(one));
  CHECK(brittle.get_or_create(one, [] { return Brittle(11); }).number == 11);
}

// 17
TEST_CASE(
    "WeakKeyDictionary: a factory that asks for its own key is told so; one that throws stores nothing") {
  Sides sides;
  const auto one = item(1);
  CHECK_THROWS_AS((void)sides.get_or_create(one, [&] { return sides.get_or_create(one, [] { return 1; }); }),
                  std::logic_error);
  CHECK_THROWS_AS((void)sides.get_or_create(one, []() -> int { throw std::runtime_error("no"); }),
                  std::runtime_error);
  CHECK(sides.empty());
  CHECK(weakref::getweakrefcount(one) == 0);
  CHECK(sides.get_or_create(one, [] { return 2; }) == 2);

  Words words;
  const auto first = word("fig");
  const auto second = word("fig");
  CHECK_THROWS_AS(
      (void)words.get_or_create(first, [&] { return words.get_or_create(second, [] { return 1; }); }),
      std::logic_error);
  CHECK(words.empty());
  Word::reset();
}

TEST_CASE(
    "WeakKeyDictionary: of concurrent callers one runs its factory, the others get copies of its value") {
  using Waiting = weakref::WeakKeyDictionary<Item, std::shared_ptr<int>, weakref::by_identity,
                                             weakref::by_identity, std::allocator<Item>, waiting_mutex>;
  constexpr unsigned callers = 4;
  for (int round = 0; round < 20; ++round) {
    Waiting waiting;
    const auto one = item(1);
    std::atomic<int> runs{0};
    std::vector<std::shared_ptr<int>> got(callers);
    together(callers, [&](unsigned caller) {
      got[caller] = waiting.get_or_create(one, [&] {
        ++runs;
        waiting_mutex::await_waiting(callers - 1);
        waiting.clear(); // does not cancel
        return std::make_shared<int>(round);
      });
    });
    CHECK(runs == 1);
    for (const auto& value : got) CHECK(value == got.front());
    CHECK(waiting.at(one) == got.front());
  }
}

TEST_CASE("WeakKeyDictionary: by value: callers with equal keys wait for one another") {
  using Waiting = weakref::WeakKeyDictionary<Word, std::shared_ptr<int>, WordHash, WordEqual,
                                             std::allocator<Word>, waiting_mutex>;
  Word::reset();
  Waiting waiting;
  std::vector<std::shared_ptr<Word>> keys{word("fig"), word("fig"), word("fig")};
  std::vector<std::shared_ptr<int>> got(keys.size());
  std::atomic<int> runs{0};
  // Hash and comparison count without locks: the threads come one after the other until they wait.
  gate flying;
  std::thread creator([&] {
    got[0] = waiting.get_or_create(keys[0], [&] {
      ++runs;
      flying.open();
      waiting_mutex::await_waiting(1);
      return std::make_shared<int>(1);
    });
  });
  flying.wait();
  got[1] = waiting.get_or_create(keys[1], [&] {
    ++runs;
    return std::make_shared<int>(2);
  });
  creator.join();
  CHECK(runs == 1);
  CHECK(got[0] == got[1]);
  CHECK(waiting.size() == 1);
  for (const auto& key : waiting.keys()) CHECK(key == keys[0]);
  Word::reset();
}

TEST_CASE("WeakKeyDictionary: when a factory throws one of those who wait runs its own") {
  using Waiting = weakref::WeakKeyDictionary<Item, int, weakref::by_identity, weakref::by_identity,
                                             std::allocator<Item>, waiting_mutex>;
  constexpr unsigned callers = 3;
  Waiting waiting;
  const auto one = item(1);
  std::atomic<int> runs{0};
  std::atomic<int> failures{0};
  std::atomic<int> results{0};
  together(callers, [&](unsigned) {
    try {
      results += waiting.get_or_create(one, [&] {
        if (runs++ == 0) {
          waiting_mutex::await_waiting(callers - 1);
          throw std::runtime_error("first");
        }
        return 5;
      });
    } catch (const std::runtime_error&) {
      ++failures;
    }
  });
  CHECK(failures == 1);
  CHECK(runs == 2);
  CHECK(results == 10);
  CHECK(waiting.at(one) == 5);
}

// --- taken out -----------------------------------------------------------------------------------------------

TEST_CASE("WeakKeyDictionary: pop, popitem and erase take entries out") {
  const auto one = item(1);
  const auto two = item(2);
  const auto three = item(3);
  Sides sides{{one, 10}, {two, 20}, {three, 30}};
  CHECK(sides.pop(one) == 10);
  CHECK(sides.pop(one) == std::nullopt);
  CHECK(sides.pop(one, 5) == 5);
  CHECK(sides.pop(two, 5) == 20);
  CHECK(weakref::getweakrefcount(one) == 0);
  const std::pair<std::shared_ptr<Item>, int> last = sides.popitem();
  CHECK(last == Pair{three, 30});
  CHECK_THROWS_AS((void)sides.popitem(), std::out_of_range);
  sides.insert(one, 1);
  CHECK(sides.erase(*one));
  CHECK_FALSE(sides.erase(one));
  CHECK(sides.empty());
}

TEST_CASE("WeakKeyDictionary: popitem takes every entry once, in every shard") {
  for (const std::size_t shards : {std::size_t{1}, std::size_t{4}}) {
    Sides sides(weakref::options{.shards = shards});
    std::vector<std::shared_ptr<Item>> keys;
    std::set<int> expected;
    for (int i = 0; i < 50; ++i) {
      keys.push_back(item(i));
      sides.insert(keys.back(), i);
      expected.insert(i);
    }
    std::set<int> seen;
    for (int i = 0; i < 50; ++i) {
      const auto [key, value] = sides.popitem();
      CHECK(key->number == value);
      seen.insert(value);
    }
    CHECK(seen == expected);
    CHECK(sides.empty());
  }
}

TEST_CASE(
    "WeakKeyDictionary: erase_if asks with no lock held, takes nothing before it has seen all, and counts") {
  std::vector<std::shared_ptr<Item>> keys;
  Sides sides;
  for (int i = 0; i < 10; ++i) {
    keys.push_back(item(i));
    sides.insert(keys.back(), 10 * i);
  }
  CHECK(sides.erase_if([&](const std::shared_ptr<Item>& key, const int& value) {
    CHECK(value == 10 * key->number);
    CHECK(sides.size() == 10);
    CHECK(sides.contains(key));
    return value % 20 == 0;
  }) == 5);
  CHECK(sides.size() == 5);
  CHECK(sides.erase_if([](const std::shared_ptr<Item>& key) { return key->number == 1; }) == 1);
  int asked = 0;
  CHECK_THROWS_AS(sides.erase_if([&](const std::shared_ptr<Item>&) -> bool {
    if (++asked == 3) throw std::runtime_error("enough");
    return true;
  }),
                  std::runtime_error);
  CHECK(sides.size() == 4);
}

// --- as a whole ----------------------------------------------------------------------------------------------

TEST_CASE("WeakKeyDictionary: a copy has the keys and copies of the values, and goes its own way") {
  auto one = item(1);
  const auto two = item(2);
  Sides sides{{one, 10}, {two, 20}};
  Sides copy(sides);
  CHECK(copy == sides);
  copy.visit(one, [](int& value) { value = 11; });
  CHECK(sides.at(one) == 10);
  CHECK(copy != sides);
  sides.erase(two);
  CHECK(copy.contains(two));
  one.reset();
  CHECK(sides.empty());
  CHECK(copy.size() == 1);
  Sides& same = copy;
  copy = same;
  CHECK(contents(copy) == Contents{{2, 20}});
}

// 9
TEST_CASE(
    "WeakKeyDictionary: after copy, move, swap and assignment every death leaves the right dictionary") {
  auto one = item(1);
  auto two = item(2);
  auto three = item(3);
  Sides first{{one, 1}};
  Sides second{{two, 2}, {three, 3}};
  Sides third(first);
  first.swap(second);
  Sides fourth(std::move(second));
  second = first;
  one.reset();
  CHECK(fourth.empty());
  CHECK(third.empty());
  CHECK(first.size() == 2);
  two.reset();
  CHECK(contents(first) == Contents{{3, 3}});
  CHECK(contents(second) == Contents{{3, 3}});
  first = std::move(second);
  CHECK(weakref::getweakrefcount(three) == 1);
  swap(first, fourth);
  CHECK(second.empty()); // NOLINT(bugprone-use-after-move)
  CHECK(second.insert(three, 5));
  three.reset();
  CHECK(first.empty());
  CHECK(second.empty());
  CHECK(fourth.empty());
}

TEST_CASE("WeakKeyDictionary: equality is that of objects and values") {
  const auto one = item(1);
  const auto two = item(2);
  CHECK(Sides{{one, 1}, {two, 2}} == Sides{{two, 2}, {one, 1}});
  CHECK(Sides{{one, 1}} != Sides{{one, 2}});
  CHECK(Sides{{one, 1}} != Sides{{two, 1}});
  CHECK(Sides{{one, 1}} != Sides{{one, 1}, {two, 2}});
  CHECK(Sides() == Sides({.shards = 4}));
}

TEST_CASE("WeakKeyDictionary: | and |= and update, with dictionaries and ranges, themselves included") {
  const auto one = item(1);
  const auto two = item(2);
  const auto three = item(3);
  Sides left{{one, 1}, {two, 2}};
  const Sides right{{two, 22}, {three, 33}};
  CHECK(contents(left | right) == Contents{{1, 1}, {2, 22}, {3, 33}});
  CHECK(contents(right | left) == Contents{{1, 1}, {2, 2}, {3, 33}});
  CHECK(contents(left | std::vector<Pair>{{one, 5}}) == Contents{{1, 5}, {2, 2}});
  CHECK(contents(left) == Contents{{1, 1}, {2, 2}});
  left |= right;
  CHECK(contents(left) == Contents{{1, 1}, {2, 22}, {3, 33}});
  const Sides& same = left;
  left |= same;
  left.update(same);
  left.update({{one, 7}, {one, 8}});
  CHECK(contents(left) == Contents{{1, 8}, {2, 22}, {3, 33}});
  CHECK(weakref::getweakrefcount(one) == 1);

  const weakref::local::WeakKeyDictionary<Item, int> other{{one, 9}};
  left |= other;
  CHECK(left.at(one) == 9);
}

TEST_CASE("WeakKeyDictionary: an update that meets a bad pair half-way changes nothing") {
  const auto one = item(1);
  const auto two = item(2);
  Sides sides{{one, 1}};
  const std::vector<Pair> bad{{one, 5}, {two, 6}, {nullptr, 7}};
  CHECK_THROWS_AS(sides.update(bad), weakref::untracked_error);
  CHECK_THROWS_AS(sides |= bad, weakref::untracked_error);
  CHECK(contents(sides) == Contents{{1, 1}});
  CHECK(weakref::getweakrefcount(two) == 0);
}

TEST_CASE("WeakKeyDictionary: by value: an update that fails after an equal newcomer puts the first key's "
          "value back") {
  Word::reset();
  Words words;
  auto first = word("apple");
  auto second = word("apple");
  const auto third = word("peach");
  words.insert(first, 1);
  words.insert(third, 3);
  for (int budget = 0; budget < 6; ++budget) {
    int left = budget;
    Word::on_equal = [&] {
      if (left-- == 0) throw std::runtime_error("enough");
    };
    try {
      words.update({{second, 5}, {word("mango"), 6}, {word("grape"), 7}});
    } catch (const std::runtime_error&) {
      Word::on_equal = nullptr;
      CHECK(words.size() == 2);
      CHECK(words.at(first) == 1);
      CHECK(words.at(third) == 3);
      CHECK(weakref::getweakrefcount(first) == 1);
      CHECK(weakref::getweakrefcount(second) == 0);
    }
    Word::on_equal = nullptr;
  }
  second.reset();
  first.reset();
  CHECK(words.size() == 1);
  Word::reset();
}

// --- iterated ------------------------------------------------------------------------------------------------

namespace {
// Has an ==, and nothing else.
class Comparable {
 public:
  explicit Comparable(int start) : number_(start) {}
  friend bool operator==(const Comparable& left, const Comparable& right) {
    return left.number_ == right.number_;
  }

 private:
  int number_;
};
} // namespace

TEST_CASE("WeakKeyDictionary: a key without an entry is not equal to one whose value is an empty optional") {
  using Maybes = weakref::WeakKeyDictionary<Item, std::optional<int>>;
  const auto one = item(1), two = item(2);
  const Maybes with_nothing{{one, std::nullopt}}, other_key{{two, std::nullopt}}, with_one{{one, 1}};
  const Maybes both{{one, 1}, {two, std::nullopt}}, both_otherwise{{one, std::nullopt}, {two, 1}};
  const Maybes none;
  for (const Maybes* each : {&with_nothing, &other_key, &with_one, &both, &both_otherwise, &none}) {
    CHECK(*each == *each);
    CHECK(*each == Maybes(*each));
    for (const Maybes* other : {&with_nothing, &other_key, &with_one, &both, &both_otherwise, &none})
      CHECK((*each == *other) == (each == other));
  }
  CHECK(with_nothing.get(one).has_value());
  CHECK_FALSE(with_nothing.get(two).has_value());
}

TEST_CASE("WeakKeyDictionary: values that are owners, or can only be compared, are compared") {
  const auto one = item(1), two = item(2);
  using Owners = weakref::WeakKeyDictionary<Item, std::shared_ptr<int>>;
  const auto number = std::make_shared<int>(5);
  CHECK(Owners{{one, number}} == Owners{{one, number}});
  CHECK(Owners{{one, number}} != Owners{{one, std::make_shared<int>(5)}});
  CHECK(Owners{{one, nullptr}} == Owners{{one, nullptr}});
  CHECK(Owners{{one, nullptr}} != Owners{{two, nullptr}});
  CHECK(Owners{{one, nullptr}} != Owners());
  using Comparables = weakref::WeakKeyDictionary<Item, Comparable>;
  CHECK(Comparables{{one, Comparable(1)}} == Comparables{{one, Comparable(1)}});
  CHECK_FALSE(Comparables{{one, Comparable(1)}} == Comparables{{one, Comparable(2)}});
  CHECK_FALSE(Comparables{{one, Comparable(1)}} == Comparables());
}

TEST_CASE("WeakKeyDictionary: iteration shows keys and copies of values") {
  const auto one = item(1);
  Sides sides{{one, 10}};
  for (auto&& [key, value] : sides) {
    CHECK(key == one);
    CHECK(value == 10);
    sides.visit(one, [](int& stored) { stored = 11; });
    CHECK(value == 10);
  }
  for (const int& value : sides.values()) CHECK(value == 11);
  for (const auto& each : sides.items()) CHECK(each.key == one);
  for (const std::shared_ptr<Item>& key : sides.keys()) CHECK(key == one);
  for (const weakref::ref<Item>& key : sides.keyrefs()) CHECK(key() == one);
  CHECK(one.use_count() == 1);
}

// 8
TEST_CASE("WeakKeyDictionary: iteration stands every change of the dictionary") {
  std::vector<std::shared_ptr<Item>> keys;
  const auto build = [&](Sides& sides) {
    keys.clear();
    for (int i = 0; i < 30; ++i) {
      keys.push_back(item(i));
      sides.insert(keys.back(), i);
    }
  };
  for (const std::size_t shards : {std::size_t{1}, std::size_t{4}}) {
    Sides sides(weakref::options{.shards = shards});
    build(sides);
    std::set<int> seen;
    std::vector<std::shared_ptr<Item>> added;
    for (auto&& [key, value] : sides) {
      CHECK(key->number == value);
      if (value < 30) CHECK(seen.insert(value).second);
      if (added.size() < 300) {
        added.push_back(item(1000));
        sides.insert(added.back(), 1000);
      }
    }
    CHECK(seen.size() == 30);
    sides.clear();
    build(sides);
    int shown = 0;
    for (auto&& [key, value] : sides) {
      ++shown;
      for (int i = 0; i < 30; ++i) {
        if (i != value) keys[static_cast<std::size_t>(i)].reset();
      }
      CHECK(key->number == value);
    }
    CHECK(shown == 1);
    build(sides);
    shown = 0;
    for (auto&& [key, value] : sides) {
      ++shown;
      sides.clear();
      CHECK(key->number == value);
    }
    CHECK(shown == 1);
    // The dictionary ends first.
    build(sides);
    auto doomed = std::make_unique<Sides>(std::move(sides));
    auto at = doomed->begin();
    const int number = (*at).value;
    doomed.reset();
    CHECK((*at).key->number == number);
    ++at;
    CHECK(at == std::default_sentinel);
    keys.clear();
  }
  CHECK(Item::alive() == 0);
}

TEST_CASE(
    "WeakKeyDictionary: an element of the iteration keeps its key alive, and only while it is the element") {
  Sides sides;
  auto one = item(1);
  sides.insert(one, 1);
  {
    auto at = sides.begin();
    one.reset();
    CHECK(sides.size() == 1);
    CHECK((*at).key->number == 1);
    auto moved = std::move(at);
    CHECK((*moved).value == 1);
    ++moved;
    CHECK(moved == sides.end());
    CHECK(sides.empty());
  }
  CHECK(Item::alive() == 0);
}

// --- options, allocators, aliases ----------------------------------------------------------------------------

TEST_CASE("WeakKeyDictionary: four shards hold what one holds") {
  Sides sharded({.shards = 4});
  Sides single({.shards = 1});
  std::vector<std::shared_ptr<Item>> keys;
  for (int i = 0; i < 1000; ++i) {
    keys.push_back(item(i));
    sharded.insert(keys.back(), i);
    single.insert(keys.back(), i);
  }
  CHECK(sharded.size() == 1000);
  CHECK(sharded == single);
  for (int i = 0; i < 1000; i += 2) keys[static_cast<std::size_t>(i)].reset();
  CHECK(sharded.size() == 500);
  CHECK(sharded == single);
  keys.clear();
  CHECK(sharded.empty());
  CHECK(single.empty());
}

TEST_CASE("WeakKeyDictionary: everything comes from its allocator and goes back, whoever ends first") {
  using Accounted = weakref::WeakKeyDictionary<Item, int, weakref::by_identity, weakref::by_identity,
                                               accounting_allocator<Item>>;
  account books;
  account other_books;
  {
    auto one = item(1);
    const auto two = item(2);
    Accounted accounted{accounting_allocator<Item>(books)};
    CHECK(books.calls == 0);
    accounted.insert(one, 1);
    CHECK(accounted.get_or_create(two, [] { return 2; }) == 2);
    CHECK(books.blocks > 0);
    CHECK(accounted.get_allocator().books() == &books);

    // The allocators differ: entries are made anew, and the source is empty.
    Accounted target{accounting_allocator<Item>(other_books)};
    target.insert(two, 5);
    target = std::move(accounted);
    CHECK(contents(target) == Contents{{1, 1}, {2, 2}});
    CHECK(accounted.empty()); // NOLINT(bugprone-use-after-move)
    CHECK(target.get_allocator().books() == &other_books);
    const Accounted copy(target);
    CHECK(copy == target);
    accounted = target;
    CHECK(accounted.get_allocator().books() == &books);
    one.reset();
    CHECK(accounted.size() == 1);
    CHECK(target.size() == 1);
  }
  CHECK(books.blocks == 0);
  CHECK(books.bytes == 0);
  CHECK(other_books.blocks == 0);
}

TEST_CASE("WeakKeyDictionary: values that can only be moved go from one allocator to another") {
  using Accounted = weakref::WeakKeyDictionary<Item, Ticket, weakref::by_identity, weakref::by_identity,
                                               accounting_allocator<Item>>;
  account books;
  account other_books;
  const auto one = item(1);
  Accounted source{accounting_allocator<Item>(books)};
  Accounted target{accounting_allocator<Item>(other_books)};
  source.insert(one, Ticket(3));
  target = std::move(source);
  CHECK(target.visit(one, [](const Ticket& ticket) { CHECK(ticket.value == 3); }));
  CHECK(source.empty());    // NOLINT(bugprone-use-after-move)
  CHECK(books.blocks <= 2); // its core and its table
}

// 11
TEST_CASE("WeakKeyDictionary: a dictionary that ends before its keys leaves no trace on them") {
  auto one = item(1);
  bool gone = false;
  {
    Shared shared;
    shared.insert(one, last_words([&] { gone = true; }));
    CHECK(weakref::getweakrefcount(one) == 1);
  }
  CHECK(gone);
  CHECK(weakref::getweakrefcount(one) == 0);
  one.reset();
  CHECK(Item::alive() == 0);
}

TEST_CASE("WeakKeyDictionary: local: the same without locks") {
  weakref::local::WeakKeyDictionary<Item, int> sides;
  auto one = item(1);
  sides.insert(one, 1);
  CHECK(sides.at(one.get()) == 1);
  CHECK(refused<std::logic_error>([&] { sides.visit(one, [&](int&) { sides.clear(); }); }));
  one.reset();
  CHECK(sides.empty());
}

#if defined(__cpp_lib_memory_resource)
TEST_CASE("WeakKeyDictionary: pmr: everything comes from the resource") {
  std::pmr::monotonic_buffer_resource pool;
  const auto one = item(1);
  const long before = heap::calls.load();
  {
    weakref::pmr::WeakKeyDictionary<Item, int> sides(&pool);
    sides.insert(one, 1);
    CHECK(sides.at(one) == 1);
    CHECK(sides.get_allocator().resource() == &pool);
  }
  // The resource's own chunks are all that the heap gave.
  CHECK(heap::calls.load() - before <= 2);
}
#endif
