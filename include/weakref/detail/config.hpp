// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_CONFIG_HPP
#define WEAKREF_DETAIL_CONFIG_HPP

// The few macros the library needs. None of them may ever change the layout of a type: programs mix
// translation units built with different settings.

#if defined(_WIN32)
#define WEAKREF_API
#define WEAKREF_HIDDEN
#else
/// Marks what the compiled library exports, and the types whose identity (RTTI) crosses shared objects.
#define WEAKREF_API __attribute__((visibility("default")))
/// Marks what each shared object must have for itself, even where the linker would unify it.
#define WEAKREF_HIDDEN __attribute__((visibility("hidden")))
#endif

#ifndef WEAKREF_ASSERT
#ifdef NDEBUG
#define WEAKREF_ASSERT(condition, message) static_cast<void>(0)
#else
/// Checks a precondition in debug builds. Define it before the first include to send failures elsewhere.
#define WEAKREF_ASSERT(condition, message)                                                                   \
  ((condition) ? static_cast<void>(0)                                                                        \
               : ::weakref::detail::assertion_failed(#condition, message, __FILE__, __LINE__))
#endif
#endif

#if defined(__cpp_rtti) || defined(_CPPRTTI)
#define WEAKREF_HAS_RTTI 1
#else
#define WEAKREF_HAS_RTTI 0
#endif

// v0 is the ABI: it grows with every change of a layout that is compiled into programs (header, entry,
// node, deleter), so that two versions in one process never read each other's objects.
namespace weakref {
inline namespace v0 {
namespace detail {
[[noreturn]] WEAKREF_API void assertion_failed(const char* condition, const char* message, const char* file,
                                               int line) noexcept;
} // namespace detail
} // namespace v0
} // namespace weakref

#endif
