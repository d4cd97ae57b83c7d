#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""generic.py TREE: puts every generic mutant into a copy of the project at once, asleep.

Rewrites TREE's include/weakref/detail and src so that the environment's WEAKREF_MUTANT=NUMBER wakes one of them,
and prints one JSON object for each: number, file, line, kind and text. One build then serves all of them
(`generic` runs the tests on each). Kinds:
  true, false   a condition, or one side of && and ||, that is evaluated but comes out always so
  boundary      < for <=, <= for <, and the same for > and >=
  operator      + for -, & for |, << for >>, and the other way round
  number        one more than this literal says
  deleted       a statement that is not run: a call, an assignment, an early return, a continue or break
  relaxed       a weaker memory order: only ThreadSanitizer can tell
"""
import collections
import json
import os
import re
import sys

import clang.cindex
from clang.cindex import CursorKind as Kind

clang.cindex.Config.set_library_file("/usr/lib/llvm-14/lib/libclang.so.1")

tree = os.path.realpath(sys.argv[1])
include = os.path.join(tree, "include")
arguments = ["-xc++", "-std=c++20", "-I" + include, "-I" + os.path.join(tree, "src"), "-I/usr/lib/llvm-14/lib/clang/14.0.6/include"]
swapped = {"+": "-", "-": "+", "&": "|", "|": "&", "<<": ">>", ">>": "<<"}
boundary = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}

support = """#ifndef WEAKREF_MUTANT_HPP
#define WEAKREF_MUTANT_HPP
// Which mutant is awake, and which were met (bytes of the file that WEAKREF_MUTANT_TRACE names).
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <type_traits>
namespace weakref_mutant {
inline constinit int awake = 0;
inline constinit unsigned char met[8192] = {};
inline constinit const char* trace = nullptr;
struct start {
  [[gnu::constructor(101)]] static void read() {
    if (const char* number = std::getenv("WEAKREF_MUTANT")) awake = std::atoi(number);
    trace = std::getenv("WEAKREF_MUTANT_TRACE");
  }
  [[gnu::destructor(101)]] static void write() {
    if (trace == nullptr) return;
    if (std::FILE* file = std::fopen(trace, "r+b")) { // made by the caller; several processes add to it
      for (int i = 0; i < 8192; ++i)
        if (met[i] != 0 && std::fseek(file, i, SEEK_SET) == 0) std::fputc('1', file);
      std::fclose(file);
    }
  }
};
constexpr bool on(int number) noexcept {
  if (std::is_constant_evaluated()) return false;
  if (trace != nullptr) met[number] = 1;
  return awake == number;
}
constexpr bool cond(int number, bool value) noexcept {
  if (on(number)) return true;
  return on(number + 1) ? false : value;
}
template <class T> constexpr T number(int mutant, T value) noexcept {
  return on(mutant) ? static_cast<T>(value + 1) : value;
}
constexpr std::memory_order order(int mutant, std::memory_order value) noexcept {
  return on(mutant) ? std::memory_order_relaxed : value;
}
#define WEAKREF_MUTANT_OPERATOR(name, from, to)                                                                        \\
  template <class A, class B> constexpr auto name(int mutant, const A& a, const B& b) {                                \\
    return on(mutant) ? (a to b) : (a from b);                                                                         \\
  }
WEAKREF_MUTANT_OPERATOR(op_lt, <, <=)
WEAKREF_MUTANT_OPERATOR(op_le, <=, <)
WEAKREF_MUTANT_OPERATOR(op_gt, >, >=)
WEAKREF_MUTANT_OPERATOR(op_ge, >=, >)
WEAKREF_MUTANT_OPERATOR(op_plus, +, -)
WEAKREF_MUTANT_OPERATOR(op_minus, -, +)
WEAKREF_MUTANT_OPERATOR(op_and, &, |)
WEAKREF_MUTANT_OPERATOR(op_or, |, &)
WEAKREF_MUTANT_OPERATOR(op_shl, <<, >>)
WEAKREF_MUTANT_OPERATOR(op_shr, >>, <<)
} // namespace weakref_mutant
#endif
"""
names = {"<": "op_lt", "<=": "op_le", ">": "op_gt", ">=": "op_ge", "+": "op_plus", "-": "op_minus", "&": "op_and",
         "|": "op_or", "<<": "op_shl", ">>": "op_shr"}

# What does not compile when rewritten: (file's name, kind, text).
refused = set()
refused_file = os.path.join(os.path.dirname(os.path.abspath(__file__)), "generic_refused")
if os.path.exists(refused_file):
    with open(refused_file) as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                refused.add(tuple(part.strip() for part in line.rstrip("\n").split(" | ", 2)))

mutants = []
edits = collections.defaultdict(set)  # file -> {(begin, end, replacement's head, tail, operator's place or None)}


class File:
    def __init__(self, path):
        self.path = path
        self.name = os.path.relpath(path, tree)
        with open(path, "rb") as file:
            self.bytes = file.read()
        self.text = self.bytes.decode()


files = {}


def mutant(file, offset, kind, text):
    text = " ".join(text.split())
    if (os.path.basename(file.name), kind, text) in refused:
        return None
    mutants.append({"number": len(mutants) + 1, "file": file.name,
                    "line": file.text.count("\n", 0, offset) + 1, "kind": kind, "text": text})
    return len(mutants)


def span(cursor):
    return cursor.extent.start.offset, cursor.extent.end.offset


seen = set()


def once(file, kind, place):
    key = (file.name, kind, place)
    if key in seen:
        return False
    seen.add(key)
    return True


def force(file, cursor, ways=("true", "false")):
    begin, end = span(cursor)
    if begin == end or not once(file, "cond", (begin, end)):
        return
    text = file.text[begin:end]
    if text in ("true", "false") or (os.path.basename(file.name), "cond", " ".join(text.split())) in refused:
        return
    number = mutant(file, begin, "true", text)
    mutant(file, begin, "false", text)
    edits[file.name].add((begin, end, f"::weakref_mutant::cond({number}, static_cast<bool>(", "))", None))


def operator_between(file, cursor):
    """The operator of a binary expression, its operands, and the operator's place."""
    children = list(cursor.get_children())
    if cursor.kind == Kind.CALL_EXPR:
        if len(children) != 3 or not cursor.spelling.startswith("operator"):
            return None
        children = [children[0], children[2]]
    if len(children) != 2:
        return None
    left, right = span(children[0])[1], span(children[1])[0]
    found = re.fullmatch(r"\s*(\S+)\s*", file.text[left:right])
    if not found:
        return None
    return found[1], children, (left + found.start(1), left + found.end(1))


