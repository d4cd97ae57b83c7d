// SPDX-License-Identifier: BSL-1.0
// An answer without RTTI could become the one of a whole program that has it.
// flags: -fno-rtti
// expect: without RTTI only classes derived from enable_weakref are tracked
#include <weakref/referent.hpp>

#ifdef WEAKREF_TWIN
struct object : weakref::enable_weakref {
#else
struct object {
#endif
  virtual ~object() = default;
};

bool asked(const std::shared_ptr<object>& owner) { return weakref::is_tracked(owner); }
