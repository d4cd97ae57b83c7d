// SPDX-License-Identifier: BSL-1.0
#include "options.hpp"

#include <charconv>
#include <limits>
#include <string>

namespace include_graph {

const std::string_view help_text = R"help(usage: include_graph [option...] [file or folder...]

Follows the #include lines of each input and tells what it found. A header is
read once while any graph holds it; the graph of an input is let go as soon as
it is reported, and a header that no graph holds any more is read again when
it is needed. Without inputs: some standard headers of the compiler.

  -I DIR     look for headers in DIR before the compiler's own folders
  -j N       N threads, and N inputs at a time (default: one per processor)
  --top N    list the N most included headers of each input (default: 5)
  --list     list every header of each input
  --help     this text

A folder stands for all source and header files below it. Conditions are not
evaluated: a line counts whichever branch of an #if it stands in. The compiler
whose folders are searched is $CXX, or c++. Inputs are read as C++.

The figures of an input:

  files          in its graph, itself included
  look-ups       include lines that lead to a file; the input; by compiler
  files read     the look-ups that had to read; "again": once held, then let go
  hits           the look-ups that found the header in the cache
  missing        include lines that lead to no file: mostly for other systems
  not told       #include NAME where the macro is too complex for this program
                 (a plain #define of a header name is not); only what hangs on
                 these can be in the compiler's own list (-M) and not here
  by compiler    a header that the compiler includes ahead of every input
  most included  the headers, and by how many files of the graph
  live entries   headers in the cache while the graph is held, and after; with
                 -j above 1, other graphs may hold headers then, too

Exit status: 0, or 2 if an option, file or folder was wrong; the rest is done.
)help";

namespace {

class arguments {
 public:
  arguments(int argc, const char* const* argv) : next_(argv + (argc > 0 ? 1 : 0)), end_(argv + argc) {}

  bool done() const { return next_ == end_; }
  std::string_view take() { return *next_++; }

  // The value of `option` if `argument` is that option: `-I DIR`, `-IDIR`, `--top N` or `--top=N`.
  bool value(std::string_view argument, std::string_view option, std::string_view& into) {
    if (!argument.starts_with(option)) return false;
    into = argument.substr(option.size());
    if (into.empty()) {
      if (done()) throw usage_error(std::string(option) + " needs a value");
      into = take();
      return true;
    }
    if (!option.starts_with("--")) return true;
    if (!into.starts_with('=')) return false;
    into.remove_prefix(1);
    return true;
  }

 private:
  const char* const* next_;
  const char* const* end_;
};

std::size_t number(std::string_view option, std::string_view text, std::size_t least, std::size_t most) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most)
    throw usage_error(std::string(option) + " needs a number from " + std::to_string(least) + " to " +
                      std::to_string(most) + ", not '" + std::string(text) + "'");
  return value;
}

} // namespace

options parse_options(int argc, const char* const* argv) {
  constexpr std::size_t most_jobs = 256;
  constexpr std::size_t most_headers = std::numeric_limits<std::size_t>::max();
  options parsed;
  arguments left(argc, argv);
  bool only_inputs = false;
  while (!left.done()) {
    const std::string_view argument = left.take();
    std::string_view value;
    if (only_inputs || !argument.starts_with('-')) {
      parsed.inputs.emplace_back(argument);
    } else if (argument == "--") {
      only_inputs = true;
    } else if (argument == "--help" || argument == "-h") {
      parsed.help = true;
    } else if (argument == "--list") {
      parsed.top = most_headers;
    } else if (left.value(argument, "--top", value)) {
      parsed.top = number("--top", value, 0, most_headers);
    } else if (left.value(argument, "-I", value)) {
      parsed.folders.emplace_back(value);
    } else if (left.value(argument, "-j", value)) {
      parsed.jobs = static_cast<unsigned>(number("-j", value, 1, most_jobs));
    } else {
      throw usage_error("unknown option '" + std::string(argument) + "'");
    }
  }
  return parsed;
}

} // namespace include_graph
