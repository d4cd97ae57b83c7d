// SPDX-License-Identifier: BSL-1.0
#include <weakref/report.hpp>

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <iomanip>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <typeinfo>
#include <vector>

namespace weakref {
inline namespace v0 {

namespace detail {

std::string demangled(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free);
  return name == nullptr ? type.name() : name.get();
}

} // namespace detail

void report(std::ostream& out, std::span<const survivor> alive) {
  std::vector<survivor> sorted(alive.begin(), alive.end());
  std::sort(sorted.begin(), sorted.end(), [](const survivor& left, const survivor& right) {
    if (left.owners != right.owners) return left.owners > right.owners;
    if (left.type != right.type) return left.type < right.type;
    if (left.key != right.key) return left.key < right.key;
    return std::less<>()(left.address, right.address);
  });
  constexpr std::string_view heading = "type";
  std::size_t width = heading.size();
  for (const survivor& each : sorted) width = std::max(width, each.type.size());

  std::ostringstream text;
  text << sorted.size() << " alive\n";
  if (!sorted.empty())
    text << "  owners  " << std::left << std::setw(static_cast<int>(width)) << heading << "  key\n";
  for (const survivor& each : sorted) {
    text << "  " << std::right << std::setw(6) << each.owners << "  " << std::left
         << std::setw(static_cast<int>(width)) << each.type << "  " << each.key
         << (each.key.empty() ? "" : " ") << "at " << each.address << '\n';
  }
  out << text.str();
}

} // namespace v0
} // namespace weakref
