// SPDX-License-Identifier: BSL-1.0
#include "graph.hpp"

#include <algorithm>
#include <exception>

namespace include_graph {
namespace {

// One file is entered once for each way its lines can be meant; for most files that is once.
std::tuple<std::string, std::string, int> meaning(const place& at, const Header& header) {
  bool by_folder = false;
  bool by_entry = false;
  for (const include_line& line : header.includes) {
    by_folder |= line.written != include_line::form::angled;
    by_entry |= line.next;
  }
  return {at.file, by_folder ? at.folder : std::string(), by_entry ? at.entry : place::outside};
}

} // namespace

figures& figures::operator+=(const figures& other) {
  files += other.files;
  look_ups += other.look_ups;
  reads += other.reads;
  reads_again += other.reads_again;
  hits += other.hits;
  missing += other.missing;
  not_told += other.not_told;
  return *this;
}

graph::graph(place input, tools with) : input_(std::move(input)), with_(with) {
  const std::lock_guard guard(lock_);
  send(input_, nullptr);
}

graph::~graph() {
  std::unique_lock guard(lock_);
  finished_.wait(guard, [this] { return jobs_ == 0; });
}

bool graph::wait_for(std::chrono::milliseconds at_most) {
  std::unique_lock guard(lock_);
  return finished_.wait_for(guard, at_most, [this] { return jobs_ == 0; });
}

void graph::send(place to, const Header* from) {
  ++jobs_;
  with_.queue.add([this, to = std::move(to), from] {
    arrive(to, from);
    finish_job();
  });
}

void graph::arrive(const place& at, const Header* from) {
  try {
    const auto found = with_.cache.hold(at.file);
    if (own(found, at, from)) follow_lines(at, *found.header);
  } catch (const std::exception& error) {
    const std::lock_guard guard(lock_);
    errors_.insert(error.what());
  }
}

// Makes this graph an owner of a header. True if its lines are still to be followed.
bool graph::own(const header_cache::look_up& found, const place& at, const Header* from) {
  const auto& [header, how] = found;
  const std::lock_guard guard(lock_);
  ++counts_.look_ups;
  counts_.hits += how == header_cache::outcome::hit;
  counts_.reads += how != header_cache::outcome::hit;
  counts_.reads_again += how == header_cache::outcome::read_again;

  node& known = nodes_[at.file];
  if (!known.header) {
    known.header = header;
    ++counts_.files;
    for (const header_macro& macro : header->macros) macros_[macro.name].push_back(macro.stands_for);
  }
  if (from) known.included_by.insert(from);
  return entered_.insert(meaning(at, *header)).second;
}

void graph::follow_lines(const place& at, const Header& header) {
  for (const include_line& line : header.includes) {
    const auto to = with_.search.find(line, at);
    const std::lock_guard guard(lock_);
    if (line.written == include_line::form::macro)
      macro_lines_.push_back({line, at, &header, {}});
    else if (to)
      send(*to, &header);
    else
      ++counts_.missing;
  }
  if (at.file != input_.file) return;
  for (const include_line& line : with_.ahead) {
    const auto to = with_.search.find(line, at);
    if (!to) continue;
    const std::lock_guard guard(lock_);
    if (ahead_.insert(to->file).second) send(*to, nullptr);
  }
}

void graph::finish_job() {
  const std::lock_guard guard(lock_);
  if (jobs_ == 1) follow_macros();
  if (--jobs_ > 0) return;
  count_unfollowed();
  finished_.notify_all(); // under the lock: whoever waits may destroy this graph the moment it is let go
}

// May send more jobs; those may bring more macros, and then this is called again.
void graph::follow_macros() {
  for (macro_line& use : macro_lines_) {
    std::set<std::string> seen;
    follow_macro(use, use.line.name, seen);
  }
}

void graph::follow_macro(macro_line& use, const std::string& name, std::set<std::string>& seen) {
  const auto known = macros_.find(name);
  if (known == macros_.end() || !seen.insert(name).second) return;
  for (const include_line& text : known->second) {
    if (text.written == include_line::form::macro) {
      follow_macro(use, text.name, seen);
    } else if (use.followed.emplace(text.written, text.name).second) {
      const auto to = with_.search.find({text.written, use.line.next, text.name}, use.in);
      if (!to) continue;
      use.leads_somewhere = true;
      send(*to, use.header);
    }
  }
}

void graph::count_unfollowed() {
  for (const macro_line& use : macro_lines_) {
    if (use.leads_somewhere) continue;
    ++(use.followed.empty() ? counts_.not_told : counts_.missing);
  }
}

std::vector<inclusion> graph::most_included(std::size_t at_most) const {
  std::vector<inclusion> headers;
  for (const auto& [file, known] : nodes_)
    if (!known.included_by.empty()) headers.push_back({file, known.included_by.size()});
  std::sort(headers.begin(), headers.end(), [](const inclusion& one, const inclusion& other) {
    return std::tie(other.by_files, one.header) < std::tie(one.by_files, other.header);
  });
  if (headers.size() > at_most) headers.resize(at_most);
  return headers;
}

} // namespace include_graph
