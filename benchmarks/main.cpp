// SPDX-License-Identifier: BSL-1.0

// The main function of every benchmark program. Run one with
//
//   --benchmark_enable_random_interleaving=true --benchmark_repetitions=5
//   --benchmark_out=FILE --benchmark_out_format=json
//
// and give FILE to ./report; ./measure does so for all of them.

#include "bench.hpp"

#include <boost/version.hpp>
#ifdef WEAKREF_BENCHMARKS_HAVE_TBB
#include <oneapi/tbb/version.h>
#endif

#include <future>
#include <string>
#include <thread>

int main(int argc, char** argv) {
  // libstdc++ counts references without atomic operations until the process has its first thread; every
  // program that these figures are about has one.
  std::promise<void> finished;
  std::thread idle([end = finished.get_future()] { end.wait(); });

  bench::register_benchmarks();
  benchmark::Initialize(&argc, argv);
  const bool understood = !benchmark::ReportUnrecognizedArguments(argc, argv);
  if (understood) {
    benchmark::AddCustomContext("compiler", __VERSION__);
#ifdef _GLIBCXX_RELEASE
    benchmark::AddCustomContext("standard library", "libstdc++ " + std::to_string(_GLIBCXX_RELEASE));
#endif
    benchmark::AddCustomContext("boost", BOOST_LIB_VERSION);
#ifdef WEAKREF_BENCHMARKS_HAVE_TBB
    benchmark::AddCustomContext("tbb", TBB_VERSION_STRING);
#endif
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
  }

  finished.set_value();
  idle.join();
  return understood ? 0 : 1;
}
