#!/bin/bash
# The Python package mirrors structs and functions of the public headers by hand: a field that was added must be added there, too
# (python/bilens/_structs.py, _prototypes.py), or Python reads the wrong memory.
set -u
command -v python3 >/dev/null || { echo "SKIPPED: there is no python3; Python's structs were not compared with the headers" >&2; exit 77; }
exec python3 "$SOURCE/python/tests/abi.py" "$CC"
