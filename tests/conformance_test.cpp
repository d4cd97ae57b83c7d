// SPDX-License-Identifier: BSL-1.0

// What Python's weakref module documents, and its test suites for weak references and weak sets examine, row by
// row: what holds here too is shown by a test case of that name; what differs, or has no meaning in C++, says
// why. WEAKREF_CONFORMANCE=1 in the environment prints the table.
#include <weakref/weakref.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/child_output.hpp"
#include "support/journal.hpp"
#include "support/threads.hpp"
#include "support/unraisable.hpp"

namespace {

enum class verdict { holds, differs, meaningless };

struct row {
  std::string_view name;
  std::string_view python; // what Python promises
  verdict here;
  std::string_view reason; // why it is not so here
};

using enum verdict;

constexpr row table[] = {
    // -- ref
    {"ref.call", "a ref, called, gives its object", holds, {}},
    {"ref.call.dead", "the ref of a dead object gives None", holds, {}},
    {"ref.weak", "a ref does not keep its object alive", holds, {}},
    {"ref.of_ref", "a ref can itself be referred to weakly", holds, {}},
    {"ref.subclass", "ref can be subclassed, with data and a call of its own", holds, {}},
    {"ref.subclass.apart", "refs of a subclass to one object stay apart, each with its own data", holds, {}},
    {"ref.threads", "to look and to hold is one step, whatever other threads do", holds, {}},
    {"ref.no_order", "refs are not ordered", holds, {}},
    {"ref.reuse", "refs without callback to one object are one object", differs,
     "refs are values; those of one object compare equal"},
    {"ref.equality.alive", "refs of living objects are equal if the objects are", differs,
     "equality is identity of the referent: it never changes, and needs no owner"},
    {"ref.equality.dead", "a dead ref equals only itself", differs,
     "equality is identity of the referent, and stable after death, so that copies stay equal"},
    {"ref.equality.same", "refs of one object are equal", holds, {}},
    {"ref.hash.kept", "a ref's hash, asked for in time, stays when the object dies", holds, {}},
    {"ref.hash.object", "a ref's hash is its object's", differs,
     "it is that of the address, as equality is identity"},
    {"ref.hash.late", "the hash of a dead ref that was never asked for raises TypeError", differs,
     "the address is known also after death"},
    {"ref.hash.unhashable", "the ref of an unhashable object is unhashable", differs,
     "its hash is the address's"},
    {"ref.any_type", "some types have no weak references, and refuse with TypeError", differs,
     "a ref without callback takes any owner; who must hear of the death needs a tracked object"},
    {"ref.refused", "what can't be watched is refused when the ref is made", holds, {}},
    {"ref.in_destructor", "while __del__ runs a ref still gives the object", differs,
     "an object without owners can't get one: refs are dead from the moment the count is zero"},
    {"ref.made_in_destructor", "a ref may be made while __del__ runs", meaningless,
     "there is no owner to make it from"},
    {"ref.classes", "classes, functions and methods can be referred to", meaningless,
     "they have no owners, and stay"},
    {"ref.resurrection", "an object that __del__ brings back to life", meaningless,
     "no owner can be made from none"},
    {"ref.cycles", "refs and callbacks inside garbage cycles", meaningless, "there is no cyclic collector"},
    {"ref.slots", "__slots__ with and without __weakref__", meaningless,
     "classes have no instance dictionaries"},
    {"ref.repr", "repr() tells what a ref is and whether it is dead", meaningless, "there is no repr()"},
    {"ref.generic", "ref[T], for annotations", meaningless, "the type of the object is the type's parameter"},
    {"ref.arguments", "wrong arguments raise TypeError", meaningless, "they do not compile"},
    // -- callbacks
    {"callback.called", "the callback is called once, with the ref, when the object dies", holds, {}},
    {"callback.apart", "refs with a callback are never shared: each calls its own", holds, {}},
    {"callback.dead_inside", "in a callback every ref to the object is dead", holds, {}},
    {"callback.order", "callbacks of one object run newest first", holds, {}},
    {"callback.exception",
     "what a callback raises is reported and not propagated; the others run",
     holds,
     {}},
    {"callback.ref_gone", "the callback of a ref that is gone is not called", holds, {}},
    {"callback.own_end", "a callback may drop its own ref and others", holds, {}},
    {"callback.new_objects", "a callback may make objects, refs and callbacks", holds, {}},
    {"callback.nested", "a death inside a callback runs to its end inside it", holds, {}},
    {"callback.chain", "a long chain of objects that die by one another's death", holds, {}},
    {"callback.attribute", "__callback__ is the callback, and None once the object is dead", holds, {}},
    {"callback.attribute.plain", "__callback__ of a ref without callback is None", differs,
     "ref<T> and ref<T, F> are two types, and only the second has callback()"},
    {"callback.attribute.fixed", "__callback__ can't be assigned", differs,
     "callback() points to the function object, which the ref owns; it can be changed, not replaced by "
     "another type"},
    {"callback.none", "a callback of None is none", meaningless, "a ref without callback is another type"},
    {"callback.shutdown", "no callbacks while the interpreter shuts down", differs,
     "there is no such phase: objects that die in static destructors call back like any other"},
    // -- getweakrefcount, getweakrefs
    {"count.watchers",
     "getweakrefcount counts refs and proxies with a callback, and entries of containers",
     holds,
     {}},
    {"count.gone", "refs that are gone are not counted", holds, {}},
    {"count.none", "it is 0 for an object without any, and for one that can have none", holds, {}},
    {"count.plain", "refs and proxies without callback are counted", differs,
     "nobody is to be told of them: a plain ref is a weak_ptr, which leaves no trace in the object"},
    {"list.watchers", "getweakrefs gives those that are counted", holds, {}},
    {"list.usable", "the refs in the list can be used", differs,
     "addresses, for identity only: on another thread a ref may end at any moment"},
    // -- proxy
    {"proxy.forwards", "a proxy is used like its object, also to change it", holds, {}},
    {"proxy.weak", "a proxy does not keep its object alive", holds, {}},
    {"proxy.dead", "each use of a dead proxy raises ReferenceError", holds, {}},
    {"proxy.held", "during an operation the object is held", holds, {}},
    {"proxy.callback", "a proxy's callback gets the proxy, which is dead then", holds, {}},
    {"proxy.callback.refused", "a proxy that can't be told of the death is refused", holds, {}},
    {"proxy.equality", "proxies compare as their objects do", holds, {}},
    {"proxy.hash", "proxies have no hash", holds, {}},
    {"proxy.operators", "a proxy forwards every operator, indexing, iteration, conversion and call", differs,
     "it forwards -> and *, and by them everything: (*p).get()[i]"},
    {"proxy.types", "ProxyType, CallableProxyType, ProxyTypes; isinstance sees the object's type", differs,
     "there is one template; the object's type is its parameter"},
    {"proxy.reuse", "proxies without callback to one object are one object", differs, "proxies are values"},
    {"proxy.repr", "repr() and str() of a proxy", meaningless, "there is no repr()"},
    // -- WeakMethod
    {"method.call", "gives the bound method, which holds the object", holds, {}},
    {"method.dead", "gives None when the object is dead", holds, {}},
    {"method.is_ref", "WeakMethod is a ref", holds, {}},
    {"method.parts", "the bound method knows its object and its function", holds, {}},
    {"method.callback", "the callback gets the WeakMethod, once, when the object dies", holds, {}},
    {"method.equality", "living ones are equal if the objects are equal and the methods the same", holds, {}},
    {"method.equality.dead", "a dead one equals only itself", holds, {}},
    {"method.hash", "equal ones have equal hashes, and the hash stays after death", holds, {}},
    {"method.hash.late", "the hash of a dead one that was never asked for raises TypeError", differs,
     "ReferenceError; and where the object has no ==, its address is known also after death"},
    {"method.not_a_method", "anything but a bound method raises TypeError", meaningless,
     "it does not compile"},
    {"method.function_dies", "is dead also when the function is gone from its class", meaningless,
     "functions stay"},
    {"method.plain_ref", "a plain ref of a bound method is dead at once", meaningless,
     "object and method are given apart, there is no bound method to refer to"},
    // -- finalize
    {"finalize.call", "a call by hand gives the function's result", holds, {}},
    {"finalize.call.again", "a later call gives None and calls nothing", holds, {}},
    {"finalize.call.raises", "an exception of a call by hand is the caller's", holds, {}},
    {"finalize.result", "None stands for no call, also where the function returns None", differs,
     "the result is optional: an empty one, or false, says that nothing was called"},
    {"finalize.death", "is called when the object dies", holds, {}},
    {"finalize.death.raises", "what it raises then is reported, and the others run", holds, {}},
    {"finalize.order", "finalizers of one object run newest first", holds, {}},
    {"finalize.alive", "alive tells whether it may still be called", holds, {}},
    {"finalize.no_handle", "it lives without anybody holding it", holds, {}},
    {"finalize.arguments", "the arguments are kept and given to the function", holds, {}},
    {"finalize.keywords", "arguments may be given by keyword", meaningless, "there are no keyword arguments"},
    {"finalize.owning", "a function that holds the object keeps it alive for ever", holds, {}},
    {"finalize.forgets", "once it has ended, function and arguments are let go", holds, {}},
    {"finalize.detach", "detach ends it without a call; a second one gives None", holds, {}},
    {"finalize.peek", "peek gives what it was made from, while it is alive", holds, {}},
    {"finalize.tuple", "detach and peek give object, function, arguments and keywords", differs,
     "the object's owner: function and arguments have types that the handle does not know"},
    {"finalize.atexit", "atexit is true at first, and can be set", holds, {}},
    {"finalize.atexit.dead", "atexit of a dead one is false, and stays so", holds, {}},
    {"finalize.exit",
     "at exit those alive are called, newest first, but for those of atexit false",
     holds,
     {}},
    {"finalize.exit.new", "those made while the program ends are called too", holds, {}},
    {"finalize.exit.raises", "at exit exceptions are reported, and the others run", holds, {}},
    {"finalize.exit.late", "after the exit's finalizers have run none is called any more", differs,
     "an object that dies even later is still finalized, and a finalizer made then runs at the end"},
    {"finalize.exit.collector", "the collector is off while finalizers run at exit", meaningless,
     "there is none"},
    {"finalize.hash", "handles are hashable", differs, "they have ==, no hash and no order"},
    {"finalize.slots", "no attributes can be added to a handle", meaningless, "nor to any object"},
    {"finalize.arguments.wrong", "wrong arguments raise TypeError", meaningless, "they do not compile"},
    {"finalize.refused", "an object that can't be watched is refused", holds, {}},
    // -- KeyedRef
    {"keyed_ref.key", "carries its key, also after death", holds, {}},
    {"keyed_ref.is_ref", "is a ref, and compares as one", holds, {}},
    {"keyed_ref.callback", "is made from object, callback and key", differs,
     "from owner and key: what is called is the type's matter, so that one shared function costs no closure"},
    // -- WeakValueDictionary
    {"values.eviction", "an entry leaves when its value dies", holds, {}},
    {"values.replaced", "the death of a replaced value does not touch the new entry", holds, {}},
    {"values.gone", "a dictionary that is gone is not touched by later deaths", holds, {}},
    {"values.length", "len() counts the living entries, and is never negative", holds, {}},
    {"values.contains", "a key is contained while its value lives", holds, {}},
    {"values.get", "get gives the value, None, or the default", holds, {}},
    {"values.index", "d[k], d[k] = v and del d[k]; KeyError", differs,
     "no operator[]: at() throws out_of_range, insert_or_assign() stores, erase() tells whether there was "
     "one"},
    {"values.pop", "pop takes out and gives the value, or the default", holds, {}},
    {"values.pop.missing", "pop of a missing key without default raises KeyError", differs,
     "it gives an empty owner"},
    {"values.popitem", "popitem takes out some pair; of an empty dictionary it raises", holds, {}},
    {"values.setdefault",
     "setdefault gives the value that is there, else stores and gives the default",
     holds,
     {}},
    {"values.update", "update takes a mapping, pairs or another weak dictionary", holds, {}},
    {"values.keywords", "update and the constructor take keywords", meaningless,
     "there are no keyword arguments"},
    {"values.union", "| merges into a new dictionary, the right one winning; |= merges in place", holds, {}},
    {"values.union.reflected", "a plain dict | a weak one is a weak one", differs,
     "the left operand is the weak dictionary, whose options the result has"},
    {"values.copy", "copy gives an independent weak dictionary of the same entries", holds, {}},
    {"values.deepcopy", "deepcopy copies the keys deeply and shares the values", meaningless,
     "a copy of a key is what the key's type makes it"},
    {"values.construct", "made from pairs, a mapping or another weak dictionary", holds, {}},
    {"values.clear", "clear empties it and harms no value", holds, {}},
    {"values.iteration",
     "keys, values and items give what is alive, and pass over what dies meanwhile",
     holds,
     {}},
    {"values.iteration.weak", "an iterator holds at most the current value", holds, {}},
    {"values.iteration.change", "a dictionary that changes while iterated over raises RuntimeError", differs,
     "iteration never fails on change"},
    {"values.iteration.deferred", "entries that die while somebody iterates are removed when that ends",
     differs, "they leave at once; the iterator keeps the node, not the entry"},
    {"values.refs", "valuerefs gives refs to the values", holds, {}},
    {"values.refs.keyed", "the refs are KeyedRefs", differs, "plain refs; items() and keys() tell the keys"},
    {"values.equality", "two are equal if they have equal keys and values", differs,
     "values compare by identity"},
    {"values.order", "items come in the order of insertion", differs, "no order is promised"},
    {"values.refused", "values that can't be watched, None among them, are refused", holds, {}},
    {"values.threads", "threads may use and kill while others store and look up", holds, {}},
    {"values.unhashable", "an unhashable key raises TypeError", meaningless, "it does not compile"},
    {"values.repr", "repr() of a dictionary", meaningless, "there is no repr()"},
    // -- WeakKeyDictionary
    {"keys.eviction", "an entry leaves when its key dies", holds, {}},
    {"keys.value_goes", "the value is let go with its key", holds, {}},
    {"keys.cascade", "the end of a value may be the end of further keys", holds, {}},
    {"keys.gone", "a dictionary that is gone is not touched by later deaths", holds, {}},
    {"keys.length", "len() counts the living entries, and is never negative", holds, {}},
    {"keys.contains", "contains, also asked with what can't be a key", holds, {}},
    {"keys.get", "get gives the value, None, or the default", holds, {}},
    {"keys.index", "d[k], d[k] = v and del d[k]; KeyError", differs,
     "no operator[]: at() throws out_of_range, insert_or_assign() stores, erase() tells whether there was "
     "one"},
    {"keys.equal_key", "keys are told apart by == and hash", differs,
     "by identity, unless a Hash and a KeyEqual on the key's type are given"},
    {"keys.equal_newcomer",
     "storing under an equal key replaces the value and keeps the first key",
     holds,
     {}},
    {"keys.dead_hash", "a dead key is not hashed or compared again", holds, {}},
    {"keys.pop", "pop takes out and gives the value, or the default", holds, {}},
    {"keys.pop.missing", "pop of a missing key without default raises KeyError", differs,
     "it gives an empty optional"},
    {"keys.popitem", "popitem takes out some pair; of an empty dictionary it raises", holds, {}},
    {"keys.setdefault",
     "setdefault gives the value that is there, else stores and gives the default",
     holds,
     {}},
    {"keys.update", "update takes a mapping, pairs or another weak dictionary", holds, {}},
    {"keys.union", "| merges into a new dictionary, the right one winning; |= merges in place", holds, {}},
    {"keys.union.reflected", "a plain dict | a weak one is a weak one", differs,
     "the left operand is the weak dictionary, whose options the result has"},
    {"keys.copy", "copy gives an independent weak dictionary of the same entries", holds, {}},
    {"keys.deepcopy", "deepcopy copies the values deeply and shares the keys", meaningless,
     "a copy of a value is what the value's type makes it"},
    {"keys.construct", "made from pairs, a mapping or another weak dictionary", holds, {}},
    {"keys.clear", "clear empties it, lets the values go and harms no key", holds, {}},
    {"keys.iteration",
     "keys, values and items give what is alive, and pass over what dies meanwhile",
     holds,
     {}},
    {"keys.iteration.weak", "an iterator holds at most the current key", holds, {}},
    {"keys.iteration.change", "a dictionary that changes while iterated over raises RuntimeError", differs,
     "iteration never fails on change"},
    {"keys.iteration.value", "items give the values themselves", differs,
     "copies, because another thread may change or erase one; visit() shows the value itself"},
    {"keys.refs", "keyrefs gives refs to the keys", holds, {}},
    {"keys.equality", "two are equal if they have the same keys with equal values", holds, {}},
    {"keys.order", "items come in the order of insertion", differs, "no order is promised"},
    {"keys.refused", "keys that can't be watched, None among them, are refused", holds, {}},
    {"keys.threads", "threads may use and kill while others store and look up", holds, {}},
    {"keys.repr", "repr() of a dictionary", meaningless, "there is no repr()"},
    // -- WeakSet
    {"set.eviction", "an element leaves when it dies", holds, {}},
    {"set.gone", "a set that is gone is not touched by later deaths", holds, {}},
    {"set.length", "len() counts the living elements, and is never negative", holds, {}},
    {"set.contains", "contains, also asked with what can't be an element", holds, {}},
    {"set.add", "add adds, once", holds, {}},
    {"set.add.result", "add and discard give None", differs, "they tell whether something changed"},
    {"set.equal_element", "elements are told apart by == and hash", differs,
     "by identity, unless a Hash and a KeyEqual on the element's type are given"},
    {"set.equal_newcomer", "an element equal to one that is in the set is not added", holds, {}},
    {"set.discard", "discard takes out, and minds nothing", holds, {}},
    {"set.remove", "remove takes out, and raises if there is nothing", holds, {}},
    {"set.pop", "pop takes out some element; of an empty set it raises", holds, {}},
    {"set.clear", "clear empties it and harms no element", holds, {}},
    {"set.update", "update and |= add all of another set or range", holds, {}},
    {"set.union", "union and | give a new weak set; the operands stay", holds, {}},
    {"set.union.name", "the method is called union", differs, "union_: the word is taken in C++"},
    {"set.intersection", "intersection and &", holds, {}},
    {"set.difference", "difference and -", holds, {}},
    {"set.symmetric_difference", "symmetric_difference and ^", holds, {}},
    {"set.intersection_update", "intersection_update and &=", holds, {}},
    {"set.difference_update", "difference_update and -=", holds, {}},
    {"set.symmetric_difference_update", "symmetric_difference_update and ^=", holds, {}},
    {"set.itself", "|=, &=, -= and ^= with the set itself", holds, {}},
    {"set.any_iterable", "the other operand may be any iterable", holds, {}},
    {"set.isdisjoint", "isdisjoint", holds, {}},
    {"set.subset", "issubset, issuperset, <= and >=", holds, {}},
    {"set.proper_subset", "< and > are the proper ones", holds, {}},
    {"set.equality", "sets are equal if they have the same elements, whatever the history", holds, {}},
    {"set.equality.other", "a weak set compared with another type is unequal", meaningless,
     "it does not compile"},
    {"set.hash", "weak sets have no hash", holds, {}},
    {"set.copy", "copy gives an independent weak set", holds, {}},
    {"set.construct", "made from an iterable or another weak set", holds, {}},
    {"set.iteration", "iteration gives what is alive, and passes over what dies meanwhile", holds, {}},
    {"set.iteration.mutation", "in a loop elements may also be taken out while others die", holds, {}},
    {"set.iteration.weak", "an iterator holds at most the current element", holds, {}},
    {"set.iteration.change", "a set that changes while iterated over raises RuntimeError", differs,
     "iteration never fails on change"},
    {"set.refused", "elements that can't be watched, None among them, are refused", holds, {}},
    {"set.threads", "threads may use and kill while others add and look up", holds, {}},
    {"set.pickle", "__reduce__, for pickling", meaningless, "there is no pickling"},
    {"set.abc", "is a MutableSet, by the abstract base classes", meaningless, "there are none"},
    {"set.generic", "WeakSet[T], for annotations", meaningless,
     "the type of the elements is the type's parameter"},
    {"set.repr", "repr() of a set", meaningless, "there is no repr()"},
};

constexpr const row* find(std::string_view name) {
  for (const row& each : table) {
    if (each.name == name) return &each;
  }
  return nullptr;
}
constexpr bool holds_here(std::string_view name) {
  return find(name) != nullptr && find(name)->here == holds;
}

// A case without a row, or for a row that does not hold, does not compile.
#define WEAKREF_SHOWS(name)                                                                                  \
  static_assert(holds_here(name), "no row of this name says that it holds");                                 \
  TEST_CASE("conformance: " name)

// The names of the cases that ran, and of those that a filter kept from running.
std::set<std::string, std::less<>> started, skipped;

struct case_recorder : doctest::IReporter {
  explicit case_recorder(const doctest::ContextOptions&) {}
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_start(const doctest::TestCaseData& begun) override { started.insert(begun.m_name); }
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData& left_out) override { skipped.insert(left_out.m_name); }
};
REGISTER_LISTENER("case_recorder", 2, case_recorder);

