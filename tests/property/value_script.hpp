// SPDX-License-Identifier: BSL-1.0
//
// Two WeakValueDictionaries beside two std::maps from key number to serial number.
#ifndef WEAKREF_TESTS_PROPERTY_VALUE_SCRIPT_HPP
#define WEAKREF_TESTS_PROPERTY_VALUE_SCRIPT_HPP

#include "script.hpp"

#include "../support/dictionary_keys.hpp"

#include <weakref/weak_value_dictionary.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace model {

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
template <> struct keys<dictionary_test::LoudKey> {
  static dictionary_test::LoudKey make(int number) { return dictionary_test::LoudKey(number); }
  static int number(const dictionary_test::LoudKey& key) { return key.value; }
};

/// Few keys, so that commands meet; everything is compared after each.
struct few_keys {
  static constexpr int keys = 24;
  static constexpr int slots = 12;
  static constexpr int longest_run = 4;
  static constexpr int compared_every = 1;
};
/// So many that tables grow and the dictionary splits.
struct many_keys {
  static constexpr int keys = 3000;
  static constexpr int slots = 2000;
  static constexpr int longest_run = 200;
  static constexpr int compared_every = 8;
};

template <class Dictionary, class Scale = few_keys>
class value_script final
    : public owners_script<typename std::remove_reference_t<decltype(*std::declval<const Dictionary&>().get(
          std::declval<const typename Dictionary::key_type&>()))>> {
  using Key = typename Dictionary::key_type;
  using T =
      std::remove_reference_t<decltype(*std::declval<const Dictionary&>().get(std::declval<const Key&>()))>;
  using base = owners_script<T>;
  using base::any_owner, base::any_slot, base::below, base::command_, base::drop, base::expect, base::fresh;
  using base::next_serial_, base::put, base::serial_of, base::slots_;
  using typename base::Owner;
  // Key number to the object's serial number.
  using Model = std::map<int, int>;

 public:
  value_script(std::span<const unsigned char> script, const weakref::options& wanted)
      : base(script, wanted, Scale::slots), real_{Dictionary(wanted), Dictionary(wanted)} {}

 private:
  void forget(int serial) override { forget_in(model_, serial); }
  std::size_t entries_of(int serial) const override { return entries_in(model_, serial); }

  static int there_in(const Model& model, int number) {
    const auto found = model.find(number);
    return found == model.end() ? -1 : found->second;
  }
  static int any_key_after(int number) { return (number + 1) % Scale::keys; }

  void compare() override {
    if (steps_++ % Scale::compared_every == 0) compare_all();
  }
  void compare_all() {
    for (int which = 0; which < 2; ++which) {
      const Dictionary& real = real_[which];
      const Model& model = model_[which];
      this->compare_size(real, model);
      Model seen;
      for (auto&& [key, value] : real) {
        expect(value != nullptr, "an empty owner while iterating");
        expect(seen.emplace(keys<Key>::number(key), serial_of(value)).second, "a key twice while iterating");
      }
      expect(seen == model, "contents");
      if (Scale::compared_every != 1) continue;
      for (int number = 0; number < Scale::keys; ++number)
        expect(serial_of(real.get(keys<Key>::make(number))) == there_in(model, number), "what get finds");
      compare_views(real, model);
    }
    if (Scale::compared_every == 1) this->compare_owners();
  }
  void compare_views(const Dictionary& real, const Model& model) {
    std::set<int> numbers;
    std::multiset<int> serials, referred, wanted;
    for (const Key& key : real.keys()) numbers.insert(keys<Key>::number(key));
    for (const Owner& value : real.values()) serials.insert(serial_of(value));
    for (const auto& each : real.valuerefs()) referred.insert(serial_of(each()));
    for (const auto& [number, serial] : model) {
      wanted.insert(serial);
      expect(numbers.contains(number), "keys()");
    }
    expect(numbers.size() == model.size(), "keys()");
    expect(serials == wanted, "values()");
    expect(referred == wanted, "valuerefs()");
  }

  void one_step() override {
    const int which = below(2);
    Dictionary& real = real_[which];
    Model& model = model_[which];
    const int command = below(32);
    const int number = below(Scale::keys);
    const Key key = keys<Key>::make(number);
    Owner& slot = any_slot();
    if (command < 6)
      this->use_owners(command, slot);
    else if (command == 6)
      store_run(real, model, number);
    else if (command == 7)
      drop_run(number);
    else if (command < 15)
      store(real, model, command, number, key, slot);
    else if (command < 23)
      look_or_take(real, model, command, number, key, slot);
    else
      others(real, model, command, which, number, key, slot);
  }

  void store_run(Dictionary& real, Model& model, int number) {
    command_ = "store a run";
    const int end = std::min(number + below(Scale::longest_run), Scale::keys);
    for (; number < end; ++number) {
      Owner& each = any_slot();
      put(each, fresh());
      real.insert_or_assign(keys<Key>::make(number), each);
      model[number] = each->serial;
    }
  }
  void drop_run(int number) {
    command_ = "drop a run";
    const int first = number % Scale::slots;
    const int end = std::min(first + below(Scale::longest_run), Scale::slots);
    for (int i = first; i < end; ++i) drop(slots_[static_cast<std::size_t>(i)]);
  }

  void store(Dictionary& real, Model& model, int command, int number, const Key& key, Owner& slot) {
    const int there = there_in(model, number);
    switch (command) {
    case 8: {
      command_ = "insert";
      if (!slot) put(slot, fresh());
      const auto [owner, stored] = real.insert(key, slot);
      const int now = there_in(model, number);
      expect(stored == (now < 0), "whether it was stored");
      if (now < 0) model[number] = slot->serial;
      expect(serial_of(owner) == there_in(model, number), "what is stored");
      break;
    }
    case 9:
    case 10: {
      command_ = "insert_or_assign";
      if (!slot) put(slot, fresh());
      const bool inserted = real.insert_or_assign(key, slot);
      expect(inserted == !model.contains(number), "whether the key was new");
      model[number] = slot->serial;
      break;
    }
    case 11: {
      command_ = "setdefault";
      if (!slot) put(slot, fresh());
      const Owner owner = real.setdefault(key, slot);
      model.emplace(number, slot->serial);
      expect(serial_of(owner) == there_in(model, number), "what is stored");
      break;
    }
    case 12: {
      command_ = "try_emplace";
      const int serial = next_serial_++;
      auto [owner, stored] = real.try_emplace(key, serial);
      expect(stored == (there < 0), "whether it was stored");
      expect(serial_of(owner) == (there < 0 ? serial : there), "what is stored");
      model.emplace(number, serial);
      put(slot, std::move(owner));
      break;
    }
    default:
      create(real, model, number, key, slot);
    }
  }

  void look_or_take(Dictionary& real, Model& model, int command, int number, const Key& key, Owner& slot) {
    const int there = there_in(model, number);
    switch (command) {
    case 15: {
      command_ = "get";
      Owner found = real.get(key);
      expect(serial_of(found) == there, "what is there");
      found = real.get(key, slot);
      expect(serial_of(found) == (there < 0 ? serial_of(slot) : there), "what is there, or the default");
      break;
    }
    case 16: {
      command_ = "contains, at, visit";
      expect(real.contains(key) == (there >= 0), "contains");
      bool visited = false;
      const bool was_visited = real.visit(key, [&](T& found) { visited = found.serial == there; });
      expect(was_visited == (there >= 0) && visited == was_visited, "visit");
      int at = -1;
      try {
        at = serial_of(real.at(key));
      } catch (const std::out_of_range&) {}
      expect(at == there, "at");
      break;
    }
    case 17: {
      command_ = "pop";
      const Owner taken = real.pop(key);
      model.erase(number);
      expect(serial_of(taken) == there, "what was there");
      break;
    }
    case 18: {
      command_ = "pop or the default";
      const Owner taken = real.pop(key, slot);
      model.erase(number);
      expect(serial_of(taken) == (there < 0 ? serial_of(slot) : there), "what was there, or the default");
      break;
    }
    case 19: {
      command_ = "popitem";
      try {
        const auto [taken, owner] = real.popitem();
        const int taken_number = keys<Key>::number(taken);
        expect(owner != nullptr && there_in(model, taken_number) == serial_of(owner), "what was taken");
        model.erase(taken_number);
      } catch (const std::out_of_range&) {
        expect(model.empty(), "refused although something is there");
      }
      break;
    }
    case 20:
      command_ = "erase";
      expect(real.erase(key) == (there >= 0), "whether something was there");
      model.erase(number);
      break;
    case 21: {
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
    default:
      if (number % 4 != 0) break;
      command_ = "clear";
      real.clear();
      model.clear();
    }
  }

  void others(Dictionary& real, Model& model, int command, int which, int number, const Key& key,
              Owner& slot) {
    const int there = there_in(model, number);
    switch (command) {
    case 23:
    case 24:
      whole(which);
      break;
    case 25:
    case 26:
      iterate(real, model);
      break;
    case 27: {
      command_ = "kill inside visit";
      if (there < 0) break;
      real.visit(key, [&](T& found) {
        this->drop_all(there);
        if (slot) drop(slot); // another one, which is put off behind it
        expect(found.serial == there, "the visited object is whole");
      });
      break;
    }
    case 28:
      command_ = "==";
      expect((real_[0] == real_[1]) == (model_[0] == model_[1]), "equality");
      expect(real == std::as_const(real), "equality with itself");
      break;
    case 29:
      command_ = "reserve";
      real.reserve(static_cast<std::size_t>(number * 9));
      break;
    case 30:
      command_ = "an update that fails";
      failing_update(real, number);
      break;
    default:
      command_ = "bad pointers";
      expect(refused<std::invalid_argument>([&] { real.insert(key, nullptr); }), "null was accepted");
    }
  }

  void create(Dictionary& real, Model& model, int number, const Key& key, Owner& slot) {
    const int there = there_in(model, number);
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
        real.erase(keys<Key>::make(any_key_after(number)));
        return T(serial);
      });
      if (ran) {
        model[number] = slot->serial;
        model.erase(any_key_after(number));
      }
      expect(serial_of(owner) == there_in(model, number), "the entry stored meanwhile");
      return;
    }
    expect(ran == !model.contains(number), "whether the factory ran");
    if (there >= 0) {
      expect(serial_of(owner) == there, "what was there");
    } else if (kind < 3) {
      expect(serial_of(owner) == serial, "what was made");
      model[number] = serial;
    } else {
      expect(owner == nullptr, "nothing was made");
    }
    if (owner) put(slot, std::move(owner));
  }

  void failing_update(Dictionary& real, int number) {
    std::vector<std::pair<Key, Owner>> pairs;
    for (int count = below(4); count > 0; --count)
      pairs.emplace_back(keys<Key>::make((number + count) % Scale::keys), any_owner());
    pairs.emplace_back(keys<Key>::make(number), nullptr);
    expect(refused<std::invalid_argument>([&] { real.update(pairs); }), "null was accepted");
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
    const int command = below(9);
    if (command < 4) return this->assign_or_swap(command, real, model, other, other_model);
    switch (command) {
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
    case 6:
      command_ = "|";
      real = real | other;
      merge(model, other_model);
      break;
    case 7:
      command_ = "with itself";
      apply_to_itself(real, real);
      break;
    default: {
      command_ = "update with pairs";
      std::vector<std::pair<Key, Owner>> pairs;
      for (int count = below(4); count > 0; --count) {
        const Owner& owner = any_owner();
        pairs.emplace_back(keys<Key>::make(below(Scale::keys)), owner);
      }
      real.update(pairs);
      for (const auto& [key, owner] : pairs) model[keys<Key>::number(key)] = owner->serial;
    }
    }
  }

  // Changes of all kinds within a loop: what is untouched is seen exactly once.
  void iterate(Dictionary& real, Model& model) {
    command_ = "changes while iterating";
    std::multiset<int> seen;
    std::set<int> touched;
    const Model before = model;
    int budget = 40;
    for (auto&& [key, value] : real) {
      seen.insert(keys<Key>::number(key));
      expect(value != nullptr, "an empty owner");
      if (--budget < 0) break;
      const int number = below(Scale::keys);
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
    if (budget >= 0) this->compare_seen(seen, touched, before);
  }

  Dictionary real_[2];
  Model model_[2];
  int steps_ = 0;
};

template <class Key, class T, class Hash = weakref::hash<Key>, class Mutex = weakref::adaptive_mutex>
using value_dictionary =
    weakref::WeakValueDictionary<Key, T, Hash, std::equal_to<>, std::allocator<T>, Mutex>;

} // namespace model

#endif
