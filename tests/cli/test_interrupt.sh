#!/bin/bash
# Ctrl-C and a full disk: the program ends as it should and leaves no half-written file.
set -eu
folder=$(mktemp -d)
trap 'mountpoint -q "$folder/small" && umount "$folder/small"; rm -rf "$folder"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

# A corpus that never ends, so that the scan is surely at work when the signal comes.
model=$TEST_DATA/models/plain
endless() { while cat "$TEST_DATA/models/stories.txt"; echo '<|endoftext|>'; do :; done 2>/dev/null; }
mkdir "$folder/out"

# interrupt COMMAND…: sends SIGINT after 1.5 seconds; later where a busy machine had not even started the program by then. Sets status.
interrupt() {
    local after
    for after in 1.5 6 30; do
        status=0
        # --foreground and an explicit signal: a shell's background jobs ignore SIGINT
        timeout --foreground --signal=INT --kill-after=60 "$after" "$@" >"$folder/stdout" 2>"$folder/stderr" || status=$?
        { [ "$status" = 124 ] && [ ! -s "$folder/stderr" ]; } || return 0
    done
}

for verb in "scan --token swim -o $folder/out/scan.txt" "report --token swim -o $folder/out/report" "eval -o $folder/out/eval.txt"; do
    set -- $verb
    mkfifo "$folder/pipe"
    endless >"$folder/pipe" &
    feeder=$!
    interrupt "$BILENS" "$1" "$model" --corpus - "${@:2}" <"$folder/pipe"
    kill "$feeder" 2>/dev/null || true
    wait "$feeder" 2>/dev/null || true
    rm "$folder/pipe"
    [ "$status" = 124 ] || fail "$1: the signal should have ended it (timeout's status 124), got $status: $(cat "$folder/stderr")"
    grep -q "interrupted" "$folder/stderr" || fail "$1: no word of the interruption: $(cat "$folder/stderr")"
    [ -z "$(ls -A "$folder/out")" ] || fail "$1 left $(ls -A "$folder/out") behind"
done

# Loops that no corpus feeds: each asks, too, whether to go on.
images=$TEST_DATA/images
for verb in "fourier $images/modular-59 --permutations 10000000" "null $model --token swim --draws 10000000" \
    "mask $images/fashion-64 --class 5 --images $images/sample --per-class 2 --permutations 10000000"; do
    interrupt "$BILENS" $verb -o "$folder/out/x"
    [ "$status" = 124 ] || fail "$verb: the signal should have ended it, got $status: $(cat "$folder/stderr")"
    grep -q "interrupted" "$folder/stderr" || fail "$verb: no word of the interruption: $(cat "$folder/stderr")"
    [ -z "$(ls -A "$folder/out")" ] || fail "$verb left $(ls -A "$folder/out") behind"
done

# A full disk: a small file system where that is allowed, else a limit on the size of files.
report() { "$BILENS" report "$model" --corpus "$TEST_DATA/models/stories.txt" --token swim -o "$1" >/dev/null 2>"$folder/stderr"; }
mkdir "$folder/small"
if mount -t tmpfs -o size=64k tmpfs "$folder/small" 2>/dev/null; then
    status=0
    report "$folder/small/report" || status=$?
    [ "$status" = 1 ] || fail "full disk: status $status, expected 1: $(cat "$folder/stderr")"
    grep -q "No space left" "$folder/stderr" || fail "full disk: $(cat "$folder/stderr")"
    [ -z "$(ls -A "$folder/small")" ] || fail "full disk: left $(find "$folder/small")"
    umount "$folder/small"
else
    echo "no right to mount a small file system: the full disk is tried with ulimit" >&2
    status=0
    (ulimit -f 8; trap '' XFSZ; report "$folder/small/report") || status=$?
    [ "$status" = 1 ] || fail "file size limit: status $status: $(cat "$folder/stderr")"
    [ -z "$(ls -A "$folder/small")" ] || fail "file size limit: left $(find "$folder/small")"
fi

# An older report survives a failure.
report "$folder/old" || fail "a plain report: $(cat "$folder/stderr")"
before=$(cd "$folder/old" && find . -type f -exec md5sum {} + | sort)
(ulimit -f 8; trap '' XFSZ; report "$folder/old") && fail "writing beyond the limit should fail"
[ "$before" = "$(cd "$folder/old" && find . -type f -exec md5sum {} + | sort)" ] || fail "the older report was touched"
[ -z "$(find "$folder" -name '*.tmp-*')" ] || fail "temporary files are left"
echo "interrupts and full disks: fine"
