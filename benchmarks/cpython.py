#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The questions of lookup_bench, death_bench, store_bench, create_bench and iteration_bench, asked of CPython's
weakref.WeakValueDictionary. The interpreter's loop is in the figures, as it is in every Python program's. Most at
1 000 entries only: it takes minutes to say of more what these say."""

import bisect
import itertools
import random
import sys
import time
import weakref

sys.dont_write_bytecode = True
import program  # noqa: E402 (after the line that keeps the tree clean)

DRAWS = 1 << 16

MIXED = random.Random(1)
INTEGERS = {}  # index: a random integer, the same each time


def integer(index):
    return INTEGERS.setdefault(index, MIXED.getrandbits(64))


KEYS = {
    "random": integer,
    "text": lambda index: f"textures/level/{index:010}.webp",
    "id": lambda index: integer(index).to_bytes(8, "little") + index.to_bytes(8, "big"),
}


class Object:
    __slots__ = ("id", "__weakref__")

    def __init__(self, number):
        self.id = number


def timed(work, operations):
    start = time.thread_time_ns()
    work()
    return (time.thread_time_ns() - start) / operations


def filled(key_at, size):
    owners = [Object(index) for index in range(size)]
    return weakref.WeakValueDictionary((key_at(index), owner) for index, owner in enumerate(owners)), owners


def drawn(key_at, first, count):
    return [key_at(random.randrange(first, first + count)) for _ in range(DRAWS)]


def hit(key_at, size):
    objects, owners = filled(key_at, size)
    wanted = drawn(key_at, 0, size)

    def work():
        get = objects.get
        for key in wanted:
            get(key).id

    return timed(work, DRAWS)


def miss(key_at, size):
    objects, owners = filled(key_at, size)
    wanted = drawn(key_at, size, size)

    def work():
        get = objects.get
        for key in wanted:
            get(key)

    return timed(work, DRAWS)


def death(key_at, size):
    objects, owners = filled(key_at, size)
    random.shuffle(owners)
    return timed(owners.clear, size)


def replace(key_at, size):
    keys = [key_at(index) for index in range(2 * size)]
    random.shuffle(keys)
    objects = weakref.WeakValueDictionary()
    owners = [None] * size

    def turn(half):
        for index, key in enumerate(half):
            owners[index] = None
            owners[index] = objects[key] = Object(index)

    turn(keys[:size])
    turn(keys[size:])
    first = keys[:size]
    return timed(lambda: turn(first), size)


def get_or_create(key_at, size):
    up_to = list(itertools.accumulate(1 / rank**0.99 for rank in range(1, 4 * size + 1)))
    indices = list(range(4 * size))
    random.shuffle(indices)
    wanted = [key_at(indices[bisect.bisect(up_to, random.random() * up_to[-1], hi=len(indices) - 1)])
              for _ in range(max(DRAWS, size))]
    objects = weakref.WeakValueDictionary()
    places = [None] * size

    def work():
        get = objects.get
        place = 0
        for key in wanted:
            found = get(key)
            if found is None:
                found = objects[key] = Object(place)
            places[place] = found
            place += 1
            if place == size:
                place = 0

    work()
    return timed(work, len(wanted))


def iteration(key_at, size):
    objects, owners = filled(key_at, size)

    def work():
        for one in objects.values():
            one.id

    return timed(work, size)


def main():
    benchmarks = {}
    for question, name in ((hit, "hit"), (miss, "miss"), (death, "death"), (replace, "replace"),
                           (get_or_create, "get_or_create"), (iteration, "iteration")):
        for keys, key_at in KEYS.items():
            if question is iteration and keys != "random":
                continue
            for size in (1_000, 100_000) if keys == "random" else (1_000,):
                benchmarks[f"{name}/{keys}/{size}/cpython"] = (
                    lambda question=question, key_at=key_at, size=size: question(key_at, size))
    program.run(benchmarks)


if __name__ == "__main__":
    main()
