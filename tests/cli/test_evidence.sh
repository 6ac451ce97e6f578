#!/bin/sh
# The verbs of evidence as a user calls them: each gives JSON, a table and CSV; each refuses bad input with exit status 2,
# a message that names the thing, and nothing half-written.
# ctest: begins early 30
set -u
models=$TEST_DATA/models
corpus=$TEST_DATA/models/stories.txt
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failures=0
fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}
# gives VERB...: json that parses, a table, csv with a header and CRLF
gives() {
    for format in json table csv; do
        "$BILENS" "$@" --quiet --format $format > "$dir/out" 2> "$dir/err" || fail "$* --format $format: $(cat "$dir/err")"
        [ -s "$dir/out" ] || fail "$* --format $format: nothing"
    done
    "$BILENS" "$@" --quiet --format json | python3 -c 'import json,sys; json.load(sys.stdin)' || fail "$*: no JSON"
}
# refuses PATTERN VERB...: exit 2, the pattern on stderr, nothing on stdout, no file
refuses() {
    pattern=$1
    shift
    rm -f "$dir/made"
    "$BILENS" "$@" --quiet -o "$dir/made" > "$dir/out" 2> "$dir/err"
    status=$?
    [ $status -eq 2 ] || fail "$*: exit status $status"
    grep -q -- "$pattern" "$dir/err" || fail "$*: '$(cat "$dir/err")' does not say '$pattern'"
    [ -s "$dir/out" ] && fail "$*: wrote to standard output"
    [ -e "$dir/made" ] && fail "$*: left a file"
}

for model in plain norm bias later-bilinear; do
    m=$models/$model
    gives explain "$m" --text 'the the' --token '#7' --minus '#9'
    gives explain "$m" --text 'the' --token '#7' --position 0 --eigs -1,0 --words
    gives explain "$m" --text 'the the' --token '#7' --predictions 2
    gives truncate "$m" --corpus "$corpus" --ranks 0,1,4
    gives truncate "$m" --corpus "$corpus" --token '#7'
    for mode in component input; do
        gives ablate "$m" --corpus "$corpus" --token '#7' --eigs -1,0 --mode $mode --controls 2
    done
    gives pairs "$m" --token '#7' --left direct --right 'head 1' -k 3
    gives hosvd "$m" -k 2
    gives similar "$m" --token '#7' -k 3
    gives null "$m" --token '#7' --draws 9
    gives diff "$m" "$m" --tokens '#7' --token '#9'
done
gives ablate "$models/plain" --corpus "$corpus" --token the --eigs -1 --mode logit --controls 2 --worst 3
gives ablate "$models/plain" --corpus "$corpus" --token '#7' --minus '*' --eigs 0 --keep --with zero --controls 0
"$BILENS" truncate "$models/plain" --corpus "$corpus" --ranks 0,1,2 --plot "$dir/curve.svg" --quiet > "$dir/out" || fail "--plot"
# A token that never comes next has no loss: its correlation is drawn, and a sentence says so.
"$BILENS" truncate "$models/plain" --corpus "$corpus" --token '#0' --ranks 0,1,2 --plot "$dir/rare.svg" --quiet > "$dir/out" || fail "--plot of a token that never comes next"
grep -q 'comes next in none' "$dir/out" || fail "the sentence about a token that never comes next"
grep -q '<title>Correlation against rank' "$dir/rare.svg" || fail "the figure of a token that never comes next"
grep -q '<svg' "$dir/curve.svg" || fail "--plot: no figure"

mkdir "$dir/snapshots"
for step in 1 2; do cp -r "$models/plain" "$dir/snapshots/step-$step"; done
gives diff --timeline "$dir/snapshots" --tokens '#7' --plot "$dir/timeline.svg"
grep -q '<svg' "$dir/timeline.svg" || fail "--timeline --plot: no figure"
mkdir "$dir/run" && ln -s ../snapshots "$dir/run/snapshots" # the folder of the run itself
gives diff --timeline "$dir/run" --tokens '#7'
"$BILENS" diff "$models/plain" "$models/later-bilinear" --token '#7' --quiet > "$dir/out" 2>&1 || fail "diff --token: $(cat "$dir/out")"
grep -q 'eigenvectors of the difference' "$dir/out" || fail "diff --token: the table has no eigenvectors"

# the same seed, the same numbers; any number of threads
for threads in 1 2; do
    "$BILENS" ablate "$models/bias" --corpus "$corpus" --token '#7' --eigs -1 --seed 5 --threads $threads --quiet --format json
done | sort -u | wc -l | grep -qx 1 || fail "ablate depends on the number of threads"