TEST_CASE(
    "conformance table: each row has a name of its own, and a reason where something is not as in Python") {
  std::set<std::string_view> names;
  for (const row& each : table) {
    CAPTURE(std::string(each.name));
    CHECK(names.insert(each.name).second);
    CHECK_FALSE(each.python.empty());
    CHECK(each.reason.empty() == (each.here == holds));
  }
  if (std::getenv("WEAKREF_CONFORMANCE") != nullptr) {
    for (const row& each : table) {
      const char* const words[] = {"holds", "differs", "no meaning in C++"};
      std::printf("%-36s %-18s %.*s", std::string(each.name).c_str(), words[static_cast<int>(each.here)],
                  static_cast<int>(each.python.size()), each.python.data());
      if (!each.reason.empty())
        std::printf(" -- %.*s", static_cast<int>(each.reason.size()), each.reason.data());
      std::putchar('\n');
    }
  }
}

// -- What the cases are made of -------------------------------------------------------------------

using support::journal;
using weakref::make_tracked;
using weakref::ReferenceError;

struct thing {
  int value = 0;
  int get() const { return value; }
  void set(int v) { value = v; }
  friend bool operator==(const thing& a, const thing& b) { return a.value == b.value; }
};
using owner = std::shared_ptr<thing>;
owner make_thing(int value = 0) { return make_tracked<thing>(thing{value}); }

