// SPDX-License-Identifier: BSL-1.0

// How much stack does one death take while the next one runs inside it? Objects that each own the next one: the
// addresses of a local variable in the first destructor and in the last tell. Prints a line for each way of making
// them, the first without this library; takes no arguments.

#include <weakref/weakref.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <memory>
#include <utility>

namespace {

constexpr int depth = 1000;

struct stack_marks {
  std::uintptr_t lowest = std::numeric_limits<std::uintptr_t>::max();
  std::uintptr_t highest = 0;

  void set() noexcept {
    char here = 0;
    const auto address = reinterpret_cast<std::uintptr_t>(&here);
    lowest = std::min(lowest, address);
    highest = std::max(highest, address);
  }
  std::size_t bytes_a_level() const noexcept { return (highest - lowest) / depth; }
};
stack_marks marks;

struct plain_node {
  std::shared_ptr<plain_node> next;
  ~plain_node() { marks.set(); }
};
struct based_node : weakref::enable_weakref {
  std::shared_ptr<based_node> next;
  ~based_node() { marks.set(); }
};
struct key {
  ~key() { marks.set(); }
};

template <class Node, class Make> void print_chain(const char* how, bool is_stored, Make make) {
  weakref::WeakValueDictionary<int, Node> dictionary;
  std::shared_ptr<Node> head;
  for (int number = 0; number < depth; ++number) {
    std::shared_ptr<Node> node = make();
    node->next = std::move(head);
    if (is_stored) dictionary.insert(number, node);
    head = std::move(node);
  }
  marks = stack_marks();
  head.reset();
  std::printf("%-48s %4zu bytes a level\n", how, marks.bytes_a_level());
}

void print_chain_of_weak_keys() {
  weakref::WeakKeyDictionary<key, std::shared_ptr<key>> dictionary;
  auto head = weakref::make_tracked<key>();
  for (int number = 0; number < depth; ++number) {
    auto owner = weakref::make_tracked<key>();
    dictionary.insert(owner, std::move(head));
    head = std::move(owner);
  }
  marks = stack_marks();
  head.reset();
  std::printf("%-48s %4zu bytes a level\n", "each the value of the one before as a weak key",
              marks.bytes_a_level());
}

} // namespace

int main() {
  print_chain<plain_node>("std::make_shared", false, [] { return std::make_shared<plain_node>(); });
  print_chain<plain_node>("make_tracked", false, [] { return weakref::make_tracked<plain_node>(); });
  print_chain<plain_node>("make_tracked, in a dictionary", true,
                          [] { return weakref::make_tracked<plain_node>(); });
  print_chain<plain_node>("adopt, in a dictionary", true,
                          [] { return weakref::adopt(std::make_unique<plain_node>()); });
  print_chain<based_node>("make_shared of enable_weakref, in a dictionary", true,
                          [] { return std::make_shared<based_node>(); });
  print_chain_of_weak_keys();
}
