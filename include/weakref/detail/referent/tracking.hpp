// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_REFERENT_TRACKING_HPP
#define WEAKREF_DETAIL_REFERENT_TRACKING_HPP

// From an owner to its watch list: the deleter (made or adopted by us), else the base class, else none.

#include <weakref/detail/base/weak_pointer.hpp>
#include <weakref/detail/referent/block.hpp>
#include <weakref/detail/referent/enable_weakref.hpp>

#include <cstddef>
#include <memory>
#include <type_traits>

namespace weakref {
inline namespace v0 {
namespace detail {

/// A part of a string literal; <string_view> is a third of <memory> to compile with libc++.
struct literal_part {
  const char* begin;
  std::size_t size;
};

/// The type's name as the compiler prints it; needs no RTTI.
template <class T> constexpr literal_part type_name() noexcept {
  const char* begin = __PRETTY_FUNCTION__; // … [T = the name] or [with T = the name]
  const char* const end = begin + sizeof(__PRETTY_FUNCTION__) - 2;
  while (*begin != '=') ++begin;
  begin += 2;
  return {begin, static_cast<std::size_t>(end - begin)};
}

/// Throws untracked_error: what the pointer is, its type's name, and the remedies.
[[noreturn]] WEAKREF_API void throw_untracked(literal_part type, bool is_null, bool may_accept_untracked);

template <class T, class Sync>
inline constexpr bool has_weakref_base = std::is_base_of_v<basic_enable_weakref<Sync>, std::remove_cv_t<T>>;

/// Whether an owner of a T leads to its watch list at all: without RTTI only through the static base class.
template <class T, class Sync>
inline constexpr bool can_be_tracked = WEAKREF_HAS_RTTI != 0 || has_weakref_base<T, Sync>;

template <class Sync, class T>
const basic_enable_weakref<Sync>* find_base([[maybe_unused]] const T* object) noexcept {
  if constexpr (std::is_void_v<T>) {
    return nullptr;
  } else if constexpr (has_weakref_base<T, Sync>) {
    static_assert(std::is_convertible_v<const T*, const basic_enable_weakref<Sync>*>,
                  "derive publicly, and only once, from weakref::enable_weakref");
    return object;
  } else if constexpr (std::is_polymorphic_v<T>) {
#if WEAKREF_HAS_RTTI
    return dynamic_cast<const basic_enable_weakref<Sync>*>(object);
#else
    // An answer given here could become the whole program's, see block_of().
    static_assert(has_weakref_base<T, Sync>,
                  "without RTTI only classes derived from enable_weakref are tracked");
    return nullptr;
#endif
  } else {
    return nullptr;
  }
}

/// `header` if it was made by this copy of the library; null for null and for another's.
inline referent_header* ours(referent_header* header) noexcept {
  return header != nullptr && header->is_ours() ? header : nullptr;
}

/// The header of an object that this copy of the library made or adopted; null for others. Compiled into the library,
/// with RTTI: where translation units with and without it are linked into one program the linker takes one body of each
/// inline function, std::get_deleter's too, and one compiled without RTTI finds nothing.
WEAKREF_API referent_header* block_of(const std::shared_ptr<const void>& owner) noexcept;
template <class T> referent_header* find_block(const std::shared_ptr<T>& owner) noexcept {
#if defined(_LIBCPP_VERSION) && WEAKREF_HAS_RTTI
  // libc++ tells types apart by the address of their type_info, and of the plugins loaded with RTLD_LOCAL the library
  // shares only the first one's. What a plugin has made itself it finds here.
  if (const auto* const deleter = std::get_deleter<block_deleter>(owner)) return ours(deleter->header);
#endif
  return block_of(untyped_owner(owner).get());
}

struct tracking {
  referent_header* header = nullptr;
  /// The object is whole until its entries are evicted: true for blocks, whose destructor runs last.
  bool is_block = false;
};

/// Where to register under this owner; a watch list is made for an enable_weakref object that has none yet.
/// Null for what is untracked, null or ownerless. May run user code: the death of the object's earlier owner.
template <class Sync, class T> tracking find_tracking(const std::shared_ptr<T>& owner) {
  if (owner.use_count() == 0 || owner == nullptr) return {};
  if (referent_header* const header = detail::find_block(owner)) return {header, true};
  if (const auto* const base = detail::find_base<Sync>(owner.get()))
    return {ours(base->list_for(owner)), false};
  return {};
}

/// The same, for who has registered under this owner before, or only asks; makes nothing.
template <class Sync, class T> referent_header* find_registered(const std::shared_ptr<T>& owner) noexcept {
  if (owner == nullptr) return nullptr;
  if (referent_header* const header = detail::find_block(owner)) return header;
  if (const auto* const base = detail::find_base<Sync>(owner.get())) return ours(base->current_list());
  return nullptr;
}

/// find_tracking for callbacks and containers that accept nothing else.
template <class Sync, class T>
tracking require_tracking(const std::shared_ptr<T>& owner, bool may_accept_untracked) {
#if !WEAKREF_HAS_RTTI
  static_assert(has_weakref_base<T, Sync>,
                "without RTTI only classes derived from enable_weakref are tracked");
#endif
  const tracking found = detail::find_tracking<Sync>(owner);
  if (found.header == nullptr) {
    const bool is_null = owner == nullptr || owner.use_count() == 0;
    throw_untracked(type_name<T>(), is_null, may_accept_untracked);
  }
  return found;
}

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
