// SPDX-License-Identifier: BSL-1.0
//
// The ways in which an object can be tracked, behind one type: a law that holds for all of them is tested in
// a loop.
#ifndef WEAKREF_TESTS_SUPPORT_WAYS_HPP
#define WEAKREF_TESTS_SUPPORT_WAYS_HPP

#include <weakref/referent.hpp>

#include <array>
#include <memory>

#include "counted.hpp"

namespace support {

struct object_tag;

// Polymorphic, so that an enable_weakref object is found behind it.
class object : public counted<object_tag> {
 public:
  object() = default;
  explicit object(int v) noexcept : counted(v) {}
  object(const object&) = default;
  object& operator=(const object&) = default;
  virtual ~object() = default;
};

class self_tracked_object : public weakref::enable_weakref, public object {
 public:
  using object::object;
};

struct way {
  const char* name;
  std::shared_ptr<object> (*make)();
  // The object lies in a block or is held by one: it is whole until the callbacks have run.
  bool whole_in_callbacks;
};

using owner_of_object = std::shared_ptr<object>;
inline constexpr std::array<way, 6> every_way{{
    {"make_tracked", []() -> owner_of_object { return weakref::make_tracked<object>(1); }, true},
    {"allocate_tracked",
     []() -> owner_of_object { return weakref::allocate_tracked<object>(std::allocator<object>(), 1); },
     true},
    {"adopt a unique_ptr", []() -> owner_of_object { return weakref::adopt(std::make_unique<object>(1)); },
     true},
    {"adopt a shared_ptr", []() -> owner_of_object { return weakref::adopt(std::make_shared<object>(1)); },
     true},
    {"enable_weakref", []() -> owner_of_object { return std::make_shared<self_tracked_object>(1); }, false},
    {"make_tracked of enable_weakref",
     []() -> owner_of_object { return weakref::make_tracked<self_tracked_object>(1); }, true},
}};

} // namespace support

#endif
