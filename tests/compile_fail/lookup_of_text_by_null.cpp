// SPDX-License-Identifier: BSL-1.0
// A std::string would take a null pointer for a text.
// expect: no matching (member )?function
#include <weakref/weak_value_dictionary.hpp>

#ifdef WEAKREF_TWIN
#define ASKED "a"
#else
#define ASKED nullptr
#endif

bool has(const weakref::WeakValueDictionary<std::string, long>& numbers) {
  return numbers.get(ASKED) != nullptr;
}
