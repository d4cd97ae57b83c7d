// SPDX-License-Identifier: BSL-1.0
#include "report.hpp"

#include <unistd.h>

#include <filesystem>
#include <iomanip>
#include <iostream>
#include <string_view>

namespace include_graph {
namespace {

std::ostream& figure(std::string_view what, std::size_t count) {
  return std::cout << "  " << std::left << std::setw(16) << what << std::right << std::setw(8) << count;
}

void figures_of(const figures& counts) {
  figure("files", counts.files) << '\n';
  figure("look-ups", counts.look_ups) << '\n';
  figure("files read", counts.reads) << "  (" << counts.reads_again << " again)\n";
  figure("hits", counts.hits) << '\n';
  figure("missing", counts.missing) << '\n';
  figure("not told", counts.not_told) << '\n';
}

} // namespace

report::report(std::size_t top) : top_(top), terminal_(isatty(STDERR_FILENO) == 1) {}

report::~report() { wipe(); }

void report::wipe() {
  if (line_shown_) std::cerr << "\r\033[K" << std::flush;
  line_shown_ = false;
}

void report::complain(const std::string& message) {
  wipe();
  std::cerr << "include_graph: " << message << '\n';
  complained_ = true;
}

void report::progress(const graph& being_walked, std::size_t live) {
  if (!terminal_) return;
  wipe();
  std::cerr << '[' << reported_ + 1 << '/' << inputs_ << "] " << live << " live, walking "
            << std::filesystem::path(being_walked.input()).filename().string() << std::flush;
  line_shown_ = true;
}

void report::held(const graph& walked, std::size_t live) {
  wipe();
  for (const std::string& error : walked.errors()) complain(error);
  std::cout << walked.input() << '\n';
  figures_of(walked.counts());
  for (const std::string& header : walked.ahead()) figure("by compiler", 1) << "  " << header << '\n';
  std::string_view label = "most included";
  for (const inclusion& entry : walked.most_included(top_)) {
    figure(label, entry.by_files) << "  " << entry.header << '\n';
    label = "";
  }
  figure("live entries", live) << "  while held,";
  sum_ += walked.counts();
  ++reported_;
}

void report::let_go(std::size_t live) { std::cout << ' ' << live << " once let go\n\n"; }

void report::total(std::size_t left) {
  wipe();
  std::cout << "total of " << reported_ << (reported_ == 1 ? " input\n" : " inputs\n");
  figures_of(sum_);
  std::cout << "left in the cache: " << left << std::endl;
  if (!std::cout) complain("the report could not be written");
}

} // namespace include_graph