struct by_value {
  std::size_t operator()(const thing& t) const { return static_cast<std::size_t>(t.value); }
};

using values = weakref::WeakValueDictionary<std::string, thing>;
using keys = weakref::WeakKeyDictionary<thing, int>;
using set = weakref::WeakSet<thing>;
using equal_keys = weakref::WeakKeyDictionary<thing, int, by_value>;
using equal_set = weakref::WeakSet<thing, by_value>;

template <class T>
concept is_hashable = requires(const T& t) {
  std::hash<T>()(t);
};
template <class T>
concept is_ordered = requires(const T& t) {
  t < t;
};

struct tally {
  int* called;
  void operator()() const { ++*called; }
};

// What every container must stand.
template <class Container> std::vector<int> sorted(const Container& numbers) {
  std::vector<int> result;
  for (const auto& number : numbers) result.push_back(number);
  std::sort(result.begin(), result.end());
  return result;
}
std::vector<int> values_in(const set& s) {
  std::vector<int> result;
  for (const owner& each : s) result.push_back(each->value);
  std::sort(result.begin(), result.end());
  return result;
}
using numbers = std::vector<int>;

// -- ref ------------------------------------------------------------------------------------------

WEAKREF_SHOWS("ref.call") {
  const owner object = make_thing(5);
  CHECK(weakref::ref(object)() == object);
}
WEAKREF_SHOWS("ref.call.dead") {
  owner object = make_thing();
  const weakref::ref r(object);
  object.reset();
  CHECK(r() == nullptr);
  CHECK(r.expired());
}
WEAKREF_SHOWS("ref.weak") {
  owner object = make_thing();
  const std::weak_ptr<thing> watched = object;
  const weakref::ref r(object);
  CHECK(object.use_count() == 1);
  object.reset();
  CHECK(watched.expired());
}
WEAKREF_SHOWS("ref.of_ref") {
  const owner object = make_thing(3);
  auto inner = make_tracked<weakref::ref<thing>>(object);
  const weakref::ref outer(inner);
  CHECK((*outer())()->value == 3);
  inner.reset();
  CHECK(outer() == nullptr);
}

struct extended_ref : weakref::ref<thing> {
  std::string note;
  mutable int calls = 0;
  extended_ref(const owner& o, std::string n) : ref(o), note(std::move(n)) {}
  std::optional<std::pair<owner, int>> operator()() const {
    owner object = ref::operator()();
    if (object == nullptr) return std::nullopt;
    return std::pair(std::move(object), ++calls);
  }
};
WEAKREF_SHOWS("ref.subclass") {
  owner object = make_thing();
  const extended_ref r(object, "note");
  CHECK(r()->second == 1);
  CHECK(r()->second == 2);
  CHECK(r()->first == object);
  CHECK(r.note == "note");
  object.reset();
  CHECK_FALSE(r().has_value());
  CHECK(r.calls == 3);
}
WEAKREF_SHOWS("ref.subclass.apart") {
  const owner object = make_thing();
  const extended_ref a(object, "a"), b(object, "b");
  const weakref::ref plain(object);
  CHECK(a()->second == 1);
  CHECK(b.calls == 0);
  CHECK(a.note + b.note == "ab");
  CHECK(plain() == object);
}
WEAKREF_SHOWS("ref.threads") {
  for (int round = 0; round != 200; ++round) {
    owner object = make_thing(7);
    const weakref::ref r(object);
    support::rendezvous start(2);
    bool good = false;
    {
      const support::joining_thread looking([&] {
        start.meet();
        const owner seen = r();
        good = seen == nullptr || seen->value == 7;
      });
      start.meet();
      object.reset();
    }
    CHECK(good);
  }
}
WEAKREF_SHOWS("ref.no_order") { CHECK_FALSE(is_ordered<weakref::ref<thing>>); }
WEAKREF_SHOWS("ref.equality.same") {
  const owner object = make_thing(), other = make_thing();
  CHECK(weakref::ref(object) == weakref::ref(object));
  CHECK(weakref::ref(object) != weakref::ref(other));
}
WEAKREF_SHOWS("ref.hash.kept") {
  owner object = make_thing();
  const weakref::ref r(object);
  const std::size_t hash = std::hash<weakref::ref<thing>>()(r);
  object.reset();
  CHECK(std::hash<weakref::ref<thing>>()(r) == hash);
}
WEAKREF_SHOWS("ref.refused") {
  int called = 0;
  const auto untracked = std::make_shared<thing>();
  CHECK_THROWS_AS(static_cast<void>(weakref::ref(untracked, tally{&called})), weakref::untracked_error);
  CHECK_THROWS_AS(static_cast<void>(weakref::ref(owner(), tally{&called})), weakref::untracked_error);
}

// -- Callbacks ------------------------------------------------------------------------------------

