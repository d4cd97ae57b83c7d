// SPDX-License-Identifier: BSL-1.0
// The public members of the classes whose operations are failed, as the headers have them. A member that is
// added there is added here, and then there is no peace until an operation is about it.
#ifndef WEAKREF_TESTS_EXCEPTION_PUBLIC_MEMBERS_HPP
#define WEAKREF_TESTS_EXCEPTION_PUBLIC_MEMBERS_HPP

#include <string_view>

namespace injection {

// What all three containers have.
inline constexpr std::string_view container_members[] = {
    // made, copied, moved
    "default constructor", "constructor (options)", "constructor (allocator)", "constructor (iterators)",
    "constructor (range)", "constructor (list)", "copy constructor", "move constructor", "copy assignment",
    "move assignment", "destructor", "swap", "get_allocator",
    // looked up and taken out
    "get", "contains", "size", "empty", "pop", "erase", "erase_if", "clear",
    // as a whole
    "update", "update (list)", "reserve", "|", "|=", "==",
    // iterated
    "begin", "end", "iterator ++", "iterator move", "iterator *"};

// And what one of them has besides; both dictionaries first.
inline constexpr std::string_view dictionary_members[] = {
    // looked up and taken out
    "get or", "at", "visit", "pop or", "popitem",
    // stored
    "insert", "insert (pair)", "insert_or_assign", "setdefault", "try_emplace", "get_or_create",
    // iterated
    "keys", "values", "items"};
inline constexpr std::string_view value_dictionary_members[] = {"valuerefs"};
inline constexpr std::string_view key_dictionary_members[] = {"visit const", "keyrefs"};
inline constexpr std::string_view set_members[] = {
    // stored and taken out
    "add", "get_or_add", "discard", "remove",
    // algebra
    "intersection_update", "difference_update", "symmetric_difference_update", "union_", "intersection",
    "difference", "symmetric_difference", "&", "-", "^", "&=", "-=", "^=",
    // compared
    "isdisjoint", "issuperset", "issubset", "<=", ">=", "<", ">",
    // iterated
    "refs"};

inline constexpr std::string_view reference_members[] = {
    // referent.hpp
    "make_tracked", "allocate_tracked", "adopt (unique_ptr)", "adopt (shared_ptr)", "enable_weakref",
    "retire", "is_tracked", "getweakrefcount", "getweakrefs",
    // ref.hpp, keyed_ref.hpp
    "ref", "ref ()", "ref expired", "ref ==", "ref hash", "ref with callback", "ref callback", "ref disarm",
    "KeyedRef", "KeyedRef key",
    // proxy.hpp
    "proxy", "proxy ->", "proxy *", "proxy expired", "proxy ==", "proxy with callback",
    // weak_method.hpp
    "WeakMethod", "WeakMethod ()", "WeakMethod call", "WeakMethod ==", "WeakMethod hash",
    "WeakMethod with callback",
    // finalize.hpp
    "finalize", "finalize ()", "finalize alive", "finalize peek", "finalize detach", "finalize atexit",
    "finalize conversion", "finalize ==",
    // errors.hpp
    "set_unraisable_hook"};

} // namespace injection

#endif
