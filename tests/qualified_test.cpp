// SPDX-License-Identifier: BSL-1.0
// Argument-dependent look-up never leaves the library for a user's namespace: here is one that has a function of each
// name that the headers call, made from them (qualified/names), for any arguments, and with explicit ones too. To look
// one up is an error, even where the library's own function would be chosen. All of what the containers, refs and
// factories are given is of that namespace. So most of this test is that it compiles.
#include <weakref/report.hpp>
#include <weakref/statistics.hpp>
#include <weakref/weakref.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <qualified_names.hpp>

namespace greedy {

template <class...> inline constexpr bool is_looked_up = true;
template <class... Args> struct Trap {
  static_assert(!is_looked_up<Args...>, "argument-dependent look-up has left the library");
  using type = void;
};

#define WEAKREF_GREEDY(name)                                                                                 \
  template <class... Types, class... Args> typename Trap<Args...>::type name(Args&&...);                     \
  template <auto value, class... Types, class... Args> typename Trap<Args...>::type name(Args&&...);         \
  template <class Type, auto value, class... Types, class... Args>                                           \
  typename Trap<Args...>::type name(Args&&...);                                                              \
  template <auto one, auto two, class... Types, class... Args> typename Trap<Args...>::type name(Args&&...);
WEAKREF_CALLED_NAMES(WEAKREF_GREEDY)
#undef WEAKREF_GREEDY

struct Key {
  int number = 0;
  bool operator==(const Key&) const = default;
};
struct Hash {
  std::size_t operator()(const Key& key) const noexcept { return static_cast<std::size_t>(key.number); }
  template <class Object> std::size_t operator()(const Object& object) const noexcept {
    return static_cast<std::size_t>(object.number);
  }
};
struct KeyEqual {
  template <class Left, class Right> bool operator()(const Left& left, const Right& right) const noexcept {
    return left.number == right.number;
  }
};

struct Plain {
  Plain() = default;
  explicit Plain(int start) : number(start) {}
  bool operator==(const Plain& other) const { return number == other.number; }
  int asked() const { return number; }
  int number = 0;
};
struct Based : weakref::enable_weakref {
  Based() = default;
  explicit Based(int start) : number(start) {}
  bool operator==(const Based& other) const { return number == other.number; }
  int asked() const { return number; }
  int number = 0;
};
struct Virtual {
  Virtual() = default;
  explicit Virtual(int start) : number(start) {}
  virtual ~Virtual() = default;
  bool operator==(const Virtual& other) const { return number == other.number; }
  int asked() const { return number; }
  int number = 0;
};
struct Value {
  int number = 0;
  Value() = default;
  Value(int start) : number(start) {}
  Value(const Value& other) : number(other.number) {}
  Value& operator=(const Value&) = default;
  ~Value() {}
  bool operator==(const Value&) const = default;
};
template <class T> struct Deleter {
  void operator()(T* object) const { delete object; }
};

template <class T> struct Allocator {
  using value_type = T;
  Allocator() = default;
  template <class U> Allocator(const Allocator<U>&) noexcept {}
  T* allocate(std::size_t count) { return std::allocator<T>().allocate(count); }
  void deallocate(T* memory, std::size_t count) noexcept { std::allocator<T>().deallocate(memory, count); }
  bool operator==(const Allocator&) const = default;
};

class Mutex {
 public:
  void lock() noexcept { mutex_.lock(); }
  void unlock() noexcept { mutex_.unlock(); }

