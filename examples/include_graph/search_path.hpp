// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_EXAMPLES_INCLUDE_GRAPH_SEARCH_PATH_HPP
#define WEAKREF_EXAMPLES_INCLUDE_GRAPH_SEARCH_PATH_HPP

#include "header.hpp"

#include <compare>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace include_graph {

// A file, and what the meaning of its own include lines depends on: the folder it was found in, where "…" is
// looked for first, and the entry of the search path it was found through, after which #include_next goes on.
struct place {
  static constexpr int outside = -2; // given on the command line, or included by an absolute path
  static constexpr int beside = -1;  // found beside the file that includes it

  std::string file;   // canonical: one file, one name, whatever links lead to it
  std::string folder; // of the link, if a link led here
  int entry = outside;
};

class search_path {
 public:
  search_path() = default;

  // `own` comes before what the compiler brings; a folder that is in both keeps the compiler's place, as with
  // the compilers themselves (else #include_next would find a header twice, or never).
  search_path(const std::vector<std::filesystem::path>& own,
              const std::vector<std::filesystem::path>& compiler);

  // Where a line that stands in `from` leads; nothing if no file has that name, or if it is a macro's name.
  std::optional<place> find(const include_line& line, const place& from) const;

  // A file given by name, outside any search.
  static std::optional<place> find(const std::filesystem::path& file);

 private:
  std::vector<std::filesystem::path> folders_;
};

} // namespace include_graph

#endif