WEAKREF_SHOWS("callback.called") {
  int called = 0;
  const weakref::ref<thing>* seen = nullptr;
  owner object = make_thing(), second = object;
  const weakref::ref r(object, [&](const weakref::ref<thing>& self) {
    ++called;
    seen = &self;
  });
  object.reset();
  CHECK(called == 0);
  second.reset();
  CHECK(called == 1);
  CHECK(seen == &r);
}
WEAKREF_SHOWS("callback.apart") {
  int called = 0;
  owner object = make_thing();
  const weakref::ref a(object, tally{&called});
  const weakref::ref b(object, tally{&called});
  CHECK(static_cast<const void*>(&a) != &b);
  object.reset();
  CHECK(called == 2);
}
WEAKREF_SHOWS("callback.dead_inside") {
  owner object = make_thing();
  const weakref::ref older(object);
  bool dead = false;
  const weakref::ref watching(object, [&](weakref::ref<thing>& self) { dead = !self() && !older(); });
  const weakref::ref newer(object, [&] { dead = dead && !watching(); });
  object.reset();
  CHECK(dead);
}
WEAKREF_SHOWS("callback.order") {
  journal log;
  owner object = make_thing();
  const weakref::ref a(object, [&] { log("a"); });
  const weakref::ref b(object, [&] { log("b"); });
  const weakref::ref c(object, [&] { log("c"); });
  object.reset();
  CHECK(log.text() == "c b a");
}
WEAKREF_SHOWS("callback.exception") {
  const support::unraisable_log unraisable;
  int called = 0;
  owner object = make_thing();
  const weakref::ref older(object, tally{&called});
  const weakref::ref failing(object, [] { throw std::runtime_error("oops"); });
  CHECK_NOTHROW(object.reset());
  CHECK(unraisable.text() == "oops");
  CHECK(called == 1);
}
WEAKREF_SHOWS("callback.ref_gone") {
  int called = 0;
  owner object = make_thing();
  { const weakref::ref r(object, tally{&called}); }
  object.reset();
  CHECK(called == 0);
}
WEAKREF_SHOWS("callback.own_end") {
  using watching = weakref::ref<thing, std::function<void()>>;
  int called = 0;
  owner object = make_thing();
  std::optional<watching> older, self;
  older.emplace(object, [&] { ++called; });
  self.emplace(object, [&] {
    ++called;
    older.reset();
    self.reset();
  });
  object.reset();
  CHECK(called == 1);
}
WEAKREF_SHOWS("callback.new_objects") {
  using watching = weakref::ref<thing, std::function<void()>>;
  journal log;
  owner object = make_thing(), made;
  std::optional<watching> r;
  const weakref::ref first(object, [&] {
    made = make_thing();
    r.emplace(made, [&] { log("second"); });
    log("first");
  });
  object.reset();
  made.reset();
  CHECK(log.text() == "first second");
}
WEAKREF_SHOWS("callback.nested") {
  journal log;
  owner outer = make_thing(), inner = make_thing();
  const weakref::ref a(inner, [&] { log("inner"); });
  const weakref::ref b(outer, [&] {
    log("(");
    inner.reset();
    log(")");
  });
  outer.reset();
  CHECK(log.text() == "( inner )");
}
WEAKREF_SHOWS("callback.chain") {
  struct link {
    std::shared_ptr<link> next;
  };
  int called = 0;
  std::vector<std::unique_ptr<weakref::ref<link, tally>>> refs;
  std::shared_ptr<link> first;
  for (int i = 0; i != 1000; ++i) {
    first = make_tracked<link>(link{std::move(first)});
    refs.push_back(std::make_unique<weakref::ref<link, tally>>(first, tally{&called}));
  }
  first.reset();
  CHECK(called == 1000);
}
WEAKREF_SHOWS("callback.attribute") {
  int called = 0;
  owner object = make_thing();
  weakref::ref r(object, tally{&called});
  bool seen_null = false;
  const weakref::ref newer(object, [&] { seen_null = r.callback() == nullptr; });
  REQUIRE(r.callback() != nullptr);
  CHECK(r.callback()->called == &called);
  object.reset();
  CHECK(r.callback() == nullptr);
  CHECK(seen_null);
}

// -- getweakrefcount, getweakrefs -----------------------------------------------------------------

WEAKREF_SHOWS("count.watchers") {
  const owner object = make_thing();
  int called = 0;
  const weakref::ref r(object, tally{&called});
  const weakref::proxy p(object, tally{&called});
  const weakref::WeakMethod m(object, &thing::get, tally{&called});
  values dictionary{{"k", object}};
  keys side{{object, 1}};
  set group{object};
  weakref::finalize end(object, tally{&called});
  CHECK(weakref::getweakrefcount(object) == 7);
  end.detach();
}
WEAKREF_SHOWS("count.gone") {
  const owner object = make_thing();
  int called = 0;
  std::optional<weakref::ref<thing, tally>> a(std::in_place, object, tally{&called});
  const weakref::ref b(object, tally{&called});
  CHECK(weakref::getweakrefcount(object) == 2);
  a.reset();
  CHECK(weakref::getweakrefcount(object) == 1);
}
WEAKREF_SHOWS("count.none") {
  CHECK(weakref::getweakrefcount(make_thing()) == 0);
  CHECK(weakref::getweakrefcount(std::make_shared<thing>()) == 0);
  CHECK(weakref::getweakrefs(make_thing()).empty());
  CHECK(weakref::getweakrefs(std::make_shared<thing>()).empty());
}
WEAKREF_SHOWS("list.watchers") {
  const owner object = make_thing();
  int called = 0;
  const weakref::ref a(object, tally{&called});
  const weakref::ref b(object, tally{&called});
  CHECK(weakref::getweakrefs(object) == std::vector<const void*>{&b, &a});
}

// -- proxy ----------------------------------------------------------------------------------------

WEAKREF_SHOWS("proxy.forwards") {
  const owner object = make_thing(1);
  const weakref::proxy p(object);
  p->set(5);
  CHECK(object->value == 5);
  static_cast<thing&>(*p).value = 6;
  CHECK(p->get() == 6);
}
WEAKREF_SHOWS("proxy.weak") {
  owner object = make_thing();
  const weakref::proxy p(object);
  object.reset();
  CHECK(p.expired());
}
WEAKREF_SHOWS("proxy.dead") {
  owner object = make_thing();
  const weakref::proxy p(object);
  object.reset();
  CHECK_THROWS_AS(static_cast<void>(p->get()), ReferenceError);
  CHECK_THROWS_AS(static_cast<void>(*p), ReferenceError);
  CHECK_THROWS_AS(p->value = 1, ReferenceError);
}
WEAKREF_SHOWS("proxy.held") {
  owner object = make_thing(4);
  const weakref::proxy p(object);
  const auto use = [&](const thing& used) {
    object.reset();
    return used.value;
  };
  CHECK(use(*p) == 4);
  CHECK(p.expired());
}
WEAKREF_SHOWS("proxy.callback") {
  owner object = make_thing();
  const weakref::proxy<thing>* seen = nullptr;
  const weakref::proxy p(object, [&](const weakref::proxy<thing>& self) {
    seen = &self;
    CHECK_THROWS_AS(static_cast<void>(self->get()), ReferenceError);
  });
  object.reset();
  CHECK(seen == &p);
}
WEAKREF_SHOWS("proxy.callback.refused") {
  CHECK_THROWS_AS(static_cast<void>(weakref::proxy(std::make_shared<thing>(), [] {})),
                  weakref::untracked_error);
}
WEAKREF_SHOWS("proxy.equality") {
  const owner a = make_thing(1), b = make_thing(1), c = make_thing(2);
  CHECK(weakref::proxy(a) == weakref::proxy(b));
  CHECK(weakref::proxy(a) != weakref::proxy(c));
}
WEAKREF_SHOWS("proxy.hash") { CHECK_FALSE(is_hashable<weakref::proxy<thing>>); }

// -- WeakMethod -----------------------------------------------------------------------------------

using get_method = weakref::WeakMethod<thing, int (thing::*)() const>;

WEAKREF_SHOWS("method.call") {
  owner object = make_thing(7);
  const weakref::WeakMethod m(object, &thing::get);
  {
    const auto bound = m();
    object.reset();
    REQUIRE(bound);
    CHECK(bound() == 7);
  }
  CHECK(m.expired());
}
WEAKREF_SHOWS("method.dead") {
  owner object = make_thing();
  const weakref::WeakMethod m(object, &thing::get);
  object.reset();
  CHECK_FALSE(static_cast<bool>(m()));
}
WEAKREF_SHOWS("method.is_ref") { CHECK(std::is_base_of_v<weakref::ref<thing>, get_method>); }
WEAKREF_SHOWS("method.parts") {
  const owner object = make_thing();
  const auto bound = weakref::WeakMethod(object, &thing::get)();
  CHECK(bound.object() == object);
  CHECK(bound.method() == &thing::get);
}
WEAKREF_SHOWS("method.callback") {
  owner object = make_thing();
  int called = 0;
  const get_method* seen = nullptr;
  const weakref::WeakMethod m(object, &thing::get, [&](const get_method& self) {
    ++called;
    seen = &self;
    CHECK_FALSE(static_cast<bool>(self()));
  });
  object.reset();
  CHECK(called == 1);
  CHECK(seen == &m);
}
struct two_methods {
  int value = 0;
  void f() {}
  void g() { ++value; }
  friend bool operator==(const two_methods&, const two_methods&) = default;
  friend std::size_t hash_value(const two_methods& t) { return static_cast<std::size_t>(t.value); }
};
WEAKREF_SHOWS("method.equality") {
  const auto a = make_tracked<two_methods>(), b = make_tracked<two_methods>();
  using weakref::WeakMethod;
  CHECK(WeakMethod(a, &two_methods::f) == WeakMethod(a, &two_methods::f));
  CHECK(WeakMethod(a, &two_methods::f) == WeakMethod(b, &two_methods::f));
  CHECK(WeakMethod(a, &two_methods::f) != WeakMethod(a, &two_methods::g));
  b->g();
  CHECK(WeakMethod(a, &two_methods::f) != WeakMethod(b, &two_methods::f));
}
WEAKREF_SHOWS("method.equality.dead") {
  auto object = make_tracked<two_methods>();
  const weakref::WeakMethod a(object, &two_methods::f), b(object, &two_methods::f);
  CHECK(a == b);
  object.reset();
  CHECK(a != b);
  const auto& itself = a;
  CHECK(a == itself);
}
WEAKREF_SHOWS("method.hash") {
  auto x = make_tracked<two_methods>(), y = make_tracked<two_methods>();
  const weakref::WeakMethod a(x, &two_methods::f), b(y, &two_methods::f);
  const std::size_t hash = a.hash_code();
  CHECK(std::hash<std::remove_const_t<decltype(b)>>()(b) == hash);
  x.reset();
  CHECK(a.hash_code() == hash);
}

