// SPDX-License-Identifier: BSL-1.0
// Random scripts, run on two dictionaries and on two std::maps that are told of every death by hand. "An
// owner is dropped" is a command like any other. A failure names seed and step; the script of a seed is
// always the same.
#include <weakref/weak_value_dictionary.hpp>

#include "../support/dictionary_keys.hpp"
#include "../support/dictionary_mutex.hpp"
#include "../support/dictionary_objects.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace dictionary_test;

namespace {

struct Subject : counted<Subject> {
  explicit Subject(int start) : serial(start) {}
  int serial;
};

struct OwnSubject : weakref::enable_weakref, Subject {
  using Subject::Subject;
};

struct broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void expect(bool truth, const char* what) {
  if (!truth) throw broken(what);
}

// What a key of the dictionary under test looks like, and its number.
template <class Key> struct keys {
  static Key make(int number) { return Key(number); }
  static int number(const Key& key) { return static_cast<int>(key); }
};
template <> struct keys<std::string> {
  static std::string make(int number) {
    // Some fit into the string itself, some need memory.
    return (number % 2 == 0 ? "k" : "a key that does not fit into the string object itself, ") +
           std::to_string(number);
  }
  static int number(const std::string& key) { return std::stoi(key.substr(key.find_first_of("0123456789"))); }
};
template <> struct keys<LoudKey> {
  static LoudKey make(int number) { return LoudKey(number); }
  static int number(const LoudKey& key) { return key.value; }
};

template <class Dictionary> class script {
  using Key = typename Dictionary::key_type;
  using T =
      typename decltype(std::declval<const Dictionary&>().get(std::declval<const Key&>()))::element_type;
  using Owner = std::shared_ptr<T>;
  // Key number to the object's serial number.
  using Model = std::map<int, int>;

  static constexpr int key_count = 24;
  static constexpr std::size_t slot_count = 12;

 public:
  script(unsigned seed, const weakref::options& wanted)
      : random_(seed), options_(wanted), real_{Dictionary(wanted), Dictionary(wanted)}, slots_(slot_count) {}

  // Empty if all went well.
  std::string run(int steps) {
    int step = 0;
    try {
      for (; step < steps; ++step) {
        one_step();
        compare();
      }
      for (Owner& slot : slots_) drop(slot);
      compare();
      return {};
    } catch (const broken& error) {
      return "step " + std::to_string(step) + ", " + command_ + ": " + error.what();
    }
  }

 private:
  int below(int limit) { return static_cast<int>(random_() % static_cast<unsigned>(limit)); }
  Owner& any_slot() { return slots_[static_cast<std::size_t>(below(static_cast<int>(slot_count)))]; }

  Owner fresh() {
    const int serial = next_serial_++;
    if constexpr (std::is_base_of_v<weakref::enable_weakref, T>)
      return std::make_shared<T>(serial);
    else if (options_.accept_untracked && below(2) == 0)
      return std::make_shared<T>(serial);
    else
      return weakref::make_tracked<T>(serial);
  }

  void forget(int serial) {
    for (const Owner& slot : slots_)
      if (slot && slot->serial == serial) return;
    for (Model& model : model_)
      std::erase_if(model, [&](const auto& entry) { return entry.second == serial; });
  }
  void drop(Owner& slot) {
    if (!slot) return;
    const int serial = slot->serial;
    slot.reset();
    forget(serial);
  }
  void put(Owner& slot, Owner owner) {
    const int old = slot ? slot->serial : -1;
    slot = std::move(owner);
    if (old >= 0) forget(old);
  }

  static int serial_of(const Model& model, int key) {
    const auto found = model.find(key);
    return found == model.end() ? -1 : found->second;
  }
  static int serial_of(const Owner& owner) { return owner ? owner->serial : -1; }

  void compare() {
    for (int which = 0; which < 2; ++which) {
      const Dictionary& real = real_[which];
      const Model& model = model_[which];
      if (options_.accept_untracked)
        expect(real.size() >= model.size(), "size() is less than the number of living entries");
      else
        expect(real.size() == model.size(), "size()");
      if (!options_.accept_untracked) expect(real.empty() == model.empty(), "empty()");
      Model seen;
      for (auto&& [key, value] : real) {
        expect(value != nullptr, "an empty owner while iterating");
        expect(seen.emplace(keys<Key>::number(key), value->serial).second, "a key twice while iterating");
      }
      expect(seen == model, "contents");
    }
    std::set<int> serials;
    for (const Owner& slot : slots_)
      if (slot) serials.insert(slot->serial);
    expect(static_cast<long>(serials.size()) == T::alive(), "an object lives that nobody owns");
  }

  void one_step() {
    const int which = below(2);
    Dictionary& real = real_[which];
    Model& model = model_[which];
    const int number = below(key_count);
    const Key key = keys<Key>::make(number);
    const int there = serial_of(model, number);
    Owner& slot = any_slot();
    switch (below(26)) {
    case 0:
    case 1:
      command_ = "make an owner";
      put(slot, fresh());
      break;
    case 2:
    case 3:
    case 4:
      command_ = "drop an owner";
      drop(slot);
      break;
    case 5:
      command_ = "copy an owner";
      put(any_slot(), slot);
      break;
    case 6: {
      command_ = "insert";
      if (!slot) put(slot, fresh());
      const auto [owner, stored] = real.insert(key, slot);
      expect(stored == (serial_of(model, number) < 0), "whether it was stored");
      if (stored) model[number] = slot->serial;
      expect(serial_of(owner) == serial_of(model, number), "what is stored");
      break;
    }
    case 7:
    case 8: {
      command_ = "insert_or_assign";
      if (!slot) put(slot, fresh());
      const bool inserted = real.insert_or_assign(key, slot);
      expect(inserted == (serial_of(model, number) < 0), "whether the key was new");
      model[number] = slot->serial;
      break;
    }
    case 9: {
      command_ = "setdefault";
      if (!slot) put(slot, fresh());
      const Owner owner = real.setdefault(key, slot);
      model.emplace(number, slot->serial);
      expect(serial_of(owner) == serial_of(model, number), "what is stored");
      break;
    }
    case 10: {
      command_ = "try_emplace";
      const int serial = next_serial_++;
      auto [owner, stored] = real.try_emplace(key, serial);
      expect(stored == (there < 0), "whether it was stored");
      expect(serial_of(owner) == (there < 0 ? serial : there), "what is stored");
      if (stored) model[number] = serial;
      put(slot, std::move(owner));
      break;
    }
    case 11:
    case 12:
      create(real, model, number, key, slot);
      break;
    case 13: {
      command_ = "get";
      Owner found = real.get(key);
      expect(serial_of(found) == there, "what is there");
      found = real.get(key, slot);
      expect(serial_of(found) == (there < 0 ? serial_of(slot) : there), "what is there, or the default");
      break;
    }
    case 14: {
      command_ = "contains, at, visit";
      expect(real.contains(key) == (there >= 0), "contains");
      bool visited = false;
      const bool was_visited = real.visit(key, [&](T& found) { visited = found.serial == there; });
      expect(was_visited == (there >= 0) && visited == was_visited, "visit");
      int at = -1;
      try {
        at = real.at(key)->serial;
      } catch (const std::out_of_range&) {}
      expect(at == there, "at");
      break;
    }
    case 15: {
      command_ = "pop";
      Owner taken = below(2) == 0 ? real.pop(key) : real.pop(key, slot);
      model.erase(number);
      expect(there < 0 || serial_of(taken) == there, "what was there");
      break;
    }
    case 16: {
      command_ = "popitem";
      try {
        const auto [taken, owner] = real.popitem();
        const int taken_number = keys<Key>::number(taken);
        expect(serial_of(model, taken_number) == serial_of(owner) && owner != nullptr, "what was taken");
        model.erase(taken_number);
      } catch (const std::out_of_range&) {
        expect(model.empty(), "refused although something is there");
      }
      break;
    }
    case 17:
      command_ = "erase";
      expect(real.erase(key) == (there >= 0), "whether something was there");
      model.erase(number);
      break;
    case 18: {
      command_ = "erase_if";
      const int rest = below(5);
      const auto erased = real.erase_if([&](const Key& each, const Owner& owner) {
        expect(owner != nullptr, "a predicate got nothing");
        return keys<Key>::number(each) % 5 == rest;
      });
      expect(erased == std::erase_if(model, [&](const auto& entry) { return entry.first % 5 == rest; }),
             "how many");
      break;
    }
    case 19:
      if (below(4) != 0) break;
      command_ = "clear";
      real.clear();
      model.clear();
      break;
    case 20:
      whole(which);
      break;
    case 21:
      iterate(real, model);
      break;
    case 22:
      command_ = "kill inside visit";
      if (there < 0) break;
      real.visit(key, [&](T& found) {
        for (Owner& each : slots_)
          if (each && each->serial == there) each.reset();
        expect(found.serial == there, "the visited object is whole");
      });
      forget(there);
      break;
    case 23: {
      command_ = "==";
      expect((real_[0] == real_[1]) == (model_[0] == model_[1]), "equality");
      break;
    }
    case 24:
      command_ = "reserve";
      real.reserve(static_cast<std::size_t>(below(200)));
      break;
    default: {
      command_ = "bad pointers";
      bool refused = false;
      try {
        real.insert(key, nullptr);
      } catch (const std::invalid_argument&) {
        refused = true;
      }
      expect(refused, "null was accepted");
    }
    }
  }

  void create(Dictionary& real, Model& model, int number, const Key& key, Owner& slot) {
    const int there = serial_of(model, number);
    const int serial = next_serial_++;
    bool ran = false;
    Owner owner;
    const int kind = below(6);
    switch (kind) {
    case 0:
      command_ = "get_or_create by value";
      owner = real.get_or_create(key, [&] {
        ran = true;
        return T(serial);
      });
      break;
    case 1:
      command_ = "get_or_create by unique_ptr";
      owner = real.get_or_create(key, [&](const Key& given) {
        ran = keys<Key>::number(given) == number;
        return std::make_unique<T>(serial);
      });
      break;
    case 2:
      command_ = "get_or_create by shared_ptr";
      owner = real.get_or_create(key, [&] {
        ran = true;
        return std::make_shared<T>(serial);
      });
      break;
    case 3:
      command_ = "get_or_create without result";
      owner = real.get_or_create(key, [&] {
        ran = true;
        return std::unique_ptr<T>();
      });
      break;
    case 4:
      command_ = "get_or_create that throws";
      try {
        owner = real.get_or_create(key, [&]() -> T {
          ran = true;
          throw std::domain_error("no");
        });
      } catch (const std::domain_error&) {}
      break;
    default:
      command_ = "get_or_create whose factory inserts";
      if (!slot) put(slot, fresh());
      owner = real.get_or_create(key, [&] {
        ran = true;
        real.insert(key, slot);
        real.erase(keys<Key>::make((number + 1) % key_count));
        return T(serial);
      });
      if (ran) {
        model[number] = slot->serial;
        model.erase((number + 1) % key_count);
      }
      expect(serial_of(owner) == serial_of(model, number), "the entry stored meanwhile");
      return;
    }
    expect(ran == (there < 0), "whether the factory ran");
    if (there >= 0)
      expect(serial_of(owner) == there, "what was there");
    else if (kind < 3) {
      expect(serial_of(owner) == serial, "what was made");
      model[number] = serial;
    } else
      expect(owner == nullptr, "nothing was made");
    if (owner) put(slot, std::move(owner));
  }

  // Operations on both dictionaries.
  void whole(int which) {
    Dictionary& real = real_[which];
    Dictionary& other = real_[1 - which];
    Model& model = model_[which];
    Model& other_model = model_[1 - which];
    const auto merge = [](Model& into, const Model& from) {
      for (const auto& [key, serial] : from) into[key] = serial;
    };
    switch (below(8)) {
    case 0:
      command_ = "copy assignment";
      real = other;
      model = other_model;
      break;
    case 1:
      command_ = "copy and move";
      {
        Dictionary copy(real);
        real = std::move(copy);
      }
      break;
    case 2:
      command_ = "move assignment";
      real = std::move(other);
      model = std::move(other_model);
      other_model.clear();
      break;
    case 3:
      command_ = "swap";
      real.swap(other);
      model.swap(other_model);
      break;
    case 4:
      command_ = "update";
      real.update(other);
      merge(model, other_model);
      break;
    case 5:
      command_ = "|=";
      real |= other;
      merge(model, other_model);
      break;
    case 6: {
      command_ = "|";
      real = real | other;
      merge(model, other_model);
      break;
    }
    default: {
      command_ = "update with pairs";
      std::vector<std::pair<Key, Owner>> pairs;
      for (int count = below(4); count > 0; --count) {
        Owner& slot = any_slot();
        if (!slot) put(slot, fresh());
        const int number = below(key_count);
        pairs.emplace_back(keys<Key>::make(number), slot);
        model[number] = slot->serial;
      }
      // A slot filled above may have let go of an object that an earlier pair names.
      real.update(pairs);
    }
    }
  }

  // Changes of all kinds within a loop: what is untouched is seen exactly once.
  void iterate(Dictionary& real, Model& model) {
    command_ = "changes while iterating";
    std::map<int, int> seen;
    std::set<int> touched;
    const Model before = model;
    int budget = 40;
    for (auto&& [key, value] : real) {
      ++seen[keys<Key>::number(key)];
      expect(value != nullptr, "an empty owner");
      if (--budget < 0) break;
      const int number = below(key_count);
      switch (below(5)) {
      case 0:
        real.erase(keys<Key>::make(number));
        model.erase(number);
        touched.insert(number);
        break;
      case 1: {
        Owner& slot = any_slot();
        if (!slot || slot == value) break;
        real.insert_or_assign(keys<Key>::make(number), slot);
        model[number] = slot->serial;
        touched.insert(number);
        break;
      }
      case 2: {
        Owner& slot = any_slot();
        // The cursor holds the current object; the model knows only of slots.
        if (!slot || slot == value) break;
        const int serial = slot->serial;
        drop(slot);
        for (const auto& [each, old] : before)
          if (old == serial) touched.insert(each);
        break;
      }
      case 3:
        real.reserve(static_cast<std::size_t>(below(400)));
        break;
      default:
        expect(real.contains(keys<Key>::make(number)) == model.contains(number), "contains");
      }
    }
    if (budget < 0) return;
    for (const auto& [key, times] : seen)
      expect(times == 1 || touched.contains(key), "an entry was seen twice");
    for (const auto& [key, serial] : before)
      if (!touched.contains(key)) expect(seen.contains(key), "an entry that stayed was not seen");
  }

  std::mt19937 random_;
  weakref::options options_;
  Dictionary real_[2];
  Model model_[2];
  std::vector<Owner> slots_;
  int next_serial_ = 0;
  std::string command_;
};

template <class Dictionary> void run_scripts(const weakref::options& wanted, unsigned first_seed) {
  for (unsigned seed = first_seed; seed < first_seed + 40; ++seed) {
    const std::string failure = script<Dictionary>(seed, wanted).run(500);
    CHECK_MESSAGE(failure.empty(), "seed " << seed << ", " << failure);
    if (!failure.empty()) break;
  }
  CHECK(Subject::alive() == 0);
}

template <class Key, class T, class Hash = weakref::hash<Key>, class Mutex = weakref::adaptive_mutex>
using dictionary = weakref::WeakValueDictionary<Key, T, Hash, std::equal_to<>, std::allocator<T>, Mutex>;

} // namespace

