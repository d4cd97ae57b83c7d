#!/bin/sh
# SPDX-License-Identifier: BSL-1.0
#
# Are the figures of include_graph true?   include_graph_test.sh <the built program>
# Asks the compiler ($CXX, or c++) and, where it works, strace.

set -u
program=$(realpath "$1")
compiler=${CXX:-c++}
LC_ALL=C
export LC_ALL
scratch=$(realpath "$(mktemp -d)")
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
failures=0

check() { # check <what must be so> <command...>
  what=$1
  shift
  if "$@"; then
    echo "ok      $what"
  else
    echo "FAILED  $what"
    failures=$((failures + 1))
  fi
}

same() {
  [ "$1" = "$2" ] || {
    echo "        '$1' is not '$2'"
    false
  }
}

contains() { # contains <file> <text>
  grep -qF -- "$2" "$1" || {
    echo "        no '$2' in:"
    sed 's/^/        | /' "$1"
    false
  }
}

nothing_in() { # shows what should not be there
  [ ! -s "$1" ] || {
    sed 's/^/        | /' "$1" | head
    false
  }
}

# The headers in a report that was made with --list.
listed() { sed -n 's/^  \(most included\|by compiler\|\) *[0-9]\{1,\}  \//\//p' "$@" | sort -u; }

# A figure of the total, e.g. `total 'files read' <report>`.
total() { sed -n "/^total of/,\$s/^  $1  *\([0-9]*\).*/\1/p" "$2"; }

# What the compiler says an input depends on, the input included. Clang's list also holds headers that were never
# included, only asked for by __has_include; the second list, of files it entered, sorts those out.
depends() {
  # shellcheck disable=SC2086 # $CXX may carry options
  $compiler -std=c++20 -x c++ -M "$1" 2>/dev/null | tr ' ' '\n' | grep -v -e ':$' -e '^\\*$' | xargs realpath | sort -u >by_m
  # shellcheck disable=SC2086
  $compiler -std=c++20 -x c++ -E "$1" 2>/dev/null | sed -n 's/^# [0-9]* "\(\/[^"]*\|[^<"][^"]*\)".*/\1/p' | sort -u |
    xargs realpath | sort -u >by_e
  comm -12 by_m by_e
}

# --- text that looks like an include line, and include lines that do not look like one ----------------------

mkdir lines lines/sub lines/folder.h
for i in 1 2 3 4 5 6 7 8 9; do
  : >"lines/yes$i.h"
  : >"lines/no$i.h"
done
cat >lines/input.cpp <<'EOF'
/* #include "no1.h" */ # /* x */ include /* y */ "yes1.h" // "no"
// a comment that goes on \
#include "no2.h"
#inc\
lude "ye\
s2.h"
const char* raw = R"x(
#include "no3.h"
)" "
)x"; const char* text = "\
#include \"no4.h\"";
auto quote = '"'; auto million = 1'000'000; auto more = u8R"(
#include "no5.h"
)";
#if 0
don't stop /* here
#include "yes3.h"
#endif
%:include "yes4.h"
int FOOR = 0;
#define FOOR "
#include "yes5.h"
#if __has_include("no6.h")
#endif
#define FIRST SECOND
#define SECOND "yes6.h"
#include FIRST
#define UNUSED "no7.h"
#include UNKNOWN
#include "sub/../yes7.h"
#include "folder.h"
int a; #include "no8.h"
#include_next "yes8.h"
#import "yes9.h"
#include "no9.h
EOF
"$program" --list lines/input.cpp >report
listed report | grep "^$scratch/" >found
for i in 1 2 3 4 5 6 7 8 9; do echo "$scratch/lines/yes$i.h"; done >expected
check "every kind of include line is found, and nothing else" same "$(cat found)" "$(cat expected)"
check "an include line whose macro nobody defines is counted as not told" same "$(total 'not told' report)" 1

# --- cycles --------------------------------------------------------------------------------------------------

mkdir cycle
echo '#include "cycle.hpp"' >cycle/self.hpp
echo '#include "self.hpp"
#include "b.hpp"' >cycle/a.hpp
echo '#include "c.hpp"' >cycle/b.hpp
echo '#include "a.hpp"' >cycle/c.hpp
echo '#include "self.hpp"' >cycle/cycle.hpp
for jobs in 1 4; do
  "$program" -j $jobs cycle >report
  status=$?
  check "cycles, -j $jobs: exit status 0" same $status 0
  check "cycles, -j $jobs: nothing is left" contains report "left in the cache: 0"
done
"$program" -j 1 cycle >report
grep 'once let go' report | grep -v ' 0 once let go' >kept
check "one input at a time: each graph takes its entries with it" nothing_in kept

# --- a header that nobody holds any more is read again -------------------------------------------------------

"$program" -j 1 cycle/a.hpp >once
"$program" -j 1 cycle/a.hpp cycle/a.hpp >twice
files=$(total files once)
check "the second graph reads all its files again" contains twice "($files again)"
check "and those reads are counted" same "$(total 'files read' twice)" $((2 * files))

# --- folders, -I ---------------------------------------------------------------------------------------------

