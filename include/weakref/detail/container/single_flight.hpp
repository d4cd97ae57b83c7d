// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_CONTAINER_SINGLE_FLIGHT_HPP
#define WEAKREF_DETAIL_CONTAINER_SINGLE_FLIGHT_HPP

// get_or_create. The data structures, and who may touch them when, stand in flight.hpp.
//
//   1  Lock the shard. A living entry: return it. A flight of this key: hang a waiter into it, go to 4. Neither, and there
//      is a key to show: hang up a flight of our own, go to 3.
//   2  Unlock, allocate the memory of a new entry and make the key in it; back to 1. (A key that can be copied byte by
//      byte is shown as a copy on the stack. Others are too dear to copy before it is known that there is no entry, and the
//      caller's own could be changed by the factory.)
//   3  Unlock. Allocate what 2 has not, run the factory, no lock held. Then, in one locked step, put the entry into
//      the table and take the flight down: there is no moment at which a caller finds neither. What others stored
//      meanwhile wins. Give the waiters the result. If this failed: take the flight down, tell the waiters.
//   4  Unlock, wait (refused if that would close a cycle of threads: then leave the flight, under the lock). The creator
//      brings the result. If the creation failed: back to 1, where one of the waiters becomes the creator.
//
// The result is what the container hands out: an owner, or for a dictionary with weak keys the mapped value.

