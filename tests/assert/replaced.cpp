// SPDX-License-Identifier: BSL-1.0
#include <string>

// As a program might: with its own handler, also where NDEBUG is defined.
namespace weakref_assert_test {
void note(bool holds, const char* condition, const std::string& message);
} // namespace weakref_assert_test
#define WEAKREF_ASSERT(condition, message) ::weakref_assert_test::note(condition, #condition, message)

#ifndef NDEBUG
#define NDEBUG
#endif
#define PART replaced
#include "part.inc"

std::vector<std::string> weakref_assert_test::noted;
void weakref_assert_test::note(bool holds, const char* condition, const std::string& message) {
  if (!holds) noted.push_back(message + " | " + condition);
}
