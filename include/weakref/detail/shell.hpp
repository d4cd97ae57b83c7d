// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_SHELL_HPP
#define WEAKREF_DETAIL_SHELL_HPP

// What the dictionaries and the set have in common beyond the engine: a container with a way of looking up,
// copied and moved as a whole. The public classes derive privately from it and name things.

#include <weakref/detail/container.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace weakref::inline v0 {
namespace detail {

template <class Node, class Look, class Mutex, class Allocator> class shell {
 protected:
  using node = Node;
  using look = Look;
  using container = detail::container<Node, Mutex, Allocator>;
  using core = typename container::core_type;
  using allocator_traits = std::allocator_traits<Allocator>;
  using payload_type = typename Node::payload_type;
  using popped_pair = std::pair<payload_type, typename core::owner_type>;

  shell() noexcept(noexcept(container()) && std::is_nothrow_default_constructible_v<Look>) = default;
  shell(const options& chosen, const Allocator& allocator) : container_(chosen, allocator) {}

  shell(const shell& other)
      : shell(other, allocator_traits::select_on_container_copy_construction(other.get_allocator())) {}
  shell(const shell& other, const Allocator& allocator)
      : container_(other.container_.chosen_options(), allocator), look_(other.look_) {
    for (auto at = other.container_.first(); !at.is_at_end(); at.advance()) {
      if (auto payload = Node::copy_payload(*at.container(), at.node()))
        store_anew(std::move(*payload), at.owner());
    }
  }
  shell(shell&& other) noexcept : container_(std::move(other.container_)), look_(other.look_) {}

  shell& operator=(const shell& other) {
    if (this == &other) return *this;
    constexpr bool propagates = allocator_traits::propagate_on_container_copy_assignment::value;
    shell copy(other, propagates ? other.get_allocator() : get_allocator());
    exchange(copy, propagates);
    return *this;
  }
  shell& operator=(shell&& other) noexcept(allocator_moves<Allocator>) {
    if (this == &other) return *this;
    if (allocator_moves<Allocator> || get_allocator() == other.get_allocator()) {
      shell taken(std::move(other));
      exchange(taken, allocator_traits::propagate_on_container_move_assignment::value);
    } else if constexpr (!allocator_moves<Allocator>) {
      shell moved(other.container_.chosen_options(), get_allocator());
      moved.look_ = other.look_;
      std::optional<popped_pair> popped;
      while (other.take_any(popped)) moved.store_anew(std::move(popped->first), popped->second);
      exchange(moved, false);
    }
    return *this;
  }
  ~shell() = default;

  void swap(shell& other) noexcept { exchange(other, allocator_traits::propagate_on_container_swap::value); }

  Allocator get_allocator() const noexcept { return container_.allocator(); }
  std::size_t size() const noexcept { return container_.size(); }
  bool empty() const noexcept { return size() == 0; }
  void clear() { container_.clear(); }
  void reserve(std::size_t n) { container_.reserve(n); }

  /// f(core, hash, match) for k; an empty result while nothing was ever stored.
  template <class Result, class K, class F> Result with_entry(const K& k, F&& f) const {
    check_not_under_lock();
    core* const present = container_.get();
    if (present == nullptr) return Result();
    return look_.with(
        k, [&](const auto& key) -> Result { return f(*present, look_.hash(key), look_.matcher(key)); });
  }

  /// Puts a bound node into the table, under its own key.
  put_result<core, Node> put(core& present, new_entry<core, Node>& made, on_conflict policy) {
    constexpr bool user_code = Look::template runs_user_code<typename Node::key_type>;
    return detail::put<user_code, Node>(present, made, policy,
                                        look_.matcher(std::as_const(made.node()).key()));
  }

  put_result<core, Node> put_unreleased(core& present, new_entry<core, Node>& made, on_conflict policy) {
    constexpr bool user_code = Look::template runs_user_code<typename Node::key_type>;
    return detail::put_unreleased<user_code, Node>(present, made, policy,
                                                   look_.matcher(std::as_const(made.node()).key()));
  }

  /// Takes some living entry out and fills `popped` with its payload and its referent's owner. False if there
  /// is none. What can throw comes first: if copying the payload does, nothing has changed. A move-only one
  /// is moved.
  bool take_any(std::optional<popped_pair>& popped) {
    check_not_under_lock();
    core* const present = container_.get();
    if (present == nullptr) return false;
    for (pinned_entry<Node, core> found(*present); pin_living(*present, found);) {
      if constexpr (std::copy_constructible<payload_type>) {
        auto payload = Node::copy_payload(*present, found.node());
        if (!payload.has_value()) continue;
        popped.emplace(std::move(*payload), found.owner);
        if (take_entry(*present, found.node(), found.owner)) return true;
      } else if (take_entry(*present, found.node(), found.owner)) {
        popped.emplace(Node::take_payload(found.node()), found.owner);
        return true;
      }
    }
    popped.reset();
    return false;
  }

  container container_;
  [[no_unique_address]] Look look_;

 private:
  void store_anew(typename Node::payload_type&& payload, const typename core::owner_type& owner) {
    core& present = container_.require();
    const tracking where = present.require_tracked(owner);
    const std::uint32_t hash = look_.hash(Node::hashed(payload, owner));
    new_entry<core, Node> made(present, *present.make_node(hash, std::move(payload)));
    made.bind(owner, where);
    put(present, made, on_conflict::assign);
  }
  void exchange(shell& other, bool with_allocators) noexcept {
    container_.swap(other.container_);
    if constexpr (std::is_swappable_v<Allocator>) {
      if (with_allocators) container_.swap_allocators(other.container_);
    }
    std::swap(look_, other.look_);
  }
};

} // namespace detail
} // namespace weakref::inline v0

#endif
