// SPDX-License-Identifier: BSL-1.0
//
// What each *_fuzz.cpp defines: a body of tests/property, and the inputs that are kept for it. `tests/fuzz/run`
// builds it with libfuzzer.cpp, meson.build with replay.cpp.
#ifndef WEAKREF_TESTS_FUZZ_TARGET_HPP
#define WEAKREF_TESTS_FUZZ_TARGET_HPP

#include <cstddef>
#include <span>
#include <string>
#include <utility>

namespace fuzz {

using bytes = std::span<const unsigned char>;

/// Empty if all went well. The first byte chooses the kind of container, the rest is the script.
std::string run(bytes input);

/// Inputs in hexadecimal digits; the last one is followed by null.
extern const char* const corpus[];

/// The first byte, below `limit`, and what follows it.
inline std::pair<int, bytes> choose(bytes input, int limit) {
  if (input.empty()) return {0, input};
  return {input[0] % limit, input.subspan(1)};
}

} // namespace fuzz

#endif
