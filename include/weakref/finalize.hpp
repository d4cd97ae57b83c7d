// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_FINALIZE_HPP
#define WEAKREF_FINALIZE_HPP

// A clean-up that is called when an object dies, or at the latest when the program ends: at most once, and
// without anybody holding on to anything. Python's weakref.finalize.
//
//   weakref::finalize(document, [path = temporary.path()] { std::filesystem::remove(path); });
//
// Use a ref with a callback for a call that shall not happen if the ref is gone, and a destructor for what
// belongs to the class itself. The function and its arguments must not own the object, or it never dies.
//
// A finalizer ends in one of four ways, and one atomic step decides which:
//
//   by hand    somebody calls the handle: the function runs, and its result or exception is the caller's
//   detached   the function never runs
//   by death   the object dies: the function runs on that thread, no lock held; exceptions go to the
//              unraisable hook
//   at exit    std::exit, or the end of main: the finalizers still alive run, newest first, those made
//              meanwhile too; exceptions go to the unraisable hook. Not those whose atexit(false) was called.
//
// At exit: the finalizers run as one std::atexit function, registered by the first finalizer. So a static
// object whose construction ended before that is still there when they run; one constructed later has been
// destroyed, which is a death like any other. Finalizers may be made, and objects die, in any static
// destructor and on threads that still run. (Python calls none once its shutdown is over; here an object that
// dies even later is still finalized.)

#include <weakref/assert.hpp>
#include <weakref/detail/base/forward_callback.hpp>
#include <weakref/detail/referent/tracking.hpp>
#include <weakref/fwd.hpp>
#include <weakref/ref.hpp>

