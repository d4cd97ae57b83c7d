# SPDX-License-Identifier: BSL-1.0
"""What `measure` wrote, for `report`, `compare` and `plot`.

RESULT-DIRECTORY/results.json has the form of Google Benchmark's own JSON files, cut down to what is read here:
"context" says where, when and how it was measured, and each element of "benchmarks" is one repetition.
"""

import json
import os
import statistics
import sys
from collections import defaultdict

OURS = "weakref"
UNLOCKED = "_unlocked"

KEYS = ("random", "text", "id")
SIZES = (1_000, 100_000, 1_000_000)


class Results:
    """told[question][keys, size][contestant]["ns" or a counter's name] is a list of repetitions. Behind the question
    stands @2 if two threads were asked."""

    def __init__(self, directory):
        path = os.path.join(directory, "results.json")
        with open(path, encoding="utf-8") as file:
            run = json.load(file)
        self.context = run["context"]
        self.told = defaultdict(lambda: defaultdict(lambda: defaultdict(lambda: defaultdict(list))))
        order = {}
        for row in run["benchmarks"]:
            question, keys, size, contestant = row["name"].split("/", 3)
            order[contestant] = min(row["family_index"], order.get(contestant, row["family_index"]))
            figures = self.told[question][keys, int(size)][contestant]
            figures["ns"].append(row["real_time"])
            for counter, value in row.get("counters", {}).items():
                figures[counter].append(value)
        # As the programs name them, ours last; within a run they take turns at random.
        self.order = sorted(order, key=lambda name: (name.startswith(OURS), order[name]))

    def figures(self, question, keys, size, contestant, kind="ns"):
        places = self.told.get(question, {})
        return places.get((keys, size), {}).get(contestant, {}).get(kind, [])

    def median(self, question, keys, size, contestant, kind="ns"):
        figures = self.figures(question, keys, size, contestant, kind)
        return statistics.median(figures) if figures else None

    def best(self, question, keys, size, wanted):
        """(median, name) of the fastest contestant whose name is wanted, or None."""
        medians = [(statistics.median(figures["ns"]), name)
                   for name, figures in self.told.get(question, {}).get((keys, size), {}).items()
                   if wanted(name)]
        return min(medians, default=None)


def thread_safe_peer(name):
    """Python's dictionary is there to be seen, not to be beaten: its time holds an interpreter's. What is called
    alone is a part of the work."""
    return not name.startswith(OURS) and not name.endswith((UNLOCKED, "_alone")) and name != "cpython"


def erasing_peer(name):
    """A deleter that erases. At a death lazy maps merely put the work off."""
    return thread_safe_peer(name) and name.endswith("_erasing")


def spread(figures):
    """The middle half of the repetitions, as a part of the median."""
    if len(figures) < 2:
        return None
    low, middle, high = statistics.quantiles(figures, n=4, method="inclusive")
    return (high - low) / middle if middle else None


def number(value):
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def spaced(size):
    return f"{size:,}".replace(",", " ")


def table(heads, rows):
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    for place, row in enumerate([heads, *rows]):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")
        if place == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    print()


def from_command_line(usage):
    """The results in the one directory named, or the end of the program."""
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        asked = len(sys.argv) == 2
        print(usage.strip(), file=sys.stdout if asked else sys.stderr)
        sys.exit(0 if asked else 2)
    try:
        return Results(sys.argv[1])
    except FileNotFoundError as error:
        print(f"{error.filename} is not there; `benchmarks/run` makes it", file=sys.stderr)
        sys.exit(2)


def about(context):
    """Where, when and how it was measured, in a paragraph."""
    said = [context["date"], f"commit {context['commit']}", f"{context['processors']} × {context['machine']}"]
    if "compiler" in context:  # else only scripts were run
        compiler = context["compiler"]
        said += [f"caches {context['caches']}", f"g++ {compiler}" if compiler[:1].isdigit() else compiler,
                 f"`{context['flags']}`", context["standard library"], f"Boost {context['boost'].replace('_', '.')}",
                 f"oneTBB {context['tbb']}" if "tbb" in context else "no oneTBB",
                 f"load at most {context['load']:.1f} (1 is the benchmark's own)"]
    said += [f"{context['memory_gib']} GiB", context["system"], context["libc"], f"Python {context['python']}",
             f"up to {context['passes']} passes"]
    return ", ".join(said) + "."
