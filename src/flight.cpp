// SPDX-License-Identifier: BSL-1.0
#include <weakref/detail/flight.hpp>

#include <weakref/mutex.hpp>

#include <mutex>
#include <stdexcept>

namespace weakref {
inline namespace v0 {
namespace detail {

namespace {
// Guards wait_point::creator and thread_record::waiting_for of all threads.
constinit adaptive_mutex wait_graph;
} // namespace

void begin_wait(wait_point& awaited) {
  thread_record& self = this_thread();
  const std::lock_guard lock(wait_graph);
  // Followed records are alive: each belongs to a creator that is inside its flight.
  for (const thread_record* at = awaited.creator; at != nullptr;) {
    if (at == &self) throw_recursive_creation();
    at = at->waiting_for == nullptr ? nullptr : at->waiting_for->creator;
  }
  self.waiting_for = &awaited;
}

void end_wait() noexcept {
  const std::lock_guard lock(wait_graph);
  this_thread().waiting_for = nullptr;
}

void end_flight(wait_point& awaited) noexcept {
  const std::lock_guard lock(wait_graph);
  awaited.creator = nullptr;
}

void throw_recursive_creation() {
  throw std::logic_error(
      "weakref: get_or_create would wait for itself: a factory asks, directly or through other "
      "threads' factories, for the key that it is creating");
}

} // namespace detail
} // namespace v0
} // namespace weakref
