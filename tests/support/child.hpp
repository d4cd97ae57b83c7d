// SPDX-License-Identifier: BSL-1.0
//
// Runs a piece of a test in a process of its own: what happens while a program ends can only be seen from
// outside.
#ifndef WEAKREF_TESTS_SUPPORT_CHILD_HPP
#define WEAKREF_TESTS_SUPPORT_CHILD_HPP

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>

namespace support {

// The exit status of a child that ran `body` and then left through std::exit(0); 128 and more is a signal.
template <class Body> int exit_status_of(Body body) {
  std::cout.flush();
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    body();
    std::exit(0);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace support

#endif
