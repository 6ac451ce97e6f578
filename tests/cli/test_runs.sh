#!/bin/bash
# Runs of bilens train that are resumed, overwritten, finished, cut short, useless; on one process and on ranks.
# ctest: begins early 25
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
models=$TEST_DATA/models
for i in $(seq 6); do cat "$models/stories.txt"; printf '\n<|endoftext|>\n'; done >"$folder/stories.txt"
small=(train --corpus "$folder/stories.txt" --tokenizer "$models/plain/tokenizer.json" --d-model 16 --d-hidden 24 --heads 2 --batch 8 --ctx 64
    --sample 0 --threads 1)
train() { "$BILENS" "${small[@]}" -o "$folder/$1" "${@:2}"; }      # DIR then options
start() { exec "$BILENS" "${small[@]}" -o "$folder/$1" "${@:2}"; } # in place of the subshell that calls it, so that a signal meets the program
refused() { # STATUS TEXT command…
    local status=0
    "${@:3}" >"$folder/stdout" 2>"$folder/stderr" || status=$?
    [ "$status" = "$1" ] || fail "${*:3}: status $status, expected $1: $(cat "$folder/stderr")"
    grep -q -- "$2" "$folder/stderr" || fail "${*:3}: no '$2' in: $(cat "$folder/stderr")"
}
value() { sed -n "s/.*\"$1\": *\\([^,}]*\\).*/\\1/p"; } # of a JSON object's key
near() { awk "BEGIN { d = $1 - $2; exit !(d * d < $3 * $3) }"; }
digest() { cat "$folder/$1/config.json" "$folder/$1/model.safetensors" "$folder/$1/log.jsonl" | md5sum; }

# Finished: --resume leaves it alone and gives its numbers; other lengths and plain repetition are refused.
train done --steps 6 --warmup 2 --valid "$folder/stories.txt" --format json >"$folder/first.json" 2>"$folder/stderr"
before=$(digest done)
train done --steps 6 --warmup 2 --valid "$folder/stories.txt" --resume --format json >"$folder/second.json" 2>"$folder/stderr"
grep -q "finished already" "$folder/stderr" || fail "no word about the finished run"
for key in steps tokens parameters loss valid_loss; do
    [ "$(value $key <"$folder/first.json")" = "$(value $key <"$folder/second.json")" ] || fail "finished: another $key: $(cat "$folder/first.json" "$folder/second.json")"
done
[ "$(value finished_before <"$folder/second.json")" = true ] || fail "finished_before: $(cat "$folder/second.json")"
refused 2 "finished after 6 steps; 9 were asked for" train done --steps 9 --resume
refused 2 "already" train done --steps 6
refused 2 "exclude each other" train done --steps 6 --resume --overwrite
[ "$before" = "$(digest done)" ] || fail "a finished run was changed"

# Foreign: a model that no run made.
mkdir "$folder/foreign"
cp "$models/plain/"* "$folder/foreign"
refused 2 "nothing to resume" train foreign --steps 3 --resume
refused 2 "already" train foreign --steps 3
cmp -s "$models/plain/model.safetensors" "$folder/foreign/model.safetensors" || fail "a foreign model was changed"