def is_condition(parent, cursor):
    children = list(parent.get_children())
    if parent.kind in (Kind.IF_STMT, Kind.WHILE_STMT):
        tokens = [token.spelling for token in parent.get_tokens()][:2]
        if "constexpr" in tokens:
            return False
        expressions = [child for child in children if child.kind.is_expression()]
        if not expressions or expressions[0] != cursor:
            return False
        # `if (T x = …)`: the condition is the name
        return not any(child.kind == Kind.VAR_DECL and child.location.offset == span(cursor)[0] for child in children)
    if parent.kind == Kind.DO_STMT:
        return children[-1] == cursor
    return parent.kind == Kind.CONDITIONAL_OPERATOR and children[0] == cursor


def is_statement(parent, cursor):
    if parent.kind == Kind.COMPOUND_STMT:
        return True
    children = list(parent.get_children())
    if parent.kind == Kind.IF_STMT:
        return cursor != children[0] and not is_condition(parent, cursor) and not (
            any(child.kind == Kind.VAR_DECL or child.kind == Kind.DECL_STMT for child in children) and cursor == children[1])
    if parent.kind in (Kind.FOR_STMT, Kind.WHILE_STMT, Kind.CXX_FOR_RANGE_STMT):
        return cursor == children[-1] and cursor != children[0]
    return False


def delete(file, cursor):
    begin, end = span(cursor)
    rest = re.match(r"\s*;", file.text[end:])
    if re.match(r"\w+(<\w+>)?::point\(", file.text[begin:end]):
        return  # a scheduling point: the tests' own
    if not rest or not once(file, "deleted", begin):
        return
    number = mutant(file, begin, "deleted", file.text[begin:end])
    if number:
        edits[file.name].add((begin, end + rest.end(), "{ if (!::weakref_mutant::on(%d)) " % number, " }", None))


def constant(cursor):
    tokens = [token.spelling for token in cursor.get_tokens()]
    return "constexpr" in tokens[:3] and cursor.kind in (Kind.DECL_STMT, Kind.VAR_DECL)


def visit(cursor, parent, inside, file):
    for child in cursor.get_children():
        where = child.location.file
        current = file
        if cursor.kind == Kind.TRANSLATION_UNIT or current is None:
            current = files.get(os.path.realpath(where.name)) if where else None
            if current is None and child.kind not in (Kind.NAMESPACE, Kind.LINKAGE_SPEC):
                continue
        in_body = inside or child.kind == Kind.COMPOUND_STMT
        if child.kind in (Kind.STATIC_ASSERT, Kind.CONCEPT_DECL) if hasattr(Kind, "CONCEPT_DECL") else child.kind == Kind.STATIC_ASSERT:
            continue
        if in_body and current is not None and not constant(child):
            look(current, child, cursor)
            visit(child, cursor, in_body, current)
        elif not in_body:
            # a namespace may be opened in several files
            visit(child, cursor, False, None if child.kind == Kind.NAMESPACE else current)


