// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_INTERFACE_SHELL_HPP
#define WEAKREF_DETAIL_INTERFACE_SHELL_HPP

// What the dictionaries and the set have in common beyond the engine: a container with a way of looking up,
// copied and moved as a whole. The public classes derive privately from it and name things.

#include <weakref/assert.hpp>
#include <weakref/detail/container/container.hpp>
#include <weakref/detail/container/transaction.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace weakref {
inline namespace v0 {
namespace detail {

template <class Node, class Look, class Mutex, class Allocator> class shell {
 protected:
  using node = Node;
  using look = Look;
  using container = detail::container<Node, Mutex, Allocator>;
  using core = typename container::core_type;
  using allocator_traits = std::allocator_traits<Allocator>;
  using payload_type = typename Node::payload_type;
  struct popped_entry {
    payload_type payload;
    typename core::owner_type owner;
    std::uint32_t hash;
  };

  shell() noexcept(noexcept(container()) && std::is_nothrow_default_constructible_v<Look>) = default;
  shell(const options& chosen, const Allocator& allocator) : container_(chosen, allocator) {}
  shell(const options& chosen, const Look& looking, const Allocator& allocator)
      : container_(chosen, allocator), look_(looking) {}

  shell(const shell& other)
      : shell(other, allocator_traits::select_on_container_copy_construction(other.get_allocator())) {}
  shell(const shell& other, const Allocator& allocator)
      : container_(other.container_.chosen_options(), allocator), look_(other.look_) {
    for (auto at = other.container_.first(); !at.is_at_end();) {
      if (auto payload = Node::copy_payload(*at.container(), at.node())) {
        store_anew(at.node().hash, std::move(*payload), at.owner());
        at.advance();
      } else {
        at.advance_from_gone();
      }
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
    if (allocator_moves<Allocator> || get_allocator() == other.get_allocator()) {
      shell taken(std::move(other));
      exchange(taken, allocator_traits::propagate_on_container_move_assignment::value);
    } else if constexpr (!allocator_moves<Allocator>) {
      assign_into_own_memory(other);
    }
    return *this;
  }
  ~shell() = default;

  void swap(shell& other) noexcept {
    constexpr bool propagates = allocator_traits::propagate_on_container_swap::value;
    WEAKREF_ASSERT(
        propagates || get_allocator() == other.get_allocator(),
        "containers are swapped whose allocators differ and stay where they are; move them instead");
    exchange(other, propagates);
  }

  Allocator get_allocator() const noexcept { return container_.allocator(); }
  std::size_t size() const noexcept { return container_.size(); }
  bool empty() const noexcept { return size() == 0; }
  weakref::statistics statistics() const { return container_.statistics(); }
  void clear() { container_.clear(); }
  void reserve(std::size_t n) { container_.reserve(n); }
  void shrink_to_fit() { container_.shrink_to_fit(); }
  std::size_t sweep() { return container_.sweep(); }

  /// f(core, hash, match) for k; an empty result for a null one, and while nothing was ever stored.
  template <class Result, class K, class F> Result with_entry(const K& k, F&& f) const {
    check_not_under_lock();
    core* const present = container_.get();
    if (present == nullptr || Look::is_null(k)) return Result();
    return look_.with(
        k, [&](const auto& key) -> Result { return f(*present, look_.hash(key), look_.matcher(key)); });
  }

  // What all containers are asked for; the public classes say for which K.

  template <class K> typename core::owner_type get_owner(const K& k) const {
    return with_entry<typename core::owner_type>(k, [](core& present, std::uint32_t hash, const auto& match) {
      return detail::find_owner<Look::template runs_user_code<K>, Node>(present, hash, match);
    });
  }
  template <class K> bool contains(const K& k) const {
    return with_entry<bool>(k, [](core& present, std::uint32_t hash, const auto& match) {
      return detail::is_present<Look::template runs_user_code<K>, Node>(present, hash, match);
    });
  }
  /// f(Node&, referent&), under the lock.
  template <class K, class F> bool visit(const K& k, F&& f) const {
    return with_entry<bool>(k, [&f](core& present, std::uint32_t hash, const auto& match) {
      return detail::visit_entry<Node>(present, hash, match, f);
    });
  }
  template <class K, class Rest = leave_rest>
  typename core::owner_type take(const K& k, Rest&& rest = {}) const {
    return with_entry<typename core::owner_type>(
        k, [&rest](core& present, std::uint32_t hash, const auto& match) {
          constexpr bool user_code =
              Look::template runs_user_code<K> || std::remove_reference_t<Rest>::runs_user_code;
          return detail::take<user_code, Node>(present, hash, match, rest);
        });
  }

  /// Makes a node from `args`, binds and stores it. True if it was stored.
  template <class Keep, class... Args>
  bool store(const typename core::owner_type& owner, const tracking& where, Keep&& keep, std::uint32_t hash,
             Args&&... args) {
    core& present = container_.require();
    new_entry<core, Node> made(present, *present.make_node(hash, std::forward<Args>(args)...));
    made.bind(owner, where);
    return put(present, made, keep);
  }
  /// Puts a bound node into the table, under its own key. True if it was stored.
  template <class Keep>
  bool put(core& present, new_entry<core, Node>& made, Keep&& keep,
           const typename core::last_look& before = {}) {
    constexpr bool user_code = Look::stores_run_user_code || std::remove_reference_t<Keep>::runs_user_code;
    return detail::put<user_code, Node>(present, made, keep, look_.matcher(Look::key_of(made)), nullptr,
                                        before);
  }
  template <class Keep>
  put_result<Node> put_unreleased(core& present, new_entry<core, Node>& made, Keep&& keep) {
    constexpr bool user_code = Look::stores_run_user_code || std::remove_reference_t<Keep>::runs_user_code;
    return detail::put_unreleased<user_code, Node>(present, made, keep, look_.matcher(Look::key_of(made)));
  }

  /// Stores all of a range or, if something throws, nothing. `stage(all, element)` makes a node and adds it,
  /// `put_one(new_entry)` stores it.
  template <class Range, class Stage, class PutOne>
  void update(Range&& range, Stage&& stage, PutOne&& put_one) {
    check_not_under_lock();
    transaction<core, Node> all(container_.require());
    for (auto&& element : range) stage(all, element);
    all.commit(put_one);
  }

  /// Takes out the living entries for which pred(Node&, const owner&) holds, and counts them. No lock is held
  /// during pred; nothing is taken out before it has seen all.
  template <class Predicate> std::size_t erase_if(Predicate&& pred) {
    auto at = container_.first();
    if (at.is_at_end()) return 0;
    selection<core, Node> chosen(*at.container());
    for (; !at.is_at_end(); at.advance()) {
      if (pred(*at.container(), at.node(), at.owner())) chosen.add(at.node());
    }
    return chosen.take_out();
  }

  /// Takes some living entry out and fills `popped`, moving what can't be copied. False if there is none.
  bool take_any(std::optional<popped_entry>& popped) {
    check_not_under_lock();
    core* const present = container_.get();
    if (present == nullptr) return false;
    for (pinned_entry<Node, core> found(*present); detail::pin_living(*present, found);) {
      if (!detail::take_entry(*present, found.node(), found.owner)) continue;
      popped.emplace(popped_entry{Node::take_payload(found.node()), found.owner, found.node().hash});
      return true;
    }
    return false;
  }

  container container_;
  [[no_unique_address]] Look look_;

 private:
  /// Move assignment whose nodes can't come along, since they lie in another allocator's memory. What can only
  /// be moved goes over one by one, so that after a failure those that went first are in neither.
  void assign_into_own_memory(shell& other) {
    if constexpr (std::copy_constructible<payload_type>) {
      shell copy(other, get_allocator());
      other.clear();
      exchange(copy, false);
    } else {
      shell moved(other.container_.chosen_options(), get_allocator());
      moved.look_ = other.look_;
      std::optional<popped_entry> popped;
      while (other.take_any(popped))
        moved.store_anew(popped->hash, std::move(popped->payload), popped->owner);
      exchange(moved, false);
    }
  }
  void store_anew(std::uint32_t hash, payload_type&& payload, const typename core::owner_type& owner) {
    const tracking where = container_.require().require_tracked(owner);
    store(owner, where, assign<core, Node>(), hash, std::move(payload));
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
} // namespace v0
} // namespace weakref

#endif
