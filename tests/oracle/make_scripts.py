#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Makes random scripts of operations on weak dictionaries, weak sets, refs, proxies and finalizers, runs them in
CPython, and prints each step with what Python observed. oracle_test replays them and compares step by step.

    make_scripts.py [--seed N] [--scripts N] [--steps N]        the same arguments give the same scripts

A script is made while it runs: the next command depends on what there is. A line is

    COMMAND ARGUMENT… => OBSERVATION | EVENT…

Arguments: s3 a slot (a place for one owner), bare an object that can't be referred to weakly, v0 v1
dictionaries of weak values, k0 k1 of weak keys, w0 w1 of weak keys whose values are owners, t0 t1 t2 weak
sets, r p m f refs, proxies, methods and finalizers. Observations: o17 the object of that number, KeyError and
the like, [ … ] contents. An event is what happened during the step: r4:o17:dead( … ) a callback with all that
happened inside it, ~o17 the end of object 17 (of a member of it: that is where a C++ destructor stands, while
__del__ comes before everything else; objects that have one say del:o17).

How what Python leaves open is made comparable, without keeping anything back:

* popitem of any dictionary and pop of a set take what they like. The step says what Python took; the test
  checks that its own choice was a member, puts it back, takes Python's, and compares all that follows.
* Contents are printed in Python's order. The test compares them as sets, and counts how often its own order
  was another.
* A loop that is changed inside: `stand` goes on until the iterator stands at a named element, which both
  promise to reach, and leaves it there while other commands run; `finish` goes to the end. Printed are the
  entries that nobody touched meanwhile: both promise to have shown each of them once.
* What Python says of a container that has a history may differ from what it says of a fresh copy with the
  same elements: dead entries stay in it while somebody iterates, while newer callbacks run, and for ever
  after `&=`. Then both are printed: ANSWER ~ ANSWER OF A COPY.
* A script whose dictionaries own objects can end several at once; the test then compares the events object by
  object. While an iterator stands in such a dictionary Python keeps the values of dead keys: until it has gone
  the script only drops owners, and the events of that time are compared together. Where keys are compared by
  value, too, update runs only if it can be nobody's end, but for the plot newcomer_of_the_dying.

Left out: iterators of keys() and values() that stand while something changes (those of items() do).