def look(file, cursor, parent):
    kind = cursor.kind
    if file.text[slice(*span(cursor))].startswith(("assert", "WEAKREF_")):
        return
    if is_condition(parent, cursor):
        force(file, cursor)
    if kind in (Kind.BINARY_OPERATOR, Kind.CALL_EXPR, Kind.UNEXPOSED_EXPR):
        binary = operator_between(file, cursor) if kind != Kind.UNEXPOSED_EXPR else None
        if binary:
            operator, children, place = binary
            begin, end = span(cursor)
            if operator in ("&&", "||"):
                for child in children:
                    force(file, child)
            elif operator in names and once(file, "operator", (begin, end)):
                number = mutant(file, begin, "boundary" if operator in boundary else "operator", file.text[begin:end])
                if number:
                    edits[file.name].add((begin, end, f"::weakref_mutant::{names[operator]}({number}, ", ")", place))
    if kind == Kind.INTEGER_LITERAL and parent.kind == Kind.BINARY_OPERATOR:
        begin, end = span(cursor)
        if re.fullmatch(r"[0-9]+[a-zA-Z]*", file.text[begin:end]) and once(file, "number", begin):
            line = file.text.rfind("\n", 0, begin) + 1
            number = mutant(file, begin, "number", f"{file.text[begin:end]} in " + file.text[slice(*span(parent))])
            if number:
                edits[file.name].add((begin, end, f"::weakref_mutant::number({number}, ", ")", None))
    if (kind.is_expression() or kind in (Kind.CONTINUE_STMT, Kind.BREAK_STMT)) and is_statement(parent, cursor):
        delete(file, cursor)
    if kind == Kind.RETURN_STMT and parent.kind == Kind.IF_STMT and is_statement(parent, cursor):
        delete(file, cursor)


def rewrite(file):
    # By begin, the outer one first.
    ordered = sorted(edits[file.name], key=lambda edit: (edit[0], -edit[1]))
    for order in re.finditer(r"std::memory_order_(acquire|release|acq_rel|seq_cst)", file.text):
        line = file.text[file.text.rfind("\n", 0, order.start()) + 1 : file.text.find("\n", order.end())]
        number = mutant(file, order.start(), "relaxed", line)
        if number:
            ordered.append((*order.span(), f"::weakref_mutant::order({number}, ", ")", None))
    marks = []  # (place, 0 = an end or 1 = a begin, how far out, text, how much of the source it replaces)
    for begin, end, head, tail, place in ordered:
        # Of a condition and its own operator, the condition is the outer one.
        inner = 1 if place else 0
        marks.append((begin, 2, -end, inner, head, 0))
        marks.append((end, 0, -begin, -inner, tail, 0))
        if place:
            marks.append((place[0], 1, 0, 0, ",", place[1] - place[0]))
    text, at = "", 0
    for place, _, _, _, insertion, replaced in sorted(marks, key=lambda mark: mark[:4]):
        text += file.text[at:place] + insertion
        at = place + replaced
    text += file.text[at:]
    first = text.find("#include") if file.name.startswith("src") else text.find("#define WEAKREF_")
    first = first if file.name.startswith("src") else text.find("\n", first) + 1
    text = text[:first] + "#include <weakref/mutant.hpp>\n" + text[first:]
    with open(file.path, "w") as out:
        out.write(text)


for folder in ("include/weakref/detail", "src"):
    for name in sorted(os.listdir(os.path.join(tree, folder))):
        if name.endswith((".hpp", ".cpp")):
            path = os.path.join(tree, folder, name)
            files[path] = File(path)

index = clang.cindex.Index.create()
units = [path for path in files if path.endswith(".cpp")]
whole = os.path.join(tree, "whole.cpp")
for path in [whole] + units:
    text = "#include <weakref/weakref.hpp>\n"
    unit = (index.parse(path, arguments, unsaved_files=[(path, text)]) if path == whole else index.parse(path, arguments))
    for diagnostic in unit.diagnostics:
        if diagnostic.severity >= 3:
            sys.exit(f"{diagnostic}")
    visit(unit.cursor, None, False, None)
for file in files.values():
    rewrite(file)
with open(os.path.join(include, "weakref", "mutant.hpp"), "w") as out:
    out.write(support)
for each in mutants:
    print(json.dumps(each))
