// SPDX-License-Identifier: BSL-1.0
#include "search_path.hpp"

#include <algorithm>
#include <system_error>

namespace include_graph {
namespace {

namespace fs = std::filesystem;

// Looks without opening: what the program opens is what it reads.
std::optional<place> look_at(const fs::path& path, int entry) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return std::nullopt;
  const fs::path file = fs::canonical(path, error);
  if (error) return std::nullopt;
  const fs::path folder = fs::canonical(path.has_parent_path() ? path.parent_path() : fs::path("."), error);
  if (error) return std::nullopt;
  return place{file.string(), folder.string(), entry};
}

std::vector<fs::path> existing(const std::vector<fs::path>& folders) {
  std::vector<fs::path> found;
  for (const fs::path& folder : folders) {
    std::error_code error;
    fs::path path = fs::canonical(folder, error);
    if (!error && std::find(found.begin(), found.end(), path) == found.end())
      found.push_back(std::move(path));
  }
  return found;
}

} // namespace

search_path::search_path(const std::vector<fs::path>& own, const std::vector<fs::path>& compiler) {
  const std::vector<fs::path> last = existing(compiler);
  for (fs::path& folder : existing(own))
    if (std::find(last.begin(), last.end(), folder) == last.end()) folders_.push_back(std::move(folder));
  folders_.insert(folders_.end(), last.begin(), last.end());
}

std::optional<place> search_path::find(const include_line& line, const place& from) const {
  if (line.written == include_line::form::macro) return std::nullopt;
  if (fs::path(line.name).is_absolute()) return look_at(line.name, place::outside);

  const bool next = line.next && from.entry != place::outside; // there, compilers read it as a plain #include
  if (line.written == include_line::form::quoted && !next)
    if (auto found = look_at(fs::path(from.folder) / line.name, place::beside)) return found;

  for (int i = next ? from.entry + 1 : 0; i < static_cast<int>(folders_.size()); ++i)
    if (auto found = look_at(folders_[static_cast<std::size_t>(i)] / line.name, i)) return found;
  return std::nullopt;
}

std::optional<place> search_path::find(const fs::path& file) { return look_at(file, place::outside); }

} // namespace include_graph
