// SPDX-License-Identifier: BSL-1.0
//
// Two WeakKeyDictionaries beside two std::maps. By identity the models are keyed by serial number, by value by
// kind; an entry of a model names the object that is its key, which by value need not be the one last stored.
#ifndef WEAKREF_TESTS_PROPERTY_KEY_SCRIPT_HPP
#define WEAKREF_TESTS_PROPERTY_KEY_SCRIPT_HPP

#include "hostile.hpp"
#include "script.hpp"

#include <weakref/weak_key_dictionary.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace model {

/// A mapped value whose copy is user code.
struct Payload : dictionary_test::counted<Payload> {
  Payload(int start) : number(start) {}
  Payload(const Payload& other) : dictionary_test::counted<Payload>(other), number(other.number) {}
  Payload(Payload&& other) noexcept : number(std::exchange(other.number, -1)) {}
  Payload& operator=(const Payload&) = default;
  ~Payload() { number = -2; }
  friend bool operator==(const Payload& left, const Payload& right) { return left.number == right.number; }
  int number;
};
inline int number_of(const Payload& value) { return value.number; }
inline int number_of(int value) { return value; }

template <class Dictionary> class key_script final : public referents_script<Dictionary> {
  using Value = typename Dictionary::mapped_type;
  using base = referents_script<Dictionary>;
  using base::any_owner, base::any_slot, base::below, base::by_value, base::command_, base::drop,
      base::expect;
  using base::key_of, base::serial_of, base::slots_, base::use_owners;
  using typename base::Owner, typename base::T;
  struct Entry {
    int serial;
    int value;
  };
  using Model = std::map<int, Entry>;

 public:
  key_script(std::span<const unsigned char> script, const weakref::options& wanted)
      : base(script, wanted), real_{Dictionary(wanted), Dictionary(wanted)} {}

 private:
  void forget(int serial) override { forget_in(model_, serial); }
  std::size_t entries_of(int serial) const override { return entries_in(model_, serial); }

  static int value_in(const Model& model, int key) {
    const auto found = model.find(key);
    return found == model.end() ? -1 : found->second.value;
  }
  static int value_of(const std::optional<Value>& value) { return value ? number_of(*value) : -1; }
  int any_value() { return below(5); }
  static void assign(Model& model, const Owner& owner, int value) {
    model.try_emplace(key_of(*owner), Entry{owner->serial, value}).first->second.value = value;
  }
  static void merge(Model& into, const Model& from) {
    for (const auto& [key, entry] : from) into.try_emplace(key, entry).first->second.value = entry.value;
  }
  static bool equal(const Model& left, const Model& right) {
    if (left.size() != right.size()) return false;
    for (const auto& [key, entry] : left)
      if (value_in(right, key) != entry.value) return false;
    return true;
  }

  void compare() override {
    comparison_hook::run = nullptr;
    expect(!comparison_hook::has_seen_the_dead, "a dead key was hashed or compared");
    for (int which = 0; which < 2; ++which) compare_with(std::as_const(real_[which]), model_[which]);
    this->compare_owners();
    if constexpr (std::is_same_v<Value, Payload>)
      expect(Payload::alive() == static_cast<long>(real_[0].size() + real_[1].size()), "values that live");
  }
  void compare_with(const Dictionary& real, const Model& model) {
    this->compare_size(real, model);
    std::size_t seen = 0;
    for (auto&& [key, value] : real) {
      expect(key != nullptr, "an empty key while iterating");
      if (this->has_failed()) return;
      const auto found = model.find(key_of(*key));
      expect(found != model.end() && found->second.serial == key->serial, "a key while iterating");
      expect(value_in(model, key_of(*key)) == number_of(value), "a value while iterating");
      ++seen;
    }
    expect(seen == model.size(), "how many while iterating");
    std::set<int> serials, referred;
    for (const Owner& key : real.keys()) serials.insert(serial_of(key));
    for (const auto& each : real.keyrefs()) referred.insert(serial_of(each()));
    expect(serials.size() == model.size() && referred == serials, "keys() and keyrefs()");
    for (const Owner& each : slots_)
      if (each) expect(value_of(real.get(each)) == value_in(model, key_of(*each)), "what get finds");
  }

  void one_step() override {
    const int which = below(2);
    Dictionary& real = real_[which];
    Model& model = model_[which];
    const int command = below(30);
    Owner& slot = any_slot();
    if (command < 6)
      use_owners(command, slot);
    else if (command < 14)
      store(real, model, command, any_owner());
    else if (command < 21)
      look_or_take(real, model, command, any_owner());
    else
      others(real, model, command, which, any_owner());
  }

  void store(Dictionary& real, Model& model, int command, const Owner& slot) {
    const int value = any_value();
    const int key = key_of(*slot);
    const bool is_new = !model.contains(key);
    switch (command) {
    case 6:
      command_ = "insert";
      expect(real.insert(slot, value) == is_new, "whether it was stored");
      break;
    case 7:
    case 8:
      command_ = "insert_or_assign";
      expect(real.insert_or_assign(slot, value) == is_new, "whether the key was new");
      assign(model, slot, value);
      return;
    case 9:
      command_ = "setdefault";
      expect(number_of(real.setdefault(slot, value)) == (is_new ? value : value_in(model, key)),
             "what is stored");
      break;
    case 10:
      command_ = "try_emplace";
      expect(real.try_emplace(slot, value) == is_new, "whether it was stored");
      break;
    case 11: {
      command_ = "get_or_create";
      bool ran = false;
      const Value made = real.get_or_create(slot, [&] {
        ran = true;
        return Value(value);
      });
      expect(ran == is_new, "whether the factory ran");
      expect(number_of(made) == (is_new ? value : value_in(model, key)), "what it gives");
      break;
    }
    case 12:
      command_ = "get_or_create that throws";
      try {
        const Value there =
            real.get_or_create(slot, [](const Owner&) -> Value { throw std::domain_error("no"); });
        expect(number_of(there) == value_in(model, key), "what it gives");
      } catch (const std::domain_error&) {
        expect(is_new, "the factory ran");
      }
      return;
    default: {
      command_ = "get_or_create whose factory inserts";
      const Value made = real.get_or_create(slot, [&] {
        real.insert_or_assign(slot, value);
        return Value(value + 1);
      });
      expect(number_of(made) == (is_new ? value : value_in(model, key)), "the value stored meanwhile");
    }
    }
    model.try_emplace(key, Entry{slot->serial, value});
  }

  void look_or_take(Dictionary& real, Model& model, int command, const Owner& slot) {
    const int key = key_of(*slot);
    const int there = value_in(model, key);
    switch (command) {
    case 14: {
      command_ = "get";
      expect(value_of(real.get(slot)) == there, "by owner");
      expect(value_of(real.get(*slot)) == there, "by reference");
      expect(value_of(real.get(slot.get())) == there, "by pointer");
      expect(number_of(real.get(slot, 77)) == (there < 0 ? 77 : there), "or the default");
      expect(!real.get(static_cast<const T*>(nullptr)) && !real.contains(Owner()), "null was found");
      const T stranger(slot->serial);
      expect(value_of(real.get(stranger)) == (by_value ? there : -1), "by a stranger that is equal");
      // The same address under another owner: by identity that is somebody else.
      const Owner other(std::make_shared<int>(0), slot.get());
      expect(value_of(real.get(other)) == (by_value ? there : -1), "by another owner of the address");
      break;
    }
    case 15: {
      command_ = "contains, at, visit";
      expect(real.contains(slot) == (there >= 0) && real.contains(*slot) == (there >= 0), "contains");
      int visited = -1;
      const bool was_visited =
          std::as_const(real).visit(slot, [&](const Value& v) { visited = number_of(v); });
      expect(was_visited == (there >= 0) && visited == there, "visit");
      int at = -1;
      try {
        at = number_of(real.at(slot));
      } catch (const std::out_of_range&) {}
      expect(at == there, "at");
      break;
    }
    case 16: {
      command_ = "change a value in its place";
      const int value = any_value();
      expect(real.visit(slot.get(), [&](Value& v) { v = Value(value); }) == (there >= 0), "visit");
      if (there >= 0) model.find(key)->second.value = value;
      break;
    }
    case 17:
      command_ = "pop";
      expect(value_of(real.pop(slot)) == there, "what was there");
      model.erase(key);
      break;
    case 18:
      command_ = "pop or the default";
      expect(number_of(real.pop(*slot, 78)) == (there < 0 ? 78 : there), "what was there, or the default");
      model.erase(key);
      break;
    case 19:
      command_ = "popitem";
      try {
        const auto [taken, value] = real.popitem();
        expect(taken != nullptr && value_in(model, key_of(*taken)) == number_of(value), "what was taken");
        expect(taken == nullptr || model.erase(key_of(*taken)) == 1, "what was taken");
      } catch (const std::out_of_range&) {
        expect(model.empty(), "refused although something is there");
      }
      break;
    default:
      command_ = "erase";
      expect(real.erase(slot.get()) == (there >= 0), "whether something was there");
      model.erase(key);
    }
  }

  void others(Dictionary& real, Model& model, int command, int which, const Owner& slot) {
    switch (command) {
    case 21: {
      command_ = "erase_if";
      const int rest = below(5);
      const auto by_its_value = [&](const Owner&, const Value& value) { return number_of(value) == rest; };
      const auto by_its_key = [&](const Owner& key) { return key->serial % 5 == rest; };
      if (below(2) == 0) {
        expect(real.erase_if(by_its_value) ==
                   std::erase_if(model, [&](const auto& each) { return each.second.value == rest; }),
               "how many by value");
      } else {
        expect(real.erase_if(by_its_key) ==
                   std::erase_if(model, [&](const auto& each) { return each.second.serial % 5 == rest; }),
               "how many by key");
      }
      break;
    }
    case 22:
      if (below(3) != 0) break;
      command_ = "clear";
      real.clear();
      model.clear();
      break;
    case 23:
    case 24:
      whole(which);
      break;
    case 25:
      iterate(real, model);
      break;
    case 26:
      kill_inside_visit(real, model, slot);
      break;
    case 27:
    case 28:
      if constexpr (by_value) hostile_comparison(real, model, slot);
      break;
    default: {
      command_ = "reserve, == and bad pointers";
      real.reserve(static_cast<std::size_t>(below(200)));
      expect((real_[0] == real_[1]) == equal(model_[0], model_[1]), "equality");
      expect(refused<std::invalid_argument>([&] { real.insert_or_assign(nullptr, 1); }), "null was accepted");
    }
    }
  }

  // Of the object whose entry is looked at, and of another one behind it.
  void kill_inside_visit(Dictionary& real, Model& model, const Owner& slot) {
    command_ = "kill inside visit";
    const auto found = model.find(key_of(*slot));
    if (found == model.end()) return;
    const Entry entry = found->second;
    const Owner asked = slot; // by value the key may be another object; this one stays
    Owner& other = any_slot();
    const bool is_visited = real.visit(asked, [&](Value& value) {
      for (Owner& each : slots_)
        if (each && each != asked && each->serial == entry.serial) drop(each);
      if (other && other != asked) drop(other);
      expect(number_of(value) == entry.value, "the visited value is whole");
      expect(refused<std::logic_error>([&] { static_cast<void>(real_[1].contains(asked)); }),
             "a container was used under a lock");
    });
    expect(is_visited, "visit");
  }

  // Only objects of another kind than the one asked for are killed: so what the operation finds is known.
  void hostile_comparison(Dictionary& real, Model& model, const Owner& slot) {
    const Owner asked = slot;
    const int key = key_of(*asked);
    Owner& victim = any_slot();
    const int deed = below(3);
    const int value = any_value();
    const auto in_comparison = [&] {
      switch (deed) {
      case 0:
        if (victim && key_of(*victim) != key) this->drop_all(victim->serial);
        break;
      case 1:
        static_cast<void>(real_[0].size()); // allowed: no lock
        expect(refused<std::logic_error>([&] { real_[1].clear(); }), "a container was used under a lock");
        break;
      default:
        throw std::domain_error("compared");
      }
    };
    this->run_hostile(in_comparison, [&] {
      bool is_right = true;
      switch (below(5)) {
      case 0: {
        command_ = "get, with a hostile comparison";
        const auto found = real.get(asked);
        is_right = value_of(found) == value_in(model, key);
        break;
      }
      case 1: {
        command_ = "insert_or_assign, with a hostile comparison";
        const bool is_new = real.insert_or_assign(asked, value);
        is_right = is_new == !model.contains(key);
        assign(model, asked, value);
        break;
      }
      case 2: {
        command_ = "insert, with a hostile comparison";
        const bool is_new = real.insert(asked, value);
        is_right = is_new == !model.contains(key);
        model.try_emplace(key, Entry{asked->serial, value});
        break;
      }
      case 3: {
        command_ = "pop, with a hostile comparison";
        const auto taken = real.pop(asked);
        is_right = value_of(taken) == value_in(model, key);
        model.erase(key);
        break;
      }
      default: {
        command_ = "visit, with a hostile comparison";
        const bool is_visited = real.visit(asked, [](Value&) {});
        is_right = is_visited == model.contains(key);
      }
      }
      expect(is_right, "the result");
    });
  }

  void whole(int which) {
    Dictionary& real = real_[which];
    Dictionary& other = real_[1 - which];
    Model& model = model_[which];
    Model& other_model = model_[1 - which];
    const int command = below(8);
    if (command < 4) return this->assign_or_swap(command, real, model, other, other_model);
    switch (command) {
    case 4:
      command_ = "|=";
      real |= other;
      merge(model, other_model);
      break;
    case 5:
      command_ = "|";
      real = other | real;
      {
        Model merged = other_model;
        merge(merged, model);
        model = merged;
      }
      break;
    case 6:
      command_ = "with itself";
      apply_to_itself(real, real);
      break;
    default: {
      command_ = "update with pairs";
      std::vector<std::pair<Owner, Value>> pairs;
      for (int count = below(5); count > 0; --count) {
        const Owner& owner = any_owner();
        pairs.emplace_back(owner, any_value());
      }
      const bool fails = below(4) == 0;
      if (fails) pairs.emplace_back(nullptr, 0);
      expect(refused<std::invalid_argument>([&] { real.update(pairs); }) == fails, "whether it is refused");
      if (fails) break;
      for (const auto& [key, value] : pairs) assign(model, key, number_of(value));
    }
    }
  }

  // Changes of all kinds within a loop: an entry that stays is seen exactly once.
  void iterate(Dictionary& real, Model& model) {
    command_ = "changes while iterating";
    std::multiset<int> seen;
    std::set<int> touched;
    const Model before = model;
    int budget = 30;
    bool is_complete = true;
    for (auto&& [key, value] : real) {
      seen.insert(key_of(*key));
      if (--budget < 0) {
        is_complete = false;
        break;
      }
      Owner& slot = any_slot();
      if (!slot || slot == key) continue;
      touched.insert(key_of(*slot));
      switch (below(4)) {
      case 0:
        real.erase(slot);
        model.erase(key_of(*slot));
        break;
      case 1: {
        const int changed = any_value();
        // Not under the key that the cursor holds: should its owner go meanwhile, only the cursor keeps it.
        if (key_of(*slot) == key_of(*key)) break;
        real.insert_or_assign(slot, changed);
        assign(model, slot, changed);
        break;
      }
      case 2:
        drop(slot);
        break;
      default:
        real.reserve(static_cast<std::size_t>(below(300)));
      }
    }
    if (is_complete) this->compare_seen(seen, touched, before);
  }

  Dictionary real_[2];
  Model model_[2];
};

template <class T, class Value> using key_dictionary = weakref::WeakKeyDictionary<T, Value>;
template <class T, class Value, class Hash>
using value_keyed_dictionary = weakref::WeakKeyDictionary<T, Value, Hash, same_kind>;

} // namespace model

#endif
