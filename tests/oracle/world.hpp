// SPDX-License-Identifier: BSL-1.0
//
// What a script works on, but for the containers: objects, the slots that own them, refs, proxies, methods and
// finalizers, and what their callbacks do. python_world.py in C++.
#ifndef WEAKREF_TESTS_ORACLE_WORLD_HPP
#define WEAKREF_TESTS_ORACLE_WORLD_HPP

#include <weakref/weakref.hpp>

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "script.hpp"

namespace oracle {

/// Something is not as Python says, and no named difference.
class mismatch : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
inline void demand(bool holds, const std::string& what) {
  if (!holds) throw mismatch(what);
}

/// What callbacks raise. Python's scripts raise a ValueError.
struct value_error : std::domain_error {
  value_error() : std::domain_error("raised by a callback") {}
};

struct happenings {
  words events;
  int living = 0;
};

template <bool by_value> class thing {
 public:
  thing(happenings& log, int number, int v) : serial(number), value(v), log_(&log) {
    if (serial != 0) ++log.living;
  }
  thing(const thing&) = delete;
  thing& operator=(const thing&) = delete;
  ~thing() {
    if (serial == 0) return;
    const std::string own = "o" + std::to_string(serial);
    if (tells) log_->events.push_back("del:" + own + (me.expired() ? ":dead" : ":alive"));
    log_->events.push_back("~" + own);
    --log_->living;
  }

  int plus() const { return value + 1; }
  int twice() const { return value * 2; }
  friend bool operator==(const thing& a, const thing& b) requires by_value { return a.value == b.value; }
  friend std::size_t hash_value(const thing& t) requires by_value {
    return static_cast<std::size_t>(t.value);
  }

  int serial, value, extra = 0;
  bool tells = false; // as Python's objects with __del__ do
  weakref::ref<thing> me;

 private:
  happenings* log_;
};

template <bool by_value> class world {
 public:
  using T = thing<by_value>;
  using owner = std::shared_ptr<T>;

  virtual ~world() = default;

  // -- What arguments stand for, and what is said of things

  owner operand(const std::string& word) {
    if (word == "bare") return std::make_shared<T>(log, 0, -1); // untracked, and equal to no other
    return slots.at(index(word));
  }
  static std::size_t index(const std::string& word) { return std::stoul(word.substr(1)); }
  static std::string text(const T* object) {
    if (object == nullptr) return "None";
    return object->serial == 0 ? "bare" : "o" + std::to_string(object->serial);
  }
  static std::string text(const owner& object) { return text(object.get()); }
  static std::string text(bool yes) { return yes ? "True" : "False"; }

  void put(const std::string& slot, owner object) {
    // As Python assigns: what was there dies when the slot holds the new one, and that is held until then, even if
    // the death empties the slot.
    const owner held = object;
    slots.at(index(slot)).swap(object);
    object.reset();
  }
  owner make(const std::string& value) {
    const int serial = ++last_serial;
    owner object = weakref::make_tracked<T>(log, serial, std::stoi(value));
    known[serial] = object;
    value_by_serial[serial] = object->value;
    return object;
  }
  /// The living object that Python names.
  owner named(const std::string& word) {
    const auto found = word.starts_with('o') ? known.find(std::stoi(word.substr(1))) : known.end();
    demand(found != known.end(), "no object " + word);
    owner object = found->second.lock();
    demand(object != nullptr, word + " is dead here");
    return object;
  }

  // -- Refs, proxies, methods, finalizers

  struct callback {
    world* home;
    std::string name;
    int serial;
    std::string action;
    void operator()() {
      // This object may be destroyed by what it does.
      const callback own = *this;
      own.home->called(own);
    }
  };
  using watching_ref = weakref::ref<T, callback>;
  using watching_proxy = weakref::proxy<T, callback>;
  using method_pointer = int (T::*)() const;
  using method = weakref::WeakMethod<T, method_pointer>;
  using watching_method = weakref::WeakMethod<T, method_pointer, callback>;

  /// With a callback, or without.
  template <class Plain, class Watching> struct place {
    int serial = 0; // of the object; 0: there is nothing
    std::optional<Plain> plain;
    std::unique_ptr<Watching> watching;
    std::optional<std::size_t> hash;

    const Plain& get() const { return plain ? *plain : *watching; }
    void clear() {
      serial = 0;
      hash.reset();
      plain.reset();
      // Not reset(): its own callback may be asking.
      const std::unique_ptr<Watching> gone = std::move(watching);
    }
  };

  template <class Place, class... Method>
  std::string watch(Place& at, const std::string& name, const std::string& slot, const std::string& action,
                    Method... which) {
    const owner object = operand(slot);
    const int serial = object != nullptr ? object->serial : 0;
    using Watching = typename decltype(at.watching)::element_type;
    using Plain = typename decltype(at.plain)::value_type;
    if (action == "-") {
      Plain made(object, which...);
      if (serial == 0) return "taken"; // Python refuses: it stays out
      at.clear();
      at.plain.emplace(std::move(made));
    } else {
      auto made = std::make_unique<Watching>(object, which..., callback{this, name, serial, action});
      at.clear();
      at.watching = std::move(made);
    }
    at.serial = serial;
    return "ok";
  }

  void called(const callback& c) {
    bool dead = true;
    for (const auto& each : refs) dead = dead && (each.serial != c.serial || each.get()() == nullptr);
    for (const auto& each : proxies) dead = dead && (each.serial != c.serial || !answers(each.get()));
    log.events.push_back(c.name + ":o" + std::to_string(c.serial) + (dead ? ":dead(" : ":alive("));
    const closing_bracket guard{log.events};
    act(c.action);
  }
  static bool answers(const weakref::proxy<T>& asked) {
    try {
      return asked->extra >= 0;
    } catch (const weakref::ReferenceError&) {
      return false;
    }
  }
  struct closing_bracket {
    words& events;
    ~closing_bracket() { events.push_back(")"); }
  };

  void unref(const std::string& name) {
    const std::size_t i = index(name);
    if (name[0] == 'r') refs.at(i).clear();
    if (name[0] == 'p') proxies.at(i).clear();
    if (name[0] == 'm') methods.at(i).clear();
  }

  /// What a callback does.
  void act(const std::string& action) {
    words parts(1);
    for (const char c : action) {
      if (c == ':')
        parts.emplace_back();
      else
        parts.back() += c;
    }
    if (parts[0] == "drop") {
      put(parts[1], nullptr);
    } else if (parts[0] == "make") {
      put(parts[1], make(parts[2]));
    } else if (parts[0] == "unref") {
      unref(parts[1]);
    } else if (parts[0] == "clear") {
      clear(parts[1]);
    } else if (parts[0] == "store") {
      try {
        store(parts[1], parts[2], operand(parts[3]));
      } catch (const weakref::untracked_error&) {
        log.events.push_back("TypeError");
      }
    } else if (parts[0] == "look") {
      look(parts[1][0]);
    } else if (parts[0] == "raise") {
      throw value_error();
    } else {
      demand(parts[0] == "none", "no action " + action);
    }
  }

  int finalized(const std::string& name, int serial, const std::string& action) {
    log.events.push_back(name + ":o" + std::to_string(serial) + "(");
    const closing_bracket guard{log.events};
    act(action);
    return 100 + serial;
  }

  // -- Commands on all of these

  std::string run_on_objects(const step& now) {
    const words& w = now.command;
    if (w[0] == "make" || w[0] == "maketelling") {
      owner object = make(w[2]);
      if (w[0] == "maketelling") {
        object->tells = true;
        object->me = weakref::ref(object);
      }
      put(w[1], std::move(object));
      return text(operand(w[1]));
    }
    if (w[0] == "own") {
      put(w[1], operand(w[2]));
      return text(operand(w[1]));
    }
    if (w[0] == "drop") {
      put(w[1], nullptr);
      return "ok";
    }
    if (w[0] == "count") {
      const owner object = operand(w[1]);
      const std::size_t count = weakref::getweakrefcount(object);
      demand(weakref::getweakrefs(object).size() == count,
             "getweakrefs has another size than getweakrefcount");
      return std::to_string(count);
    }
    if (w[0] == "identity") {
      weakref::WeakKeyDictionary<T, int> probe;
      probe.insert_or_assign(operand(w[1]), 1);
      probe.insert_or_assign(operand(w[2]), 1);
      return std::to_string(probe.size());
    }
    if (w[0] == "unref") {
      unref(w[1]);
      return "ok";
    }
    const std::size_t i = index(w.at(1));
    if (w[0] == "ref") return watch(refs.at(i), w[1], w[2], w[3]);
    if (w[0] == "proxy") return watch(proxies.at(i), w[1], w[2], w[3]);
    if (w[0] == "method")
      return watch(methods.at(i), w[1], w[2], w[4], w[3] == "plus" ? &T::plus : &T::twice);
    if (w[1][0] == 'r') return run_on_refs(w, refs.at(i));
    if (w[1][0] == 'p') return run_on_proxies(w, proxies.at(i).get());
    if (w[1][0] == 'm') return run_on_methods(w, methods.at(i));
    return run_on_finalizers(w, finals.at(i));
  }

  template <class Place> static std::string hash_of(Place& at, std::size_t hash) {
    if (!at.hash) at.hash = hash;
    return *at.hash == hash ? "kept" : "changed";
  }

  template <class Place> std::string run_on_refs(const words& w, Place& at) {
    if (w[0] == "call") return text(at.get()());
    if (w[0] == "callback") return text(at.watching != nullptr && at.watching->callback() != nullptr);
    if (w[0] == "refhash") return hash_of(at, std::hash<weakref::ref<T>>()(at.get()));
    demand(w[0] == "refeq", "no command " + w[0]);
    const Place& other = refs.at(index(w[2]));
    const bool equal = at.get() == other.get();
    demand(equal == (at.serial == other.serial), "== of refs is not identity of the referent");
    // Python's way: by the objects while they live; then the same ref, and without callback they are one.
    const owner a = at.get()(), b = other.get()();
    const bool is_one_ref = &at == &other || (at.plain && other.plain && at.serial == other.serial);
    bool python = is_one_ref;
    if (a != nullptr && b != nullptr) {
      if constexpr (by_value)
        python = *a == *b;
      else
        python = a == b;
    }
    return python == equal ? text(equal) : text(python) + " by Python's rule";
  }

  std::string run_on_proxies(const words& w, const weakref::proxy<T>& asked) {
    if (w[0] == "proxyread") return std::to_string(asked->extra);
    if (w[0] == "proxywrite") {
      asked->extra = std::stoi(w[2]);
      return "ok";
    }
    if constexpr (by_value) {
      if (w[0] == "proxyeq") return text(asked == proxies.at(index(w[2])).get());
    }
    throw mismatch("no command " + w[0]);
  }

  template <class Place> std::string run_on_methods(const words& w, Place& at) {
    if (w[0] == "methodcall") {
      const auto bound = at.get()();
      return bound ? std::to_string(bound()) : "None";
    }
    if (w[0] == "methodhash") return hash_of(at, std::hash<method>()(at.get()));
    demand(w[0] == "methodeq", "no command " + w[0]);
    return text(at.get() == methods.at(index(w[2])).get());
  }

  std::string run_on_finalizers(const words& w, weakref::finalize<int>& f) {
    if (w[0] == "finalize") {
      const owner object = operand(w[2]);
      const int serial = object != nullptr ? object->serial : 0;
      weakref::finalize made(
          object,
          [this](const std::string& name, int n, const std::string& a) { return finalized(name, n, a); },
          w[1], serial, w[3]);
      made.atexit(false);
      f = made;
      return "ok";
    }
    if (w[0] == "finalcall") {
      const std::optional<int> result = f();
      return result ? std::to_string(*result) : "None";
    }
    if (w[0] == "alive") return text(f.alive());
    if (w[0] == "atexit") return text(f.atexit());
    if (w[0] == "detach") return text(static_cast<const T*>(f.detach().get()));
    if (w[0] == "peek") return text(static_cast<const T*>(f.peek().get()));
    if (w[0] == "setatexit")
      f.atexit(w[2] == "1");
    else if (w[0] == "forget")
      f = weakref::finalize<int>();
    else
      throw mismatch("no command " + w[0]);
    return "ok";
  }

  // What callbacks do to containers.
  virtual void clear(const std::string& container) = 0;
  virtual void store(const std::string& container, const std::string& key, const owner& value) = 0;
  virtual void look(char letter) = 0;

  happenings log;
  int last_serial = 0;
  std::map<int, std::weak_ptr<T>> known;
  std::map<int, int> value_by_serial; // of the dead too
  std::array<owner, 8> slots;
  std::array<place<weakref::ref<T>, watching_ref>, 6> refs;
  std::array<place<weakref::proxy<T>, watching_proxy>, 6> proxies;
  std::array<place<method, watching_method>, 6> methods;
  std::array<weakref::finalize<int>, 6> finals;
};

} // namespace oracle

#endif
