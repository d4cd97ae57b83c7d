// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_EXAMPLES_INCLUDE_GRAPH_SCANNER_HPP
#define WEAKREF_EXAMPLES_INCLUDE_GRAPH_SCANNER_HPP

#include "header.hpp"

#include <string_view>

namespace include_graph {

// Finds the #include lines of a C or C++ text, and the #define lines that could name a header. Comments,
// literals (raw ones too) and continued lines are read as the compiler reads them, conditions are not: a line
// counts whichever branch it stands in.
[[nodiscard]] Header scan(std::string_view text);

} // namespace include_graph

#endif
