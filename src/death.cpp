// SPDX-License-Identifier: BSL-1.0
#include <weakref/detail/referent/block.hpp>
#include <weakref/detail/referent/death.hpp>
#include <weakref/detail/referent/enable_weakref.hpp>
#include <weakref/detail/referent/tracking.hpp>
#include <weakref/referent.hpp>

#include <typeinfo>

namespace weakref {
inline namespace v0 {
namespace detail {

template class death<default_sync>;
constinit const referent_operations default_list_operations = make_list_operations<default_sync>();
constinit const char library_mark = 0;

#if WEAKREF_HAS_RTTI
// libc++ tells types apart by the address of their type_info. The library has these, and plugins that were loaded
// with RTLD_LOCAL take them from it.
extern WEAKREF_API const std::type_info* const shared_types[];
const std::type_info* const shared_types[] = {&typeid(block_deleter),
                                              &typeid(basic_enable_weakref<default_sync>)};
#endif

constinit std::atomic<std::uint32_t> awaited_callbacks{0};

referent_header* block_of([[maybe_unused]] const std::shared_ptr<const void>& owner) noexcept {
#if WEAKREF_HAS_RTTI
  if (const auto* const deleter = std::get_deleter<block_deleter>(owner)) return ours(deleter->header);
#endif
  return nullptr;
}

std::size_t count_watchers(referent_header* header) noexcept {
  if (header == nullptr) return 0;
  std::size_t count = 0;
  list_lock<default_sync> lock(header->list);
  for (const watcher* each = lock.first(); each != nullptr; each = each->next) ++count;
  return count;
}

void copy_watchers(referent_header* header, std::vector<const void*>& out) {
  if (header == nullptr) return;
  // Room is made with the lock free; if the list has grown meanwhile, more room is made.
  for (std::size_t count = count_watchers(header);; count = 2 * count + 1) {
    out.clear();
    out.reserve(count);
    list_lock<default_sync> lock(header->list);
    const watcher* each = lock.first();
    for (; each != nullptr && out.size() < out.capacity(); each = each->next) out.push_back(each);
    if (each == nullptr) return;
  }
}

} // namespace detail
} // namespace v0
} // namespace weakref

// In the one file that whatever tracks an object needs, so that it comes along from a static library too.
#if defined(WEAKREF_GDB_SECTION)
#include WEAKREF_GDB_SECTION
#endif
