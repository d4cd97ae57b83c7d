// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_WEAK_VALUE_DICTIONARY_HPP
#define WEAKREF_WEAK_VALUE_DICTIONARY_HPP

// A mapping from keys to objects that does not keep the objects alive: the heart of an object cache. When the
// last owner of an object lets go, its entry is gone at once: no sweep, no leak, no stale pointer. Python's
// WeakValueDictionary, for many threads.
//
//   weakref::WeakValueDictionary<std::string, Texture> cache;
//   std::shared_ptr<Texture> texture = cache.get_or_create(path, [&] { return Texture(path); });
//
// Use something else where the cache itself shall keep objects alive (a map of shared_ptrs), or where the key
// is the object (WeakKeyDictionary). It does not promise an order, nor a moment at which an object's
// *destructor* has ended: while an old object is being destroyed a new one can already stand under its key.
//
// Unlike Python's it has no operator[] and no find: an iterator into a table that others change can't be
// kept. Iteration never fails because of changes. Values compare by identity.
//
// Threads: every member may be called from any thread at any time, but move, swap, assignment to the
// container and destruction, which need exclusive access (deaths on other threads are never access). While
// user code runs under a lock (a visit function, a user-defined KeyEqual), members that lock, of any
// container, throw std::logic_error: two threads doing that could wait for each other forever. Deaths, refs
// and moves are fine there: what dies is put off. Only the destructor of an object that others have made
// (enable_weakref with std::make_shared, untracked) runs at once; one that uses a container does so through
// defer() (defer.hpp), or the exception would end the program.
//
// Everywhere: `k` is a Key or, where Hash and KeyEqual are transparent, anything they take (strings by
// default: a string_view or a literal allocates nothing), or what converts to a Key implicitly. A hash is computed before locking; KeyEqual runs
// under the shard's lock; no other user code but visit's function does. Keys are destroyed with no lock held.
// Storing, taking out and iterating allocate a smaller table now and then, where one has become nearly empty;
// if that fails the old one stays.
// Operations are O(1) on average, lock one shard, allocate nothing, throw nothing but what Hash and KeyEqual
// throw (and what making a Key from `k` throws), and leave the container as it was if they throw, unless said
// otherwise.

#include <weakref/detail/container/creation.hpp>
#include <weakref/detail/container/value_node.hpp>
#include <weakref/detail/interface/iterator.hpp>
#include <weakref/detail/interface/lookup.hpp>
#include <weakref/detail/interface/mapping.hpp>
#include <weakref/detail/interface/shell.hpp>
#include <weakref/errors.hpp>
#include <weakref/fwd.hpp>
#include <weakref/hash.hpp>
#include <weakref/keyed_ref.hpp>
#include <weakref/mutex.hpp>
#include <weakref/pmr.hpp>
#include <weakref/referent.hpp>

#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <utility>

