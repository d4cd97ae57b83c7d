// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_WEAK_KEY_DICTIONARY_HPP
#define WEAKREF_WEAK_KEY_DICTIONARY_HPP

// A side table: data attached to objects that one does not own. When the last owner of an object lets go, its
// entry is gone at once, and the value with it. Python's WeakKeyDictionary, for many threads.
//
//   weakref::WeakKeyDictionary<Widget, Layout> layouts;
//   layouts.insert_or_assign(widget, Layout(…));        // an owner, to store
//   layouts.visit(this, [](Layout& layout) { … });      // a pointer or a reference, to look up
//
// Keys are compared by identity: the same object, whatever its value, and never an object that lies at a dead
// one's address. With a Hash and a KeyEqual on T they are compared by value; then the first of equal keys
// stays the key when a value is replaced, as in Python, and the entry lives as long as that object. A dead
// key is never hashed or compared.
//
// Use something else where the value keeps its key alive (it owns it: the entry would never go), or where the
// key is data and the object the value (WeakValueDictionary).
//
// Values belong to the container: get, at and iteration copy them, visit changes one in its place. To share
// one, or to use the container again while looking at it, map to a shared_ptr. They are destroyed with no
// lock held, and may own, kill or store anything, in this container too.
//
// Threads, locks and errors are those of WeakValueDictionary (its header tells), with one addition: a value
// is copied under its shard's lock, because it may change meanwhile. While that runs, members that lock, of
// any container, throw std::logic_error; a value that can be copied as bytes is exempt.
//
// A value whose move throws may be stored already, or lost, when handing it out throws (setdefault,
// get_or_create; pop with a default; pop and popitem if it can only be moved); what the container holds is
// right all the same.
//
// Everywhere: `k` is an owner, a T or a pointer to T, const or of a derived class too; by value also what the
// transparent Hash and KeyEqual take. A null one finds nothing. Operations are O(1) on average, lock one
// shard, allocate nothing, throw nothing but what Hash, KeyEqual and copying or moving a value throw, and
// leave the container as it was if they throw, unless said otherwise.

