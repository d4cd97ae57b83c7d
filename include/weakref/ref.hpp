// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_REF_HPP
#define WEAKREF_REF_HPP

// Weak references: ref<T>, and ref<T, F> which calls F at the referent's death. Python's weakref.ref.
//
// A ref<T> is a std::weak_ptr<T> in size and cost, with two things more: it can be compared and hashed, also
// after death, and it is made to be subclassed. Like a weak_ptr it keeps the dead object's memory (not the
// object) where object and control block are one allocation. The idiom:
//
//   if (auto owner = r()) use(*owner);      // testing first and using later would be a race
//
// Python calls a callback with the dead ref; so here. Python's refs to one object without callback are one
// object; here they are values that compare equal.

#include <weakref/assert.hpp>
#include <weakref/detail/base/null_function.hpp>
#include <weakref/detail/base/weak_pointer.hpp>
#include <weakref/detail/referent/death.hpp>
#include <weakref/detail/referent/tracking.hpp>
#include <weakref/fwd.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace weakref {
inline namespace v0 {

namespace detail {
struct ref_access;
} // namespace detail

/// A weak reference: a value, copyable and movable. T may be const or incomplete. Takes any owner, tracked or
/// not.
///
/// Threads: as a std::weak_ptr; const members may be called from any thread.
template <class T> class ref<T, void> {
  static_assert(!std::is_array_v<T>, "a referent is one object, not an array");

 public:
  using element_type = T; ///< The referent's type.

  /// Dead from the start; equal to every other such ref.
  constexpr ref() noexcept = default;

  /// To the owner's object; dead if the owner is null.
  template <class U>
    requires std::convertible_to<U*, T*>
  explicit ref(const std::shared_ptr<U>& owner) noexcept : weak_(owner) {
    WEAKREF_ASSERT(detail::holds_address(weak_, static_cast<T*>(owner.get())),
                   "this standard library keeps a weak_ptr's address elsewhere");
  }

  /// An owner, or an empty pointer if the referent is dead; in one step. Cost: two atomic operations with the
  /// owner's release.
  std::shared_ptr<T> operator()() const noexcept { return weak_.lock(); }

  /// Whether the referent is dead. True is final; false is already old when it arrives: good for pruning,
  /// never as a test before use.
  bool expired() const noexcept { return weak_.expired(); }

  /// The same referent: the same owner and the same T*. Stable after death, and a new object at a dead one's
  /// address is another. (Python compares living referents by ==.)
  friend bool operator==(const ref& a, const ref& b) noexcept {
    return detail::same_referent(a.weak_, b.weak_);
  }

  /// The mixed address; stable after death.
  std::size_t hash_code() const noexcept {
    return static_cast<std::size_t>(detail::hash_address(detail::address_of(weak_)));
  }

 private:
  friend struct detail::ref_access;
  std::weak_ptr<T> weak_;
};

namespace detail {
struct ref_access {
  template <class T> static std::weak_ptr<T>& weak(ref<T>& from) noexcept { return from.weak_; }
  template <class T> static const std::weak_ptr<T>& weak(const ref<T>& from) noexcept { return from.weak_; }
};
} // namespace detail

/// A weak reference that calls `F(ref<T>&)`, or `F()`, when the referent dies, on the thread that let go
/// last.
///
/// Deduced by `ref r(owner, f)`. Neither copied nor moved, like std::stop_callback: its address is its
/// identity. Copied as a ref<T> it gives a plain ref. When the callback runs every ref to the object is dead
/// and every container has forgotten it; no library lock is held, and the callback may do anything, also
/// destroy this ref. Callbacks of one object run newest first. What F throws goes to the unraisable hook.
///
/// Destruction follows std::stop_callback: before its turn it is not called; inside its own callback the
/// destructor returns at once; while the callback runs on another thread it waits until that has returned.
/// It never waits for another callback. Destroying one inside a `visit` function while its callback runs
/// elsewhere can deadlock if that callback needs the visited container.
///
/// A subclass whose callback uses the subclass's own members calls disarm() first in its destructor.
// The link comes first: what getweakrefs gives is then the address of the ref.
template <class T, class F> class ref : private detail::callback_link, public ref<T> {
  using sync = detail::sync_of<F>;
  static_assert(std::invocable<F&, ref<T>&> || std::invocable<F&>, "F must be callable as f(ref<T>&) or f()");

 public:
  using callback_type = F; ///< What is called.

  /// Registers. Cost: no allocation (an enable_weakref object's first registration makes its watch list).
  /// Throws: untracked_error for an untracked or null owner; what moving F throws. Then nothing is
  /// registered.
  [[nodiscard("destroyed at once, it takes its callback back: name it")]] ref(const std::shared_ptr<T>& owner,
                                                                              F f)
      : ref<T>(owner), callback_(std::move(f)), watched_(owner) {
    WEAKREF_ASSERT(!detail::is_null_function(callback_),
                   "a null function is to be called when an object dies; without a callback there is ref<T>");
    const detail::tracking found = detail::require_tracking<sync>(owner, false);
    this->template arm<sync>(*found.header, &ref::call_back);
  }
  ref(const ref&) = delete;
  ref& operator=(const ref&) = delete;
  /// Takes the callback back, or waits for it, as said above. Cost: one lock of the object's list.
  ~ref() { disarm(); }

  /// The callback; null once the referent is dead. Python's __callback__.
  F* callback() noexcept { return watched_.expired() ? nullptr : &callback_; }
  /// The same.
  const F* callback() const noexcept { return watched_.expired() ? nullptr : &callback_; }

 protected:
  /// After this the callback is not running on another thread and will not be called. Idempotent. For a
  /// subclass whose callback uses its own members: this destructor would wait too late, with the members
  /// gone.
  void disarm() noexcept { callback_link::template disarm<sync>(); }

 private:
  static void call_back(detail::callback_link& link) {
    ref& self = static_cast<ref&>(link);
    if constexpr (std::invocable<F&, ref<T>&>) {
      self.callback_(static_cast<ref<T>&>(self));
    } else {
      self.callback_();
    }
  }

  [[no_unique_address]] F callback_;
  // Keeps the watch list's memory. The base's weak_ptr can't: a callback may assign to its ref, or move from
  // it.
  std::weak_ptr<T> watched_;
};

template <class T> ref(const std::shared_ptr<T>&) -> ref<T>;
template <class T, class F> ref(const std::shared_ptr<T>&, F) -> ref<T, F>;

} // namespace v0
} // namespace weakref

/// By hash_code().
template <class T> struct std::hash<weakref::ref<T>> {
  /// r.hash_code().
  std::size_t operator()(const weakref::ref<T>& r) const noexcept { return r.hash_code(); }
};

#endif
