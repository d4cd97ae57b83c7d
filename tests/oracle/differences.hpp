// SPDX-License-Identifier: BSL-1.0
//
// In what this library differs from Python, by name. Whatever the replay finds different is one of these or an
// error; and each of these must come up in the standing scripts, or it is an error too: a list that holds
// what no longer happens would hide something one day.
//
// What Python has no counterpart for can't come up. Of that, the scripts have `visit`, `try_emplace` and
// `get_or_create` (section 4) run beside the idiom that Python's users write instead; insert, erase_if, swap,
// reserve, moves and the options are left to the other tests, as are Python's deepcopy, pickling and repr.
#ifndef WEAKREF_TESTS_ORACLE_DIFFERENCES_HPP
#define WEAKREF_TESTS_ORACLE_DIFFERENCES_HPP

#include <array>
#include <cstddef>
#include <string_view>

namespace oracle {

enum class difference : unsigned char {
  popitem_takes_any,
  no_order,
  pop_of_a_missing_key,
  erase_tells,
  lookups_take_any_pointer,
  bad_pointers_are_always_refused,
  algebra_refuses_bad_pointers,
  update_is_all_or_none,
  intersection_keeps_its_own,
  values_compare_by_identity,
  identity_by_default,
  the_dead_do_not_count,
  refs_list_no_dead,
  the_dead_are_in_no_comparison,
  evictions_come_first,
  a_dropped_ref_is_not_called,
  refs_die_before_the_destructor,
  order_of_several_deaths,
  iteration_never_fails,
  iteration_puts_nothing_off,
  iteration_holds_one,
  update_lets_go_at_its_end,
  plain_refs_take_any_pointer,
  plain_refs_leave_no_trace,
  refs_compare_by_identity,
  hash_of_the_dead,
  dead_method_reference_error,
  count_
};

struct difference_row {
  std::string_view name;
  std::string_view section; // of the contract
  std::string_view python;
  std::string_view here;
  // How Python's classes are made today, not what they promise: may be gone in another version.
  bool accident = false;
};

inline constexpr std::size_t difference_count = static_cast<std::size_t>(difference::count_);

inline constexpr std::array<difference_row, difference_count> differences{{
    {"popitem_takes_any", "4 WeakValueDictionary", "a dictionary's popitem takes the newest entry",
     "some entry; a set's pop is left open by both, and takes what the table has first"},
    {"no_order", "4 iteration", "dictionaries are iterated in the order of insertion",
     "no order is promised"},
    {"pop_of_a_missing_key", "4 WeakValueDictionary", "pop without a default raises KeyError",
     "it gives an empty owner or optional"},
    {"erase_tells", "4 WeakValueDictionary", "del of a missing key raises KeyError", "erase() returns false"},
    {"lookups_take_any_pointer", "4 WeakKeyDictionary",
     "to look up None or what has no weak references raises TypeError, but for `in`",
     "a look-up needs no owner: it finds nothing"},
    {"bad_pointers_are_always_refused", "3, 8",
     "setdefault looks at the default only if there is no entry yet",
     "an untracked or null pointer is refused before anything is looked up"},
    {"algebra_refuses_bad_pointers", "8",
     "intersection with a list only asks which of its things are members, and may stop before the last",
     "a range that holds an untracked or null pointer is refused"},
    {"update_is_all_or_none", "8 strong guarantee",
     "what comes before the thing that is refused has been stored or taken out", "nothing has changed"},
    {"intersection_keeps_its_own", "4 WeakSet",
     "of two equal elements the intersection holds the other operand's",
     "the left operand's: what & leaves is "
     "a part of it"},
    {"values_compare_by_identity", "2, 4 ==", "dictionaries are equal if their values are equal by ==",
     "owned objects are compared by identity"},
    {"identity_by_default", "4 WeakKeyDictionary", "equal objects are one key",
     "by identity, unless a Hash is given"},
    {"the_dead_do_not_count", "5 step 1",
     "len of a set counts for ever what has died after &=", "size() does not", true},
    {"refs_list_no_dead", "5 step 3", "keyrefs lists the dead as long as somebody iterates", "they have left",
     true},
    {"the_dead_are_in_no_comparison", "5 step 1",
     "a set's ==, <=, < and > see the dead as long as somebody iterates, and after &=", "no member sees them",
     true},
    {"evictions_come_first", "5 steps 3 and 5",
     "a callback runs before entries leave that are older than its ref, and len counts those",
     "when a callback runs every container has forgotten the object"},
    {"a_dropped_ref_is_not_called", "5 step 5",
     "a ref that an earlier callback of the same object has dropped is called all the same",
     "before its turn, it is not called"},
    {"refs_die_before_the_destructor", "5 steps 1 and 7", "__del__ comes first, and finds refs alive",
     "the destructor comes last, and finds them dead"},
    {"order_of_several_deaths", "5 step 4",
     "values of dead keys go when their entry's callback has its turn, and newest first in clear",
     "before all callbacks, and in no promised order"},
    {"iteration_never_fails", "4 iteration",
     "a container that changes its size inside a loop raises RuntimeError",
     "what nobody touches is seen once"},
    {"iteration_puts_nothing_off", "4 iteration, 5 step 4",
     "values of keys that die while somebody iterates are kept until that ends", "they go with their keys"},
    {"iteration_holds_one", "4 iteration", "an iterator takes the next element before it lets go of the last",
     "only the current one is held"},
    {"update_lets_go_at_its_end", "8 strong guarantee",
     "update lets go of each replaced value at once: a key that it owned is gone before the next pair comes",
     "at its end: until then an equal newcomer finds that key, and leaves with it"},
    {"plain_refs_take_any_pointer", "3", "ref and proxy of what has no weak references raise TypeError",
     "without a callback nothing could fail to fire"},
    {"plain_refs_leave_no_trace", "4 referent.hpp",
     "getweakrefcount counts refs and proxies without a callback, and the ref of an erased entry under an "
     "iterator",
     "watchers only"},
    {"refs_compare_by_identity", "2, 4 ref",
     "refs are equal if their living objects are, and a dead one only to itself",
     "if they are of the same referent, alive or dead"},
    {"hash_of_the_dead", "4 ref", "a dead ref that was never hashed raises TypeError",
     "the hash of the address is stable after death"},
    {"dead_method_reference_error", "4 weak_method.hpp",
     "a dead method that was never hashed raises TypeError", "ReferenceError"},
}};

inline constexpr const difference_row& row_of(difference which) {
  return differences[static_cast<std::size_t>(which)];
}

/// How often each came up.
class ledger {
 public:
  void use(difference which) { ++used_[static_cast<std::size_t>(which)]; }
  std::size_t used(difference which) const { return used_[static_cast<std::size_t>(which)]; }

