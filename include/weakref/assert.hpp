// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_ASSERT_HPP
#define WEAKREF_ASSERT_HPP

// What the library checks of the calls it gets, through one macro that a program may replace.
//
// A mistake that would only show later, elsewhere or on another thread is reported where it is made, in what
// is compiled without NDEBUG: with one line on standard error that names the mistake and the remedy, and
// std::abort(). With NDEBUG nothing is checked, and nothing is paid. What a program can meet without having
// made a mistake (an untracked object, a dead proxy, a factory that asks for its own key) is an exception
// instead, in every build.
//
// To replace it, define WEAKREF_ASSERT before the first include of a weakref header, or for the compiler:
//
//   #include <boost/assert.hpp> // what the macro uses is there before it
//   #define WEAKREF_ASSERT(condition, message) BOOST_ASSERT_MSG(condition, message)
//   #define WEAKREF_ASSERT(condition, message) WEAKREF_ASSERT_BY_DEFAULT(condition, message)
//
// The second is what it is without NDEBUG, for checks in a release build. If it returns, the call goes on as it
// does where nothing is checked; it must not throw, since most callers are noexcept.
//
// No setting changes the layout of a type: translation units with different ones work together. Of an inline
// function that several of them use the linker takes one, so whether *that* checks is not defined.

#include <weakref/detail/base/config.hpp>

namespace weakref {
inline namespace v0 {

/// What a failed check does unless WEAKREF_ASSERT says otherwise: prints "file:line: weakref: message
/// (condition)" on standard error, and aborts.
[[noreturn]] WEAKREF_API void assertion_failed(const char* condition, const char* message, const char* file,
                                               int line) noexcept;

} // namespace v0
} // namespace weakref

/// What WEAKREF_ASSERT is without NDEBUG.
#define WEAKREF_ASSERT_BY_DEFAULT(condition, message)                                                        \
  ((condition) ? static_cast<void>(0) : ::weakref::assertion_failed(#condition, message, __FILE__, __LINE__))

#if defined(WEAKREF_ASSERT) || !defined(NDEBUG)
/// Whether anything is checked here, for what a check needs to be prepared.
#define WEAKREF_ASSERTS 1
#else
#define WEAKREF_ASSERTS 0
#endif

#if !defined(WEAKREF_ASSERT)
#if WEAKREF_ASSERTS
/// Checks a precondition. Replaceable, see above.
#define WEAKREF_ASSERT(condition, message) WEAKREF_ASSERT_BY_DEFAULT(condition, message)
#else
#define WEAKREF_ASSERT(condition, message) static_cast<void>(0)
#endif
#endif

#endif