// -- finalize -------------------------------------------------------------------------------------

WEAKREF_SHOWS("finalize.call") {
  const owner object = make_thing();
  weakref::finalize end(
      object, [](int a, int b) { return a + b; }, 1, 2);
  CHECK(end() == 3);
}
WEAKREF_SHOWS("finalize.call.again") {
  owner object = make_thing();
  int called = 0;
  weakref::finalize end(object, [&] { return ++called; });
  end();
  CHECK(end() == std::nullopt);
  object.reset();
  CHECK(called == 1);
}
WEAKREF_SHOWS("finalize.call.raises") {
  const owner object = make_thing();
  weakref::finalize end(object, [] { throw std::runtime_error("by hand"); });
  CHECK_THROWS_WITH_AS(end(), "by hand", std::runtime_error);
  CHECK_FALSE(end.alive());
}
WEAKREF_SHOWS("finalize.death") {
  int called = 0;
  owner object = make_thing();
  weakref::finalize(object, tally{&called});
  CHECK(called == 0);
  object.reset();
  CHECK(called == 1);
}
WEAKREF_SHOWS("finalize.death.raises") {
  const support::unraisable_log unraisable;
  int called = 0;
  owner object = make_thing();
  weakref::finalize(object, tally{&called});
  weakref::finalize(object, [] { throw std::runtime_error("oops"); });
  object.reset();
  CHECK(unraisable.text() == "oops");
  CHECK(called == 1);
}
WEAKREF_SHOWS("finalize.order") {
  journal log;
  owner object = make_thing();
  for (const char* word : {"a", "b", "c"}) weakref::finalize(object, [&log, word] { log(word); });
  object.reset();
  CHECK(log.text() == "c b a");
}
WEAKREF_SHOWS("finalize.alive") {
  owner object = make_thing();
  weakref::finalize by_hand(object, [] {}), by_death(object, [] {});
  CHECK(by_hand.alive());
  by_hand();
  CHECK_FALSE(by_hand.alive());
  CHECK(by_death.alive());
  object.reset();
  CHECK_FALSE(by_death.alive());
}
WEAKREF_SHOWS("finalize.no_handle") {
  int called = 0;
  owner object = make_thing();
  { weakref::finalize dropped(object, tally{&called}); }
  object.reset();
  CHECK(called == 1);
}
WEAKREF_SHOWS("finalize.arguments") {
  std::string seen;
  owner object = make_thing();
  weakref::finalize(
      object, [&](const std::string& a, int b) { seen = a + std::to_string(b); }, "x", 5);
  object.reset();
  CHECK(seen == "x5");
}
WEAKREF_SHOWS("finalize.owning") {
  owner object = make_thing();
  const weakref::ref r(object);
  weakref::finalize end(object, [own = object] { return own->value; });
  object.reset();
  CHECK_FALSE(r.expired());
  end();
  CHECK(r.expired());
}
WEAKREF_SHOWS("finalize.forgets") {
  const auto argument = std::make_shared<int>(1);
  owner object = make_thing();
  weakref::finalize called(
      object, [](const std::shared_ptr<int>&) {}, argument);
  weakref::finalize detached(
      object, [](const std::shared_ptr<int>&) {}, argument);
  weakref::finalize died(
      object, [](const std::shared_ptr<int>&) {}, argument);
  CHECK(argument.use_count() == 4);
  called();
  CHECK(argument.use_count() == 3);
  detached.detach();
  CHECK(argument.use_count() == 2);
  object.reset();
  CHECK(argument.use_count() == 1);
}
WEAKREF_SHOWS("finalize.detach") {
  int called = 0;
  owner object = make_thing();
  weakref::finalize end(object, tally{&called});
  CHECK(end.detach() == object);
  CHECK(end.detach() == nullptr);
  CHECK_FALSE(end());
  object.reset();
  CHECK(called == 0);
}
WEAKREF_SHOWS("finalize.peek") {
  owner object = make_thing();
  weakref::finalize end(object, [] {});
  CHECK(end.peek() == object);
  CHECK(end.alive());
  object.reset();
  CHECK(end.peek() == nullptr);
}
WEAKREF_SHOWS("finalize.atexit") {
  const owner object = make_thing();
  weakref::finalize end(object, [] {});
  CHECK(end.atexit());
  end.atexit(false);
  CHECK_FALSE(end.atexit());
}
WEAKREF_SHOWS("finalize.atexit.dead") {
  const owner object = make_thing();
  weakref::finalize end(object, [] {});
  end();
  CHECK_FALSE(end.atexit());
  end.atexit(true);
  CHECK_FALSE(end.atexit());
}

// Owners for children, which end with these objects alive.
std::vector<owner>* kept = nullptr;
const owner& keep() {
  if (kept == nullptr) kept = new std::vector<owner>;
  return kept->emplace_back(make_thing());
}
void say_at_exit(const char* word) {
  weakref::finalize(keep(), [word] { support::say(word); });
}

WEAKREF_SHOWS("finalize.exit") {
  const auto child = support::output_of([] {
    say_at_exit("a");
    say_at_exit("b");
    weakref::finalize(keep(), [] { support::say("never"); }).atexit(false);
    say_at_exit("c");
  });
  CHECK(child.status == 0);
  CHECK(child.said == "c b a");
}
WEAKREF_SHOWS("finalize.exit.new") {
  const auto child = support::output_of([] {
    say_at_exit("older");
    weakref::finalize(keep(), [] { say_at_exit("new"); });
  });
  CHECK(child.said == "new older");
}
WEAKREF_SHOWS("finalize.exit.raises") {
  const auto child = support::output_of([] {
    weakref::set_unraisable_hook(
        [](std::exception_ptr error) { support::say("hook:" + support::message_of(error)); });
    say_at_exit("older");
    weakref::finalize(keep(), [] { throw std::runtime_error("oops"); });
  });
  CHECK(child.status == 0);
  CHECK(child.said == "hook:oops older");
}
WEAKREF_SHOWS("finalize.refused") {
  CHECK_THROWS_AS(weakref::finalize(std::make_shared<thing>(), [] {}), weakref::untracked_error);
}

// -- KeyedRef -------------------------------------------------------------------------------------

WEAKREF_SHOWS("keyed_ref.key") {
  owner object = make_thing();
  const weakref::KeyedRef r(object, std::string("key"));
  CHECK(r() == object);
  object.reset();
  CHECK(r() == nullptr);
  CHECK(r.key() == "key");
}
WEAKREF_SHOWS("keyed_ref.is_ref") {
  const owner object = make_thing();
  const weakref::KeyedRef a(object, 1), b(object, 2);
  CHECK(a == b);
  CHECK(static_cast<const weakref::ref<thing>&>(a) == weakref::ref(object));
}

// -- WeakValueDictionary --------------------------------------------------------------------------

using pairs = std::vector<std::pair<std::string, owner>>;

std::map<std::string, int> contents(const values& dictionary) {
  std::map<std::string, int> result;
  for (const auto& [key, value] : dictionary) result[key] = value->value;
  return result;
}
using named = std::map<std::string, int>;

struct three_values {
  owner a = make_thing(1), b = make_thing(2), c = make_thing(3);
  values dictionary{{"a", a}, {"b", b}, {"c", c}};
};

