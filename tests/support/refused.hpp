// SPDX-License-Identifier: BSL-1.0
// Whether an operation throws an Error. What else it throws goes on its way.
#ifndef WEAKREF_TESTS_SUPPORT_REFUSED_HPP
#define WEAKREF_TESTS_SUPPORT_REFUSED_HPP

namespace support {

template <class Error, class Operation> bool refused(Operation operation) {
  try {
    operation();
  } catch (const Error&) {
    return true;
  }
  return false;
}

} // namespace support

#endif
