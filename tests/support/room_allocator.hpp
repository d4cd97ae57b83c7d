// SPDX-License-Identifier: BSL-1.0
// An allocator that tells the room of tables from all other memory, and can refuse it.
#ifndef WEAKREF_TESTS_SUPPORT_ROOM_ALLOCATOR_HPP
#define WEAKREF_TESTS_SUPPORT_ROOM_ALLOCATOR_HPP

#include <weakref/detail/table/table.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>

namespace dictionary_test {

struct room_books {
  long tables = 0;        // rooms of tables that were ever made
  long slots = 0;         // that are there now
  long bytes = 0;         // of everything
  long blocks = 0;        // likewise
  bool is_scarce = false; // no more room for tables
  long refused = 0;
};

template <class T> inline constexpr bool is_room = false;
template <class Allocator>
inline constexpr bool is_room<weakref::detail::unaligned_line<weakref::detail::groups<Allocator>>> = true;

template <class T> class room_allocator {
 public:
  using value_type = T;
  static constexpr bool is_for_tables = is_room<T>;

  explicit room_allocator(room_books& where) noexcept : books_(&where) {}
  template <class U> room_allocator(const room_allocator<U>& other) noexcept : books_(other.books()) {}

  T* allocate(std::size_t count) {
    if constexpr (is_for_tables) {
      if (books_->is_scarce) {
        ++books_->refused;
        throw std::bad_alloc();
      }
    }
    T* const place = std::allocator<T>().allocate(count);
    add(static_cast<long>(count), 1);
    return place;
  }
  void deallocate(T* place, std::size_t count) noexcept {
    add(-static_cast<long>(count), -1);
    std::allocator<T>().deallocate(place, count);
  }
  room_books* books() const noexcept { return books_; }

  template <class U>
  friend bool operator==(const room_allocator& left, const room_allocator<U>& right) noexcept {
    return left.books() == right.books();
  }

 private:
  void add(long count, long blocks) noexcept {
    books_->bytes += count * static_cast<long>(sizeof(T));
    books_->blocks += blocks;
    if constexpr (is_for_tables) {
      books_->slots += (count - blocks) * 7; // one line is there to begin with one
      if (blocks > 0) ++books_->tables;
    }
  }

  room_books* books_;
};

} // namespace dictionary_test

#endif
