// SPDX-License-Identifier: BSL-1.0
//
// A side: code that uses the library, be it the program itself or a plugin. All sides are compiled from side.cpp and
// offer the same functions, so that each thing can be tried between any two of them.
#ifndef WEAKREF_TESTS_PROCESS_SIDE_HPP
#define WEAKREF_TESTS_PROCESS_SIDE_HPP

#include <cstddef>
#include <memory>

namespace process {

// Default visibility: a type that crosses a plugin's border is one type on both sides.
class __attribute__((visibility("default"))) thing {
 public:
  explicit thing(int v) noexcept : value(v) {}
  thing(const thing&) = delete;
  thing& operator=(const thing&) = delete;
  virtual ~thing() = default;
  int value;
};
using owner = std::shared_ptr<thing>;
struct factory {
  int (*run)(void*);
  void* argument;
};

enum way : int { tracked, self_tracked, adopted, untracked };

struct side {
  owner (*make)(int way, int value);
  // A WeakValueDictionary<int, thing>; with untracked ones accepted if asked.
  void* (*new_dictionary)(bool accept_untracked);
  void (*delete_dictionary)(void*);
  void (*reserve)(void*);
  // False: untracked_error.
  bool (*store)(void* dictionary, int key, const owner&);
  std::size_t (*size)(void* dictionary);
  // The value after the last owner was dropped inside the visit function; -1: not there.
  int (*visit_and_drop)(void* dictionary, int key, owner* last);
  // Tries to use `other` while a visit function of `dictionary` runs; true if that was refused.
  bool (*visit_and_use)(void* dictionary, int key, const side* others, void* other);
  int (*get_or_create)(void* dictionary, int key, const factory*);
  // A ref with a callback.
  void* (*watch)(const owner&, void (*)(void*), void* argument);
  void (*unwatch)(void*);
  // A finalizer that says this word; end_finalizers() detaches all of this side's.
  void (*finalize)(const owner&, const char* word);
  void (*end_finalizers)();
  owner (*adopt)(owner*);
  std::size_t (*watchers)(const owner&);
  void (*install_hook)(bool);
  void (*throw_untracked)();
  void (*throw_reference_error)();
  // The type by which the exception was caught, the most derived first.
  const char* (*catch_from)(void (*)());
};

} // namespace process

extern "C" __attribute__((visibility("default"))) const process::side* weakref_side();

#endif
