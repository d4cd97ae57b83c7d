# SPDX-License-Identifier: BSL-1.0
"""What the commands of make_scripts.py do in Python, and what is to be seen of it."""

import operator
import weakref

SLOTS, NAMES = 8, 6


class Words:
    """The member of an object whose end tells of the object's."""

    __slots__ = ("world", "text")

    def __init__(self, world, text):
        self.world, self.text = world, text

    def __del__(self):
        self.world.events.append(self.text)
        self.world.living -= 1


class Plain:
    """Compared by identity. The hash is not the address: it would be another in the next run, and so what sets take."""

    __slots__ = ("serial", "value", "extra", "me", "words", "__weakref__")

    def __init__(self, world, serial, value):
        self.serial, self.value, self.extra = serial, value, 0
        self.words = Words(world, f"~o{serial}")
        world.living += 1

    def __hash__(self):
        return self.serial

    def plus(self):
        return self.value + 1

    def twice(self):
        return self.value * 2


class Valued(Plain):
    """Compared by value."""

    __slots__ = ()

    def __eq__(self, other):
        return isinstance(other, Valued) and self.value == other.value

    def __hash__(self):
        return hash(self.value)


def with_del(base):
    class Telling(base):
        __slots__ = ()

        def __del__(self):
            self.words.world.events.append(f"del:o{self.serial}:{'dead' if self.me() is None else 'alive'}")

    return Telling


class Bare:
    __slots__ = ("serial",)


TELLING = {Plain: with_del(Plain), Valued: with_del(Valued)}
CLASSES = {"v": weakref.WeakValueDictionary, "k": weakref.WeakKeyDictionary, "w": weakref.WeakKeyDictionary,
           "t": weakref.WeakSet}
RAISED = (KeyError, TypeError, ReferenceError, RuntimeError, ValueError)


def text(thing):
    if isinstance(thing, Plain):
        return f"o{thing.serial}"
    if isinstance(thing, Bare):
        return "bare"
    if isinstance(thing, tuple):
        return "=".join(map(text, thing))
    return str(thing)


def listed(things):
    return "[" + " ".join(map(text, things)) + "]"


def with_copy(answer, of_a_copy):
    return f"{answer} ~ {of_a_copy}" if answer != of_a_copy else str(answer)


