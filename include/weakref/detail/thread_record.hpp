// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_THREAD_RECORD_HPP
#define WEAKREF_DETAIL_THREAD_RECORD_HPP

// What the library knows of each thread: whether user code is running under one of our locks, and what had to
// be put off because of it. Trivially destructible, so that deaths in thread_local and static destructors
// still find it.

#include <weakref/detail/config.hpp>

#include <cstdint>

namespace weakref::inline v0 {
namespace detail {

class core_base;
struct referent_header;
struct wait_point;

struct thread_record {
  /// Calls of user code under a container's lock that this thread is inside of.
  std::uint32_t depth = 0;
  /// Where the control block being made shall lie (block.hpp).
  void* control_block_place = nullptr;
  /// Deaths put off, oldest first, linked through their watch lists.
  referent_header* first_death = nullptr;
  referent_header* last_death = nullptr;
  /// Containers whose destruction was put off.
  core_base* first_container = nullptr;
  /// The flight this thread waits for (flight.hpp); read by others under the wait graph's lock.
  wait_point* waiting_for = nullptr;
};

// constinit on the declaration spares every access the call of an initialization wrapper
extern WEAKREF_API constinit thread_local thread_record current_thread_record;

inline thread_record& this_thread() noexcept { return current_thread_record; }

/// Throws std::logic_error when this thread is inside user code that runs under a container's lock: a second
/// lock there could deadlock with a thread that does the same the other way round.
[[noreturn]] WEAKREF_API void throw_reentry();
inline void check_not_under_lock() {
  if (this_thread().depth != 0) [[unlikely]]
    throw_reentry();
}

/// Runs what was put off, deaths in the order they came. Called by whoever left the outermost lock.
WEAKREF_API void run_put_off_slow() noexcept;
inline void run_put_off() noexcept {
  const thread_record& thread = this_thread();
  if (thread.depth != 0) return;
  if (thread.first_death != nullptr || thread.first_container != nullptr) [[unlikely]]
    run_put_off_slow();
}

} // namespace detail
} // namespace weakref::inline v0

#endif
