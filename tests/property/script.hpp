// SPDX-License-Identifier: BSL-1.0
//
// What all scripts have in common. A script is a sequence of bytes from which a body takes its choices, one
// after the other; when there are none left it ends. Seeded generators write scripts for the property tests,
// libFuzzer writes others (tests/fuzz), and both run the same bodies: a real container beside a strong model of
// it, a std::map of serial numbers, that is told by hand of everything, also of each death.
#ifndef WEAKREF_TESTS_PROPERTY_SCRIPT_HPP
#define WEAKREF_TESTS_PROPERTY_SCRIPT_HPP

#include "../support/dictionary_objects.hpp"
#include "../support/refused.hpp"

#include <weakref/referent.hpp>
#include <weakref/weak_value_dictionary.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace model {

using support::refused;

class choices {
 public:
  explicit choices(std::span<const unsigned char> script) noexcept : rest_(script) {}
  bool are_over() const noexcept { return rest_.empty(); }
  /// From 0 to limit - 1. One byte, or two where one can't hold all.
  int below(int limit) noexcept {
    int value = byte();
    if (limit > 256) value = value * 256 + byte();
    return value % limit;
  }

 private:
  int byte() noexcept {
    if (rest_.empty()) return 0;
    const int first = rest_.front();
    rest_ = rest_.subspan(1);
    return first;
  }
  std::span<const unsigned char> rest_;
};

inline std::vector<unsigned char> random_script(unsigned seed, std::size_t length) {
  std::mt19937 random(seed);
  std::vector<unsigned char> script(length);
  for (unsigned char& each : script) each = static_cast<unsigned char>(random() >> 24);
  return script;
}

/// Referents with a serial number; `-1` in one that is looked at after its end.
struct Subject : dictionary_test::counted<Subject> {
  explicit Subject(int start) : serial(start) {}
  Subject(const Subject&) = default;
  ~Subject() { serial = -1; }
  int serial;
};
struct OwnSubject : weakref::enable_weakref, Subject {
  using Subject::Subject;
};

/// Runs a script step by step, and remembers the first thing that was not as it should be. (Nothing is thrown:
/// most checks would be inside deaths.)
class script_base {
 public:
  /// Empty if all went well.
  std::string run() {
    while (!choices_.are_over() && failure_.empty()) {
      ++step_;
      command_ = "";
      one_step();
      compare();
    }
    command_ = "the end";
    if (failure_.empty()) end();
    return failure_;
  }
  virtual ~script_base() = default;
  script_base(const script_base&) = delete;
  script_base& operator=(const script_base&) = delete;

 protected:
  explicit script_base(std::span<const unsigned char> script) : choices_(script) {}

  virtual void one_step() = 0;
  virtual void compare() = 0;
  virtual void end() = 0;

  bool is_over() const noexcept { return choices_.are_over(); }
  int below(int limit) noexcept { return choices_.below(limit); }
  void expect(bool truth, const char* what) {
    if (truth || !failure_.empty()) return;
    failure_ = "step " + std::to_string(step_) + ", " + command_ + ": " + what;
  }
  bool has_failed() const noexcept { return !failure_.empty(); }

  const char* command_ = "";

 private:
  choices choices_;
  int step_ = 0;
  std::string failure_;
};

