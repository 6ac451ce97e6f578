#!/bin/bash
# Members of the kinds of fault that are no matter of one verb: which weights are a model's, the system's reasons, names of the hub, padded
# vocabularies, long words, files that are something else (every_kind.py; one section with `every_kind.py … SECTION`).
# ctest: slow 40
command -v python3 >/dev/null || { echo "SKIPPED: no python3" >&2; exit 77; }
case $BILENS in *valgrind) echo "SKIPPED: hundreds of programs are too many for valgrind" >&2; exit 77 ;; esac
exec python3 -B "$(dirname "$0")/every_kind.py" "$BILENS" "$TEST_DATA" "$@"
