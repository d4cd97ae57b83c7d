// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_BENCHMARKS_ZIPF_HPP
#define WEAKREF_BENCHMARKS_ZIPF_HPP

// Ranks by Zipf's law: rank r of n comes with a probability proportional to r^-exponent. By rejection-inversion, of
// Hörmann and Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions" (1996): a
// table of sums would need a search through memory for each rank.

#include "keys.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace bench {

class zipf {
 public:
  explicit zipf(std::size_t count) noexcept
      : count_(static_cast<double>(count)), least_(area(1.5) - 1), most_(area(count_ + 0.5)) {}

  // Counted from 0, which is the most frequent.
  std::size_t operator()(random_source& random) const noexcept {
    for (;;) {
      const double under = most_ + random.fraction() * (least_ - most_);
      const double rank = std::min(count_, std::max(1.0, std::round(inverse_of_area(under))));
      // The area under the curve is a little more than the bar of the rank: the rest is refused.
      if (under >= area(rank + 0.5) - std::pow(rank, -exponent)) return static_cast<std::size_t>(rank) - 1;
    }
  }

 private:
  static constexpr double exponent = 0.99;

  // Under the curve x^-exponent, up to x, but for a constant.
  static double area(double x) noexcept { return std::pow(x, 1 - exponent) / (1 - exponent); }
  static double inverse_of_area(double area) noexcept {
    return std::pow(area * (1 - exponent), 1 / (1 - exponent));
  }

  double count_;
  double least_;
  double most_;
};

} // namespace bench

#endif