#include <weakref/detail/container/flight.hpp>
#include <weakref/detail/container/operations.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace weakref {
inline namespace v0 {
namespace detail {

/// What get_or_create has come to after step 1 without a result: somebody to wait for, a flight of its own, or nothing.
template <class Core, class Result> struct attempt {
  typename Core::last_look look;
  std::optional<waiter<Result>> joined;
  bool is_flying = false;
  flight own;
};

/// A flight of this thread's; however it ends, it is taken down and its waiters are told.
template <class Core, class Result> class own_flight {
 public:
  own_flight(Core& container, attempt<Core, Result>& made) noexcept : container_(container), made_(made) {}
  ~own_flight() {
    if (!made_.is_flying) return;
    {
      // The shard may have split since: it is the hash that finds the flight's list.
      const typename Core::template access<false> shard(container_, made_.own.hash);
      shard->flights.remove(made_.own);
    }
    detail::deliver<typename Core::sync, Result>(made_.own.waiters, nullptr);
  }
  own_flight(const own_flight&) = delete;
  own_flight& operator=(const own_flight&) = delete;

  /// It has been taken down with this result.
  void landed(const Result& result) noexcept {
    made_.is_flying = false;
    detail::deliver<typename Core::sync>(made_.own.waiters, &result);
  }

 private:
  Core& container_;
  attempt<Core, Result>& made_;
};

/// Step 1: what Keep::look says of a living entry; or else empty, and `made` says what has become of it. `shown` is a
/// key for a flight of our own, or null.
template <bool user_code, bool is_first, class Keep, class Node, class Core, class Match, class MatchFlight,
          class Result>
Result join(Core& container, std::uint32_t hash, Match&& match, MatchFlight&& match_flight,
            attempt<Core, Result>& made, const void* shown) {
  after_unlock<Core, Node> after(container);
  typename Core::template access<user_code> shard(container, hash);
  const auto place = is_first ? shard.find_place(hash, match) : shard.find_place(hash, match, made.look);
  auto* const found = static_cast<Node*>(place.found);
  Result result = found == nullptr ? Result() : Keep::look(*found);
  if (!result) [[unlikely]] {
    if constexpr (is_first) made.look = {&*shard, shard->entries.changes(), place};
    if (flight* const other = shard->flights.find(hash, match_flight)) {
      other->add(made.joined.emplace());
      shard->counters.wait();
    } else if (shown != nullptr) {
      made.own = {nullptr, hash, shown, &this_thread(), nullptr};
      made.is_flying = true;
      shard->flights.push(made.own);
    }
  }
  if constexpr (is_first) {
    shard->counters.look_up(static_cast<bool>(result));
    after.tidy(*shard);
  }
  return result;
}

/// Step 4. Throws: std::logic_error if this would wait for itself.
template <class Core, class Result>
Result wait_for(Core& container, std::uint32_t hash, waiter<Result>& self) {
  const bool is_waiting = detail::begin_wait(self);
  if (!is_waiting) {
    bool was_left = false;
    {
      const typename Core::template access<false> shard(container, hash);
      was_left = shard->flights.remove(self);
    }
    if (was_left) throw_recursive_creation();
  }
  detail::sleep<typename Core::sync>(self);
  if (is_waiting) detail::end_wait();
  return std::move(self.result);
}

template <class T> void move_into(std::shared_ptr<T>& place, std::shared_ptr<T>&& from) noexcept {
  place = std::move(from);
}
template <class T> void move_into(std::optional<T>& place, std::optional<T>&& from) {
  place.emplace(std::move(*from)); // a mapped value is there, or the factory has thrown
}

template <class Creation> using key_of = std::remove_cvref_t<decltype(std::declval<const Creation&>().key())>;
/// Whether a copy of the key can be shown before it is known that one is needed.
template <class Key, class Given>
inline constexpr bool
    is_shown_at_once = std::is_same_v<std::remove_cvref_t<Given>, Key>&& std::is_trivially_copyable_v<Key>&&
                           std::is_copy_constructible_v<Key> &&
                       sizeof(Key) <= 4 * sizeof(void*);
struct nothing_shown {
  template <class Key> explicit nothing_shown(const Key&) noexcept {}
};

/// Steps 4 and 1 in turn, until there is a result, or nobody who makes it.
template <bool user_code, class Keep, class Node, class Core, class Key, class Look, class Result>
Result wait_and_join(Core& container, std::uint32_t hash, const Key& key, const Look& look,
                     attempt<Core, Result>& made, const void* shown) {
  while (made.joined.has_value()) {
    if (Result result = detail::wait_for(container, hash, *made.joined)) return result; // 4
    made.joined.reset();
    if (Result result = detail::join<user_code, false, Keep, Node>(container, hash, look.matcher(key),
                                                                   look.flight_matcher(key), made, shown))
      return result;
  }
  return Result();
}

/// Step 3.
template <bool user_code, class Keep, class Node, class Core, class Creation, class Look, class Result>
Result create(Core& container, Creation& creation, const Look& look, attempt<Core, Result>& made,
              own_flight<Core, Result>& own) {
  new_entry<Core, Node>& entry = creation.create();
  if (entry.owner() == nullptr) return Result();
  Result result = Keep::before_stored(entry);
  Keep keep;
  if (!detail::put<user_code, Node>(container, entry, keep, look.matcher(creation.key()), &made.own,
                                    made.look)) {
    own.landed(keep.existing);
    return std::move(keep.existing);
  }
  Keep::after_stored(result, entry);
  own.landed(result);
  return result;
}

/// Step 1 found nothing.
template <bool user_code, class Creation, class Keep, class Node, class Core, class Key, class Look,
          class Factory, class Result>
[[gnu::noinline]] Result wait_or_create(Core& container, std::uint32_t hash, Key&& key, const Look& look,
                                        Factory& factory, attempt<Core, Result>& made, const void* shown) {
  if constexpr (is_shown_at_once<key_of<Creation>, Key>) {
    own_flight<Core, Result> own(container, made);
    const auto& same =
        *static_cast<const key_of<Creation>*>(shown); // the caller's may have been changed meanwhile
    if (Result existing =
            detail::wait_and_join<user_code, Keep, Node>(container, hash, same, look, made, shown))
      return existing;
    Creation creation(container, hash, same, factory);
    return detail::create<user_code, Keep, Node>(container, creation, look, made, own);
  } else {
    if (Result existing =
            detail::wait_and_join<user_code, Keep, Node>(container, hash, key, look, made, nullptr))
      return existing;
    Creation creation(container, hash, std::forward<Key>(key), factory); // 2
    const auto& own_key = creation.key();
    own_flight<Core, Result> own(container, made);
    if (Result existing = detail::join<user_code, false, Keep, Node>(container, hash, look.matcher(own_key),
                                                                     look.flight_matcher(own_key), made,
                                                                     std::addressof(own_key)))
      return existing;
    if (Result existing = detail::wait_and_join<user_code, Keep, Node>(container, hash, own_key, look, made,
                                                                       std::addressof(own_key)))
      return existing;
    return detail::create<user_code, Keep, Node>(container, creation, look, made, own);
  }
}

/// `Keep` takes the result from a living entry (operations.hpp), Keep::before_stored and after_stored from the new one.
/// `Creation` makes the new entry: Creation(container, hash, key, factory) allocates and takes the key; key()
/// is that key; create() runs the factory and gives a new_entry with an owner, or without one if the factory
/// returned null. `look.matcher(key)` and `look.flight_matcher(key)` say whether a node, or a flight, has
/// that key. A hit allocates nothing, and its result is made in the caller's place.
template <bool user_code, class Creation, class Keep, class Node, class Core, class Key, class Look,
          class Factory>
decltype(Keep::existing) get_or_create(Core& container, std::uint32_t hash, Key&& key, const Look& look,
                                       Factory& factory) {
  using result_type = decltype(Keep::existing);
  constexpr bool is_shown = is_shown_at_once<key_of<Creation>, Key>;
  const std::conditional_t<is_shown, key_of<Creation>, nothing_shown> copy(key);
  const void* const shown = is_shown ? std::addressof(copy) : nullptr;
  attempt<Core, result_type> made;
  result_type result = detail::join<user_code, true, Keep, Node>(container, hash, look.matcher(key),
                                                                 look.flight_matcher(key), made, shown);
  if (!result) {
    detail::move_into(result, detail::wait_or_create<user_code, Creation, Keep, Node>(
                                  container, hash, std::forward<Key>(key), look, factory, made, shown));
  }
  return result;
}

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
