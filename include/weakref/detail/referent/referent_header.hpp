// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_REFERENT_REFERENT_HEADER_HPP
#define WEAKREF_DETAIL_REFERENT_REFERENT_HEADER_HPP

// The first sixteen bytes of whatever makes an object tracked: its watch list, and how to end its life.
//
// The memory has two users whose ends come in either order when a death is put off: the control block (its
// last weak reference) and the death itself. The second to end frees the memory. A death that is not put off
// always ends first, inside the control block's own disposal, and pays for no atomic operation.

#include <weakref/detail/referent/watch_list.hpp>

#include <atomic>
#include <cstdint>

namespace weakref {
inline namespace v0 {
namespace detail {

/// Its address tells this copy of the library from another one in the process.
extern WEAKREF_API const char library_mark;

struct alignas(8) referent_operations {
  /// The last owner let go.
  void (*die)(referent_header&) noexcept;
  /// Takes this death, put off before, out of its queue, says which one comes next, and runs it.
  void (*resume)(referent_header&, referent_header*& next) noexcept;
  /// The last step of the death: destroys the object.
  void (*finish)(referent_header&) noexcept;
  void (*deallocate)(referent_header&) noexcept;
  /// A ref with a callback comes to use, or leaves, the watch list. Null where its weak reference keeps the
  /// list's memory anyway.
  void (*retain)(referent_header&) noexcept;
  void (*release)(referent_header&) noexcept;
  const char* library = &library_mark;
};

struct referent_header {
  explicit referent_header(const referent_operations& operations) noexcept
      : operations_and_flags(reinterpret_cast<std::uintptr_t>(&operations)) {}

  const referent_operations& operations() const noexcept {
    const std::uintptr_t word = operations_and_flags.load(std::memory_order_relaxed);
    return *reinterpret_cast<const referent_operations*>(word & ~flags);
  }
  /// False for an object of another copy of the library (one linked statically into another shared object). It
  /// has its own thread records, and would not know that its death must be put off.
  bool is_ours() const noexcept { return operations().library == &library_mark; }

  // relaxed: it is set before the deleter returns, and the control block's weak count orders that before the
  // deallocation, the only other reader
  void mark_put_off() noexcept {
    operations_and_flags.store(operations_and_flags.load(std::memory_order_relaxed) | put_off,
                               std::memory_order_relaxed);
  }
  bool was_put_off() const noexcept {
    return (operations_and_flags.load(std::memory_order_relaxed) & put_off) != 0;
  }
  /// True for the second caller, who frees the memory.
  bool is_second_to_end() noexcept {
    // acq_rel: the first one's last use of the memory (release) comes before the second one frees it
    // (acquire)
    return (operations_and_flags.fetch_or(one_ended, std::memory_order_acq_rel) & one_ended) != 0;
  }

  static constexpr std::uintptr_t put_off = 1;
  static constexpr std::uintptr_t one_ended = 2;
  static constexpr std::uintptr_t flags = 7;

  watch_list list;
  std::atomic<std::uintptr_t> operations_and_flags;
};
static_assert(sizeof(referent_header) == 16);

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
