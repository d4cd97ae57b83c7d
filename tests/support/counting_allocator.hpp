// SPDX-License-Identifier: BSL-1.0
//
// An allocator with a state: it counts in its ledger, has no default constructor, and never touches operator
// new.
#ifndef WEAKREF_TESTS_SUPPORT_COUNTING_ALLOCATOR_HPP
#define WEAKREF_TESTS_SUPPORT_COUNTING_ALLOCATOR_HPP

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace support {

struct ledger {
  std::atomic<std::size_t> allocations{0};
  std::atomic<std::size_t> deallocations{0};
  std::atomic<std::size_t> bytes{0};
  // Copies of allocators that name this ledger: one that outlives its last deallocation would dangle.
  std::atomic<std::size_t> users{0};
  std::atomic<bool> refuses{false};
};

template <class T> class counting_allocator {
 public:
  using value_type = T;

  explicit counting_allocator(ledger& book) noexcept : book_(&book) { book_->users.fetch_add(1); }
  counting_allocator(const counting_allocator& other) noexcept : book_(other.book_) {
    book_->users.fetch_add(1);
  }
  template <class U> counting_allocator(const counting_allocator<U>& other) noexcept : book_(other.book()) {
    book_->users.fetch_add(1);
  }
  counting_allocator& operator=(const counting_allocator&) = delete;
  ~counting_allocator() { book_->users.fetch_sub(1); }

  T* allocate(std::size_t count) {
    if (book_->refuses.load()) throw std::bad_alloc();
    constexpr std::size_t alignment =
        alignof(T) < alignof(std::max_align_t) ? alignof(std::max_align_t) : alignof(T);
    const std::size_t size = (count * sizeof(T) + alignment - 1) / alignment * alignment;
    void* memory = std::aligned_alloc(alignment, size);
    if (memory == nullptr) throw std::bad_alloc();
    book_->allocations.fetch_add(1);
    book_->bytes.fetch_add(count * sizeof(T));
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t count) noexcept {
    book_->deallocations.fetch_add(1);
    book_->bytes.fetch_sub(count * sizeof(T));
    std::free(memory);
  }

  ledger* book() const noexcept { return book_; }
  template <class U> bool operator==(const counting_allocator<U>& other) const noexcept {
    return book_ == other.book();
  }

 private:
  ledger* book_;
};

} // namespace support

#endif
