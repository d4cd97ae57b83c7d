// SPDX-License-Identifier: BSL-1.0
#include "inputs.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>

namespace include_graph {
namespace {

namespace fs = std::filesystem;

bool is_source(const fs::path& file) {
  constexpr std::array<std::string_view, 17> endings = {".c",   ".cc",  ".cpp", ".cxx", ".c++", ".C",
                                                        ".h",   ".hh",  ".hpp", ".hxx", ".h++", ".H",
                                                        ".inl", ".ipp", ".ixx", ".tcc", ".tpp"};
  return std::find(endings.begin(), endings.end(), file.extension().string()) != endings.end();
}

std::vector<fs::path> sources_below(const fs::path& folder, const complaint& complain) {
  std::vector<fs::path> files;
  std::error_code error;
  const auto end = fs::recursive_directory_iterator();
  for (auto at = fs::recursive_directory_iterator(folder, error); !error && at != end; at.increment(error)) {
    std::error_code unreadable;
    if (at->is_regular_file(unreadable) && is_source(at->path())) files.push_back(at->path());
  }
  if (error) complain(folder.string() + ": " + error.message());
  std::sort(files.begin(), files.end());
  return files;
}

} // namespace

std::vector<place> gather(const std::vector<fs::path>& named, const complaint& complain) {
  std::vector<place> inputs;
  for (const fs::path& path : named) {
    std::error_code error;
    if (fs::is_directory(path, error)) {
      const auto files = sources_below(path, complain);
      if (files.empty()) complain(path.string() + ": no source or header files below this folder");
      for (const fs::path& file : files)
        if (auto found = search_path::find(file)) inputs.push_back(*found);
    } else if (auto found = search_path::find(path)) {
      inputs.push_back(*found);
    } else {
      complain(path.string() + ": " +
               (error                     ? error.message()
                : fs::exists(path, error) ? "neither a file nor a folder"
                                          : "no such file or folder"));
    }
  }
  return inputs;
}

std::vector<place> standard_headers(const search_path& search, const complaint& complain) {
  std::vector<place> inputs;
  for (const char* name : {"vector", "string", "memory", "map", "unordered_map", "algorithm", "functional",
                           "iostream", "thread", "filesystem", "regex", "random"})
    if (auto found = search.find({include_line::form::angled, false, name}, place{}))
      inputs.push_back(place{found->file, found->folder, place::outside});
  if (inputs.empty()) complain("no standard header found; name some files or folders");
  return inputs;
}

} // namespace include_graph
