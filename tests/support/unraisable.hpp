// SPDX-License-Identifier: BSL-1.0
//
// Collects the messages of exceptions that left callbacks, and puts the previous hook back.
#ifndef WEAKREF_TESTS_SUPPORT_UNRAISABLE_HPP
#define WEAKREF_TESTS_SUPPORT_UNRAISABLE_HPP

#include <weakref/errors.hpp>

#include <exception>
#include <string>
#include <utility>

namespace support {

inline std::string message_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    return known.what();
  } catch (...) {
    return "not a std::exception";
  }
}

class unraisable_log {
 public:
  unraisable_log()
      : previous_(weakref::set_unraisable_hook([this](std::exception_ptr error) {
          if (!text_.empty()) text_ += ' ';
          text_ += message_of(error);
        })) {}
  unraisable_log(const unraisable_log&) = delete;
  unraisable_log& operator=(const unraisable_log&) = delete;
  ~unraisable_log() { weakref::set_unraisable_hook(std::move(previous_)); }

  const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
  weakref::unraisable_hook previous_;
};

} // namespace support

#endif
