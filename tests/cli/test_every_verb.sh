#!/bin/bash
# Every kind of fault at every verb: where results go, what is read, weights of any size, contexts of any length, threads, locales, numbers
# that are none (every_verb.py; one section with `every_verb.py … SECTION`).
# ctest: slow 120
command -v python3 >/dev/null || { echo "SKIPPED: no python3" >&2; exit 77; }
case $BILENS in *valgrind) echo "SKIPPED: hundreds of programs are too many for valgrind" >&2; exit 77 ;; esac
exec python3 -B "$(dirname "$0")/every_verb.py" "$BILENS" "$TEST_DATA" "$@"
