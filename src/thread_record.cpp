// SPDX-License-Identifier: BSL-1.0
#include <weakref/detail/base/thread_record.hpp>

#include <weakref/detail/referent/referent_header.hpp>

#include <stdexcept>
#include <utility>

namespace weakref {
inline namespace v0 {
namespace detail {

constinit thread_local thread_record current_thread_record{};

void throw_reentry() {
  throw std::logic_error(
      "weakref: a container was used from inside user code that runs under a container's lock "
      "(a visit function, a comparison or the copy of a mapped value); two threads doing so "
      "could wait for each other forever");
}

void run_put_off_slow() noexcept {
  thread_record& thread = this_thread();
  // The queue is taken over as a whole. A destructor that runs here may visit in its turn: what that visit puts off
  // happens before it returns, as everywhere, but what waits here must not run inside it, or a thousand deaths put off
  // together would lie on the stack together.
  referent_header* death = std::exchange(thread.first_death, nullptr);
  thread.last_death = nullptr;
  put_off_work* work = std::exchange(thread.first_work, nullptr);
  thread.last_work = nullptr;
  while (death != nullptr) {
    referent_header* next = nullptr;
    death->operations().resume(*death, next);
    death = next;
  }
  while (work != nullptr) {
    put_off_work* const next = work->next();
    work->finish();
    work = next;
  }
}

} // namespace detail
} // namespace v0
} // namespace weakref
