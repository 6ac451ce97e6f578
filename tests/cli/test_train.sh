#!/bin/bash
# bilens train as a user runs it: killed at random moments and resumed to the same bits, a full disk, several ranks, bad input. ctest: slow
set -eu
folder=$(mktemp -d)
trap 'mountpoint -q "$folder/small" && umount "$folder/small"; rm -rf "$folder"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
tokenizer=$TEST_DATA/models/plain/tokenizer.json

# 400 stories of words that the tokenizer knows, some longer than the context.
awk 'BEGIN { srand(3); n = split("tom mia bird fish swim climb eat fly see run pool tree sky water big went likes to the and in a up", w, " ")
    for (s = 0; s < 400; s++) { for (i = 0; i < 4 + rand() * 40; i++) printf "%s%s", i ? " " : "", w[1 + int(rand() * n)]; print ".\n<|endoftext|>" } }' >"$folder/text.txt"
head -60 "$folder/text.txt" >"$folder/valid.txt"
shape="--layers 2 --heads 2 --d-model 32 --d-hidden 48 --ctx 32 --norm weighted --noise 0.33 --batch 8 --accumulate 2 --lr 5e-3 --warmup 10"
small() { (start "$@"); } # DIR then options
start() {                   # the same in place of the shell that calls it, so that a signal meets the program
    local out=$1
    shift
    exec "$BILENS" train --corpus "$folder/text.txt" --valid "$folder/valid.txt" --tokenizer "$tokenizer" $shape --threads 2 --sample 5 --eval-every 50 \
        --checkpoint-every 7 --quiet -o "$out" "$@"
}
# A log without what depends on the clock.
curve() { sed -E 's/,"seconds".*/}/' "$1/log.jsonl"; }
same() { cmp "$1/model.safetensors" "$2/model.safetensors" && cmp <(curve "$1") <(curve "$2"); }

small "$folder/whole" --steps 240 >"$folder/result.txt" || fail "a plain run"
grep -q validation "$folder/result.txt" || fail "no validation loss: $(cat "$folder/result.txt")"
[ "$(ls "$folder/whole" | tr '\n' ' ')" = "config.json figures log.jsonl model.safetensors tokenizer.json " ] || fail "unexpected files: $(ls "$folder/whole")"
first=$(sed -n 's/^{"step":1,"loss":\([0-9.]*\).*/\1/p' "$folder/whole/log.jsonl")
last=$(sed -n 's/^{"step":240,"loss":\([0-9.]*\).*/\1/p' "$folder/whole/log.jsonl")
awk "BEGIN { exit !($last < $first - 1) }" || fail "the loss went from $first to $last"
eval_loss=$("$BILENS" eval "$folder/whole" --corpus "$folder/valid.txt" --format json | sed 's/.*"loss":\([0-9.]*\).*/\1/')
valid_loss=$(sed -n 's/.*"valid_loss":\([0-9.]*\).*"final":true.*/\1/p' "$folder/whole/log.jsonl")
awk "BEGIN { d = $eval_loss / $valid_loss - 1; exit !(d * d < 1e-10) }" || fail "eval says $eval_loss, train said $valid_loss"

# The same again is the same bits.
small "$folder/again" --steps 240 >/dev/null && same "$folder/whole" "$folder/again" || fail "the same seed gave another model"

# SIGKILL at twenty random moments.
RANDOM=5
kills=0
while [ "$kills" -lt 20 ]; do
    start "$folder/killed" --steps 240 --resume >/dev/null 2>"$folder/stderr" &
    child=$!
    sleep "0.$(printf '%03d' $((RANDOM % 350 + 20)))"
    kill -KILL "$child" 2>/dev/null && kills=$((kills + 1))
    wait "$child" 2>/dev/null || true
    if [ -f "$folder/killed/config.json" ] && [ ! -f "$folder/killed/checkpoint" ]; then # it was faster: once more from the start
        same "$folder/whole" "$folder/killed" || fail "after $kills kills the model differs"
        rm -r "$folder/killed"
    fi