 private:
  weakref::adaptive_mutex mutex_;
};

struct Callback {
  int* calls;
  void operator()() const { ++*calls; }
};
template <class Shown> struct ShownCallback {
  int* calls;
  void operator()(Shown&) const { ++*calls; }
};
template <class T> struct Factory {
  int number;
  T operator()() const { return T(number); }
};
template <class T> struct KeyFactory {
  T operator()(const Key& key) const { return T(key.number); }
};
template <class T> struct UniqueFactory {
  int number;
  std::unique_ptr<T> operator()() const { return std::make_unique<T>(number); }
};
template <class T> struct OwnDeleterFactory {
  int number;
  std::unique_ptr<T, Deleter<T>> operator()() const {
    return std::unique_ptr<T, Deleter<T>>(new T(number)); //
  }
};
template <class T> struct SharedFactory {
  int number;
  std::shared_ptr<T> operator()() const { return std::make_shared<T>(number); }
};
struct ValueFactory {
  int number;
  Value operator()() const { return Value(number); }
};
template <class T> struct All {
  template <class... Shown> bool operator()(const Shown&...) const { return true; }
};
struct Visitor {
  int* seen;
  template <class Seen> void operator()(Seen& object) const { *seen = object.number; }
};

template <class Stream> Stream& operator<<(Stream& out, const Key& key) {
  out << key.number;
  return out;
}

} // namespace greedy