#include <atomic>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace weakref {
inline namespace v0 {
namespace detail {

/// A finalizer as the registry (src/finalize.cpp) sees it. The registry owns it until it is claimed; a handle
/// shares it. After the claim the function is the claimant's alone.
class WEAKREF_API finalizer {
 public:
  finalizer() = default;
  finalizer(const finalizer&) = delete;
  finalizer& operator=(const finalizer&) = delete;
  virtual ~finalizer();

  /// Of one that is in the registry; under its lock.
  virtual std::shared_ptr<const void> referent() const noexcept = 0;
  /// Afterwards no death calls it, or is calling it, and nothing is kept of the object.
  virtual void disarm() noexcept = 0;
  /// Calls the function, whatever it returns.
  virtual void run() = 0;
  /// Destroys the function and its arguments too.
  virtual void forget() noexcept = 0;

  /// Into the registry. Throws: std::bad_alloc.
  static void enroll(const std::shared_ptr<finalizer>& made);
  /// Out of the registry, for whoever comes first: `kept` is the registry's share then.
  bool claim(std::shared_ptr<finalizer>& kept) noexcept;
  /// Empty once it is claimed.
  std::shared_ptr<const void> peek() noexcept;
  bool is_claimed() const noexcept { return is_claimed_.load(std::memory_order_acquire); }
  bool runs_at_exit() const noexcept { return runs_at_exit_.load(std::memory_order_relaxed); }
  void run_at_exit(bool yes) noexcept;

 private:
  friend struct finalizer_registry;
  std::atomic<bool> is_claimed_{false};
  std::atomic<bool> runs_at_exit_{true};
  std::uint64_t number_ = 0; // in the registry; 0: not there
};

template <class Result> class finalizer_returning : public finalizer {
 public:
  virtual Result call() = 0;
};

template <class Result, class T, class F, class... Args>
class finalizer_of final : public finalizer_returning<Result> {
  struct on_death {
    using weakref_sync = sync_of<F>;
    finalizer_of* self;
    void operator()() const { self->die(); }
  };

 public:
  template <class Function, class... Arguments>
  explicit finalizer_of(const std::shared_ptr<T>& owner, Function&& function, Arguments&&... arguments)
      : call_(std::in_place, std::forward<Function>(function), std::forward<Arguments>(arguments)...),
        watch_(std::in_place, owner, on_death{this}) {
    WEAKREF_ASSERT(!detail::is_null_function(std::get<0>(*call_)),
                   "a finalizer is given a null function to call");
  }

  std::shared_ptr<const void> referent() const noexcept override { return (*watch_)(); }
  void disarm() noexcept override { watch_.reset(); }
  void forget() noexcept override {
    call_.reset();
    watch_.reset(); // after a death inside its own callback, which may do that
  }
  void run() override { static_cast<void>(call()); }
  Result call() override {
    return std::apply(
        [](F& function, Args&... arguments) -> Result {
          return static_cast<Result>(std::invoke(std::move(function), std::move(arguments)...));
        },
        *call_);
  }

 private:
  void die() {
    std::shared_ptr<finalizer> kept;
    if (!this->claim(kept)) return;
    const forget_at_exit guard{*this};
    run();
  }
  struct forget_at_exit {
    finalizer& self;
    ~forget_at_exit() { self.forget(); }
  };

  std::optional<std::tuple<F, Args...>> call_;
  std::optional<ref<T, on_death>> watch_; // goes first
};

/// The owner, if a finalizer can hear of its end; throws before anything is moved.
template <class F, class T> const std::shared_ptr<T>& checked(const std::shared_ptr<T>& owner) {
  detail::require_tracking<sync_of<std::decay_t<F>>>(owner, false);
  return owner;
}

/// What handles of every result have in common.
template <class Finalizer> class finalize_handle {
 public:
  /// Whether it is still to run. True until it was called, detached, or run by death or exit.
  bool alive() const noexcept { return finalizer_ != nullptr && !finalizer_->is_claimed(); }
  /// The object's owner, if the finalizer is alive; else empty.
  std::shared_ptr<const void> peek() const noexcept {
    return finalizer_ != nullptr ? finalizer_->peek() : std::shared_ptr<const void>();
  }
  /// Ends the finalizer without calling it, and returns the object's owner; empty if it is too late. The
  /// function and its arguments are destroyed before this returns.
  std::shared_ptr<const void> detach() noexcept {
    std::shared_ptr<const void> object = peek();
    std::shared_ptr<finalizer> kept;
    if (object == nullptr || !finalizer_->claim(kept)) return nullptr;
    finalizer_->disarm();
    finalizer_->forget();
    return object;
  }
  /// Whether it runs when the program ends, if it is still alive then. True at first.
  bool atexit() const noexcept { return alive() && finalizer_->runs_at_exit(); }
  /// Says whether it shall. Nothing happens if it is not alive.
  void atexit(bool yes) noexcept {
    if (finalizer_ != nullptr) finalizer_->run_at_exit(yes);
  }
  /// The same finalizer.
  friend bool operator==(const finalize_handle&, const finalize_handle&) noexcept = default;

 protected:
  finalize_handle() noexcept = default;
  explicit finalize_handle(std::shared_ptr<Finalizer> made) noexcept : finalizer_(std::move(made)) {}

  /// Claims it and calls f(finalizer); the default Result if it is too late.
  template <class Result, class F> Result call_with(F&& f) {
    std::shared_ptr<finalizer> kept;
    if (finalizer_ == nullptr || !finalizer_->claim(kept)) return Result();
    const std::shared_ptr<Finalizer> called = finalizer_; // the function may assign to this handle
    called->disarm();
    struct forget_at_exit {
      finalizer& self;
      ~forget_at_exit() { self.forget(); }
    } const guard{*called};
    return f(*called);
  }

  std::shared_ptr<Finalizer> finalizer_;
};

} // namespace detail

/// A handle to a finalizer; dropping it, or all of them, cancels nothing. A value. Threads: any number of
/// handles of one finalizer may be used at the same time.
///
/// Result is what the function returns; finalize<>, for any function, is what to have as a member.
template <class Result> class finalize : public detail::finalize_handle<detail::finalizer_returning<Result>> {
  using base = detail::finalize_handle<detail::finalizer_returning<Result>>;

 public:
  /// Dead.
  finalize() noexcept = default;
  /// When the object dies, or by hand, or at exit: function(args...), both stored by value and moved into the
  /// call. Cost: allocates twice. Throws: untracked_error for an untracked or null owner, before anything is
  /// moved; std::bad_alloc; what moving the arguments throws. Then there is no finalizer.
  template <class T, class F, class... Args>
    requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
  explicit finalize(const std::shared_ptr<T>& owner, F&& function, Args&&... args)
      : base(std::make_shared<detail::finalizer_of<Result, T, std::decay_t<F>, std::decay_t<Args>...>>(
            detail::checked<F>(owner), std::forward<F>(function), std::forward<Args>(args)...)) {
    detail::finalizer::enroll(this->finalizer_);
  }

  /// Calls the function and returns its result; nothing if the finalizer is dead. Throws: what the function
  /// throws. Runs user code: the function and its destructor, no lock held.
  std::optional<Result> operator()() {
    return this->template call_with<std::optional<Result>>(
        [](auto& called) { return std::optional<Result>(called.call()); });
  }

 private:
  template <class Other> friend class finalize;
};

/// A handle to a finalizer whose result nobody wants: takes a function of any result, and every other handle
/// converts to it.
template <> class finalize<void> : public detail::finalize_handle<detail::finalizer> {
  using base = detail::finalize_handle<detail::finalizer>;

 public:
  /// Dead.
  finalize() noexcept = default;
  /// As that of finalize<Result>.
  template <class T, class F, class... Args>
    requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
  explicit finalize(const std::shared_ptr<T>& owner, F&& function, Args&&... args)
      : base(std::make_shared<detail::finalizer_of<void, T, std::decay_t<F>, std::decay_t<Args>...>>(
            detail::checked<F>(owner), std::forward<F>(function), std::forward<Args>(args)...)) {
    detail::finalizer::enroll(this->finalizer_);
  }
  /// Any other handle, its result forgotten.
  template <class Result>
    requires(!std::is_void_v<Result>)
  finalize(const finalize<Result>& other)
  noexcept : base(other.finalizer_) {}

  /// Calls the function; false if the finalizer is dead. Throws: what the function throws. Runs user code:
  /// the function and its destructor, no lock held.
  bool operator()() {
    return this->call_with<bool>([](detail::finalizer& called) {
      called.run();
      return true;
    });
  }
};

template <class T, class F, class... Args>
finalize(const std::shared_ptr<T>&, F, Args...)
    -> finalize<std::decay_t<std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>>>;

} // namespace v0
} // namespace weakref

#endif
