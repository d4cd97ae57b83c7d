// SPDX-License-Identifier: BSL-1.0
// expect: the objects have no hash: specialise std::hash
#include <weakref/weak_set.hpp>

struct word {
  int letters;
  bool operator==(const word&) const = default;
};
#ifdef WEAKREF_TWIN
std::size_t hash_value(const word& w) { return weakref::hash<int>()(w.letters); }
#endif

bool has(weakref::WeakSet<word, weakref::hash<word>>& words) { return words.contains(word{1}); }
