// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_EXAMPLES_INCLUDE_GRAPH_OPTIONS_HPP
#define WEAKREF_EXAMPLES_INCLUDE_GRAPH_OPTIONS_HPP

#include <cstddef>
#include <filesystem>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace include_graph {

struct options {
  std::vector<std::filesystem::path> folders; // -I
  std::vector<std::filesystem::path> inputs;
  unsigned jobs = 0; // 0: as many as the machine has processors
  std::size_t top = 5;
  bool help = false;
};

struct usage_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

extern const std::string_view help_text;

// Throws: usage_error, with a message for the user.
[[nodiscard]] options parse_options(int argc, const char* const* argv);

} // namespace include_graph

#endif
