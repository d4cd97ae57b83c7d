// SPDX-License-Identifier: BSL-1.0
#include <weakref/errors.hpp>

#include <weakref/assert.hpp>
#include <weakref/detail/referent/death.hpp>
#include <weakref/detail/referent/tracking.hpp>
#include <weakref/detail/table/table.hpp>
#include <weakref/mutex.hpp>
#include <weakref/proxy.hpp>
#include <weakref/weak_method.hpp>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

namespace weakref {
inline namespace v0 {

untracked_error::~untracked_error() = default;
ReferenceError::~ReferenceError() = default;
address_error::~address_error() = default;

namespace {

// The hook is shared with the calls in progress, and never destroyed: objects die in static destructors too.
struct hook_slot {
  adaptive_mutex mutex;
  std::shared_ptr<const unraisable_hook> hook;
};
union immortal_hook_slot {
  constexpr immortal_hook_slot() : slot() {}
  ~immortal_hook_slot() {}
  hook_slot slot;
};
constinit immortal_hook_slot installed;

void print_unraisable(const std::exception_ptr& exception) noexcept {
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "weakref: exception ignored in a callback: %s\n", error.what());
  } catch (...) {
    std::fputs("weakref: exception ignored in a callback: not a std::exception\n", stderr);
  }
}

} // namespace

unraisable_hook set_unraisable_hook(unraisable_hook hook) {
  auto replacement = hook ? std::make_shared<const unraisable_hook>(std::move(hook)) : nullptr;
  {
    std::lock_guard lock(installed.slot.mutex);
    installed.slot.hook.swap(replacement);
  }
  return replacement ? *replacement : unraisable_hook();
}

namespace detail {

void throw_dead_proxy() { throw ReferenceError("weakref: the proxy's referent is dead"); }
void throw_dead_method() { throw ReferenceError("weakref: the WeakMethod's object is dead"); }

void report_unraisable() noexcept {
  try {
    std::shared_ptr<const unraisable_hook> hook;
    {
      std::lock_guard lock(installed.slot.mutex);
      hook = installed.slot.hook;
    }
    if (hook == nullptr) return print_unraisable(std::current_exception());
    (*hook)(std::current_exception());
  } catch (...) {
    // The hook's own failure has nowhere to go.
  }
}

void throw_address_beyond_slots(const void* address) {
  char message[160];
  std::snprintf(
      message, sizeof message,
      "weakref: the allocator gave memory at %p for an entry; the containers' tables keep 48 bits of an "
      "address",
      address);
  throw address_error(message);
}
void throw_too_many_entries() {
  throw std::length_error("weakref: a table holds no more than 2.8 thousand million entries");
}

void throw_untracked(literal_part type, bool is_null, bool may_accept_untracked) {
  if (is_null) {
    std::string message = "weakref: a null or ownerless pointer to ";
    message.append(type.begin, type.size);
    message +=
        " was given to something that must hear of an object's death: there is none, or nobody who owns it. "
        "Ask the pointer before, or look where it should have got its object.";
    throw untracked_error(message);
  }
  std::string message = "weakref: an untracked object of type ";
  message.append(type.begin, type.size);
  message += " was given to something that must hear of its death. Remedies: make it with "
             "weakref::make_tracked<T>(...), derive its class from weakref::enable_weakref, or pass its "
             "first owner, a unique_ptr or (unless the class has weak_from_this) a shared_ptr, through "
             "weakref::adopt";
  message += may_accept_untracked ? ", or construct the container with {.accept_untracked = true}." : ".";
  throw untracked_error(message);
}

} // namespace detail

void assertion_failed(const char* condition, const char* message, const char* file, int line) noexcept {
  std::fprintf(stderr, "%s:%d: weakref: %s (%s)\n", file, line, message, condition);
  std::abort();
}

} // namespace v0
} // namespace weakref
