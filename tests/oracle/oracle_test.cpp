// SPDX-License-Identifier: BSL-1.0

// Python as the oracle: random scripts that ran in CPython (make_scripts.py), replayed here step by step.
//
// The build makes the scripts. WEAKREF_ORACLE_SCRIPTS=FILE in the environment replays another file of
// make_scripts.py; tests/oracle/run makes one with a seed of its own, replays it and prints what was compared
// (as WEAKREF_ORACLE_REPORT=1 does).
#include "replay.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <set>

#ifndef WEAKREF_ORACLE_DEFAULT // the build says where it has put the scripts
#define WEAKREF_ORACLE_DEFAULT "oracle_scripts"
#endif

namespace {

using oracle::difference;
using oracle::script;
using oracle::step;

oracle::recording read_scripts() {
  const char* const chosen = std::getenv("WEAKREF_ORACLE_SCRIPTS");
  const std::string file = chosen != nullptr ? chosen : WEAKREF_ORACLE_DEFAULT;
  std::ifstream stream(file);
  if (!stream) throw oracle::unreadable("can't open " + file);
  return oracle::read(stream);
}

// What must have come up, so that the scripts prove something: commands that can't say no, and those that can.
constexpr const char* always_yes =
    "make maketelling drop unref method count identity v.len v.clear v.new v.items v.keys v.values v.refs "
    "v.or v.ior"
    " v.copy v.from v.update v.stand v.finish v.leave k.len k.clear k.new k.items k.keys k.values k.refs "
    "k.or k.ior"
    " k.copy k.from k.update k.create k.stand k.finish k.leave w.len w.clear w.new w.items w.keys w.values "
    "w.refs w.or"
    " w.ior w.copy w.from w.update w.stand w.finish w.leave t.len t.clear t.new t.items t.refs t.or t.ior "
    "t.copy t.from"
    " t.and t.iand t.sub t.isub t.xor t.ixor t.intersection t.stand t.finish t.leave end";
constexpr const char* yes_and_no =
    "own ref proxy finalize call callback refeq refhash proxyread proxywrite proxyeq methodcall methodeq "
    "methodhash"
    " finalcall alive detach peek atexit v.get v.at v.in v.set v.setdefault v.pop v.popitem v.del v.eq"
    " v.visit v.create v.emplace v.updatepairs v.frompairs k.get k.at k.in k.set k.setdefault k.pop k.popitem"
    " k.del k.eq k.visit k.updatepairs k.frompairs w.get w.at w.in w.set w.setdefault w.pop w.popitem w.del "
    "w.eq w.visit"
    " w.updatepairs w.frompairs t.add t.discard t.remove t.in t.pop t.update t.intersection_update "
    "t.difference_update"
    " t.symmetric_difference_update t.union t.difference t.symmetric_difference t.isdisjoint t.issubset"
    " t.issuperset t.le t.lt t.ge t.gt t.eq t.fromlist";
constexpr const char* with_default = "v.getor v.popor k.getor k.popor w.getor w.popor forget setatexit";
constexpr std::size_t times = 5;

} // namespace

TEST_CASE("oracle: every step is as Python saw it, or differs by name") {
  const oracle::recording recorded = read_scripts();
  oracle::results counted;
  int shown = 0;
  for (const script& each : recorded.scripts) {
    const auto found = oracle::run(each, counted);
    CHECK_MESSAGE(!found.has_value(), found->text);
    if (found && ++shown == 3) return;
  }
  if (std::getenv("WEAKREF_ORACLE_REPORT") != nullptr) oracle::print(std::cout, counted);

  // Else the scripts, or the list of differences, are not what they are taken for.
  std::set<std::string> known;
  for (const auto& [names, yes, no] :
       {std::tuple(always_yes, times, std::size_t{0}), std::tuple(yes_and_no, times, times),
        std::tuple(with_default, times, std::size_t{0})}) {
    for (const std::string& name : oracle::split(names)) {
      CAPTURE(name);
      known.insert(name);
      CHECK(counted.commands[name].yes >= yes);
      CHECK(counted.commands[name].no >= no);
    }
  }
  for (const auto& entry : counted.commands) CHECK_MESSAGE(known.contains(entry.first), entry.first);
  for (std::size_t i = 0; i != oracle::difference_count; ++i) {
    const oracle::difference_row& row = oracle::differences[i];
    CAPTURE(std::string(row.name));
    CHECK((row.accident || counted.differences.used(static_cast<difference>(i)) > 0));
  }
}

namespace {

// Something else that Python might have said.
std::string falsified(const std::string& said) {
  if (said == "True" || said == "False") return said == "True" ? "False" : "True";
  if (said.ends_with("Error")) return "ok";
  if (said == "ok" || said == "None" || said == "absent" || said == "kept") return "o1";
  if (const std::size_t open = said.find('['); open != std::string::npos)
    return said.substr(0, open + 1) + "o0 " + said.substr(open + 1);
  return said + "0";
}

} // namespace

TEST_CASE("oracle: one falsified observation is noticed, whatever the command") {
  const oracle::recording recorded = read_scripts();
  std::map<std::string, int> tried;
  std::size_t events_tried = 0;
  for (const script& each : recorded.scripts) {
    for (std::size_t i = 0; i != each.steps.size(); ++i) {
      const std::string& name = each.steps[i].name();
      const auto is_noticed = [&](auto falsify) {
        script forged = each;
        falsify(forged.steps[i]);
        oracle::results counted;
        const auto found = oracle::run(forged, counted);
        // Events of what a dictionary owns wait for the end of an iteration.
        return found && (found->step == i || (each.kind == "owning" && found->step > i));
      };
      CAPTURE(each.number);
      CAPTURE(oracle::joined(each.steps[i].command));
      if (tried[name] < 3) {
        ++tried[name];
        CHECK(is_noticed([](step& forged) {
          std::string& said = forged.of_a_copy ? *forged.of_a_copy : forged.python;
          said = falsified(said);
        }));
      }
      if (!each.steps[i].events.empty() && events_tried < 60) {
        ++events_tried;
        CHECK(is_noticed([](step& forged) { forged.events.pop_back(); }));
        CHECK(is_noticed([](step& forged) { forged.events.push_back("~o0"); }));
      }
    }
  }
  CHECK(tried.size() > 100);
  CHECK(events_tried == 60);
}

TEST_CASE("oracle: each difference has a name of its own, a section, and two sides") {
  std::set<std::string_view> names;
  for (const oracle::difference_row& row : oracle::differences) {
    CAPTURE(std::string(row.name));
    CHECK(names.insert(row.name).second);
    CHECK_FALSE(row.section.empty());
    CHECK(row.python != row.here);
  }
  for (const oracle::text_difference& each : oracle::text_differences) CHECK(each.python != each.here);
}

TEST_CASE("oracle: a recording that breaks off is refused") {
  const std::string whole =
      "python CPython 3.11\nscripts 1 steps 1 seed 1\nscript 0 values plain\nend => 0\ndone\n";
  const auto reads = [](const std::string& text) {
    std::istringstream stream(text);
    try {
      return oracle::read(stream).scripts.size() == 1;
    } catch (const oracle::unreadable&) {
      return false;
    }
  };
  CHECK(reads(whole));
  for (std::size_t length = 0; length + 1 < whole.size(); ++length) {
    CAPTURE(length);
    CHECK_FALSE(reads(whole.substr(0, length)));
  }
}
