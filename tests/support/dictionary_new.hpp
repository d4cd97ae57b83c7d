// SPDX-License-Identifier: BSL-1.0
// Replaces global new and delete in the program that includes it, so it is included by one source file only.
// Counts, and can let an allocation fail.
#ifndef WEAKREF_TESTS_SUPPORT_DICTIONARY_NEW_HPP
#define WEAKREF_TESTS_SUPPORT_DICTIONARY_NEW_HPP

#include "dictionary_faults.hpp"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace dictionary_test {

struct heap {
  static inline std::atomic<long> calls{0};
  static inline std::atomic<long> blocks{0};
  static inline std::atomic<long> bytes{0}; // ever asked for
  // Allocations while is_locked said so, for tests of one thread.
  static inline bool (*is_locked)() = nullptr;
  static inline long under_lock = 0;

  static void* take(std::size_t size, std::size_t alignment) {
    if (faults::due(fault::heap)) throw std::bad_alloc();
    if (is_locked != nullptr && is_locked()) ++under_lock;
    const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
    void* const place = alignment <= alignof(std::max_align_t)
                            ? std::malloc(size == 0 ? 1 : size)
                            : std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
    if (place == nullptr) throw std::bad_alloc();
    calls.fetch_add(1, std::memory_order_relaxed);
    bytes.fetch_add(static_cast<long>(size), std::memory_order_relaxed);
    blocks.fetch_add(1, std::memory_order_relaxed);
    return place;
  }
  static void give(void* place) noexcept {
    if (place == nullptr) return;
    blocks.fetch_sub(1, std::memory_order_relaxed);
    std::free(place);
  }
};

} // namespace dictionary_test

void* operator new(std::size_t size) { return dictionary_test::heap::take(size, 1); }
void* operator new[](std::size_t size) { return dictionary_test::heap::take(size, 1); }
void* operator new(std::size_t size, std::align_val_t a) {
  return dictionary_test::heap::take(size, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t size, std::align_val_t a) {
  return dictionary_test::heap::take(size, static_cast<std::size_t>(a));
}
void operator delete(void* place) noexcept { dictionary_test::heap::give(place); }
void operator delete[](void* place) noexcept { dictionary_test::heap::give(place); }
void operator delete(void* place, std::size_t) noexcept { dictionary_test::heap::give(place); }
void operator delete[](void* place, std::size_t) noexcept { dictionary_test::heap::give(place); }
void operator delete(void* place, std::align_val_t) noexcept { dictionary_test::heap::give(place); }
void operator delete[](void* place, std::align_val_t) noexcept { dictionary_test::heap::give(place); }
void operator delete(void* place, std::size_t, std::align_val_t) noexcept {
  dictionary_test::heap::give(place);
}
void operator delete[](void* place, std::size_t, std::align_val_t) noexcept {
  dictionary_test::heap::give(place);
}

#endif