WEAKREF_SHOWS("values.eviction") {
  three_values t;
  t.b.reset();
  CHECK(t.dictionary.size() == 2);
  CHECK(contents(t.dictionary) == named{{"a", 1}, {"c", 3}});
}
WEAKREF_SHOWS("values.replaced") {
  three_values t;
  const owner newer = make_thing(9);
  t.dictionary.insert_or_assign("a", newer);
  t.a.reset();
  CHECK(t.dictionary.get("a") == newer);
  t.dictionary.erase("b");
  t.dictionary.insert("b", newer);
  t.b.reset();
  CHECK(t.dictionary.get("b") == newer);
}
WEAKREF_SHOWS("values.gone") {
  owner object = make_thing();
  const weakref::ref r(object);
  std::optional<values> dictionary(std::in_place);
  dictionary->insert("k", object);
  dictionary.reset();
  CHECK(weakref::getweakrefcount(object) == 0);
  object.reset();
  CHECK(r.expired());
}
WEAKREF_SHOWS("values.length") {
  values dictionary;
  CHECK(dictionary.size() == 0);
  CHECK(dictionary.empty());
  std::vector<owner> owners;
  for (int i = 0; i != 20; ++i) dictionary.insert(std::to_string(i), owners.emplace_back(make_thing(i)));
  CHECK(dictionary.size() == 20);
  while (!owners.empty()) {
    owners.pop_back();
    CHECK(dictionary.size() == owners.size());
  }
}
WEAKREF_SHOWS("values.contains") {
  three_values t;
  CHECK(t.dictionary.contains("a"));
  CHECK_FALSE(t.dictionary.contains("z"));
  t.a.reset();
  CHECK_FALSE(t.dictionary.contains("a"));
}
WEAKREF_SHOWS("values.get") {
  three_values t;
  const owner other = make_thing();
  CHECK(t.dictionary.get("a") == t.a);
  CHECK(t.dictionary.get("z") == nullptr);
  CHECK(t.dictionary.get("a", other) == t.a);
  CHECK(t.dictionary.get("z", other) == other);
}
WEAKREF_SHOWS("values.pop") {
  three_values t;
  const owner other = make_thing();
  CHECK(t.dictionary.pop("a") == t.a);
  CHECK(t.dictionary.pop("a", other) == other);
  CHECK(t.dictionary.size() == 2);
}
WEAKREF_SHOWS("values.popitem") {
  three_values t;
  named popped;
  for (int i = 0; i != 3; ++i) {
    const auto [key, value] = t.dictionary.popitem();
    popped[key] = value->value;
  }
  CHECK(popped == named{{"a", 1}, {"b", 2}, {"c", 3}});
  CHECK_THROWS_AS(static_cast<void>(t.dictionary.popitem()), std::out_of_range);
}
WEAKREF_SHOWS("values.setdefault") {
  three_values t;
  const owner other = make_thing();
  CHECK(t.dictionary.setdefault("a", other) == t.a);
  CHECK(t.dictionary.setdefault("z", other) == other);
  CHECK(t.dictionary.get("z") == other);
}
WEAKREF_SHOWS("values.update") {
  three_values t;
  const owner x = make_thing(10), y = make_thing(11);
  t.dictionary.update({{"a", x}});
  t.dictionary.update(std::map<std::string, owner>{{"x", x}});
  t.dictionary.update(pairs{{"y", y}});
  t.dictionary.update(values{{"w", y}});
  t.dictionary.update(t.dictionary);
  CHECK(contents(t.dictionary) == named{{"a", 10}, {"b", 2}, {"c", 3}, {"w", 11}, {"x", 10}, {"y", 11}});
}
WEAKREF_SHOWS("values.union") {
  three_values t;
  const owner x = make_thing(10);
  const values merged = t.dictionary | values{{"a", x}, {"x", x}};
  CHECK(contents(merged) == named{{"a", 10}, {"b", 2}, {"c", 3}, {"x", 10}});
  CHECK(contents(t.dictionary | pairs{{"c", x}}) == named{{"a", 1}, {"b", 2}, {"c", 10}});
  CHECK(t.dictionary.size() == 3);
  t.dictionary |= pairs{{"b", x}};
  t.dictionary |= t.dictionary;
  CHECK(contents(t.dictionary) == named{{"a", 1}, {"b", 10}, {"c", 3}});
}
WEAKREF_SHOWS("values.copy") {
  three_values t;
  values copy = t.dictionary;
  CHECK(copy == t.dictionary);
  copy.erase("a");
  CHECK(t.dictionary.contains("a"));
  t.b.reset();
  CHECK(copy.size() == 1);
  CHECK(copy.get("c") == t.c);
}
WEAKREF_SHOWS("values.construct") {
  three_values t;
  const pairs listed{{"a", t.a}, {"b", t.b}, {"c", t.c}};
  CHECK(values(listed) == t.dictionary);
  CHECK(values(listed.begin(), listed.end()) == t.dictionary);
  CHECK(values(std::map<std::string, owner>(listed.begin(), listed.end())) == t.dictionary);
}
WEAKREF_SHOWS("values.clear") {
  three_values t;
  t.dictionary.clear();
  CHECK(t.dictionary.empty());
  CHECK(t.a->value == 1);
  t.dictionary.insert("a", t.a);
  CHECK(t.dictionary.size() == 1);
}
WEAKREF_SHOWS("values.iteration") {
  three_values t;
  std::vector<std::string> names;
  for (const std::string& key : t.dictionary.keys()) names.push_back(key);
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{"a", "b", "c"});
  numbers found;
  for (const owner& value : t.dictionary.values()) found.push_back(value->value);
  CHECK(sorted(found) == numbers{1, 2, 3});

  // All die at the first step but the one that is shown.
  int seen = 0;
  for (const auto& [key, value] : t.dictionary.items()) {
    ++seen;
    t.a.reset();
    t.b.reset();
    t.c.reset();
    CHECK(t.dictionary.size() == 1);
    CHECK(t.dictionary.get(key) == value);
  }
  CHECK(seen == 1);
  CHECK(t.dictionary.empty());
}
WEAKREF_SHOWS("values.iteration.weak") {
  three_values t;
  auto at = t.dictionary.begin();
  const owner current = at->value;
  CHECK(t.a.use_count() + t.b.use_count() + t.c.use_count() == 3 + 2);
  ++at;
  CHECK(current.use_count() == 2);
}
WEAKREF_SHOWS("values.refs") {
  three_values t;
  std::vector<weakref::ref<thing>> refs;
  for (const auto& r : t.dictionary.valuerefs()) refs.push_back(r);
  CHECK(refs.size() == 3);
  CHECK(std::count(refs.begin(), refs.end(), weakref::ref(t.b)) == 1);
  t.b.reset();
  CHECK(std::count_if(refs.begin(), refs.end(), [](const auto& r) { return r.expired(); }) == 1);
}
WEAKREF_SHOWS("values.refused") {
  values dictionary;
  CHECK_THROWS_AS(dictionary.insert("k", std::make_shared<thing>()), weakref::untracked_error);
  CHECK_THROWS_AS(dictionary.insert_or_assign("k", nullptr), weakref::untracked_error);
  CHECK(dictionary.empty());
}

// Two threads store, look up and let go; nothing half dead is ever seen.
template <class Store, class Look, class Count> void storm(Store store, Look look, Count count) {
  std::atomic<int> wrong{0};
  {
    auto body = [&] {
      for (int i = 0; i != 2000; ++i) {
        const owner mine = make_thing(i % 16);
        store(mine);
        if (!look(mine)) ++wrong;
      }
    };
    const support::joining_thread first(body), second(body);
  }
  CHECK(wrong == 0);
  CHECK(count() == 0);
}
WEAKREF_SHOWS("values.threads") {
  values dictionary;
  storm([&](const owner& mine) { dictionary.insert_or_assign(std::to_string(mine->value), mine); },
        [&](const owner& mine) {
          const owner seen = dictionary.get(std::to_string(mine->value));
          return seen == nullptr || seen->value == mine->value;
        },
        [&] { return dictionary.size(); });
}

// -- WeakKeyDictionary ----------------------------------------------------------------------------

struct three_keys {
  owner a = make_thing(1), b = make_thing(2), c = make_thing(3);
  keys dictionary{{a, 10}, {b, 20}, {c, 30}};
};
std::map<int, int> contents(const keys& dictionary) {
  std::map<int, int> result;
  for (const auto& [key, value] : dictionary) result[key->value] = value;
  return result;
}
using numbered = std::map<int, int>;

