// SPDX-License-Identifier: BSL-1.0
#include "scanner.hpp"

#include <string>
#include <utility>

namespace include_graph {
namespace {

constexpr bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// Walks over a text as the compiler sees it after joining continued lines.
class cursor {
 public:
  explicit cursor(std::string_view text) : text_(text) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
    join_lines();
  }

  bool done() const { return at_ >= text_.size(); }
  char now() const { return done() ? '\n' : text_[at_]; }
  char then() const {
    cursor ahead = *this;
    ahead.step();
    return ahead.now();
  }
  bool at_line_end() const { return now() == '\n'; }

  void step() {
    if (done()) return;
    ++at_;
    join_lines();
  }

  // Raw literals are the one place where a backslash at a line's end stands for itself.
  void skip_raw_literal() {
    const auto open = text_.find('(', at_);
    if (open == std::string_view::npos) return step();
    const std::string close = ")" + std::string(text_.substr(at_ + 1, open - at_ - 1)) + "\"";
    const auto end = text_.find(close, open);
    at_ = end == std::string_view::npos ? text_.size() : end + close.size();
    join_lines();
  }

 private:
  void join_lines() {
    while (!done() && text_[at_] == '\\') {
      auto end = at_ + 1;
      while (end < text_.size() && is_blank(text_[end])) ++end; // gcc and clang forgive blanks here
      if (end >= text_.size() || text_[end] != '\n') return;
      at_ = end + 1;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

class scanner {
 public:
  explicit scanner(std::string_view text) : text_(text) {}

  Header run() {
    bool line_start = true;
    while (!text_.done()) {
      if (text_.now() == '\n') {
        line_start = true;
        text_.step();
      } else if (skip_blank()) {
        continue; // a comment may span lines, and `/* … */ #include` is still a directive
      } else if (line_start && at_hash()) {
        directive();
        line_start = false;
      } else {
        skip_token();
        line_start = false;
      }
    }
    return std::move(found_);
  }

 private:
  bool at_hash() const { return text_.now() == '#' || (text_.now() == '%' && text_.then() == ':'); }

  void directive() {
    if (text_.now() == '%') text_.step();
    text_.step();
    skip_blanks();
    const std::string what = word();
    skip_blanks();
    if (what == "include" || what == "import") {
      include(false);
    } else if (what == "include_next") {
      include(true);
    } else if (what == "define") {
      define();
    }
  }

  void include(bool next) {
    include_line line = header_or_macro();
    line.next = next;
    if (!line.name.empty()) found_.includes.push_back(std::move(line));
  }

  void define() {
    std::string name = word();
    if (text_.now() == '(') return; // with parameters
    skip_blanks();
    include_line text = header_or_macro();
    skip_blanks();
    if (!text.name.empty() && text_.at_line_end())
      found_.macros.push_back({std::move(name), std::move(text)});
  }

  include_line header_or_macro() {
    using enum include_line::form;
    if (text_.now() == '"') return {quoted, false, header_name('"')};
    if (text_.now() == '<') return {angled, false, header_name('>')};
    return {macro, false, word()};
  }

  // In a header name there are neither escapes nor comments. Empty if the line ends before the name does.
  std::string header_name(char close) {
    std::string name;
    for (text_.step(); text_.now() != close; text_.step()) {
      if (text_.at_line_end()) return {};
      name += text_.now();
    }
    text_.step();
    return name;
  }

  std::string word() {
    std::string letters;
    for (; is_word(text_.now()); text_.step()) letters += text_.now();
    return letters;
  }

  void skip_blanks() {
    while (skip_blank()) {}
  }

  bool skip_blank() {
    if (is_blank(text_.now())) {
      text_.step();
      return true;
    }
    if (text_.now() != '/') return false;
    if (text_.then() == '/') {
      while (!text_.at_line_end()) text_.step();
      return true;
    }
    if (text_.then() == '*') {
      text_.step();
      text_.step();
      while (!text_.done() && !(text_.now() == '*' && text_.then() == '/')) text_.step();
      text_.step();
      text_.step();
      return true;
    }
    return false;
  }

  void skip_token() {
    if (is_digit(text_.now())) {
      skip_number();
    } else if (is_word(text_.now())) {
      const std::string prefix = word();
      if (text_.now() == '"' &&
          (prefix == "R" || prefix == "u8R" || prefix == "uR" || prefix == "UR" || prefix == "LR"))
        text_.skip_raw_literal();
    } else if (text_.now() == '"' || text_.now() == '\'') {
      skip_literal(text_.now());
    } else {
      text_.step();
    }
  }

  // The quotes of 1'000'000 open no literal.
  void skip_number() {
    while (is_word(text_.now()) || (text_.now() == '\'' && is_word(text_.then()))) text_.step();
  }

  // A literal that is not closed ends with its line: text that no compiler reads on this system may hold a
  // lone apostrophe.
  void skip_literal(char quote) {
    for (text_.step(); text_.now() != quote; text_.step()) {
      if (text_.at_line_end()) return;
      if (text_.now() == '\\' && text_.then() != '\n') text_.step();
    }
    text_.step();
  }

  cursor text_;
  Header found_;
};

} // namespace

Header scan(std::string_view text) { return scanner(text).run(); }

} // namespace include_graph
