// SPDX-License-Identifier: BSL-1.0

// How many bytes does a WeakSet take beyond its own 16? Asks glibc's malloc before and after adding elements
// that exist already. Prints a line for each size; takes no arguments.

#include <weakref/weak_set.hpp>

#include <malloc.h>

#include <cstddef>
#include <cstdio>
#include <memory>
#include <vector>

namespace {

std::size_t used() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

} // namespace

int main() {
  std::vector<std::shared_ptr<int>> objects;
  for (int number = 0; number < 100000; ++number) objects.push_back(weakref::make_tracked<int>(number));
  for (const std::size_t size : {std::size_t{1}, std::size_t{2}, std::size_t{10}, std::size_t{100},
                                 std::size_t{1000}, std::size_t{100000}}) {
    weakref::WeakSet<int> set;
    const std::size_t before = used();
    for (std::size_t index = 0; index < size; ++index) set.add(objects[index]);
    const std::size_t bytes = used() - before;
    std::printf("%6zu elements: %8zu bytes, %.1f each\n", size, bytes,
                static_cast<double>(bytes) / static_cast<double>(size));
  }
}
