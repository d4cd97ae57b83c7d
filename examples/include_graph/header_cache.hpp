// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_EXAMPLES_INCLUDE_GRAPH_HEADER_CACHE_HPP
#define WEAKREF_EXAMPLES_INCLUDE_GRAPH_HEADER_CACHE_HPP

#include "header.hpp"

#include <weakref/weak_value_dictionary.hpp>

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>

namespace include_graph {

// Every parsed header that somebody holds, by the canonical path of its file. The cache itself holds none.
class header_cache {
 public:
  enum class outcome { hit, read, read_again };

  struct look_up {
    std::shared_ptr<Header> header;
    outcome how;
  };

  // Of all threads that ask for one file at a time, one reads it and the others wait for that very header.
  // Throws: std::runtime_error if the file cannot be read.
  look_up hold(const std::string& file);

  std::size_t live() const { return headers_.size(); }

 private:
  outcome count_read(const std::string& file);

  weakref::WeakValueDictionary<std::string, Header> headers_;
  std::mutex lock_;
  std::unordered_set<std::string> ever_read_;
};

} // namespace include_graph

#endif
