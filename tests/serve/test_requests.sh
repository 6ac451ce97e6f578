#!/bin/bash
# Requests of unusual kinds: half-closed, with bad lengths, beside many slow ones, through a reverse proxy, over an atlas that is damaged
# while it is served (requests.py).
set -u
command -v python3 >/dev/null || { echo "SKIPPED: no python3" >&2; exit 77; }
case $BILENS in *valgrind) echo "SKIPPED: valgrind is too slow for a server's clients" >&2; exit 77 ;; esac
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
python3 "$(dirname "$0")/requests.py" "$BILENS" "$folder" || exit 1
grep -l "Sanitizer\|runtime error" "$folder"/*.err && exit 1
exit 0