/// A script with slots that own the objects, and nobody else does between two steps.
template <class T> class owners_script : public script_base {
 protected:
  using Owner = std::shared_ptr<T>;

  owners_script(std::span<const unsigned char> script, const weakref::options& wanted, std::size_t slots)
      : script_base(script), options_(wanted), slots_(slots) {}

  /// The object has died: out of all models with it.
  virtual void forget(int serial) = 0;
  /// How many entries of the models name the object.
  virtual std::size_t entries_of(int serial) const = 0;

  Owner& any_slot() { return slots_[static_cast<std::size_t>(below(static_cast<int>(slots_.size())))]; }
  /// A slot that is not empty.
  Owner& any_owner() {
    Owner& slot = any_slot();
    if (!slot) put(slot, fresh());
    return slot;
  }

  Owner fresh() {
    const int serial = next_serial_++;
    if (options_.accept_untracked && below(2) == 0 && !std::is_base_of_v<weakref::enable_weakref, T>)
      return std::make_shared<T>(serial);
    switch (below(4)) {
    case 0:
      return weakref::adopt(std::make_unique<T>(serial));
    case 1:
      return weakref::adopt(std::make_shared<T>(serial));
    default:
      return weakref::make_tracked<T>(serial);
    }
  }

  static int serial_of(const Owner& owner) { return owner ? owner->serial : -1; }

  void put(Owner& slot, Owner owner) {
    const int old = serial_of(slot);
    if (owner) ++owners_[owner->serial];
    slot = std::move(owner);
    if (old >= 0 && --owners_[old] == 0) {
      owners_.erase(old);
      forget(old);
    }
  }
  void drop(Owner& slot) { put(slot, nullptr); }
  /// For a death whose moment is not the last owner's going.
  void drop_all(int serial) {
    for (Owner& each : slots_)
      if (serial_of(each) == serial) drop(each);
  }

  /// Commands 0 to 5.
  void use_owners(int command, Owner& slot) {
    if (command < 2) {
      command_ = "make an owner";
      put(slot, fresh());
    } else if (command < 5) {
      command_ = "drop an owner";
      drop(slot);
    } else {
      command_ = "copy an owner";
      put(any_slot(), slot);
    }
  }

  /// Commands 0 to 3, on two dictionaries.
  template <class Dictionary, class Model>
  void assign_or_swap(int command, Dictionary& real, Model& model, Dictionary& other, Model& other_model) {
    switch (command) {
    case 0:
      command_ = "copy assignment";
      real = other;
      model = other_model;
      break;
    case 1: {
      command_ = "copy and move";
      Dictionary copy(real);
      real = std::move(copy);
      expect(copy.empty() && copy.size() == 0, "a moved-from dictionary is not empty");
      break;
    }
    case 2:
      command_ = "move assignment";
      real = std::move(other);
      model = std::exchange(other_model, {});
      break;
    default:
      command_ = "swap";
      real.swap(other);
      swap(real, other);
      real.swap(other);
      model.swap(other_model);
    }
  }

  template <class Container, class Model> void compare_size(const Container& real, const Model& model) {
    if (options_.accept_untracked) {
      expect(real.size() >= model.size(), "size() is less than the number of living entries");
    } else {
      expect(real.size() == model.size(), "size()");
      expect(real.empty() == model.empty(), "empty()");
    }
  }
  /// After a loop in which entries were changed, those `touched`: any other is seen exactly once.
  template <class Model>
  void compare_seen(const std::multiset<int>& seen, const std::set<int>& touched, const Model& before) {
    for (const int key : seen)
      expect(seen.count(key) == 1 || touched.contains(key), "an entry was seen twice");
    for (const auto& [key, entry] : before)
      expect(touched.contains(key) || seen.contains(key), "an entry that stayed was not seen");
  }
  void compare_owners() {
    expect(static_cast<long>(owners_.size()) == T::alive(), "an object lives that nobody owns");
    for (const Owner& each : slots_) {
      if (!each) continue;
      expect(each.use_count() == owners_[each->serial], "the container owns an object");
      expect(weakref::getweakrefcount(each) == (weakref::is_tracked(each) ? entries_of(each->serial) : 0),
             "watchers of an object");
    }
  }
  void end() override {
    for (Owner& slot : slots_) drop(slot);
    compare();
  }

  const weakref::options options_;
  std::vector<Owner> slots_;
  int next_serial_ = 0;

 private:
  std::map<int, int> owners_; // how many slots hold it
};

// A model maps what stands for a key to the object's serial number, or to an entry that holds it.
inline int serial_in(int entry) { return entry; }
template <class Entry> int serial_in(const Entry& entry) { return entry.serial; }

template <class Model, std::size_t count> void forget_in(Model (&models)[count], int serial) {
  for (Model& model : models)
    std::erase_if(model, [&](const auto& each) { return serial_in(each.second) == serial; });
}
template <class Model, std::size_t count> std::size_t entries_in(const Model (&models)[count], int serial) {
  std::size_t found = 0;
  for (const Model& model : models)
    for (const auto& each : model) found += serial_in(each.second) == serial ? 1 : 0;
  return found;
}

/// `same` is `real` once more.
template <class Dictionary> void apply_to_itself(Dictionary& real, const Dictionary& same) {
  real |= same;
  real = same;
  real.update(same);
}

} // namespace model

#endif
