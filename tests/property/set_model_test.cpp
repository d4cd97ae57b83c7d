// SPDX-License-Identifier: BSL-1.0
//
// WeakSet against its model (set_script.hpp), in random scripts; seeds.hpp says how to run more.
#include "set_script.hpp"

#include "seeds.hpp"

using namespace model;

namespace {

template <class Set> void run_scripts(const weakref::options& wanted, const seeds& chosen) {
  run_seeds(chosen, [&](const auto& script) { return set_script<Set>(script, wanted); });
}

} // namespace

TEST_CASE("set model: by identity") {
  run_scripts<weakref::WeakSet<Subject>>({}, {1, 15});
  run_scripts<weakref::WeakSet<Subject>>({.shards = 4}, {100, 15});
}

TEST_CASE("set model: objects tracked by their base") {
  run_scripts<weakref::WeakSet<OwnSubject>>({}, {200, 15});
}

TEST_CASE("set model: by value, under a hash that is always the same") {
  run_scripts<weakref::WeakSet<Subject, kind_hash<1>, same_kind>>({}, {300, 20});
  run_scripts<weakref::WeakSet<Subject, kind_hash<1>, same_kind>>({.accept_untracked = true}, {400, 20});
}

TEST_CASE("set model: by value, under a hash of two bits, objects tracked by their base") {
  run_scripts<weakref::WeakSet<OwnSubject, kind_hash<4>, same_kind>>({.shards = 4}, {500, 20});
}

TEST_CASE("set model: tracked and untracked objects together") {
  run_scripts<weakref::WeakSet<Subject>>({.accept_untracked = true}, {600, 20});
}
