// SPDX-License-Identifier: BSL-1.0
//
// Three WeakSets beside three std::maps. By identity the models are keyed by serial number, by value by kind; what
// they map to is the object that is in the set, which by value need not be the one last added.
#ifndef WEAKREF_TESTS_PROPERTY_SET_SCRIPT_HPP
#define WEAKREF_TESTS_PROPERTY_SET_SCRIPT_HPP

#include "hostile.hpp"
#include "script.hpp"

#include <weakref/weak_set.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace model {

template <class Set> class set_script final : public referents_script<Set> {
  using base = referents_script<Set>;
  using base::any_owner, base::any_slot, base::below, base::by_value, base::command_, base::drop,
      base::expect;
  using base::key_of, base::serial_of, base::slots_, base::use_owners;
  using typename base::Owner, typename base::T;
  using Model = std::map<int, int>;

 public:
  set_script(std::span<const unsigned char> script, const weakref::options& wanted)
      : base(script, wanted), real_{Set(wanted), Set(wanted), Set(wanted)} {}

 private:
  void forget(int serial) override { forget_in(model_, serial); }
  std::size_t entries_of(int serial) const override { return entries_in(model_, serial); }
  static int element_of(const Model& model, int key) {
    const auto found = model.find(key);
    return found == model.end() ? -1 : found->second;
  }

  // Set algebra on models, in the words of the documentation.
  static Model united(Model left, const Model& right) {
    left.insert(right.begin(), right.end());
    return left;
  }
  static Model common(Model left, const Model& right) {
    std::erase_if(left, [&](const auto& each) { return !right.contains(each.first); });
    return left;
  }
  static Model without(Model left, const Model& right) {
    std::erase_if(left, [&](const auto& each) { return right.contains(each.first); });
    return left;
  }
  static bool is_within(const Model& left, const Model& right) {
    return std::all_of(left.begin(), left.end(),
                       [&](const auto& each) { return right.contains(each.first); });
  }

  void compare() override {
    expect(!comparison_hook::has_seen_the_dead, "a dead element was hashed or compared");
    for (int which = 0; which < 3; ++which) compare_with(real_[which], model_[which]);
    this->compare_owners();
  }
  void compare_with(const Set& real, const Model& model) {
    this->compare_size(real, model);
    Model seen;
    std::multiset<int> referred, wanted;
    for (const Owner& each : real) {
      expect(each != nullptr, "an empty owner while iterating");
      if (this->has_failed()) return;
      expect(seen.emplace(key_of(*each), each->serial).second, "an element twice while iterating");
    }
    expect(seen == model, "elements");
    for (const auto& each : real.refs()) referred.insert(serial_of(each()));
    for (const auto& each : model) wanted.insert(each.second);
    expect(referred == wanted, "refs()");
    for (const Owner& each : slots_)
      if (each) expect(serial_of(real.get(each)) == element_of(model, key_of(*each)), "what get finds");
  }

  void one_step() override {
    const int which = below(3);
    Set& real = real_[which];
    Model& model = model_[which];
    const int command = below(32);
    Owner& slot = any_slot();
    if (command < 6)
      use_owners(command, slot);
    else if (command < 16)
      elements(real, model, command, any_owner());
    else if (command < 21)
      others(real, model, command);
    else if (command < 27)
      algebra(real, model, below(36));
    else if (command < 29)
      compared(which, below(3));
    else
      whole(which, below(3));
  }

  void elements(Set& real, Model& model, int command, const Owner& slot) {
    const int key = key_of(*slot);
    const int there = element_of(model, key);
    switch (command) {
    case 6:
    case 7:
    case 8:
      command_ = "add";
      expect(real.add(slot) == (there < 0), "whether it was added");
      model.try_emplace(key, slot->serial);
      break;
    case 9:
      command_ = "get_or_add";
      model.try_emplace(key, slot->serial);
      expect(serial_of(real.get_or_add(slot)) == element_of(model, key), "what is in the set now");
      break;
    case 10: {
      command_ = "contains and get";
      expect(real.contains(slot) == (there >= 0), "by owner");
      expect(real.contains(*slot) == (there >= 0), "by reference");
      expect(real.contains(slot.get()) == (there >= 0), "by pointer");
      expect(serial_of(real.get(*slot)) == there, "get");
      expect(!real.contains(Owner()), "null was found");
      const T stranger(slot->serial);
      expect(serial_of(real.get(stranger)) == (by_value ? there : -1), "by a stranger that is equal");
      break;
    }
    case 11:
      command_ = "discard";
      expect(real.discard(slot) == (there >= 0), "whether it was there");
      model.erase(key);
      break;
    case 12:
      command_ = "remove";
      try {
        real.remove(*slot);
        expect(there >= 0, "removed although it was not there");
      } catch (const std::out_of_range&) {
        expect(there < 0, "refused although it was there");
      }
      model.erase(key);
      break;
    case 13:
      command_ = "pop";
      try {
        const Owner taken = real.pop();
        expect(taken != nullptr, "nothing was taken");
        if (taken == nullptr) break;
        expect(element_of(model, key_of(*taken)) == taken->serial, "what was taken");
        model.erase(key_of(*taken));
      } catch (const std::out_of_range&) {
        expect(model.empty(), "refused although something is there");
      }
      break;
    default:
      if constexpr (by_value)
        hostile_comparison(real, model, slot);
      else
        expect(real.erase(slot.get()) == (model.erase(key) == 1), "erase");
    }
  }

  // Only elements of another kind than the one asked for are killed: so what the operation finds is known.
  void hostile_comparison(Set& real, Model& model, const Owner& slot) {
    const Owner asked = slot;
    const int key = key_of(*asked);
    Owner& victim = any_slot();
    const bool throws = below(3) == 0;
    const auto in_comparison = [&] {
      if (throws) throw std::domain_error("compared");
      if (victim && key_of(*victim) != key) this->drop_all(victim->serial);
    };
    this->run_hostile(in_comparison, [&] {
      if (below(2) == 0) {
        command_ = "add, with a hostile comparison";
        const bool is_added = real.add(asked);
        expect(is_added == model.try_emplace(key, asked->serial).second, "whether it was added");
      } else {
        command_ = "discard, with a hostile comparison";
        const bool was_there = real.discard(asked);
        expect(was_there == (model.erase(key) == 1), "whether it was there");
      }
    });
  }

  void others(Set& real, Model& model, int command) {
    switch (command) {
    case 16: {
      command_ = "erase_if";
      const int rest = below(3);
      expect(real.erase_if([&](const Owner& each) { return each->serial % 3 == rest; }) ==
                 std::erase_if(model, [&](const auto& each) { return each.second % 3 == rest; }),
             "how many");
      break;
    }
    case 17:
      if (below(3) != 0) break;
      command_ = "clear";
      real.clear();
      model.clear();
      break;
    case 18:
      command_ = "reserve";
      real.reserve(static_cast<std::size_t>(below(300)));
      break;
    case 19:
      iterate(real, model);
      break;
    default: {
      command_ = "update with owners";
      std::vector<Owner> owners;
      for (int count = below(6); count > 0; --count) owners.push_back(any_owner());
      const bool fails = below(4) == 0;
      if (fails) owners.push_back(nullptr);
      expect(refused<std::invalid_argument>([&] { real.update(owners); }) == fails, "whether it is refused");
      if (fails) break;
      for (const Owner& each : owners) model.try_emplace(key_of(*each), each->serial);
    }
    }
  }

  void iterate(Set& real, Model& model) {
    command_ = "changes while iterating";
    const Model before = model;
    std::multiset<int> seen;
    std::set<int> touched;
    for (const Owner& element : real) {
      seen.insert(key_of(*element));
      Owner& slot = any_slot();
      if (!slot || slot == element) continue;
      touched.insert(key_of(*slot));
      switch (below(3)) {
      case 0:
        real.discard(slot);
        model.erase(key_of(*slot));
        break;
      case 1:
        if (seen.size() > 40) break; // or it could go on for ever
        real.add(slot);
        model.try_emplace(key_of(*slot), slot->serial);
        break;
      default:
        drop(slot);
      }
    }
    this->compare_seen(seen, touched, before);
  }

  // With another set, with itself, or with a range of the other one's owners.
  void algebra(Set& real, Model& model, int choice) {
    const int with = choice % 3;
    const Set& other = real_[with];
    const Model right = model_[with];
    const Model left = model;
    std::vector<Owner> owners;
    for (const Owner& each : other) owners.push_back(each);
    switch (choice / 3) {
    case 0:
      command_ = "union";
      real = real | other;
      model = united(left, right);
      break;
    case 1:
      command_ = "|= with owners";
      real |= owners;
      model = united(left, right);
      break;
    case 2:
      command_ = "intersection";
      real = real & other;
      model = common(left, right);
      break;
    case 3:
      command_ = "&=";
      real &= other;
      model = common(left, right);
      break;
    case 4:
      command_ = "&= with owners";
      real &= owners;
      model = common(left, right);
      break;
    case 5:
      command_ = "difference";
      real = real.difference(owners);
      model = without(left, right);
      break;
    case 6:
      command_ = "-=";
      real -= other;
      model = without(left, right);
      break;
    case 7:
      command_ = "symmetric difference";
      real = real ^ other;
      model = united(without(left, right), without(right, left));
      break;
    case 8:
      command_ = "^=";
      real ^= other;
      model = united(without(left, right), without(right, left));
      break;
    case 9:
      command_ = "^= with owners";
      real ^= owners;
      model = united(without(left, right), without(right, left));
      break;
    case 10:
      command_ = "update";
      real.update(other);
      model = united(left, right);
      break;
    default:
      command_ = "-= with owners";
      real -= owners;
      model = without(left, right);
    }
  }

  void compared(int one, int two) {
    command_ = "comparisons";
    const Set &a = real_[one], &b = real_[two];
    const Model &left = model_[one], &right = model_[two];
    const bool within = is_within(left, right), around = is_within(right, left);
    std::vector<Owner> owners;
    for (const Owner& each : b) owners.push_back(each);
    expect((a == b) == (within && around), "==");
    expect((a <= b) == within && a.issubset(owners) == within, "subset");
    expect((a >= b) == around && a.issuperset(owners) == around, "superset");
    expect((a < b) == (within && !around), "proper subset");
    expect((a > b) == (around && !within), "proper superset");
    expect(a.isdisjoint(b) == common(left, right).empty(), "disjoint");
  }

  void whole(int one, int two) {
    Set& real = real_[one];
    Set& other = real_[two];
    switch (below(4)) {
    case 0:
      command_ = "copy assignment";
      real = std::as_const(other);
      model_[one] = Model(model_[two]);
      break;
    case 1: {
      command_ = "copy and move";
      Set copy(other);
      real = std::move(copy);
      model_[one] = Model(model_[two]);
      expect(copy.empty(), "a moved-from set is not empty");
      break;
    }
    case 2:
      if (one == two) break;
      command_ = "move assignment";
      real = std::move(other);
      model_[one] = std::exchange(model_[two], {});
      break;
    default:
      command_ = "swap";
      swap(real, other);
      if (one != two) model_[one].swap(model_[two]);
    }
  }

  Set real_[3];
  Model model_[3];
};

} // namespace model

#endif
