// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_BENCHMARKS_THREADS_HPP
#define WEAKREF_BENCHMARKS_THREADS_HPP

// One or two threads do their work on one map.
//
// Of one thread the time is its own. Of two it is the wall's, from the first one's start to the last one's end, for one
// operation of both together, so it halves where they do not hinder each other: a thread that waits for another spends
// nothing of its own. Each has a processor of the two to itself and begins when both are ready; a batch is done
// again in which the system took the processor from one of them, or gave it to one so late that the other worked alone,
// which looks as if nobody were in the way. If that happens each time, the last one counts. The counter `processors_ns`
// is what the processors spent, `disturbed` the part of the batches that stayed so.

#include "bench.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include <sched.h>
#include <sys/resource.h>

namespace bench {

inline constexpr std::size_t most_threads = 2;

// What thread `number` of `threads` has of `count` things.
struct part {
  part(std::size_t count, std::size_t number, std::size_t threads)
      : first(count * number / threads), last(count * (number + 1) / threads) {}
  std::size_t first;
  std::size_t last;
};

// The first and the last processor that the program may use. A busy system leaves two threads on one of them, where they
// work in turns and seem to hinder nobody.
inline std::array<cpu_set_t, most_threads> two_processors(const cpu_set_t& allowed) {
  std::array<cpu_set_t, most_threads> one_each;
  for (cpu_set_t& one : one_each) CPU_ZERO(&one);
  std::size_t first = 0;
  while (!CPU_ISSET(first, &allowed)) ++first;
  std::size_t last = CPU_SETSIZE - 1;
  while (!CPU_ISSET(last, &allowed)) --last;
  CPU_SET(first, &one_each[0]);
  CPU_SET(last, &one_each[1]);
  return one_each;
}

// The caller and one more thread, which stays: whatever a map or malloc keeps for each thread is there from the first
// batch on.
class pair_of_threads {
 public:
  pair_of_threads() { sched_getaffinity(0, sizeof(allowed_), &allowed_); }
  pair_of_threads(const pair_of_threads&) = delete;
  pair_of_threads& operator=(const pair_of_threads&) = delete;
  ~pair_of_threads() { run(nullptr); }

  // Calls job(0) here and job(1) there; without a job the other one ends.
  void run(std::function<void(std::size_t)> job) {
    job_ = std::move(job);
    const bool goes_on = job_ != nullptr;
    ++asked_;
    asked_.notify_one();
    if (!goes_on) return;
    const auto processors = two_processors(allowed_);
    sched_setaffinity(0, sizeof(cpu_set_t), &processors[0]);
    job_(0);
    sched_setaffinity(0, sizeof(cpu_set_t), &allowed_);
    for (int done = done_; done != asked_; done = done_) done_.wait(done);
  }

 private:
  void serve() {
    for (int turn = 1;; ++turn) {
      asked_.wait(turn - 1);
      if (job_ == nullptr) return;
      const auto processors = two_processors(allowed_);
      sched_setaffinity(0, sizeof(cpu_set_t), &processors[1]);
      job_(1);
      done_ = turn;
      done_.notify_one();
    }
  }

  cpu_set_t allowed_; // to the caller, when there is no second thread yet
  std::atomic<int> asked_ = 0;
  std::atomic<int> done_ = 0;
  std::function<void(std::size_t)> job_;
  std::jthread other_{[this] { serve(); }}; // begins when all else is there, is joined before it goes
};

inline pair_of_threads& the_pair() {
  static pair_of_threads pair;
  return pair;
}

inline long taken_away() noexcept {
  rusage used{};
  getrusage(RUSAGE_THREAD, &used);
  return used.ru_nivcsw;
}

struct duration {
  double wall = 0;
  double processors = 0;
  bool was_disturbed = false;
};

template <class Prepare, class Work> duration time_of_two(Prepare prepare, Work work) {
  using clock = std::chrono::steady_clock;
  struct alignas(64) figures {
    clock::time_point start, end;
    double used = 0;
    long taken_away = 0;
  };
  std::array<figures, most_threads> of;
  std::atomic<std::size_t> ready = 0;
  the_pair().run([&](std::size_t number) {
    figures& mine = of[number];
    prepare(number);
    ++ready;
    while (ready != most_threads) {}
    const long taken_before = taken_away();
    const double used_before = thread_seconds();
    mine.start = clock::now();
    work(number);
    mine.end = clock::now();
    mine.used = thread_seconds() - used_before;
    mine.taken_away = taken_away() - taken_before;
  });
  const auto first = std::min(of[0].start, of[1].start);
  const auto last = std::max(of[0].end, of[1].end);
  const auto alone = std::max(of[0].start, of[1].start) - first;
  return {std::chrono::duration<double>(last - first).count(), of[0].used + of[1].used,
          of[0].taken_away + of[1].taken_away != 0 || alone * 20 > last - first};
}

// Times work(number of the thread), which does `operations` operations in all threads together. prepare(number) comes
// before, on the same thread and not timed, and has ended on all threads when work begins.
template <class Prepare, class Work>
void measure_threads(benchmark::State& state, std::size_t threads, std::size_t operations, Prepare prepare,
                     Work work, std::size_t before = 0) {
  if (threads == 1) {
    measure(
        state, operations, [&] { return prepare(0), 0; }, [&](int) { work(0); }, before);
    return;
  }
  constexpr int most_tries = 4;
  malloc_trim(0);
  for (; before != 0; --before) time_of_two(prepare, work);
  double processors = 0;
  double disturbed = 0;
  double batches = 0;
  while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(operations))) {
    duration taken = time_of_two(prepare, work);
    for (int tries = 1; tries != most_tries && taken.was_disturbed; ++tries)
      taken = time_of_two(prepare, work);
    disturbed += taken.was_disturbed ? 1 : 0;
    ++batches;
    state.SetIterationTime(taken.wall);
    processors += taken.processors;
  }
  state.counters["disturbed"] = disturbed / batches;
  state.counters["processors_ns"] = processors * 1e9 / static_cast<double>(state.iterations());
}

// Registers function(state, threads) for one thread or two, which together do `operations` operations in a batch, and
// at least `wanted` in a repetition.
template <class Keys, class Map, class Function>
void ask_threads(std::string_view question, std::size_t size, std::size_t threads, std::size_t operations,
                 std::size_t wanted, Function function) {
  const std::string asked =
      std::string(question) + (threads == 1 ? std::string() : '@' + std::to_string(threads));
  ask(name_of(asked, Keys::name, size, Map::name), operations, wanted,
      [=](benchmark::State& state) { function(state, threads); });
}

} // namespace bench

#endif