#include <weakref/detail/container/key_node.hpp>
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
#include <optional>
#include <ranges>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace weakref {
inline namespace v0 {

/// Data by object, which leaves with its object.
template <class T, class Value, class Hash, class KeyEqual, class Allocator, class Mutex>
class WeakKeyDictionary
    : private detail::shell<detail::key_node<T, Value>, detail::referent_lookup<T, Hash, KeyEqual, Mutex>,
                            Mutex, Allocator>,
      public detail::mapping<WeakKeyDictionary<T, Value, Hash, KeyEqual, Allocator, Mutex>> {
  using base = detail::shell<detail::key_node<T, Value>, detail::referent_lookup<T, Hash, KeyEqual, Mutex>,
                             Mutex, Allocator>;
  using typename base::container;
  using typename base::core;
  using typename base::look;
  using typename base::node;

 public:
  using key_type = T;                         ///< The objects.
  using mapped_type = Value;                  ///< What is known about each.
  using owner = std::shared_ptr<T>;           ///< What storing takes of an object, and iteration shows.
  using value_type = std::pair<owner, Value>; ///< What ranges and lists to store hold.
  using size_type = std::size_t;              ///< Counts entries.
  using difference_type = std::ptrdiff_t;     ///< Every range has one.
  using hasher = Hash;                        ///< Of living keys, or by_identity. Called with no lock held.
  using key_equal = KeyEqual;              ///< Of living keys, or by_identity. Called under a shard's lock.
  using allocator_type = Allocator;        ///< Makes nodes and tables.
  using mutex_type = Mutex;                ///< One for each shard.
  using item = detail::key_item<T, Value>; ///< What iteration shows: `owner key; Value value;`.
  using iterator =
      detail::iterator<container, detail::as_item>; ///< For input; moved, not copied: it holds a key.
  using const_iterator = iterator;                  ///< The same: iteration changes nothing.

  // --- made, copied, moved -------------------------------------------------------------------------------
  // Copies: O(n), allocates; the living entries and their values. Moves: O(1), no entry is touched; the other
  // is empty afterwards, and usable. Destruction: O(entries). Otherwise as for WeakValueDictionary.

  /// Empty. Allocates nothing.
  WeakKeyDictionary() noexcept = default;
  /// Empty, made as the options say. Allocates nothing. The allocator makes nodes and tables. It is used from
  /// any thread that drops an owner, and must outlive the container and the evictions in hand.
  explicit WeakKeyDictionary(const options& chosen, const Allocator& allocator = Allocator())
      : base(chosen, allocator) {}
  /// The same with default options.
  explicit WeakKeyDictionary(const Allocator& allocator) : base(options(), allocator) {}
  /// With a Hash and a KeyEqual that are not like any other of their types. Copied; both go with the contents in
  /// copies, moves and swaps.
  WeakKeyDictionary(const options& chosen, const Hash& hash, const KeyEqual& equal = KeyEqual(),
                    const Allocator& allocator = Allocator())
      : base(chosen, look(hash, equal), allocator) {}
  /// From pairs. Of those with equal keys the first key stays, with the last value.
  ///
  /// Cost: O(n), allocates. Throws: as insert.
  template <std::input_iterator Iterator, std::sentinel_for<Iterator> Sentinel>
  WeakKeyDictionary(Iterator first, Sentinel last, const options& chosen = {},
                    const Allocator& allocator = Allocator())
      : base(chosen, allocator) {
    insert_all(first, last);
  }
  /// The same with a Hash and a KeyEqual.
  template <std::input_iterator Iterator, std::sentinel_for<Iterator> Sentinel>
  WeakKeyDictionary(Iterator first, Sentinel last, const options& chosen, const Hash& hash,
                    const KeyEqual& equal = KeyEqual(), const Allocator& allocator = Allocator())
      : base(chosen, look(hash, equal), allocator) {
    insert_all(first, last);
  }
  /// From a range: as update(). Cost: O(n), allocates. Throws: as update().
  template <class Range>
    requires(!std::same_as<std::remove_cvref_t<Range>, WeakKeyDictionary> &&
             detail::range_of_pairs<Range, owner, Value>)
  explicit WeakKeyDictionary(Range&& range, const options& chosen = {},
                             const Allocator& allocator = Allocator())
      : base(chosen, allocator) {
    update(std::forward<Range>(range));
  }
  /// The same with a Hash and a KeyEqual.
  template <detail::range_of_pairs<owner, Value> Range>
  WeakKeyDictionary(Range&& range, const options& chosen, const Hash& hash,
                    const KeyEqual& equal = KeyEqual(), const Allocator& allocator = Allocator())
      : base(chosen, look(hash, equal), allocator) {
    update(std::forward<Range>(range));
  }
  /// From a list, as from its iterators. Cost: O(n), allocates.
  WeakKeyDictionary(std::initializer_list<detail::listed<owner, Value>> pairs, const options& chosen = {},
                    const Allocator& allocator = Allocator())
      : WeakKeyDictionary(pairs.begin(), pairs.end(), chosen, allocator) {}
  /// The same with a Hash and a KeyEqual.
  WeakKeyDictionary(std::initializer_list<detail::listed<owner, Value>> pairs, const options& chosen,
                    const Hash& hash, const KeyEqual& equal = KeyEqual(),
                    const Allocator& allocator = Allocator())
      : WeakKeyDictionary(pairs.begin(), pairs.end(), chosen, hash, equal, allocator) {}

  /// Exchanges the contents and touches no entry. The allocators must be equal or propagate.
  void swap(WeakKeyDictionary& other) noexcept { base::swap(other); }

  /// A copy of the allocator.
  using base::get_allocator;
  /// A copy of what hashes.
  Hash hash_function() const { return this->look_.hash_function(); }
  /// A copy of what compares.
  KeyEqual key_eq() const { return this->look_.key_eq(); }

  // --- looked up -----------------------------------------------------------------------------------------

  /// A copy of the value, or nothing. Runs user code: the value's copy constructor, under the shard's lock.
  template <detail::referent_key<look> K> std::optional<Value> get(const K& k) const {
    return base::template with_entry<std::optional<Value>>(
        k, [](core& present, std::uint32_t hash, const auto& match) {
          constexpr bool user_code = look::template runs_user_code<K> || node::copy_runs_user_code;
          return detail::find<user_code, detail::keep_value<core, node>, node>(present, hash, match);
        });
  }
  /// A copy of the value, or the given one. Runs user code: as get.
  template <detail::referent_key<look> K> Value get(const K& k, Value otherwise) const {
    std::optional<Value> found = get(k);
    return found.has_value() ? std::move(*found) : std::move(otherwise);
  }
  /// A copy of the value. Throws: std::out_of_range if there is no living entry. Runs user code: as get.
  template <detail::referent_key<look> K> Value at(const K& k) const {
    std::optional<Value> found = get(k);
    if (!found.has_value())
      throw std::out_of_range("weakref::WeakKeyDictionary::at: no living entry of this key");
    return std::move(*found);
  }
  /// Whether the key has a living entry. Already old when it returns.
  template <detail::referent_key<look> K> bool contains(const K& k) const { return base::contains(k); }
  /// Calls f(Value&) if k has a living entry: reads or changes the value in its place. Keep f short.
  ///
  /// Runs user code: f, under the shard's lock. Deaths that f causes on this thread happen after the unlock,
  /// before visit returns or f's exception leaves it.
  template <detail::referent_key<look> K, class F> bool visit(const K& k, F&& f) {
    return base::visit(k, [&f](node& found, T&) { std::forward<F>(f)(found.mapped); });
  }
  /// The same with f(const Value&).
  template <detail::referent_key<look> K, class F> bool visit(const K& k, F&& f) const {
    return base::visit(k, [&f](node& found, T&) { std::forward<F>(f)(std::as_const(found.mapped)); });
  }

  /// Whether size() is 0.
  using base::empty;
  /// Entries, among them those whose key's death is under way at this moment. With accept_untracked an upper
  /// bound of the living ones. Cost: O(shards), no lock.
  using base::size;
  /// What was looked up, created and evicted, for containers that count (statistics.hpp). O(shards), locks one
  /// after the other: what other threads do meanwhile is counted or not. Throws: std::logic_error under a
  /// container's lock.
  weakref::statistics statistics() const requires(detail::counters<Mutex>::are_kept) {
    return base::statistics();
  }

  // --- stored --------------------------------------------------------------------------------------------

  /// Stores unless the key has a living entry. True if it did.
  ///
  /// Cost: allocates a node, and now and then a larger table. Throws: untracked_error for an untracked
  /// (unless accepted), null or ownerless owner; std::bad_alloc; what moving the value throws.
  bool insert(const owner& key, Value value) {
    detail::keep_entry<core, node> keep;
    return store(key, keep, std::move(value));
  }
  /// The same for a pair.
  bool insert(value_type pair) { return insert(pair.first, std::move(pair.second)); }
  /// Stores, also if the key has a living entry. True if it had none. Of equal keys that are two objects the
  /// first one stays. For a loop or a copy that is under way the old entry goes and a new one comes.
  ///
  /// Cost: as insert. Throws: as insert.
  bool insert_or_assign(const owner& key, Value value) {
    detail::check_not_under_lock();
    core& present = this->container_.require();
    const detail::tracking where = present.require_tracked(key);
    detail::new_entry<core, node> made(present, *present.make_node(this->look_.hash(key), std::move(value)));
    made.bind(key, where);
    bool was_alive = false;
    if (node* const replaced = assign(present, made, was_alive).replaced) present.release(*replaced);
    return !was_alive;
  }
  /// Stores unless the key has a living entry, and returns a copy of what is in the container now. Python's
  /// setdefault.
  ///
  /// Cost: as insert. Throws: as insert. Runs user code: as get.
  Value setdefault(const owner& key, Value value) {
    Value copy(std::as_const(value));
    detail::keep_value<core, node> keep;
    return store(key, keep, std::move(value)) ? std::move(copy) : std::move(*keep.existing);
  }
  /// Makes Value(args...) unless the key has a living entry. True if it did.
  ///
  /// Cost: as insert. Throws: as insert, and what the constructor throws. Runs user code: the constructor, no
  /// lock held.
  template <class... Args> bool try_emplace(const owner& key, Args&&... args) {
    if (contains(key)) return false;
    detail::keep_entry<core, node> keep;
    return store(key, keep, std::forward<Args>(args)...);
  }

  /// A copy of the key's value; if it has none, of the one that factory() (or factory(const owner&)) makes.
  ///
  /// Single flight, as for WeakValueDictionary: of all concurrent callers with one key exactly one runs its
  /// factory, the others wait and get copies of that very value. If the factory throws its caller gets that,
  /// nothing is stored, and one waiter runs its own. No lock is held during the factory, and it may use the
  /// container.
  ///
  /// Cost: a hit allocates nothing; a new value as insert.
  /// Throws: as insert; what the factory throws; std::logic_error if waiting would close a cycle.
  /// Runs user code: the factory, and then the value's copy constructor for each who has waited, no lock held; else as get.
  template <class Factory> [[nodiscard]] Value get_or_create(const owner& key, Factory&& factory) {
    detail::check_not_under_lock();
    core& present = this->container_.require();
    present.require_tracked(key);
    using creation = detail::value_creation<core, node, std::remove_reference_t<Factory>>;
    constexpr bool user_code = look::stores_run_user_code || node::copy_runs_user_code;
    return std::move(*detail::get_or_create<user_code, creation, detail::keep_value<core, node>, node>(
        present, this->look_.hash(key), key, this->look_, factory));
  }

  // --- taken out -----------------------------------------------------------------------------------------

  /// Takes the entry out and returns its value; nothing if there was none. (A value that can only be moved,
  /// and whose move throws, is lost then.) Runs user code: the value's copy constructor, where its move may
  /// throw, under the shard's lock.
  template <detail::referent_key<look> K> std::optional<Value> pop(const K& k) {
    std::optional<Value> taken;
    base::take(k, detail::take_value<Value>{taken});
    return taken;
  }
  /// Takes the entry out and returns its value; the given one if there was none. Runs user code: as pop(k).
  template <detail::referent_key<look> K> Value pop(const K& k, Value otherwise) {
    std::optional<Value> taken = pop(k);
    return taken.has_value() ? std::move(*taken) : std::move(otherwise);
  }
  /// Takes some living entry out. Python's popitem, which takes the newest.
  ///
  /// Cost: O(1) if all are taken out so, one after the other; O(capacity) at worst. Throws: std::out_of_range
  /// if there is none. Runs user code: as pop(k).
  std::pair<owner, Value> popitem() {
    detail::check_not_under_lock();
    if (core* const present = this->container_.get()) {
      for (detail::pinned_entry<node, core> found(*present); detail::pin_living(*present, found);) {
        if constexpr (detail::take_value<Value>::moves) {
          if (detail::take_entry(*present, found.node(), found.owner))
            return {std::move(found.owner), std::move(found.node().mapped)};
        } else {
          try {
            return pop_copied(*present, found);
          } catch (const taken_by_another&) {}
        }
      }
    }
    throw std::out_of_range("weakref::WeakKeyDictionary::popitem: the dictionary is empty");
  }
  /// Takes the entry out. True if there was a living one.
  template <detail::referent_key<look> K> bool erase(const K& k) { return base::take(k) != nullptr; }
  /// Takes out the living entries for which pred(const owner&, const Value&), shown a copy, or pred(const
  /// owner&) holds, and returns how many they were. Nothing is taken out before pred has seen all.
  ///
  /// Cost: O(n), allocates for the iteration and for those taken out. Throws: std::bad_alloc; what pred
  /// throws.
  /// Runs user code: pred, no lock held; copies as get.
  template <class Predicate> size_type erase_if(Predicate pred) {
    return base::erase_if([&pred](core& present, node& seen, const owner& key) -> bool {
      if constexpr (std::invocable<Predicate&, const owner&, const Value&>) {
        const std::optional<Value> value = node::copy_payload(present, seen);
        return value.has_value() && pred(key, *value);
      } else {
        return pred(key);
      }
    });
  }
  /// Takes all out, shard by shard: what others store meanwhile may stay. Cost: O(n).
  using base::clear;

  // --- as a whole ----------------------------------------------------------------------------------------

  /// Stores as insert_or_assign each pair of a range, or each living entry of a dictionary, whose values are
  /// copied: all or, if something throws, none. What is replaced is let go after the last of them is stored.
  /// Python's update.
  ///
  /// Cost: O(m), allocates. Throws: as insert; what copying a value and the range itself throw.
  template <std::ranges::input_range Range> void update(Range&& range) {
    base::update(
        range,
        [this](auto& all, auto&& pair) {
          auto&& [key, value] = pair;
          static_assert(std::convertible_to<decltype((key)), owner>,
                        "update takes pairs of std::shared_ptrs and values; lock() weak ones, and leave "
                        "out the dead");
          static_assert(std::convertible_to<decltype((value)), Value>, "its second is no mapped value");
          stage(all, key, value);
        },
        [this](auto& each) {
          bool was_alive = false;
          return assign(*this->container_.get(), each, was_alive);
        });
  }
  /// The same for a list.
  void update(std::initializer_list<detail::listed<owner, Value>> pairs) {
    update<const std::initializer_list<detail::listed<owner, Value>>&>(pairs);
  }
  // |, |=, == and the swap function: detail/interface/mapping.hpp.

  /// Makes room for n entries, so that storing them grows no table (if the hash spreads: shards are filled by
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
  /// Takes out the entries of dead untracked objects, and returns how many they were. 0 without accept_untracked:
  /// nothing dead stays then. Cost: O(capacity), in steps.
  using base::sweep;

  // --- iterated ------------------------------------------------------------------------------------------

  /// The first item, for one pass over all: `for (const auto& [key, value] : dictionary)`, the value a copy.
  /// As for WeakValueDictionary: no lock is held in the loop body, which may do anything; only the current
  /// key is kept alive. A key that is given another value meanwhile is seen with the one or the other, as by copies of
  /// the dictionary.
  ///
  /// Cost: O(capacity) for begin(), or in parts for each shard: it copies the table, some twelve bytes an entry. One lock
  /// for each step, to copy the value; none for keys() and keyrefs(). Throws: std::bad_alloc, also when it goes on to a
  /// further shard. Runs user code: as get, in each step.
  iterator begin() const { return iterator(this->container_.first()); }
  /// The end, of every iteration.
  std::default_sentinel_t end() const noexcept { return {}; }

  /// The owners of the keys; no value is copied. A lazy range, not a container: each begin() is an iteration
  /// of its own. The dictionary must outlive it.
  auto keys() const noexcept { return detail::view<container, detail::as_key>(this->container_); }
  /// Copies of the values; a lazy range.
  auto values() const noexcept { return detail::view<container, detail::as_value>(this->container_); }
  /// The items, as begin() shows them; a lazy range.
  auto items() const noexcept { return detail::view<container, detail::as_item>(this->container_); }
  /// Plain refs to the keys, which keep nothing alive; a lazy range. No value is copied.
  auto keyrefs() const noexcept { return detail::view<container, detail::as_ref>(this->container_); }

 private:
  template <class Iterator, class Sentinel> void insert_all(Iterator& first, const Sentinel& last) {
    for (; first != last; ++first) {
      auto&& [key, value] = *first;
      insert_or_assign(key, value);
    }
  }
  template <class Keep, class... Args> bool store(const owner& key, Keep& keep, Args&&... args) {
    detail::check_not_under_lock();
    const detail::tracking where = this->container_.require().require_tracked(key);
    return base::store(key, where, keep, this->look_.hash(key), std::forward<Args>(args)...);
  }
  detail::put_result<node> assign(core& present, detail::new_entry<core, node>& made, bool& was_alive) {
    return detail::assign_under_first<look::stores_run_user_code>(present, made, this->look_, was_alive);
  }
  void stage(detail::transaction<core, node>& all, const owner& key, Value value) {
    core& present = *this->container_.get();
    const detail::tracking where = present.require_tracked(key);
    all.add(*present.make_node(this->look_.hash(key), std::move(value)), key, where);
  }

  struct taken_by_another {};
  /// For values whose move may throw: copied into the caller's place, under the lock, before the entry goes.
  static std::pair<owner, Value> pop_copied(core& present, detail::pinned_entry<node, core>& found) {
    std::optional<detail::released_at_exit<node, core>> gone; // after the unlock
    const typename core::template access<true> shard(present, found.node().hash);
    const std::uint32_t index = shard->entries.find_entry(found.node());
    if (index == core::none) throw taken_by_another();
    std::pair<owner, Value> popped(found.owner, std::as_const(found.node().mapped));
    shard.take_out(index);
    gone.emplace(present, found.node(), found.owner);
    return popped;
  }
};

} // namespace v0
} // namespace weakref

#endif
