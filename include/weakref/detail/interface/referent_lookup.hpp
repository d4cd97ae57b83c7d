// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_INTERFACE_REFERENT_LOOKUP_HPP
#define WEAKREF_DETAIL_INTERFACE_REFERENT_LOOKUP_HPP

// How a referent finds its entry, where the referent itself is the key: in the dictionary with weak keys and
// in the set. By identity, or by value with the user's Hash and KeyEqual. Both can be asked with an owner, a
// reference or a pointer.
//
// A dead key is never compared: its entry is in the table only because its death has not reached it yet, or
// because it is untracked. So a dead key and an equal living one can both be there, and only the latter is
// found.

#include <weakref/detail/container/container.hpp>
#include <weakref/detail/interface/lookup.hpp>
#include <weakref/fwd.hpp>

#include <boost/container/small_vector.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace weakref {
inline namespace v0 {
namespace detail {

template <class K> inline constexpr bool is_owner = false;
template <class T> inline constexpr bool is_owner<std::shared_ptr<T>> = true;

template <class K, class T> inline constexpr bool owns = false;
template <class U, class T>
inline constexpr bool owns<std::shared_ptr<U>, T> = std::is_convertible_v<U*, const T*>;

/// An owner, an object or a pointer to one: whatever leads to a const T*.
template <class K, class T>
concept leads_to_referent =
    owns<K, T> || std::is_convertible_v<const K*, const T*> || std::is_convertible_v<const K&, const T*>;

template <class T, class K> const T* address_in(const K& k) noexcept {
  if constexpr (is_owner<K>) {
    return k.get();
  } else if constexpr (std::is_convertible_v<const K*, const T*>) {
    return std::addressof(k);
  } else {
    return k;
  }
}

/// By identity. An owner finds the same referent: the same owner and the same address. An address alone finds
/// the entry that is alive there. No user code runs.
template <class T, class Sync> class identity_lookup {
 public:
  template <class K> static constexpr bool accepts = leads_to_referent<K, T>;
  template <class K> static constexpr bool runs_user_code = false;
  static constexpr bool stores_run_user_code = false;

  identity_lookup() = default;
  identity_lookup(by_identity, by_identity) noexcept {}
  static by_identity hash_function() noexcept { return {}; }
  static by_identity key_eq() noexcept { return {}; }

  template <class Entry> static const auto& key_of(const Entry& made) noexcept { return made.owner(); }
  template <class K> static bool is_null(const K& k) noexcept { return detail::address_in<T>(k) == nullptr; }

  template <class K, class F> decltype(auto) with(const K& k, F&& f) const {
    if constexpr (is_owner<K>) {
      return std::forward<F>(f)(k);
    } else {
      return std::forward<F>(f)(detail::address_in<T>(k));
    }
  }

  template <class U> std::uint32_t hash(const std::shared_ptr<U>& k) const noexcept { return hash(k.get()); }
  std::uint32_t hash(const T* k) const noexcept { return table_hash(reinterpret_cast<std::uintptr_t>(k)); }

  template <class U> auto matcher(const std::shared_ptr<U>& k) const noexcept {
    const T* const address = k.get();
    return [address, &k](auto& node) -> bool {
      return detail::address_of(node.weak()) == address && !node.weak().owner_before(k) &&
             !k.owner_before(node.weak());
    };
  }
  auto matcher(const T* address) const noexcept {
    return [address](auto& node) -> bool {
      return detail::address_of(node.weak()) == address && !detail::is_expired<Sync>(node.weak());
    };
  }
  template <class K> auto flight_matcher(const K& k) const noexcept {
    return [&k](const flight& other) -> bool {
      const auto& creating = *static_cast<const std::shared_ptr<T>*>(other.key);
      return creating.get() == k.get() && !creating.owner_before(k) && !k.owner_before(creating);
    };
  }
};

/// By value. Hash and KeyEqual are asked about living objects only; the hash of a stored one is never asked
/// again.
template <class T, class Hash, class KeyEqual, class Sync> class equality_lookup {
  static_assert(is_defined<Hash>,
                "the objects have no hash: specialise std::hash, write a hash_value(object), or name a Hash");
  template <class K> static constexpr bool leads = leads_to_referent<K, T>;

 public:
  template <class K> static constexpr bool accepts = leads<K> || direct_key<K, T, Hash, KeyEqual>;
  static constexpr bool stores_run_user_code =
      !(is_standard_equal<KeyEqual, T> && compares_without_user_code<std::remove_cv_t<T>>);
  template <class K>
  static constexpr bool runs_user_code =
      stores_run_user_code || !(leads<K> || compares_without_user_code<std::remove_cvref_t<K>>);

  equality_lookup() = default;
  equality_lookup(const Hash& hash, const KeyEqual& equal) : hash_(hash), equal_(equal) {}
  const Hash& hash_function() const noexcept { return hash_; }
  const KeyEqual& key_eq() const noexcept { return equal_; }

  template <class Entry> static const auto& key_of(const Entry& made) noexcept { return made.owner(); }
  template <class K> static bool is_null(const K& k) noexcept {
    if constexpr (leads<K>) {
      return detail::address_in<T>(k) == nullptr;
    } else {
      return false;
    }
  }

  template <class K, class F> decltype(auto) with(const K& k, F&& f) const {
    if constexpr (leads<K>) {
      return std::forward<F>(f)(*detail::address_in<T>(k));
    } else {
      return std::forward<F>(f)(k);
    }
  }

  template <class K> std::uint32_t hash(const K& k) const {
    return with(k, [this](const auto& key) { return table_hash(hash_(key)); });
  }

  /// Compares with one key; goes after the unlock, because it may hold owners of what it has looked at.
  template <class K> class match {
   public:
    match(const KeyEqual& equal, const K& key) noexcept : equal_(equal), key_(key) {}

    template <class Node> bool operator()(Node& node) const {
      // What is evicted before it is destroyed is whole while the lock is held.
      if (node.is(entry::visitable)) {
        return !detail::is_expired<Sync>(node.weak()) &&
               equal_(std::as_const(*detail::address_of(node.weak())), key_);
      }
      // Its place first: throws, if at all, before there is an owner to let go under the lock.
      std::shared_ptr<T>& owner = held_.emplace_back();
      owner = detail::lock_owner<Sync>(node.weak());
      if (owner != nullptr) return equal_(std::as_const(*owner), key_);
      held_.pop_back();
      return false;
    }

   private:
    const KeyEqual& equal_;
    const K& key_;
    mutable boost::container::small_vector<std::shared_ptr<T>, 2> held_;
  };
  template <class K> auto matcher(const K& k) const noexcept {
    return with(k, [this]<class Key>(const Key& key) { return match<Key>(equal_, key); });
  }
  template <class K> auto flight_matcher(const K& k) const noexcept {
    return [this, &k](const flight& other) -> bool {
      return equal_(std::as_const(**static_cast<const std::shared_ptr<T>*>(other.key)), std::as_const(*k));
    };
  }

 private:
  [[no_unique_address]] Hash hash_{};
  [[no_unique_address]] KeyEqual equal_{};
};

template <class T, class Hash, class KeyEqual, class Mutex>
using referent_lookup =
    std::conditional_t<std::is_same_v<Hash, by_identity>, identity_lookup<T, sync_of<Mutex>>,
                       equality_lookup<T, Hash, KeyEqual, sync_of<Mutex>>>;

/// What a container of weak referents can be asked for.
template <class K, class Look>
concept referent_key = Look::template accepts<K>;

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
