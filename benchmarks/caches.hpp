// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_BENCHMARKS_CACHES_HPP
#define WEAKREF_BENCHMARKS_CACHES_HPP

// The questions about what a cache does all day: which maps are asked them, of one thread and of two.

#include "bench.hpp"
#include "peers.hpp"
#include "threads.hpp"
#include "weakref_maps.hpp"

namespace bench {

// run.operator()<Map, Keys>(state, size, threads), for each map, kind of key and size.
template <class Run> void ask_caches(std::string_view question, Run run) {
  for_each_kind_and_size([=]<class Keys>(std::size_t size) {
    using key = typename Keys::type;
    const auto ask_all = [=]<class... Map>(types<Map...>, std::size_t threads) {
      (ask_threads<Keys, Map>(question, size, threads, draws_of_each(threads) * threads, draws_wanted,
                              [=](benchmark::State& state, std::size_t) {
                                run.template operator()<Map, Keys>(state, size, threads);
                              }),
       ...);
    };
    const auto here = types<weakref_emplaced<key>>();
    if (size <= few) {
      ask_all(lazy_peers<key>() + erasing_peers<key>() + ours<key>(), 1);
    } else {
      ask_all(few_lazy_peers<key>() + few_erasing_peers<key>() + here, 1);
    }
    ask_all(sharing_lazy_peers<key>() + few_erasing_peers<key>() + here, 2);
  });
}

} // namespace bench

#endif
