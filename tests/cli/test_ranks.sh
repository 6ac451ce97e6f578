#!/bin/bash
# mpirun -n R bilens scan|report|atlas: the same bytes as one process for any R, a failing or killed rank ends all, Ctrl-C. ctest: slow
set -eu
command -v mpirun >/dev/null || { echo "SKIPPED: no mpirun here" >&2; exit 77; }
# a shell's background jobs ignore SIGINT, and so would mpirun: it is started through env, which gives it back
set -m
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'echo "FAILED: line $LINENO: $(tail -n 20 "$folder/stderr")" >&2' ERR
fail() { echo "FAILED: $*" >&2; exit 1; }
mpi=(mpirun --oversubscribe)
[ "$(id -u)" != 0 ] || mpi+=(--allow-run-as-root)
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 # MPI itself keeps memory until the end: its leaks are not ours
models=$TEST_DATA/models
# several batches of stories, with ties: every story four times
for i in $(seq 60); do cat "$models/stories.txt"; printf '\n<|endoftext|>\n'; done >"$folder/stories.txt"
scan() { "$BILENS" scan "$models/$1" --corpus "$folder/stories.txt" --token swim --top 9 --quiet --format json "${@:2}"; }
ranked() { # R verb …
    "${mpi[@]}" -n "$1" "$BILENS" "${@:2}" 2>"$folder/stderr"
}
refused() { # STATUS TEXT COMMAND…
    local status=0
    "${@:3}" >"$folder/stdout" 2>"$folder/stderr" || status=$?
    [ "$status" = "$1" ] || fail "${*:3}: status $status, expected $1: $(cat "$folder/stderr")"
    grep -q -- "$2" "$folder/stderr" || fail "${*:3}: no '$2' in: $(cat "$folder/stderr")"
    [ "$(grep -c '^bilens: ' "$folder/stderr")" = 1 ] || fail "${*:3}: more than one message: $(cat "$folder/stderr")"
}

if ! ranked 2 scan "$models/plain" --corpus "$models/stories.txt" --token swim >/dev/null; then
    grep -q "built without MPI" "$folder/stderr" || fail "two ranks: $(cat "$folder/stderr")"
    echo "SKIPPED: bilens was built without MPI, and says so" >&2
    exit 77
fi

# Scan and report: 12 stories sixty times are three batches of stories; and R may be more than there are.
for model in plain norm later-bilinear; do
    scan "$model" >"$folder/one.json"
    for r in 1 2 3; do
        ranked "$r" scan "$models/$model" --corpus "$folder/stories.txt" --token swim --top 9 --quiet --format json >"$folder/ranks.json" ||
            fail "scan of $model on $r ranks: $(cat "$folder/stderr")"
        cmp "$folder/one.json" "$folder/ranks.json" || fail "scan of $model on $r ranks: other bytes"
    done
done
# Contextual neighbours, too: of a corpus of more groups than ranks, and of fewer.
near() { printf '%s\n' scan "$models/plain" --corpus "$folder/stories.txt" --token swim --eigs -1,0 --neighbours --top 5 --quiet --format json; }
mapfile -t arguments < <(near)
"$BILENS" "${arguments[@]}" >"$folder/one.json"
for r in 2 3; do
    ranked "$r" "${arguments[@]}" >"$folder/ranks.json" || fail "neighbours on $r ranks: $(cat "$folder/stderr")"
    cmp "$folder/one.json" "$folder/ranks.json" || fail "neighbours on $r ranks: other bytes"
done
scan plain --stories 2 >"$folder/one.json"
ranked 5 scan "$models/plain" --corpus "$folder/stories.txt" --token swim --top 9 --quiet --format json --stories 2 -o "$folder/ranks.json"
cmp "$folder/one.json" "$folder/ranks.json" || fail "five ranks, two stories: other bytes"
"$BILENS" report "$models/plain" --corpus "$folder/stories.txt" --token swim --quiet -o "$folder/report-1" >"$folder/one.txt"
ranked 2 report "$models/plain" --corpus "$folder/stories.txt" --token swim --quiet -o "$folder/report-2" >"$folder/two.txt"
cmp "$folder/one.txt" "$folder/two.txt" && diff -r "$folder/report-1" "$folder/report-2" || fail "report on two ranks: other bytes"

