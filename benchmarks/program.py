# SPDX-License-Identifier: BSL-1.0
"""For benchmark programs that are scripts: the options of Google Benchmark that `measure` uses, and its JSON."""

import argparse
import json
import random
import re


def run(benchmarks):
    """benchmarks: {question/keys/size/contestant: function that measures once and returns nanoseconds}"""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--benchmark_list_tests", action="store_true")
    parser.add_argument("--benchmark_filter", default="")
    parser.add_argument("--benchmark_repetitions", type=int, default=1)
    parser.add_argument("--benchmark_out")
    asked, _ = parser.parse_known_args()

    names = [name for name in benchmarks if re.search(asked.benchmark_filter, name)]
    if asked.benchmark_list_tests:
        print("\n".join(names))
        return
    turns = names * asked.benchmark_repetitions
    random.shuffle(turns)
    rows = []
    for name in turns:
        rows.append({"name": name, "run_type": "iteration", "family_index": 1000 + names.index(name),
                     "real_time": benchmarks[name](), "time_unit": "ns"})
        if not asked.benchmark_out:
            print(f"{name} {rows[-1]['real_time']:.1f} ns")
    if asked.benchmark_out:
        with open(asked.benchmark_out, "w", encoding="utf-8") as file:
            json.dump({"context": {}, "benchmarks": rows}, file)
