// SPDX-License-Identifier: BSL-1.0
//
// What happened, in order, as words: a test compares the whole story in one line.
#ifndef WEAKREF_TESTS_SUPPORT_JOURNAL_HPP
#define WEAKREF_TESTS_SUPPORT_JOURNAL_HPP

#include <string>
#include <string_view>
#include <utility>

namespace support {

class journal {
 public:
  void operator()(std::string_view word) {
    if (!text_.empty()) text_ += ' ';
    text_ += word;
  }
  const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
};

// Writes "~name" when it is destroyed.
class last_words {
 public:
  last_words(journal& log, std::string name) : log_(&log), name_("~" + std::move(name)) {}
  last_words(const last_words&) = delete;
  last_words& operator=(const last_words&) = delete;
  ~last_words() { (*log_)(name_); }

 private:
  journal* log_;
  std::string name_;
};

} // namespace support

#endif
