#!/bin/bash
# dictionary train and eval: the same bits after kills, on any number of threads, in parts; ranks; both layouts; bad input.
# ctest: begins early 45
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
models=$TEST_DATA/models
for i in $(seq 6); do cat "$models/stories.txt"; printf '\n<|endoftext|>\n'; done >"$folder/stories.txt"
small=(dictionary train "$models/norm" --corpus "$folder/stories.txt" --features 24 -k 4 --batch 16 --epochs 40 --lr .01)
train() { "$BILENS" "${small[@]}" -o "$folder/$1" "${@:2}"; } # DIR then options
refused() { # TEXT command…
    local status=0
    "${@:2}" >"$folder/stdout" 2>"$folder/stderr" || status=$?
    [ "$status" = 2 ] || fail "${*:2}: status $status: $(cat "$folder/stderr")"
    grep -q -- "$1" "$folder/stderr" || fail "${*:2}: no '$1' in: $(cat "$folder/stderr")"
}
key() { python3 -c 'import json,sys; v = json.load(open(sys.argv[1]))
for k in sys.argv[2].split("."): v = v[k]
print(v)' "$1" "$2"; }
numbers() { grep -v '"final"' "$folder/$1/log.jsonl" | sed 's/"seconds":[^,]*,//'; }
same() { # A B: the same dictionary, to the bit, and the same steps in the log
    cmp -s "$folder/$1/model.safetensors" "$folder/$2/model.safetensors" || fail "$2 is another dictionary than $1"
    [ "$(numbers "$1")" = "$(numbers "$2")" ] || fail "the logs of $1 and $2 differ"
}

# One run, its numbers, and eval, which finds the same.
train one --valid "$models/stories.txt" --format json >"$folder/one.json" 2>/dev/null
[ ! -e "$folder/one/checkpoint" ] || fail "a finished run left its checkpoint"
steps=$(key "$folder/one.json" steps)
[ "$steps" -gt 1000 ] || fail "only $steps steps"
"$BILENS" dictionary eval "$models/norm" --dictionary "$folder/one" --corpus "$models/stories.txt" --format json >"$folder/eval.json"
python3 - "$folder/one.json" "$folder/eval.json" "$folder/one/log.jsonl" <<'P'
import json, sys
one, ev = (json.load(open(f)) for f in sys.argv[1:3])
log = [json.loads(line) for line in open(sys.argv[3])]
assert all(one["loss"][k] == ev["loss"][k] for k in ("model", "spliced")), (one, ev)
assert abs(one["unexplained"] - ev["unexplained"]) < .2 * ev["unexplained"], (one, ev)   # eval's mean is its own text's
assert log[-1]["final"] and abs(log[-1]["unexplained"] - one["unexplained"]) < 1e-8
assert log[len(log) - 2]["unexplained"] < .5 * log[0]["unexplained"], "nothing was learned"
assert 0 < one["active"] <= one["k"] and 0 <= one["dead"] < one["features"]
l = one["loss"]
assert abs(l["recovered"] - (l["mean"] - l["spliced"]) / (l["mean"] - l["model"])) < 1e-6
P

# The same bits: other threads; killed without notice, three times, and resumed; finished ones stay.
train threads --valid "$models/stories.txt" --threads 1 --quiet >/dev/null
same one threads
hit=0
for i in 1 2 3; do
    "$BILENS" "${small[@]}" -o "$folder/killed" --valid "$models/stories.txt" --checkpoint-every 17 --resume --quiet >/dev/null 2>&1 &
    pid=$!
    for t in $(seq 12000); do
        kill -0 $pid 2>/dev/null || break
        [ "$(wc -l 2>/dev/null <"$folder/killed/log.jsonl" || echo 0)" -lt $((i * 350)) ] || break
        sleep .01
    done
    kill -KILL $pid 2>/dev/null || true
    wait $pid 2>/dev/null || true
    [ ! -e "$folder/killed/checkpoint" ] || hit=1
done
[ $hit = 1 ] || fail "every run was over before it was killed"
train killed --valid "$models/stories.txt" --resume --quiet >/dev/null
same one killed
train killed --valid "$models/stories.txt" --resume --format json 2>/dev/null >"$folder/again.json"
[ "$(key "$folder/again.json" finished_before)" = True ] || fail "a finished run was run again"
[ "$(key "$folder/again.json" unexplained)" = "$(key "$folder/one.json" unexplained)" ] || fail "another score of the same dictionary"
same one killed

# More text than memory: parts of an epoch, said so, resumed alike.
train parts --buffer 300 --epochs 20 2>"$folder/stderr" >/dev/null
grep -q "do not fit into a buffer of 300" "$folder/stderr" || fail "no word about the buffer: $(cat "$folder/stderr")"
"$BILENS" "${small[@]}" -o "$folder/cut" --buffer 300 --epochs 20 --checkpoint-every 5 --quiet >/dev/null 2>&1 &
pid=$!
for t in $(seq 12000); do
    kill -0 $pid 2>/dev/null || break
    [ "$(wc -l 2>/dev/null <"$folder/cut/log.jsonl" || echo 0)" -lt 400 ] || break
    sleep .01
done
kill -KILL $pid 2>/dev/null || true
wait $pid 2>/dev/null || true
train cut --buffer 300 --epochs 20 --resume --quiet >/dev/null
same parts cut

# Both layouts hold the same function; every point of width d; another run's checkpoint is refused.
train lens --valid "$models/stories.txt" --layout saelens --quiet >/dev/null
"$BILENS" dictionary eval "$models/norm" --dictionary "$folder/lens" --corpus "$models/stories.txt" --format json >"$folder/lens.json"
python3 -c 'import json, sys
a, b = (json.load(open(f)) for f in sys.argv[1:])
assert abs(a["unexplained"] - b["unexplained"]) < 1e-6 and abs(a["loss"]["spliced"] - b["loss"]["spliced"]) < 1e-5, (a, b)' "$folder/eval.json" "$folder/lens.json"
for point in mlp_out resid_pre attn_in attn_out resid_mid resid_post; do
    train "point-$point" --point $point --epochs 1 --quiet >/dev/null || fail "point $point"
done
"$BILENS" features "$models/norm" --in "$folder/one" --out "$folder/point-mlp_out" --features 0 --format json >/dev/null || fail "features of trained dictionaries"
"$BILENS" "${small[@]}" -o "$folder/other" --checkpoint-every 3 --quiet >/dev/null 2>&1 &
pid=$!
for t in $(seq 12000); do
    kill -0 $pid 2>/dev/null || break
    [ ! -e "$folder/other/checkpoint" ] || break
    sleep .01
done
kill -KILL $pid 2>/dev/null || true
wait $pid 2>/dev/null || true
[ ! -e "$folder/other/checkpoint" ] || refused '"seed" is 1, now it would be 2' train other --resume --seed 2

# A feature of a folder is a direction: its encoder row.
"$BILENS" eigen "$models/norm" --direction "feature:5@$folder/point-mlp_out" --eigs -1 --format json >"$folder/feature.json"
"$BILENS" features "$models/norm" --in "$folder/one" --out "$folder/point-mlp_out" --features 5 --format json >"$folder/form.json"
python3 -c 'import json, sys
a, b = (json.load(open(f)) for f in sys.argv[1:])
assert all(abs(x - y) < 1e-5 for x, y in zip(a["eigenvalues"], b["features"][0]["eigenvalues"], strict=True))' "$folder/feature.json" "$folder/form.json" || fail "feature:5@folder"
refused "feature 24 does not exist" "$BILENS" eigen "$models/norm" --direction "feature:24@$folder/one" --eigs -1

# The explorer reads eigenvectors in a dictionary, as eigen --basis does.
"$BILENS" eigen "$models/norm" --token swim --eigs -1 --basis "$folder/one" --format json >"$folder/eigen.json"
"$BILENS" serve "$models/norm" --corpus "$folder/stories.txt" --basis "$folder/one" --port 0 >"$folder/url" 2>/dev/null &
pid=$!
for t in $(seq 600); do
    [ ! -s "$folder/url" ] || break
    sleep .05
done
python3 - "$(cat "$folder/url")" "$folder/eigen.json" <<'P' || { kill $pid; fail "serve --basis"; }
import json, sys, urllib.request
served = json.load(urllib.request.urlopen(sys.argv[1] + "api/eigen?token=swim&eigs=-1", timeout=60))
printed = json.load(open(sys.argv[2]))
assert served["basis"]["features"] == printed["basis"]["features"] == 24
a, b = (x["vectors"][0]["sources"]["features"] for x in (served, printed))
assert len(a["top"]) == 10 and all(x[0] == y[0] and abs(x[1] - y[1]) < 1e-4 for k in a for x, y in zip(a[k], b[k])), (a, b)
P
kill $pid
wait $pid 2>/dev/null || true
refused "nothing.npy" "$BILENS" serve "$models/norm" --corpus "$folder/stories.txt" --basis "$folder/nothing.npy" --port 0

# Bad input: status 2, what to do, nothing left.
refused "-k must be at least 1" train new -k 0
refused "larger than the number of features" train new -k 25
refused "at least 1" train new --features 0
refused "unknown trace point" train new --point nowhere
refused "has no row of d_model" train new --point scores
refused "layer 9 does not exist" train new --layer 9
refused "missing.txt" train new --corpus "$folder/missing.txt"
refused "not one of scope, saelens" train new --layout other
refused "start from as many different vectors" train new --features 100000
refused "smaller than a batch" train new --buffer 10
refused "vectors to learn from" train new --batch 1000000
refused "holds a model or a run already" train one --valid "$models/stories.txt"
refused "what to do is missing" "$BILENS" dictionary
refused "which dictionary" "$BILENS" dictionary eval "$models/norm"
[ ! -e "$folder/new" ] || fail "a refused run left its directory"

# Ranks: nearly the same numbers, and rank 0 alone writes.
if command -v mpirun >/dev/null && "$BILENS" train --help | grep -q mpirun; then
    ASAN_OPTIONS=detect_leaks=0 mpirun --allow-run-as-root --oversubscribe -n 2 "$BILENS" "${small[@]}" -o "$folder/ranks" --valid "$models/stories.txt" --threads 1 --format json \
        >"$folder/ranks.json" 2>/dev/null
    python3 -c 'import json, sys
a, b = (json.load(open(f)) for f in sys.argv[1:])
assert a["steps"] == b["steps"] and abs(a["unexplained"] - b["unexplained"]) < .02 * a["unexplained"], (a, b)
assert abs(a["loss"]["spliced"] - b["loss"]["spliced"]) < .01, (a, b)' "$folder/one.json" "$folder/ranks.json" || fail "ranks"
fi
echo "dictionary train and eval: all as they should"