 private:
  std::array<std::size_t, difference_count> used_{};
};

// Differences that are one text instead of another, by command.
struct text_difference {
  difference name;
  std::string_view commands; // separated by spaces
  std::string_view python;
  std::string_view here;
};

inline constexpr text_difference text_differences[] = {
    {difference::pop_of_a_missing_key, "v.pop k.pop w.pop", "KeyError", "empty"},
    {difference::erase_tells, "v.del k.del w.del", "KeyError", "absent"},
    {difference::lookups_take_any_pointer, "k.get w.get", "TypeError", "None"},
    {difference::lookups_take_any_pointer, "k.at w.at t.remove", "TypeError", "KeyError"},
    {difference::lookups_take_any_pointer, "k.pop w.pop", "TypeError", "empty"},
    {difference::lookups_take_any_pointer, "k.del w.del k.visit w.visit", "TypeError", "absent"},
    {difference::lookups_take_any_pointer, "t.discard t.issuperset", "TypeError", "False"},
    {difference::identity_by_default, "identity", "1", "2"},
    {difference::plain_refs_take_any_pointer, "ref proxy", "TypeError", "taken"},
    {difference::hash_of_the_dead, "refhash methodhash", "TypeError", "kept"},
    {difference::dead_method_reference_error, "methodhash", "TypeError", "ReferenceError"},
};

constexpr bool is_among(std::string_view command, std::string_view commands) {
  while (!commands.empty()) {
    const std::size_t space = commands.find(' ');
    if (commands.substr(0, space) == command) return true;
    commands.remove_prefix(space == std::string_view::npos ? commands.size() : space + 1);
  }
  return false;
}

} // namespace oracle

#endif
