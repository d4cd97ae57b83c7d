// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_CONTAINER_KEY_NODE_HPP
#define WEAKREF_DETAIL_CONTAINER_KEY_NODE_HPP

// The node of a WeakKeyDictionary: a ref to the key that is an entry, and the mapped value. 48 bytes and the
// value.
//
// Who may touch the mapped value? While the node is in the table: who holds the shard's lock. Before and
// after: the one thread that has the node; a cursor that is still on it only asks whether it is in the table.
// So values are copied under the lock, and moved or destroyed without it.

#include <weakref/detail/container/creation.hpp>
#include <weakref/detail/container/operations.hpp>
#include <weakref/ref.hpp>

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace weakref {
inline namespace v0 {
namespace detail {

/// What iterating over a WeakKeyDictionary yields.
template <class T, class Value> struct key_item {
  std::shared_ptr<T> key;
  Value value;
};

/// Makes a mapped value in its place from what a function returns.
template <class F> struct made_by { const F& function; };

template <class T, class Value> struct key_node : entry, ref<T> {
  using referent_type = T;
  /// Whether a container of these splits into shards when it has grown, unless told otherwise.
  static constexpr bool splits_by_itself = true;
  using mapped_type = Value;
  using item_type = key_item<T, Value>;
  using payload_type = Value;
  static constexpr bool copy_runs_user_code = !std::is_trivially_copy_constructible_v<Value>;

  template <class... Args>
  key_node(core_base& container, std::uint32_t hash_value, std::uint32_t kind, Args&&... args)
      : entry(container, hash_value, kind), mapped(std::forward<Args>(args)...) {}
  template <class F>
  key_node(core_base& container, std::uint32_t hash_value, std::uint32_t kind, made_by<F> maker)
      : entry(container, hash_value, kind), mapped(maker.function()) {}

  std::weak_ptr<T>& weak() noexcept { return ref_access::weak(*this); }

  // What iteration shows: for keys and refs only the owner, so that the value need not be copyable.
  using key_item_type = std::shared_ptr<T>;
  using ref_item_type = std::shared_ptr<T>;
  template <class Core>
  static bool show(std::optional<item_type>& shown, Core& container, key_node& from,
                   std::shared_ptr<T>&& owner) {
    std::optional<Value> copy = copy_payload(container, from);
    if (!copy.has_value()) return false;
    shown.emplace(item_type{std::move(owner), std::move(*copy)}); // moved with no lock held
    return true;
  }
  template <class Core>
  static bool show(std::optional<std::shared_ptr<T>>& shown, Core&, key_node&,
                   std::shared_ptr<T>&& owner) noexcept {
    shown.emplace(std::move(owner));
    return true;
  }
  static const std::shared_ptr<T>& key_of(const std::shared_ptr<T>& item) noexcept { return item; }
  static const Value& value_of(const item_type& item) noexcept { return item.value; }
  static const std::shared_ptr<T>& owner_of(const std::shared_ptr<T>& item) noexcept { return item; }

  /// Nothing if the node has left the table. The caller pins it.
  template <class Core> static std::optional<Value> copy_payload(Core& container, const key_node& from) {
    static_assert(std::copy_constructible<Value>,
                  "this copies the mapped values; use keys() and visit() for those that can't be copied");
    std::optional<Value> copy;
    const typename Core::template access<copy_runs_user_code> shard(container, from.hash);
    if (shard->entries.find_entry(from) != Core::none) copy.emplace(from.mapped);
    return copy;
  }
  static Value take_payload(key_node& from) { return std::move(from.mapped); }

  Value mapped;
};

/// Keeps a living entry, and a copy of its value.
template <class Core, class Node> struct keep_value {
  static_assert(std::copy_constructible<typename Node::mapped_type>,
                "this gives a copy of the mapped value; use visit() or pop() for one that can't be copied");
  static constexpr bool inserts = true;
  static constexpr bool runs_user_code = Node::copy_runs_user_code;
  std::optional<typename Node::mapped_type> existing;

  bool operator()(Node& found) {
    if (detail::is_expired<typename Core::sync>(found.weak())) return true;
    existing.emplace(std::as_const(found.mapped));
    return false;
  }
  /// What look-ups want to know; nothing of a dead one. Made where it is returned: a copy moved from would be
  /// destroyed here, under the lock.
  static std::optional<typename Node::mapped_type> look(Node& found) {
    if (detail::is_expired<typename Core::sync>(found.weak())) return std::nullopt;
    return std::optional<typename Node::mapped_type>(std::in_place, std::as_const(found.mapped));
  }
  static std::optional<typename Node::mapped_type> before_stored(const new_entry<Core, Node>& made) {
    return std::as_const(made.node().mapped);
  }
  static void after_stored(std::optional<typename Node::mapped_type>&, new_entry<Core, Node>&) noexcept {}
};

/// Keeps a living entry.
template <class Core, class Node> struct keep_entry {
  static constexpr bool inserts = true;
  static constexpr bool runs_user_code = false;
  bool operator()(Node& found) const { return detail::is_expired<typename Core::sync>(found.weak()); }
};

/// Replaces an entry of the same referent. Of an equal one that is another object `first` becomes an owner.
template <class Core, class Node> struct assign_value {
  Node& added;
  bool inserts = true;
  bool was_alive = false;
  typename Core::owner_type first = nullptr;

  bool operator()(Node& found) {
    first = detail::lock_owner<typename Core::sync>(found.weak());
    was_alive = first != nullptr;
    return !was_alive || detail::same_referent(found.weak(), added.weak());
  }
};

/// Stores a bound node. Python's rule for an equal newcomer: the first key stays, the value is replaced. No
/// value is ever moved under a lock: the node is bound to the first key instead, and replaces its node. The
/// caller releases that. True in `was_alive`: there was one.
template <bool user_code, class Node, class Core, class Look>
put_result<Node> assign_under_first(Core& container, new_entry<Core, Node>& made, const Look& look,
                                    bool& was_alive) {
  const typename Core::owner_type newcomer = made.owner();
  for (;;) {
    assign_value<Core, Node> policy{made.node()};
    // Should the first key's entry have gone meanwhile, the newcomer is the key after all.
    policy.inserts = made.owner() == newcomer;
    const auto result =
        detail::put_unreleased<user_code, Node>(container, made, policy, look.matcher(newcomer));
    was_alive = policy.was_alive;
    if (result.is_stored) return result;
    const auto& key = policy.first != nullptr ? policy.first : newcomer;
    made.rebind(key, container.require_tracked(key));
  }
}

/// What pop() wants of the entry besides: its value. Copied before the entry goes where moving could throw,
/// so that nothing is lost.
template <class Value> struct take_value {
  static constexpr bool moves =
      std::is_nothrow_move_constructible_v<Value> || !std::copy_constructible<Value>;
  static constexpr bool runs_user_code = !moves;
  std::optional<Value>& taken;

  template <class Node> void under_lock([[maybe_unused]] Node& going) const {
    if constexpr (!moves) taken.emplace(std::as_const(going.mapped));
  }
  template <class Node> void outside([[maybe_unused]] Node& gone) const {
    if constexpr (moves) taken.emplace(std::move(gone.mapped));
  }
};

/// For get_or_create: the factory runs when its value's place is there, and makes it there.
template <class Core, class Node, class Factory> class value_creation {
 public:
  using owner_type = typename Core::owner_type;

  value_creation(Core& container, std::uint32_t hash, const owner_type& key, Factory& factory)
      : container_(container),
        hash_(hash),
        key_(key),
        where_(container.require_tracked(key)),
        factory_(factory) {}

  const owner_type& key() const noexcept { return key_; }

  new_entry<Core, Node>& create() {
    const auto make = [this]() -> decltype(auto) { return detail::call_factory(container_, factory_, key_); };
    entry_.emplace(container_, *container_.make_node(hash_, made_by<decltype(make)>{make}))
        .bind(key_, where_);
    return *entry_;
  }

 private:
  Core& container_;
  std::uint32_t hash_;
  owner_type key_;
  tracking where_;
  Factory& factory_;
  std::optional<new_entry<Core, Node>> entry_;
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
