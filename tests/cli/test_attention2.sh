#!/bin/bash
# Bilinear attention from the command line: every golden file of ../shared/golden/attention2.
# ctest: slow 25
set -u
shared=${SHARED:-$(dirname "$0")/../../../shared}
[ -d "$shared/golden/attention2" ] || { echo "no golden files for bilinear attention (../shared): skipped"; exit 77; }
python3 "$(dirname "$0")/test_attention2.py" "$BILENS" "$shared" || exit 1
