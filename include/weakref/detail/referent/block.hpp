// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_REFERENT_BLOCK_HPP
#define WEAKREF_DETAIL_REFERENT_BLOCK_HPP

// One allocation for everything a tracked object needs. With a 64-byte object, an eight-byte key and
// libstdc++:
//
//    0   referent_header     watch list 8, operations 8
//   16   dictionary node     56   (watcher 24, shares 4, hash 4, weak_ptr 16, key 8); where made together
//   72   control block       32   (vtable 8, counts 8, object's address 8, our deleter 8)
//  104   object              64
//  168   end: malloc's 176-byte class, where plain make_shared of the object takes 96
//
// In this order what a look-up reads, from the hash to the beginning of the object, lies together: two cache lines,
// wherever malloc begins, instead of 2.25 on average with the control block in front.
//
// The owner is std::shared_ptr<T>(address, deleter, allocator). The deleter is one non-template class, so
// that std::get_deleter finds the header from every alias and base; the allocator places the control block
// inside the block. Both would normally carry a pointer to it, but shared_ptr stores them, and eight more
// bytes would cost a malloc class: so the allocator is empty. It is told the place through the thread's
// record, for the few instructions of one constructor, and finds the block again from the control block's own
// address: its type says how far from the beginning that is.
//
// The deleter has no virtual function, although that would give its type_info a single home in the library's
// object file: the virtual pointer is eight bytes too. Its type_info has default visibility instead, which
// the dynamic linker unifies; libstdc++ compares names anyway.

