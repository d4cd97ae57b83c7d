// SPDX-License-Identifier: BSL-1.0
// Which sanitizer a test is compiled for: with clang too the macros that g++ has for it.
#ifndef WEAKREF_TESTS_SUPPORT_SANITIZERS_HPP
#define WEAKREF_TESTS_SUPPORT_SANITIZERS_HPP

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) && !defined(__SANITIZE_THREAD__)
#define __SANITIZE_THREAD__ 1
#endif
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

#endif
