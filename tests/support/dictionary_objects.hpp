// SPDX-License-Identifier: BSL-1.0
// Referents for the dictionary's tests: small, counted, and one for each way an object becomes tracked.
#ifndef WEAKREF_TESTS_SUPPORT_DICTIONARY_OBJECTS_HPP
#define WEAKREF_TESTS_SUPPORT_DICTIONARY_OBJECTS_HPP

#include <weakref/referent.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

namespace dictionary_test {

template <class Kind> class counted {
 public:
  counted() noexcept {
    alive_.fetch_add(1, std::memory_order_relaxed);
    made_.fetch_add(1, std::memory_order_relaxed);
  }
  counted(const counted&) noexcept : counted() {}
  counted& operator=(const counted&) noexcept = default;
  ~counted() { alive_.fetch_sub(1, std::memory_order_relaxed); }

  static long alive() noexcept { return alive_.load(std::memory_order_relaxed); }
  static long made() noexcept { return made_.load(std::memory_order_relaxed); }

 private:
  static inline std::atomic<long> alive_{0};
  static inline std::atomic<long> made_{0};
};

struct Item : counted<Item> {
  explicit Item(int start = 0) : number(start) {}
  int number;
};

// Tracked through its base class, whoever makes it.
struct Session : weakref::enable_weakref, counted<Session> {
  explicit Session(int start = 0) : number(start) {}
  int number;
};

struct Shape : counted<Shape> {
  Shape() = default;
  Shape(const Shape&) = default;
  Shape& operator=(const Shape&) = default;
  virtual ~Shape() = default;
  virtual int sides() const { return 0; }
};

struct Square : Shape {
  explicit Square(int length = 1) : edge(length) {}
  int sides() const override { return 4; }
  int edge;
};

// A polymorphic class whose dynamic type alone says that it is tracked.
struct Window : Shape, weakref::enable_weakref {
  int sides() const override { return 40; }
};

// Runs a function of the test's choice in its destructor.
struct Mortal : counted<Mortal> {
  explicit Mortal(int start = 0, std::function<void()> last_words = {})
      : number(start), on_death(std::move(last_words)) {}
  Mortal(const Mortal&) = delete;
  Mortal& operator=(const Mortal&) = delete;
  ~Mortal() {
    if (on_death) on_death();
  }
  int number;
  std::function<void()> on_death;
};

inline std::shared_ptr<Item> item(int number) { return weakref::make_tracked<Item>(number); }

} // namespace dictionary_test

#endif
