#!/bin/bash
# Runs a Python script of the tests, or says that there is no Python.
command -v python3 >/dev/null || { echo "SKIPPED: no python3" >&2; exit 77; }
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$@"
