// SPDX-License-Identifier: BSL-1.0
#include "mixed.hpp"

#include <weakref/weakref.hpp>

#include <utility>

namespace mixed {

std::shared_ptr<Plain> tracked() { return weakref::make_tracked<Plain>(); }
std::shared_ptr<Plain> untracked() { return std::make_shared<Plain>(); }
std::shared_ptr<Plain> adopted() { return weakref::adopt(std::make_unique<Plain>()); }

bool knows(const std::shared_ptr<Plain>& owner) {
  return weakref::is_tracked(owner) && weakref::is_tracked(std::shared_ptr<int>(owner, &owner->number)) &&
         weakref::getweakrefcount(owner) == 0;
}

std::string refusal(std::shared_ptr<Plain> owner) {
  weakref::WeakValueDictionary<int, Plain> dictionary;
  try {
    dictionary.insert(1, owner);
  } catch (const weakref::untracked_error& error) {
    return error.what();
  }
  if (dictionary.get(1) != owner || weakref::getweakrefcount(owner) != 1) return "the entry is not there";
  owner.reset();
  return dictionary.empty() ? "" : "the entry has not left with its object";
}

} // namespace mixed