mkdir -p tree/src/deep tree/include/x
echo '#include <x/one.hpp>' >tree/src/main.cpp
echo '#include "x/one.hpp"' >tree/src/deep/more.cc
echo 'no source' >tree/src/notes.txt
echo '#pragma once' >tree/include/x/one.hpp
"$program" -Itree/include --list tree/src >report
status=$?
check "a folder: exit status 0" same $status 0
check "a folder stands for its source files, all the way down" contains report "total of 2 inputs"
check "-I leads to headers" contains report "$scratch/tree/include/x/one.hpp"
"$program" tree/src --top 0 >report
check "without it, they are missing" same "$(total missing report)" 2

# --- what the compiler lists is a subset ---------------------------------------------------------------------

set --
for name in iostream regex filesystem cmath stdlib.h unordered_map boost/container/flat_map.hpp; do
  echo "#include <$name>" >one.cpp
  # shellcheck disable=SC2086
  $compiler -std=c++20 -fsyntax-only one.cpp 2>/dev/null || continue
  file="input_$(echo "$name" | tr / _).cpp"
  mv one.cpp "$file"
  set -- "$@" "$file"
  "$program" --list "$file" >report
  { listed report; realpath "$file"; } | sort -u >found
  depends "$file" >expected
  comm -13 found expected >unseen
  check "$file: what $compiler -M lists is a subset of what was found" nothing_in unseen
  check "$file: and -M listed something" [ -s expected ]
done

# --- the counts agree with each other, and with the system calls ---------------------------------------------

if strace -qq -o /dev/null true 2>/dev/null; then
  trace="strace -ff -qq -e trace=open,openat -o"
else
  trace=
  echo "skipped: strace does not work here"
fi
for jobs in 1 4; do
  rm -rf trace
  mkdir trace
  # shellcheck disable=SC2086
  ${trace:+$trace trace/of} "$program" -j $jobs --list "$@" cycle >report.$jobs
  check "-j $jobs: look-ups are reads and hits" \
    same "$(total look-ups report.$jobs)" $(($(total 'files read' report.$jobs) + $(total hits report.$jobs)))
  check "-j $jobs: nothing is left" contains report.$jobs "left in the cache: 0"
  [ "$trace" ] || continue
  { listed report.$jobs; grep '^/' report.$jobs; } | sort -u >files
  cat trace/* | sed -n 's/^open.*"\(.*\)", O_RDONLY\(|O_CLOEXEC\)\{0,1\}) = [0-9].*/\1/p' | grep -xFf files >opened
  check "-j $jobs: as many files were opened as it says were read" \
    same "$(grep -c . opened)" "$(total 'files read' report.$jobs)"
done
for jobs in 1 4; do
  grep -v -e 'files read' -e hits -e 'live entries' report.$jobs >same.$jobs
done
check "what does not hang on the order of events is the same with 1 and 4 threads" cmp same.1 same.4

# --- errors --------------------------------------------------------------------------------------------------

"$program" no/such.cpp cycle/a.hpp no/folder/ >report 2>errors
status=$?
check "a missing file: exit status 2" same $status 2
check "a missing file is named" contains errors "no/such.cpp: "
check "and so is a missing folder" contains errors "no/folder/: "
check "the rest is done" contains report "$scratch/cycle/a.hpp"
check "and summed up" contains report "left in the cache: 0"

"$program" -I no/include cycle/a.hpp >report 2>errors
status=$?
check "a missing folder after -I: exit status 2" same $status 2
check "it is named" contains errors "no/include"
check "the rest is done here too" contains report "total of 1 input"

if [ "$(id -u)" != 0 ]; then
  mkdir closed
  echo '#include "secret.hpp"' >closed/open.cpp
  echo >closed/secret.hpp
  chmod 0 closed/secret.hpp
  "$program" closed/open.cpp >report 2>errors
  status=$?
  check "an unreadable header: exit status 2" same $status 2
  check "it is named" contains errors "$scratch/closed/secret.hpp: "
fi

CXX=no_such_compiler "$program" cycle/a.hpp >report 2>errors
status=$?
check "no compiler: exit status 2" same $status 2
check "it is named" contains errors "no_such_compiler"
check "quoted includes are followed all the same" same "$(total files report)" 5

for wrong in --unknown -x -j0 -jx -j --top=-1 --top --topx=1; do
  "$program" $wrong >report 2>errors
  status=$?
  check "$wrong: exit status 2" same $status 2
  check "$wrong: a hint" contains errors "Try 'include_graph --help'."
  check "$wrong: nothing is done" nothing_in report
done

"$program" --help >report 2>errors
status=$?
check "--help: exit status 0" same $status 0
check "--help: the usage" contains report "usage: include_graph"
check "--help: no complaint" nothing_in errors

if [ -c /dev/full ]; then
  "$program" cycle/a.hpp >/dev/full 2>errors
  status=$?
  check "a full disk: exit status 2" same $status 2
  check "a full disk: it is said" contains errors "could not be written"
fi

"$program" cycle/a.hpp 2>errors >/dev/null
check "no progress line where nobody looks" nothing_in errors

"$program" >report
status=$?
check "without inputs: exit status 0" same $status 0
check "without inputs: some standard headers" [ "$(total files report)" -gt 100 ]
check "without inputs: nothing is left" contains report "left in the cache: 0"

[ $failures = 0 ] || {
  echo "$failures failed"
  exit 1
}
