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

#include <weakref/detail/operations.hpp>

#include <boost/container/vector.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace weakref::inline v0 {
namespace detail {

template <class Node, class Core> class cursor {
 public:
  using owner_type = typename Core::owner_type;

  cursor() = default;
  /// On the first entry. `container` may be null: nothing to see.
  explicit cursor(Core* container) : container_(container) {
    if (container_ == nullptr) return;
    container_->add_ref();
    is_split_ = container_->all_shards().count() > 1;
    try {
      advance();
    } catch (...) {
      close();
      throw;
    }
  }
  cursor(cursor&& other) noexcept
      : container_(std::exchange(other.container_, nullptr)),
        pinned_(std::move(other.pinned_)),
        next_(std::exchange(other.next_, 0)),
        shard_(other.shard_),
        is_split_(other.is_split_),
        current_(std::exchange(other.current_, nullptr)),
        owner_(std::move(other.owner_)) {
    other.pinned_.clear();
  }
  cursor& operator=(cursor&& other) noexcept {
    cursor(std::move(other)).swap(*this);
    return *this;
  }
  ~cursor() { close(); }

  bool is_at_end() const noexcept { return current_ == nullptr; }
  Node& node() const noexcept { return *current_; }
  const owner_type& owner() const noexcept { return owner_; }
  owner_type take_owner() noexcept { return std::move(owner_); }
  Core* container() const noexcept { return container_; }

  /// To the next living entry. Lets the current one go, which may run user code.
  /// Throws: std::bad_alloc; std::logic_error under a container's lock.
  void advance() {
    check_not_under_lock();
    let_go();
    for (;;) {
      for (; next_ < pinned_.size(); ++next_) {
        Node* const candidate = pinned_[next_];
        if ((owner_ = owner_if_present(*container_, *candidate))) {
          current_ = candidate;
          ++next_;
          return;
        }
        container_->unpin(*candidate);
      }
      pinned_.clear();
      next_ = 0;
      if (!pin_next_shard()) return;
    }
  }

 private:
  using shard = typename Core::shard;
  enum class pinning { done, retired, more_room };

  bool pin_next_shard() {
    auto& shards = container_->all_shards();
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
    pinned_.reserve(chosen.size.load(std::memory_order_relaxed));
    typename Core::template access<false> locked(*container_, chosen);
    if (locked->is_retired) return pinning::retired;
    const auto& entries = locked->entries;
    if (pinned_.capacity() < entries.size()) return pinning::more_room;
    for (std::uint32_t i = 0; i < entries.capacity(); ++i) {
      if (entries.is_empty(i)) continue;
      locked.at(i).pin();
      pinned_.push_back(&locked.at(i));
    }
    return pinning::done;
  }

  void let_go() noexcept {
    if (current_ == nullptr) return;
    Node* const former = std::exchange(current_, nullptr);
    // The node last: the key is still valid while a referent's destructor runs.
    release_owner<typename Core::sync>(owner_);
    container_->unpin(*former);
  }
  void close() noexcept {
    if (container_ == nullptr) return;
    let_go();
    for (; next_ < pinned_.size(); ++next_) container_->unpin(*pinned_[next_]);
    pinned_.clear();
    std::exchange(container_, nullptr)->drop_ref();
  }
  void swap(cursor& other) noexcept {
    std::swap(container_, other.container_);
    pinned_.swap(other.pinned_);
    std::swap(next_, other.next_);
    std::swap(shard_, other.shard_);
    std::swap(is_split_, other.is_split_);
    std::swap(current_, other.current_);
    owner_.swap(other.owner_);
  }

  Core* container_ = nullptr;
  boost::container::vector<Node*> pinned_; // from next_ on
  std::size_t next_ = 0;
  std::size_t shard_ = 0;
  bool is_split_ = false;
  Node* current_ = nullptr; // pinned
  owner_type owner_;
};

} // namespace detail
} // namespace weakref::inline v0

#endif
