#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""report.py ROOT [--all] EXPORT...: the branches and regions of the library that no test took.

Each EXPORT is what `llvm-cov export` wrote of one program. A template's instantiations are counted together: a branch that one of them
takes each way is taken each way. A condition that the compiler decides (`if constexpr`) is no branch.
"""
import collections
import json
import os
import sys

root = sys.argv[1]
exports = [name for name in sys.argv[2:] if name != "--all"]
folders = ("include/weakref/", "src/") if "--all" in sys.argv else ("include/weakref/detail/", "src/")
CODE, SKIPPED = 0, 2


def library_file(name):
    path = os.path.relpath(os.path.realpath(name), root)
    return path if path.startswith(folders) else None


# file -> place -> [how often true, how often false] or [how often]
branches = collections.defaultdict(lambda: collections.defaultdict(lambda: [0, 0]))
regions = collections.defaultdict(lambda: collections.defaultdict(lambda: [0]))
functions = collections.defaultdict(lambda: collections.defaultdict(int))
for export in exports:
    with open(export) as file:
        (exported,) = json.load(file)["data"]
    for function in exported["functions"]:
        names = [library_file(name) for name in function["filenames"]]
        if names[0] is None:
            continue
        first = function["regions"][0]
        functions[names[0]][first[0], first[1]] += function["count"]
        for *place, count, file, expanded, kind in function["regions"]:
            if kind == CODE and file == 0:
                regions[names[0]][tuple(place)][0] += count
        for *place, true, false, file, expanded, kind in function["branches"]:
            if file == 0:
                both = branches[names[0]][tuple(place)]
                both[0] += true
                both[1] += false

sources = {}


def text_of(name, place):
    if name not in sources:
        with open(os.path.join(root, name)) as file:
            sources[name] = file.read().split("\n")
    first_line, first, last_line, last = place
    lines = sources[name][first_line - 1 : last_line]
    lines[-1] = lines[-1][: last - 1]
    lines[0] = lines[0][first - 1 :]
    return " ".join(" ".join(lines).split())


def decided_by_the_compiler(name, place):
    return "if constexpr" in sources[name][place[0] - 1][: place[1]] or "static_assert" in sources[name][place[0] - 1]


# FILE | CONDITION | true or false or both: the way no test takes | why
exclusions = {}
with open(os.path.join(root, "tests/coverage/exclusions")) as file:
    for line in file:
        line = line.strip()
        if line and not line.startswith("#"):
            name, condition, way, why = (part.strip() for part in line.split(" | "))
            for each in ("true", "false") if way == "both" else (way,):
                exclusions[name, condition, each] = why

print("| file | functions called | regions run | branches taken | excluded |")
print("|---|---|---|---|---|")
untaken, used, total = [], set(), collections.Counter()
for name in sorted(regions):
    count = collections.Counter()
    for calls in functions[name].values():
        count["functions"] += 1
        count["called"] += calls > 0
    for (runs,) in regions[name].values():
        count["regions"] += 1
        count["run"] += runs > 0
    for place, ways in sorted(branches[name].items()):
        condition = text_of(name, place)
        if decided_by_the_compiler(name, place):
            continue
        for way, taken in zip(("true", "false"), ways):
            count["branches"] += 1
            key = (name, condition, way)
            if taken:
                count["taken"] += 1
            elif key in exclusions:
                count["excluded"] += 1
                used.add(key)
            else:
                untaken.append(f"{name}:{place[0]}: never {way}: {condition}")
    total += count
    print(f"| {name} | {count['called']}/{count['functions']} | {count['run']}/{count['regions']} "
          f"| {count['taken']}/{count['branches']} | {count['excluded']} |")
print(f"| all | {total['called']}/{total['functions']} | {total['run']}/{total['regions']} "
      f"| {total['taken']}/{total['branches']} | {total['excluded']} |")

for name in sorted(regions):
    for place, calls in sorted(functions[name].items()):
        if calls == 0:
            print(f"\nnever called: {name}:{place[0]}", end="")
print()
for line in untaken:
    print(line)
unneeded = [key for key in exclusions if key not in used and key[0].startswith(folders)]
for name, condition, way in unneeded: # one that only chance takes may be taken
    print(f"taken, although excluded: {name}: {way}: {condition}")
print(f"branches: {total['branches']} in all, {total['taken']} taken, {total['excluded']} excluded, "
      f"{len(untaken)} missed")
sys.exit(bool(untaken))