class World:
    def __init__(self, cls):
        self.cls = cls
        self.events, self.living, self.made = [], 0, 0
        self.slots = [None] * SLOTS
        self.containers = {n: CLASSES[n[0]]() for n in ("v0", "v1", "k0", "k1", "w0", "w1", "t0", "t1", "t2")}
        self.refs, self.proxies, self.methods, self.finals = ([None] * NAMES for _ in range(4))
        self.watching = {}  # the serials of refs, by name
        self.calling = set()  # the names of those that have a callback
        self.hashes = {}
        self.open = None  # the name of the container that is iterated over
        self.iterator, self.start, self.touched, self.seen = None, {}, set(), []

    # -- What arguments stand for

    def operand(self, word):
        return Bare() if word == "bare" else self.slots[int(word[1:])]

    def key(self, name, word):
        return f"k{word}" if name[0] == "v" else self.operand(word)

    def value(self, name, word):
        return int(word) if name[0] == "k" else self.operand(word)

    def pairs(self, name, words):
        return [(self.key(name, k), self.value(name, v)) for k, v in zip(words[::2], words[1::2])]

    def put(self, slot, thing):
        self.slots[int(slot[1:])] = thing

    def make(self, value, telling=False):
        self.made += 1
        made = (TELLING[self.cls] if telling else self.cls)(self, self.made, int(value))
        made.me = weakref.ref(made) if telling else None
        return made

    def snapshot(self, name):
        """What lives in a container, without asking the container anything."""
        data = self.containers[name].data
        if name[0] == "t":
            return {r().serial: True for r in data if r() is not None}
        if name[0] == "v":
            return {k: r().serial for k, r in data.items() if r() is not None}
        return {r().serial: text(v) for r, v in data.items() if r() is not None}

    def touch(self, name, keys=None):
        if name == self.open:
            self.touched.update(self.start if keys is None else keys)

    # -- One step

    def step(self, words):
        self.events.clear()
        handler = getattr(self, "do_" + words[0].replace(".", "_"), None)
        if handler is None:
            handler = getattr(self, "any_" + words[0].split(".")[1])
        before = self.snapshot(self.open) if self.open else {}
        try:
            said = handler(*words[1:])
        except RAISED as error:
            said = type(error).__name__
        if self.open:
            now = self.snapshot(self.open)
            self.touched.update(k for k in self.start if now.get(k) != before.get(k))
        return said

    # -- Objects

    def do_make(self, slot, value):
        self.put(slot, self.make(value))
        return text(self.operand(slot))

    def do_maketelling(self, slot, value):
        self.put(slot, self.make(value, telling=True))
        return text(self.operand(slot))

    def do_own(self, to, of):
        self.put(to, self.operand(of))
        return text(self.operand(to))

    def do_drop(self, slot):
        self.put(slot, None)
        return "ok"

    def do_count(self, slot):
        """All refs ~ those that watch: with a callback, or the entry of a container."""
        owner = self.operand(slot)
        watching = sum(p is not None and s == owner.serial and f"p{i}" in self.calling
                       for i, (p, s) in enumerate(zip(self.proxies, self.of(self.proxies, "p"))))
        for name, container in self.containers.items():
            entries = container.data.values() if name[0] == "v" else container.data
            watching += sum(r() is owner for r in entries)
        for ref in weakref.getweakrefs(owner):
            if isinstance(ref, Method):
                watching += ref.watches
            elif isinstance(ref, weakref.ref) and ref.__callback__ is not None:
                # An entry's own callback: counted above, where it is one still, and not only under an iterator.
                watching += not getattr(ref.__callback__, "__qualname__", "").startswith("Weak")
        return with_copy(weakref.getweakrefcount(owner), watching)

    def do_identity(self, a, b):
        probe = weakref.WeakKeyDictionary()
        probe[self.operand(a)] = probe[self.operand(b)] = 1
        return len(probe)

    # -- Both kinds of dictionaries

    def any_get(self, d, k):
        return text(self.containers[d].get(self.key(d, k)))

    def any_getor(self, d, k, v):
        return text(self.containers[d].get(self.key(d, k), self.value(d, v)))

    def any_at(self, d, k):
        return text(self.containers[d][self.key(d, k)])

    def any_in(self, d, k):
        return self.key(d, k) in self.containers[d]

    def any_len(self, d):
        return with_copy(len(self.containers[d]), len(self.containers[d].copy()))

    def any_set(self, d, k, v):
        self.touch(d, [self.key(d, k)] if d[0] == "v" else None)
        new = self.key(d, k) not in self.containers[d]
        self.containers[d][self.key(d, k)] = self.value(d, v)
        return new

    def any_setdefault(self, d, k, v):
        return text(self.containers[d].setdefault(self.key(d, k), self.value(d, v)))

    def any_pop(self, d, k):
        return text(self.containers[d].pop(self.key(d, k)))

    def any_popor(self, d, k, v):
        return text(self.containers[d].pop(self.key(d, k), self.value(d, v)))

    def any_del(self, d, k):
        del self.containers[d][self.key(d, k)]
        return "ok"

    def any_popitem(self, d):
        self.touch(d)
        return text(self.containers[d].popitem())

    def any_clear(self, c):
        self.containers[c].clear()
        return "ok"

    def any_new(self, c):
        self.containers[c] = CLASSES[c[0]]()
        return "ok"

    def any_copy(self, c, to):
        self.containers[to] = self.containers[c].copy()
        return listed(self.members(to))

    def any_from(self, to, c):
        self.containers[to] = CLASSES[c[0]](self.containers[c])
        return listed(self.members(to))

    def any_frompairs(self, d, *words):
        self.containers[d] = CLASSES[d[0]](self.pairs(d, words))
        return listed(self.members(d))

    def any_update(self, d, other):
        self.touch(d)
        self.containers[d].update(self.containers[other])
        return listed(self.members(d))

    def any_updatepairs(self, d, *words):
        self.touch(d)
        said = "ok"
        try:
            self.containers[d].update(self.pairs(d, words))
        except TypeError:
            said = "TypeError"
        return f"{said} {listed(self.members(d))}"

    def any_or(self, d, other):
        merged = self.containers[d] | self.containers[other]
        return listed(merged.items() if d[0] != "t" else merged)

    def any_ior(self, d, other):
        self.touch(d)
        self.containers[d] |= self.containers[other]
        return listed(self.members(d))

    def any_eq(self, c, other):
        a, b = self.containers[c], self.containers[other]
        return with_copy(a == b, a.copy() == b.copy())

    def members(self, c):
        return list(self.containers[c]) if c[0] == "t" else list(self.containers[c].items())

    def any_items(self, c):
        return listed(self.members(c))

    def any_keys(self, d):
        return listed(self.containers[d].keys())

    def any_values(self, d):
        return listed(self.containers[d].values())

    def refs_of(self, container):
        if isinstance(container, weakref.WeakValueDictionary):
            refs = container.valuerefs()
        else:
            refs = container.keyrefs() if isinstance(container, weakref.WeakKeyDictionary) else list(container.data)
        return listed(sorted("dead" if r() is None else text(r()) for r in refs))

    def any_refs(self, c):
        return with_copy(self.refs_of(self.containers[c]), self.refs_of(self.containers[c].copy()))

    # What users write where this library has a member: get, and do something if there is one, or none.

    def any_visit(self, d, k):
        return text(self.containers[d].get(self.key(d, k), "absent"))

    def do_v_create(self, d, k, value, slot):
        found = self.containers[d].get(self.key(d, k))
        made = found is None
        if made:
            found = self.make(value)
            self.containers[d][self.key(d, k)] = found
            self.touch(d, [self.key(d, k)])
        self.put(slot, found)
        return f"{made} {text(found)}"

    do_v_emplace = do_v_create

    def do_k_create(self, d, k, v):
        if self.key(d, k) not in self.containers[d]:
            self.containers[d][self.key(d, k)] = int(v)
        return text(self.containers[d][self.key(d, k)])

    # -- Sets

    def do_t_add(self, t, s):
        new = self.operand(s) not in self.containers[t]
        self.containers[t].add(self.operand(s))
        return new

    def do_t_discard(self, t, s):
        there = self.operand(s) in self.containers[t]
        self.containers[t].discard(self.operand(s))
        return there

    def do_t_remove(self, t, s):
        self.containers[t].remove(self.operand(s))
        return "ok"

    def do_t_pop(self, t):
        self.touch(t)
        return text(self.containers[t].pop())

    def range_of(self, words):
        """One set, or a list of slots."""
        if len(words) == 1 and words[0][0] == "t":
            return self.containers[words[0]]
        return [self.operand(w) for w in words]

    def do_t_update(self, t, *words):
        self.touch(t)
        return self.changed(t, "update", words)

    def changed(self, t, how, words):
        said = "ok"
        try:
            getattr(self.containers[t], how)(self.range_of(words))
        except TypeError:
            said = "TypeError"
        return f"{said} {listed(self.members(t))}"

    def do_t_intersection_update(self, t, *words):
        return self.changed(t, "intersection_update", words)

    def do_t_difference_update(self, t, *words):
        return self.changed(t, "difference_update", words)

    def do_t_symmetric_difference_update(self, t, *words):
        return self.changed(t, "symmetric_difference_update", words)

    def do_t_union(self, t, *words):
        return listed(self.containers[t].union(self.range_of(words)))

    def do_t_intersection(self, t, *words):
        return listed(self.containers[t].intersection(self.range_of(words)))

    def do_t_difference(self, t, *words):
        return listed(self.containers[t].difference(self.range_of(words)))

    def do_t_symmetric_difference(self, t, *words):
        return listed(self.containers[t].symmetric_difference(self.range_of(words)))

    def operate(self, how, t, other, in_place=False):
        result = how(self.containers[t], self.containers[other])
        if in_place:
            self.containers[t] = result
        return listed(result)

    def do_t_and(self, t, other):
        return self.operate(operator.and_, t, other)

    def do_t_sub(self, t, other):
        return self.operate(operator.sub, t, other)

    def do_t_xor(self, t, other):
        return self.operate(operator.xor, t, other)

    def do_t_iand(self, t, other):
        return self.operate(operator.iand, t, other, True)

    def do_t_isub(self, t, other):
        return self.operate(operator.isub, t, other, True)

    def do_t_ixor(self, t, other):
        return self.operate(operator.ixor, t, other, True)

    def do_t_fromlist(self, t, *words):
        self.containers[t] = weakref.WeakSet(self.range_of(words))
        return listed(self.members(t))

    def asked(self, how, t, words):
        those = self.range_of(words)
        fresh = those.copy() if isinstance(those, weakref.WeakSet) else those
        return with_copy(how(self.containers[t], those), how(self.containers[t].copy(), fresh))

    def do_t_isdisjoint(self, t, *words):
        return self.asked(weakref.WeakSet.isdisjoint, t, words)

    def do_t_issubset(self, t, *words):
        return self.asked(weakref.WeakSet.issubset, t, words)

    def do_t_issuperset(self, t, *words):
        return self.asked(weakref.WeakSet.issuperset, t, words)

    def do_t_le(self, t, other):
        return self.asked(operator.le, t, [other])

    def do_t_lt(self, t, other):
        return self.asked(operator.lt, t, [other])

    def do_t_ge(self, t, other):
        return self.asked(operator.ge, t, [other])

    def do_t_gt(self, t, other):
        return self.asked(operator.gt, t, [other])

    # -- Iterators that stand while other commands run

    @staticmethod
    def name_of(c, item):
        return item[0] if c[0] == "v" else item.serial if c[0] == "t" else item[0].serial

    def any_stand(self, c, target):
        self.open, self.start, self.touched = c, self.snapshot(c), set()
        container = self.containers[c]
        self.iterator = iter(container if c[0] == "t" else container.items())
        wanted = f"k{target}" if c[0] == "v" else int(target[1:])
        self.seen = []
        for item in self.iterator:
            self.seen.append(self.name_of(c, item))
            if self.seen[-1] == wanted:
                return text(item)
        raise AssertionError("the element was not reached")

    def any_finish(self, c):
        said = "end"
        try:
            for item in self.iterator:
                self.seen.append(self.name_of(c, item))
            item = None
        except RuntimeError:
            said = "RuntimeError"
        self.iterator = item = None
        now = self.snapshot(c)
        stayed = [k for k, v in self.start.items() if k not in self.touched and now.get(k) == v]
        if said == "end" and any(self.seen.count(k) != 1 for k in stayed):
            said = "missed"
        self.open = None
        return f"{said} " + listed(stayed if c[0] == "v" else (f"o{s}" for s in stayed))

    def any_leave(self, c):
        self.iterator = None
        self.open = None
        return "ok"

    # -- Refs and callbacks

    def act(self, action):
        """What a callback does."""
        words = action.split(":")
        if words[0] == "drop":
            self.put(words[1], None)
        elif words[0] == "make":
            self.put(words[1], self.make(words[2]))
        elif words[0] == "unref":
            self.do_unref(words[1])
        elif words[0] == "clear":
            self.containers[words[1]].clear()
        elif words[0] == "store":
            self.touch(words[1], [f"k{words[2]}"])
            try:
                self.containers[words[1]][f"k{words[2]}"] = self.operand(words[3])
            except TypeError:
                self.events.append("TypeError")
        elif words[0] == "look":
            for name, container in self.containers.items():
                if name[0] in words[1]:
                    self.events.append(f"{name}:{len(container)}/{len(container.copy())}")
        elif words[0] == "raise":
            raise ValueError

    def called(self, name, serial, action):
        if self.watching.get(name) != serial:
            self.events.append(f"{name}:o{serial}:dropped")
            return None
        refs = [r for r, s in zip(self.refs, self.of(self.refs, "r")) if r is not None and s == serial]
        proxies = [p for p, s in zip(self.proxies, self.of(self.proxies, "p")) if p is not None and s == serial]
        dead = all(r() is None for r in refs) and not any(alive(p) for p in proxies)
        self.events.append(f"{name}:o{serial}:{'dead' if dead else 'alive'}(")
        try:
            self.act(action)
        finally:
            self.events.append(")")
        return 100 + serial

    def of(self, things, letter):
        return [self.watching.get(f"{letter}{i}") for i in range(len(things))]

    def callback(self, name, slot, action):
        """For a ref that is made now; it must not hold the object."""
        if action == "-":
            return None
        serial = getattr(self.operand(slot), "serial", None)
        return lambda _: self.called(name, serial, action)

    def watch(self, table, name, made):
        self.watching.pop(name, None)
        self.hashes.pop(name, None)
        self.calling.discard(name)
        table[int(name[1:])] = None
        table[int(name[1:])] = made
        return "ok"

    def ref_to(self, maker, table, name, slot, action):
        made = maker(self.operand(slot), *filter(None, [self.callback(name, slot, action)]))
        self.watch(table, name, made)
        self.watching[name] = self.operand(slot).serial
        self.calling.update([name] if action != "-" else [])
        return "ok"

    def do_ref(self, name, slot, action):
        return self.ref_to(weakref.ref, self.refs, name, slot, action)

    def do_proxy(self, name, slot, action):
        return self.ref_to(weakref.proxy, self.proxies, name, slot, action)

    def do_unref(self, name):
        return self.watch({"r": self.refs, "p": self.proxies, "m": self.methods}[name[0]], name, None)

    def do_call(self, name):
        return text(self.refs[int(name[1:])]())

    def do_callback(self, name):
        return self.refs[int(name[1:])].__callback__ is not None

    def do_refeq(self, a, b):
        return self.refs[int(a[1:])] == self.refs[int(b[1:])]

    def hash_of(self, name, thing):
        """Whether the hash is what it was."""
        return "kept" if self.hashes.setdefault(name, hash(thing)) == hash(thing) else "changed"

    def do_refhash(self, name):
        return self.hash_of(name, self.refs[int(name[1:])])

    def do_proxyread(self, name):
        return self.proxies[int(name[1:])].extra

    def do_proxywrite(self, name, number):
        self.proxies[int(name[1:])].extra = int(number)
        return "ok"

    def do_proxyeq(self, a, b):
        return self.proxies[int(a[1:])] == self.proxies[int(b[1:])]

    def do_method(self, name, slot, which, action):
        made = Method(getattr(self.operand(slot), which), *filter(None, [self.callback(name, slot, action)]))
        made.watches = action != "-"
        self.watch(self.methods, name, made)
        self.watching[name] = self.operand(slot).serial
        return "ok"

    def do_methodcall(self, name):
        bound = self.methods[int(name[1:])]()
        return "None" if bound is None else bound()

    def do_methodeq(self, a, b):
        return self.methods[int(a[1:])] == self.methods[int(b[1:])]

    def do_methodhash(self, name):
        return self.hash_of(name, self.methods[int(name[1:])])

    # -- Finalizers: letting go of a handle cancels nothing

    def do_finalize(self, name, slot, action):
        serial = getattr(self.operand(slot), "serial", None)
        made = weakref.finalize(self.operand(slot), self.finalized, name, serial, action)
        made.atexit = False  # what is at stake here ends with its script
        self.finals[int(name[1:])] = made
        return "ok"

    def finalized(self, name, serial, action):
        self.events.append(f"{name}:o{serial}(")
        try:
            self.act(action)
        finally:
            self.events.append(")")
        return 100 + serial

    def do_forget(self, name):
        self.finals[int(name[1:])] = None
        return "ok"

    def do_finalcall(self, name):
        return text(self.finals[int(name[1:])]())

    def do_alive(self, name):
        return self.finals[int(name[1:])].alive

    def do_detach(self, name):
        found = self.finals[int(name[1:])].detach()
        return text(found and found[0])

    def do_peek(self, name):
        found = self.finals[int(name[1:])].peek()
        return text(found and found[0])

    def do_atexit(self, name):
        return self.finals[int(name[1:])].atexit

    def do_setatexit(self, name, to):
        self.finals[int(name[1:])].atexit = to == "1"
        return "ok"

    # -- The end: all containers, then all owners

    def do_end(self):
        for name in self.containers:
            self.containers[name] = CLASSES[name[0]]()
        while any(s is not None for s in self.slots):  # a callback may have filled one again
            for slot in range(SLOTS):
                self.slots[slot] = None
        return self.living


class Method(weakref.WeakMethod):
    __slots__ = ("watches",)


def alive(proxy):
    try:
        return proxy.extra is not None
    except ReferenceError:
        return False
