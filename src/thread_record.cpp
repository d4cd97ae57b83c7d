// SPDX-License-Identifier: BSL-1.0
#include <weakref/detail/thread_record.hpp>

#include <weakref/detail/referent_header.hpp>

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
  // What runs here may put more off, behind these, or come here again and leave nothing to do.
  for (;;) {
    if (referent_header* const header = thread.first_death) {
      header->operations().resume(*header);
    } else if (put_off_work* const work = thread.first_work) {
      thread.first_work = work->next();
      work->finish();
    } else {
      return;
    }
  }
}

} // namespace detail
} // namespace v0
} // namespace weakref