namespace weakref {
inline namespace v0 {

/// Objects by key, which it does not keep alive.
template <class Key, class T, class Hash, class KeyEqual, class Allocator, class Mutex>
class WeakValueDictionary
    : private detail::shell<detail::value_node<Key, T>, detail::lookup<Key, Hash, KeyEqual>, Mutex,
                            Allocator>,
      public detail::mapping<WeakValueDictionary<Key, T, Hash, KeyEqual, Allocator, Mutex>> {
  using base =
      detail::shell<detail::value_node<Key, T>, detail::lookup<Key, Hash, KeyEqual>, Mutex, Allocator>;
  using typename base::container;
  using typename base::core;
  using typename base::look;
  using typename base::node;

 public:
  using key_type = Key;                     ///< What objects are stored under.
  using mapped_type = T;                    ///< What is stored.
  using owner = std::shared_ptr<T>;         ///< How an object is stored and handed out.
  using value_type = std::pair<Key, owner>; ///< What ranges and lists to store hold.
  using size_type = std::size_t;            ///< Counts entries.
  using difference_type = std::ptrdiff_t;   ///< Every range has one.
  using hasher = Hash;                      ///< Of keys. Called with no lock held.
  using key_equal = KeyEqual;               ///< Of keys. Called under a shard's lock.
  using allocator_type = Allocator;         ///< Makes nodes and tables.
  using mutex_type = Mutex;                 ///< One for each shard.
  using item = detail::value_item<Key, T>;  ///< What iteration shows: `const Key& key; owner value;`.
  using iterator =
      detail::iterator<container, detail::as_item>; ///< For input; moved, not copied: it holds an object.
  using const_iterator = iterator;                  ///< The same: iteration changes nothing.

  // --- made, copied, moved -------------------------------------------------------------------------------
  // Copies: O(n), allocates; the living entries. No lock is held on either side while one is copied. Moves:
  // O(1), no entry is touched; the other is empty afterwards, and usable. (Move assignment is O(n) where the
  // allocators differ and don't propagate.) Destruction: O(entries); objects that are dying meanwhile, on any
  // thread, finish undisturbed. All in detail/interface/shell.hpp.

  /// Empty. Allocates nothing.
  WeakValueDictionary() noexcept = default;
  /// Empty, made as the options say. Allocates nothing. The allocator makes nodes and tables, and what
  /// try_emplace and get_or_create make. It is used from any thread that drops an owner, and must outlive the
  /// container, the evictions in hand, and those objects.
  explicit WeakValueDictionary(const options& chosen, const Allocator& allocator = Allocator())
      : base(chosen, allocator) {}
  /// The same with default options.
  explicit WeakValueDictionary(const Allocator& allocator) : base(options(), allocator) {}
  /// With a Hash and a KeyEqual that are not like any other of their types. Copied; both go with the contents in
  /// copies, moves and swaps.
  WeakValueDictionary(const options& chosen, const Hash& hash, const KeyEqual& equal = KeyEqual(),
                      const Allocator& allocator = Allocator())
      : base(chosen, look(hash, equal), allocator) {}
  /// From pairs, whose keys are copied. A later pair replaces an earlier one with an equal key.
  ///
  /// Cost: O(n), allocates. Throws: as insert.
  template <std::input_iterator Iterator, std::sentinel_for<Iterator> Sentinel>
  WeakValueDictionary(Iterator first, Sentinel last, const options& chosen = {},
                      const Allocator& allocator = Allocator())
      : base(chosen, allocator) {
    insert_all(first, last);
  }
  /// The same with a Hash and a KeyEqual.
  template <std::input_iterator Iterator, std::sentinel_for<Iterator> Sentinel>
  WeakValueDictionary(Iterator first, Sentinel last, const options& chosen, const Hash& hash,
                      const KeyEqual& equal = KeyEqual(), const Allocator& allocator = Allocator())
      : base(chosen, look(hash, equal), allocator) {
    insert_all(first, last);
  }
  /// From a range: as update(). Cost: O(n), allocates. Throws: as update().
  template <class Range>
    requires(!std::same_as<std::remove_cvref_t<Range>, WeakValueDictionary> &&
             detail::range_of_pairs<Range, Key, owner>)
  explicit WeakValueDictionary(Range&& range, const options& chosen = {},
                               const Allocator& allocator = Allocator())
      : base(chosen, allocator) {
    update(std::forward<Range>(range));
  }
  /// The same with a Hash and a KeyEqual.
  template <detail::range_of_pairs<Key, owner> Range>
  WeakValueDictionary(Range&& range, const options& chosen, const Hash& hash,
                      const KeyEqual& equal = KeyEqual(), const Allocator& allocator = Allocator())
      : base(chosen, look(hash, equal), allocator) {
    update(std::forward<Range>(range));
  }
  /// From a list, as from its iterators. Cost: O(n), allocates.
  WeakValueDictionary(std::initializer_list<detail::listed<Key, owner>> pairs, const options& chosen = {},
                      const Allocator& allocator = Allocator())
      : WeakValueDictionary(pairs.begin(), pairs.end(), chosen, allocator) {}
  /// The same with a Hash and a KeyEqual.
  WeakValueDictionary(std::initializer_list<detail::listed<Key, owner>> pairs, const options& chosen,
                      const Hash& hash, const KeyEqual& equal = KeyEqual(),
                      const Allocator& allocator = Allocator())
      : WeakValueDictionary(pairs.begin(), pairs.end(), chosen, hash, equal, allocator) {}

  /// Exchanges the contents and touches no entry. The allocators must be equal or propagate.
  void swap(WeakValueDictionary& other) noexcept { base::swap(other); }

  /// A copy of the allocator.
  using base::get_allocator;
  /// A copy of what hashes.
  Hash hash_function() const { return this->look_.hash_function(); }
  /// A copy of what compares.
  KeyEqual key_eq() const { return this->look_.key_eq(); }

  // --- looked up -----------------------------------------------------------------------------------------

  /// An owner of the object, or empty. While a creation of k is in progress: empty, at once.
  template <detail::key_for<Key, Hash, KeyEqual> K = Key> owner get(const K& k) const {
    return base::get_owner(k);
  }
  /// An owner of the object, or the given one.
  template <detail::key_for<Key, Hash, KeyEqual> K = Key> owner get(const K& k, owner otherwise) const {
    owner found = get(k);
    return found != nullptr ? found : otherwise;
  }
  /// An owner of the object. Throws: std::out_of_range if there is no living entry.
  template <detail::key_for<Key, Hash, KeyEqual> K = Key> owner at(const K& k) const {
    owner found = get(k);
    if (found == nullptr)
      throw std::out_of_range("weakref::WeakValueDictionary::at: no living entry of this key");
    return found;
  }
  /// Whether k has a living entry. Already old when it returns: use get() to look and hold in one step.
  template <detail::key_for<Key, Hash, KeyEqual> K = Key> bool contains(const K& k) const {
    return base::contains(k);
  }
  /// Calls f(T&) if k has a living entry. The reference count of a tracked object is not touched: about half
  /// the cost of get(). Keep f short.
  ///
  /// Runs user code: f, under the shard's lock. Deaths that f causes on this thread happen after the unlock,
  /// before visit returns or f's exception leaves it.
  template <detail::key_for<Key, Hash, KeyEqual> K = Key, class F> bool visit(const K& k, F&& f) const {
    return base::visit(k, [&f](node&, T& object) { std::forward<F>(f)(object); });
  }

  /// Whether size() is 0.
  using base::empty;
  /// Entries, among them those whose object's death is under way at this moment. With accept_untracked an
  /// upper bound of the living ones. Cost: O(shards), no lock.
  using base::size;
  /// What was looked up, created and evicted, for containers that count (statistics.hpp). O(shards), locks one
  /// after the other: what other threads do meanwhile is counted or not. Throws: std::logic_error under a
  /// container's lock.
  weakref::statistics statistics() const requires(detail::counters<Mutex>::are_kept) {
    return base::statistics();
  }

  // --- stored --------------------------------------------------------------------------------------------

  /// Stores unless k has a living entry. Returns the owner that is in the container now, and whether it is
  /// new.
  ///
  /// Cost: allocates a node, and now and then a larger table. Throws: untracked_error for an untracked
  /// (unless accepted), null or ownerless owner; std::bad_alloc; what moving the key throws.
  std::pair<owner, bool> insert(Key key, owner value) {
    detail::keep_owner<core, node> keep;
    if (store(std::move(key), value, keep)) return {std::move(value), true};
    return {std::move(keep.existing), false};
  }
  /// The same for a pair.
  std::pair<owner, bool> insert(value_type pair) {
    return insert(std::move(pair.first), std::move(pair.second));
  }
  /// Stores, with a new node, also if k has a living entry. True if it had none. For a loop or a copy that is under
  /// way the old entry goes and a new one comes: it may see the key with either object, or not at all.
  ///
  /// Cost: as insert. Throws: as insert.
  bool insert_or_assign(Key key, owner value) {
    detail::assign<core, node> policy;
    store(std::move(key), value, policy);
    return !policy.was_alive;
  }
  /// Stores unless k has a living entry, and returns the owner that is in the container now. Python's
  /// setdefault.
  ///
  /// Cost: as insert. Throws: as insert.
  owner setdefault(Key key, owner value) { return insert(std::move(key), std::move(value)).first; }

  /// Makes T(args...) unless k has a living entry: object, control block, watch list and node in one
  /// allocation. Of concurrent callers several may construct; one object is stored and returned to all.
  ///
  /// Cost: allocates once, and now and then a larger table. Throws: std::bad_alloc; what the constructor
  /// throws.
  /// Runs user code: the constructor, no lock held.
  template <detail::makes_key<Key, Hash, KeyEqual> K = Key, class... Args>
  [[nodiscard]] std::pair<owner, bool> try_emplace(K&& k, Args&&... args) {
    detail::check_not_under_lock();
    core& present = this->container_.require();
    return this->look_.with(std::forward<K>(k), [&](auto&& key) -> std::pair<owner, bool> {
      using direct = decltype(key);
      const std::uint32_t hash = this->look_.hash(key);
      typename core::last_look missed;
      if (owner found = detail::find_owner<look::template runs_user_code<direct>, node>(
              present, hash, this->look_.matcher(key), &missed))
        return {std::move(found), false};
      detail::block_creation<core, node, std::remove_cv_t<T>> creation(present, hash,
                                                                       std::forward<direct>(key));
      auto& made = creation.construct(std::forward<Args>(args)...);
      detail::keep_owner<core, node> keep;
      if (!this->put(present, made, keep, missed)) return {std::move(keep.existing), false};
      return {made.take_owner(), true};
    });
  }

  /// The living object of k; if there is none, what factory() (or factory(key)) makes: a T or a class derived
  /// from it, a std::unique_ptr, or a std::shared_ptr. The first two are made tracked, a T in one allocation
  /// with its node; an untracked shared_ptr that is its object's only owner is adopted. (A std::weak_ptr that the
  /// factory has kept of it knows the owner before adoption: what it locks keeps the object alive, and nobody sees.)
  ///
  /// Single flight: of all concurrent callers with one key exactly one runs its factory, the others wait and
  /// get that very object. If the factory throws or returns null its caller gets that, nothing is stored, and
  /// one waiter runs its own. What insert() stores meanwhile wins; erase() and clear() do not cancel. No lock
  /// is held during the factory, and it may use the container. A key given by reference, if it is not one that can be
  /// copied byte by byte, must not be changed by others while this waits.
  ///
  /// Cost: a hit allocates nothing. A T and its node are one allocation; a pointer's object, if it is not
  /// tracked yet, and its node are one each.
  /// Throws: what the factory throws; std::logic_error if waiting would close a cycle: a factory that asks for
  /// its own key, directly or through other threads' factories; untracked_error for an untracked shared_ptr
  /// with other owners; std::bad_alloc. Runs user code: the factory, no lock held.
  template <detail::makes_key<Key, Hash, KeyEqual> K = Key, class Factory>
  [[nodiscard]] owner get_or_create(K&& k, Factory&& factory) {
    detail::check_not_under_lock();
    core& present = this->container_.require();
    using creation = detail::creation_by<core, node, Factory>;
    return this->look_.with(std::forward<K>(k), [&](auto&& key) {
      using direct = decltype(key);
      const std::uint32_t hash = this->look_.hash(key);
      return detail::get_or_create<look::template runs_user_code<direct>, creation,
                                   detail::keep_owner<core, node>, node>(
          present, hash, std::forward<direct>(key), this->look_, factory);
    });
  }

  // --- taken out -----------------------------------------------------------------------------------------

  /// Takes the entry out and returns its owner; empty if there was none.
  template <detail::key_for<Key, Hash, KeyEqual> K = Key> owner pop(const K& k) { return base::take(k); }
  /// Takes the entry out and returns its owner; the given one if there was none.
  template <detail::key_for<Key, Hash, KeyEqual> K = Key> owner pop(const K& k, owner otherwise) {
    owner taken = pop(k);
    return taken != nullptr ? taken : otherwise;
  }
  /// Takes some living entry out. Python's popitem, which takes the newest.
  ///
  /// Cost: O(1) if all are taken out so, one after the other; O(capacity) at worst. Throws: std::out_of_range
  /// if there is none; what copying the key throws.
  std::pair<Key, owner> popitem() requires std::copy_constructible<Key> {
    detail::check_not_under_lock();
    core* const present = this->container_.get();
    if (present == nullptr) throw_empty();
    for (detail::pinned_entry<node, core> found(*present); detail::pin_living(*present, found);) {
      try {
        // The pair is made in the caller's place and the entry goes between its halves: so not even a key
        // whose move throws is lost.
        return std::pair<Key, owner>(std::as_const(found.node()).key(), taking{*present, found});
      } catch (const taken_by_another&) {}
    }
    throw_empty();
  }
  /// The same for a key that can only be moved: an iterator that stands on this entry sees a moved-from key,
  /// and if the move throws, the entry is gone. Threads: not while another one iterates, whose loop body may be reading
  /// that key.
  std::pair<Key, owner> popitem() {
    std::optional<typename base::popped_entry> popped;
    if (!this->take_any(popped)) throw_empty();
    return {std::move(popped->payload), std::move(popped->owner)};
  }
  /// Takes the entry out. True if there was a living one.
  template <detail::key_for<Key, Hash, KeyEqual> K = Key> bool erase(const K& k) { return pop(k) != nullptr; }
  /// Takes out the living entries for which pred(const Key&, const owner&) holds, and returns how many they
  /// were. Nothing is taken out before pred has seen all.
  ///
  /// Cost: O(n), allocates for the iteration and for those taken out. Throws: std::bad_alloc; what pred
  /// throws.
  /// Runs user code: pred, no lock held.
  template <class Predicate> size_type erase_if(Predicate pred) {
    return base::erase_if([&pred](core&, node& seen, const owner& value) -> bool {
      return pred(std::as_const(seen).key(), value);
    });
  }
  /// Takes all out, shard by shard: what others store meanwhile may stay. Cost: O(n).
  using base::clear;

  // --- as a whole ----------------------------------------------------------------------------------------

  /// Stores as insert_or_assign each pair of a range, or each living entry of a dictionary, whose keys are
  /// copied: all or, if something throws, none. What is replaced is let go after the last of them is stored.
  /// Python's update.
  ///
  /// Cost: O(m), allocates. Throws: as insert; what copying a key and the range itself throw.
  template <std::ranges::input_range Range> void update(Range&& range) {
    base::update(
        range,
        [this](auto& all, auto&& pair) {
          auto&& [key, value] = pair;
          static_assert(std::convertible_to<decltype((key)), Key>, "its first is no key");
          static_assert(
              std::convertible_to<decltype((value)), owner>,
              "update takes pairs of keys and std::shared_ptrs; lock() weak ones, and leave out the dead");
          stage(all, key, value);
        },
        [this](auto& each) {
          return this->put_unreleased(*this->container_.get(), each, detail::assign<core, node>());
        });
  }
  /// The same for a list.
  void update(std::initializer_list<detail::listed<Key, owner>> pairs) {
    update<const std::initializer_list<detail::listed<Key, owner>>&>(pairs);
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

  /// The first item, for one pass over all: `for (const auto& [key, value] : dictionary)`. No lock is held in
  /// the loop body, which may do anything; only the current object is kept alive. An entry that stays
  /// throughout is seen exactly once (a key that is given another object meanwhile, with the one or the other); one that
  /// comes or goes meanwhile may be seen or not. key and value stay valid for the loop body.
  ///
  /// Cost: O(capacity) for begin(), or in parts for each shard: it copies the table, some twelve bytes an entry. No lock
  /// for a step; while the loop runs each erasure looks into the copy too. Throws: std::bad_alloc, also when it goes on
  /// to a further shard: then a further ++ tries again, and nothing else can be done with the iterator.
  iterator begin() const { return iterator(this->container_.first()); }
  /// The end, of every iteration.
  std::default_sentinel_t end() const noexcept { return {}; }

  /// The keys. A lazy range, not a container: each begin() is an iteration of its own. The dictionary must
  /// outlive it.
  auto keys() const noexcept { return detail::view<container, detail::as_key>(this->container_); }
  /// The owners of the objects; a lazy range.
  auto values() const noexcept { return detail::view<container, detail::as_value>(this->container_); }
  /// The items, as begin() shows them; a lazy range.
  auto items() const noexcept { return detail::view<container, detail::as_item>(this->container_); }
  /// Plain refs to the objects, which keep nothing alive; a lazy range.
  auto valuerefs() const noexcept { return detail::view<container, detail::as_ref>(this->container_); }

 private:
  template <class Iterator, class Sentinel> void insert_all(Iterator& first, const Sentinel& last) {
    for (; first != last; ++first) {
      auto&& [key, value] = *first;
      insert_or_assign(key, value);
    }
  }
  template <class Keep> bool store(Key&& key, const owner& value, Keep& keep) {
    detail::check_not_under_lock();
    const detail::tracking where = this->container_.require().require_tracked(value);
    const std::uint32_t hash = this->look_.hash(std::as_const(key));
    return base::store(value, where, keep, hash, std::move(key));
  }

  void stage(detail::transaction<core, node>& all, Key key, const owner& value) {
    core& present = *this->container_.get();
    const detail::tracking where = present.require_tracked(value);
    const std::uint32_t hash = this->look_.hash(std::as_const(key));
    all.add(*present.make_node(hash, std::move(key)), value, where);
  }

  struct taken_by_another {};
  /// What popitem() makes the pair's second half from: takes the entry out.
  struct taking {
    core& container;
    detail::pinned_entry<node, core>& found;
    operator owner() const {
      if (!detail::take_entry(container, found.node(), found.owner)) throw taken_by_another();
      return std::move(found.owner);
    }
  };

  [[noreturn]] static void throw_empty() {
    throw std::out_of_range("weakref::WeakValueDictionary::popitem: the dictionary is empty");
  }
};

} // namespace v0
} // namespace weakref

#endif
