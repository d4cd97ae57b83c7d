#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""How long does the compiler take for a file that includes nothing but one public header? Beside standard headers and
those of the peers, where they are found. Asks $CXX (g++) with -O2, and $CPPFLAGS for where Boost is; the time is the
processor's."""

import os
import shlex
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
            file.write(f"#include <{header}>\n")
        compiler = subprocess.Popen([*command(), "-c", source, "-o", os.path.join(scratch, "one.o")])
        _, status, used = os.wait4(compiler.pid, 0)
        compiler.returncode = os.waitstatus_to_exitcode(status)
    if compiler.returncode != 0:
        sys.exit(f"{header} does not compile")
    return (used.ru_utime + used.ru_stime) * 1e9


def main():
    ours = sorted(f"weakref/{name}" for name in os.listdir(f"{ROOT}/include/weakref") if name.endswith(".hpp"))
    peers = PEERS[:3] + [header for header in PEERS[3:] if is_there(header)]
    program.run({f"compile/header/0/{header}": lambda header=header: compiled(header) for header in peers + ours})


if __name__ == "__main__":
    main()
