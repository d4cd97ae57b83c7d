// SPDX-License-Identifier: BSL-1.0
//
// Counts what the program takes from the heap. It replaces the global operator new, so exactly one source
// file of a program may include it.
#ifndef WEAKREF_TESTS_SUPPORT_COUNTING_NEW_HPP
#define WEAKREF_TESTS_SUPPORT_COUNTING_NEW_HPP

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>

namespace support {

inline std::atomic<std::size_t> heap_allocations{0};
inline std::atomic<std::size_t> heap_deallocations{0};

inline constexpr std::size_t never = std::numeric_limits<std::size_t>::max();

// Per thread, so that a failure ordered by a test never hits a helper thread of the test runner.
inline thread_local std::size_t allocations_before_failure = never;

// Called before each allocation of this thread: what a test lets happen meanwhile.
inline thread_local void (*on_allocation)() = nullptr;

// What happened on the heap since its construction.
class heap_watch {
 public:
  std::size_t made() const noexcept { return heap_allocations.load() - made_before_; }
  std::size_t freed() const noexcept { return heap_deallocations.load() - freed_before_; }
  std::size_t kept() const noexcept { return made() - freed(); }

 private:
  std::size_t made_before_ = heap_allocations.load();
  std::size_t freed_before_ = heap_deallocations.load();
};

// The allocation after `budget` successful ones fails, once; for as long as this lives.
class failing_allocation {
 public:
  explicit failing_allocation(std::size_t budget) noexcept { allocations_before_failure = budget; }
  failing_allocation(const failing_allocation&) = delete;
  failing_allocation& operator=(const failing_allocation&) = delete;
  ~failing_allocation() { allocations_before_failure = never; }

  bool happened() const noexcept { return allocations_before_failure == never; }
};

// Not inlined anywhere: the compiler would see new paired with free and warn.
[[gnu::noinline]] inline void* take(std::size_t size, std::size_t alignment) {
  if (on_allocation != nullptr) on_allocation();
  if (allocations_before_failure != never) {
    if (allocations_before_failure == 0) {
      allocations_before_failure = never;
      throw std::bad_alloc();
    }
    --allocations_before_failure;
  }
  void* memory = nullptr;
  if (alignment <= alignof(std::max_align_t)) {
    memory = std::malloc(size != 0 ? size : 1);
  } else {
    memory = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  }
  if (memory == nullptr) throw std::bad_alloc();
  heap_allocations.fetch_add(1);
  return memory;
}

[[gnu::noinline]] inline void give_back(void* memory) noexcept {
  if (memory == nullptr) return;
  heap_deallocations.fetch_add(1);
  std::free(memory);
}

} // namespace support

void* operator new(std::size_t size) { return support::take(size, 1); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return support::take(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { support::give_back(memory); }
void operator delete(void* memory, std::size_t) noexcept { support::give_back(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { support::give_back(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { support::give_back(memory); }

#endif
