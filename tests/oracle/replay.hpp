// SPDX-License-Identifier: BSL-1.0
//
// Replays scripts and compares, step by step, with what Python observed. Counts what was compared.
#ifndef WEAKREF_TESTS_ORACLE_REPLAY_HPP
#define WEAKREF_TESTS_ORACLE_REPLAY_HPP

#include "containers.hpp"

#include <iomanip>
#include <ostream>

namespace oracle {

/// How often a command was compared, and how often of that Python said no: an exception, None, False or nothing.
struct outcomes {
  std::size_t yes = 0, no = 0;
};

struct results {
  std::size_t scripts = 0, steps = 0, events = 0;
  std::map<std::string, outcomes> commands;
  ledger differences;
};

/// The first difference: where, and what.
struct finding {
  std::size_t step = 0;
  std::string text;
};

template <bool by_value> class replay {
 public:
  replay(const script& from, results& counted)
      : script_(from),
        counted_(counted),
        hook_{weakref::set_unraisable_hook(
            [this](const std::exception_ptr&) { world_.log.events.push_back("unraisable"); })},
        world_(std::stoul(from.number) % 3 * 4, counted.differences) {}
  replay(const replay&) = delete;
  replay& operator=(const replay&) = delete;

  std::optional<finding> run() {
    for (std::size_t i = 0; i != script_.steps.size(); ++i) {
      const step& now = script_.steps[i];
      std::string said;
      try {
        world_.log.events.clear();
        said = observe(now);
        compare(now, said);
        compare_events(now);
      } catch (const mismatch& error) {
        return finding{i, describe(i, said, error.what())};
      }
      count(now);
    }
    ++counted_.scripts;
    return std::nullopt;
  }

 private:
  /// Python's names for exceptions.
  std::string observe(const step& now) {
    try {
      return world_.run(now);
    } catch (const weakref::untracked_error&) {
      return "TypeError";
    } catch (const weakref::ReferenceError&) {
      return "ReferenceError";
    } catch (const std::out_of_range&) {
      return "KeyError";
    } catch (const value_error&) {
      return "ValueError";
    }
  }

  void use(difference which) { counted_.differences.use(which); }

  void compare(const step& now, const std::string& said) {
    if (now.of_a_copy) return compare_with_copy(now, said);
    if (said == now.python) return;
    for (const text_difference& each : text_differences) {
      if (is_among(now.name(), each.commands) && now.python == each.python && said == each.here) {
        return use(each.name);
      }
    }
    if (said == now.python + " by Python's rule") return use(difference::refs_compare_by_identity);
    if (said.find('[') != std::string::npos && sorted_text(said) == sorted_text(now.python))
      return use(difference::no_order);
    throw mismatch("observed something else");
  }

  void compare_with_copy(const step& now, const std::string& said) {
    if (said != *now.of_a_copy) throw mismatch("observed something else");
    if (now.name() == "count")
      use(difference::plain_refs_leave_no_trace);
    else if (now.name().ends_with(".len"))
      use(difference::the_dead_do_not_count);
    else if (now.name().ends_with(".refs"))
      use(difference::refs_list_no_dead);
    else
      use(difference::the_dead_are_in_no_comparison);
  }

  static words sorted_text(std::string text) {
    std::replace(text.begin(), text.end(), '[', ' ');
    std::replace(text.begin(), text.end(), ']', ' ');
    words all = split(text);
    std::sort(all.begin(), all.end());
    return all;
  }

  void compare_events(const step& now) {
    const words expected = python_events(now);
    expected_.insert(expected_.end(), expected.begin(), expected.end());
    seen_.insert(seen_.end(), world_.log.events.begin(), world_.log.events.end());
    if (seen_ == expected_) {
      // no difference
    } else if (script_.kind == "owning" && world_.is_owning_iterated()) {
      is_put_off_ = true;
      return; // compared when the iterator has gone; until then the scripts only drop owners
    } else if (script_.kind == "owning" && by_object(seen_) == by_object(expected_)) {
      // What a dictionary owns ends in no promised order; of each object the story is the same.
      use(is_put_off_ ? difference::iteration_puts_nothing_off : difference::order_of_several_deaths);
    } else if (now.name().ends_with(".finish") && by_object(seen_) == by_object(expected_)) {
      use(difference::iteration_holds_one);
    } else {
      throw mismatch("other events");
    }
    is_put_off_ = false;
    expected_.clear();
    seen_.clear();
  }

  /// As they should be here.
  words python_events(const step& now) {
    words expected;
    for (const std::string& event : now.events) {
      if (event.ends_with(":dropped")) {
        use(difference::a_dropped_ref_is_not_called);
      } else if (event.starts_with("del:") && event.ends_with(":alive")) {
        use(difference::refs_die_before_the_destructor);
      } else if (const std::size_t slash = event.find('/'); slash != std::string::npos) {
        const std::size_t colon = event.find(':');
        const std::string counted = event.substr(colon + 1, slash - colon - 1),
                          living = event.substr(slash + 1);
        if (counted != living) use(difference::evictions_come_first);
        expected.push_back(event.substr(0, colon + 1) + living + "/" + living);
      } else {
        const std::string del = "del:" + event.substr(1) + ":alive";
        if (event[0] == '~' && std::count(now.events.begin(), now.events.end(), del) == 1)
          expected.push_back("del:" + event.substr(1) + ":dead");
        expected.push_back(event);
      }
    }
    return expected;
  }

  static std::map<std::string, words> by_object(const words& events) {
    std::map<std::string, words> result;
    for (const std::string& event : events) {
      const std::size_t at = event.find_first_of("o"), end = event.find_first_of(":(", at);
      const bool names_one = event[0] == '~' || event.find(":o") != std::string::npos;
      result[names_one ? event.substr(at, end - at) : "nobody's"].push_back(event);
    }
    std::sort(result["nobody's"].begin(), result["nobody's"].end());
    return result;
  }

  void count(const step& now) {
    ++counted_.steps;
    counted_.events += now.events.size();
    outcomes& of = counted_.commands[now.name()];
    const std::string first = now.python.substr(0, now.python.find(' '));
    const bool no = first.ends_with("Error") || first == "None" || first == "False" || first == "absent";
    ++(no ? of.no : of.yes);
  }

  std::string describe(std::size_t i, const std::string& said, const std::string& what) {
    const step& now = script_.steps[i];
    std::string result = "script " + script_.number + " (" + script_.kind + "), step " + std::to_string(i) +
                         ": " + joined(now.command) + ": " + what + "\n  Python: " + now.python;
    if (now.of_a_copy) result += " ~ " + *now.of_a_copy;
    result += " | " + joined(now.events) + "\n  here:   " + said + " | " + joined(world_.log.events) +
              "\n  before:";
    for (std::size_t j = i < 12 ? 0 : i - 12; j != i; ++j) {
      const step& earlier = script_.steps[j];
      result += "\n    " + joined(earlier.command) + " => " + earlier.python + " | " + joined(earlier.events);
    }
    return result;
  }

  const script& script_;
  results& counted_;
  struct hook_guard {
    weakref::unraisable_hook previous;
    ~hook_guard() { weakref::set_unraisable_hook(std::move(previous)); }
  } hook_; // outlives the world, where callbacks still run at the end
  containers<by_value> world_;
  words expected_, seen_; // events that are still to be compared
  bool is_put_off_ = false;
};

inline std::optional<finding> run(const script& from, results& counted) {
  if (from.by_value) return replay<true>(from, counted).run();
  return replay<false>(from, counted).run();
}

inline void print(std::ostream& to, const results& counted) {
  to << counted.scripts << " scripts, " << counted.steps << " steps, " << counted.events
     << " events compared\n";
  to << "\n  command                       yes       no\n";
  for (const auto& [name, of] : counted.commands) {
    to << "  " << std::left << std::setw(26) << name << std::right << std::setw(7) << of.yes << std::setw(9)
       << of.no << '\n';
  }
  to << "\n  difference                      times  contract\n";
  for (std::size_t i = 0; i != difference_count; ++i) {
    to << "  " << std::left << std::setw(32) << differences[i].name << std::right << std::setw(5)
       << counted.differences.used(static_cast<difference>(i)) << "  " << differences[i].section << '\n';
  }
}

} // namespace oracle

#endif