done
small "$folder/killed" --steps 240 --resume >/dev/null || fail "resuming after the kills"
same "$folder/whole" "$folder/killed" || fail "the killed run's model or curve differs"
[ -z "$(find "$folder/killed" -name '*.tmp-*')" ] || fail "temporary files are left: $(ls -A "$folder/killed")"
small "$folder/killed" --steps 240 --resume >/dev/null || fail "resuming a finished run"

# Ctrl-C finishes the step and writes a checkpoint.
status=0
timeout --foreground --signal=INT 0.7 "$BILENS" train --corpus "$folder/text.txt" --valid "$folder/valid.txt" --tokenizer "$tokenizer" $shape --threads 2 \
    --sample 5 --eval-every 50 --checkpoint-every 7 --steps 240 -o "$folder/stopped" >/dev/null 2>"$folder/stderr" || status=$?
if [ "$status" = 124 ] && [ -f "$folder/stopped/log.jsonl" ]; then
    [ -f "$folder/stopped/checkpoint" ] || fail "Ctrl-C left no checkpoint: $(cat "$folder/stderr")"
    small "$folder/stopped" --steps 240 --resume >/dev/null && same "$folder/whole" "$folder/stopped" || fail "resuming after Ctrl-C"
fi

# A full disk: the run fails, the last checkpoint stays whole, and resuming with more room gives the same bits.
mkdir "$folder/small"
status=0
# a checkpoint is three times the weights: room for one and for a half of the one that is to replace it
weights=$(stat -c %s "$folder/whole/model.safetensors")
if mount -t tmpfs -o size=$((weights * 9 / 2)) tmpfs "$folder/small" 2>/dev/null; then
    small "$folder/small/run" --steps 240 >/dev/null 2>"$folder/stderr" || status=$?
    [ "$status" = 1 ] || fail "full disk: status $status: $(cat "$folder/stderr")"
    grep -q "No space left" "$folder/stderr" || fail "full disk: $(cat "$folder/stderr")"
    mount -o remount,size=100m "$folder/small"
    small "$folder/small/run" --steps 240 --resume >/dev/null && same "$folder/whole" "$folder/small/run" || fail "resuming after a full disk"
    umount "$folder/small"
fi
status=0
(ulimit -f 40; small "$folder/limited" --steps 240 >/dev/null 2>"$folder/stderr") || status=$?
[ "$status" = 1 ] || fail "file size limit: status $status: $(cat "$folder/stderr")"
small "$folder/limited" --steps 240 --resume >/dev/null && same "$folder/whole" "$folder/limited" || fail "resuming after the file size limit"

