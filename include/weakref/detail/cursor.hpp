// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_CURSOR_HPP
#define WEAKREF_DETAIL_CURSOR_HPP

// Iteration while everything may change. A cursor pins the nodes of one shard at a time, all that are there
// at one moment, and then asks for each, under the lock, whether it is still in the table. So an entry that
// stays is seen exactly once, whatever is inserted, erased or rehashed meanwhile. Only the current referent
// is held strongly; a pinned node that has left its table keeps its key for the loop body, and nothing of the
// object.
//
// A container that splits after its first shard was pinned is complete with that shard: what stays was in it.
//
// Where a cursor stands lies in memory of its own, so that an iteration that is given up inside user code under
// some container's lock can be ended later: letting pinned nodes go destroys keys and values.

#include <weakref/detail/operations.hpp>

#include <boost/container/vector.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace weakref {
inline namespace v0 {
namespace detail {

template <class Node, class Core> class cursor_position final : public put_off_work {
 public:
  using owner_type = typename Core::owner_type;

  explicit cursor_position(Core& of) noexcept : container(of), is_split_(container.all_shards().count() > 1) {
    container.add_ref();
  }

  void finish() noexcept override { delete this; }

  /// To the next living entry; false at the end. Lets the current one go, which may run user code.
  /// Throws: std::bad_alloc.
  bool advance() {
    let_go();
    for (;;) {
      for (; next_ < pinned_.size(); ++next_) {
        Node* const candidate = pinned_[next_];
        if ((owner = detail::owner_if_present(container, *candidate))) {
          node = candidate;
          ++next_;
          return true;
        }
        container.unpin(*candidate);
      }
      pinned_.clear();
      next_ = 0;
      if (!pin_next_shard()) return false;
    }
  }

  Core& container;
  Node* node = nullptr; // pinned
  owner_type owner;

 private:
  using shard = typename Core::shard;
  enum class pinning { done, retired, more_room };

  ~cursor_position() {
    let_go();
    for (; next_ < pinned_.size(); ++next_) container.unpin(*pinned_[next_]);
    container.drop_ref();
  }

  bool pin_next_shard() {
    auto& shards = container.all_shards();
    for (;;) {
      if (shard_ == (is_split_ ? shards.count() : 1)) return false;
      switch (pin(shards.at(is_split_, shard_))) {
      case pinning::done:
        ++shard_;
        return true;
      case pinning::retired:
        is_split_ = true;
        break;
      case pinning::more_room:
        break;
      }
    }
  }
  pinning pin(shard& chosen) {
    // Room is made with no lock held.
    pinned_.reserve(chosen.entries.size());
    after_unlock<Core, Node> after(container);
    typename Core::template access<false> locked(container, chosen);
    if (locked->is_retired) return pinning::retired;
    const auto& entries = locked->entries;
    if (pinned_.capacity() < entries.size()) return pinning::more_room;
    after.tidy_and_shrink(chosen);
    for (std::uint32_t i = 0; pinned_.size() < entries.size(); ++i) {
      if (entries.is_empty(i)) continue;
      locked.at(i).pin();
      pinned_.push_back(&locked.at(i));
    }
    return pinning::done;
  }

  void let_go() noexcept {
    if (node == nullptr) return;
    Node* const former = std::exchange(node, nullptr);
    // The node last: the key is still valid while a referent's destructor runs.
    detail::release_owner<typename Core::sync>(owner);
    container.unpin(*former);
  }

  boost::container::vector<Node*> pinned_; // from next_ on
  std::size_t next_ = 0;
  std::size_t shard_ = 0;
  bool is_split_;
};

template <class Node, class Core> class cursor {
  using position = cursor_position<Node, Core>;

 public:
  using owner_type = typename Core::owner_type;

  cursor() = default;
  /// On the first entry. `container` may be null: nothing to see.
  explicit cursor(Core* container) {
    if (container == nullptr) return;
    position_.reset(new position(*container));
    advance();
  }

  bool is_at_end() const noexcept { return position_ == nullptr; }
  Node& node() const noexcept { return *position_->node; }
  const owner_type& owner() const noexcept { return position_->owner; }
  owner_type take_owner() noexcept { return std::move(position_->owner); }
  Core* container() const noexcept { return &position_->container; }

  /// To the next living entry. Lets the current one go, which may run user code.
  /// Throws: std::bad_alloc; std::logic_error under a container's lock.
  void advance() {
    check_not_under_lock();
    if (!position_->advance()) position_.reset();
  }

 private:
  struct end {
    void operator()(position* over) const noexcept { over->run_outside_locks(); }
  };
  std::unique_ptr<position, end> position_;
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
