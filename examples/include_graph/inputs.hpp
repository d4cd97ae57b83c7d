// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_EXAMPLES_INCLUDE_GRAPH_INPUTS_HPP
#define WEAKREF_EXAMPLES_INCLUDE_GRAPH_INPUTS_HPP

#include "search_path.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace include_graph {

using complaint = std::function<void(const std::string&)>;

// The files named, and the source and header files below the folders named. What cannot be had is complained
// of and left out.
[[nodiscard]] std::vector<place> gather(const std::vector<std::filesystem::path>& named,
                                        const complaint& complain);

// The inputs of a run that was given none.
[[nodiscard]] std::vector<place> standard_headers(const search_path& search, const complaint& complain);

} // namespace include_graph

#endif
