#!/bin/bash
# Surrogates in every verb that takes --surrogate, on tiny models of every kind of block.
# ctest: begins early 50
set -u
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
python3 "$(dirname "$0")/test_surrogate.py" "$BILENS" "$TEST_DATA" "$folder"