# Overwritten where shards, an index and snapshots lie: what is evaluated is the new model.
cp -r "$folder/done" "$folder/shards"
mv "$folder/shards/model.safetensors" "$folder/shards/model-00001-of-00001.safetensors"
names=$("$BILENS" info "$folder/done" --format json | grep -o '"name": *"[^"]*"' | sed 's/"name": *//' | sed 's/$/: "model-00001-of-00001.safetensors"/' | paste -sd,)
echo "{\"metadata\": {}, \"weight_map\": {$names}}" >"$folder/shards/model.safetensors.index.json"
"$BILENS" eval "$folder/shards" --corpus "$folder/stories.txt" --format json >/dev/null || fail "the sharded model does not load"
mkdir -p "$folder/shards/snapshots/step-00000001"
said=$(train shards --steps 2 --seed 7 --overwrite --valid "$folder/stories.txt" --format json --quiet | value valid_loss)
true_loss=$("$BILENS" eval "$folder/shards" --corpus "$folder/stories.txt" --format json | value loss)
near "$said" "$true_loss" 1e-4 || fail "overwritten: says $said, eval $true_loss"
[ "$(ls "$folder/shards" | tr '\n' ' ')" = "config.json figures log.jsonl model.safetensors tokenizer.json " ] || fail "overwritten: $(ls "$folder/shards")"
cp "$models/plain/tokenizer.json" "$folder/foreign/tokenizer.json"
train foreign --steps 2 --overwrite --quiet >/dev/null || fail "overwriting a foreign model"

# Refused input leaves nothing, not even the directory, and what was to be overwritten stays.
refused 2 "missing.txt" train new --steps 3 --corpus "$folder/missing.txt"
[ ! -e "$folder/new" ] || fail "a refused run left its directory"
refused 2 "missing.txt" train done --steps 3 --overwrite --corpus "$folder/missing.txt"
[ "$before" = "$(digest done)" ] || fail "a refused overwriting changed the run"

# The last step's weights are useless: no success, no model.
refused 1 "not finite any more" train useless --steps 1 --warmup 0 --lr 1e30 --quiet
[ ! -e "$folder/useless/model.safetensors" ] || fail "useless weights were saved"

# --lr-end is the last step's rate, a long warm-up and a schedule cut short are told.
train rates --steps 10 --warmup 0 --lr 0.004 --lr-end 0.25 --schedule linear --quiet >/dev/null
rates=$(grep -o '"lr":[^,]*' "$folder/rates/log.jsonl" | sed 's/"lr"://' | sed -n '1p;$p' | tr '\n' ' ')
near "${rates% * }" 0.004 1e-9 && near "$(echo $rates | cut -d' ' -f2)" 0.001 1e-9 || fail "rates: $rates"
train warm --steps 5 --warmup 100 2>"$folder/stderr" >/dev/null
grep -q "warm-up of 100 steps is not shorter than the run of 5" "$folder/stderr" || fail "warm-up: $(cat "$folder/stderr")"
train short --steps 1000000 --warmup 0 --time 1s 2>"$folder/stderr" >/dev/null
grep -q "cut short" "$folder/stderr" || fail "cut short: $(cat "$folder/stderr")"

# Snapshots: models that other verbs read, evenly over the run.
train snap --steps 9 --warmup 2 --snapshots 3 --quiet >/dev/null
[ "$(ls "$folder/snap/snapshots" | tr '\n' ' ')" = "step-00000003 step-00000006 step-00000009 " ] || fail "snapshots: $(ls "$folder/snap/snapshots")"
"$BILENS" info "$folder/snap/snapshots/step-00000003" >/dev/null || fail "a snapshot is no model"
cmp "$folder/snap/model.safetensors" "$folder/snap/snapshots/step-00000009/model.safetensors" || fail "the last snapshot is not the model"

# Killed after its last checkpoint, which is of the last step: no step is left, and the numbers are the run's.
start last --steps 6 --warmup 2 --checkpoint-every 1 --quiet >/dev/null &
child=$!
while kill -0 "$child" 2>/dev/null; do
    if [ "$(grep -c '"loss"' "$folder/last/log.jsonl" 2>/dev/null)" = 6 ]; then kill -KILL "$child" 2>/dev/null || true; break; fi
done
wait "$child" 2>/dev/null || true
said=$(train last --steps 6 --warmup 2 --checkpoint-every 1 --resume --format json --quiet | value loss)
near "$said" "$(value loss <"$folder/first.json")" 1e-6 || fail "no step left: loss $said, $(cat "$folder/first.json")"

