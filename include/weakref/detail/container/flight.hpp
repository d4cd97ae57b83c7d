// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_CONTAINER_FLIGHT_HPP
#define WEAKREF_DETAIL_CONTAINER_FLIGHT_HPP

// Single flight: of all threads that want to create the object of one key, one does, and the others wait for it.
//
// A flight lies on its creator's stack and hangs in its shard's list, under the shard's lock, while the factory runs. Who
// finds it there hangs a waiter, which lies on his own stack, into the flight's list, under that lock: from this moment on
// he gets this flight's object, even if its creator drops it at once. The creator takes the flight down under the lock,
// and then has the list of waiters for himself: he writes into each the result, and tells him. Nothing is allocated.
//
// A waiter may be gone as soon as he is told. So nothing of his is touched after that, and he sleeps at a word that
// belongs to the process.
//
// Waiting threads form a graph: thread -> its waiter -> the creator -> what that one waits for. An edge that would close a
// cycle is refused. The graph is read and changed under one lock of the process, which only waiting takes. Before he
// tells anybody the creator takes his name off the waiters: an edge to a thread that is about to wake up must not look
// like a cycle.
//
// Races, and what decides them:
//
//   a waiter comes    | the flight's end     | the shard's lock: he is in the list that the creator takes along, or finds
//                     |                      | no flight any more
//   a waiter sleeps   | he is told           | `is_told` and then `deliveries` are written, and read the other way round
//   a waiter leaves   | he is told           | `is_told` is the last that is touched of him
//   a waiter leaves   | the graph is walked  | the graph's lock: he is out of it before he goes
//   a wait is refused | the flight's end     | the shard's lock: he takes his waiter out of the flight's list; or it is in none
//                     |                      | any more, and so he will be told
//   a result's copy   | any wait of its      | it does not wait: refused, and that counts as a copy that throws

#include <weakref/assert.hpp>
#include <weakref/detail/base/sync.hpp>
#include <weakref/detail/base/thread_record.hpp>

#include <atomic>
#include <cstdint>
#include <utility>