WEAKREF_SHOWS("keys.eviction") {
  three_keys t;
  t.b.reset();
  CHECK(t.dictionary.size() == 2);
  CHECK(contents(t.dictionary) == numbered{{1, 10}, {3, 30}});
}
WEAKREF_SHOWS("keys.value_goes") {
  const auto value = std::make_shared<int>(1);
  owner key = make_thing();
  weakref::WeakKeyDictionary<thing, std::shared_ptr<int>> dictionary;
  dictionary.insert(key, value);
  CHECK(value.use_count() == 2);
  key.reset();
  CHECK(value.use_count() == 1);
}
WEAKREF_SHOWS("keys.cascade") {
  std::vector<owner> chain;
  for (int i = 0; i != 100; ++i) chain.push_back(make_thing(i));
  weakref::WeakKeyDictionary<thing, owner> dictionary;
  for (std::size_t i = 0; i + 1 != chain.size(); ++i) dictionary.insert(chain[i], chain[i + 1]);
  owner first = chain.front();
  const weakref::ref last(chain.back());
  chain.clear();
  CHECK(dictionary.size() == 99);
  first.reset();
  CHECK(dictionary.empty());
  CHECK(last.expired());
}
WEAKREF_SHOWS("keys.gone") {
  owner object = make_thing();
  const weakref::ref r(object);
  std::optional<keys> dictionary(std::in_place);
  dictionary->insert(object, 1);
  dictionary.reset();
  CHECK(weakref::getweakrefcount(object) == 0);
  object.reset();
  CHECK(r.expired());
}
WEAKREF_SHOWS("keys.length") {
  keys dictionary;
  CHECK(dictionary.empty());
  std::vector<owner> owners;
  for (int i = 0; i != 20; ++i) dictionary.insert(owners.emplace_back(make_thing(i)), i);
  CHECK(dictionary.size() == 20);
  while (!owners.empty()) {
    owners.pop_back();
    CHECK(dictionary.size() == owners.size());
  }
}
WEAKREF_SHOWS("keys.contains") {
  three_keys t;
  CHECK(t.dictionary.contains(t.a));
  CHECK(t.dictionary.contains(*t.a));
  CHECK_FALSE(t.dictionary.contains(make_thing(1)));
  CHECK_FALSE(t.dictionary.contains(std::make_shared<thing>()));
  CHECK_FALSE(t.dictionary.contains(owner()));
}
WEAKREF_SHOWS("keys.get") {
  three_keys t;
  CHECK(t.dictionary.get(t.a) == 10);
  CHECK(t.dictionary.get(make_thing()) == std::nullopt);
  CHECK(t.dictionary.get(t.a, 5) == 10);
  CHECK(t.dictionary.get(make_thing(), 5) == 5);
}
WEAKREF_SHOWS("keys.equal_newcomer") {
  equal_keys dictionary;
  owner first = make_thing(1), second = make_thing(1);
  dictionary.insert_or_assign(first, 10);
  dictionary.insert_or_assign(second, 20);
  CHECK(dictionary.size() == 1);
  CHECK(dictionary.begin()->key == first);
  CHECK(dictionary.get(second) == 20);
  second.reset();
  CHECK(dictionary.size() == 1);
  first.reset();
  CHECK(dictionary.empty());
}
WEAKREF_SHOWS("keys.dead_hash") {
  static int asked = 0;
  struct counting_hash {
    std::size_t operator()(const thing& t) const {
      ++asked;
      return static_cast<std::size_t>(t.value);
    }
  };
  weakref::WeakKeyDictionary<thing, int, counting_hash> dictionary;
  std::vector<owner> owners;
  for (int i = 0; i != 50; ++i) dictionary.insert(owners.emplace_back(make_thing(i)), i);
  CHECK(asked == 50);
  owners.clear();
  CHECK(dictionary.empty());
  CHECK(asked == 50);
}
WEAKREF_SHOWS("keys.pop") {
  three_keys t;
  CHECK(t.dictionary.pop(t.a) == 10);
  CHECK(t.dictionary.pop(t.a, 5) == 5);
  CHECK(t.dictionary.size() == 2);
}
WEAKREF_SHOWS("keys.popitem") {
  three_keys t;
  numbered popped;
  for (int i = 0; i != 3; ++i) {
    const auto [key, value] = t.dictionary.popitem();
    popped[key->value] = value;
  }
  CHECK(popped == numbered{{1, 10}, {2, 20}, {3, 30}});
  CHECK_THROWS_AS(static_cast<void>(t.dictionary.popitem()), std::out_of_range);
}
WEAKREF_SHOWS("keys.setdefault") {
  three_keys t;
  const owner other = make_thing();
  CHECK(t.dictionary.setdefault(t.a, 5) == 10);
  CHECK(t.dictionary.setdefault(other, 5) == 5);
  CHECK(t.dictionary.get(other) == 5);
}
WEAKREF_SHOWS("keys.update") {
  three_keys t;
  const owner x = make_thing(4), y = make_thing(5);
  t.dictionary.update({{t.a, 11}});
  t.dictionary.update(std::map<owner, int>{{x, 40}});
  t.dictionary.update(std::vector<std::pair<owner, int>>{{y, 50}});
  t.dictionary.update(keys{{t.b, 22}});
  t.dictionary.update(t.dictionary);
  CHECK(contents(t.dictionary) == numbered{{1, 11}, {2, 22}, {3, 30}, {4, 40}, {5, 50}});
}
WEAKREF_SHOWS("keys.union") {
  three_keys t;
  const owner x = make_thing(4);
  CHECK(contents(t.dictionary | keys{{t.a, 11}, {x, 40}}) == numbered{{1, 11}, {2, 20}, {3, 30}, {4, 40}});
  CHECK(contents(t.dictionary | std::map<owner, int>{{x, 40}}) ==
        numbered{{1, 10}, {2, 20}, {3, 30}, {4, 40}});
  CHECK(t.dictionary.size() == 3);
  t.dictionary |= keys{{t.b, 22}};
  t.dictionary |= t.dictionary;
  CHECK(contents(t.dictionary) == numbered{{1, 10}, {2, 22}, {3, 30}});
}
WEAKREF_SHOWS("keys.copy") {
  three_keys t;
  keys copy = t.dictionary;
  CHECK(copy == t.dictionary);
  copy.insert_or_assign(t.a, 11);
  CHECK(t.dictionary.get(t.a) == 10);
  t.b.reset();
  CHECK(contents(copy) == numbered{{1, 11}, {3, 30}});
}
WEAKREF_SHOWS("keys.construct") {
  three_keys t;
  const std::vector<std::pair<owner, int>> listed{{t.a, 10}, {t.b, 20}, {t.c, 30}};
  CHECK(keys(listed) == t.dictionary);
  CHECK(keys(listed.begin(), listed.end()) == t.dictionary);
  CHECK(keys(std::map<owner, int>(listed.begin(), listed.end())) == t.dictionary);
}
WEAKREF_SHOWS("keys.clear") {
  const auto value = std::make_shared<int>(1);
  const owner key = make_thing(3);
  weakref::WeakKeyDictionary<thing, std::shared_ptr<int>> dictionary{{key, value}};
  dictionary.clear();
  CHECK(dictionary.empty());
  CHECK(value.use_count() == 1);
  CHECK(key->value == 3);
}
WEAKREF_SHOWS("keys.iteration") {
  three_keys t;
  numbers found;
  for (const owner& key : t.dictionary.keys()) found.push_back(key->value);
  CHECK(sorted(found) == numbers{1, 2, 3});
  CHECK(sorted(t.dictionary.values()) == numbers{10, 20, 30});

  int seen = 0;
  for (const auto& [key, value] : t.dictionary.items()) {
    ++seen;
    t.a.reset();
    t.b.reset();
    t.c.reset();
    CHECK(t.dictionary.size() == 1);
    CHECK(t.dictionary.get(key) == value);
  }
  CHECK(seen == 1);
  CHECK(t.dictionary.empty());
}
WEAKREF_SHOWS("keys.iteration.weak") {
  three_keys t;
  auto at = t.dictionary.begin();
  const owner current = at->key;
  CHECK(t.a.use_count() + t.b.use_count() + t.c.use_count() == 3 + 2);
  ++at;
  CHECK(current.use_count() == 2);
}
WEAKREF_SHOWS("keys.refs") {
  three_keys t;
  std::vector<weakref::ref<thing>> refs;
  for (const auto& r : t.dictionary.keyrefs()) refs.push_back(r);
  CHECK(refs.size() == 3);
  CHECK(std::count(refs.begin(), refs.end(), weakref::ref(t.b)) == 1);
}
WEAKREF_SHOWS("keys.equality") {
  three_keys t;
  CHECK(t.dictionary == keys{{t.c, 30}, {t.b, 20}, {t.a, 10}});
  CHECK(t.dictionary != keys{{t.c, 30}, {t.b, 20}});
  CHECK(t.dictionary != keys{{t.c, 30}, {t.b, 20}, {t.a, 11}});
}
WEAKREF_SHOWS("keys.refused") {
  keys dictionary;
  CHECK_THROWS_AS(dictionary.insert(std::make_shared<thing>(), 1), weakref::untracked_error);
  CHECK_THROWS_AS(dictionary.insert_or_assign(nullptr, 1), weakref::untracked_error);
  CHECK(dictionary.empty());
}
WEAKREF_SHOWS("keys.threads") {
  keys dictionary;
  storm([&](const owner& mine) { dictionary.insert(mine, mine->value); },
        [&](const owner& mine) { return dictionary.get(mine) == mine->value; },
        [&] { return dictionary.size(); });
}

// -- WeakSet --------------------------------------------------------------------------------------

struct three_elements {
  owner a = make_thing(1), b = make_thing(2), c = make_thing(3);
  owner x = make_thing(7), y = make_thing(8);
  set elements{a, b, c};
  set others{b, c, x, y};
};

