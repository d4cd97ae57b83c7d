// SPDX-License-Identifier: BSL-1.0
#include "work_queue.hpp"

#include <utility>

namespace include_graph {

work_queue::work_queue(unsigned threads) {
  while (crew_.size() < threads) crew_.emplace_back([this] { work(); });
}

work_queue::~work_queue() {
  {
    const std::lock_guard guard(lock_);
    closed_ = true;
  }
  changed_.notify_all();
  for (std::thread& worker : crew_) worker.join();
}

void work_queue::add(std::function<void()> job) {
  {
    const std::lock_guard guard(lock_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
}

void work_queue::work() {
  for (std::unique_lock guard(lock_);; guard.lock()) {
    changed_.wait(guard, [this] { return closed_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    guard.unlock();
    job();
  }
}

} // namespace include_graph
