// SPDX-License-Identifier: BSL-1.0
//
// Runs a piece of a test in a process of its own, and collects what it says: for what happens while a program
// ends.
#ifndef WEAKREF_TESTS_SUPPORT_CHILD_OUTPUT_HPP
#define WEAKREF_TESTS_SUPPORT_CHILD_OUTPUT_HPP

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace support {

// One word on standard output, straight to the file: no stream may be whole any more when this is called, and
// threads may say theirs at the same time.
inline void say(std::string_view word) noexcept {
  std::array<char, 128> line;
  const std::size_t length = word.copy(line.data(), line.size() - 1);
  line[length] = ' ';
  [[maybe_unused]] const auto written = ::write(STDOUT_FILENO, line.data(), length + 1);
}

struct child_output {
  int status = -1; // of the exit; 128 and more is a signal
  std::string said;
};

// What a child said, on this stream, that ran `body` and then left through std::exit(0).
template <class Body> child_output output_of(Body body, int stream = STDOUT_FILENO) {
  child_output result;
  std::cout.flush();
  std::fflush(nullptr);
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) return result;
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], stream);
    ::close(ends[0]);
    ::close(ends[1]);
    try {
      body();
    } catch (...) {
      ::_exit(99); // or the test runner would go on, twice
    }
    std::exit(0);
  }
  ::close(ends[1]);
  std::array<char, 512> part;
  for (ssize_t length; (length = ::read(ends[0], part.data(), part.size())) > 0;)
    result.said.append(part.data(), static_cast<std::size_t>(length));
  ::close(ends[0]);
  if (!result.said.empty() && result.said.back() == ' ') result.said.pop_back();
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return result;
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

// What another program said that was called with these arguments. One that hangs is ended by SIGALRM: status 142.
inline child_output output_of_program(std::string path, std::vector<std::string> arguments) {
  return output_of([&] {
    std::vector<char*> pointers{path.data()};
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    ::alarm(20);
    ::execv(path.c_str(), pointers.data());
    ::_exit(98);
  });
}

} // namespace support

#endif
