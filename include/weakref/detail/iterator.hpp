// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_ITERATOR_HPP
#define WEAKREF_DETAIL_ITERATOR_HPP

// The containers' iterators and lazy ranges: a cursor, and what is shown of each entry.

#include <weakref/detail/sync.hpp>
#include <weakref/ref.hpp>

#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <utility>

namespace weakref::inline v0 {
namespace detail {

struct as_item {
  template <class Item> const Item& operator()(const Item& item) const noexcept { return item; }
};
struct as_key {
  template <class Item> const auto& operator()(const Item& item) const noexcept { return item.key; }
};
struct as_value {
  template <class Item> const auto& operator()(const Item& item) const noexcept { return item.value; }
};
struct as_ref {
  template <class Item> auto operator()(const Item& item) const noexcept { return ref(item.value); }
};

/// An input iterator; movable, not copyable, since each holds a referent.
template <class Container, class Projection> class iterator {
  using cursor_type = typename Container::cursor_type;
  using item_type = typename Container::node_type::item_type;

 public:
  using iterator_concept = std::input_iterator_tag;
  using iterator_category = std::input_iterator_tag;
  using reference = decltype(Projection()(std::declval<const item_type&>()));
  using value_type = std::remove_cvref_t<reference>;
  using pointer = void;
  using difference_type = std::ptrdiff_t;

  iterator() = default;
  explicit iterator(cursor_type at) : cursor_(std::move(at)) { show(); }
  iterator(iterator&&) = default;
  iterator& operator=(iterator&& other) noexcept {
    if (this == &other) return *this;
    item_.reset();
    cursor_ = std::move(other.cursor_);
    if (other.item_.has_value()) item_.emplace(std::move(*other.item_));
    other.item_.reset();
    return *this;
  }
  ~iterator() = default;

  reference operator*() const noexcept { return Projection()(*item_); }
  const std::remove_reference_t<reference>*
  operator->() const noexcept requires std::is_reference_v<reference> {
    return std::addressof(**this);
  }
  iterator& operator++() {
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
  void show() noexcept {
    if (!cursor_.is_at_end()) item_.emplace(cursor_.node().make_item(cursor_.take_owner()));
  }
  // The node stays pinned until the cursor advances, so the key is valid while the object is let go.
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
template <class Container, class Projection> class view : public view_base {
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
} // namespace weakref::inline v0

#endif
