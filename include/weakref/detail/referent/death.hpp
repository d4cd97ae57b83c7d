// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_REFERENT_DEATH_HPP
#define WEAKREF_DETAIL_REFERENT_DEATH_HPP

// The death protocol: an object dies while somebody is looking. Everything above this file is ordinary code.
//
// A death (class death), on the thread whose owner was the last one:
//
//   0  Under a container's lock, inside user code? Then the whole death is put off until this thread has left
//      the outermost such lock. Nothing user-made ever runs inside somebody's lock.
//   1  (The count is zero: every ref is dead already.)
//   2  Close the list and detach the watchers, under the list's lock. Nobody can join a dying list: that
//      needs an owner.
//   3  Evict each entry from its container, through the node it is. One shard's lock at a time, no other
//      lock, no hash, no comparison, no allocation, no user code.
//   4  Discard the evicted entries: keys and mapped values are destroyed, no lock held.
//   5  Call the callbacks, newest first, no lock held, each given its own ref.
//   6  What leaves a callback as an exception goes to the unraisable hook.
//   7  Destroy the object; its memory follows.
//
// The end of a ref with a callback (class callback_link, disarm), on any thread:
//
//   a  Lock the list. Still linked: unlink it, it will not be called.
//   b  Being called, on this thread: return at once; the loop does not touch it again.
//   c  Being called, on another thread: wait until that call has returned. It never waits for another one.
//
// Races, and what decides them:
//
//   death (2)          | ref's end (a)         | the list's lock: detached first or unlinked first
//   callback (5)       | its own ref's end (c) | `running`, under the list's lock; the wait holds no lock
//   callback (5)       | another ref's end (a) | that ref is still in `queue`: unlinked under the lock
//   evict (3)          | erase, replace, clear | the shard's lock: who finds the entry takes it out
//   evict (3)          | insert, same key      | evict looks for its own node, never for the key
//   discard (4)        | cursor                | shares: the last to drop frees
//   discard (4)        | a release under way   | as above; the release carries a count on the core (core.hpp)
//   end of a put-off 7 | last weak reference   | referent_header::is_second_to_end
//
// Order of locks: there is none to observe, since no two locks of the library are ever held together.

#include <weakref/detail/base/thread_record.hpp>
#include <weakref/detail/referent/entry.hpp>
#include <weakref/detail/referent/referent_header.hpp>

#include <atomic>
#include <cstdint>
#include <exception>

