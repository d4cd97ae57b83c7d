// SPDX-License-Identifier: BSL-1.0
#include <weakref/detail/container/flight.hpp>

#include <weakref/mutex.hpp>

#include <mutex>
#include <stdexcept>

namespace weakref {
inline namespace v0 {
namespace detail {

namespace {
// Guards waiting::creator and thread_record::waits of all threads.
constinit adaptive_mutex wait_graph;
} // namespace

constinit std::atomic<std::uint32_t> deliveries{0};

bool begin_wait(waiting& self) noexcept {
  thread_record& thread = this_thread();
  if (thread.delivering != 0) return false;
  const std::lock_guard lock(wait_graph);
  // Followed records are alive: each belongs to a creator that is inside its flight.
  for (const thread_record* at = self.creator; at != nullptr;) {
    if (at == &thread) return false;
    at = at->waits == nullptr ? nullptr : at->waits->creator;
  }
  thread.waits = &self;
  return true;
}

void end_wait() noexcept {
  const std::lock_guard lock(wait_graph);
  this_thread().waits = nullptr;
}

void end_flight(waiting* waiters) noexcept {
  const std::lock_guard lock(wait_graph);
  for (waiting* each = waiters; each != nullptr; each = each->next) each->creator = nullptr;
}

void throw_recursive_creation() {
  throw std::logic_error(
      "weakref: get_or_create would wait for itself: a factory asks, directly or through other "
      "threads' factories, for the key that it is creating");
}

} // namespace detail
} // namespace v0
} // namespace weakref
