// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_BASE_THREAD_RECORD_HPP
#define WEAKREF_DETAIL_BASE_THREAD_RECORD_HPP

// What the library knows of each thread: whether user code is running under one of our locks, and what had to
// be put off because of it. Trivially destructible, so that deaths in thread_local and static destructors
// still find it.

#include <weakref/detail/base/config.hpp>

#include <cstdint>

namespace weakref {
inline namespace v0 {
namespace detail {

class put_off_work;
struct factory_call;
struct referent_header;
struct waiting;

struct thread_record {
  /// Calls of user code under a container's lock that this thread is inside of.
  std::uint32_t depth = 0;
  /// Flights whose results it is copying for those who wait (flight.hpp).
  std::uint32_t delivering = 0;
  /// Where the control block being made shall lie (block.hpp).
  void* control_block_place = nullptr;
  /// Deaths put off, oldest first, linked through their watch lists.
  referent_header* first_death = nullptr;
  referent_header* last_death = nullptr;
  /// What else was put off, oldest first: the ends of containers and of iterations, and what defer() was given.
  put_off_work* first_work = nullptr;
  put_off_work* last_work = nullptr;
  /// Its wait for another's flight (flight.hpp); read by others under the wait graph's lock.
  waiting* waits = nullptr;
  /// The factories this thread is inside of, the innermost first, where assertions are checked (flight.hpp).
  factory_call* factory = nullptr;
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

/// Something that destroys keys, values or referents, and so waits until no lock is held.
class put_off_work {
 public:
  virtual void finish() noexcept = 0;
  /// Runs it now or, inside user code that runs under some container's lock, when that has been left.
  void run_outside_locks() noexcept {
    thread_record& thread = this_thread();
    if (thread.depth == 0) return finish();
    (thread.first_work == nullptr ? thread.first_work : thread.last_work->next_) = this;
    thread.last_work = this;
  }
  put_off_work* next() const noexcept { return next_; }

 protected:
  put_off_work() = default;
  ~put_off_work() = default;
  put_off_work(const put_off_work&) = delete;
  put_off_work& operator=(const put_off_work&) = delete;

 private:
  put_off_work* next_ = nullptr;
};

/// Runs what was put off, deaths in the order they came. Called by whoever has left the lock; locks with user
/// code under them do not nest, since check_not_under_lock() refuses the second.
WEAKREF_API void run_put_off_slow() noexcept;
inline void run_put_off() noexcept {
  const thread_record& thread = this_thread();
  if (thread.first_death != nullptr || thread.first_work != nullptr) [[unlikely]]
    run_put_off_slow();
}

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
