// SPDX-License-Identifier: BSL-1.0
#include <weakref/version.hpp>

#define WEAKREF_TEXT_OF(number) #number
#define WEAKREF_TEXT(number) WEAKREF_TEXT_OF(number)

namespace weakref {
inline namespace v0 {

int version() noexcept { return WEAKREF_VERSION; }

const char* version_string() noexcept {
  return WEAKREF_TEXT(WEAKREF_VERSION_MAJOR) "." WEAKREF_TEXT(WEAKREF_VERSION_MINOR) "." WEAKREF_TEXT(
      WEAKREF_VERSION_PATCH);
}

} // namespace v0
} // namespace weakref
