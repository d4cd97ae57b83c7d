// SPDX-License-Identifier: BSL-1.0
// What the fixtures of the three containers have in common: all but the containers and their entries.
#ifndef WEAKREF_TESTS_EXCEPTION_FIXTURE_HPP
#define WEAKREF_TESTS_EXCEPTION_FIXTURE_HPP

#include "faulty.hpp"
#include "injection.hpp"

#include <weakref/weak_value_dictionary.hpp> // weakref::options

#include <cstddef>
#include <optional>
#include <utility>

namespace injection {

using enum fault;
using dictionary_test::accounting_allocator;

inline constexpr fault_set looking = hash | equal;

/// `T`: the referents.
template <class T> struct container_fixture {
  explicit container_fixture(const configuration& chosen)
      : options{chosen.shards, chosen.dead > 0}, dead(chosen.dead), living(chosen.entries - chosen.dead) {}

  accounting_allocator<T> allocator() { return accounting_allocator<T>(books); }
  bool has_present() const { return living > 0; }

  void check_size(std::size_t is, std::size_t was) const {
    // Dead untracked entries may have been found and taken out.
    CHECK(is <= was);
    CHECK(was - is <= static_cast<std::size_t>(dead));
  }
  /// When all referents have died.
  template <class Container>
  void check_emptied(const Container& container, const Container& other,
                     const std::optional<Container>& made) const {
    CHECK(container.begin() == container.end());
    CHECK((dead > 0 || container.empty()));
    CHECK(other.begin() == other.end());
    if (made.has_value()) CHECK(made->begin() == made->end());
  }

  closing_account books;
  weakref::options options;
  int dead;
  int living;

  // What the operation gave.
  bool flag = false;
  std::size_t number = 0;
};

/// For operations after which everything is as it was.
template <class Fixture> void unchanged(Fixture& f) { f.check_contents(); }

// --- what operations do, whatever the container ----------------------------------------------------------------

template <class Fixture, class Container> void ask_size(Fixture& f, const Container& container) {
  f.number = container.size();
  f.flag = container.empty() == (f.number == 0) && container.get_allocator().books() == &f.books;
}
template <class Fixture> void has_size(Fixture& f) {
  unchanged(f);
  CHECK(f.flag);
  CHECK(f.number >= f.before.size());
}

/// Leaves each with what the other had.
template <class Container> void move_and_swap(Container& container, Container& other) {
  Container moved(std::move(container));
  container = std::move(moved);
  container.swap(other);
  swap(container, other);
  container.swap(other);
}

/// In each way; `Plain` has neither options nor an allocator of its own.
template <class Plain, class Fixture> void make_empty(Fixture& f) {
  const Plain plain;
  const typename decltype(f.made)::value_type with_options(f.options, f.allocator());
  f.made.emplace(f.allocator());
  f.flag = plain.empty() && with_options.empty() && f.made->empty();
}

/// The sum of what `look(at)` gives. Each iterator is moved away and back.
template <class Container, class Look> std::size_t sum_over(const Container& container, Look look) {
  std::size_t sum = 0;
  for (auto at = container.begin(); at != container.end(); ++at) {
    faults::point(other);
    sum += look(at);
    auto moved = std::move(at);
    at = std::move(moved);
  }
  return sum;
}

template <class Fixture, class Range> void make_from_iterators(Fixture& f, const Range& range) {
  f.made.emplace(range.begin(), range.end(), f.options, f.allocator());
}

} // namespace injection

#endif
