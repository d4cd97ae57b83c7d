// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_INTERFACE_ITERATOR_HPP
#define WEAKREF_DETAIL_INTERFACE_ITERATOR_HPP

// The containers' iterators and lazy ranges: a cursor, and what is shown of each entry.

#include <weakref/assert.hpp>
#include <weakref/detail/base/sync.hpp>
#include <weakref/detail/base/thread_record.hpp>
#include <weakref/ref.hpp>

#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>

namespace weakref {
inline namespace v0 {
namespace detail {

// What is shown of an entry. `item` is what is made of it; making less than all of it costs less.
template <class Node> struct as_item {
  using item = typename Node::item_type;
  static const item& of(const item& shown) noexcept { return shown; }
};
template <class Node> struct as_key {
  using item = typename Node::key_item_type;
  static const auto& of(const item& shown) noexcept { return Node::key_of(shown); }
};
template <class Node> struct as_value {
  using item = typename Node::item_type;
  static const auto& of(const item& shown) noexcept { return Node::value_of(shown); }
};
template <class Node> struct as_ref {
  using item = typename Node::ref_item_type;
  static auto of(const item& shown) noexcept { return ref(Node::owner_of(shown)); }
};

/// An input iterator; movable, not copyable, since each holds a referent. What fills `item_` is not inlined: where
/// g++ 12 sees through that, it warns users' loops (-Wmaybe-uninitialized) of what has_value() guards.
template <class Container, template <class> class Projection> class iterator {
  using cursor_type = typename Container::cursor_type;
  using node_type = typename Container::node_type;
  using projection = Projection<node_type>;
  using item_type = typename projection::item;

 public:
  using iterator_concept = std::input_iterator_tag;
  using iterator_category = std::input_iterator_tag;
  using reference = decltype(projection::of(std::declval<const item_type&>()));
  using value_type = std::remove_cvref_t<reference>;
  using pointer = void;
  using difference_type = std::ptrdiff_t;

  iterator() = default;
  explicit iterator(cursor_type at) : cursor_(std::move(at)) { show(); }
  iterator(iterator&&) = default;
  [[gnu::noinline]] iterator&
  operator=(iterator&& other) noexcept(std::is_nothrow_move_constructible_v<item_type>) {
    if (this == &other) return *this;
    item_.reset();
    cursor_ = std::move(other.cursor_);
    if (other.item_.has_value()) item_.emplace(std::move(*other.item_));
    other.item_.reset();
    return *this;
  }
  ~iterator() = default;

  reference operator*() const noexcept {
    WEAKREF_ASSERT(item_.has_value(), "an iterator at its end is dereferenced; compare it with end() first");
    return projection::of(*item_);
  }
  const std::remove_reference_t<reference>*
  operator->() const noexcept requires std::is_reference_v<reference> {
    return std::addressof(**this);
  }
  iterator& operator++() {
    WEAKREF_ASSERT(!cursor_.is_at_end(), "an iterator at its end is advanced; compare it with end() first");
    check_not_under_lock(); // before anything is let go
    hide();
    cursor_.advance();
    show();
    return *this;
  }
  void operator++(int) { ++*this; }

  friend bool operator==(const iterator& at, std::default_sentinel_t) noexcept {
    return at.cursor_.is_at_end();
  }

 private:
  // An entry whose payload can't be shown any more has gone, but perhaps only given its place to another.
  [[gnu::noinline]] void show() {
    while (!cursor_.is_at_end() &&
           !node_type::show(item_, *cursor_.container(), cursor_.node(), cursor_.take_owner()))
      cursor_.advance_from_gone();
  }
  // The node stays claimed until the cursor advances, so the key is valid while the object is let go.
  void hide() noexcept { item_.reset(); }

  cursor_type cursor_;
  std::optional<item_type> item_;
};

// libc++ 14 has the range concepts but not the views.
#if defined(__cpp_lib_ranges)
using view_base = std::ranges::view_base;
#else
struct view_base {};
#endif

/// A lazy range over a container, which must outlive it.
template <class Container, template <class> class Projection> class view : public view_base {
 public:
  explicit view(const Container& container) noexcept : container_(&container) {}
  [[nodiscard]] iterator<Container, Projection> begin() const {
    return iterator<Container, Projection>(container_->first());
  }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  const Container* container_;
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
