// SPDX-License-Identifier: BSL-1.0
//
// One program of three translation units, each with another WEAKREF_ASSERT (off.cpp, on.cpp, replaced.cpp). They share
// the types below, and must agree about them.
#ifndef WEAKREF_TESTS_ASSERT_PART_HPP
#define WEAKREF_TESTS_ASSERT_PART_HPP

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace weakref_assert_test {

struct item;
struct world; // a container of each kind, and what watches an item

struct part {
  // Sizes and what else others' code depends on.
  std::vector<std::size_t> (*layout)();
  std::shared_ptr<world> (*make_world)();
  std::shared_ptr<item> (*make_item)(int number);
  void (*store)(world&, const std::shared_ptr<item>&);
  // What can be found: the sum of the numbers in each container, and how many callbacks have been called.
  std::vector<int> (*look)(world&);
  // A callback that is null, which is not called in the end.
  void (*make_mistake)();
};

extern const part off, on, replaced;
extern std::vector<std::string> noted; // what replaced.cpp was told

} // namespace weakref_assert_test

#endif
