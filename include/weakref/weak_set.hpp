// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_WEAK_SET_HPP
#define WEAKREF_WEAK_SET_HPP

// A set of objects that does not keep them alive: observers of a subject, members of a group. When the last
// owner of an object lets go, it is no longer in any set. Python's WeakSet, for many threads.
//
//   weakref::WeakSet<Observer> observers;
//   observers.add(observer);
//   for (const std::shared_ptr<Observer>& each : observers) each->notify(); // may add, discard, kill
//
// Objects are told apart by identity, or by value with a Hash and a KeyEqual on T (WeakKeyDictionary tells
// what that means); then get() finds the object in the set that equals a given one.
//
// Light enough to have one in every object: 16 bytes, and nothing else until the first element comes. A set
// has one lock and never splits into shards by itself; options{.shards = 0} means 1 here. T may be
// incomplete: WeakSet<Node> can be a member of Node. The README says what an element costs.
//
// Set algebra is Python's, with other weak sets and with ranges of owners; the results are new weak sets made
// as the left operand was. While other threads change an operand each result is a glimpse: an element that
// stays throughout is treated as such, one that comes or goes may be or not.
//
// Threads, locks and errors are those of WeakValueDictionary (its header tells). Everywhere: `k` is an owner,
// a T or a pointer to T, const or of a derived class too; by value also what the transparent Hash and
// KeyEqual take. A null one finds nothing. Operations are O(1) on average, lock one shard, allocate nothing,
// throw nothing but what Hash and KeyEqual throw, and leave the set as it was if they throw, unless said
// otherwise.

