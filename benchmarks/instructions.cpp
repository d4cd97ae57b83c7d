// SPDX-License-Identifier: BSL-1.0

// For callgrind: 20 000 operations of one kind on a dictionary of 1 000 entries with random integers, in a function of their
// own. Counts of instructions are the same on a busy machine.
//
//   valgrind --tool=callgrind --toggle-collect='measured(*' instructions QUESTION
//
// QUESTION: hit, miss, visit, try_emplace or get_or_create (each lets an object go first), loop. What callgrind tells is
// for all of them: through 20 000 it is for one, or for one entry of a loop.

#include <weakref/weak_value_dictionary.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t entries = 1000;
constexpr std::size_t operations = 20 * entries;

struct object {
  explicit object(std::int64_t number) : id(number) {}
  std::int64_t id;
  std::array<char, 56> rest{};
};

struct cache {
  std::vector<std::int64_t> keys;
  std::vector<std::int64_t> absent;
  std::vector<std::size_t> chosen;
  weakref::WeakValueDictionary<std::int64_t, object> stored;
  std::vector<std::shared_ptr<object>> owners;
};

} // namespace

// With external linkage, so that it has a name to be found by.
[[gnu::noinline]] std::int64_t measured(cache& of, std::string_view question) {
  std::int64_t sum = 0;
  if (question == "hit") {
    for (const std::size_t each : of.chosen) sum += of.stored.get(of.keys[each])->id;
  } else if (question == "miss") {
    for (const std::size_t each : of.chosen) sum += of.stored.get(of.absent[each]) != nullptr ? 1 : 0;
  } else if (question == "visit") {
    for (const std::size_t each : of.chosen)
      of.stored.visit(of.keys[each], [&sum](const object& seen) { sum += seen.id; });
  } else if (question == "try_emplace") {
    for (const std::size_t each : of.chosen) {
      of.owners[each].reset();
      of.owners[each] = of.stored.try_emplace(of.keys[each], 1).first;
    }
  } else if (question == "get_or_create") {
    for (const std::size_t each : of.chosen) {
      of.owners[each].reset();
      of.owners[each] = of.stored.get_or_create(of.keys[each], [] { return object(1); });
    }
  } else if (question == "loop") {
    for (std::size_t i = 0; i != operations / entries; ++i) {
      for (const auto& [key, value] : of.stored) sum += value->id;
    }
  } else {
    return -1;
  }
  return sum;
}

int main(int argc, char** argv) {
  cache all;
  std::mt19937_64 random(1);
  for (std::size_t i = 0; i != entries; ++i) {
    all.keys.push_back(static_cast<std::int64_t>(random()));
    all.absent.push_back(static_cast<std::int64_t>(random()));
    all.owners.push_back(all.stored.try_emplace(all.keys.back(), static_cast<std::int64_t>(i)).first);
  }
  for (std::size_t i = 0; i != operations; ++i) all.chosen.push_back(random() % entries);
  const std::int64_t sum = argc == 2 ? measured(all, argv[1]) : -1;
  if (sum >= 0) return 0;
  std::fputs("usage: instructions hit|miss|visit|try_emplace|get_or_create|loop\n", stderr);
  return 2;
}
