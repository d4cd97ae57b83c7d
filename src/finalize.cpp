// SPDX-License-Identifier: BSL-1.0
#include <weakref/finalize.hpp>

#include <weakref/detail/referent/death.hpp>
#include <weakref/mutex.hpp>

#include <boost/container/map.hpp>

#include <cstdlib>
#include <mutex>
#include <new>

namespace weakref {
inline namespace v0 {
namespace detail {

/// All finalizers that are alive, in the order in which they were made. Never destroyed: objects die in static
/// destructors too, and on threads that outlive them.
struct finalizer_registry {
  adaptive_mutex mutex;
  boost::container::map<std::uint64_t, std::shared_ptr<finalizer>> alive;
  std::uint64_t last_number = 0;
  bool is_armed = false; // std::atexit will call run_all
  bool has_run = false;  // and has done so

  static finalizer_registry& get();

  /// With the lock. False if std::atexit refuses: after the exit functions have run nothing runs at exit any
  /// more, but threads may, and what they make still ends by hand or by death.
  bool arm() noexcept {
    if (!is_armed) is_armed = std::atexit(run_all) == 0;
    return is_armed || has_run;
  }

  void add(const std::shared_ptr<finalizer>& made) {
    const std::lock_guard lock(mutex);
    if (!arm()) throw std::bad_alloc();
    if (made->is_claimed()) return; // retire() on another thread was faster
    const std::uint64_t number = last_number + 1;
    alive.emplace_hint(alive.end(), number, made);
    made->number_ = last_number = number;
  }

  std::shared_ptr<finalizer> remove(finalizer& gone) noexcept {
    const std::lock_guard lock(mutex);
    std::shared_ptr<finalizer> kept;
    if (gone.number_ == 0) return kept;
    const auto at = alive.find(gone.number_);
    kept = std::move(at->second);
    alive.erase(at);
    gone.number_ = 0;
    return kept;
  }

  /// The newest that runs at exit, claimed; empty when there is none, and then std::atexit must be asked again
  /// by the next one made.
  std::shared_ptr<finalizer> claim_newest() noexcept {
    const std::lock_guard lock(mutex);
    for (auto at = alive.rbegin(); at != alive.rend(); ++at) {
      if (!at->second->runs_at_exit() || at->second->is_claimed_.exchange(true, std::memory_order_acq_rel))
        continue; // claimed by somebody who waits for this lock
      std::shared_ptr<finalizer> newest = std::move(at->second);
      alive.erase(newest->number_);
      newest->number_ = 0;
      return newest;
    }
    is_armed = false;
    has_run = true;
    return nullptr;
  }

  static void run_all() {
    while (const std::shared_ptr<finalizer> newest = get().claim_newest()) {
      newest->disarm();
      try {
        newest->run();
      } catch (...) {
        report_unraisable();
      }
      newest->forget();
    }
  }
};

// Outside the class, so that two copies of the library in one process have two.
finalizer_registry& finalizer_registry::get() {
  static finalizer_registry* const only = new finalizer_registry;
  return *only;
}

finalizer::~finalizer() = default;

void finalizer::enroll(const std::shared_ptr<finalizer>& made) { finalizer_registry::get().add(made); }

std::shared_ptr<const void> finalizer::peek() noexcept {
  const std::lock_guard lock(finalizer_registry::get().mutex);
  // Whoever has claimed it drops what it knows of the object only after it has left the registry.
  return number_ != 0 ? referent() : nullptr;
}

void finalizer::run_at_exit(bool yes) noexcept {
  runs_at_exit_.store(yes, std::memory_order_relaxed);
  if (!yes) return;
  const std::lock_guard lock(finalizer_registry::get().mutex);
  finalizer_registry::get().arm(); // the exit's run may have passed it over
}

bool finalizer::claim(std::shared_ptr<finalizer>& kept) noexcept {
  // acq_rel: whoever comes second sees that the first one has it, and nothing else of it
  if (is_claimed_.exchange(true, std::memory_order_acq_rel)) return false;
  kept = finalizer_registry::get().remove(*this);
  return true;
}

} // namespace detail
} // namespace v0
} // namespace weakref
