// SPDX-License-Identifier: BSL-1.0
#include <weakref/detail/base/sync.hpp>

#include <thread>

namespace weakref {
inline namespace v0 {
namespace detail {

void relax(unsigned& spins) noexcept {
  // The lock is held for some tens of instructions: on another core it is free after a few pauses. If not,
  // its holder has been preempted, and only giving up the core can help.
  constexpr unsigned pauses = 64;
  if (spins++ >= pauses) return std::this_thread::yield();
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  __asm__ __volatile__("yield");
#endif
}

void wait_while(const std::atomic<std::uint32_t>& word, std::uint32_t old) noexcept { word.wait(old); }
void wake_all(std::atomic<std::uint32_t>& word) noexcept {
  // The standard library asks first whether anybody waits, and the word's new value may still be on its way to other
  // cores then; who counts himself as waiting at that moment would see the old one, and sleep on.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan" // ThreadSanitizer knows no fences, and here it has nothing to order
#endif
  std::atomic_thread_fence(std::memory_order_seq_cst);
  word.notify_all();
}
void acquire_fence() noexcept {
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan" // as above: what it orders are atomic accesses
#endif
  std::atomic_thread_fence(std::memory_order_acquire);
}

} // namespace detail
} // namespace v0
} // namespace weakref