namespace weakref {
inline namespace v0 {
namespace detail {

/// Hands an exception that nobody can catch to the unraisable hook.
WEAKREF_API void report_unraisable() noexcept;

/// Counts calls of callbacks that somebody waited for. One word for the whole process: waiting is rare, and a
/// word that outlives every object cannot be woken up too late.
extern WEAKREF_API std::atomic<std::uint32_t> awaited_callbacks;

/// What a ref with a callback is in the watch list. Its fields are guarded by the list's lock.
struct callback_link : watcher {
  using call_function = void (*)(callback_link&);

  /// Registers. The caller holds an owner.
  template <class Sync> void arm(referent_header& watched, call_function function) noexcept {
    if (auto* const retain = watched.operations().retain) retain(watched);
    header = &watched;
    call = function;
    list_lock<Sync> lock(watched.list);
    lock.push(*this);
    linked = true;
  }

  /// Unregisters, or waits for the call in progress. Idempotent.
  template <class Sync> void disarm() noexcept {
    if (header == nullptr) return;
    leave<Sync>();
    if (auto* const release = header->operations().release) release(*header);
    header = nullptr;
  }

  referent_header* header = nullptr;
  call_function call = nullptr;
  bool linked = false;

 private:
  template <class Sync> void leave() noexcept;
};

/// The callbacks of one death, while they are called; lies on the dying thread's stack.
struct firing {
  watcher* queue = nullptr; // newest first
  callback_link* running = nullptr;
  const thread_record* thread = nullptr;
  bool awaited = false;
  bool has_callbacks = false; // had some at first; the dying thread's alone, where `queue` needs the lock

  void remove(watcher& gone) noexcept {
    (&gone == queue ? queue : gone.previous->next) = gone.next;
    if (gone.next != nullptr) gone.next->previous = gone.previous;
  }
};

template <class Sync> void callback_link::leave() noexcept {
  list_lock<Sync> lock(header->list);
  if (linked) { // a
    if (firing* const in_progress = lock.current_firing()) return in_progress->remove(*this);
    return lock.remove(*this);
  }
  for (;;) {
    firing* const in_progress = lock.current_firing();
    if (in_progress == nullptr || in_progress->running != this) return;
    if (in_progress->thread == &this_thread()) return; // b
    in_progress->awaited = true;                       // c
    // Read under the lock: a call that returns later counts up after this, and wakes the wait below.
    const std::uint32_t seen = awaited_callbacks.load(std::memory_order_relaxed);
    lock.unlock();
    Sync::wait(awaited_callbacks, seen);
    lock.lock();
  }
}

// The members are defined outside the class because -fvisibility-inlines-hidden would hide them in the
// library.
template <class Sync> class WEAKREF_API death {
 public:
  /// The last owner has let go.
  static void begin(referent_header& header) noexcept;
  /// Takes the death out of the queue it was put off in, says which one comes next, and runs it.
  static void resume(referent_header& header, referent_header*& next) noexcept;

 private:
  static void put_off(referent_header& header, thread_record& thread) noexcept;
  static void run(referent_header& header) noexcept;
  static void tell(referent_header& header) noexcept;
  static void evict(watcher* entries) noexcept;
  static void tell_callbacks_too(referent_header& header) noexcept;
  static watcher* detach(referent_header& header, firing& in_progress) noexcept;
  static void fire(referent_header& header, firing& in_progress) noexcept;
};

// An object whose last member owns the next one dies as a chain does: each death inside the one before. So what is left
// on the stack while the object is destroyed is kept small: begin(), run() and finish() end in calls that replace them
// there, and what needs room of its own (tell()) is over by then.

template <class Sync> void death<Sync>::begin(referent_header& header) noexcept {
  thread_record& thread = this_thread();
  if (thread.depth != 0) return put_off(header, thread);
  run(header);
}

template <class Sync> void death<Sync>::put_off(referent_header& header, thread_record& thread) noexcept {
  header.mark_put_off(); // 0
  if (thread.last_death == nullptr) {
    thread.first_death = &header;
  } else {
    list_lock<Sync> lock(thread.last_death->list);
    lock.set_link(&header);
  }
  thread.last_death = &header;
}

template <class Sync> void death<Sync>::resume(referent_header& header, referent_header*& next) noexcept {
  {
    list_lock<Sync> lock(header.list);
    next = lock.link();
    lock.set_link(nullptr);
  }
  run(header);
}

template <class Sync> void death<Sync>::run(referent_header& header) noexcept {
  tell(header);
  header.operations().finish(header); // 7; may free the header
}

template <class Sync> void death<Sync>::tell(referent_header& header) noexcept {
  const std::uintptr_t word = header.list.peek();
  if ((word & watch_list::mode_mask) == watch_list::entries)
    return evict(
        reinterpret_cast<watcher*>(word & watch_list::pointer_mask)); // 2: nobody can change the list
  tell_callbacks_too(header);
}

template <class Sync> [[gnu::noinline]] void death<Sync>::evict(watcher* entries) noexcept {
  for (watcher* each = entries; each != nullptr; each = each->next) {
    each->discard = each->core->evict(static_cast<entry&>(*each)); // 3
  }
  if (entries == nullptr) return;
  while (watcher* const next = entries->next) {      // discarding frees the node
    entries->discard(static_cast<entry&>(*entries)); // 4
    entries = next;
  }
  entries->discard(static_cast<entry&>(*entries)); // in place of this call, for chains through mapped values
}

template <class Sync>
[[gnu::noinline]] void death<Sync>::tell_callbacks_too(referent_header& header) noexcept {
  firing in_progress;
  in_progress.thread = &this_thread();
  evict(detach(header, in_progress)); // 2
  if (in_progress.has_callbacks) fire(header, in_progress);
}

/// Returns the entries, chained by `next`; the callbacks are left in the firing's queue.
template <class Sync> watcher* death<Sync>::detach(referent_header& header, firing& in_progress) noexcept {
  watcher* entries = nullptr;
  watcher** last_entry = &entries;
  watcher* last_callback = nullptr;
  list_lock<Sync> lock(header.list);
  for (watcher* each = lock.first(); each != nullptr; each = each->next) {
    if (each->core != nullptr) {
      *last_entry = each;
      last_entry = &each->next;
    } else {
      (last_callback == nullptr ? in_progress.queue : last_callback->next) = each;
      each->previous = last_callback;
      last_callback = each;
    }
  }
  *last_entry = nullptr;
  if (last_callback != nullptr) last_callback->next = nullptr;
  in_progress.has_callbacks = in_progress.queue != nullptr;
  lock.close(in_progress.has_callbacks ? &in_progress : nullptr);
  return entries;
}

template <class Sync> void death<Sync>::fire(referent_header& header, firing& in_progress) noexcept {
  list_lock<Sync> lock(header.list);
  while (in_progress.queue != nullptr) {
    callback_link& called = static_cast<callback_link&>(*in_progress.queue);
    in_progress.remove(called);
    called.linked = false;
    in_progress.running = &called;
    lock.unlock();
    try {
      called.call(called); // 5; `called` may be gone afterwards
    } catch (...) {
      report_unraisable(); // 6
    }
    lock.lock();
    in_progress.running = nullptr;
    if (in_progress.awaited) {
      in_progress.awaited = false;
      // Counted before the unlock that lets the waiter see `running`, so that its wait cannot outlast this.
      awaited_callbacks.fetch_add(1, std::memory_order_relaxed);
      Sync::notify_all(awaited_callbacks);
    }
  }
  lock.close(nullptr); // the firing leaves the stack
}

extern template class WEAKREF_API death<default_sync>;

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