# Bad input: a clear message, status 2 (1 while working), nothing lost.
refuse() { # STATUS PATTERN command…
    local wanted=$1 pattern=$2 status=0
    shift 2
    "$@" >/dev/null 2>"$folder/stderr" || status=$?
    [ "$status" = "$wanted" ] || fail "'$*': status $status, expected $wanted: $(cat "$folder/stderr")"
    grep -q -- "$pattern" "$folder/stderr" || fail "'$*': no word of '$pattern': $(cat "$folder/stderr")"
}
: >"$folder/empty.txt"
echo "tom." >"$folder/tiny.txt"
refuse 2 "empty.txt" "$BILENS" train --corpus "$folder/empty.txt" --tokenizer "$tokenizer" -o "$folder/x"
refuse 2 "only 1 stories" "$BILENS" train --corpus "$folder/tiny.txt" --tokenizer "$tokenizer" -o "$folder/x"
refuse 2 "missing.txt" "$BILENS" train --corpus "$folder/missing.txt" --tokenizer "$tokenizer" -o "$folder/x"
refuse 2 "--tokenizer" "$BILENS" train --corpus "$folder/text.txt" -o "$folder/x"
refuse 2 "cannot be trained on" "$BILENS" train --corpus - --tokenizer "$tokenizer" -o "$folder/x"
refuse 2 "do not divide" small "$folder/x" --heads 3
refuse 2 "at least 2" small "$folder/x" --ctx 1
refuse 2 "more than the model's vocabulary" small "$folder/x" --vocabulary 50
refuse 2 "no preset" small "$folder/x" --preset best
refuse 2 "not one of" small "$folder/x" --gate tanh
refuse 2 "generation" small "$folder/x" --gate silu
refuse 2 "learning rate" small "$folder/x" --lr 0
refuse 2 "constant" small "$folder/x" --time 1s
refuse 2 "not a time" small "$folder/x" --time soon
refuse 2 "already" small "$folder/whole"
refuse 2 "cannot create\|Not a directory\|not a directory" small "$folder/text.txt/x"
start "$folder/other" --steps 240 >/dev/null 2>&1 &
child=$!
while [ ! -f "$folder/other/checkpoint" ] && kill -0 "$child" 2>/dev/null; do sleep 0.02; done
kill -KILL "$child" 2>/dev/null || true
wait "$child" 2>/dev/null || true
if [ -f "$folder/other/checkpoint" ]; then
    start "$folder/other" --steps 240 --resume >/dev/null 2>&1 &
    child=$!
    sleep 0.3
    if kill -0 "$child" 2>/dev/null; then
        kill -STOP "$child"
        refuse 2 "another process" small "$folder/other" --steps 240 --resume
    fi
    kill -KILL "$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
    before=$(md5sum "$folder/other/checkpoint")
    refuse 2 '"d-model" is 32, now it would be 64' small "$folder/other" --steps 240 --resume --d-model 64
    refuse 2 '"lr" is' small "$folder/other" --steps 240 --resume --lr 1e-3
    refuse 2 "other text" small "$folder/other" --steps 240 --resume --corpus "$folder/valid.txt" "$folder/text.txt"
    cp -r "$folder/other" "$folder/damaged"
    printf 'x' | dd of="$folder/damaged/checkpoint" bs=1 seek=5000 conv=notrunc status=none
    refuse 2 "damaged" small "$folder/damaged" --steps 240 --resume
    head -c 3000 "$folder/other/checkpoint" >"$folder/damaged/checkpoint"
    refuse 2 "cut short" small "$folder/damaged" --steps 240 --resume
    : >"$folder/damaged/log.jsonl"
    cp "$folder/other/checkpoint" "$folder/damaged/checkpoint"
    refuse 2 "log was changed" small "$folder/damaged" --steps 240 --resume
    [ "$before" = "$(md5sum "$folder/other/checkpoint")" ] || fail "a refused resume changed the checkpoint"
fi
refuse 1 "step [0-9]*: the .* is not finite" small "$folder/nan" --steps 240 --lr 1e18 --clip 0 --warmup 0
[ -f "$folder/nan/checkpoint" ] || [ "$(wc -l <"$folder/nan/log.jsonl")" -lt 7 ] || fail "the checkpoint before the NaN is gone"

# Two ranks see the same batches as one process.
if command -v mpirun >/dev/null; then
    ranks="mpirun -n 2"
    [ "$(id -u)" != 0 ] || ranks="$ranks --allow-run-as-root"
    [ "$(nproc)" -ge 2 ] || ranks="$ranks --oversubscribe"
    status=0
    # MPI itself keeps memory until the end: its leaks are not ours.
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 $ranks "$BILENS" train --corpus "$folder/text.txt" --valid "$folder/valid.txt" --tokenizer "$tokenizer" $shape --threads 1 --sample 5 --eval-every 50 \
        --checkpoint-every 7 --quiet --steps 240 -o "$folder/ranks" >"$folder/result.txt" 2>"$folder/stderr" || status=$?
    if grep -q "built without MPI" "$folder/stderr"; then
        [ "$status" != 0 ] || fail "without MPI it should fail"
    else
        [ "$status" = 0 ] || fail "two ranks: $(cat "$folder/stderr")"
        paste -d ' ' <(curve "$folder/whole" | sed -n 's/.*"loss":\([0-9.]*\).*/\1/p') <(curve "$folder/ranks" | sed -n 's/.*"loss":\([0-9.]*\).*/\1/p') |
            awk '{ d = $1 / $2 - 1; if (d * d > worst) worst = d * d } END { if (NR < 240 || worst > 1e-6) { print NR, sqrt(worst); exit 1 } }' ||
            fail "two ranks: another curve"
    fi
fi
echo "training, killing, resuming, ranks, bad input: fine"
