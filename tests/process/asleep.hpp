// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_TESTS_PROCESS_ASLEEP_HPP
#define WEAKREF_TESTS_PROCESS_ASLEEP_HPP

#include <unistd.h>

#include <cstdio>
#include <string>
#include <thread>

namespace process {

// Returns when the main thread sleeps: it waits for something, and has given up spinning. Bounded, for the case that
// it never does because it does not wait at all, or spins for ever.
inline void until_main_thread_sleeps() {
  const std::string path = "/proc/self/task/" + std::to_string(::getpid()) + "/stat";
  for (int turn = 0; turn != 20000; ++turn) {
    char state = '?';
    if (std::FILE* const file = std::fopen(path.c_str(), "r")) {
      if (std::fscanf(file, "%*d %*s %c", &state) != 1) state = '?';
      std::fclose(file);
    }
    if (state == 'S') return;
    std::this_thread::yield();
  }
}

} // namespace process

#endif
