// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_EXAMPLES_INCLUDE_GRAPH_GRAPH_HPP
#define WEAKREF_EXAMPLES_INCLUDE_GRAPH_GRAPH_HPP

#include "header_cache.hpp"
#include "search_path.hpp"
#include "work_queue.hpp"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace include_graph {

struct figures {
  std::size_t files = 0;
  std::size_t look_ups = 0;
  std::size_t reads = 0;
  std::size_t reads_again = 0; // among the reads
  std::size_t hits = 0;
  std::size_t missing = 0;  // include lines that lead to no file
  std::size_t not_told = 0; // include lines whose macro could not be followed

  figures& operator+=(const figures& other);
};

struct inclusion {
  std::string header;
  std::size_t by_files;
};

// What a graph is made with; all of it outlives the graphs.
struct tools {
  const search_path& search;
  const std::vector<include_line>& ahead; // what the compiler includes ahead of every input
  header_cache& cache;
  work_queue& queue;
};

// One input, and everything it includes. The graph is what owns the headers.
class graph {
 public:
  graph(place input, tools with); // begins to walk, on the queue's threads
  ~graph();                       // waits until the walk is over, then lets all headers go
  graph(const graph&) = delete;
  graph& operator=(const graph&) = delete;

  // True once everything is found. What stands below needs that.
  bool wait_for(std::chrono::milliseconds at_most);

  const std::string& input() const { return input_.file; }
  const figures& counts() const { return counts_; }
  const std::set<std::string>& errors() const { return errors_; }

  // Each header that some file of the graph includes; most included first.
  std::vector<inclusion> most_included(std::size_t at_most) const;

  // What the compiler includes by itself.
  const std::set<std::string>& ahead() const { return ahead_; }

 private:
  struct node {
    std::shared_ptr<Header> header;
    std::unordered_set<const Header*> included_by;
  };

  // An `#include NAME`. What the name stands for is known when all files have been seen, and then each of its
  // definitions is followed, as each branch of an #if is.
  struct macro_line {
    include_line line;
    place in;
    const Header* header;
    std::set<std::pair<include_line::form, std::string>> followed;
    bool leads_somewhere = false;
  };

  void arrive(const place& at, const Header* from);
  bool own(const header_cache::look_up& found, const place& at, const Header* from);
  void follow_lines(const place& at, const Header& header);
  void finish_job();

  // Call these with lock_ held.
  void send(place to, const Header* from);
  void follow_macros();
  void follow_macro(macro_line& use, const std::string& name, std::set<std::string>& seen);
  void count_unfollowed();

  const place input_;
  const tools with_;

  std::mutex lock_; // of all below
  std::condition_variable finished_;
  std::size_t jobs_ = 0;
  std::unordered_map<std::string, node> nodes_; // by file
  std::set<std::tuple<std::string, std::string, int>> entered_;
  std::unordered_map<std::string, std::vector<include_line>> macros_;
  std::vector<macro_line> macro_lines_;
  std::set<std::string> ahead_;
  figures counts_;
  std::set<std::string> errors_;
};

} // namespace include_graph

#endif
