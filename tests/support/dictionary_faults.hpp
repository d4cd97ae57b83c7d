// SPDX-License-Identifier: BSL-1.0
// A budget of calls that succeed. The call after the last one fails; every later one too when the fault is
// lasting, which finds clean-up code that itself needs memory or calls the user.
#ifndef WEAKREF_TESTS_SUPPORT_DICTIONARY_FAULTS_HPP
#define WEAKREF_TESTS_SUPPORT_DICTIONARY_FAULTS_HPP

#include <exception>

namespace dictionary_test {

struct injected : std::exception {
  const char* what() const noexcept override { return "injected"; }
};

class faults {
 public:
  static void arm(long budget, bool lasting) noexcept {
    armed_ = true;
    lasting_ = lasting;
    budget_ = budget;
    fired_ = 0;
  }
  static long disarm() noexcept {
    armed_ = false;
    return fired_;
  }
  // Whether the call that asks is the one to fail.
  static bool due() noexcept {
    if (!armed_ || budget_-- > 0) return false;
    if (!lasting_) armed_ = false;
    ++fired_;
    return true;
  }
  static void point() {
    if (due()) throw injected();
  }

 private:
  static inline thread_local bool armed_ = false;
  static inline thread_local bool lasting_ = false;
  static inline thread_local long budget_ = 0;
  static inline thread_local long fired_ = 0;
};

} // namespace dictionary_test

#endif
