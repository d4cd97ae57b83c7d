// SPDX-License-Identifier: BSL-1.0
//
// WeakKeyDictionary against its model (key_script.hpp), in random scripts; seeds.hpp says how to run more.
#include "key_script.hpp"

#include "seeds.hpp"

using namespace model;

namespace {

template <class Dictionary> void run_scripts(const weakref::options& wanted, const seeds& chosen) {
  run_seeds(chosen, [&](const auto& script) { return key_script<Dictionary>(script, wanted); });
  CHECK(Payload::alive() == 0);
}

} // namespace

TEST_CASE("key model: by identity") {
  run_scripts<key_dictionary<Subject, Payload>>({}, {1, 15});
  run_scripts<key_dictionary<Subject, Payload>>({.shards = 4}, {100, 10});
}

TEST_CASE("key model: values that are copied as bytes") {
  run_scripts<key_dictionary<Subject, int>>({.shards = 1}, {200, 15});
}

TEST_CASE("key model: objects tracked by their base") {
  run_scripts<key_dictionary<OwnSubject, Payload>>({}, {300, 15});
}

TEST_CASE("key model: by value, under a hash that is always the same") {
  run_scripts<value_keyed_dictionary<Subject, Payload, kind_hash<1>>>({}, {400, 20});
  run_scripts<value_keyed_dictionary<Subject, Payload, kind_hash<1>>>({.accept_untracked = true}, {500, 20});
}

TEST_CASE("key model: by value, under a hash of two bits, objects tracked by their base") {
  run_scripts<value_keyed_dictionary<OwnSubject, int, kind_hash<4>>>({.shards = 4}, {600, 20});
}

TEST_CASE("key model: tracked and untracked objects together") {
  run_scripts<key_dictionary<Subject, Payload>>({.accept_untracked = true}, {700, 20});
}
