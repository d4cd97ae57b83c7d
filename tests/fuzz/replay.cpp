// SPDX-License-Identifier: BSL-1.0
//
// Stands in for libFuzzer, with any compiler: runs one target on its corpus.
#include "target.hpp"

#include <doctest/doctest.h>

#include <string_view>
#include <vector>

TEST_CASE("fuzz: every input of the corpus runs to its end") {
  const auto digit = [](char hex) { return hex <= '9' ? hex - '0' : hex - 'a' + 10; };
  int inputs = 0;
  for (const char* const* text = fuzz::corpus; *text != nullptr; ++text, ++inputs) {
    const std::string_view line(*text);
    std::vector<unsigned char> input;
    for (std::size_t i = 0; i + 1 < line.size(); i += 2)
      input.push_back(static_cast<unsigned char>(digit(line[i]) * 16 + digit(line[i + 1])));
    const std::string failure = fuzz::run(input);
    CHECK_MESSAGE(failure.empty(), "input " << line << ", " << failure);
    if (!failure.empty()) return;
  }
  CHECK(inputs > 0);
}
