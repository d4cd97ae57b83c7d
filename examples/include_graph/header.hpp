// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_EXAMPLES_INCLUDE_GRAPH_HEADER_HPP
#define WEAKREF_EXAMPLES_INCLUDE_GRAPH_HEADER_HPP

#include <string>
#include <vector>

namespace include_graph {

struct include_line {
  enum class form : unsigned char { quoted, angled, macro };

  form written;
  bool next;        // #include_next
  std::string name; // of the header, or of the macro that stands for it
};

// A macro that may stand for a header in `#include NAME`: its text is a header name or one more macro.
struct header_macro {
  std::string name;
  include_line stands_for;
};

// What is worth keeping of a parsed file. It names other files and owns none of them: the graphs are the
// owners, and so headers that include each other in a circle are let go like any others.
struct Header {
  std::vector<include_line> includes; // of every branch: no #if is evaluated
  std::vector<header_macro> macros;
};

} // namespace include_graph

#endif
