// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_PROXY_HPP
#define WEAKREF_PROXY_HPP

// A weak reference that is used like the object: for code that may take for granted that the object is there,
// and wants an exception if it is not. Python's weakref.proxy.
//
//   weakref::proxy player(owner);
//   player->move(3, 4);                 // throws ReferenceError if the player is dead
//
// Use a ref where the object may well be dead: `if (auto owner = r())` says so in the code. The proxy takes
// any owner, tracked or not; with a callback the object must be tracked. Unlike Python's, which forwards
// every operator, it forwards -> and *, and by them everything.

#include <weakref/detail/base/forward_callback.hpp>
#include <weakref/errors.hpp>
#include <weakref/fwd.hpp>
#include <weakref/ref.hpp>

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace weakref {
inline namespace v0 {

namespace detail {
/// What *proxy gives: keeps the referent alive while the expression lasts.
template <class T> class held_referent {
 public:
  explicit held_referent(std::shared_ptr<T> owner) noexcept : owner_(std::move(owner)) {}
  operator T&() const noexcept { return *owner_; }
  T& get() const noexcept { return *owner_; }

 private:
  std::shared_ptr<T> owner_;
};

[[noreturn]] WEAKREF_API void throw_dead_proxy();
} // namespace detail

/// A small value, as light as a weak_ptr. Threads: as a weak_ptr; the referent may die on any thread.
template <class T> class proxy<T> {
 public:
  using element_type = T; ///< The referent's type.

  /// Dead.
  proxy() noexcept = default;
  /// Of the owner's object; dead if the owner is null.
  template <class U>
    requires std::convertible_to<U*, T*>
  explicit proxy(const std::shared_ptr<U>& owner) noexcept : ref_(owner) {}

  /// Reaches a member of the referent, which is held until the end of the full expression.
  /// Throws: ReferenceError if it is dead.
  std::shared_ptr<T> operator->() const { return hold(); }
  /// The referent, held until the end of the full expression: what is returned converts to T&, and has get()
  /// where that does not happen by itself. `use(*p)` is right, `T& t = *p;` outlives the hold. Throws:
  /// ReferenceError if the referent is dead.
  detail::held_referent<T> operator*() const { return detail::held_referent<T>(hold()); }

  /// Whether the referent is dead. True is final, false is already old: for pruning, never before use.
  bool expired() const noexcept { return ref_.expired(); }

  /// Compares the referents, as Python's proxies do. Throws: ReferenceError if one is dead. There is no hash,
  /// as in Python: the referent's may change.
  friend bool operator==(const proxy& a, const proxy& b) requires std::equality_comparable<T> {
    const std::shared_ptr<T> left = a.hold(), right = b.hold();
    return *left == *right;
  }

 private:
  std::shared_ptr<T> hold() const {
    std::shared_ptr<T> owner = ref_();
    if (owner == nullptr) detail::throw_dead_proxy();
    return owner;
  }

  ref<T> ref_;
};

/// A proxy that calls F(proxy<T>&), or F(), when the referent dies, under the rules of ref<T, F>: neither
/// copied nor moved; getweakrefs() names the ref inside it. Deduced by `proxy p(owner, f)`.
template <class T, class F> class proxy : public proxy<T> {
 public:
  /// Registers. Throws: untracked_error for an untracked or null owner; what moving F throws. Then nothing is
  /// registered.
  [[nodiscard("destroyed at once, it takes its callback back: name it")]] proxy(
      const std::shared_ptr<T>& owner, F f)
      : proxy<T>(owner), watch_(owner, callback{this, std::move(f)}) {}
  proxy(const proxy&) = delete;
  proxy& operator=(const proxy&) = delete;

 private:
  using callback = detail::forward_callback<proxy<T>, F>;
  ref<T, callback> watch_;
};

template <class T> proxy(const std::shared_ptr<T>&) -> proxy<T>;
template <class T, class F> proxy(const std::shared_ptr<T>&, F) -> proxy<T, F>;

} // namespace v0
} // namespace weakref

#endif
