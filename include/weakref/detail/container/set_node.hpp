// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_CONTAINER_SET_NODE_HPP
#define WEAKREF_DETAIL_CONTAINER_SET_NODE_HPP

// The node of a WeakSet: a ref that is an entry, 48 bytes.

#include <weakref/detail/referent/entry.hpp>
#include <weakref/ref.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace weakref {
inline namespace v0 {
namespace detail {

struct no_payload {};

template <class T> struct set_node : entry, ref<T> {
  using referent_type = T;
  /// Whether a container of these splits into shards when it has grown, unless told otherwise.
  static constexpr bool splits_by_itself = false;
  using item_type = std::shared_ptr<T>;
  using payload_type = no_payload;

  set_node(core_base& container, std::uint32_t hash_value, std::uint32_t kind, no_payload = {}) noexcept
      : entry(container, hash_value, kind) {}

  std::weak_ptr<T>& weak() noexcept { return ref_access::weak(*this); }

  // What iteration shows.
  using ref_item_type = item_type;
  template <class Core>
  static bool show(std::optional<item_type>& shown, Core&, set_node&, std::shared_ptr<T>&& owner) noexcept {
    shown.emplace(std::move(owner));
    return true;
  }
  static const std::shared_ptr<T>& owner_of(const item_type& item) noexcept { return item; }

  template <class Core> static std::optional<no_payload> copy_payload(Core&, const set_node&) noexcept {
    return no_payload();
  }
  static no_payload take_payload(set_node&) noexcept { return {}; }
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
