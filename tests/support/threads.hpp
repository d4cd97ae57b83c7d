// SPDX-License-Identifier: BSL-1.0
//
// Threads that meet at gates. Nothing here measures time: a test that goes wrong fails or hangs, it is never
// late.
#ifndef WEAKREF_TESTS_SUPPORT_THREADS_HPP
#define WEAKREF_TESTS_SUPPORT_THREADS_HPP

#include <atomic>
#include <thread>
#include <utility>

namespace support {

class gate {
 public:
  void open() noexcept { open_.store(true); }
  bool is_open() const noexcept { return open_.load(); }
  void wait() const noexcept {
    while (!open_.load()) std::this_thread::yield();
  }

 private:
  std::atomic<bool> open_{false};
};

// All parties leave together, as often as they like.
class rendezvous {
 public:
  explicit rendezvous(unsigned parties) noexcept : parties_(parties) {}
  void meet() noexcept {
    const unsigned round = round_.load();
    if (arrived_.fetch_add(1) + 1 == parties_) {
      arrived_.store(0);
      round_.fetch_add(1);
      return;
    }
    while (round_.load() == round) std::this_thread::yield();
  }

 private:
  unsigned parties_;
  std::atomic<unsigned> arrived_{0};
  std::atomic<unsigned> round_{0};
};

// Not std::jthread: libc++ 14 has none.
class joining_thread {
 public:
  template <class Body> explicit joining_thread(Body body) : thread_(std::move(body)) {}
  joining_thread(const joining_thread&) = delete;
  joining_thread& operator=(const joining_thread&) = delete;
  ~joining_thread() { join(); }
  void join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::thread thread_;
};

// Lets the other threads run for a good while. A right implementation never depends on it; a wrong one, which
// does not wait where it should, gets its chance to show.
inline void give_way() noexcept {
  for (int turn = 0; turn != 2000; ++turn) std::this_thread::yield();
}

} // namespace support

#endif
