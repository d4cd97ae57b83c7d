// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_ERRORS_HPP
#define WEAKREF_ERRORS_HPP

// The library's own exception types, and the hook for exceptions that nobody can catch.
// Beside these, at() and popitem() throw std::out_of_range, reserve() std::length_error, and what would deadlock
// std::logic_error.

#include <weakref/detail/base/config.hpp>

#include <exception>
#include <functional>
#include <stdexcept>

namespace weakref {
inline namespace v0 {

/// A null, ownerless or untracked pointer was given to something that must hear of the referent's death.
/// what() names the type and the remedies.
class WEAKREF_API untracked_error : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
  untracked_error(const untracked_error&) = default;
  untracked_error& operator=(const untracked_error&) = default;
  ~untracked_error() override;
};

/// The referent of a proxy is dead. Python's ReferenceError.
class WEAKREF_API ReferenceError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  ReferenceError(const ReferenceError&) = default;
  ReferenceError& operator=(const ReferenceError&) = default;
  ~ReferenceError() override;
};

/// An allocator gave memory for an entry at an address that the tables can't keep: they have 48 bits for it, which is
/// all of user space but where a program asks the kernel for more (x86-64 with five-level page tables).
class WEAKREF_API address_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  address_error(const address_error&) = default;
  address_error& operator=(const address_error&) = default;
  ~address_error() override;
};

/// Gets an exception that left a callback. Called on the thread of the death, with no library lock held.
using unraisable_hook = std::function<void(std::exception_ptr)>;

/// Installs the hook and returns the one before. An empty one is the default: one line on stderr. What the
/// hook itself throws is dropped. Python's sys.unraisablehook.
///
/// Threads: any. A call that is in progress elsewhere finishes with the hook it began with.
WEAKREF_API unraisable_hook set_unraisable_hook(unraisable_hook hook);

} // namespace v0
} // namespace weakref

#endif
