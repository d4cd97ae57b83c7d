# SPDX-License-Identifier: BSL-1.0
"""Shows in gdb what weakref's references, containers and watch lists hold.

    (gdb) print textures
    $1 = weakref::WeakValueDictionary with 2 entries = {["floor.png"] = {width = 32}, ["wall.png"] = <dying, 0x55...>}
    (gdb) info weakrefs wall
    2 watchers: 1 container entry, 1 ref with a callback
      ...

An entry is `dying` if its object's last owner is gone and the death has yet to reach the container: it goes on at this
moment, on some thread, or was put off. It is `dead` if nobody will be told, since the object is untracked.

Nothing here calls a function of the program; so all of it works on a core file, and in a thread that holds a lock. What
is half written, not yet constructed or overwritten is said to be so: a pointer is followed only if what it leads to can
be read and names the place it was reached from.

How gdb comes to load this file: in two ways, since neither is enough alone.

  by name     gdb looks for <its data directory>/auto-load/<full path of the library>-gdb.py, and trusts what lies
              there. Nobody needs to do anything; but gdb must have been installed below the same prefix (/usr), and a
              static library is never a file that gdb opens.
  in section  The text of this file stands in the section .debug_gdb_scripts of the library, or of the program that a
              static one was linked into, wherever they lie; copied to another machine they still have it. gdb runs it
              if the user has declared that place safe, and says how to if not. `strip -g` removes it.

So the build installs this file for the first way and embeds it for the second; not both for a shared library below
/usr, where gdb would ask for leave to load what it has loaded. (The section may hold a file's name instead; but a
program that is copied elsewhere does not find it there, and gdb complains at each start.) By hand, anywhere:
`source <this file>`.
"""

import re

import gdb
import gdb.printing