namespace weakref {
inline namespace v0 {
namespace detail {

/// A thread that waits for another's flight; on its stack.
struct waiting {
  waiting* next = nullptr; // in the flight's list
  /// For whom; guarded by the wait graph's lock, once this is in the graph.
  const thread_record* creator = nullptr;
  /// There will be no more of the flight.
  std::atomic<std::uint32_t> is_told{0};
};
/// And what it gets: empty if the creation failed. Result is a std::shared_ptr or a std::optional.
template <class Result> struct waiter : waiting { Result result; };

/// Enters the edge from this thread. False, and nothing is entered, if that would close a cycle, or this thread is
/// delivering.
WEAKREF_API bool begin_wait(waiting& self) noexcept;
WEAKREF_API void end_wait() noexcept;
/// Nobody in this list waits for its creator any more.
WEAKREF_API void end_flight(waiting* waiters) noexcept;
[[noreturn]] WEAKREF_API void throw_recursive_creation();

/// Counts the ends of flights that somebody waited for. One word for the whole process, as with callbacks.
extern WEAKREF_API std::atomic<std::uint32_t> deliveries;

/// While one's results are copied for those who wait for them, which may be user code, this thread waits for nobody: they
/// wait for it, and are in no flight from which a refusal could take them.
class delivering {
 public:
  delivering() noexcept { ++this_thread().delivering; }
  ~delivering() { --this_thread().delivering; }
  delivering(const delivering&) = delete;
  delivering& operator=(const delivering&) = delete;
};

/// By the creator, with no lock, when the flight is down: gives its waiters the result, if there is one. A copy that
/// throws counts, for him who gets none, as a failure: he looks again. Runs user code: the copies of a mapped value.
template <class Sync, class Result> void deliver(waiting* waiters, const Result* result) noexcept {
  if (waiters == nullptr) return;
  const delivering now;
  detail::end_flight(waiters);
  for (waiting* each = waiters; each != nullptr;) {
    waiting* const next = each->next;
    if (result != nullptr) {
      try {
        Result& place = static_cast<waiter<Result>*>(each)->result;
        if constexpr (requires { place.emplace(**result); }) {
          place.emplace(**result);
        } else {
          place = *result;
        }
      } catch (...) {}
    }
    Sync::point(sync_point::unlocked);
    // release: pairs with the acquire in sleep(); the result is seen
    each->is_told.store(1, std::memory_order_release);
    each = next;
  }
  Sync::point(sync_point::unlocked);
  // release: pairs with the acquire in sleep(); who sees this count sees that he is told
  deliveries.fetch_add(1, std::memory_order_release);
  Sync::notify_all(deliveries);
}
/// Until this waiter is told.
template <class Sync> void sleep(const waiting& self) noexcept {
  for (;;) {
    const std::uint32_t seen = deliveries.load(std::memory_order_acquire);
    if (self.is_told.load(std::memory_order_acquire) != 0) return;
    Sync::wait(deliveries, seen);
  }
}

/// A factory that runs on this thread, for a container with this core: so that the container's end can say that it came
/// too early. (Not its core's end: std::exit in a factory is no mistake, and the factory does not come back from it.)
struct factory_call {
  explicit factory_call([[maybe_unused]] const void* its_core) noexcept {
#if WEAKREF_ASSERTS
    core = its_core;
    outer = std::exchange(this_thread().factory, this);
#endif
  }
  ~factory_call() {
    // Asked whatever is checked here: the constructor may come from a translation unit with other settings.
    if (core != nullptr) this_thread().factory = outer;
    WEAKREF_ASSERT(
        !is_orphan,
        "a container is destroyed inside a factory that it was given; it must live until get_or_create "
        "returns");
  }
  factory_call(const factory_call&) = delete;
  factory_call& operator=(const factory_call&) = delete;

  static void orphan_those_of([[maybe_unused]] const void* ending_core) noexcept {
#if WEAKREF_ASSERTS
    for (factory_call* each = this_thread().factory; each != nullptr; each = each->outer) {
      if (each->core == ending_core) each->is_orphan = true;
    }
#endif
  }

  const void* core = nullptr;
  factory_call* outer = nullptr;
  bool is_orphan = false;
};

/// A creation in progress. Guarded by the lock of the shard in whose list it hangs. (Without initializers: who finds
/// what he looks for has one on his stack too, and pays nothing for it.)
struct flight {
  flight* next;
  std::uint32_t hash;
  const void* key;
  const thread_record* creator;
  waiting* waiters;

  void add(waiting& added) noexcept {
    added.creator = creator;
    added.next = waiters;
    waiters = &added;
  }
  bool remove(const waiting& gone) noexcept {
    for (waiting** at = &waiters; *at != nullptr; at = &(*at)->next) {
      if (*at != &gone) continue;
      *at = gone.next;
      return true;
    }
    return false;
  }
};

/// The flights of a shard, usually none or one.
class flight_list {
 public:
  void push(flight& added) noexcept {
    added.next = first_;
    first_ = &added;
  }
  flight* pop() noexcept {
    flight* const popped = first_;
    if (popped != nullptr) first_ = popped->next;
    return popped;
  }
  void remove(const flight& gone) noexcept {
    flight** at = &first_;
    while (*at != &gone) at = &(*at)->next;
    *at = gone.next;
  }
  /// False if it is in none.
  bool remove(const waiting& gone) noexcept {
    flight* each = first_;
    while (each != nullptr && !each->remove(gone)) each = each->next;
    return each != nullptr;
  }
  template <class Match> flight* find(std::uint32_t hash, Match&& match) const {
    for (flight* each = first_; each != nullptr; each = each->next) {
      if (each->hash == hash && match(*each)) return each;
    }
    return nullptr;
  }

 private:
  flight* first_ = nullptr;
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
