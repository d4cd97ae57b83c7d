// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_REFERENT_HPP
#define WEAKREF_REFERENT_HPP

// Making objects tracked. The standard gives no hook on an arbitrary shared_ptr, so an object whose death
// somebody wants to hear of is made by make_tracked (any type, one allocation), or derives from
// enable_weakref (made anywhere), or is adopted (made by others). Its owners are plain std::shared_ptrs in
// every case.

#include <weakref/detail/referent/tracking.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace weakref {
inline namespace v0 {

namespace detail {

template <class T>
concept knows_its_owner = requires(T& object) {
  object.weak_from_this();
};

/// An object's base class, if it has one, uses the block's watch list: one list, not two.
template <class Sync, class T> void join_block(T& object, referent_header* header) noexcept {
  if (const auto* const base = detail::find_base<Sync>(std::addressof(object))) base->use_block(header);
}

/// The first owner of what lies in a new block.
template <class T, class Block> std::shared_ptr<T> own_block(Block& made, T* pointer) {
  try {
    return made.template own<T>(pointer);
  } catch (...) {
    detail::control_block_gone(made.header);
    throw;
  }
}

template <class Sync, class T, class Allocator, class... Args>
std::shared_ptr<T> allocate_tracked_with(const Allocator& allocator, Args&&... args) {
  static_assert(!std::is_array_v<T>, "a referent is one object, not an array");
  static_assert(can_be_tracked<T, Sync>, "without RTTI only classes derived from enable_weakref are tracked");
  using object_type = std::remove_cv_t<T>;
  using object_allocator = typename std::allocator_traits<Allocator>::template rebind_alloc<object_type>;
  auto* const made = block<object_type, Allocator, Sync>::make(
      allocator, [&](object_type* place, const auto& block_allocator) {
        object_allocator own(block_allocator);
        std::allocator_traits<object_allocator>::construct(own, place, std::forward<Args>(args)...);
      });
  detail::join_block<Sync>(*made->object(), &made->header);
  return detail::own_block<T>(*made, made->object());
}

template <class Sync, class T, class... Args> std::shared_ptr<T> make_tracked_with(Args&&... args) {
  return detail::allocate_tracked_with<Sync, T>(std::allocator<std::remove_cv_t<T>>(),
                                                std::forward<Args>(args)...);
}

/// What lies in an adopted object's block: who lets it go. When it is destroyed the object is dead to us.
template <class Sync, class T, class Deleter> struct adopted {
  std::unique_ptr<T, Deleter> owner;
  explicit adopted(std::unique_ptr<T, Deleter>&& from) noexcept : owner(std::move(from)) {}
  ~adopted() {
    // The deleter may give the object back to a pool; its base must not keep pointing into this block.
    detail::join_block<Sync>(*owner, nullptr);
  }
};

template <class Sync, class T, class Deleter>
std::shared_ptr<T> adopt_unique(std::unique_ptr<T, Deleter>&& from) {
  static_assert(std::is_pointer_v<typename std::unique_ptr<T, Deleter>::pointer>,
                "a deleter with a fancy pointer can't be adopted");
  static_assert(can_be_tracked<T, Sync>, "without RTTI only classes derived from enable_weakref are tracked");
  using object_type = adopted<Sync, T, Deleter>;
  T* const pointer = from.get();
  auto* const made = block<object_type, std::allocator<object_type>, Sync>::make(
      std::allocator<object_type>(), [&](object_type* place, const auto&) {
        ::new (static_cast<void*>(place)) object_type(std::move(from));
      });
  detail::join_block<Sync>(*pointer, &made->header);
  return detail::own_block<T>(*made, pointer);
}

template <class Sync, class T> std::shared_ptr<T> adopt_shared(std::shared_ptr<T>&& from) {
  static_assert(can_be_tracked<T, Sync>, "without RTTI only classes derived from enable_weakref are tracked");
  using object_type = std::shared_ptr<T>;
  T* const pointer = from.get();
  auto* const made = block<object_type, std::allocator<object_type>, Sync>::make(
      std::allocator<object_type>(), [&](object_type* place, const auto&) {
        ::new (static_cast<void*>(place)) object_type(std::move(from));
      });
  return detail::own_block<T>(*made, pointer);
}

} // namespace detail

/// Makes a tracked object: object, control block and watch list in one allocation. For any type, unchanged; T
/// may derive from enable_weakref or enable_shared_from_this. Like std::make_shared it keeps the memory while
/// weak references remain.
///
/// Cost: one allocation. Throws: std::bad_alloc; what the constructor throws, and then nothing is left.
template <class T, class... Args> [[nodiscard]] std::shared_ptr<T> make_tracked(Args&&... args) {
  return detail::make_tracked_with<detail::default_sync, T>(std::forward<Args>(args)...);
}

/// The same with an allocator, which must outlive the object and may be used by any thread that lets go of an
/// owner or a weak reference. The object is constructed through it, as std::allocate_shared does. Throws:
/// what the allocator and the constructor throw; then nothing is left.
template <class T, class Allocator, class... Args>
[[nodiscard]] std::shared_ptr<T> allocate_tracked(const Allocator& allocator, Args&&... args) {
  return detail::allocate_tracked_with<detail::default_sync, T>(allocator, std::forward<Args>(args)...);
}

/// Makes an object of others tracked; its deleter is called at the end of the death. An empty pointer gives
/// an empty owner.
///
/// Cost: one allocation. Throws: std::bad_alloc; then `from` still holds the object.
template <class T, class Deleter> [[nodiscard]] std::shared_ptr<T> adopt(std::unique_ptr<T, Deleter>&& from) {
  static_assert(!std::is_array_v<T>, "a referent is one object, not an array");
  if (from == nullptr) return nullptr;
  return detail::adopt_unique<detail::default_sync>(std::move(from));
}

/// A tracked owner comes back as it is. For another the result is a new owner that holds the given one, and
/// death means the death of *its* copies: the original owners know nothing of it. Not for types that have
/// weak_from_this(): inner owners could keep the object alive unseen.
///
/// Cost: one allocation if untracked. Throws: std::bad_alloc; then `from` is unchanged.
template <class T> [[nodiscard]] std::shared_ptr<T> adopt(std::shared_ptr<T>&& from) {
  static_assert(
      !detail::knows_its_owner<T> || detail::has_weakref_base<T, detail::default_sync>,
      "adopt(shared_ptr) is not for classes with weak_from_this(): owners made from inside would keep "
      "the object alive after its tracked death; adopt a unique_ptr or derive from enable_weakref");
  if (from == nullptr || from.use_count() == 0) return nullptr;
  if (detail::find_block(from) != nullptr || detail::find_base<detail::default_sync>(from.get()) != nullptr)
    return std::move(from);
  return detail::adopt_shared<detail::default_sync>(std::move(from));
}
/// The same, beside an owner that stays.
template <class T> [[nodiscard]] std::shared_ptr<T> adopt(const std::shared_ptr<T>& from) {
  return weakref::adopt(std::shared_ptr<T>(from));
}

/// For pools that take an enable_weakref object back without destroying it: completes its death, that is,
/// evicts its entries and calls its callbacks now. Call it when the last owner is gone, usually in the pool's
/// deleter. Nothing happens if nobody registered, or if the object was made by make_tracked or adopted.
///
/// Cost: O(watchers). Throws: std::logic_error if an owner is still alive; then nothing has changed.
/// Runs user code: callbacks, destructors of keys and mapped values; no library lock held.
template <class Sync> void retire(const basic_enable_weakref<Sync>& object) {
  if (!object.retire_list())
    throw std::logic_error(
        "weakref::retire: the object still has an owner; retire it when the last one is gone");
}

/// Whether a callback, a finalizer or a container entry for this owner will hear of the object's death. False
/// for null and ownerless pointers.
template <class T> [[nodiscard]] bool is_tracked(const std::shared_ptr<T>& owner) noexcept {
  if (owner == nullptr || owner.use_count() == 0) return false;
  return detail::find_block(owner) != nullptr ||
         detail::find_base<detail::default_sync>(owner.get()) != nullptr;
}

namespace detail {
WEAKREF_API std::size_t count_watchers(referent_header* header) noexcept;
WEAKREF_API void copy_watchers(referent_header* header, std::vector<const void*>& out);
} // namespace detail

/// The object's watchers: refs with a callback and container entries. Plain refs are not counted (they are
/// nobody's to notify), unlike Python's. 0 if untracked or null, and already old when it returns.
///
/// Cost: O(watchers).
template <class T> [[nodiscard]] std::size_t getweakrefcount(const std::shared_ptr<T>& owner) noexcept {
  return detail::count_watchers(detail::find_registered<detail::default_sync>(owner));
}

/// The watchers' addresses, newest first, for identity only: they may be gone when this returns.
///
/// Cost: O(watchers), allocates. Throws: std::bad_alloc.
template <class T> [[nodiscard]] std::vector<const void*> getweakrefs(const std::shared_ptr<T>& owner) {
  std::vector<const void*> watchers;
  detail::copy_watchers(detail::find_registered<detail::default_sync>(owner), watchers);
  return watchers;
}

} // namespace v0
} // namespace weakref

#endif