def define_weakref_printers():
    # All in a function, since gdb runs every script in one namespace, where somebody else's `load` would replace ours.

    ABI = "weakref::v0::"  # other versions bring printers of their own


    # -- The form of a table (include/weakref/detail/table/table.hpp) -------------------------------------------------


    def entries_in(table):
        """The addresses of the entries in a detail::table."""
        groups = table["slots_"]
        first, count = int(groups["words_"]), 8 * int(groups["count_"])
        for start in range(0, count, 512):
            for index, word in enumerate(words(first + 8 * start, min(512, count - start))):
                if index % 8 != 0 and word != 0:  # the first of each group holds the others' tags
                    yield word & 0x0000FFFFFFFFFFF8


    # -- What programs are made of ------------------------------------------------------------------------------


    class Unreadable(Exception):
        """What was reached is not what should lie there."""


    def words(address, count):
        """So many 64-bit words of the program's memory."""
        if address % 8 != 0:
            raise Unreadable(f"{address:#x} is no pointer")
        memory = gdb.selected_inferior().read_memory(address, 8 * count).tobytes()
        order = "big" if "big endian" in gdb.execute("show endian", to_string=True) else "little"
        return [int.from_bytes(memory[at : at + 8], order) for at in range(0, 8 * count, 8)]


    def object_at(address, of):
        return gdb.Value(address).cast(of.pointer()).dereference()


    def load(atomic):
        """What a std::atomic holds."""
        for names in (("_M_b", "_M_p"), ("_M_i",), ("_M_base", "_M_i"), ("__a_", "__a_value")):
            try:
                value = atomic
                for name in names:
                    value = value[name]
                return value
            except gdb.error:
                pass
        raise Unreadable("a std::atomic of an unknown library")


    def held_in(optional):
        """What a std::optional holds, or None."""
        try:  # libstdc++
            payload = optional["_M_payload"]
            return payload["_M_payload"]["_M_value"] if payload["_M_engaged"] else None
        except gdb.error:
            return optional["__val_"] if optional["__engaged_"] else None


    def plain(value):
        """The value itself, of a reference to it."""
        return value.referenced_value() if value.type.code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF) else value


    def argument(of, number):
        return of.strip_typedefs().template_argument(number)


    def our_name(of):
        """A type's name without our namespace and its arguments, `detail::entry`; None if it is not one of ours."""
        name = of.strip_typedefs().name or ""
        return name[len(ABI) :].split("<")[0] if name.startswith(ABI) else None


    def shown(name):
        """A type's name as people write it."""
        name = str(name).replace(ABI, "weakref::").replace("weakref::enable_weakref_base::", "weakref::")
        name = name.replace("(anonymous namespace)::", "")
        name = re.sub(r"weakref::ref<([^<>]*), void>", r"weakref::ref<\1>", name)
        name = re.sub(r"\bstd::(__cxx11|__1)::", "std::", name)
        return re.sub(r"\bstd::basic_string<char, std::char_traits<char>, std::allocator<char> ?>", "std::string", name)


    def bases(of):
        """The base classes of a class, as fields; none of what is no class."""
        of = of.strip_typedefs()
        return [each for each in of.fields() if each.is_base_class] if of.code == gdb.TYPE_CODE_STRUCT else []


    def base_of(value, name):
        """The part of an object that is the base class of this name, or None."""
        for each in bases(value.type):
            found = value[each] if our_name(each.type) == name else base_of(value[each], name)
            if found is not None:
                return found
        return None


    def member(pointer, name):
        """pointer->name. gdb itself would look for the class that an object with virtual functions really has, by its
        name, and warn where symbols and debug information write that differently, as for lambdas and local classes."""
        found = offset_of(pointer.type.strip_typedefs().target().strip_typedefs(), name)
        if found is None:
            raise Unreadable(f"no debug information about {name}")
        return object_at(int(pointer) + found[0], found[1])


    def offset_of(of, name):
        for each in of.fields() if of.code == gdb.TYPE_CODE_STRUCT else ():
            if each.is_base_class:
                inner = offset_of(each.type.strip_typedefs(), name)
                if inner is not None:
                    return each.bitpos // 8 + inner[0], inner[1]
            elif each.name == name:
                return each.bitpos // 8, each.type
        return None


    def symbol_at(address):
        """The name of what lies there; "" where nothing is known, as in a stripped program."""
        said = gdb.execute(f"info symbol {int(address):#x}", to_string=True)
        return "" if said.startswith("No symbol matches") else re.split(r"(?: \+ \d+)? in section ", said)[0].strip()


    def exact(pointer, slot):
        """The pointer, as one to the class whose function stands in this slot of the object's vtable: that is known
        where the class's name is not."""
        block = gdb.block_for_pc(words(words(int(pointer), 1)[0] + 8 * slot, 1)[0])
        while block is not None and not (block.superblock is None or block.superblock.is_static):
            block = block.superblock  # what is inlined there has blocks of its own
        for symbol in block or ():
            if symbol.is_argument and symbol.name == "this":
                return gdb.Value(int(pointer)).cast(symbol.type.strip_typedefs().unqualified())
        raise Unreadable("no debug information about its class")


    def whole(pointer):
        """The object there: all of it, where its class has virtual functions and is known by name."""

        def is_polymorphic(of):
            return any(each.name.startswith("_vptr") for each in of.fields() if each.name) or any(
                is_polymorphic(each.type.strip_typedefs()) for each in bases(of)
            )

        of = pointer.type.strip_typedefs().target().strip_typedefs()
        if of.code == gdb.TYPE_CODE_STRUCT and is_polymorphic(of):
            name = symbol_at(words(int(pointer), 1)[0])
            try:
                if name.startswith("vtable for "):
                    return pointer.cast(gdb.lookup_type(name[len("vtable for ") :]).pointer()).dereference()
            except (gdb.error, RuntimeError):
                pass
        return pointer.cast(of.pointer()).dereference()


    # -- Objects ------------------------------------------------------------------------------------------------


    class Referent:
        """What a std::weak_ptr, or a std::shared_ptr, says of its object."""

        def __init__(self, holder):
            holder = plain(holder)
            try:  # libstdc++
                self.pointer, self.control = holder["_M_ptr"], holder["_M_refcount"]["_M_pi"]
            except gdb.error:
                self.pointer, self.control = holder["__ptr_"], holder["__cntrl_"]
            self.address = int(self.pointer)
            self.is_nothing = int(self.control) == 0
            self.owners = 0 if self.is_nothing else self._owners()

        def _owners(self):
            # The count follows the vtable; its class may be known to the standard library's debug information alone.
            is_libcxx = "_Sp_counted_base" not in str(self.control.type)
            count = int(object_at(int(self.control) + 8, gdb.lookup_type("long" if is_libcxx else "int"))) + is_libcxx
            if not 0 <= count < 1 << 31:
                raise Unreadable(f"{count} owners")
            return count

        def said(self):
            if self.is_nothing:
                return "to nothing"
            count = "expired" if self.owners == 0 else counted(self.owners, "owner")
            return f"to {self.address:#x}, {count}"

        def object(self, is_followed):
            """The object, or its address if we are inside another one."""
            if not is_followed:
                return self.pointer
            try:
                found = whole(self.pointer)
                found.fetch_lazy()
                return found
            except gdb.MemoryError as error:
                return f"<unreadable: {error}>"
            except gdb.error:  # void, or a class of which only the name is known
                return self.pointer


    def counted(count, noun):
        if count != 1:
            noun = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
        return f"{count} {noun}"


    class Following:
        """Objects hold weak references to each other in circles: that is what these are for. So an object is shown
        where a reference to it is shown, and inside it references show addresses only. What is shown of one is printed
        between two steps of the generator that holds this."""

        unfinished = set()

        def __enter__(self):
            is_outermost = not Following.unfinished
            Following.unfinished.add(self)
            return is_outermost

        def __exit__(self, *_):
            Following.unfinished.discard(self)


    # A front end may read a part of something, and leave it at that.
    gdb.events.stop.connect(lambda event: Following.unfinished.clear())


    class Printer:
        """What can't be read is said where it should stand, and takes nothing else with it. A subclass has said() and
        parts()."""

        def __init__(self, value):
            self.value = plain(value)
            self.name = f"weakref::{our_name(self.value.type)}"
            self.is_unreadable = False

        def to_string(self):
            try:
                return self.said()
            except (gdb.error, RuntimeError, Unreadable) as error:
                self.is_unreadable = True
                return f"{self.name} <unreadable: {error}>"

        def children(self):
            try:
                yield from self.parts()
            except (gdb.error, RuntimeError, Unreadable) as error:
                if not self.is_unreadable:
                    yield "...", f"<unreadable: {error}>"


    # -- References ---------------------------------------------------------------------------------------------


    class RefPrinter(Printer):
        """ref and KeyedRef, with a callback or without."""

        def __init__(self, value):
            super().__init__(value)
            arguments = (0, 1) if self.name.endswith("KeyedRef") else (0,)
            self.name += f"<{', '.join(shown(argument(self.value.type, each)) for each in arguments)}>"

        def holder(self):
            return self.value["weak_"]

        def registered(self):
            """The ref with a callback, or None."""
            return self.value if base_of(self.value, "detail::callback_link") is not None else None

        def callback(self, registered):
            return registered["callback_"]

        def said(self):
            said = f"{self.name} {Referent(self.holder()).said()}"
            registered = self.registered()
            if registered is None:
                return said
            return f"{said}, callback {self.callback_state(base_of(registered, 'detail::callback_link'))}"

        @staticmethod
        def callback_state(link):
            if int(link["header"]) == 0:
                return "disarmed"
            if link["linked"]:
                return "armed"
            firing = WatchList(int(link["header"])).firing()
            return "running" if firing is not None and int(firing["running"]) == int(link.address) else "called"

        def parts(self):
            if self.name.startswith("weakref::KeyedRef"):
                yield "key", self.value["key_"]
            referent = Referent(self.holder())
            if referent.owners != 0:
                with Following() as is_followed:
                    yield "referent", referent.object(is_followed)
            yield from self.more_parts()
            registered = self.registered()
            if registered is not None:
                yield "callback", self.callback(registered)

        def more_parts(self):
            return ()


    class WatchingPrinter(RefPrinter):
        """What holds, for its callback, a ref beside its own."""

        def registered(self):
            has_one = any(each.name == "watch_" for each in self.value.type.strip_typedefs().fields())
            return self.value["watch_"] if has_one else None

        def callback(self, registered):
            return registered["callback_"]["function"]


    class ProxyPrinter(WatchingPrinter):
        def holder(self):
            return self.value["ref_"]["weak_"]


    class WeakMethodPrinter(WatchingPrinter):
        def more_parts(self):
            yield "method", self.value["method_"]


    class FinalizePrinter(Printer):
        """What became of it, and what it would do."""

        def finalizer(self):
            """A pointer to it, whether it is over, and whether it runs at exit; or None."""
            pointer = Referent(self.value["finalizer_"]).pointer
            if int(pointer) == 0:
                return None
            # The members of detail::finalizer, which follow its vtable, are known to the library's debug information.
            flags = gdb.selected_inferior().read_memory(int(pointer) + 8, 2).tobytes()
            return pointer, flags[0] != 0, flags[1] != 0

        def said(self):
            finalizer = self.finalizer()
            if finalizer is None:
                return f"{self.name} of nothing"
            _, is_over, runs_at_exit = finalizer
            if is_over:
                return f"{self.name}, over: called or detached"
            return f"{self.name}, alive" + ("" if runs_at_exit else ", but not called at exit")

        def parts(self):
            finalizer = self.finalizer()
            if finalizer is None or finalizer[1]:
                return
            pointer = exact(finalizer[0], slot=2)  # behind those of the destructor
            watch, call = held_in(member(pointer, "watch_")), held_in(member(pointer, "call_"))
            if watch is not None:
                with Following() as is_followed:
                    yield "referent", Referent(watch["weak_"]).object(is_followed)
            if call is not None:
                yield "call", call


    # -- Containers ---------------------------------------------------------------------------------------------


    class Container:
        """What a container's object leads to."""

        def __init__(self, value):
            self.node_type = argument(value["container_"].type, 0)
            self.core = load(value["container_"]["core_"])
            self.shards = self._shards() if int(self.core) != 0 else []

        def _shards(self):
            words(int(self.core), 1)  # is there anything?
            shards = member(self.core, "shards_")
            many, bits = load(shards["many_"]), int(shards["bits_"])
            count = int(load(member(self.core, "count_")))
            if bits > 16 or not 0 < count < 1 << 31:
                raise Unreadable("not constructed, or destroyed")
            return [shards["first_"]] if int(many) == 0 else [many[i] for i in range(1 << bits)]

        def size(self):
            return sum(int(load(each["entries"]["size_"])) for each in self.shards)

        def nodes(self):
            """The nodes; a text in place of what should be one, or more."""
            for shard in self.shards:
                try:
                    for address in entries_in(shard["entries"]):
                        node = node_at(address, self.node_type)
                        if int(base_of(node, "detail::entry")["core"]) == int(self.core):
                            yield node
                        else:
                            yield f"<{address:#x} is no entry of this container>"
                except (gdb.error, Unreadable) as error:
                    yield f"<unreadable: {error}>"


    def node_at(entry, node_type):
        """The whole node, from the address of the detail::entry in it."""
        for each in bases(node_type):
            if our_name(each.type) == "detail::entry":
                return object_at(entry - each.bitpos // 8, node_type)
        raise Unreadable("no debug information about its entries")


    class ContainerPrinter(Printer):
        UNTRACKED = 4  # in the word `shares` of a detail::entry

        def said(self):
            container = Container(self.value)
            said = f"{self.name} with {counted(container.size(), 'element' if self.is_set() else 'entry')}"
            return said if len(container.shards) < 2 else f"{said} in {len(container.shards)} shards"

        def parts(self):
            with Following() as is_followed:
                number = 0
                for node in Container(self.value).nodes():
                    for part in self.of_node(node, is_followed)[: 1 if self.is_set() else 2]:
                        yield f"[{number}]", part
                        number += 1

        def of_node(self, node, is_followed):
            if isinstance(node, str):
                return node, ""
            try:
                referent = Referent(base_of(node, "ref")["weak_"])
                if referent.owners != 0:
                    object_shown = referent.object(is_followed)
                else:
                    state = "dead" if int(load(node["shares"])) & self.UNTRACKED else "dying"
                    object_shown = f"<{state}, {referent.address:#x}>"
                if self.name == "weakref::WeakValueDictionary":
                    return node["key_"], object_shown
                return object_shown, "" if self.is_set() else node["mapped"]
            except (gdb.error, Unreadable) as error:
                return f"<unreadable: {error}>", ""

        def is_set(self):
            return self.name == "weakref::WeakSet"

        def display_hint(self):
            return "array" if self.is_set() else "map"


    # -- Watch lists --------------------------------------------------------------------------------------------


    class WatchList:
        """Who must hear of an object's death; `header` is the address of its detail::referent_header."""

        ENTRIES, CALLBACKS, CLOSED, LINK = 0, 2, 4, 6

        def __init__(self, header):
            word = words(header, 1)[0]
            self.is_locked, self.mode, self.pointer = bool(word & 1), word & 6, word & ~7

        def firing(self):
            """The calls in progress, of a dying object that has callbacks."""
            is_firing = self.mode == self.CLOSED and self.pointer != 0
            return object_at(self.pointer, known_type("detail::firing")) if is_firing else None

        def watchers(self):
            """Newest first. Of a dying object: the callbacks that have yet to be called."""
            at = self.pointer if self.mode in (self.ENTRIES, self.CALLBACKS) else 0
            firing = self.firing()
            if firing is not None:
                at = int(firing["queue"])
            seen = set()
            while at != 0:
                if at in seen:
                    raise Unreadable("a list without an end")
                seen.add(at)
                watcher = object_at(at, known_type("detail::watcher"))
                yield watcher
                at = int(watcher["next"])

        def said(self):
            entries = callbacks = 0
            end = ""
            try:
                for each in self.watchers():
                    if int(each["core"]) != 0:
                        entries += 1
                    else:
                        callbacks += 1
            except (gdb.error, Unreadable) as error:
                end = f", then <unreadable: {error}>"
            parts = [counted(entries, "container entry")] if entries else []
            parts += [counted(callbacks, "ref") + " with a callback"] if callbacks else []
            said = counted(entries + callbacks, "watcher") + (": " if parts else "") + ", ".join(parts) + end
            if self.mode == self.CLOSED:
                said += "; dying"
            if self.mode == self.LINK:
                said += "; its death is put off"
            return said + ("; locked" if self.is_locked else "")


    def known_type(name):
        try:
            return gdb.lookup_type(ABI + name)
        except gdb.error as error:
            raise Unreadable(f"no debug information about {ABI}{name}") from error


    def described(watcher):
        """For people."""
        if int(watcher["core"]) != 0:
            return described_entry(watcher)
        link = object_at(int(watcher.address), known_type("detail::callback_link"))
        arguments = re.search(r"\bref<(.*)>::call_back\(", symbol_at(link["call"]))
        if arguments is None:
            return "ref with a callback"
        referent, callback = split_arguments(arguments.group(1))
        if callback.startswith(f"{ABI}detail::finalizer_of<"):
            return f"finalize of {shown(referent)}"
        for kind in ("proxy", "WeakMethod"):
            if callback.startswith(f"{ABI}detail::forward_callback<{ABI}{kind}<"):
                return f"{kind} of {shown(referent)}, with a callback"
        return f"ref<{shown(referent)}> with a callback, {shown(callback)}"


    # A container's node, and how many of its arguments are the container's too.
    NODES = {"value_node": ("WeakValueDictionary", 2), "key_node": ("WeakKeyDictionary", 2), "set_node": ("WeakSet", 1)}


    def described_entry(watcher):
        try:
            node_type = argument(exact(watcher["core"], slot=1).type.target(), 0)  # that of evict()
            name, count = NODES[our_name(node_type)[len("detail::") :]]
            said = f"entry of a {name}<{', '.join(shown(argument(node_type, each)) for each in range(count))}>"
            if name != "WeakValueDictionary":
                return said
            key = node_at(int(watcher.address), node_type)["key_"]
            return f"{said}, key {key.format_string(max_depth=1, max_elements=40)}"
        except (gdb.error, RuntimeError, Unreadable) as error:
            return f"entry of a container <unreadable: {error}>"


    def split_arguments(text):
        """The first template argument, and the others."""
        depth = 0
        for at, letter in enumerate(text):
            depth += (letter in "<({") - (letter in ">)}")
            if letter == "," and depth == 0:
                return text[:at], text[at + 1 :].strip()
        return text, ""


    def header_of(value):
        """The address of an object's detail::referent_header; 0 if it has none yet. The value is an owner, a weak
        reference, the object or a pointer to it."""
        value = plain(value)
        of = value.type.strip_typedefs()
        if our_name(of) in ("detail::referent_header", "detail::counted_list"):
            return int(value.address)
        if our_name(of) == "enable_weakref_base::basic_enable_weakref":
            return int(load(value["word_"])) & ~3
        if our_name(of) == "proxy":
            value = value["ref_"]["weak_"]
        elif our_name(of) is not None:
            value = value["weak_"]
        elif of.code == gdb.TYPE_CODE_PTR:
            return header_in(value)
        elif re.match(r"std::(\w+::)*(shared|weak)_ptr<", of.name or "") is None:
            if value.address is None:
                raise Unreadable("neither an owner, nor a weak reference, nor an object")
            return header_in(value.address)
        referent = Referent(value)
        if referent.is_nothing:
            raise Unreadable("it refers to nothing")
        return header_beside(int(referent.control)) or header_in(referent.pointer)


    def header_beside(control):
        """What the deleter in this control block names, if it is ours: usually what stands before the control block."""
        vtable = symbol_at(words(control, 1)[0])
        if vtable and f"{ABI}detail::block_deleter" not in vtable:
            return 0
        for word in words(control, 8)[2:]:
            if word == control - 16 or is_header(word):
                return word
        return 0


    def is_header(address):
        """Its operations end with the mark of the library."""
        try:
            return symbol_at(words(words(address, 2)[1] & ~7, 7)[6]) == f"{ABI}detail::library_mark"
        except (gdb.error, Unreadable):
            return False


    def header_in(pointer):
        """What the object's base class enable_weakref names."""
        if int(pointer) == 0:
            raise Unreadable("there is no object")
        try:
            base = base_of(whole(pointer), "enable_weakref_base::basic_enable_weakref")
        except gdb.error:
            base = None
        if base is None:
            raise Unreadable("not tracked: neither made by make_tracked, nor adopted, nor derived from enable_weakref")
        return header_of(base)


    class WatchListPrinter(Printer):
        """detail::referent_header, and the base class enable_weakref."""

        def __init__(self, value):
            super().__init__(value)
            self.name = "watch list"

        def said(self):
            header = header_of(self.value)
            return WatchList(header).said() if header != 0 else "0 watchers"

        def parts(self):
            header = header_of(self.value)
            for number, each in enumerate(WatchList(header).watchers() if header != 0 else ()):
                yield f"[{number}]", f"{int(each.address):#x} {described(each)}"

        def display_hint(self):
            return "array"


    class InfoWeakrefs(gdb.Command):
        """Who must hear of an object's death: refs with a callback and container entries, newest first.

        info weakrefs EXPRESSION

        EXPRESSION is an owner (a std::shared_ptr), a weakref::ref, proxy or WeakMethod, a std::weak_ptr; or an object
        of a class that derives from weakref::enable_weakref, or a pointer to one. Plain refs are not listed: nobody
        tells them."""

        def __init__(self):
            super().__init__("info weakrefs", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

        def invoke(self, text, from_tty):
            if not text:
                raise gdb.GdbError("info weakrefs needs an expression: an owner, a weak reference or an object.")
            try:
                header = header_of(gdb.parse_and_eval(text))
                watched = WatchList(header) if header != 0 else None
                print(watched.said() if watched else "0 watchers")
                limit = gdb.parameter("print elements")
                for number, each in enumerate(watched.watchers() if watched else ()):
                    if number == limit:  # None is no limit
                        print("  ...")
                        break
                    print(f"  {int(each.address):#x} {described(each)}")
            except Unreadable as error:
                raise gdb.GdbError(f"weakref: {error}.") from error
            except gdb.error as error:
                raise gdb.GdbError(str(error)) from error


    # -- Known to gdb -------------------------------------------------------------------------------------------


    def collection():
        printers = gdb.printing.RegexpCollectionPrettyPrinter("weakref")
        for names, printer in (
            ("ref|KeyedRef", RefPrinter),
            ("proxy", ProxyPrinter),
            ("WeakMethod", WeakMethodPrinter),
            ("finalize", FinalizePrinter),
            ("WeakValueDictionary|WeakKeyDictionary|WeakSet", ContainerPrinter),
            ("enable_weakref_base::basic_enable_weakref", WatchListPrinter),
        ):
            printers.add_printer(names, f"^{ABI}({names})<.*>$", printer)
        printers.add_printer("watch list", f"^{ABI}detail::(referent_header|counted_list)$", WatchListPrinter)
        return printers

    gdb.printing.register_pretty_printer(gdb.current_objfile(), collection(), replace=True)
    InfoWeakrefs()


define_weakref_printers()
del define_weakref_printers
