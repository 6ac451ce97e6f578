#!/bin/bash
# Whole commands of every verb, each with every Nth allocation and every Nth system call failing (inject.py): as many N as fit into the
# time. INJECT_SECONDS=N for longer hunts; `inject.py … --all` tries every N.
# ctest: slow 60
command -v python3 >/dev/null || { echo "SKIPPED: no python3" >&2; exit 77; }
exec python3 "$(dirname "$0")/inject.py" "$BILENS" "$INJECT" "$TEST_DATA" --seconds "${INJECT_SECONDS:-50}"