WEAKREF_SHOWS("set.eviction") {
  three_elements t;
  t.b.reset();
  CHECK(t.elements.size() == 2);
  CHECK(values_in(t.elements) == numbers{1, 3});
  CHECK(t.others.size() == 3);
}
WEAKREF_SHOWS("set.gone") {
  owner object = make_thing();
  const weakref::ref r(object);
  { const set gone{object}; }
  CHECK(weakref::getweakrefcount(object) == 0);
  object.reset();
  CHECK(r.expired());
}
WEAKREF_SHOWS("set.length") {
  set elements;
  CHECK(elements.empty());
  std::vector<owner> owners;
  for (int i = 0; i != 20; ++i) elements.add(owners.emplace_back(make_thing(i)));
  CHECK(elements.size() == 20);
  while (!owners.empty()) {
    owners.pop_back();
    CHECK(elements.size() == owners.size());
  }
}
WEAKREF_SHOWS("set.contains") {
  const three_elements t;
  CHECK(t.elements.contains(t.a));
  CHECK_FALSE(t.elements.contains(t.x));
  CHECK_FALSE(t.elements.contains(std::make_shared<thing>()));
  CHECK_FALSE(t.elements.contains(owner()));
}
WEAKREF_SHOWS("set.add") {
  three_elements t;
  t.elements.add(t.x);
  t.elements.add(t.x);
  CHECK(values_in(t.elements) == numbers{1, 2, 3, 7});
}
WEAKREF_SHOWS("set.equal_newcomer") {
  owner first = make_thing(1);
  const owner second = make_thing(1);
  equal_set elements{first};
  CHECK_FALSE(elements.add(second));
  CHECK(elements.get(second) == first);
  first.reset();
  CHECK(elements.empty());
}
WEAKREF_SHOWS("set.discard") {
  three_elements t;
  t.elements.discard(t.a);
  t.elements.discard(t.a);
  t.elements.discard(t.x);
  CHECK(values_in(t.elements) == numbers{2, 3});
}
WEAKREF_SHOWS("set.remove") {
  three_elements t;
  t.elements.remove(t.a);
  CHECK_FALSE(t.elements.contains(t.a));
  CHECK_THROWS_AS(t.elements.remove(t.a), std::out_of_range);
  CHECK(t.elements.size() == 2);
}
WEAKREF_SHOWS("set.pop") {
  three_elements t;
  numbers popped;
  for (int i = 0; i != 3; ++i) popped.push_back(t.elements.pop()->value);
  CHECK(sorted(popped) == numbers{1, 2, 3});
  CHECK_THROWS_AS(static_cast<void>(t.elements.pop()), std::out_of_range);
}
WEAKREF_SHOWS("set.clear") {
  three_elements t;
  t.elements.clear();
  CHECK(t.elements.empty());
  CHECK(t.a->value == 1);
}
WEAKREF_SHOWS("set.update") {
  three_elements t;
  set copy = t.elements;
  copy.update(t.others);
  CHECK(values_in(copy) == numbers{1, 2, 3, 7, 8});
  t.elements.update(std::vector<owner>{t.x, t.x, t.a});
  CHECK(values_in(t.elements) == numbers{1, 2, 3, 7});
  t.elements |= set{t.y};
  CHECK(t.elements == copy);
}
WEAKREF_SHOWS("set.union") {
  const three_elements t;
  CHECK(values_in(t.elements.union_(t.others)) == numbers{1, 2, 3, 7, 8});
  CHECK((t.elements | t.others) == t.elements.union_(t.others));
  CHECK(values_in(t.elements) == numbers{1, 2, 3});
  CHECK(t.others.size() == 4);
}
WEAKREF_SHOWS("set.intersection") {
  const three_elements t;
  CHECK(values_in(t.elements.intersection(t.others)) == numbers{2, 3});
  CHECK((t.elements & t.others) == t.elements.intersection(t.others));
  CHECK((t.elements & set()).empty());
}
WEAKREF_SHOWS("set.difference") {
  const three_elements t;
  CHECK(values_in(t.elements.difference(t.others)) == numbers{1});
  CHECK((t.elements - t.others) == t.elements.difference(t.others));
  CHECK((t.elements - set()) == t.elements);
}
WEAKREF_SHOWS("set.symmetric_difference") {
  const three_elements t;
  CHECK(values_in(t.elements.symmetric_difference(t.others)) == numbers{1, 7, 8});
  CHECK((t.elements ^ t.others) == (t.others ^ t.elements));
}
WEAKREF_SHOWS("set.intersection_update") {
  three_elements t;
  set copy = t.elements;
  copy.intersection_update(t.others);
  t.elements &= t.others;
  CHECK(values_in(copy) == numbers{2, 3});
  CHECK(t.elements == copy);
}
WEAKREF_SHOWS("set.difference_update") {
  three_elements t;
  set copy = t.elements;
  copy.difference_update(t.others);
  t.elements -= t.others;
  CHECK(values_in(copy) == numbers{1});
  CHECK(t.elements == copy);
}
WEAKREF_SHOWS("set.symmetric_difference_update") {
  three_elements t;
  set copy = t.elements;
  copy.symmetric_difference_update(t.others);
  t.elements ^= t.others;
  CHECK(values_in(copy) == numbers{1, 7, 8});
  CHECK(t.elements == copy);
}
WEAKREF_SHOWS("set.itself") {
  three_elements t;
  set& same = t.elements;
  t.elements |= same;
  CHECK(values_in(t.elements) == numbers{1, 2, 3});
  t.elements &= same;
  CHECK(values_in(t.elements) == numbers{1, 2, 3});
  set copy = t.elements;
  set& same_copy = copy;
  copy ^= same_copy;
  CHECK(copy.empty());
  t.elements -= same;
  CHECK(t.elements.empty());
}
WEAKREF_SHOWS("set.any_iterable") {
  three_elements t;
  const std::vector<owner> list{t.c, t.x};
  const std::set<owner> others(list.begin(), list.end());
  CHECK(values_in(t.elements | list) == numbers{1, 2, 3, 7});
  CHECK(values_in(t.elements & others) == numbers{3});
  CHECK(values_in(t.elements - list) == numbers{1, 2});
  CHECK(values_in(t.elements ^ others) == numbers{1, 2, 7});
  CHECK_FALSE(t.elements.isdisjoint(list));
  CHECK(t.elements.issuperset(std::vector<owner>{t.a}));
  CHECK(t.elements.issubset(std::vector<owner>{t.c, t.b, t.a, t.x}));
}
WEAKREF_SHOWS("set.isdisjoint") {
  const three_elements t;
  CHECK_FALSE(t.elements.isdisjoint(t.others));
  CHECK(t.elements.isdisjoint(set{t.x}));
  CHECK(t.elements.isdisjoint(set()));
}
WEAKREF_SHOWS("set.subset") {
  const three_elements t;
  const set some{t.a, t.b};
  CHECK(some.issubset(t.elements));
  CHECK(t.elements.issuperset(some));
  CHECK(some <= t.elements);
  CHECK(t.elements >= some);
  const set& same = t.elements;
  CHECK(t.elements <= same);
  CHECK_FALSE(t.elements <= some);
  CHECK_FALSE(t.elements >= t.others);
  CHECK(set() <= some);
}
WEAKREF_SHOWS("set.proper_subset") {
  const three_elements t;
  const set some{t.a, t.b};
  CHECK(some < t.elements);
  CHECK(t.elements > some);
  const set same = t.elements;
  CHECK_FALSE(same < t.elements);
  CHECK_FALSE(same > t.elements);
}
WEAKREF_SHOWS("set.equality") {
  three_elements t;
  set other{t.c, t.x, t.b, t.a};
  CHECK(other != t.elements);
  t.x.reset();
  CHECK(other == t.elements);
  CHECK(set() == set());
}
WEAKREF_SHOWS("set.hash") { CHECK_FALSE(is_hashable<set>); }
WEAKREF_SHOWS("set.copy") {
  three_elements t;
  set copy = t.elements;
  CHECK(copy == t.elements);
  copy.add(t.x);
  CHECK(t.elements.size() == 3);
  t.a.reset();
  CHECK(values_in(copy) == numbers{2, 3, 7});
}
WEAKREF_SHOWS("set.construct") {
  const three_elements t;
  const std::vector<owner> list{t.a, t.b, t.c, t.a};
  CHECK(set(list) == t.elements);
  CHECK(set(list.begin(), list.end()) == t.elements);
  CHECK(set(t.elements) == t.elements);
}
WEAKREF_SHOWS("set.iteration") {
  three_elements t;
  CHECK(values_in(t.elements) == numbers{1, 2, 3});
  int seen = 0;
  for (const owner& each : t.elements) {
    ++seen;
    t.a.reset();
    t.b.reset();
    t.c.reset();
    CHECK(t.elements.size() == 1);
    CHECK(t.elements.contains(each));
  }
  CHECK(seen == 1);
  CHECK(t.elements.empty());
}
WEAKREF_SHOWS("set.iteration.mutation") {
  using change = void (*)(set&, const owner&);
  const change changes[] = {
      [](set& s, const owner& each) { s.discard(each); },
      [](set& s, const owner&) { static_cast<void>(s.pop()); },
      [](set& s, const owner&) { s.clear(); },
      [](set& s, const owner& each) { s -= std::vector<owner>{each}; },
      [](set& s, const owner& each) {
        s.update(std::vector<owner>{each, each});
      },
  };
  for (const change& how : changes) {
    std::vector<owner> owners;
    for (int i = 0; i != 10; ++i) owners.push_back(make_thing(i));
    set elements(owners);
    std::size_t seen = 0;
    for (const owner& each : elements) {
      CHECK(each->value >= 0);
      how(elements, each);
      if (!owners.empty()) owners.pop_back();
      ++seen;
    }
    CHECK(seen >= 1);
    CHECK(seen <= 10);
    owners.clear();
    CHECK(elements.empty());
  }
}
WEAKREF_SHOWS("set.iteration.weak") {
  three_elements t;
  auto at = t.elements.begin();
  const owner current = *at;
  CHECK(t.a.use_count() + t.b.use_count() + t.c.use_count() == 3 + 2);
  ++at;
  CHECK(current.use_count() == 2);
}
WEAKREF_SHOWS("set.refused") {
  set elements;
  CHECK_THROWS_AS(elements.add(std::make_shared<thing>()), weakref::untracked_error);
  CHECK_THROWS_AS(elements.add(nullptr), weakref::untracked_error);
  CHECK(elements.empty());
}
WEAKREF_SHOWS("set.threads") {
  set elements;
  storm([&](const owner& mine) { elements.add(mine); },
        [&](const owner& mine) { return elements.contains(mine); }, [&] { return elements.size(); });
}

// -- Nothing is missing: the last case of the file ------------------------------------------------

TEST_CASE("conformance table: a case for each row that holds, and each of them has run") {
  // In another order the others may come later: then a case that has not begun yet proves nothing.
  const bool is_last = doctest::getContextOptions()->order_by == "file";
  std::size_t missing = 0;
  for (const row& each : table) {
    if (each.here != holds) continue;
    const std::string name = "conformance: " + std::string(each.name);
    const bool has_run = started.find(name) != started.end();
    CAPTURE(name);
    CHECK((has_run || !is_last || skipped.find(name) != skipped.end())); // skipped: a filter was given
    if (!has_run) ++missing;
  }
  CHECK((missing == 0 || !is_last || !skipped.empty()));
}

} // namespace
