// SPDX-License-Identifier: BSL-1.0

// An observer list that never dangles. A thermometer tells its observers each new reading and keeps none of
// them alive; an observer that goes away need not sign off, and one may come, go, or end another while the
// list is being walked. Run it without arguments; it exits with 1 if anything is not as it says.

#include <weakref/weakref.hpp>

#include <cstddef>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

namespace {

class Observer {
 public:
  explicit Observer(std::function<void(int)> react) : react_(std::move(react)) {}
  void changed(int degrees) { react_(degrees); }

 private:
  std::function<void(int)> react_;
};

class Thermometer {
 public:
  void attach(const std::shared_ptr<Observer>& observer) { observers_.add(observer); }
  void detach(const Observer& observer) { observers_.discard(observer); }
  void read(int degrees) {
    // Each observer is held while it is told, and no longer. The loop body may do anything.
    for (const std::shared_ptr<Observer>& observer : observers_) observer->changed(degrees);
  }
  std::size_t observed_by() const { return observers_.size(); }

 private:
  weakref::WeakSet<Observer> observers_; // 16 bytes while nobody looks
};

} // namespace

int main() {
  Thermometer thermometer;
  int shown = 0;
  int alarms = 0;

  auto display = weakref::make_tracked<Observer>([&](int degrees) { shown = degrees; });
  std::shared_ptr<Observer> alarm;
  alarm = weakref::make_tracked<Observer>([&](int degrees) {
    if (degrees < 100) return;
    ++alarms;
    alarm.reset(); // an alarm rings once: it ends itself while it is being told
  });
  thermometer.attach(display);
  thermometer.attach(alarm);
  thermometer.attach(display); // a set: once is enough
  std::cout << "observers: " << thermometer.observed_by() << '\n';

  thermometer.read(20);
  thermometer.read(120);
  thermometer.read(130);
  std::cout << "shown: " << shown << ", alarms: " << alarms << '\n';
  std::cout << "observers: " << thermometer.observed_by() << '\n';

  display.reset(); // and nobody signs off
  thermometer.read(50);
  std::cout << "observers: " << thermometer.observed_by() << '\n';
  return shown == 130 && alarms == 1 && thermometer.observed_by() == 0 ? 0 : 1;
}
