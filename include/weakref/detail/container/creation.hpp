// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_CONTAINER_CREATION_HPP
#define WEAKREF_DETAIL_CONTAINER_CREATION_HPP

// New objects for new entries: what try_emplace constructs, and what get_or_create's factories return.
// Memory and key come first, so that a flight can show the key while the factory runs; then the object, its
// owner, and the node's place in the watch list. Whatever is not completed is taken back.

#include <weakref/detail/container/flight.hpp>
#include <weakref/detail/container/operations.hpp>
#include <weakref/referent.hpp>

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

namespace weakref {
inline namespace v0 {
namespace detail {

/// Object and node in one block. Object is the class to be made: the container's referent type, or one
/// derived.
template <class Core, class Node, class Object> class block_creation {
  using allocator_type = std::remove_cvref_t<decltype(std::declval<Core&>().allocator())>;
  using block_type = block<Object, allocator_type, typename Core::sync, Core>;
  static_assert(can_be_tracked<typename Core::referent_type, typename Core::sync>,
                "without RTTI only classes derived from enable_weakref are tracked");

 public:
  template <class K>
  block_creation(Core& container, std::uint32_t hash, K&& key)
      : container_(container), block_(block_type::allocate(container.allocator())) {
    try {
      node_ = container.make_node_in_block(block_->node_place(), hash, std::forward<K>(key));
    } catch (...) {
      block_->deallocate();
      throw;
    }
  }
  ~block_creation() {
    if (entry_.has_value()) return; // node and block go with their owner
    container_.destroy_unbound(*node_);
    detail::control_block_gone(block_->header); // there is none
  }
  block_creation(const block_creation&) = delete;
  block_creation& operator=(const block_creation&) = delete;

  const auto& key() const noexcept { return std::as_const(*node_).key(); }

  template <class... Args> new_entry<Core, Node>& construct(Args&&... args) {
    return build([&](Object* place) {
      using object_allocator = typename std::allocator_traits<allocator_type>::template rebind_alloc<Object>;
      object_allocator own(container_.allocator());
      std::allocator_traits<object_allocator>::construct(own, place, std::forward<Args>(args)...);
    });
  }
  /// `init(Object*)` makes the object at that address.
  template <class Init> new_entry<Core, Node>& build(Init&& init) {
    std::forward<Init>(init)(block_->object());
    detail::join_block<typename Core::sync>(*block_->object(), &block_->header);
    return entry_.emplace(container_, *node_, block_->header, [this]() -> typename Core::owner_type {
      return block_->template own<Object>(block_->object());
    });
  }

 protected:
  Core& container_;

 private:
  block_type* block_;
  Node* node_ = nullptr;
  std::optional<new_entry<Core, Node>> entry_;
};

/// The factory is called with the key if it accepts it.
template <class Core, class Factory, class Key>
decltype(auto) call_factory([[maybe_unused]] const Core& container, Factory& factory, const Key& key) {
  // Over before anything else is asked of the container, which may be gone.
  const factory_call inside(&container);
  if constexpr (std::invocable<Factory&, const Key&>) {
    return std::invoke(factory, key);
  } else {
    static_assert(std::invocable<Factory&>, "a factory is called with the key, or with nothing");
    return std::invoke(factory);
  }
}

template <class Core, class Node, class Object, class Factory>
class object_creation : public block_creation<Core, Node, Object> {
 public:
  template <class K>
  object_creation(Core& container, std::uint32_t hash, K&& key, Factory& factory)
      : block_creation<Core, Node, Object>(container, hash, std::forward<K>(key)), factory_(factory) {}

  new_entry<Core, Node>& create() {
    // Straight into its place: the object need not be movable.
    return this->build([this](Object* place) {
      ::new (static_cast<void*>(place)) Object(detail::call_factory(this->container_, factory_, this->key()));
    });
  }

 private:
  Factory& factory_;
};

template <class Sync, class T, class Deleter>
std::shared_ptr<T> owner_of(std::unique_ptr<T, Deleter>&& made) {
  return detail::adopt_unique<Sync>(std::move(made));
}
/// An untracked pointer that is its object's only owner is adopted; of any other the container asks what it
/// asks of those given to insert.
template <class Sync, class T> std::shared_ptr<T> owner_of(std::shared_ptr<T>&& made) {
  if constexpr (!knows_its_owner<T>) {
    if (made.use_count() == 1 && detail::find_tracking<Sync>(made).header == nullptr)
      return detail::adopt_shared<Sync>(std::move(made));
  }
  return std::move(made);
}

/// A node of its own, for objects that come with an owner.
template <class Core, class Node, class Factory> class owner_creation {
 public:
  template <class K>
  owner_creation(Core& container, std::uint32_t hash, K&& key, Factory& factory)
      : container_(container),
        factory_(factory),
        entry_(container, *container.make_node(hash, std::forward<K>(key))) {}

  const auto& key() const noexcept { return std::as_const(entry_.node()).key(); }

  new_entry<Core, Node>& create() {
    auto made = detail::call_factory(container_, factory_, key());
    if (made != nullptr) {
      typename Core::owner_type owner = detail::owner_of<typename Core::sync>(std::move(made));
      const tracking where = container_.require_tracked(owner);
      entry_.bind(std::move(owner), where);
    }
    return entry_;
  }

 private:
  Core& container_;
  Factory& factory_;
  new_entry<Core, Node> entry_;
};

template <class Result> inline constexpr bool is_smart_pointer = false;
template <class T, class Deleter> inline constexpr bool is_smart_pointer<std::unique_ptr<T, Deleter>> = true;
template <class T> inline constexpr bool is_smart_pointer<std::shared_ptr<T>> = true;

template <class Core, class Node, class Factory> struct choose_creation {
  using result =
      std::remove_cvref_t<decltype(detail::call_factory(std::declval<const Core&>(), std::declval<Factory&>(),
                                                        std::declval<const typename Node::key_type&>()))>;
  using referent = std::remove_cv_t<typename Node::referent_type>;
  static constexpr bool is_object = std::is_same_v<result, referent> || std::is_base_of_v<referent, result>;
  static_assert(is_object || is_smart_pointer<result>,
                "a factory returns the object, a class derived from it, a std::unique_ptr or a "
                "std::shared_ptr (of these two also a null one; a lambda that returns nothing but nullptr "
                "must name the type: -> std::shared_ptr<T>)");
  using type = std::conditional_t<is_object, object_creation<Core, Node, result, Factory>,
                                  owner_creation<Core, Node, Factory>>;
};
template <class Core, class Node, class Factory>
using creation_by = typename choose_creation<Core, Node, std::remove_reference_t<Factory>>::type;

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
