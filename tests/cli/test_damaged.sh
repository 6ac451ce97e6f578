#!/bin/bash
# Damaged and unsupported config.json, tensors, tokenizers and GGUF files: exit status 2 and a message that names the key.
set -u
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
python3 "$(dirname "$0")/test_damaged.py" "$BILENS" "$TEST_DATA" "$folder"