TEST_CASE("model: integer keys") { run_scripts<dictionary<int, Subject>>({}, 1); }

TEST_CASE("model: one shard") { run_scripts<dictionary<int, Subject>>({.shards = 1}, 100); }

TEST_CASE("model: many shards") { run_scripts<dictionary<int, Subject>>({.shards = 16}, 200); }

TEST_CASE("model: string keys") { run_scripts<dictionary<std::string, Subject>>({}, 300); }

TEST_CASE("model: keys that all collide") {
  run_scripts<dictionary<int, Subject, constant_hash>>({.shards = 1}, 400);
}

TEST_CASE("model: keys that share a few hashes") {
  run_scripts<dictionary<int, Subject, crowded_hash<3>>>({}, 500);
}

TEST_CASE("model: keys whose comparison is user code") { run_scripts<dictionary<LoudKey, Subject>>({}, 600); }

TEST_CASE("model: objects tracked by their base") { run_scripts<dictionary<int, OwnSubject>>({}, 700); }

TEST_CASE("model: tracked and untracked objects together") {
  run_scripts<dictionary<int, Subject>>({.accept_untracked = true}, 800);
  run_scripts<dictionary<int, Subject, constant_hash>>({.shards = 1, .accept_untracked = true}, 900);
}

TEST_CASE("model: a dictionary for one thread") {
  run_scripts<weakref::local::WeakValueDictionary<int, Subject>>({}, 1000);
  run_scripts<weakref::local::WeakValueDictionary<std::string, OwnSubject>>({}, 1100);
}

TEST_CASE("model: a mutex of the application's own") {
  const long nested = watched_mutex::nested();
  run_scripts<dictionary<int, Subject, weakref::hash<int>, watched_mutex>>({.shards = 4}, 1200);
  CHECK(watched_mutex::nested() == nested);
  CHECK(watched_mutex::held() == 0);
}