# The checkpoint records the threads; another number is told.
mkdir "$folder/threads"
start threads --steps 100000 --warmup 2 --checkpoint-every 1 --quiet >/dev/null 2>&1 &
child=$!
for _ in $(seq 6000); do [ ! -f "$folder/threads/checkpoint" ] || break; sleep 0.02; done
refused 2 "another process is training into this directory: process $child" train threads --steps 100000 --resume
kill -INT "$child"
wait "$child" || true
start threads --steps 100000 --warmup 2 --checkpoint-every 1 --threads 2 --resume >/dev/null 2>"$folder/stderr" &
child=$!
for _ in $(seq 6000); do kill -0 "$child" 2>/dev/null || break; grep -q "goes on with 2" "$folder/stderr" && break; sleep 0.02; done
kill -KILL "$child"
wait "$child" 2>/dev/null || true
grep -q "written with 1 threads on 1 ranks, the run goes on with 2 on 1" "$folder/stderr" || fail "threads: $(cat "$folder/stderr")"

# Ctrl-C gives up a long step: a checkpoint of the step before, nothing in the log; the resumed run is the whole one.
start slow --steps 2 --warmup 0 --d-model 512 --d-hidden 1536 --layers 8 --batch 64 --quiet >/dev/null 2>"$folder/stderr" &
child=$!
for _ in $(seq 3000); do [ ! -f "$folder/slow/log.jsonl" ] || break; sleep 0.02; done
sleep 0.1
kill -INT "$child"
wait "$child" && fail "an interrupted run ended well"
grep -q "stopped after step 0; a checkpoint was written" "$folder/stderr" || fail "Ctrl-C in a step: $(cat "$folder/stderr")"
[ ! -s "$folder/slow/log.jsonl" ] || fail "a step that was given up is in the log"

# An annealed gate ends as a bilinear model, from scratch and from a gated checkpoint, killed or not; what is saved is what was trained.
annealed=(--steps 12 --warmup 2 --lr 0.01 --generation later --gate "swish:1..0@50%" --bias --valid "$folder/stories.txt" --format json --quiet)
said=$(train anneal "${annealed[@]}" | value valid_loss)
near "$said" "$("$BILENS" eval "$folder/anneal" --corpus "$folder/stories.txt" --format json | value loss)" 1e-5 || fail "annealed: says $said"
grep -q '"gate": null' "$folder/anneal/config.json" || fail "annealed: $(cat "$folder/anneal/config.json")"
train gated --steps 6 --warmup 2 --lr 0.01 --generation later --gate silu --bias --quiet >/dev/null
train tuned --from "$folder/gated" "${annealed[@]}" --checkpoint-every 5 >/dev/null || fail "annealing a checkpoint"
grep -q '"gate": null' "$folder/tuned/config.json" || fail "annealed from a checkpoint: $(cat "$folder/tuned/config.json")"
train again --from "$folder/gated" "${annealed[@]}" --checkpoint-every 5 >/dev/null
cmp "$folder/tuned/model.safetensors" "$folder/again/model.safetensors" || fail "annealed twice: other weights"
first_step() { sed -n '1s/.*"loss":\([0-9.]*\).*/\1/p' "$folder/$1/log.jsonl"; }
train silu --from "$folder/gated" --steps 1 --warmup 2 --lr 0.01 --quiet >/dev/null # slope 1 is silu itself
near "$(first_step silu)" "$(first_step tuned)" 1e-6 || fail "slope 1 is not silu: $(first_step silu) $(first_step tuned)"
refused 2 "must have the gate silu" train wrong --from "$folder/done" "${annealed[@]}"
refused 2 "not like swish" train wrong --steps 3 --gate "swish:1..0"