# The atlas: the file itself.
for model in plain bias; do
    "$BILENS" atlas "$models/$model" --corpus "$models/stories.txt" --quiet -o "$folder/one.db" >/dev/null
    for r in 1 2 3 20; do
        ranked "$r" atlas "$models/$model" --corpus "$models/stories.txt" --quiet -o "$folder/ranks.db" >/dev/null ||
            fail "atlas of $model on $r ranks: $(cat "$folder/stderr")"
        cmp "$folder/one.db" "$folder/ranks.db" || fail "atlas of $model on $r ranks: other bytes"
        rm "$folder/ranks.db"
    done
    rm "$folder/one.db"
done

# One rank that cannot work: one message, which says who; its status; nothing written.
pair() { "${mpi[@]}" -n 1 "$BILENS" "$verb" "$models/plain" "${common[@]}" : -n 1 "$BILENS" "$verb" "$@" "${common[@]}"; }
verb=scan
common=(--token swim -o "$folder/nothing.txt")
refused 2 "rank 1: .*no-such-model" pair /no-such-model
common=(--token swim -o "$folder/nothing.txt" --quiet)
refused 2 "rank 1: the corpus is not the one" "${mpi[@]}" -n 1 "$BILENS" scan "$models/plain" --corpus "$folder/stories.txt" "${common[@]}" : \
    -n 1 "$BILENS" scan "$models/plain" --corpus "$models/stories.txt" "${common[@]}"
refused 2 "standard input" "${mpi[@]}" -n 2 "$BILENS" scan "$models/plain" --corpus - "${common[@]}"
verb=atlas
common=(--corpus "$models/stories.txt" -o "$folder/nothing.db")
refused 2 "rank 1: .*no-such-model" pair /no-such-model
refused 2 "rank 1: the layer differs\|rank 1: the model differs" pair "$models/norm"
refused 2 "cannot be written" "${mpi[@]}" -n 3 "$BILENS" atlas "$models/plain" --corpus "$models/stories.txt" -o "$folder/nowhere/atlas.db"
[ ! -e "$folder/nothing.txt" ] && [ ! -e "$folder/nothing.db" ] || fail "a failed run left a file"

# A rank is killed: mpirun ends the others. Ctrl-C. Then the atlas goes on, on another number of ranks, to the same rows.
atlas=(atlas --stories 40 --frequent 600 --quiet) # of the embedded default
rows() { "$BILENS" atlas query "$1" limit=5000 --format csv; for t in the swim girl '##ing'; do "$BILENS" atlas query "$1" "token=$t" --format json | tail -n +2; done; }
stop_when_begun() { # SIGNAL to one rank (KILL) or to mpirun (INT) once work has begun
    local signal=$1 status=0 ranks
    "${mpi[@]}" -n 2 "$BILENS" "${atlas[@]}" -o "$folder/stopped.db" >/dev/null 2>"$folder/stderr" &
    local starter=$!
    for _ in $(seq 3000); do
        kill -0 "$starter" 2>/dev/null || break
        [ -s "$folder/stopped.db" ] && break
        sleep 0.02
    done
    sleep 0.3
    ranks=$(pgrep -P "$starter" || true)
    if [ "$signal" = INT ]; then kill -INT "$starter" || true; else kill -KILL "$(echo "$ranks" | tail -n 1)" || true; fi
    wait "$starter" || status=$?
    [ "$status" != 0 ] || echo "too quick to be stopped by $signal" >&2
    for p in $ranks; do # the last one may outlive mpirun by a moment
        for _ in $(seq 600); do kill -0 "$p" 2>/dev/null && sleep 0.1 || break; done
        ! kill -0 "$p" 2>/dev/null || fail "after $signal rank $p is still there"
    done
    # mpirun waits a second for the ranks, then kills them, whether they have noticed or not
    [ "$signal" != INT ] || [ "$status" = 0 ] || grep -q "interrupted" "$folder/stderr" || echo "Ctrl-C: mpirun was quicker than the ranks" >&2
}
"$BILENS" "${atlas[@]}" -o "$folder/whole.db" >/dev/null
stop_when_begun KILL
stop_when_begun INT
"${mpi[@]}" -n 3 "$BILENS" "${atlas[@]}" -o "$folder/stopped.db" >"$folder/stdout" 2>"$folder/stderr" || fail "going on: $(cat "$folder/stderr")"
cmp <(rows "$folder/whole.db") <(rows "$folder/stopped.db") || fail "stopped and resumed: other rows"
echo "ranks: the same bytes, failures told once, killed, resumed: fine"