# the report measures what the verbs measure
"$BILENS" report "$models/plain" --corpus "$corpus" --token '#7' --evidence-stories 9 -o "$dir/report" --quiet > /dev/null || fail "report with evidence"
"$BILENS" ablate "$models/plain" --corpus "$corpus" --token '#7' --eigs -1 --stories 9 --controls 5 --quiet --format json > "$dir/ablate.json"
python3 - "$dir/report/report.json" "$dir/ablate.json" << 'END' || fail "the report's evidence"
import json, sys
report, verb = (json.load(open(path)) for path in sys.argv[1:])
evidence = report["evidence"]
one = next(a for a in evidence["ablate"] if a["eigs"] == [-1])
assert evidence["stories"] == 9 and len(evidence["ablate"]) == 2, evidence["stories"]
assert [one["loss"], one["own"], one["controls"]] == [verb["loss"], verb["own"], verb["controls"]]
assert len(evidence["null"]["places"]) == len(report["eigen"]["vectors"]) and evidence["truncate"]["ranks"]
END
grep -q 'Does it matter?' "$dir/report/index.html" || fail "the page has no section on evidence"
"$BILENS" report "$models/plain" --corpus "$corpus" --token '#7' --no-evidence -o "$dir/bare" --quiet > /dev/null || fail "report --no-evidence"
grep -q 'Not measured in this report' "$dir/bare/index.html" || fail "--no-evidence does not say that nothing was measured"
grep -q 'class="forest"' "$dir/bare/index.html" && fail "--no-evidence has evidence"
"$BILENS" report "$models/plain" --corpus - --token '#7' -o "$dir/stdin" < "$corpus" > /dev/null 2> "$dir/err" || fail "report of standard input"
grep -q 'cannot be read twice' "$dir/err" || fail "standard input: no word about the evidence"

# many directions: one row is that direction, the order is that of excess, a row of zeros comes last
"$BILENS" export "$models/plain" --tensors w_u -o "$dir/w_u.npy" --quiet > /dev/null || fail "export"
"$BILENS" eigen "$models/plain" --direction "@$dir/w_u.npy:3" --eigs -1,0 --quiet --format json > "$dir/row.json" || fail "one row"
gives rank "$models/plain" --directions "$dir/w_u.npy" --limit 5
"$BILENS" rank "$models/plain" --directions "$dir/w_u.npy" --quiet --format json | python3 -c '
import json, sys
ranked, row = json.load(sys.stdin)["directions"], json.load(open(sys.argv[1]))
excess = [r["excess"] for r in ranked]
assert sorted(r["row"] for r in ranked) == list(range(len(ranked))) and excess == sorted(excess, reverse=True)
third = next(r for r in ranked if r["row"] == 3)
assert abs(third["highest"] - row["eigenvalues"][-1]) < 1e-5 and abs(third["lowest"] - row["eigenvalues"][0]) < 1e-5
' "$dir/row.json" || fail "rank"
printf 'one name\n' > "$dir/names"
refuses 'one name per line' rank "$models/plain" --directions "$dir/w_u.npy" --names "$dir/names"
refuses 'directions' rank "$models/plain"
refuses 'no-such' rank "$models/plain" --directions "$dir/no-such.npy"

m=$models/plain
refuses 'token' explain "$m" --text 'the'
refuses 'text' explain "$m" --token '#7'
refuses 'position' explain "$m" --text 'the' --token '#7' --position 99
refuses 'layer' explain "$m" --text 'the' --token '#7' --layer 9
refuses 'at most 10' explain "$m" --text 'the' --token '#7' --predictions 11
refuses 'does not exist' explain "$m" --text 'the' --token '#7' --eigs 999
refuses 'no-such' truncate "$m" --corpus "$dir/no-such.txt"
refuses 'layer' truncate "$models/later-bilinear" --corpus "$corpus" --layer 0
refuses 'ranks' truncate "$m" --corpus "$corpus" --ranks -1
refuses 'eigs' ablate "$m" --corpus "$corpus" --token '#7'
refuses 'does not exist' ablate "$m" --corpus "$corpus" --token '#7' --eigs 99
refuses 'mode' ablate "$m" --corpus "$corpus" --token '#7' --eigs 0 --mode sideways
refuses 'with' ablate "$m" --corpus "$corpus" --token '#7' --eigs 0 --with noise
refuses 'layer' ablate "$models/later-bilinear" --corpus "$corpus" --token '#7' --eigs 0 --mode logit --layer 0
refuses 'head' pairs "$m" --token '#7' --left 'head 99'
refuses 'left' pairs "$m" --token '#7' --left sideways
refuses 'layer' hosvd "$m" --layer 5
refuses 'no rank is left' truncate "$m" --corpus "$corpus" --ranks 5000,6000
refuses 'one output direction' hosvd "$m" -k 0
refuses 'two models' diff "$m"
refuses 'snapshots are needed' diff --timeline "$models/plain"
refuses 'goes with --timeline' diff "$m" "$m" --plot "$dir/made.svg"
refuses 'cannot be read' diff --timeline "$dir/no-such"
refuses 'draws' null "$m" --token '#7' --draws 0
refuses 'quadratic' ablate "$models/gelu" --corpus "$corpus" --token '#7' --eigs 0
printf 'x' > "$dir/short.npy"
refuses 'short.npy' ablate "$m" --corpus "$corpus" --direction "$dir/short.npy" --eigs 0
[ $failures -eq 0 ]