# Precision: auto says what it took, in result and log; a run is not resumed in another one.
took=$(train auto --steps 3 --warmup 1 --precision auto --format json --quiet | value precision)
[ "$took" = '"f32"' ] || [ "$took" = '"bf16"' ] || fail "auto took $took"
[ "$(grep -c "\"precision\":$took" "$folder/auto/log.jsonl")" = 3 ] || fail "the log of $took: $(cat "$folder/auto/log.jsonl")"
refused 2 "not one of f32, bf16, auto" train wrong --steps 3 --precision f64
if train half --steps 100000 --warmup 1 --precision bf16 --time 0.1s --quiet >/dev/null 2>"$folder/stderr"; then
    cp "$folder/threads/checkpoint" "$folder/threads/log.jsonl" "$folder/half" # of float32, with the same options otherwise
    rm "$folder/half/config.json"
    refused 2 '"precision" is "f32", now it would be "bf16"' train half --steps 100000 --warmup 2 --precision bf16 --resume
else
    grep -q "no instructions" "$folder/stderr" || fail "bf16: $(cat "$folder/stderr")"
fi

# On ranks: the same decisions; verbs that share no work speak once; what a rank starts is no rank.
if command -v mpirun >/dev/null; then
    mpi="mpirun --oversubscribe -n 2"
    [ "$(id -u)" != 0 ] || mpi="$mpi --allow-run-as-root"
    export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 # MPI itself keeps memory until the end: its leaks are not ours
    on_ranks() { $mpi "$BILENS" "${small[@]}" -o "$folder/$1" "${@:2}"; }
    if ! on_ranks ranked --steps 3 --warmup 1 --quiet >/dev/null 2>"$folder/stderr"; then
        grep -q "built without MPI" "$folder/stderr" || fail "two ranks: $(cat "$folder/stderr")"
        echo "without MPI: ranks are not tested" >&2
        exit 0
    fi
    on_ranks done --steps 6 --warmup 2 --valid "$folder/stories.txt" --resume --format json --quiet >"$folder/second.json" 2>"$folder/stderr"
    [ "$(value loss <"$folder/first.json")" = "$(value loss <"$folder/second.json")" ] || fail "finished, on ranks: $(cat "$folder/second.json")"
    refused 2 "finished after 6 steps" on_ranks done --steps 3 --resume
    [ "$before" = "$(digest done)" ] || fail "ranks changed a finished run"
    rm -r "$folder/foreign"
    cp -r "$models/plain" "$folder/foreign"
    refused 2 "nothing to resume" on_ranks foreign --steps 3 --resume
    cmp -s "$models/plain/model.safetensors" "$folder/foreign/model.safetensors" || fail "ranks changed a foreign model"
    refused 1 "not finite any more" on_ranks useless-ranks --steps 1 --warmup 0 --lr 1e30 --quiet
    $mpi "$BILENS" generate --stories 2 --max-tokens 4 --format json >"$folder/stdout" 2>"$folder/stderr"
    [ "$(grep -o '"ids"' "$folder/stdout" | wc -l)" = 2 ] || fail "generate on ranks: $(cat "$folder/stdout")"
    [ "$(grep -c "rank 0 works alone" "$folder/stderr")" = 1 ] || fail "generate on ranks: $(cat "$folder/stderr")"
    [ "$($mpi "$BILENS" --version | grep -c "^bilens ")" = 1 ] || fail "--version on ranks"
    [ "$($mpi bash -c "\"$BILENS\" scan \"$models/plain\" --corpus \"$folder/stories.txt\" --token swim --quiet --format json; true" | wc -l)" -le 1 ] ||
        fail "a rank behind a shell did not join"
    if command -v python3 >/dev/null; then
        inner="import subprocess; print(subprocess.run(['$BILENS', 'tokenize', '$models/plain', '--text', 'tom', '--format', 'json'], capture_output=True, text=True).stdout.strip())"
        [ "$($mpi python3 -c "$inner" | grep -o '"ids"' | wc -l)" = 2 ] || fail "what a rank starts should work by itself"
    fi
fi
echo "runs: finished, foreign, overwritten, useless, rates, snapshots, locks, ranks: fine"
