// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_CONTAINER_TRANSACTION_HPP
#define WEAKREF_DETAIL_CONTAINER_TRANSACTION_HPP

// Several stores that happen wholly or, if one of them throws, not at all: what makes update() keep the
// strong guarantee. All nodes are made first, which is where owners are refused and keys' copies throw. Then
// they are stored one by one, and each replaced entry is kept; a comparison or an allocation that throws
// there is answered by putting everything back, which can't fail. Others see the entries come one by one, and
// after a failure go again.

#include <weakref/detail/container/operations.hpp>

#include <boost/container/vector.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace weakref {
inline namespace v0 {
namespace detail {

template <class Core, class Node> class transaction {
 public:
  using owner_type = typename Core::owner_type;

  explicit transaction(Core& container) noexcept : container_(container) {}
  ~transaction() {
    while (!steps_.empty()) {
      undo(steps_.back());
      steps_.pop_back();
    }
  }
  transaction(const transaction&) = delete;
  transaction& operator=(const transaction&) = delete;

  /// Takes charge of a new node and binds it. Throws: std::bad_alloc; then the node is gone.
  void add(Node& made, const owner_type& owner, const tracking& where) {
    new_entry<Core, Node> guard(container_, made);
    steps_.push_back(step{&made, nullptr, owner, stage::made});
    guard.stored(); // the step's now
    container_.bind(made, owner, where);
    // Once it is stored others may take it out: the pin keeps it for undo().
    made.pin();
  }

  /// `put_one(new_entry&)` stores one, as put_unreleased() does.
  template <class PutOne> void commit(PutOne&& put_one) {
    for (step& each : steps_) {
      new_entry<Core, Node> entry(container_, *each.node, each.owner);
      each.reached = stage::released; // if put_one throws, by `entry`
      each.replaced = put_one(entry).replaced;
      each.owner = entry.owner(); // put_one may have bound the node to another referent
      each.reached = stage::stored;
    }
    for (step& each : steps_) {
      if (each.replaced != nullptr) container_.release(*each.replaced);
      container_.unpin(*each.node);
    }
    steps_.clear();
  }

 private:
  enum class stage { made, stored, released };
  struct step {
    Node* node; // pinned
    Node* replaced;
    owner_type owner;
    stage reached;
  };

  void undo(step& undone) noexcept {
    if (undone.reached == stage::made) container_.release(*undone.node, &undone.owner);
    if (undone.reached == stage::stored) put_back(undone);
    container_.unpin(*undone.node);
  }
  void put_back(step& undone) noexcept {
    bool is_out = false;
    {
      const typename Core::template access<false> shard(container_, undone.node->hash);
      const std::uint32_t index = shard->entries.find_entry(*undone.node);
      is_out = index != Core::none;
      // A replaced entry whose referent has died meanwhile stays out: its death has looked for it already, or
      // will find nothing.
      if (is_out && undone.replaced != nullptr &&
          !detail::is_expired<typename Core::sync>(undone.replaced->weak())) {
        shard->entries.replace(index, *std::exchange(undone.replaced, nullptr));
      } else if (is_out) {
        shard.take_out(index);
      }
    }
    if (is_out) container_.release(*undone.node, &undone.owner);
    if (undone.replaced != nullptr) container_.release(*undone.replaced);
  }

  Core& container_;
  boost::container::vector<step> steps_;
};

/// Entries that were chosen to be taken out together, pinned until then.
template <class Core, class Node> class selection {
 public:
  explicit selection(Core& container) noexcept : container_(container) {}
  ~selection() {
    for (Node* const each : nodes_) container_.unpin(*each);
  }
  selection(const selection&) = delete;
  selection& operator=(const selection&) = delete;

  /// The caller pins the node, or its cursor is on it. Throws: std::bad_alloc.
  void add(Node& chosen) {
    nodes_.push_back(&chosen);
    chosen.pin();
  }
  /// Takes out those that are still there and alive, and counts them.
  std::size_t take_out() noexcept {
    std::size_t taken = 0;
    for (Node* const each : nodes_) {
      const auto owner = detail::owner_if_present(container_, *each);
      if (owner != nullptr && detail::take_entry(container_, *each, owner)) ++taken;
    }
    return taken;
  }

 private:
  Core& container_;
  boost::container::vector<Node*> nodes_;
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
