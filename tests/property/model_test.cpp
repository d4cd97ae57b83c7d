// SPDX-License-Identifier: BSL-1.0
//
// WeakValueDictionary against its model (value_script.hpp), in random scripts; seeds.hpp says how to run more.
#include "value_script.hpp"

#include "seeds.hpp"

#include "../support/dictionary_mutex.hpp"

#include <string>

using namespace dictionary_test;
using namespace model;

namespace {

template <class Dictionary, class Scale = few_keys>
void run_scripts(const weakref::options& wanted, const seeds& chosen) {
  run_seeds(chosen, [&](const auto& script) { return value_script<Dictionary, Scale>(script, wanted); });
}

} // namespace

TEST_CASE("model: integer keys") { run_scripts<value_dictionary<int, Subject>>({}, {1, 15}); }

TEST_CASE("model: one shard") { run_scripts<value_dictionary<int, Subject>>({.shards = 1}, {100, 10}); }

TEST_CASE("model: many shards") { run_scripts<value_dictionary<int, Subject>>({.shards = 16}, {200, 10}); }

TEST_CASE("model: string keys") { run_scripts<value_dictionary<std::string, Subject>>({}, {300, 10}); }

TEST_CASE("model: keys that all collide") {
  run_scripts<value_dictionary<int, Subject, constant_hash>>({.shards = 1}, {400, 10});
}

TEST_CASE("model: keys that share a few hashes") {
  run_scripts<value_dictionary<int, Subject, crowded_hash<4>>>({}, {500, 10});
}

TEST_CASE("model: keys whose comparison is user code") {
  run_scripts<value_dictionary<LoudKey, Subject>>({}, {600, 10});
}

TEST_CASE("model: objects tracked by their base") {
  run_scripts<value_dictionary<int, OwnSubject>>({}, {700, 15});
}

TEST_CASE("model: tracked and untracked objects together") {
  run_scripts<value_dictionary<int, Subject>>({.accept_untracked = true}, {800, 15});
  run_scripts<value_dictionary<int, Subject, constant_hash>>({.shards = 1, .accept_untracked = true},
                                                             {900, 10});
}

TEST_CASE("model: a dictionary for one thread") {
  run_scripts<weakref::local::WeakValueDictionary<int, OwnSubject>>({}, {1000, 10});
}

TEST_CASE("model: a mutex of the application's own") {
  const long nested = watched_mutex::nested();
  run_scripts<value_dictionary<int, Subject, weakref::hash<int>, watched_mutex>>({.shards = 4}, {1200, 10});
  CHECK(watched_mutex::nested() == nested);
  CHECK(watched_mutex::held() == 0);
}

TEST_CASE("model: thousands of keys, tables that grow and a dictionary that splits") {
  run_scripts<value_dictionary<int, Subject>, many_keys>({}, {1300, 3, 2000});
  run_scripts<value_dictionary<int, Subject>, many_keys>({.shards = 1, .accept_untracked = true},
                                                         {1400, 2, 2000});
}
