#!/bin/bash
# Dictionaries of features from the command line: bad input always, the golden files where ../shared is.
set -u
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
model=$TEST_DATA/models/plain
failures=0
expect() {
    local status=$1 text=$2 got
    shift 2
    "$BILENS" "$@" >"$folder/out" 2>"$folder/err"
    got=$?
    if [ $got -ne "$status" ] || { [ -n "$text" ] && ! grep -q -- "$text" "$folder/err"; }; then
        echo "FAIL: bilens $*: expected $status and '$text', got $got and: $(cat "$folder/err")"
        failures=1
    fi
}
"$BILENS" export "$model" --tensors w_u -o "$folder/wide.npy" >/dev/null || exit 1
expect 0 "" features "$model" --in "$folder/wide.npy" --out "$folder/wide.npy" --features 0 --format json
expect 2 "which dictionaries" features "$model" --features 0
expect 2 "which features" features "$model" --in "$folder/wide.npy" --out "$folder/wide.npy"
expect 2 "feature 99999 does not exist" features "$model" --in "$folder/wide.npy" --out "$folder/wide.npy" --features 99999
expect 2 "layer 9" features "$model" --in "$folder/wide.npy" --out "$folder/wide.npy" --features 0 --layer 9
mkdir "$folder/empty"
expect 2 "no dictionary" features "$model" --in "$folder/empty" --out "$folder/wide.npy" --features 0
python3 - "$folder" <<'P'
import struct, sys, json, os
folder = sys.argv[1]
def npy(path, rows, cols, value):
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {cols}), }}"
    head += " " * (64 - (11 + len(head)) % 64) + "\n"
    open(path, "wb").write(b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head.encode() + struct.pack("<f", value) * (rows * cols))
npy(folder + "/narrow.npy", 3, 7, 1.0)
npy(folder + "/nan.npy", 3, 16, float("nan"))
for name, config in (("gated", {"architecture": "gated"}), ("normal", {"architecture": "topk", "k": 1, "normalize_activations": "layer_norm"}), ("zero", {"architecture": "topk", "k": 0})):
    os.mkdir(f"{folder}/{name}")
    json.dump(config, open(f"{folder}/{name}/cfg.json", "w"))
    header = json.dumps({"W_dec": {"dtype": "F32", "shape": [1, 16], "data_offsets": [0, 64]}}).encode()
    open(f"{folder}/{name}/sae_weights.safetensors", "wb").write(struct.pack("<Q", len(header)) + header + b"\0" * 64)
P
expect 2 "its features have 7 numbers" features "$model" --in "$folder/narrow.npy" --out "$folder/wide.npy" --features 0
expect 2 "NaN" features "$model" --in "$folder/nan.npy" --out "$folder/wide.npy" --features 0
expect 2 "gated" features "$model" --in "$folder/gated" --out "$folder/wide.npy" --features 0
expect 2 "normalize_activations" features "$model" --in "$folder/normal" --out "$folder/wide.npy" --features 0
expect 2 '"k" must be' features "$model" --in "$folder/zero" --out "$folder/wide.npy" --features 0
[ $failures -eq 0 ] || exit 1
if [ ! -d "$SHARED/dictionaries" ]; then
    echo "SKIPPED: the golden files of dictionaries are not there ($SHARED)" >&2
    exit 77
fi
exec python3 "$(dirname "$0")/test_features.py" "$BILENS" "$SHARED"
