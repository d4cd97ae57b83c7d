// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_DETAIL_BASE_CONFIG_HPP
#define WEAKREF_DETAIL_BASE_CONFIG_HPP

#if defined(_MSVC_LANG) ? _MSVC_LANG < 202002L : __cplusplus < 201709L
#error "weakref needs C++20: -std=c++20 or later"
#include "the compilation ends here, before many errors that say less"
#endif

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

#if defined(__cpp_rtti) || defined(_CPPRTTI)
#define WEAKREF_HAS_RTTI 1
#else
#define WEAKREF_HAS_RTTI 0
#endif

// v0 is the ABI: it grows with every change of a layout that is compiled into programs (header, entry,
// node, deleter), so that two versions in one process never read each other's objects.
namespace weakref {
inline namespace v0 {}
} // namespace weakref

#endif
