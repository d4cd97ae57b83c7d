// SPDX-License-Identifier: BSL-1.0
//
// What make_scripts.py writes, read: scripts of steps, each with what Python observed.
#ifndef WEAKREF_TESTS_ORACLE_SCRIPT_HPP
#define WEAKREF_TESTS_ORACLE_SCRIPT_HPP

#include <istream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace oracle {

using words = std::vector<std::string>;

inline words split(std::string_view text) {
  words result;
  std::istringstream stream{std::string(text)};
  for (std::string word; stream >> word;) result.push_back(word);
  return result;
}
inline std::string joined(const words& all) {
  std::string result;
  for (const std::string& each : all) result += (result.empty() ? "" : " ") + each;
  return result;
}

struct step {
  words command;                        // with its arguments
  std::string python;                   // what Python observed
  std::optional<std::string> of_a_copy; // where it says something else of a copy without history
  words events;

  const std::string& name() const { return command.front(); }
};

struct script {
  std::string number, kind;
  bool by_value = false; // the objects have == and a hash
  std::vector<step> steps;
};

struct recording {
  std::string python; // which
  std::vector<script> scripts;
};

class unreadable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline step read_step(const std::string& line) {
  const std::size_t arrow = line.find(" => ");
  if (arrow == std::string::npos) throw unreadable("not a step: " + line);
  const std::size_t bar = line.find(" | ", arrow);
  step result;
  result.command = split(line.substr(0, arrow));
  result.python = line.substr(arrow + 4, bar == std::string::npos ? bar : bar - arrow - 4);
  if (const std::size_t tilde = result.python.find(" ~ "); tilde != std::string::npos) {
    result.of_a_copy = result.python.substr(tilde + 3);
    result.python.resize(tilde);
  }
  if (bar != std::string::npos) result.events = split(line.substr(bar + 3));
  if (result.command.empty() || result.python.empty()) throw unreadable("not a step: " + line);
  return result;
}

/// Throws unreadable where something is missing, at the end above all.
inline recording read(std::istream& from) {
  recording result;
  std::string line;
  const auto header = [&](std::string_view first) {
    words found;
    if (std::getline(from, line)) found = split(line);
    if (found.size() < 3 || found.front() != first) throw unreadable("no line " + std::string(first));
    return found;
  };
  const words python = header("python");
  if (python[1] != "CPython") throw unreadable("not from CPython");
  result.python = python[2];
  const words numbers = header("scripts");
  bool is_done = false;
  while (!is_done && std::getline(from, line)) {
    if (line == "done") {
      is_done = true;
    } else if (line.starts_with("script ")) {
      const words found = split(line);
      if (found.size() != 4) throw unreadable(line);
      result.scripts.push_back({found[1], found[2], found[3] == "valued", {}});
    } else {
      if (result.scripts.empty()) throw unreadable("a step before the first script");
      result.scripts.back().steps.push_back(read_step(line));
    }
  }
  if (!is_done) throw unreadable("the end is missing");
  if (std::to_string(result.scripts.size()) != numbers[1]) throw unreadable("scripts are missing");
  for (const script& each : result.scripts) {
    if (each.steps.empty() || each.steps.back().name() != "end") throw unreadable("a script has no end");
  }
  return result;
}

} // namespace oracle

#endif
