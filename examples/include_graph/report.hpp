// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_EXAMPLES_INCLUDE_GRAPH_REPORT_HPP
#define WEAKREF_EXAMPLES_INCLUDE_GRAPH_REPORT_HPP

#include "graph.hpp"

#include <cstddef>
#include <string>

namespace include_graph {

// Figures go to the standard output; complaints, and a progress line if somebody looks at it, to the standard
// error.
class report {
 public:
  explicit report(std::size_t top);
  ~report(); // wipes the progress line
  report(const report&) = delete;
  report& operator=(const report&) = delete;

  void expect(std::size_t inputs) { inputs_ = inputs; }
  void complain(const std::string& message);
  void progress(const graph& being_walked, std::size_t live);
  void held(const graph& walked, std::size_t live); // while the graph holds its headers
  void let_go(std::size_t live);                    // right after
  void total(std::size_t left);

  bool complained() const { return complained_; }

 private:
  void wipe();

  std::size_t inputs_ = 0;
  const std::size_t top_;
  const bool terminal_;
  bool line_shown_ = false;
  bool complained_ = false;
  std::size_t reported_ = 0;
  figures sum_;
};

} // namespace include_graph

#endif
