#!/bin/bash
# dictionary train and eval of image models: learns, the same bits after kills and on any number of threads, bad input; a feature is a direction.
# ctest: begins early 15
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
model=$TEST_DATA/images/fashion-64
modular=$TEST_DATA/images/modular-59
sample=$TEST_DATA/images/sample
refused() { # TEXT command…
    local status=0
    "${@:2}" >"$folder/stdout" 2>"$folder/stderr" || status=$?
    [ "$status" = 2 ] || fail "${*:2}: status $status: $(cat "$folder/stderr")"
    grep -q -- "$1" "$folder/stderr" || fail "${*:2}: no '$1' in: $(cat "$folder/stderr")"
}
small=(dictionary train "$modular" --features 32 -k 4 --batch 64 --epochs 40)
train() { "$BILENS" "${small[@]}" -o "$folder/$1" "${@:2}"; } # DIR then options
numbers() { grep -v '"final"' "$folder/$1/log.jsonl" | sed 's/"seconds":[^,]*,//'; }
same() { # A B: the same dictionary, to the bit, and the same steps in the log
    cmp -s "$folder/$1/model.safetensors" "$folder/$2/model.safetensors" || fail "$2 is another dictionary than $1"
    [ "$(numbers "$1")" = "$(numbers "$2")" ] || fail "the logs of $1 and $2 differ"
}

train one --format json >"$folder/one.json" 2>/dev/null
train threads --threads 1 --quiet >/dev/null
same one threads
hit=0
for i in 1 2 3; do
    "$BILENS" "${small[@]}" -o "$folder/killed" --checkpoint-every 17 --resume --quiet >/dev/null 2>&1 &
    pid=$!
    for t in $(seq 12000); do
        kill -0 $pid 2>/dev/null || break
        [ "$(wc -l 2>/dev/null <"$folder/killed/log.jsonl" || echo 0)" -lt $((i * 400)) ] || break
        sleep .01
    done
    kill -KILL $pid 2>/dev/null || true
    wait $pid 2>/dev/null || true
    [ ! -e "$folder/killed/checkpoint" ] || hit=1
done
[ $hit = 1 ] || fail "every run was over before it was killed"
train killed --resume --quiet >/dev/null
same one killed

# A set of one's own: 58 images to learn from, every tenth held out; any point; both layouts.
files=(--images "$sample" --split test)
"$BILENS" dictionary train "$model" "${files[@]}" --features 16 -k 3 --batch 16 --epochs 30 -o "$folder/sae" --format json >"$folder/sae.json" 2>/dev/null
for point in embed hidden.0 logits; do
    "$BILENS" dictionary train "$model" "${files[@]}" --point $point --features 8 -k 2 --batch 16 --epochs 2 --layout saelens -o "$folder/$point" --quiet >/dev/null || fail "point $point"
    "$BILENS" dictionary eval "$model" "${files[@]}" --point $point --dictionary "$folder/$point" --format csv >/dev/null || fail "eval of point $point"
done
"$BILENS" dictionary eval "$model" "${files[@]}" --dictionary "$folder/sae" --format json >"$folder/eval.json"
"$BILENS" eval "$model" --images "$sample" --format json >"$folder/plain.json"
python3 - "$folder" <<'P'
import json, sys
one, sae, ev, plain = (json.load(open(f"{sys.argv[1]}/{name}.json")) for name in ("one", "sae", "eval", "plain"))
assert one["images"] == 3481 - 348 and one["held_out_images"] == 348 and one["point"] == "hidden" and one["unexplained"] < .3, one
l, a = one["loss"], one["accuracy"]
assert l["model"] < l["spliced"] < l["mean"] and abs(l["recovered"] - (l["mean"] - l["spliced"]) / (l["mean"] - l["model"])) < 1e-6
assert a["model"] == 1 and a["mean"] <= a["spliced"] <= 1, a
assert sae["images"] == 58 and sae["held_out_images"] == 6 and sae["active"] <= 3, sae
assert ev["held_out_images"] == 64 and abs(ev["loss"]["model"] - plain["loss"]) < 1e-6 and ev["accuracy"]["model"] == plain["accuracy"], (ev, plain)
P

# A feature is a direction of the block that it was learnt behind.
"$BILENS" eigen "$model" --direction "feature:3@$folder/sae" --eigs -1 --format json >"$folder/a.json"
"$BILENS" eigen "$model" --direction "$folder/sae:3" --eigs -1 --format json >"$folder/b.json"
python3 -c 'import json, sys
a, b = (json.load(open(f)) for f in sys.argv[1:])
assert a["eigenvalues"] == b["eigenvalues"] and len(a["vectors"][0]["picture"]) == 784' "$folder/a.json" "$folder/b.json" || fail "feature:3@DICT"
refused "feature 16 does not exist" "$BILENS" eigen "$model" --direction "feature:16@$folder/sae"

# Bad input: status 2, nothing left.
refused "-k must be at least 1" train new -k 0
refused "unknown trace point 'mlp_in'" train new --point mlp_in
refused "unknown trace point 'embed'" train new --point embed
refused "layer 3 does not exist" train new --layer 3
refused "layer 7 does not exist" train new --point hidden.7
refused "start from as many different vectors" train new --features 100000
refused "which images" "$BILENS" dictionary train "$model" --features 8 -k 2 -o "$folder/new"
refused "train-images" "$BILENS" dictionary train "$model" --images "$sample" --features 8 -k 2 -o "$folder/new"
refused "vectors to learn from" "$BILENS" dictionary train "$model" "${files[@]}" --features 8 -k 2 -o "$folder/new"
refused "holds a model or a run already" train one
refused "its features have 64 numbers" "$BILENS" dictionary eval "$model" "${files[@]}" --point logits --dictionary "$folder/sae"
refused "which dictionary" "$BILENS" dictionary eval "$model" "${files[@]}"
refused "nothing it can do" "$BILENS" dictionary "$model"
[ ! -e "$folder/new" ] || fail "a refused run left its directory"
echo "dictionaries of image models: all as they should"
