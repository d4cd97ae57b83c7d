// SPDX-License-Identifier: BSL-1.0
// A raw pointer may be asked for where Hash and KeyEqual take it; a new key would be an owner that nobody meant.
// expect: no matching (member )?function
#include <weakref/weak_value_dictionary.hpp>

struct address_hash {
  using is_transparent = void;
  template <class Pointer> std::size_t operator()(const Pointer& pointer) const noexcept {
    return reinterpret_cast<std::size_t>(std::to_address(pointer));
  }
};
struct address_equal {
  using is_transparent = void;
  template <class Left, class Right> bool operator()(const Left& left, const Right& right) const noexcept {
    return std::to_address(left) == std::to_address(right);
  }
};
using dictionary = weakref::WeakValueDictionary<std::unique_ptr<int>, long, address_hash, address_equal>;

std::shared_ptr<long> made(dictionary& numbers, int* k) {
#ifdef WEAKREF_TWIN
  return numbers.get(k);
#else
  return numbers.get_or_create(k, [] { return 1L; });
#endif
}
