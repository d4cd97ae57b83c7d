// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_FLIGHT_HPP
#define WEAKREF_DETAIL_FLIGHT_HPP

// Single flight: of all threads that want to create the object of one key, one does, and the others wait for
// it.
//
// A flight lies on its creator's stack and hangs in its shard's list, under the shard's lock, while the
// factory runs. Its `landing` is where the result will be: creator and waiters share it, so nobody waits for
// anybody to leave. Who finds a flight takes its landing along under that lock, so that from this moment on
// it gets this flight's object, even if its creator drops it at once. (A landing made by the first waiter
// instead spared the creator an allocation, and lost flights that ended while the waiter allocated. And
// one that nobody had waited at, kept for the shard's next flight, was made by code that may be in a plugin and gone.)
//
// Waiting threads form a graph: thread -> landing -> its creator -> what that one waits for. An edge that
// would close a cycle is refused. The graph is read and changed under one lock of the process, which only
// waiting takes. When a flight is over its landing names no creator any more: an edge to a thread that is
// about to wake up must not look like a cycle.

#include <weakref/assert.hpp>
#include <weakref/detail/sync.hpp>
#include <weakref/detail/thread_record.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace weakref {
inline namespace v0 {
namespace detail {

/// What a thread waits for: somebody's flight. The creator is guarded by the wait graph's lock.
struct wait_point {
  const thread_record* creator = &this_thread();
};

/// Enters the edge from this thread. Throws std::logic_error if that would close a cycle.
WEAKREF_API void begin_wait(wait_point& awaited);
WEAKREF_API void end_wait() noexcept;
/// The flight is over: nobody waits for its creator any more.
WEAKREF_API void end_flight(wait_point& awaited) noexcept;
[[noreturn]] WEAKREF_API void throw_recursive_creation();

/// Where the result of a flight arrives. Result is a std::shared_ptr or a std::optional.
template <class Result> struct landing : wait_point {
  enum : std::uint32_t { in_flight, landed };
  std::atomic<std::uint32_t> state{in_flight};
  Result result; // written before the state says landed

  /// By the creator, with a result and no lock. A copy that throws counts, for those who wait, as a failure: they
  /// look again.
  template <class Sync> void arrive(const Result& from) noexcept {
    try {
      if constexpr (requires { result.emplace(*from); }) {
        result.emplace(*from);
      } else {
        result = from;
      }
    } catch (...) {}
    finish<Sync>();
  }
  /// The end, with the result, if there is one, in its place.
  template <class Sync> void finish() noexcept {
    detail::end_flight(*this);
    Sync::point(sync_point::unlocked);
    // release: pairs with the acquire in wait(); the result is seen
    state.store(landed, std::memory_order_release);
    Sync::notify_all(state);
  }
  /// Empty if the creation failed.
  template <class Sync> Result wait() {
    detail::begin_wait(*this);
    while (state.load(std::memory_order_acquire) == in_flight) Sync::wait(state, std::uint32_t{in_flight});
    end_wait();
    return result;
  }
};

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

/// A creation in progress. Guarded by the lock of the shard in whose list it hangs.
struct flight {
  flight* next = nullptr;
  std::uint32_t hash = 0;
  const void* key = nullptr;         // the creator's own
  std::shared_ptr<void> destination; // landing<Result>
  bool is_awaited = false;           // somebody else has that landing too
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
