// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_WEAK_METHOD_HPP
#define WEAKREF_WEAK_METHOD_HPP

// A member function of an object that it does not keep alive: what a list of listeners holds. Python's
// WeakMethod.
//
//   weakref::WeakMethod on_click(button, &Button::click);
//   if (auto click = on_click()) click(x, y);   // click holds the button
//
// Use a std::function with a captured owner where the listener shall keep its object alive.

#include <weakref/assert.hpp>
#include <weakref/detail/base/forward_callback.hpp>
#include <weakref/errors.hpp>
#include <weakref/fwd.hpp>
#include <weakref/hash.hpp>
#include <weakref/ref.hpp>

#include <atomic>
#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace weakref {
inline namespace v0 {

namespace detail {

[[noreturn]] WEAKREF_API void throw_dead_method();

/// What a WeakMethod gives: the object, held, and its method. Tested before it is called.
template <class T, class Method> class bound_method {
 public:
  bound_method() noexcept = default;
  bound_method(std::shared_ptr<T> owner, Method function) noexcept
      : object_(std::move(owner)), method_(function) {}

  explicit operator bool() const noexcept { return object_ != nullptr; }
  /// Python's __self__ and __func__.
  const std::shared_ptr<T>& object() const noexcept { return object_; }
  Method method() const noexcept { return method_; }

  /// Throws: ReferenceError if there is no object; what the method throws.
  template <class... Args>
    requires std::invocable<Method, T&, Args...>
  decltype(auto) operator()(Args&&... args) const {
    if (object_ == nullptr) throw_dead_method();
    return std::invoke(method_, *object_, std::forward<Args>(args)...);
  }

 private:
  std::shared_ptr<T> object_;
  Method method_{};
};

/// A hash that is asked for once and remembered.
class remembered_hash {
 public:
  remembered_hash() noexcept = default;
  remembered_hash(const remembered_hash& other) noexcept { *this = other; }
  remembered_hash& operator=(const remembered_hash& other) noexcept {
    std::size_t hash = 0;
    if (other.get(hash))
      set(hash);
    else
      is_known_.store(false, std::memory_order_relaxed);
    return *this;
  }
  bool get(std::size_t& hash) const noexcept {
    // acquire: pairs with set()
    if (!is_known_.load(std::memory_order_acquire)) return false;
    hash = hash_.load(std::memory_order_relaxed);
    return true;
  }
  void set(std::size_t hash) noexcept {
    hash_.store(hash, std::memory_order_relaxed);
    is_known_.store(true, std::memory_order_release);
  }

 private:
  std::atomic<std::size_t> hash_{0};
  std::atomic<bool> is_known_{false};
};

} // namespace detail

/// A value, copyable and movable. Method is a pointer to a member function of T or of a base of T. Takes any
/// owner, tracked or not. Deduced by `WeakMethod m(owner, &T::function)`.
template <class T, class Method> class WeakMethod<T, Method> : public ref<T> {
  static_assert(std::is_member_function_pointer_v<Method>);
  static constexpr bool compares_by_value = std::equality_comparable<T>;

 public:
  /// What a call gives: the object, held, and its method. Tests true if there is an object, and is then
  /// called as the method is; called without one it throws ReferenceError. object() and method() are Python's
  /// __self__ and __func__.
  using bound_type = detail::bound_method<T, Method>;

  /// Dead.
  WeakMethod() noexcept = default;
  /// Of the owner's object; dead if the owner is null.
  WeakMethod(const std::shared_ptr<T>& owner, Method method) noexcept : ref<T>(owner), method_(method) {
    WEAKREF_ASSERT(method != nullptr, "a WeakMethod is made of a null pointer to a member function");
  }

  /// The method bound to its object, or something that tests false.
  bound_type operator()() const noexcept {
    std::shared_ptr<T> object = ref<T>::operator()();
    return object != nullptr ? bound_type(std::move(object), method_) : bound_type();
  }

  /// Python's rule. Two living ones are equal if their methods are the same and their objects are equal (the
  /// same object, where T has no ==); a dead one is equal to itself only, not even to its copy.
  friend bool operator==(const WeakMethod& a, const WeakMethod& b) {
    if (&a == &b) return true;
    const bound_type left = a(), right = b();
    if (!left || !right || a.method_ != b.method_) return false;
    if constexpr (compares_by_value) {
      return *left.object() == *right.object();
    } else {
      return static_cast<const ref<T>&>(a) == static_cast<const ref<T>&>(b);
    }
  }

  /// The object's hash: by weakref::hash<T> where T has an ==, else that of its address. Remembered, so that
  /// it stays when the object dies.
  ///
  /// Throws: ReferenceError if the object is dead and was never asked; what
  /// hashing throws. Threads: any.
  std::size_t hash_code() const
      requires(!compares_by_value || requires(const T& object) { hash<std::remove_cv_t<T>>()(object); }) {
    if constexpr (!compares_by_value) {
      return ref<T>::hash_code();
    } else {
      std::size_t known = 0;
      if (hash_.get(known)) return known;
      const std::shared_ptr<T> object = ref<T>::operator()();
      if (object == nullptr) detail::throw_dead_method();
      known = hash<std::remove_cv_t<T>>()(*object);
      hash_.set(known);
      return known;
    }
  }

 private:
  Method method_{};
  mutable detail::remembered_hash hash_;
};

/// With a callback F(WeakMethod<T, Method>&) or F(), called when the object dies, under the rules of ref<T,
/// F>: neither copied nor moved; getweakrefs() names the ref inside it. Deduced by `WeakMethod m(owner,
/// &T::function, f)`.
template <class T, class Method, class F> class WeakMethod : public WeakMethod<T, Method> {
 public:
  /// Registers. Throws: untracked_error for an untracked or null owner; what moving F throws. Then nothing is
  /// registered.
  [[nodiscard("destroyed at once, it takes its callback back: name it")]] WeakMethod(
      const std::shared_ptr<T>& owner, Method method, F f)
      : WeakMethod<T, Method>(owner, method), watch_(owner, callback{this, std::move(f)}) {}
  WeakMethod(const WeakMethod&) = delete;
  WeakMethod& operator=(const WeakMethod&) = delete;

 private:
  using callback = detail::forward_callback<WeakMethod<T, Method>, F>;
  ref<T, callback> watch_;
};

template <class T, class Method> WeakMethod(const std::shared_ptr<T>&, Method) -> WeakMethod<T, Method>;
template <class T, class Method, class F>
WeakMethod(const std::shared_ptr<T>&, Method, F) -> WeakMethod<T, Method, F>;

} // namespace v0
} // namespace weakref

/// By hash_code(), where T can be hashed.
template <class T, class Method>
  requires requires(const weakref::WeakMethod<T, Method>& method) { method.hash_code(); }
struct std::hash<weakref::WeakMethod<T, Method>> {
  /// method.hash_code(), and throws what that throws.
  std::size_t operator()(const weakref::WeakMethod<T, Method>& method) const { return method.hash_code(); }
};

#endif
