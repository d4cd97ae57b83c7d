// SPDX-License-Identifier: BSL-1.0
#include "header_cache.hpp"

#include "scanner.hpp"

#include <fstream>
#include <iterator>
#include <stdexcept>

namespace include_graph {
namespace {

std::string text_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in.is_open() || in.bad()) throw std::runtime_error(file + ": cannot be read");
  return text;
}

} // namespace

header_cache::look_up header_cache::hold(const std::string& file) {
  outcome how = outcome::hit;
  auto header = headers_.get_or_create(file, [&] {
    Header parsed = scan(text_of(file));
    how = count_read(file);
    return parsed;
  });
  return {std::move(header), how};
}

header_cache::outcome header_cache::count_read(const std::string& file) {
  const std::lock_guard guard(lock_);
  return ever_read_.insert(file).second ? outcome::read : outcome::read_again;
}

} // namespace include_graph
