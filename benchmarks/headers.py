#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""How long does the compiler take for a file that includes nothing but one public header? Beside standard headers and
those of the peers, where they are found. Asks $CXX (g++) with -O2, and $CPPFLAGS for where Boost is; the time is the
processor's.

headers.py lines: holds the bounds of what fwd.hpp and ref.hpp include; always says the same, so it is a test.
headers.py times [ROUNDS]: holds the bounds of the time they take, as medians of turns taken by all. The machine should
have nothing else to do."""

import os
import re
import shlex
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import program  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PEERS = ["memory", "mutex", "unordered_map", "boost/unordered/unordered_flat_map.hpp", "boost/flyweight.hpp",
         "oneapi/tbb/concurrent_hash_map.h"]


def command():
    return [*shlex.split(os.environ.get("CXX", "g++")), "-std=c++20", "-O2", f"-I{ROOT}/include",
            *shlex.split(os.environ.get("CPPFLAGS", "")), "-x", "c++"]


def is_there(header):
    told = subprocess.run([*command(), "-E", "-o", os.devnull, "-"], input=f"#include <{header}>\n", text=True,
                          stderr=subprocess.DEVNULL, check=False)
    return told.returncode == 0


def compiled(header):
    with tempfile.TemporaryDirectory() as scratch:
        source = os.path.join(scratch, "one.cpp")
        with open(source, "w", encoding="utf-8") as file:
            file.write(f"#include <{header}>\n" if header else "")
        compiler = subprocess.Popen([*command(), "-c", source, "-o", os.path.join(scratch, "one.o")])
        _, status, used = os.wait4(compiler.pid, 0)
        compiler.returncode = os.waitstatus_to_exitcode(status)
    if compiler.returncode != 0:
        sys.exit(f"{header} does not compile")
    return (used.ru_utime + used.ru_stime) * 1e9


# -- The bounds ----------------------------------------------------------------------------------------

# A header that only names the types is for those who include nothing else: let it stay so.
FORWARD = {"weakref/detail/base/config.hpp", "iosfwd", "type_traits", "version", "functional", "bits/stl_function.h", "__functional/operations.h"}
FORWARD_LINES = 1 / 6  # of <memory>
FORWARD_TIME = 0.1  # of <memory>, above that of an empty file
REF = 1.1  # of <memory>: lines and time


def preprocessed(header):
    """The lines of code, and the files that they come from."""
    told = subprocess.run([*command(), "-E", "-"], input=f"#include <{header}>\n", text=True, stdout=subprocess.PIPE,
                          check=True).stdout.splitlines()
    files = {match[1] for line in told if (match := re.match(r'# \d+ "([^"<]+)"', line))}
    return sum(1 for line in told if line.strip() and not line.startswith("#")), files


def hold(what, measured, bound, unit):
    holds = measured <= bound
    print(f"{'holds ' if holds else 'BROKEN'} {what}: {measured:.5g} {unit}, at most {bound:.5g}")
    return holds


def hold_lines():
    lines = {header: preprocessed(f"weakref/{header}.hpp") for header in ("fwd", "ref")}
    memory, _ = preprocessed("memory")
    print(f"       <memory>: {memory} lines")
    results = [hold("fwd.hpp", lines["fwd"][0], FORWARD_LINES * memory, "lines"),
               hold("ref.hpp", lines["ref"][0], REF * memory, "lines")]
    for header, (_, files) in lines.items():
        boost = sorted(file for file in files if "/boost/" in file)
        results.append(hold(f"{header}.hpp: {' '.join(boost) or 'Boost'}", len(boost), 0, "files"))
    with open(f"{ROOT}/include/weakref/fwd.hpp", encoding="utf-8") as file:
        others = sorted(set(re.findall(r"^ *# *include <(.*)>", file.read(), re.M)) - FORWARD)
    results.append(hold(f"fwd.hpp: {' '.join(others) or 'other includes'}", len(others), 0, "files"))
    return all(results)


def hold_times(rounds):
    headers = ["", "memory", "weakref/fwd.hpp", "weakref/ref.hpp"]
    taken = {header: [] for header in headers}
    for _ in range(rounds):
        for header in headers:
            taken[header].append(compiled(header) / 1e6)
    empty, memory, forward, ref = (statistics.median(taken[header]) for header in headers)
    print(f"       median: nothing {empty:.0f} ms, <memory> {memory:.0f}, fwd.hpp {forward:.0f}, ref.hpp {ref:.0f}")
    # Each round divides by its own <memory>: a busy neighbour slows all of a round.
    rounds_of = list(zip(*taken.values()))
    above_nothing = statistics.median((forward - empty) / memory for empty, memory, forward, _ in rounds_of)
    beside_memory = statistics.median(ref / memory for _, memory, _, ref in rounds_of)
    return all([hold("fwd.hpp, above nothing", above_nothing, FORWARD_TIME, "of <memory>"),
                hold("ref.hpp", beside_memory, REF, "of <memory>")])


def main():
    if sys.argv[1:2] == ["lines"]:
        sys.exit(not hold_lines())
    if sys.argv[1:2] == ["times"]:
        sys.exit(not hold_times(int(sys.argv[2]) if len(sys.argv) > 2 else 31))
    ours = sorted(f"weakref/{name}" for name in os.listdir(f"{ROOT}/include/weakref") if name.endswith(".hpp"))
    peers = PEERS[:3] + [header for header in PEERS[3:] if is_there(header)]
    program.run({f"compile/header/0/{header}": lambda header=header: compiled(header) for header in peers + ours})


if __name__ == "__main__":
    main()
