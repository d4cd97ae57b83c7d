// SPDX-License-Identifier: BSL-1.0
//
// A value whose living instances are counted, per Tag.
#ifndef WEAKREF_TESTS_SUPPORT_COUNTED_HPP
#define WEAKREF_TESTS_SUPPORT_COUNTED_HPP

#include <atomic>

namespace support {

template <class Tag> class counted {
 public:
  counted() noexcept { alive_.fetch_add(1); }
  explicit counted(int v) noexcept : value(v) { alive_.fetch_add(1); }
  counted(const counted& other) noexcept : value(other.value) { alive_.fetch_add(1); }
  counted& operator=(const counted&) = default;
  ~counted() {
    value = -1;
    alive_.fetch_sub(1);
  }

  static int alive() noexcept { return alive_.load(); }

  int value = 0;

 private:
  static inline std::atomic<int> alive_{0};
};

} // namespace support

#endif
