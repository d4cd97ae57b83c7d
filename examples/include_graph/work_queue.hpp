// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_EXAMPLES_INCLUDE_GRAPH_WORK_QUEUE_HPP
#define WEAKREF_EXAMPLES_INCLUDE_GRAPH_WORK_QUEUE_HPP

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace include_graph {

// Jobs for a fixed crew of threads, taken in the order they came. A job may add more jobs and must not throw.
class work_queue {
 public:
  explicit work_queue(unsigned threads);
  ~work_queue(); // after the last job
  work_queue(const work_queue&) = delete;
  work_queue& operator=(const work_queue&) = delete;

  void add(std::function<void()> job);

 private:
  void work();

  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool closed_ = false;
  std::vector<std::thread> crew_;
};

} // namespace include_graph

#endif
