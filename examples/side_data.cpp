// SPDX-License-Identifier: BSL-1.0

// Data about objects, kept outside of them. A layout engine remembers where it has put each widget; the
// widgets know nothing of it, and a widget that is destroyed takes its entry along. A member function has
// only `this`, which is enough to look up. Run it without arguments; it exits with 1 if anything is not as it
// says.

#include <weakref/weakref.hpp>

#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace {

struct Place {
  int x = 0;
  int y = 0;
  int moves = 0;
};

class Widget {
 public:
  explicit Widget(std::string name) : name_(std::move(name)) {}
  const std::string& name() const { return name_; }
  void describe() const;

 private:
  std::string name_;
};

// The side table. By identity: two widgets of one name are two keys, and a new widget that happens to get the
// memory of a dead one finds nothing.
weakref::WeakKeyDictionary<Widget, Place> places;

void Widget::describe() const {
  if (const std::optional<Place> place = places.get(this)) {
    std::cout << name_ << " lies at " << place->x << ", " << place->y << " after " << place->moves
              << " moves\n";
  } else {
    std::cout << name_ << " has no place\n";
  }
}

void move_to(const Widget& widget, int x, int y) {
  // In its place and under the lock: no copy, and no other thread sees half a move.
  places.visit(widget, [&](Place& place) { place = {x, y, place.moves + 1}; });
}

} // namespace

int main() {
  auto button = weakref::make_tracked<Widget>("button");
  auto slider = weakref::make_tracked<Widget>("slider");
  places.insert(button, {}); // storing takes an owner: the object must be alive, and able to tell its end
  places.insert(slider, {});
  button->describe();
  move_to(*button, 3, 4);
  move_to(*button, 5, 6);
  button->describe();
  const bool moved = places.at(*button).moves == 2;

  std::cout << "places: " << places.size() << '\n';
  slider.reset();
  std::cout << "places: " << places.size() << '\n';

  auto label = weakref::make_tracked<Widget>("label");
  label->describe();
  return moved && places.size() == 1 ? 0 : 1;
}
