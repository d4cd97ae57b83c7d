// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_EXAMPLES_INCLUDE_GRAPH_COMPILER_HPP
#define WEAKREF_EXAMPLES_INCLUDE_GRAPH_COMPILER_HPP

#include "header.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace include_graph {

struct compiler {
  std::string command;                        // $CXX, else c++
  std::vector<std::filesystem::path> folders; // that it searches for <…>; none if it could not be asked
  std::vector<include_line> ahead;            // what it includes ahead of every source
};

[[nodiscard]] compiler ask_compiler();

} // namespace include_graph

#endif
