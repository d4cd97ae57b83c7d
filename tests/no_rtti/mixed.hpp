// SPDX-License-Identifier: BSL-1.0
// What the two halves of the program see alike.
#ifndef WEAKREF_TESTS_NO_RTTI_MIXED_HPP
#define WEAKREF_TESTS_NO_RTTI_MIXED_HPP

#include <memory>
#include <string>

namespace mixed {

struct Plain {
  int number = 0;
};

// Compiled with RTTI.
std::shared_ptr<Plain> tracked();
std::shared_ptr<Plain> untracked();
std::shared_ptr<Plain> adopted();
// What an insertion of it throws, or nothing; and that its entry leaves with it.
std::string refusal(std::shared_ptr<Plain> owner);
bool knows(const std::shared_ptr<Plain>& owner);

} // namespace mixed

#endif