Everything else must be the same, letter by letter, or be one of the named differences in differences.hpp."""

import argparse
import gc
import platform
import random
import sys
import weakref

sys.dont_write_bytecode = True  # the source tree may be read-only, and is not to grow
from python_world import NAMES, SLOTS, Plain, Valued, World  # noqa: E402

KEYS = 7


class Writer:
    """Chooses the commands. Each kind of script leans towards something else."""

    KINDS = {"values": "v" * 8 + "o" * 3 + "r" * 2, "keys": "k" * 8 + "o" * 3 + "r" * 2, "sets": "t" * 8 + "o" * 4 + "r",
             "owning": "w" * 8 + "o" * 4 + "r", "refs": "r" * 8 + "o" * 4 + "vkt", "mixed": "vktt" + "o" * 3 + "rr"}

    def __init__(self, random_, world, kind):
        self.random, self.world, self.groups = random_, world, self.KINDS[kind]
        self.owning = kind == "owning"
        self.plot = []  # commands that come next, whatever chance says
        self.favourite = 0  # many refs to one object, and not one to each of many

    def pick(self, words):
        return self.random.choice(words if isinstance(words, (list, tuple)) else words.split())

    def slot(self):
        return f"s{self.random.randrange(SLOTS)}"

    def full(self):
        """A slot that is filled, if there is one."""
        filled = [i for i, s in enumerate(self.world.slots) if s is not None]
        return f"s{self.pick(filled)}" if filled else self.slot()

    def operand(self):
        chance = self.random.random()
        return "bare" if chance < 0.05 else self.slot() if chance < 0.15 else self.full()

    def several(self):
        return ["bare" if self.random.random() < 0.08 else self.operand() for _ in range(self.random.randrange(1, 5))]

    def watched(self):
        if self.random.random() < 0.15:
            self.favourite = self.random.randrange(SLOTS)
        return f"s{self.favourite}" if self.random.random() < 0.6 else self.operand()

    def key(self, name):
        return str(self.random.randrange(KEYS)) if name[0] == "v" else self.operand()

    def value(self, name):
        return str(self.random.randrange(10)) if name[0] == "k" else self.operand()

    def number(self):
        return str(self.random.randrange(4))

    def container(self, letters):
        return self.pick([n for n in self.world.containers if n[0] in letters])

    def other(self, name):
        return self.container(name[0])

    def closed(self, name):
        return name if name != self.world.open else None

    def action(self):
        # Where several objects die at once the order is open; what callbacks do must not depend on it.
        kind = self.pick("- none none drop raise" if self.owning else "- none none drop drop look look look make unref unref unref store clear raise")
        if kind == "drop":
            return f"drop:{self.full()}"
        if kind == "look":
            return "look:" + self.pick("v k t")
        if kind == "make":
            return f"make:{self.slot()}:{self.number()}"
        if kind == "unref":
            return f"unref:{self.pick('r r p m')}{self.random.randrange(NAMES)}"
        if kind == "store":
            return f"store:{self.container('v')}:{self.random.randrange(KEYS)}:{self.slot()}"
        return f"clear:{self.container('vkt')}" if kind == "clear" else kind

    def objects(self):
        op = self.pick("make make make make make maketelling own own drop drop drop drop drop count count identity")
        if op in ("make", "maketelling"):
            return [op, self.slot(), self.number()]
        if op == "own":
            return [op, self.slot(), self.full()]
        a, b = self.full(), self.full()
        if self.world.operand(a) is None:
            return None
        return [op, a, b] if op == "identity" else [op, a]

    def iteration(self, name):
        world = self.world
        if world.open:
            if world.open[0] in self.groups:
                return [f"{world.open[0]}.{self.pick('finish leave')}", world.open]
            return None
        there = list(world.snapshot(name))
        if not there:
            return None
        target = self.pick(there)
        return [f"{name[0]}.stand", name, str(target)[1:] if name[0] == "v" else f"o{target}"]

    def could_kill(self, d):
        """Whether a change of d can be the end of an object. Where keys are equal by value, what update leaves then depends on
        the moment; that has its own plot, newcomer_of_the_dying."""
        kept = [id(s) for s in self.world.slots]
        return any(v is not None and id(v) not in kept for v in self.world.containers[d].values())

    def dictionary(self, letter):
        d = self.container(letter)
        if self.random.random() < 0.15:
            return self.iteration(d)
        if len(self.world.snapshot(d)) < 3 and self.random.random() < 0.25:
            return [f"{letter}.set", d, self.key(d), self.value(d)]
        op = self.pick("get getor at in len len set set set set set setdefault setdefault pop popor popitem popitem del clear new copy"
                       " from frompairs update updatepairs or ior eq eq items keys values refs visit"
                       + (" create create emplace" if letter == "v" else " create" if letter == "k" else ""))
        key = self.key(d)
        if letter == "v" and self.random.random() < 0.4:
            key = self.pick([k[1:] for k in self.world.snapshot(d)] or [key])
        name = f"{letter}.{op}"
        if op in ("get", "at", "in", "pop", "del", "visit"):
            return [name, d, key]
        if op == "setdefault" and letter == "v" and self.random.random() < 0.15:
            return [name, d, key, "bare"]
        if op in ("getor", "set", "setdefault", "popor"):
            return [name, d, key, self.value(d)]
        if op == "clear" and self.random.random() < 0.5:
            return None
        if op in ("len", "popitem", "clear", "items", "keys", "values", "refs"):
            return [name, d]
        if op == "new":
            return [name, d] if self.closed(d) and self.random.random() < 0.3 else None
        other = self.other(d)
        if op in ("copy", "from"):
            to = other if op == "copy" else d
            return [name, d, other] if self.closed(to) and self.random.random() < 0.5 else None
        if op in ("update", "ior", "updatepairs") and letter == "w" and self.world.cls is Valued and self.could_kill(d):
            return None
        if op in ("update", "or", "ior", "eq"):
            return [name, d, other]
        if op == "create" and letter == "k":
            return [name, d, self.full(), self.value(d)]
        if op in ("create", "emplace"):
            return [name, d, key, self.number(), self.slot()]
        if op == "frompairs" and (not self.closed(d) or self.random.random() < 0.2):
            return None
        keys = dict.fromkeys(self.key(d) for _ in range(self.random.randrange(1, 4)))
        return [name, d] + [word for k in keys for word in (k, self.value(d))]

    def set(self):
        t = self.container("t")
        if self.random.random() < 0.15:
            return self.iteration(t)
        if len(self.world.snapshot(t)) < 3 and self.random.random() < 0.3:
            return ["t.update", t] + self.several()
        op = self.pick("add add add add add add discard discard remove remove pop in in len clear new copy from fromlist"
                       " update update union or ior intersection intersection_update and iand difference"
                       " difference_update sub isub symmetric_difference symmetric_difference_update xor ixor"
                       " isdisjoint isdisjoint issubset issubset issuperset issuperset le lt ge gt eq eq items refs len len len")
        name = f"t.{op}"
        if op in ("add", "discard", "remove", "in"):
            return [name, t, self.operand()]
        if op == "clear" and self.random.random() < 0.5:
            return None
        if op in ("pop", "len", "clear", "items", "refs"):
            return [name, t]
        if op == "new":
            return [name, t] if self.closed(t) and self.random.random() < 0.3 else None
        other = self.other(t)
        if op in ("copy", "from"):
            to = other if op == "copy" else t
            return [name, t, other] if self.closed(to) and self.random.random() < 0.5 else None
        if op == "fromlist" and (not self.closed(t) or self.random.random() < 0.5):
            return None
        if op not in ("or", "ior", "and", "iand", "sub", "isub", "xor", "ixor", "le", "lt", "ge", "gt", "eq"):
            if op == "fromlist" or self.random.random() < 0.5:
                return [name, t] + self.several()
        return [name, t, other]

    def references(self):
        world = self.world
        op = self.pick("ref ref ref ref ref ref unref call call callback refeq refeq refhash refhash proxy proxy"
                       " proxyread proxyread proxywrite proxyeq method method methodcall methodcall methodeq"
                       " methodeq methodhash finalize finalize finalize forget finalcall alive detach peek"
                       " atexit atexit setatexit setatexit")
        number = self.random.randrange(NAMES)
        if op in ("ref", "proxy", "finalize"):
            action = self.action()
            if op == "finalize" and action == "-":
                action = "none"
            return [op, f"{op[0]}{number}", self.watched(), action]
        if op == "method":
            slot = self.watched()
            slot = slot if slot != "bare" else self.full()
            return [op, f"m{number}", slot, self.pick("plus twice"), self.action()] if world.operand(slot) else None
        letter = {"c": "r", "r": "r", "u": self.pick("r p m"), "p": "p", "m": "m"}.get(op[0], "f")
        if op in ("callback", "call"):
            letter = "r"
        if op == "peek":
            letter = "f"
        table = {"r": world.refs, "p": world.proxies, "m": world.methods, "f": world.finals}[letter]
        there = [i for i, thing in enumerate(table) if thing is not None]
        if not there:
            return None
        name = f"{letter}{self.pick(there)}"
        if op in ("refeq", "proxyeq", "methodeq"):
            # C++ knows == of proxies where the objects have one.
            return [op, name, f"{letter}{self.pick(there)}"] if op != "proxyeq" or world.cls is Valued else None
        return [op, name] + ([self.number()] if op in ("proxywrite",) else [self.pick("0 1")] if op == "setatexit" else [])

    # -- What chance alone brings about too seldom

    def equal_values(self):
        """Two dictionaries that are equal, but for one value that is only equal itself."""
        d = self.container("w" if self.owning else "v")
        other = self.pick([n for n in self.world.containers if n[0] == d[0] and n != d])
        a, b = self.slot(), self.slot()
        if a == b or not self.closed(other):
            return []
        key = self.key(d)
        return [["make", a, "1"], ["make", b, self.pick("1 1 2")], [f"{d[0]}.set", d, key, a], [f"{d[0]}.copy", d, other],
                [f"{d[0]}.set", other, key, b], [f"{d[0]}.eq", d, other]]

    def one_more(self):
        """A set, and what is left of it or comes to it."""
        a, b = self.random.sample(["t0", "t1", "t2"], 2)
        if not self.closed(b):
            return []
        change = self.pick([["t.add", b, self.full()], ["t.discard", b, self.full()]])
        return [["t.update", a, self.full(), self.full()], ["t.copy", a, b], change, [f"t.{self.pick('lt le eq')}", a, b],
                [f"t.{self.pick('gt ge')}", b, a], ["t.issubset", a, b], ["t.gt", a, b]]

    def death_after_intersection(self):
        a, b = self.random.sample(["t0", "t1", "t2"], 2)
        slot = self.slot()
        return [["make", slot, self.number()], ["t.update", a, slot, self.full()], ["t.update", b, slot, self.full()],
                ["t.iand", a, b], ["drop", slot], ["t.len", a], ["t.eq", a, a], [f"t.{self.pick('le lt gt eq')}", a, b]]

    def dropped_meanwhile(self):
        slot = self.slot()
        a, b = self.random.sample(range(NAMES), 2)
        return [["make", slot, self.number()], ["ref", f"r{a}", slot, "none"], ["ref", f"r{b}", slot, f"unref:r{a}"],
                ["drop", slot]]

    def looking(self):
        """A callback that is newer than the entry."""
        slot, c = self.slot(), self.container("vkt")
        store = {"v": ["v.set", c, "0", slot], "k": ["k.set", c, slot, "1"], "t": ["t.add", c, slot]}[c[0]]
        return [["make", slot, self.number()], store, ["ref", f"r{self.random.randrange(NAMES)}", slot, f"look:{c[0]}"],
                ["drop", slot], [f"{c[0]}.len", c]]

    def death_under_an_iterator(self):
        if self.world.open:
            return []
        slot, c = self.slot(), self.container("kt")
        store = ["k.set", c, slot, "1"] if c[0] == "k" else ["t.add", c, slot]
        stand = lambda: self.iteration(c)  # at what is there by then
        return [["make", slot, self.number()], store, stand, ["drop", slot], [f"{c[0]}.refs", c],
                [f"{c[0]}.eq", c, self.other(c)], [f"{c[0]}.len", c], [f"{c[0]}.finish", c]]

    def end_of_owned_under_an_iterator(self):
        slot, owned, c = self.slot(), self.slot(), self.container("w")
        return [["make", slot, self.number()], ["make", owned, self.number()], ["w.set", c, slot, owned],
                lambda: self.iteration(c), ["drop", owned], ["drop", slot], ["w.leave", c]]

    def newcomer_of_the_dying(self):
        """An update that is the end of a key, and brings an equal one."""
        key, old, new, other = (f"s{i}" for i in self.random.sample(range(SLOTS), 4))
        return [["w.new", "w0"], ["w.new", "w1"], ["make", key, "0"], ["make", old, "1"], ["make", new, "1"],
                ["make", other, "2"], ["w.set", "w1", key, old], ["w.set", "w1", old, other], ["w.set", "w0", key, new],
                ["w.set", "w0", new, other], ["drop", old], [self.pick("w.update w.ior"), "w1", "w0"]]

    def next_is_dropped(self):
        """The end of the element that an iterator leaves is the end of the next one."""
        a, b = (f"s{i}" for i in self.random.sample(range(SLOTS), 2))
        d = self.container("v")
        if self.world.open:
            return []
        return [["v.new", d], ["make", a, "0"], ["make", b, "0"], ["v.set", d, "0", a], ["v.set", d, "1", b],
                lambda: ["v.stand", d, "0"] if "k0" in self.world.snapshot(d) else None, ["ref", f"r{self.random.randrange(NAMES)}", a, f"drop:{b}"], ["drop", a],
                ["v.finish", d]]

    def a_plot(self):
        if self.owning:
            return self.pick([self.equal_values, self.end_of_owned_under_an_iterator, self.newcomer_of_the_dying])()
        return self.pick([self.next_is_dropped, self.equal_values, self.one_more, self.death_after_intersection, self.dropped_meanwhile,
                          self.looking, self.death_under_an_iterator])()

    def command(self):
        if not self.plot and self.random.random() < 0.02 and not (self.owning and self.world.open):
            self.plot = self.a_plot()
        if self.plot:
            following = self.plot.pop(0)
            following = following() if callable(following) else following
            if following is not None:
                return following
            self.plot = []
        while True:
            if self.owning and self.world.open:
                # Python keeps the values of dead keys until the iterator goes: until then nobody looks.
                return (["drop", self.slot()] if self.random.random() < 0.6
                        else [f"w.{self.pick('finish leave')}", self.world.open])
            group = self.pick(list(self.groups))
            made = (self.objects() if group == "o" else self.references() if group == "r"
                    else self.set() if group == "t" else self.dictionary(group))
            if made is not None:
                return made


def write(world, words):
    said = world.step(words)
    events = " | " + " ".join(world.events) if world.events else ""
    print(f"{' '.join(words)} => {said}{events}")


class Owned:
    pass


def check_python():
    if platform.python_implementation() != "CPython" or sys.version_info < (3, 9):
        sys.exit("make_scripts.py: the oracle is CPython, 3.9 or later")
    owner = Owned()
    ref = weakref.ref(owner)
    del owner
    if ref() is not None:
        sys.exit("make_scripts.py: this Python does not count references: its deaths are not prompt")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scripts", type=int, default=600)
    parser.add_argument("--steps", type=int, default=80)
    chosen = parser.parse_args()
    check_python()
    gc.disable()
    print(f"python {platform.python_implementation()} {platform.python_version()}")
    print(f"scripts {chosen.scripts} steps {chosen.steps} seed {chosen.seed}")
    kinds = list(Writer.KINDS)
    for number in range(chosen.scripts):
        random_ = random.Random(f"{chosen.seed} {number}")
        kind, cls = kinds[number % len(kinds)], (Plain, Valued)[number // len(kinds) % 2]
        world = World(cls)
        sys.unraisablehook = lambda _, world=world: world.events.append("unraisable")
        print(f"script {number} {kind} {cls.__name__.lower()}")
        writer = Writer(random_, world, kind)
        for slot in range(SLOTS - 2):
            write(world, ["make", f"s{slot}", writer.number()])
        for _ in range(chosen.steps):
            write(world, writer.command())
        if world.open:
            write(world, [f"{world.open[0]}.leave", world.open])
        write(world, ["end"])
        if world.living != 0:
            sys.exit(f"make_scripts.py: script {number} has left {world.living} objects alive: an error in this program")
    print("done")


if __name__ == "__main__":
    main()