namespace {

using greedy::Based, greedy::Key, greedy::Plain, greedy::Value, greedy::Virtual;

template <class T> struct by_identity_at_all {
  using values =
      weakref::WeakValueDictionary<Key, T, greedy::Hash, std::equal_to<>, std::allocator<T>, greedy::Mutex>;
  using keys = weakref::WeakKeyDictionary<T, Value, weakref::by_identity, weakref::by_identity,
                                          std::allocator<T>, greedy::Mutex>;
  using set =
      weakref::WeakSet<T, weakref::by_identity, weakref::by_identity, std::allocator<T>, greedy::Mutex>;
};
template <class T> struct by_value {
  using values = weakref::WeakValueDictionary<Key, T, greedy::Hash, greedy::KeyEqual, greedy::Allocator<T>,
                                              greedy::Mutex>;
  using keys = weakref::WeakKeyDictionary<T, Value, greedy::Hash, greedy::KeyEqual, greedy::Allocator<T>,
                                          greedy::Mutex>;
  using set = weakref::WeakSet<T, greedy::Hash, greedy::KeyEqual, greedy::Allocator<T>, greedy::Mutex>;
};
template <class T> struct counted {
  using values = weakref::counted::WeakValueDictionary<Key, T, greedy::Hash>;
  using keys = weakref::counted::WeakKeyDictionary<T, Value>;
  using set = weakref::counted::WeakSet<T>;
};
template <class T> struct local {
  using values = weakref::local::WeakValueDictionary<Key, T, greedy::Hash, greedy::KeyEqual>;
  using keys = weakref::local::WeakKeyDictionary<T, Value, greedy::Hash, greedy::KeyEqual>;
  using set = weakref::local::WeakSet<T, greedy::Hash, greedy::KeyEqual>;
};

template <class T> std::shared_ptr<T> made(int number) { return weakref::make_tracked<T>(number); }

template <class Dictionary, class T> void use_values() {
  using pair = std::pair<Key, std::shared_ptr<T>>;
  const auto one = made<T>(1), two = made<T>(2);
  Dictionary dictionary(weakref::options{.accept_untracked = true});
  CHECK(dictionary.insert(Key{1}, one).second);
  CHECK_FALSE(dictionary.insert(pair(Key{1}, two)).second);
  CHECK_FALSE(dictionary.insert_or_assign(Key{1}, two));
  CHECK(dictionary.setdefault(Key{2}, one) == one);
  CHECK(dictionary.get(Key{1}) == two);
  CHECK(dictionary.get(Key{3}, one) == one);
  CHECK(dictionary.at(Key{2}) == one);
  CHECK(dictionary.contains(Key{2}));
  int seen = 0;
  CHECK(dictionary.visit(Key{1}, greedy::Visitor{&seen}));
  CHECK(seen == 2);
  CHECK(dictionary.size() == 2);
  CHECK_FALSE(dictionary.empty());
  const auto emplaced = dictionary.try_emplace(Key{3}, 3);
  CHECK(emplaced.second);
  const auto created = dictionary.get_or_create(Key{4}, greedy::Factory<T>{4});
  const auto keyed = dictionary.get_or_create(Key{5}, greedy::KeyFactory<T>());
  const auto unique = dictionary.get_or_create(Key{6}, greedy::UniqueFactory<T>{6});
  const auto deleted = dictionary.get_or_create(Key{7}, greedy::OwnDeleterFactory<T>{7});
  const auto shared = dictionary.get_or_create(Key{8}, greedy::SharedFactory<T>{8});
  const Key lasting{8};
  CHECK(dictionary.get_or_create(lasting, greedy::SharedFactory<T>{8}) == shared);
  CHECK(keyed->asked() == 5);
  CHECK(dictionary.pop(Key{4}) == created);
  CHECK(dictionary.pop(Key{4}, one) == one);
  CHECK(dictionary.erase(Key{5}));
  dictionary.update({{Key{9}, one}, {Key{10}, two}});
  const std::vector<pair> pairs{{Key{9}, one}, {Key{10}, two}};
  dictionary.update(pairs);
  Dictionary other(pairs), from_iterators(pairs.begin(), pairs.end()), from_list{{Key{9}, one}};
  dictionary |= other;
  dictionary |= pairs;
  CHECK((other | pairs) == other);
  CHECK((other | from_list) == from_iterators);
  Dictionary copy(dictionary), moved(std::move(copy));
  copy = moved;
  CHECK(copy == moved);
  copy = std::move(moved);
  moved.swap(copy);
  swap(moved, copy);
  std::size_t count = 0;
  for (const auto& [key, value] : copy) count += key.number != 0 && value != nullptr ? 1 : 0;
  for (const auto& key : copy.keys()) count += key.number != 0 ? 1 : 0;
  for (const auto& value : copy.values()) count += value != nullptr ? 1 : 0;
  for (const auto& item : copy.items()) count += item.value != nullptr ? 1 : 0;
  for (const auto& ref : copy.valuerefs()) count += ref.expired() ? 0 : 1;
  CHECK(count == 5 * copy.size());
  CHECK(weakref::survivors(copy).size() == copy.size());
  std::ostringstream out;
  weakref::report(out, copy);
  CHECK_FALSE(out.str().empty());
  copy.reserve(100);
  copy.shrink_to_fit();
  static_cast<void>(copy.sweep());
  static_cast<void>(copy.get_allocator());
  static_cast<void>(copy.hash_function());
  static_cast<void>(copy.key_eq());
  CHECK(copy.popitem().second != nullptr);
  CHECK(copy.erase_if(greedy::All<T>()) > 0);
  copy.clear();
  const Dictionary with_hash(weakref::options{}, greedy::Hash{});
  CHECK(with_hash.empty());
}

template <class Dictionary, class T> void use_keys() {
  using pair = std::pair<std::shared_ptr<T>, Value>;
  const auto one = made<T>(1), two = made<T>(2), three = made<T>(3), four = made<T>(4);
  Dictionary dictionary(weakref::options{.accept_untracked = true});
  CHECK(dictionary.insert(one, Value(1)));
  CHECK_FALSE(dictionary.insert(pair(one, Value(2))));
  CHECK_FALSE(dictionary.insert_or_assign(one, Value(3)));
  CHECK(dictionary.setdefault(two, Value(2)).number == 2);
  CHECK(dictionary.get(one)->number == 3);
  CHECK(dictionary.get(*one)->number == 3);
  CHECK(dictionary.get(one.get())->number == 3);
  CHECK(dictionary.get(three, Value(7)).number == 7);
  CHECK(dictionary.at(two).number == 2);
  CHECK(dictionary.contains(*two));
  int seen = 0;
  CHECK(dictionary.visit(one, greedy::Visitor{&seen}));
  CHECK(std::as_const(dictionary).visit(*one, greedy::Visitor{&seen}));
  CHECK(seen == 3);
  CHECK(dictionary.try_emplace(three, 3));
  CHECK(dictionary.get_or_create(four, greedy::ValueFactory{4}).number == 4);
  CHECK(dictionary.get_or_create(four, greedy::ValueFactory{5}).number == 4);
  CHECK(dictionary.pop(four)->number == 4);
  CHECK(dictionary.pop(four.get(), Value(9)).number == 9);
  CHECK(dictionary.erase(*three));
  dictionary.update({{one, Value(1)}, {two, Value(2)}});
  const std::vector<pair> pairs{{one, Value(1)}, {two, Value(2)}};
  dictionary.update(pairs);
  Dictionary other(pairs), from_iterators(pairs.begin(), pairs.end()), from_list{{one, Value(1)}};
  dictionary |= other;
  dictionary |= pairs;
  CHECK((other | pairs) == other);
  CHECK((other | from_list) == from_iterators);
  Dictionary copy(dictionary), moved(std::move(copy));
  copy = moved;
  CHECK(copy == moved);
  copy = std::move(moved);
  moved.swap(copy);
  swap(moved, copy);
  std::size_t count = 0;
  for (const auto& [key, value] : copy) count += key != nullptr && value.number != 0 ? 1 : 0;
  for (const auto& key : copy.keys()) count += key != nullptr ? 1 : 0;
  for (const auto& value : copy.values()) count += value.number != 0 ? 1 : 0;
  for (const auto& item : copy.items()) count += item.key != nullptr ? 1 : 0;
  for (const auto& ref : copy.keyrefs()) count += ref.expired() ? 0 : 1;
  CHECK(count == 5 * copy.size());
  std::ostringstream out;
  weakref::report(out, copy);
  copy.reserve(100);
  copy.shrink_to_fit();
  static_cast<void>(copy.sweep());
  static_cast<void>(copy.hash_function());
  static_cast<void>(copy.key_eq());
  CHECK(copy.popitem().first != nullptr);
  CHECK(copy.erase_if(greedy::All<T>()) > 0);
  copy.clear();
  CHECK(copy.empty());
}

template <class Set, class T> void use_set() {
  const auto one = made<T>(1), two = made<T>(2), three = made<T>(3);
  Set set(weakref::options{.accept_untracked = true});
  CHECK(set.add(one));
  CHECK(set.get_or_add(two) == two);
  CHECK(set.get_or_add(two) == two);
  CHECK(set.contains(one));
  CHECK(set.get(*one) == one);
  CHECK(set.get(two.get()) == two);
  CHECK(set.size() == 2);
  const std::vector<std::shared_ptr<T>> owners{two, three};
  const Set other(owners), from_iterators(owners.begin(), owners.end()), from_list{two, three};
  CHECK(other == from_list);
  CHECK(from_iterators == from_list);
  CHECK((set | other).size() == 3);
  CHECK((set & other).size() == 1);
  CHECK((set - other).size() == 1);
  CHECK((set ^ other).size() == 2);
  CHECK((set | owners).size() == 3);
  CHECK((set & owners).size() == 1);
  CHECK((set - owners).size() == 1);
  CHECK((set ^ owners).size() == 2);
  CHECK_FALSE(set.isdisjoint(other));
  CHECK_FALSE(set.issubset(owners));
  CHECK_FALSE(set.issuperset(owners));
  CHECK_FALSE((set < other || set > other || set <= other || set >= other));
  Set changed(set);
  changed |= owners;
  changed &= owners;
  changed -= owners;
  changed ^= owners;
  changed.update({one});
  CHECK(changed.size() == 3);
  std::size_t count = 0;
  for (const auto& element : changed) count += element != nullptr ? 1 : 0;
  for (const auto& ref : changed.refs()) count += ref.expired() ? 0 : 1;
  CHECK(count == 6);
  std::ostringstream out;
  weakref::report(out, changed);
  changed.reserve(100);
  changed.shrink_to_fit();
  static_cast<void>(changed.sweep());
  static_cast<void>(changed.hash_function());
  static_cast<void>(changed.key_eq());
  Set moved(std::move(changed));
  changed = moved;
  changed = std::move(moved);
  swap(changed, moved);
  CHECK(moved.pop() != nullptr);
  moved.add(one);
  moved.add(two);
  moved.remove(two);
  CHECK(moved.discard(one) != moved.erase(*one));
  moved.erase_if(greedy::All<T>());
  moved.clear();
  CHECK(moved.empty());
}

template <template <class> class Kind, class T> void use_containers() {
  use_values<typename Kind<T>::values, T>();
  use_keys<typename Kind<T>::keys, T>();
  use_set<typename Kind<T>::set, T>();
}

template <class T> void use_the_rest() {
  int calls = 0;
  auto owner = made<T>(1);
  {
    const weakref::ref plain(owner);
    const weakref::ref called(owner, greedy::Callback{&calls});
    const weakref::ref shown(owner, greedy::ShownCallback<weakref::ref<T>>{&calls});
    const weakref::KeyedRef keyed(owner, Key{1});
    const weakref::proxy<T> proxy(owner);
    const weakref::proxy called_proxy(owner, greedy::Callback{&calls});
    const weakref::proxy shown_proxy(owner, greedy::ShownCallback<weakref::proxy<T>>{&calls});
    const weakref::WeakMethod method(owner, &T::asked);
    const weakref::WeakMethod called_method(owner, &T::asked, greedy::Callback{&calls});
    using method_type = weakref::WeakMethod<T, int (T::*)() const>;
    const weakref::WeakMethod shown_method(owner, &T::asked, greedy::ShownCallback<method_type>{&calls});
    const weakref::finalize<> finalizer(owner, greedy::Callback{&calls});
    weakref::finalize finalizer_by_hand(owner, greedy::ValueFactory{4});
    CHECK(weakref::getweakrefcount(owner) == 8);
    CHECK(weakref::getweakrefs(owner).size() == 8);
    CHECK(finalizer_by_hand()->number == 4);
    CHECK(plain() == owner);
    CHECK(plain == weakref::ref<T>(keyed));
    CHECK(std::hash<weakref::ref<T>>()(plain) == plain.hash_code());
    CHECK(keyed.key() == Key{1});
    CHECK(proxy->asked() == 1);
    CHECK((*proxy).get().asked() == 1);
    CHECK(proxy == proxy);
    CHECK(method()() == 1);
    CHECK(method == method_type(method));
    CHECK(called.callback() != nullptr);
    CHECK(finalizer.peek() == owner);
    CHECK(weakref::is_tracked(owner));
    owner.reset();
    CHECK(calls == 7);
    CHECK_THROWS_AS(static_cast<void>(proxy->asked()), weakref::ReferenceError);
  }
  CHECK(weakref::is_tracked(weakref::allocate_tracked<T>(greedy::Allocator<T>(), 2)));
  CHECK(weakref::is_tracked(weakref::adopt(std::make_unique<T>(3))));
  CHECK(weakref::is_tracked(weakref::adopt(std::unique_ptr<T, greedy::Deleter<T>>(new T(4)))));
  CHECK(weakref::is_tracked(weakref::adopt(std::make_shared<T>(5))));
  const auto outer = std::make_shared<T>(6);
  CHECK(weakref::is_tracked(weakref::adopt(outer)));
  weakref::defer(greedy::Callback{&calls});
  CHECK(calls == 8);
}

TEST_CASE("qualified: containers by identity, of what a greedy namespace has") {
  use_containers<by_identity_at_all, Plain>();
  use_containers<by_identity_at_all, Based>();
  use_containers<by_identity_at_all, Virtual>();
}

TEST_CASE("qualified: containers by value, of what a greedy namespace has") {
  use_containers<by_value, Plain>();
  use_containers<by_value, Based>();
  use_containers<by_value, Virtual>();
}

TEST_CASE("qualified: containers that count, and those without locks, of what a greedy namespace has") {
  use_containers<counted, Plain>();
  use_containers<local, Based>();
  const weakref::counted::WeakSet<Plain> set;
  CHECK(set.statistics().live == 0);
}

TEST_CASE("qualified: refs, proxies, methods, finalizers and owners, of what a greedy namespace has") {
  use_the_rest<Plain>();
  use_the_rest<Based>();
  use_the_rest<Virtual>();
  const Based object(1);
  weakref::retire(object);
}

} // namespace