#include <weakref/detail/container/set_node.hpp>
#include <weakref/detail/interface/iterator.hpp>
#include <weakref/detail/interface/mapping.hpp>
#include <weakref/detail/interface/referent_lookup.hpp>
#include <weakref/detail/interface/shell.hpp>
#include <weakref/errors.hpp>
#include <weakref/fwd.hpp>
#include <weakref/hash.hpp>
#include <weakref/mutex.hpp>
#include <weakref/pmr.hpp>
#include <weakref/referent.hpp>

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace weakref {
inline namespace v0 {

/// Objects, which it does not keep alive, and set algebra.
template <class T, class Hash, class KeyEqual, class Allocator, class Mutex>
class WeakSet : private detail::shell<detail::set_node<T>, detail::referent_lookup<T, Hash, KeyEqual, Mutex>,
                                      Mutex, Allocator> {
  using base =
      detail::shell<detail::set_node<T>, detail::referent_lookup<T, Hash, KeyEqual, Mutex>, Mutex, Allocator>;
  using typename base::container;
  using typename base::core;
  using typename base::look;
  using typename base::node;

 public:
  using owner = std::shared_ptr<T>;       ///< What adding takes of an object, and iteration shows.
  using key_type = T;                     ///< The objects.
  using value_type = owner;               ///< What ranges and lists to add hold.
  using size_type = std::size_t;          ///< Counts entries.
  using difference_type = std::ptrdiff_t; ///< Every range has one.
  using hasher = Hash;                    ///< Of living elements, or by_identity. Called with no lock held.
  using key_equal = KeyEqual;             ///< Of living elements, or by_identity. Called under the lock.
  using allocator_type = Allocator;       ///< Makes nodes and tables.
  using mutex_type = Mutex;               ///< One for each shard.
  using iterator =
      detail::iterator<container, detail::as_item>; ///< For input; moved, not copied: it holds an element.
  using const_iterator = iterator;                  ///< The same: iteration changes nothing.

  // --- made, copied, moved -------------------------------------------------------------------------------
  // Copies: O(n), allocates; the living elements. Moves: O(1), no element is touched; the other is empty
  // afterwards, and usable. Destruction: O(elements). Otherwise as for WeakValueDictionary.

  /// Empty. Allocates nothing.
  WeakSet() noexcept = default;
  /// Empty, made as the options say. Allocates nothing. The allocator makes nodes and tables. It is used from
  /// any thread that drops an owner, and must outlive the set and the evictions in hand.
  explicit WeakSet(const options& chosen, const Allocator& allocator = Allocator())
      : base(chosen, allocator) {}
  /// The same with default options.
  explicit WeakSet(const Allocator& allocator) : base(options(), allocator) {}
  /// With a Hash and a KeyEqual that are not like any other of their types. Copied; both go with the contents in
  /// copies, moves and swaps, and into the results of set algebra.
  WeakSet(const options& chosen, const Hash& hash, const KeyEqual& equal = KeyEqual(),
          const Allocator& allocator = Allocator())
      : base(chosen, look(hash, equal), allocator) {}
  /// From owners. Cost: O(n), allocates. Throws: as add.
  template <std::input_iterator Iterator, std::sentinel_for<Iterator> Sentinel>
  WeakSet(Iterator first, Sentinel last, const options& chosen = {}, const Allocator& allocator = Allocator())
      : base(chosen, allocator) {
    for (; first != last; ++first) add(*first);
  }
  /// The same with a Hash and a KeyEqual.
  template <std::input_iterator Iterator, std::sentinel_for<Iterator> Sentinel>
  WeakSet(Iterator first, Sentinel last, const options& chosen, const Hash& hash,
          const KeyEqual& equal = KeyEqual(), const Allocator& allocator = Allocator())
      : base(chosen, look(hash, equal), allocator) {
    for (; first != last; ++first) add(*first);
  }
  /// From a range: as update(). Cost: O(n), allocates. Throws: as update().
  template <class Range>
    requires(!std::same_as<std::remove_cvref_t<Range>, WeakSet> && detail::range_of<Range, owner>)
  explicit WeakSet(Range&& range, const options& chosen = {}, const Allocator& allocator = Allocator())
      : base(chosen, allocator) {
    update(std::forward<Range>(range));
  }
  /// The same with a Hash and a KeyEqual.
  template <detail::range_of<owner> Range>
  WeakSet(Range&& range, const options& chosen, const Hash& hash, const KeyEqual& equal = KeyEqual(),
          const Allocator& allocator = Allocator())
      : base(chosen, look(hash, equal), allocator) {
    update(std::forward<Range>(range));
  }
  /// From a list, as from its iterators. Cost: O(n), allocates.
  WeakSet(std::initializer_list<owner> owners, const options& chosen = {},
          const Allocator& allocator = Allocator())
      : WeakSet(owners.begin(), owners.end(), chosen, allocator) {}
  /// The same with a Hash and a KeyEqual.
  WeakSet(std::initializer_list<owner> owners, const options& chosen, const Hash& hash,
          const KeyEqual& equal = KeyEqual(), const Allocator& allocator = Allocator())
      : WeakSet(owners.begin(), owners.end(), chosen, hash, equal, allocator) {}

  /// Exchanges the contents and touches no element. The allocators must be equal or propagate.
  void swap(WeakSet& other) noexcept { base::swap(other); }
  /// a.swap(b).
  friend void swap(WeakSet& a, WeakSet& b) noexcept { a.swap(b); }

  /// A copy of the allocator.
  using base::get_allocator;
  /// A copy of what hashes.
  Hash hash_function() const { return this->look_.hash_function(); }
  /// A copy of what compares.
  KeyEqual key_eq() const { return this->look_.key_eq(); }

  // --- looked up -----------------------------------------------------------------------------------------

  /// Whether it is in the set. Already old when it returns.
  template <detail::referent_key<look> K> bool contains(const K& k) const { return base::contains(k); }
  /// An owner of the element, or empty. By value: the object in the set that equals k.
  template <detail::referent_key<look> K> owner get(const K& k) const { return base::get_owner(k); }

  /// Whether size() is 0.
  using base::empty;
  /// Elements, among them those whose death is under way at this moment. With accept_untracked an upper bound
  /// of the living ones. Cost: O(shards), no lock.
  using base::size;
  /// What was looked up, created and evicted, for containers that count (statistics.hpp). O(shards), locks one
  /// after the other: what other threads do meanwhile is counted or not. Throws: std::logic_error under a
  /// container's lock.
  weakref::statistics statistics() const requires(detail::counters<Mutex>::are_kept) {
    return base::statistics();
  }

  // --- changed -------------------------------------------------------------------------------------------

  /// Adds the object unless it, or by value an equal one, is in the set. True if it was added.
  ///
  /// Cost: allocates a node, and now and then a larger table. Throws: untracked_error for an untracked
  /// (unless accepted), null or ownerless owner; std::bad_alloc.
  bool add(const owner& added) {
    detail::check_not_under_lock();
    const detail::tracking where = this->container_.require().require_tracked(added);
    detail::keep_owner<core, node> keep;
    return base::store(added, where, keep, this->look_.hash(added));
  }
  /// The element that is the object, or by value equals it; if there is none, the object, which is added. So of
  /// several threads that bring equal objects all get one and the same. (Python's intern, of a set's elements.)
  ///
  /// Cost: of an element that is there that of get, no allocation; else as add. Throws: as add.
  [[nodiscard]] owner get_or_add(const owner& added) {
    detail::check_not_under_lock();
    const detail::tracking where = this->container_.require().require_tracked(added);
    if (owner present = get(added)) return present;
    detail::keep_owner<core, node> keep;
    return base::store(added, where, keep, this->look_.hash(added)) ? added : std::move(keep.existing);
  }
  /// Takes the element out; false if it was not in the set.
  template <detail::referent_key<look> K> bool discard(const K& k) { return base::take(k) != nullptr; }
  /// discard(), as the dictionaries call it.
  template <detail::referent_key<look> K> bool erase(const K& k) { return discard(k); }
  /// Takes the element out. Throws: std::out_of_range if it was not in the set. (Python's KeyError.)
  template <detail::referent_key<look> K> void remove(const K& k) {
    if (!discard(k)) throw std::out_of_range("weakref::WeakSet::remove: not in the set");
  }
  /// Takes some element out.
  ///
  /// Cost: O(1) if all are taken out so, one after the other; O(capacity) at worst. Throws: std::out_of_range
  /// if there is none.
  owner pop() {
    detail::check_not_under_lock();
    if (core* const present = this->container_.get()) {
      for (detail::pinned_entry<node, core> found(*present); detail::pin_living(*present, found);) {
        if (detail::take_entry(*present, found.node(), found.owner)) return std::move(found.owner);
      }
    }
    throw std::out_of_range("weakref::WeakSet::pop: the set is empty");
  }
  /// Takes out the elements for which pred(const owner&) holds, and returns how many they were. Nothing is
  /// taken out before pred has seen all.
  ///
  /// Cost: O(n), allocates for the iteration and for those taken out. Throws: std::bad_alloc; what pred
  /// throws.
  /// Runs user code: pred, no lock held.
  template <class Predicate> size_type erase_if(Predicate pred) {
    return base::erase_if([&pred](core&, node&, const owner& element) -> bool { return pred(element); });
  }
  /// Takes all out, shard by shard: what others add meanwhile may stay. Cost: O(n).
  using base::clear;
  /// Makes room for n elements, so that adding them grows no table (if the hash spreads: shards are filled by
  /// chance, for which each has room to spare). The room stays until shrink_to_fit() or clear().
  ///
  /// Cost: O(n), allocates. Throws: std::length_error for more than a table can hold; std::bad_alloc.
  using base::reserve;
  /// Gives back the room that is not needed, reserved or not. Tables of which less than an eighth is in use shrink
  /// by themselves, when something is stored, taken out or iterated over, and those that deaths leave empty.
  ///
  /// Cost: O(n), one shard after the other, each locked while its table is moved; allocates what is needed. Where
  /// that fails a table stays as it is.
  using base::shrink_to_fit;
  /// Takes out the elements of dead untracked objects, and returns how many they were. 0 without accept_untracked:
  /// nothing dead stays then. Cost: O(capacity), in steps.
  using base::sweep;

  // --- set algebra ---------------------------------------------------------------------------------------
  // O(n + m), allocates. `other` is a weak set or a range of owners; a range that holds null is refused with
  // untracked_error, but by isdisjoint and issuperset. Changes are made wholly or, if something throws, not
  // at all.
  // Throws: std::bad_alloc; untracked_error; what Hash, KeyEqual and the range throw.

  /// Adds all of other. Python's update.
  template <detail::range_of<owner> Range> void update(Range&& other) {
    base::update(
        other, [this](auto& all, const owner& element) { stage(all, element); },
        [this](auto& each) { return put_staged(each); });
  }
  /// The same for a list.
  void update(std::initializer_list<owner> other) { update<const std::initializer_list<owner>&>(other); }
  /// Keeps what is also in other. Where two elements are equal it is this set's own that stays, as always
  /// here; Python's intersection() takes the other's.
  template <std::ranges::input_range Range> void intersection_update(const Range& other) {
    const auto& those = as_set(other);
    erase_if([&](const owner& element) { return !those.contains(element); });
  }
  /// Takes out what is in other.
  template <std::ranges::input_range Range> void difference_update(const Range& other) {
    const auto& those = as_set(other);
    erase_if([&](const owner& element) { return those.contains(element); });
  }
  /// Takes out what is in other, and adds what is only there.
  template <std::ranges::input_range Range> void symmetric_difference_update(const Range& other) {
    const auto& those = as_set(other);
    WeakSet only_there(those);
    only_there.difference_update(*this);
    const WeakSet in_both = those - only_there;
    // What can throw first; then out with the common elements, which can't fail.
    detail::check_not_under_lock();
    detail::selection<core, node> going(this->container_.require());
    for (auto at = this->container_.first(); !at.is_at_end(); at.advance()) {
      if (in_both.contains(at.owner())) going.add(at.node());
    }
    update(only_there);
    going.take_out();
  }

  /// What is in either. Python's union, which is a keyword here.
  template <std::ranges::input_range Range> [[nodiscard]] WeakSet union_(const Range& other) const {
    WeakSet result(*this);
    result.update(other);
    return result;
  }
  /// What is in both.
  template <std::ranges::input_range Range> [[nodiscard]] WeakSet intersection(const Range& other) const {
    WeakSet result(*this);
    result.intersection_update(other);
    return result;
  }
  /// What is here and not in other.
  template <std::ranges::input_range Range> [[nodiscard]] WeakSet difference(const Range& other) const {
    WeakSet result(*this);
    result.difference_update(other);
    return result;
  }
  /// What is in one of them only.
  template <std::ranges::input_range Range>
  [[nodiscard]] WeakSet symmetric_difference(const Range& other) const {
    WeakSet result(*this);
    result.symmetric_difference_update(other);
    return result;
  }
  /// a.union_(b). Python's |.
  template <std::ranges::input_range Range> friend WeakSet operator|(const WeakSet& a, const Range& b) {
    return a.union_(b);
  }
  /// a.intersection(b). Python's &.
  template <std::ranges::input_range Range> friend WeakSet operator&(const WeakSet& a, const Range& b) {
    return a.intersection(b);
  }
  /// a.difference(b). Python's -.
  template <std::ranges::input_range Range> friend WeakSet operator-(const WeakSet& a, const Range& b) {
    return a.difference(b);
  }
  /// a.symmetric_difference(b). Python's ^.
  template <std::ranges::input_range Range> friend WeakSet operator^(const WeakSet& a, const Range& b) {
    return a.symmetric_difference(b);
  }
  /// update(other). Python's |=.
  template <std::ranges::input_range Range> WeakSet& operator|=(const Range& other) {
    update(other);
    return *this;
  }
  /// intersection_update(other). Python's &=.
  template <std::ranges::input_range Range> WeakSet& operator&=(const Range& other) {
    intersection_update(other);
    return *this;
  }
  /// difference_update(other). Python's -=.
  template <std::ranges::input_range Range> WeakSet& operator-=(const Range& other) {
    difference_update(other);
    return *this;
  }
  /// symmetric_difference_update(other). Python's ^=.
  template <std::ranges::input_range Range> WeakSet& operator^=(const Range& other) {
    symmetric_difference_update(other);
    return *this;
  }

  // --- compared --------------------------------------------------------------------------------------------
  // O(n + m), allocates, and glimpses too while others change either side. Throws: as the algebra.

  /// Whether no element is in both.
  template <std::ranges::input_range Range> bool isdisjoint(const Range& other) const {
    for (auto&& given : other) {
      const owner& element = given; // or a temporary, where the range holds something that converts
      if (contains(element)) return false;
    }
    return true;
  }
  /// Whether all of other is here. Python's issuperset.
  template <std::ranges::input_range Range> bool issuperset(const Range& other) const {
    for (auto&& given : other) {
      const owner& element = given; // or a temporary, where the range holds something that converts
      if (!contains(element)) return false;
    }
    return true;
  }
  /// Whether all that is here is in other. Python's issubset.
  template <std::ranges::input_range Range> bool issubset(const Range& other) const {
    return as_set(other).issuperset(*this);
  }
  /// Whether they have the same elements.
  friend bool operator==(const WeakSet& a, const WeakSet& b) {
    return &a == &b || (a.issubset(b) && b.issubset(a));
  }
  /// Whether a is a subset of b.
  friend bool operator<=(const WeakSet& a, const WeakSet& b) { return a.issubset(b); }
  /// Whether a is a superset of b.
  friend bool operator>=(const WeakSet& a, const WeakSet& b) { return b.issubset(a); }
  /// Whether a is a proper subset of b: not equal to it.
  friend bool operator<(const WeakSet& a, const WeakSet& b) { return a.issubset(b) && !b.issubset(a); }
  /// Whether a is a proper superset of b.
  friend bool operator>(const WeakSet& a, const WeakSet& b) { return b < a; }

  // --- iterated ------------------------------------------------------------------------------------------

  /// The first element, for one pass over all: `for (const auto& owner : set)`. As for WeakValueDictionary:
  /// no lock is held in the loop body, which may do anything; only the current element is kept alive.
  ///
  /// Cost: O(capacity), allocates: it copies the table. No lock for a step. Throws: std::bad_alloc.
  iterator begin() const { return iterator(this->container_.first()); }
  /// The end, of every iteration.
  std::default_sentinel_t end() const noexcept { return {}; }
  /// Plain refs to the elements, which keep nothing alive; a lazy range, not a container. The set must
  /// outlive it.
  auto refs() const noexcept { return detail::view<container, detail::as_ref>(this->container_); }

 private:
  void stage(detail::transaction<core, node>& all, const owner& element) {
    core& present = *this->container_.get();
    const detail::tracking where = present.require_tracked(element);
    all.add(*present.make_node(this->look_.hash(element)), element, where);
  }
  detail::put_result<node> put_staged(detail::new_entry<core, node>& each) {
    return this->put_unreleased(*this->container_.get(), each, detail::keep_owner<core, node>());
  }

  /// A range that can be asked for its elements: itself, or made into a set.
  static const WeakSet& as_set(const WeakSet& other) noexcept { return other; }
  template <std::ranges::input_range Range> WeakSet as_set(const Range& other) const {
    WeakSet made(this->container_.chosen_options(), hash_function(), key_eq(), this->get_allocator());
    made.update(other);
    return made;
  }
};

} // namespace v0
} // namespace weakref

#endif
