// SPDX-License-Identifier: BSL-1.0

// Subclassing ref. ExtendedRef is the example in the documentation of Python's weakref module: a weak
// reference that carries annotations and counts its calls, and whose call returns the pair (referent, number
// of calls so far), or nothing once the referent is gone. FarewellRef adds a callback that uses the
// subclass's own members. Run it without arguments; it exits with 1 if anything is not as it says.

#include <weakref/weakref.hpp>

#include <any>
#include <cstddef>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

template <class T> class ExtendedRef : public weakref::ref<T> {
 public:
  using annotations = std::map<std::string, std::any>;

  // Python's takes the annotations as keyword arguments.
  explicit ExtendedRef(const std::shared_ptr<T>& owner, annotations named = {})
      : weakref::ref<T>(owner), named_(std::move(named)) {}

  // The base class's call first: it owns the referent, or finds it dead, in one step.
  std::optional<std::pair<std::shared_ptr<T>, std::size_t>> operator()() {
    auto owner = weakref::ref<T>::operator()();
    if (!owner) return std::nullopt;
    return std::pair(std::move(owner), ++calls_);
  }

  // What Python writes as an attribute, `r.line`. Throws: std::out_of_range, std::bad_any_cast.
  template <class Value> const Value& get(const std::string& name) const {
    return std::any_cast<const Value&>(named_.at(name));
  }

 private:
  annotations named_;
  std::size_t calls_ = 0;
};

struct Document {
  std::string title;
};

struct say_farewell {
  void operator()(weakref::ref<Document>& gone) const;
};

class FarewellRef : public weakref::ref<Document, say_farewell> {
 public:
  FarewellRef(const std::shared_ptr<Document>& owner, std::string& said)
      : ref(owner, say_farewell{}), title_(owner->title), said_(said) {}

  // Without this the base class would wait for a callback that runs on another thread, but only when title_
  // is already destroyed. Copies need no thought: a ref with a callback has none.
  ~FarewellRef() { disarm(); }

  void say() const { said_ = "farewell, " + title_; }

 private:
  std::string title_; // the document itself is out of reach by then
  std::string& said_;
};

void say_farewell::operator()(weakref::ref<Document>& gone) const { static_cast<FarewellRef&>(gone).say(); }

namespace {

bool check(const char* what, bool holds) {
  std::cout << (holds ? "ok     " : "WRONG  ") << what << '\n';
  return holds;
}

} // namespace

int main() {
  bool good = true;

  // Any owner will do where there is no callback.
  auto owner = std::make_shared<Document>(Document{"contract"});
  ExtendedRef r(owner, {{"line", 12}, {"file", std::string("register.txt")}});

  auto first = r();
  auto second = r();
  good &= check("a call returns the referent", first && first->first == owner);
  good &= check("and the number of calls so far", first->second == 1 && second->second == 2);
  good &= check("annotations are named values",
                r.get<int>("line") == 12 && r.get<std::string>("file") == "register.txt");
  good &= check("it is a ref: it equals any other to the same referent", r == weakref::ref(owner));

  first.reset();
  second.reset();
  owner.reset();
  good &= check("once the referent is gone, a call returns nothing", !r());
  good &= check("the annotations stay", r.get<int>("line") == 12);

  // A callback needs a tracked object.
  std::string said;
  auto tracked = weakref::make_tracked<Document>(Document{"memoir"});
  const FarewellRef farewell(tracked, said);
  good &= check("nothing is said while the document lives", said.empty());
  tracked.reset();
  good &= check("the callback ran when the last owner let go", said == "farewell, memoir");

  return good ? 0 : 1;
}