#include <weakref/detail/base/thread_record.hpp>
#include <weakref/detail/referent/death.hpp>
#include <weakref/detail/referent/referent_header.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace weakref {
inline namespace v0 {
namespace detail {

struct WEAKREF_API block_deleter {
  template <class T> void operator()(T*) const noexcept { header->operations().die(*header); }
  referent_header* header;
};

// Measured: libstdc++ 12 needs 32 bytes, libc++ 14 needs 40. A control block that does not fit gets an
// allocation of its own.
#if defined(__GLIBCXX__)
inline constexpr std::size_t control_block_bytes = 32;
#else
inline constexpr std::size_t control_block_bytes = 40;
#endif

/// The last weak reference is gone.
inline void control_block_gone(referent_header& header) noexcept {
  if (!header.was_put_off() || header.is_second_to_end()) header.operations().deallocate(header);
}
/// A death that was put off is over.
inline void put_off_death_over(referent_header& header) noexcept {
  if (header.is_second_to_end()) header.operations().deallocate(header);
}

/// Places the control block inside the block whose place stands in this thread's record, so far behind the header.
template <class T, std::size_t Offset> struct block_allocator {
  using value_type = T;
  template <class Other> struct rebind { using other = block_allocator<Other, Offset>; };
  using is_always_equal = std::true_type;
  static constexpr bool fits = sizeof(T) <= control_block_bytes && alignof(T) <= alignof(void*);

  block_allocator() = default;
  template <class Other> block_allocator(const block_allocator<Other, Offset>&) noexcept {}

  T* allocate(std::size_t) {
    void* const place = std::exchange(this_thread().control_block_place, nullptr);
    if constexpr (fits) {
      return static_cast<T*>(place);
    } else {
      auto* const memory = static_cast<std::byte*>(::operator new(prefix + sizeof(T), alignment));
      *reinterpret_cast<void**>(memory) = place;
      return reinterpret_cast<T*>(memory + prefix);
    }
  }
  void deallocate(T* memory, std::size_t) noexcept {
    if constexpr (fits) {
      detail::control_block_gone(header_of(memory));
    } else {
      std::byte* const start = reinterpret_cast<std::byte*>(memory) - prefix;
      void* const place = *reinterpret_cast<void**>(start);
      ::operator delete(start, alignment);
      detail::control_block_gone(header_of(place));
    }
  }
  friend bool operator==(const block_allocator&, const block_allocator&) noexcept { return true; }

 private:
  static constexpr std::align_val_t alignment{
      alignof(T) < alignof(std::max_align_t) ? alignof(std::max_align_t) : alignof(T)};
  static constexpr std::size_t prefix = static_cast<std::size_t>(alignment);

  static referent_header& header_of(void* place) noexcept {
    return *reinterpret_cast<referent_header*>(static_cast<std::byte*>(place) - Offset);
  }
};

/// Room for an object that is constructed and destroyed by hand.
template <class T> struct storage {
  T* address() noexcept { return reinterpret_cast<T*>(bytes); }
  alignas(T) std::byte bytes[sizeof(T)];
};
/// What every block begins with. Node is a dictionary's node for the object, or void.
template <class Node> struct block_front {
  explicit block_front(const referent_operations& operations) noexcept : header(operations) {}
  referent_header header;
  storage<Node> node;
  alignas(void*) std::byte control_block[control_block_bytes];
};
template <> struct block_front<void> {
  explicit block_front(const referent_operations& operations) noexcept : header(operations) {}
  referent_header header;
  alignas(void*) std::byte control_block[control_block_bytes];
};

/// The node that the core of a container wants to have in a block, and how it lets go of it when the object dies.
template <class Core> struct block_node {
  using type = typename Core::node_type;
  /// Whether nobody else is to be told of the death.
  static bool is_alone(const referent_header& header, void* place) noexcept {
    return header.list.has_only(*static_cast<type*>(place));
  }
  [[gnu::noinline]] static void let_go(void* place) noexcept {
    Core::discard_dead(*static_cast<type*>(place));
  }
};
template <> struct block_node<void> { using type = void; };

/// A referent's block. Object is what lies in it: the referent itself, or what an adopted one needs to be let
/// go. Core is that of a container whose node for it lies there too, or void.
template <class Object, class Allocator, class Sync, class Core = void>
class block : public block_front<typename block_node<Core>::type> {
  using front = block_front<typename block_node<Core>::type>;
  static_assert(std::is_standard_layout_v<front>);
  using allocator_type = typename std::allocator_traits<Allocator>::template rebind_alloc<block>;
  using traits = std::allocator_traits<allocator_type>;

 public:
  /// A block with nothing in it. Throws: std::bad_alloc.
  static block* allocate(const Allocator& allocator) {
    allocator_type own(allocator);
    auto const memory = traits::allocate(own, 1);
    return ::new (static_cast<void*>(std::to_address(memory))) block(own);
  }
  /// Gives back a block with nothing in it.
  void deallocate() noexcept { free(this->header); }

  /// Allocates and lets `construct(Object*, Allocator&)` make the object.
  template <class Construct> static block* make(const Allocator& allocator, Construct&& construct) {
    block* const made = allocate(allocator);
    try {
      construct(made->object(), made->allocator_);
    } catch (...) {
      made->deallocate();
      throw;
    }
    return made;
  }

  /// Gives the object its first owner, which points to `pointer`. Throws: std::bad_alloc, only for a control
  /// block that does not fit; then the object is destroyed, and control_block_gone() ends the block.
  template <class T> std::shared_ptr<T> own(T* pointer) {
    this_thread().control_block_place = this->control_block;
    return std::shared_ptr<T>(pointer, block_deleter{&this->header},
                              block_allocator<std::byte, offsetof(front, control_block)>());
  }

  Object* object() noexcept { return object_.address(); }
  void* node_place() noexcept requires(!std::is_void_v<Core>) { return this->node.bytes; }

 private:
  explicit block(const allocator_type& allocator) noexcept : front(operations_), allocator_(allocator) {}
  ~block() = default;

  static block& of(referent_header& header) noexcept {
    return static_cast<block&>(reinterpret_cast<front&>(header));
  }
  void destroy() noexcept {
    using object_allocator = typename std::allocator_traits<Allocator>::template rebind_alloc<Object>;
    object_allocator allocator(allocator_);
    std::allocator_traits<object_allocator>::destroy(allocator, object());
  }

  static void die(referent_header& header) noexcept {
    Sync::point(sync_point::death);
    block& self = of(header);
    if (this_thread().depth == 0) {
      // An object that nobody watches, the commonest death, needs nothing of the protocol but its last step.
      if (header.list.peek() == 0) return self.destroy();
      // One that is only in the dictionary whose node lies here, the next commonest, knows what would be called.
      if constexpr (!std::is_void_v<Core>) {
        if (block_node<Core>::is_alone(header, self.node.bytes)) {
          block_node<Core>::let_go(self.node.bytes); // 3 and 4
          return self.destroy();                     // 7
        }
      }
    }
    death<Sync>::begin(header);
  }
  static void finish(referent_header& header) noexcept {
    block& self = of(header);
    // Nothing comes after the destructor then, and nothing of this stays on the stack below it.
    if (!header.was_put_off()) return self.destroy();
    self.destroy();
    detail::put_off_death_over(header);
  }
  static void free(referent_header& header) noexcept {
    block& self = of(header);
    allocator_type allocator(self.allocator_);
    self.~block();
    traits::deallocate(allocator, std::pointer_traits<typename traits::pointer>::pointer_to(self), 1);
  }

  // Hidden: a plugin with a copy of the library for itself must not get the table of another one's block<int>.
  WEAKREF_HIDDEN static constexpr referent_operations operations_{
      &die, &death<Sync>::resume, &finish, &free, nullptr, nullptr};

  storage<Object> object_;
  [[no_unique_address]] allocator_type allocator_;
};

} // namespace detail
} // namespace v0
} // namespace weakref

#endif
