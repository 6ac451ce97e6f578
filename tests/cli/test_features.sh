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
expect 2 "give one of them" features "$model" --in "$folder/wide.npy" --out "$folder/wide.npy" --all --features 0
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

# The table of all features, beside the same with lists; on ranks; the interactions as files.
"$BILENS" features "$model" --in "$folder/wide.npy" --out "$folder/wide.npy" --all --corpus "$TEST_DATA/models/stories.txt" --format json >"$folder/table.json" || failures=1
"$BILENS" features "$model" --in "$folder/wide.npy" --out "$folder/wide.npy" --all --lists -k 3 --corpus "$TEST_DATA/models/stories.txt" --format json >"$folder/lists.json" || failures=1
cp "$folder/table.json" "$folder/ranks.json"
if command -v mpirun >/dev/null && "$BILENS" features --help | grep -q mpirun; then
    ASAN_OPTIONS=detect_leaks=0 mpirun --allow-run-as-root --oversubscribe -n 3 "$BILENS" features "$model" --in "$folder/wide.npy" --out "$folder/wide.npy" --all --threads 1 \
        --corpus "$TEST_DATA/models/stories.txt" --format json >"$folder/ranks.json" 2>/dev/null || failures=1
fi
for suffix in safetensors graphml json; do
    expect 0 "" features "$model" --in "$folder/wide.npy" --out "$folder/wide.npy" --features 1,4 -k 3 --weights "$folder/weights.$suffix" --format json
done
expect 2 "says no format" features "$model" --in "$folder/nowhere" --out "$folder/nowhere" --features 1 --weights "$folder/weights.txt" # before anything is read
expect 2 "says no format" features "$model" --in "$folder/wide.npy" --out "$folder/wide.npy" --features 1 --weights "$folder/weights.txt"
[ ! -e "$folder/weights.txt" ] || failures=1
"$BILENS" features "$model" --in "$folder/wide.npy" --out "$folder/wide.npy" --features 1,4 -k 3 --format json >"$folder/two.json"
python3 - "$folder" <<'P' || failures=1
import json, struct, sys, xml.etree.ElementTree as xml
folder = sys.argv[1]
table, lists, ranks, two, graph = (json.load(open(f"{folder}/{name}.json")) for name in ("table", "lists", "ranks", "two", "weights"))
def near(a, b):
    return a is None and b is None or a is not None and b is not None and abs(a - b) < 1e-4 * max(1, abs(b))
assert len(table["features"]) == len(lists["features"]) == len(ranks["features"]) == table["out_features"]
for a, b, r in zip(table["features"], lists["features"], ranks["features"]):
    assert "pairs" not in a and "pairs" in b and a["active"] == b["active"] == r["active"]
    for key in ("feature", "constant", "shift", "effective_rank", "top_pair_share"):
        assert near(a[key], b[key]) and near(r[key], b[key]), (key, a, b)
    for x, y, z in zip(a["rank_correlation"], b["rank_correlation"], r["rank_correlation"]):
        for key in y:
            assert near(x[key], y[key]) and near(z[key], y[key]), (a["feature"], key, x, y, z)
# the sparse tensor holds the lists' entries
raw = open(folder + "/weights.safetensors", "rb").read()
n = struct.unpack("<Q", raw[:8])[0]
head = json.loads(raw[8:8 + n])
def tensor(name):
    begin, end = head[name]["data_offsets"]
    kind = {"I32": "i", "F32": "f"}[head[name]["dtype"]]
    return struct.unpack(f"<{(end - begin) // 4}{kind}", raw[8 + n + begin:8 + n + end])
index, value = tensor("index"), tensor("value")
sparse = {tuple(index[3 * i:3 * i + 3]): v for i, v in enumerate(value)}
wanted = {}
for f in two["features"]:
    for b, v in f["self"]["top"] + f["self"]["bottom"]: wanted[f["feature"], b, b] = v
    for b, c, v in f["pairs"]["top"] + f["pairs"]["bottom"]: wanted[f["feature"], b, c] = v
assert set(sparse) == set(wanted) and all(near(sparse[k], wanted[k]) for k in wanted), (sparse, wanted)
# both graphs have a node per feature and pair, and every edge joins two of them
root = xml.parse(folder + "/weights.graphml").getroot()
space = "{http://graphml.graphdrawing.org/xmlns}"
nodes = {x.get("id") for x in root.iter(space + "node")}
edges = list(root.iter(space + "edge"))
assert all(e.get("source") in nodes and e.get("target") in nodes for e in edges)
ids = {x["node_id"] for x in graph["nodes"]}
assert len(ids) == len(nodes) == len(graph["nodes"]) and len(graph["links"]) == len(edges)
assert all(x["source"] in ids and x["target"] in ids for x in graph["links"])
assert graph["metadata"]["schema_version"] == 1 and graph["qParams"]["pinnedIds"] == []
self = [v for (a, b, c), v in wanted.items() if b == c]
pairs = {2 * v for (a, b, c), v in wanted.items() if b != c}
assert sorted(round(x["weight"], 6) for x in graph["links"] if x["source"][0] == "0" and x["target"][0] == "2") == sorted(round(v, 6) for v in self)
assert all(min(abs(x["weight"] - p) for p in pairs) < 1e-5 for x in graph["links"] if x["source"][0] == "1")
P
[ $failures -eq 0 ] || exit 1
if [ ! -d "$SHARED/dictionaries" ]; then
    echo "SKIPPED: the golden files of dictionaries are not there ($SHARED)" >&2
    exit 77
fi
exec python3 "$(dirname "$0")/test_features.py" "$BILENS" "$SHARED"
