// SPDX-License-Identifier: BSL-1.0
#include "compiler.hpp"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string_view>

namespace include_graph {
namespace {

struct close_pipe {
  void operator()(std::FILE* pipe) const { pclose(pipe); }
};

std::string output_of(const std::string& command) {
  const std::unique_ptr<std::FILE, close_pipe> pipe(popen(command.c_str(), "r"));
  std::string output;
  char part[4096];
  while (pipe)
    if (const auto size = std::fread(part, 1, sizeof part, pipe.get()))
      output.append(part, size);
    else
      break;
  return output;
}

} // namespace

compiler ask_compiler() {
  compiler asked;
  const char* given = std::getenv("CXX");
  asked.command = given && *given ? given : "c++";

  // The C locale, because the list stands between two sentences. Freestanding, because the compiler then
  // opens no header of its own: a trace of this program and its children shows this program's reads only.
  std::istringstream lines(
      output_of("LC_ALL=C " + asked.command + " -E -v -ffreestanding -x c++ /dev/null 2>&1"));
  bool in_list = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("#include <...> search starts here:")) {
      in_list = true;
    } else if (line.starts_with("End of search list.")) {
      in_list = false;
    } else if (in_list && line.starts_with(' ') && !line.ends_with(" (framework directory)")) {
      asked.folders.emplace_back(line.substr(1));
    } else if (line.starts_with("gcc version")) {
      asked.ahead.push_back(
          {include_line::form::angled, false, "stdc-predef.h"}); // where the C library has it
    }
  }
  return asked;
}

} // namespace include_graph
