// SPDX-License-Identifier: BSL-1.0

// An object cache at work on real files. include_graph follows the #include lines of source files, on several
// threads, and parses each header once while anyone holds it: header_cache.cpp is the whole of that. Each
// input's graph owns the headers it found. Let the graph go, and their entries are gone from the cache in
// that moment.
//
//     include_graph                       some standard headers of the compiler
//     include_graph -j 4 -I include src   every source and header file below src
//     include_graph --help                the options, and what the figures mean

#include "compiler.hpp"
#include "graph.hpp"
#include "header_cache.hpp"
#include "inputs.hpp"
#include "options.hpp"
#include "report.hpp"
#include "search_path.hpp"
#include "work_queue.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <exception>
#include <iostream>
#include <memory>
#include <system_error>
#include <thread>

namespace {

using namespace include_graph;

void walk(const std::vector<place>& inputs, unsigned jobs, const search_path& search,
          const std::vector<include_line>& ahead, report& out) {
  header_cache cache;
  work_queue queue(jobs);
  std::deque<std::unique_ptr<graph>> graphs; // at most as many as threads, and in the order of the inputs
  auto next = inputs.begin();
  while (next != inputs.end() || !graphs.empty()) {
    while (graphs.size() < jobs && next != inputs.end())
      graphs.push_back(std::make_unique<graph>(*next++, tools{search, ahead, cache, queue}));
    do out.progress(*graphs.front(), cache.live());
    while (!graphs.front()->wait_for(std::chrono::milliseconds(100)));
    out.held(*graphs.front(), cache.live());
    graphs.pop_front();
    out.let_go(cache.live());
  }
  out.total(cache.live());
}

int run(const options& chosen) {
  report out(chosen.top);
  const compiler asked = ask_compiler();
  if (asked.folders.empty())
    out.complain("'" + asked.command + "' did not tell its include folders; set CXX to a compiler");
  for (const auto& folder : chosen.folders) {
    std::error_code error;
    if (!std::filesystem::is_directory(folder, error))
      out.complain("-I " + folder.string() + ": no such folder");
  }

  const search_path search(chosen.folders, asked.folders);
  const auto complain = [&](const std::string& message) { out.complain(message); };
  const auto inputs =
      chosen.inputs.empty() ? standard_headers(search, complain) : gather(chosen.inputs, complain);
  const unsigned jobs = chosen.jobs ? chosen.jobs : std::max(1U, std::thread::hardware_concurrency());
  out.expect(inputs.size());
  walk(inputs, jobs, search, asked.ahead, out);
  return out.complained() ? 2 : 0;
}

} // namespace

int main(int argc, char** argv) {
  try {
    const options chosen = parse_options(argc, argv);
    if (!chosen.help) return run(chosen);
    std::cout << help_text;
    return 0;
  } catch (const usage_error& error) {
    std::cerr << "include_graph: " << error.what() << "\nTry 'include_graph --help'.\n";
  } catch (const std::exception& error) {
    std::cerr << "include_graph: " << error.what() << '\n';
  }
  return 2;
}
