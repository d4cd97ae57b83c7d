// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DEFER_HPP
#define WEAKREF_DEFER_HPP

// For destructors that use a container, and may run inside a `visit` function or a key's comparison.
//
//   Session::~Session() {
//     weakref::defer([id = id_] { open_sessions.erase(id); });
//   }
//
// While such a function runs, its container's lock is held, and every container refuses to be used: std::logic_error.
// Objects that make_tracked, allocate_tracked or adopt have made do not notice: if their last owner lets go in there,
// the whole death waits until the lock has been left, destructor included. But nobody can put off the destructor of an
// object that others have made: one whose class derives from enable_weakref, and that std::make_shared has made, or one
// that is not tracked at all. It runs at once, under the lock, and an exception that left it would end the program.

#include <weakref/detail/base/thread_record.hpp>
#include <weakref/detail/referent/death.hpp>

#include <concepts>
#include <utility>

namespace weakref {
inline namespace v0 {

/// Whether this thread is inside user code that runs under a container's lock: a visit function, a comparison of keys,
/// the copy of a mapped value. Containers throw std::logic_error there.
[[nodiscard]] inline bool is_under_lock() noexcept { return detail::this_thread().depth != 0; }

namespace detail {
template <class F> class deferred_call final : public put_off_work {
 public:
  explicit deferred_call(F&& function) : function_(std::move(function)) {}
  static void call(F& function) noexcept {
    try {
      function();
    } catch (...) {
      report_unraisable();
    }
  }
  void finish() noexcept override {
    call(function_);
    delete this;
  }

 private:
  F function_;
};
} // namespace detail

/// Calls f() now or, inside user code that runs under a container's lock, when this thread has left that: after the
/// deaths that were put off there, in the order of the calls, before the operation that holds the lock returns.
///
/// Cost: allocates if it has to wait. Throws: std::bad_alloc, what moving f throws; not what f throws, which goes to
/// the unraisable hook. Runs user code: f, with no library lock held. Threads: f runs on the thread that called.
template <std::invocable F> void defer(F f) {
  if (!is_under_lock()) return detail::deferred_call<F>::call(f);
  (new detail::deferred_call<F>(std::move(f)))->run_outside_locks();
}

} // namespace v0
} // namespace weakref

#endif
