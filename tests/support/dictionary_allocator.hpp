// SPDX-License-Identifier: BSL-1.0
// A stateful allocator that keeps accounts.
#ifndef WEAKREF_TESTS_SUPPORT_DICTIONARY_ALLOCATOR_HPP
#define WEAKREF_TESTS_SUPPORT_DICTIONARY_ALLOCATOR_HPP

#include "dictionary_faults.hpp"

#include <atomic>
#include <cstddef>
#include <memory>
#include <new>

namespace dictionary_test {

struct account {
  std::atomic<long> calls{0};
  std::atomic<long> blocks{0};
  std::atomic<long> bytes{0};
  std::atomic<long> peak{0};

  void take(long size) noexcept {
    calls.fetch_add(1, std::memory_order_relaxed);
    blocks.fetch_add(1, std::memory_order_relaxed);
    const long now = bytes.fetch_add(size, std::memory_order_relaxed) + size;
    long seen = peak.load(std::memory_order_relaxed);
    while (seen < now && !peak.compare_exchange_weak(seen, now, std::memory_order_relaxed)) {}
  }
  void give(long size) noexcept {
    blocks.fetch_sub(1, std::memory_order_relaxed);
    bytes.fetch_sub(size, std::memory_order_relaxed);
  }
};

template <class T> class accounting_allocator {
 public:
  using value_type = T;

  explicit accounting_allocator(account& where) noexcept : account_(&where) {}
  template <class U>
  accounting_allocator(const accounting_allocator<U>& other) noexcept : account_(other.books()) {}

  T* allocate(std::size_t count) {
    if (faults::due(fault::allocator)) throw std::bad_alloc();
    const faults::pause once; // where the memory comes from is no second chance to fail
    T* const place = std::allocator<T>().allocate(count);
    account_->take(static_cast<long>(count * sizeof(T)));
    return place;
  }
  void deallocate(T* place, std::size_t count) noexcept {
    account_->give(static_cast<long>(count * sizeof(T)));
    std::allocator<T>().deallocate(place, count);
  }
  account* books() const noexcept { return account_; }

  template <class U>
  friend bool operator==(const accounting_allocator& left, const accounting_allocator<U>& right) noexcept {
    return left.books() == right.books();
  }

 private:
  account* account_;
};

} // namespace dictionary_test

#endif
