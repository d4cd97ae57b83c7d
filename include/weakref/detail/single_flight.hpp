// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_SINGLE_FLIGHT_HPP
#define WEAKREF_DETAIL_SINGLE_FLIGHT_HPP

// get_or_create. The data structures, and who may touch them when, stand in flight.hpp.
//
//   1  Lock the shard. A living entry: return it. A flight of this key: go to 4. Neither, and what a new
//      entry needs in advance is there already: hang up a flight of our own, go to 3.
//   2  Unlock, allocate the memory and make the key; back to 1.
//   3  Unlock. Run the factory, no lock held. Then, in one locked step, put the entry into the table and
//      take the flight down: there is no moment at which a caller finds neither. What others stored
//      meanwhile wins. Give the waiters the result. If the factory failed: take the flight down, tell the
//      waiters.
//   4  Unlock, wait for the flight's landing (refused if that would close a cycle of threads). It brings
//      the result. If the creation failed: back to 1, where one of the waiters becomes the creator.
//
// The result is what the container hands out: an owner, or for a dictionary with weak keys the mapped value.

#include <weakref/detail/operations.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace weakref {
inline namespace v0 {
namespace detail {

/// A flight in its shard's list. However it ends, it is taken down and its waiters are told.
template <class Core, class Result> class departure {
 public:
  using landing_type = landing<Result>;

  /// Throws: std::bad_alloc.
  departure(Core& container, std::uint32_t hash, const void* key) : container_(container) {
    flight_.hash = hash;
    flight_.key = key;
    flight_.destination = std::allocate_shared<landing_type>(container.allocator());
  }
  ~departure() {
    if (!is_flying_) return;
    {
      // The shard may have split since: it is the hash that finds the flight's list.
      const typename Core::template access<false> shard(container_, flight_.hash);
      shard->flights.remove(flight_);
    }
    if (flight_.is_awaited) destination().template finish<typename Core::sync>();
  }
  departure(const departure&) = delete;
  departure& operator=(const departure&) = delete;

  /// Under the shard's lock.
  template <class Access> void take_off(Access& shard) noexcept {
    shard->flights.push(flight_);
    is_flying_ = true;
  }
  flight* get() noexcept { return &flight_; }
  /// The flight has been taken down with this result.
  void landed(const Result& result) noexcept {
    is_flying_ = false;
    if (flight_.is_awaited) destination().template arrive<typename Core::sync>(result);
  }

 private:
  landing_type& destination() const noexcept {
    return *static_cast<landing_type*>(flight_.destination.get());
  }

  Core& container_;
  flight flight_;
  bool is_flying_ = false;
};

/// What who finds no entry takes along from step 1.
template <class Core, class Result> struct boarding {
  std::shared_ptr<landing<Result>> joined; // a flight to wait for, or none
  typename Core::last_look look;
};

/// Step 1: what Keep::look says of a living entry; or else empty, and something in `pass`, where nothing was joined.
template <bool user_code, class Keep, class Node, class Core, class Match, class MatchFlight, class Result>
Result board(Core& container, std::uint32_t hash, Match&& match, MatchFlight&& match_flight,
             boarding<Core, Result>& pass, departure<Core, Result>* own) {
  after_unlock<Core, Node> after(container);
  typename Core::template access<user_code> shard(container, hash);
  const bool is_first = pass.look.where == nullptr;
  auto* const found = static_cast<Node*>(shard.find_place(hash, match, pass.look).found);
  Result result = found == nullptr ? Result() : Keep::look(*found);
  if (is_first) {
    shard->counters.look_up(static_cast<bool>(result));
    after.tidy(*shard);
  }
  if (!result) {
    if (flight* const other = shard->flights.find(hash, match_flight)) {
      other->is_awaited = true;
      shard->counters.wait();
      pass.joined = std::static_pointer_cast<landing<Result>>(other->destination);
    } else if (own != nullptr) {
      own->take_off(shard);
    }
  }
  return result;
}

template <class T> void move_into(std::shared_ptr<T>& place, std::shared_ptr<T>&& from) noexcept {
  place = std::move(from);
}
template <class T> void move_into(std::optional<T>& place, std::optional<T>&& from) {
  place.emplace(std::move(*from)); // a mapped value is there, or the factory has thrown
}

/// Step 1 found nothing, or a flight.
template <bool user_code, class Creation, class Keep, class Node, class Core, class Key, class Look,
          class Factory>
decltype(Keep::existing) wait_or_create(Core& container, std::uint32_t hash, Key&& key, const Look& look,
                                        Factory& factory, boarding<Core, decltype(Keep::existing)>& pass) {
  using result_type = decltype(Keep::existing);

  // Steps 4 and 1 in turn, until there is a result, or nobody who makes it.
  const auto wait = [&](const auto& wanted, departure<Core, result_type>* own) -> result_type {
    while (pass.joined != nullptr) {
      if (result_type result = pass.joined->template wait<typename Core::sync>()) return result; // 4
      pass.joined = nullptr;
      if (result_type result = detail::board<user_code, Keep, Node>(container, hash, look.matcher(wanted),
                                                                    look.flight_matcher(wanted), pass, own))
        return result;
    }
    return result_type();
  };

  if (result_type existing = wait(key, nullptr)) return existing;
  Creation creation(container, hash, std::forward<Key>(key), factory); // 2
  departure<Core, result_type> own(container, hash, std::addressof(creation.key()));
  if (result_type existing = detail::board<user_code, Keep, Node>(
          container, hash, look.matcher(creation.key()), look.flight_matcher(creation.key()), pass, &own))
    return existing;
  if (result_type existing = wait(creation.key(), &own)) return existing;

  new_entry<Core, Node>& made = creation.create(); // 3
  if (made.owner() == nullptr) return result_type();
  result_type result = Keep::of(made);
  Keep keep;
  if (!detail::put<user_code, Node>(container, made, keep, look.matcher(creation.key()), own.get(),
                                    pass.look)) {
    own.landed(keep.existing);
    return std::move(keep.existing);
  }
  own.landed(result);
  return result;
}

/// `Keep` takes the result from a living entry (operations.hpp), Keep::of(new_entry) from the new one.
/// `Creation` makes the new entry: Creation(container, hash, key, factory) allocates and takes the key; key()
/// is that key; create() runs the factory and gives a new_entry with an owner, or without one if the factory
/// returned null. `look.matcher(key)` and `look.flight_matcher(key)` say whether a node, or a flight, has
/// that key. A hit allocates nothing, and its result is made in the caller's place.
template <bool user_code, class Creation, class Keep, class Node, class Core, class Key, class Look,
          class Factory>
decltype(Keep::existing) get_or_create(Core& container, std::uint32_t hash, Key&& key, const Look& look,
                                       Factory& factory) {
  using result_type = decltype(Keep::existing);
  boarding<Core, result_type> pass;
  result_type result =
      detail::board<user_code, Keep, Node>(container, hash, look.matcher(key), look.flight_matcher(key), pass,
                                           static_cast<departure<Core, result_type>*>(nullptr));
  if (!result) {
    detail::move_into(result, detail::wait_or_create<user_code, Creation, Keep, Node>(
                                  container, hash, std::forward<Key>(key), look, factory, pass));
  }
  return result;
}

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
