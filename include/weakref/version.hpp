// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_VERSION_HPP
#define WEAKREF_VERSION_HPP

// The library's version, at compile time and at run time.

#include <weakref/detail/base/config.hpp>

/// The version of these headers, 1 in 1.2.3. meson.build holds the same number and stops when the two differ.
#define WEAKREF_VERSION_MAJOR 0
/// 2 in 1.2.3.
#define WEAKREF_VERSION_MINOR 1
/// 3 in 1.2.3.
#define WEAKREF_VERSION_PATCH 0

/// For comparison by the preprocessor: 1'002'003 is 1.2.3.
#define WEAKREF_VERSION                                                                                      \
  (WEAKREF_VERSION_MAJOR * 1000000 + WEAKREF_VERSION_MINOR * 1000 + WEAKREF_VERSION_PATCH)

namespace weakref {
inline namespace v0 {

/// The version of the library that is linked, as WEAKREF_VERSION. It differs from the macro where a program
/// compiled against one version's headers runs with another's shared library.
WEAKREF_API int version() noexcept;

/// The same as text: "1.2.3".
WEAKREF_API const char* version_string() noexcept;

} // namespace v0
} // namespace weakref

#endif
