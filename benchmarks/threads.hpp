// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_BENCHMARKS_THREADS_HPP
#define WEAKREF_BENCHMARKS_THREADS_HPP

// One or two threads do their work on one map. The time shown is the wall's for one operation of all threads
// together, so it halves where they do not hinder each other; the counter beside it is what the processors
// spent. Only a machine that does nothing else can say.

#include "bench.hpp"

#include <chrono>
#include <latch>
#include <thread>

namespace bench {

struct duration {
  double wall; // from the first thread's start to the last one's end
  double processors;
};

template <class Work> duration time_of(std::size_t threads, Work work) {
  using clock = std::chrono::steady_clock;
  std::latch ready(static_cast<std::ptrdiff_t>(threads));
  std::vector<clock::time_point> starts(threads);
  std::vector<clock::time_point> ends(threads);
  std::vector<double> used(threads);
  std::vector<std::thread> running;
  for (std::size_t number = 0; number != threads; ++number) {
    running.emplace_back([&, number] {
      ready.arrive_and_wait();
      starts[number] = clock::now();
      const double used_before = thread_seconds();
      work(number);
      used[number] = thread_seconds() - used_before;
      ends[number] = clock::now();
    });
  }
  for (std::thread& thread : running) thread.join();
  const auto first = *std::min_element(starts.begin(), starts.end());
  const auto last = *std::max_element(ends.begin(), ends.end());
  return {std::chrono::duration<double>(last - first).count(),
          std::accumulate(used.begin(), used.end(), 0.0)};
}

// Times work(number of the thread), which does `operations` operations in each thread.
template <class Work>
void measure_threads(benchmark::State& state, std::size_t threads, std::size_t operations, Work work) {
  const auto all = static_cast<benchmark::IterationCount>(operations * threads);
  while (state.KeepRunningBatch(all)) {
    const duration taken = time_of(threads, work);
    state.SetIterationTime(taken.wall);
    state.counters["processors_ns"] = taken.processors * 1e9 / static_cast<double>(all);
  }
}

// Registers function(state, threads) for one thread and for two; each does `operations` operations.
template <class Function>
void ask_threads(const std::string& name, std::size_t operations, Function function) {
  for (std::size_t threads : {std::size_t{1}, std::size_t{2}}) {
    ask(name + '@' + std::to_string(threads), operations * threads, operations * threads,
        [=](benchmark::State& state) { function(state, threads); });
  }
}

} // namespace bench

#endif
