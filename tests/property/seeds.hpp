// SPDX-License-Identifier: BSL-1.0
//
// Runs a body on the scripts of some seeds. A failure names the seed and the step, and the script of a seed is
// always the same. WEAKREF_MODEL_SEEDS=FIRST:COUNT in the environment runs those seeds instead of each case's
// own few: WEAKREF_MODEL_SEEDS=1000:5000 is a long look, WEAKREF_MODEL_SEEDS=1017:1 a failure once more.
#ifndef WEAKREF_TESTS_PROPERTY_SEEDS_HPP
#define WEAKREF_TESTS_PROPERTY_SEEDS_HPP

#include "script.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace model {

struct seeds {
  unsigned first;
  unsigned count;
  std::size_t length = 1500; // of a script, in bytes
};

/// `make(script)` gives a body.
template <class Make> void run_seeds(seeds chosen, Make&& make) {
  if (const char* const wanted = std::getenv("WEAKREF_MODEL_SEEDS"))
    REQUIRE(std::sscanf(wanted, "%u:%u", &chosen.first, &chosen.count) == 2);
  for (unsigned seed = chosen.first; seed != chosen.first + chosen.count; ++seed) {
    const std::string failure = make(random_script(seed, chosen.length)).run();
    CHECK_MESSAGE(failure.empty(), "seed " << seed << ", " << failure);
    if (!failure.empty()) return; // what it left behind would spoil the next
    CHECK(Subject::alive() == 0);
  }
}

} // namespace model

#endif
