// SPDX-License-Identifier: BSL-1.0

// What does a container cost when most of what it held is gone? A million objects die but one; then a loop over that
// one, a copy, a popitem with a store, and the memory that is held. And with untracked objects, of whose death nobody
// hears: how many operations on one key until 10 000 dead entries are gone, and how many of 20 000 stores into a full
// table of living ones took longer than 100 microseconds. Takes no arguments.

#include <weakref/weakref.hpp>

#include <malloc.h>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

namespace {

using dictionary_type = weakref::WeakValueDictionary<int, int>;

template <class F> double microseconds(F&& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

std::size_t used() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

void one_of_a_million() {
  const std::size_t at_first = used();
  dictionary_type dictionary;
  std::vector<std::shared_ptr<int>> owners;
  for (int number = 0; number < 1000000; ++number)
    owners.push_back(dictionary.get_or_create(number, [number] { return number; }));
  const std::shared_ptr<int> kept = owners[12345];
  owners.clear();
  owners.shrink_to_fit();
  malloc_trim(0); // what the objects leave behind is malloc's affair, and not the loop's
  long sum = 0;
  for (int round = 0; round < 3; ++round) {
    const double loop = microseconds([&] {
      for (const auto& [key, value] : dictionary) sum += key;
    });
    const double copy = microseconds([&] { sum += static_cast<long>(dictionary_type(dictionary).size()); });
    const double pop = microseconds([&] {
      auto [key, value] = dictionary.popitem();
      dictionary.insert(key, std::move(value));
    });
    std::printf("one of a million left: loop %.1f us, copy %.1f us, popitem and store %.1f us, %zu KB held\n",
                loop, copy, pop, (used() - at_first) / 1024);
  }
  if (sum == 0) std::puts("");
}

void burst_of_untracked() {
  dictionary_type dictionary({.accept_untracked = true});
  const auto living = std::make_shared<int>(0);
  dictionary.insert(-1, living);
  std::vector<std::shared_ptr<int>> owners;
  for (int number = 0; number < 10000; ++number) {
    owners.push_back(std::make_shared<int>(number));
    dictionary.insert(number, owners.back());
  }
  owners.clear();
  int operations = 0;
  while (dictionary.size() > 1 && operations < 100000) {
    if (dictionary.get(-1) == nullptr) std::puts("lost");
    ++operations;
  }
  std::printf("10000 untracked dead: gone after %d look-ups of one key\n", operations);
}

void full_table_of_untracked() {
  constexpr int count = 32000, stores = 20000;
  dictionary_type dictionary({.shards = 1, .accept_untracked = true});
  std::vector<std::shared_ptr<int>> owners;
  for (int number = 0; number < count; ++number) {
    owners.push_back(std::make_shared<int>(number));
    dictionary.insert(number, owners.back());
  }
  int slow = 0;
  double all = 0;
  for (int number = 0; number < stores; ++number) {
    auto& owner = owners[static_cast<std::size_t>(number)];
    owner = std::make_shared<int>(number);
    const double time = microseconds([&] { dictionary.insert(count + number, owner); });
    all += time;
    if (time > 100) ++slow;
  }
  std::printf("a full table of %d living untracked: %.2f us a store, %d of %d above 100 us\n", count,
              all / stores, slow, stores);
}

} // namespace

int main() {
  one_of_a_million();
  burst_of_untracked();
  full_table_of_untracked();
}
