// SPDX-License-Identifier: BSL-1.0
#include <weakref/detail/container/shards.hpp>

#include <algorithm>
#include <bit>
#include <thread>

namespace weakref {
inline namespace v0 {
namespace detail {

unsigned chosen_shard_bits() noexcept {
  const unsigned wanted = std::clamp(4 * std::thread::hardware_concurrency(), 16U, 64U);
  return static_cast<unsigned>(std::bit_width(wanted - 1));
}

} // namespace detail
} // namespace v0
} // namespace weakref
