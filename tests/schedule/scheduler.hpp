// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_TESTS_SCHEDULE_SCHEDULER_HPP
#define WEAKREF_TESTS_SCHEDULE_SCHEDULER_HPP

// Runs a small scenario once for every order in which its threads can be switched.
//
// The code under test is the real code on real threads, but only the thread that holds the baton runs. It
// gives the baton away at scheduling points alone: `explored_sync` (the policy that the library's containers,
// refs and tracked objects take) and `scheduled_mutex` (the containers' mutex). The orders are walked depth
// first; each is a fresh run of the scenario from its set-up, so nothing has to be saved or restored.
//
// What it does not see: orders inside a stretch of code without a point, and reorderings of memory by the
// machine. The second is for ThreadSanitizer, which is kept blind to the baton (scheduler.cpp, `unseen`): it
// reports a race wherever the code's own locks and atomics do not order two accesses, in each order explored.
//
// A thread in a spin loop is not chosen again before another thread got somewhere. A thread that waits for an
// atomic word counts as wakeable only when the word has changed *and* it was notified; when only the word has
// changed, waking up is tried too, but nothing may depend on it. When nobody can run, that is a deadlock.

#include <weakref/detail/base/sync.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace schedule {

using weakref::detail::sync_point;

struct options {
  int preemptions = -1;            // how often a thread that could go on is interrupted; -1: no bound
  std::size_t limit = 1'000'000;   // give up after so many schedules
  std::size_t max_steps = 100'000; // a run longer than this counts as one that never ends
  unsigned ignored = 0;            // bits 1 << sync_point: not taken as scheduling points
  bool nested_locks = true;        // false: a thread that locks a second scheduled_mutex has failed
  std::string again{};             // for reports: how to run this very scenario again
};

struct result {
  std::size_t schedules = 0;
  int preemptions = -1;
  bool finished = false; // the search came to its end; else it met a failure or the limit
  bool bounded = false;  // the bound or `ignored` kept orders out
  std::string failure;   // empty: every schedule went well
  std::string schedule;  // the failing one, for replay()
  std::string again;     // options::again
  std::string trace;     // the same, a line for each step
  std::map<std::string, std::size_t> outcomes;

  bool good() const { return failure.empty() && finished; }
  std::size_t seen(const std::string& outcome) const;
  std::string summary() const;
};

struct scenario {
  std::function<std::shared_ptr<void>()> setup;
  std::vector<std::function<void(void*)>> bodies;
  std::function<void(void*)> check; // after all bodies have ended; the state is destroyed after it
};

// The state's default constructor is the set-up.
template <class State>
scenario make_scenario(std::vector<std::function<void(State&)>> bodies,
                       std::function<void(State&)> check = {}) {
  scenario made;
  made.setup = [] { return std::make_shared<State>(); };
  for (auto& body : bodies)
    made.bodies.emplace_back([body = std::move(body)](void* state) { body(*static_cast<State*>(state)); });
  if (check) made.check = [check = std::move(check)](void* state) { check(*static_cast<State*>(state)); };
  return made;
}

// The environment may ask for more than the options do: WEAKREF_SCHEDULE_PREEMPTIONS=4 (or "all") and
// WEAKREF_SCHEDULE_LIMIT replace the option, WEAKREF_SCHEDULE_REPLAY="0 1*3 0" runs that one schedule
// instead (in every scenario of the program: choose one, as scenario.hpp says).
result explore(const scenario&, options = {});
result replay(const scenario&, std::string_view schedule, options = {});

// Callable from bodies, callbacks and check. Does not throw: a callback's exception would be swallowed on the
// death path, and a thread has to reach its end so that the next run can use it.
void expect(bool holds, const char* what, const char* file = __builtin_FILE(), int line = __builtin_LINE());
// Counted over all schedules, so that a test can demand that each of several outcomes did happen.
void observe(const char* outcome);
// A scheduling point of a test's own.
void point() noexcept;
// Whether the body that runs holds a scheduled_mutex.
bool holds_a_mutex() noexcept;
// The number of the body that runs, -1 in set-up and check.
int this_thread() noexcept;

namespace detail {
using differs_fn = bool (*)(const void* word, std::uint64_t old) noexcept;
void reach(sync_point) noexcept;
void spin(bool first_turn) noexcept;
void wait_for_change(const void* word, std::uint64_t old, differs_fn) noexcept;
void notify(const void* word) noexcept;

template <class Word> std::uint64_t bits_of(Word value) noexcept {
  static_assert(sizeof(Word) <= sizeof(std::uint64_t) && std::is_trivially_copyable_v<Word>);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(Word));
  return bits;
}
template <class Word> bool differs(const void* word, std::uint64_t old) noexcept {
  return bits_of(static_cast<const std::atomic<Word>*>(word)->load(std::memory_order_relaxed)) != old;
}
} // namespace detail

// Memory that is checked at the end of each run: all of it given back, once, and untouched since then.
// Returned memory is not used again within the run (but under AddressSanitizer, which sees more), so a late
// look at it finds rubbish instead of some other object.
void* allocate_checked(std::size_t bytes, std::size_t alignment);
void deallocate_checked(void* memory, std::size_t bytes, std::size_t alignment) noexcept;

template <class T> struct checked_allocator {
  using value_type = T;
  checked_allocator() = default;
  template <class Other> checked_allocator(const checked_allocator<Other>&) noexcept {}
  T* allocate(std::size_t count) { return static_cast<T*>(allocate_checked(count * sizeof(T), alignof(T))); }
  void deallocate(T* memory, std::size_t count) noexcept {
    deallocate_checked(memory, count * sizeof(T), alignof(T));
  }
  friend bool operator==(const checked_allocator&, const checked_allocator&) noexcept { return true; }
};

struct explored_sync {
  static void point(sync_point where) noexcept { detail::reach(where); }
  static void relax(unsigned& spins) noexcept { detail::spin(spins++ == 0); }
  template <class Word>
  static void wait(const std::atomic<Word>& word, std::type_identity_t<Word> old) noexcept {
    detail::wait_for_change(&word, detail::bits_of<Word>(old), &detail::differs<Word>);
  }
  template <class Word> static void notify_all(std::atomic<Word>& word) noexcept { detail::notify(&word); }
};

// Points before lock and after unlock. A BasicLockable for tests: it also notices what a real mutex would
// answer with undefined behaviour.
class scheduled_mutex {
 public:
  using weakref_sync = explored_sync;

  scheduled_mutex() = default;
  scheduled_mutex(const scheduled_mutex&) = delete;
  scheduled_mutex& operator=(const scheduled_mutex&) = delete;
  ~scheduled_mutex();

  void lock() noexcept;
  bool try_lock() noexcept;
  void unlock() noexcept;

 private:
  static bool is_free(const void* mutex, std::uint64_t) noexcept;
  void take() noexcept;

  static constexpr int nobody = -2;
  std::atomic<bool> locked_{false};
  int holder_ = nobody;
};

} // namespace schedule

#endif
