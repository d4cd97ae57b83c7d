// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_REFERENT_WATCH_LIST_HPP
#define WEAKREF_DETAIL_REFERENT_WATCH_LIST_HPP

// The watch list: who must hear of one object's death. Eight bytes per object, one machine word:
//
//    63                                    3   2 1    0
//   +---------------------------------------+------+------+
//   |  first watcher, firing*, or link      | mode | lock |
//   +---------------------------------------+------+------+
//
// The lock is a spin bit: it is a leaf, held for a handful of instructions around which nothing else is
// locked, and its unlock is one plain store. (A mutex beside the pointer made the list 16 bytes, and with it
// an entry of the 64-byte-object kind one malloc size class larger.)
//
// mode      the pointer is          who may touch the list
// entries   the first watcher       owners, under the lock; at death the dying thread alone, without it
// callbacks the first watcher       as above, and destructors of refs, also after death: so always the lock
// closed    the firing in progress  destructors of refs, under the lock
// link      the next death put off  (a death put off whose list is empty)
//
// Why `entries` needs no lock at death: whoever registers or unregisters an entry holds an owner meanwhile,
// and at death there is none. Only refs with a callback may leave the list of a dead object.
//
// A death put off needs one more word, to be linked to the next one, and the object has none to spare. The
// list knows its first watcher, so that watcher's `previous` is unused: the link lies there, moves on to the
// next watcher when the first one leaves, and into the word itself when the last one does.

#include <weakref/detail/base/sync.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace weakref {
inline namespace v0 {
namespace detail {

class core_base;
struct entry;
struct firing;
struct referent_header;

/// What is done with an evicted entry once every container has forgotten the object.
using discard_function = void (*)(entry&) noexcept;

/// A link in a watch list: the base of container entries and of refs with a callback.
struct watcher {
  watcher* next = nullptr;
  union {
    watcher* previous = nullptr; // of the first watcher: the link of a death put off
    discard_function discard;    // between eviction and discarding
  };
  core_base* core = nullptr; // the container's; null for a ref with a callback
};

class watch_list {
 public:
  static constexpr std::uintptr_t lock_bit = 1;
  enum mode : std::uintptr_t { entries = 0, callbacks = 2, closed = 4, link = 6 };
  static constexpr std::uintptr_t mode_mask = 6;
  static constexpr std::uintptr_t pointer_mask = ~std::uintptr_t{7};

  /// What the word says, without locking. Only for who knows that nobody can change it.
  std::uintptr_t peek() const noexcept { return word_.load(std::memory_order_relaxed); }
  /// Whether the entry that the list began with (start_with) is its only watcher: it is always the last one, so it is if
  /// it is the first. Of a dying object; then nobody else can change the list.
  bool has_only(const watcher& oldest) const noexcept {
    return peek() == (reinterpret_cast<std::uintptr_t>(&oldest) | entries);
  }
  /// The first entry of a list that no other thread knows yet: whoever hands out the owner publishes it.
  void start_with(watcher& first) noexcept {
    word_.store(reinterpret_cast<std::uintptr_t>(&first) | entries, std::memory_order_relaxed);
  }

 private:
  template <class Sync> friend class list_lock;
  std::atomic<std::uintptr_t> word_{0};
};

/// Holds a watch list's lock; a changed word is published by the unlock. Who unlocks before the end locks
/// again.
template <class Sync> class list_lock {
 public:
  explicit list_lock(watch_list& list) noexcept : list_(list) { lock(); }
  ~list_lock() { unlock(); }
  list_lock(const list_lock&) = delete;
  list_lock& operator=(const list_lock&) = delete;

  void lock() noexcept {
    Sync::point(sync_point::before_list_lock);
    for (unsigned spins = 0;; Sync::relax(spins)) {
      // acquire: pairs with the release store in unlock(), so that the links written under the lock are seen
      const std::uintptr_t word = list_.word_.fetch_or(watch_list::lock_bit, std::memory_order_acquire);
      if ((word & watch_list::lock_bit) == 0) {
        word_ = word;
        return;
      }
    }
  }
  void unlock() noexcept {
    // release: pairs with the acquire in lock(). Nobody else writes the word while the bit is set but those
    // who try to lock, and they only set the bit that is set already: a plain store loses nothing.
    list_.word_.store(word_, std::memory_order_release);
    Sync::point(sync_point::after_list_unlock);
  }

  watch_list::mode mode() const noexcept {
    return static_cast<watch_list::mode>(word_ & watch_list::mode_mask);
  }
  bool is_closed() const noexcept { return mode() == watch_list::closed; }

  watcher* first() const noexcept {
    const bool is_list = mode() == watch_list::entries || mode() == watch_list::callbacks;
    return is_list ? reinterpret_cast<watcher*>(word_ & watch_list::pointer_mask) : nullptr;
  }
  firing* current_firing() const noexcept {
    return is_closed() ? reinterpret_cast<firing*>(word_ & watch_list::pointer_mask) : nullptr;
  }

  void push(watcher& added) noexcept {
    watcher* const head = first();
    added.next = head;
    added.previous = nullptr;
    if (head != nullptr) head->previous = &added;
    const bool is_callback = added.core == nullptr || mode() == watch_list::callbacks;
    set(&added, is_callback ? watch_list::callbacks : watch_list::entries);
  }

  void remove(watcher& gone) noexcept {
    if (gone.next != nullptr) gone.next->previous = gone.previous;
    if (&gone != first()) {
      gone.previous->next = gone.next;
    } else if (gone.next != nullptr) {
      set(gone.next, mode());
    } else if (gone.previous != nullptr) {
      set(gone.previous, watch_list::link);
    } else {
      set(nullptr, mode());
    }
  }

  void close(firing* in_progress) noexcept { set(in_progress, watch_list::closed); }

  /// The link of a death put off to the one put off after it.
  void set_link(referent_header* next) noexcept {
    if (watcher* const head = first()) {
      head->previous = reinterpret_cast<watcher*>(next);
    } else {
      set(next, watch_list::link);
    }
  }
  referent_header* link() const noexcept {
    if (const watcher* const head = first()) return reinterpret_cast<referent_header*>(head->previous);
    if (mode() != watch_list::link) return nullptr;
    return reinterpret_cast<referent_header*>(word_ & watch_list::pointer_mask);
  }

 private:
  void set(const void* pointer, watch_list::mode mode) noexcept {
    word_ = reinterpret_cast<std::uintptr_t>(pointer) | mode;
  }

  watch_list& list_;
  std::uintptr_t word_ = 0;
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
