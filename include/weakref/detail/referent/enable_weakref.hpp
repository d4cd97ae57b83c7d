// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_REFERENT_ENABLE_WEAKREF_HPP
#define WEAKREF_DETAIL_REFERENT_ENABLE_WEAKREF_HPP

// The watch list of objects made elsewhere: a base class with one pointer. The list is a small counted block
// of its own, made at the first registration. It must outlive the object, because a ref on another thread may
// be leaving it while the object dies; so it is counted by the object and by each ref with a callback.

#include <weakref/assert.hpp>
#include <weakref/detail/referent/death.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace weakref {
inline namespace v0 {
namespace detail {

/// A watch list outside any block.
struct counted_list : referent_header {
  std::atomic<std::uint32_t> count{1};
  /// Under whom the watchers are registered. Not owning, never changed.
  std::weak_ptr<const void> owner;

  counted_list(const referent_operations& operations, const std::weak_ptr<const void>& recorded) noexcept
      : referent_header(operations), owner(recorded) {}

  static counted_list& of(referent_header& header) noexcept { return static_cast<counted_list&>(header); }
  static void retain(referent_header& header) noexcept {
    of(header).count.fetch_add(1, std::memory_order_relaxed);
  }
  static void release(referent_header& header) noexcept {
    // acq_rel: every user's last look at the list comes before the deletion
    if (of(header).count.fetch_sub(1, std::memory_order_acq_rel) == 1) delete &of(header);
  }

  /// Whether somebody can register here: the recorded owner lives (as it does if it is the registering one).
  bool is_open() const noexcept { return !owner.expired(); }
};

template <class Sync> constexpr referent_operations make_list_operations() noexcept {
  return {&death<Sync>::begin,    &death<Sync>::resume,  &counted_list::release,
          &counted_list::release, &counted_list::retain, &counted_list::release};
}
/// In the library, not in whoever makes the first registration: that may be a plugin, which is unloaded
/// before the object dies. No template, whose instance two copies of the library might share.
extern WEAKREF_API const referent_operations default_list_operations;
template <class Sync> const referent_operations& list_operations() noexcept {
  if constexpr (std::is_same_v<Sync, default_sync>) {
    return default_list_operations;
  } else {
    static constexpr referent_operations own = make_list_operations<Sync>();
    return own;
  }
}

} // namespace detail

// A namespace of its own, so that deriving from the class adds nothing to argument-dependent look-up.
namespace enable_weakref_base {

/// Base class of objects that are tracked however they are made: std::make_shared, new, a framework.
/// Use make_tracked instead where you make the object yourself: it needs no base and one allocation.
///
/// Entries are absent from the moment the last owner is gone, as everywhere; they are evicted, and callbacks
/// called, when this base is destroyed, after the derived destructors. Where a pool takes the object back
/// without destroying it, the pool calls weakref::retire. Copying an object never copies its watch list.
///
/// An object has one group of owners at a time. A second one beside it, from another control block, must keep
/// the first alive (its deleter captures an owner): what is registered under either is told when the object
/// dies, or when the first group is gone and somebody registers anew.
///
/// Cost: one pointer; the first registration allocates 48 bytes.
template <class Sync> class WEAKREF_API basic_enable_weakref {
 public:
  /// Internal: the watch list to register in under this owner. Takes the pointer's lock bit; if the list
  /// there belongs to an owner that is dead, that death is completed first, which may run user code.
  detail::referent_header* list_for(const std::weak_ptr<const void>& owner) const;

  /// Internal: the list that serves this living owner; null if nothing was registered under it.
  detail::referent_header* current_list() const noexcept;

  /// Internal: the list is now the one in the object's block (null: the block is ending).
  void use_block(detail::referent_header* header) const noexcept {
    WEAKREF_ASSERT(!has_living_owner(),
                   "adopt is given an object that a std::shared_ptr owns already; that owner is as good");
    replace(reinterpret_cast<std::uintptr_t>(header) | (header == nullptr ? 0 : in_block));
  }

  /// Internal, see weakref::retire. False if an owner is still alive.
  bool retire_list() const noexcept;

 protected:
  /// No list yet.
  constexpr basic_enable_weakref() noexcept = default;
  /// A copy is another object, with a list of its own.
  constexpr basic_enable_weakref(const basic_enable_weakref&) noexcept {}
  /// Each keeps its own list.
  constexpr basic_enable_weakref& operator=(const basic_enable_weakref&) noexcept { return *this; }
  ~basic_enable_weakref() {
    WEAKREF_ASSERT(!has_living_owner(),
                   "an object derived from enable_weakref is destroyed while a std::shared_ptr owns it");
    replace(0);
  }

 private:
  static constexpr std::uintptr_t locked = 1;
  static constexpr std::uintptr_t in_block = 2;
  static constexpr std::uintptr_t bits = 3;

  static detail::referent_header* header_of(std::uintptr_t word) noexcept {
    return reinterpret_cast<detail::referent_header*>(word & ~bits);
  }

  /// Of an object that nobody but its owners, if there are any, can reach.
  bool has_living_owner() const noexcept {
    const std::uintptr_t word = word_.load(std::memory_order_acquire);
    return header_of(word) != nullptr && (word & in_block) == 0 &&
           detail::counted_list::of(*header_of(word)).is_open();
  }
  std::uintptr_t lock() const noexcept;
  void unlock(std::uintptr_t word) const noexcept {
    // release: pairs with the acquire in lock(); publishes a new list's contents
    word_.store(word, std::memory_order_release);
    Sync::point(detail::sync_point::after_list_unlock);
  }
  /// Puts another word in place and completes the death of the list that was there, if it was a counted one.
  void replace(std::uintptr_t word) const noexcept {
    if (word == 0 && word_.load(std::memory_order_acquire) == 0) return; // nobody ever registered
    const std::uintptr_t old = lock();
    unlock(word);
    end(old);
  }
  static void end(std::uintptr_t old) noexcept {
    detail::referent_header* const header = header_of(old);
    if (header == nullptr || (old & in_block) != 0) return;
    Sync::point(detail::sync_point::death);
    header->operations().die(*header);
  }

  mutable std::atomic<std::uintptr_t> word_{0};
};

template <class Sync> std::uintptr_t basic_enable_weakref<Sync>::lock() const noexcept {
  Sync::point(detail::sync_point::before_list_lock);
  for (unsigned spins = 0;; Sync::relax(spins)) {
    const std::uintptr_t word = word_.fetch_or(locked, std::memory_order_acquire);
    if ((word & locked) == 0) return word;
  }
}

template <class Sync>
detail::referent_header* basic_enable_weakref<Sync>::list_for(const std::weak_ptr<const void>& owner) const {
  using detail::counted_list;
  // A block's list never changes while there is an owner.
  if (const std::uintptr_t word = word_.load(std::memory_order_acquire); (word & in_block) != 0)
    return header_of(word);

  // Made with the lock free. No unique_ptr, which would cost more to compile than all the rest of this class.
  counted_list* fresh = nullptr;
  for (;;) {
    const std::uintptr_t word = lock();
    detail::referent_header* const header = header_of(word);
    if (header != nullptr && counted_list::of(*header).is_open()) {
      unlock(word);
      delete fresh;
      return header;
    }
    if (fresh != nullptr) {
      unlock(reinterpret_cast<std::uintptr_t>(static_cast<detail::referent_header*>(fresh)));
      end(word);
      return fresh;
    }
    unlock(word);
    fresh = new counted_list(detail::list_operations<Sync>(), owner);
  }
}

template <class Sync> detail::referent_header* basic_enable_weakref<Sync>::current_list() const noexcept {
  if (const std::uintptr_t word = word_.load(std::memory_order_acquire); (word & in_block) != 0 || word == 0)
    return header_of(word);
  const std::uintptr_t word = lock();
  detail::referent_header* const header = header_of(word);
  // Asked under the lock, since a list that is not open may be replaced and freed by another thread.
  const bool is_open = header != nullptr && detail::counted_list::of(*header).is_open();
  unlock(word);
  return is_open ? header : nullptr;
}

template <class Sync> bool basic_enable_weakref<Sync>::retire_list() const noexcept {
  const std::uintptr_t word = lock();
  detail::referent_header* const header = header_of(word);
  if (header == nullptr || (word & in_block) != 0) {
    unlock(word);
    return true;
  }
  if (detail::counted_list::of(*header).is_open()) {
    unlock(word);
    return false;
  }
  unlock(0);
  end(word);
  return true;
}

} // namespace enable_weakref_base

using enable_weakref_base::basic_enable_weakref;
namespace detail {
using enable_weakref_base::basic_enable_weakref;
} // namespace detail
using enable_weakref = basic_enable_weakref<detail::default_sync>;

} // namespace v0
} // namespace weakref

#endif
