#!/bin/bash
# --direction instead of --token: the same numbers from the same vector, from a file or a text of the grammar, wherever a direction is taken;
# an atlas's numbers; and clear words for a file that holds none.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
model=$TEST_DATA/models/plain corpus=$TEST_DATA/models/stories.txt
fail() { echo "FAILED: $*" >&2; exit 1; }
run() {
    local wanted=$1 status=0
    shift
    "$BILENS" "$@" >stdout 2>stderr </dev/null || status=$?
    [ "$status" = "$wanted" ] || fail "bilens $*: status $status, expected $wanted: $(cat stderr)"
}
# refused ARGUMENTS… -- PART: status 2, PART in the message, nothing on standard output.
refused() {
    local arguments=()
    while [ "$1" != -- ]; do arguments+=("$1"); shift; done
    run 2 "${arguments[@]}"
    grep -qF -e "$2" stderr || fail "bilens ${arguments[*]}: no word of '$2': $(cat stderr)"
    [ ! -s stdout ] || fail "bilens ${arguments[*]}: an error, and text on standard output"
}
# What a result says besides the name of its direction.
unnamed() { sed -e 's/"token":[^,]*,"minus":\[[^]]*\],/SUBJECT/' -e 's/SUBJECT"direction":"[^"]*",/SUBJECT/' -e 's/"centred":[a-z]*,//' stdout; }

# Arrays out, and the direction among them in again.
run 0 eigen "$model" --token swim --minus run,big --eigs -1,0 -o all.safetensors
grep -q 'eigenvectors *\[2, ' stdout && grep -q 'virtual_tokens *\[2, ' stdout || fail "arrays not listed: $(cat stdout)"
run 0 eigen "$model" --token swim --minus run,big --eigs -1,0 -o vectors.npy --format json
grep -q '"file":"vectors.npy","arrays":\[{"name":"eigenvectors"' stdout || fail "no JSON of what was written: $(cat stdout)"
for form in json csv; do
    run 0 eigen "$model" --token swim --minus run,big --format $form
    unnamed >token
    run 0 eigen "$model" --direction all.safetensors:direction --format $form
    unnamed | cmp - token || fail "eigen --format $form: the vector and the tokens give different numbers"
    run 0 scan "$model" --corpus "$corpus" --token swim --minus run,big --format $form
    unnamed >token
    run 0 scan "$model" --corpus "$corpus" --direction all.safetensors:direction --format $form
    unnamed | cmp - token || fail "scan --format $form: the vector and the tokens give different numbers"
done
run 0 describe "$model" --tensor q --token swim --minus run,big
cp stdout token
run 0 describe "$model" --tensor q --direction all.safetensors:direction
cmp stdout token || fail "describe: the vector and the tokens give different numbers"

# What names the direction: JSON, terminal, page; and a report renders again from its file.
run 0 eigen "$model" --direction all.safetensors:direction --format json
grep -q '"token":null,"minus":\[\],"direction":"@all.safetensors:direction"' stdout || fail "JSON: $(head -c 300 stdout)"
run 0 eigen "$model" --direction all.safetensors:direction
grep -q 'Eigenvalues for "all.safetensors:direction"' stdout || fail "table: $(head -2 stdout)"
run 0 scan "$model" --corpus "$corpus" --direction "$folder/all.safetensors:direction"
grep -q 'for "all.safetensors:direction"' stdout || fail "the path is no name: $(head -5 stdout)"
run 0 report "$model" --corpus "$corpus" --direction all.safetensors:direction --quiet
[ -f report-all.safetensors:direction/index.html ] || fail "the report's own folder: $(ls)"
grep -q 'a vector of the residual stream that was given' report-all.safetensors:direction/index.html || fail "the page speaks of tokens"
grep -q '<sub>U</sub>\[' report-all.safetensors:direction/index.html && fail "the page's formula speaks of the unembedding"
run 0 report --from report-all.safetensors:direction/report.json -o again --quiet
cmp again/index.html report-all.safetensors:direction/index.html || fail "--from gave another page"
# It says the command, without what changes nothing, and the hashes of what was read.
for file in "$model/model.safetensors" "$corpus" all.safetensors; do
    grep -q "$(sha256sum <"$file" | cut -d' ' -f1)" report-all.safetensors:direction/index.html || fail "no hash of $file"
done
grep -q 'bilens report .* --direction all.safetensors:direction</code>' report-all.safetensors:direction/index.html || fail "no command"

refused eigen "$model" --direction all.safetensors -- "which of its 4 tensors"
refused eigen "$model" --direction all.safetensors:probe -- "there is no tensor 'probe' in it, only: "
refused eigen "$model" --direction vectors.npy -- "its shape is [2, "
refused scan "$model" --corpus "$corpus" --direction all.safetensors:virtual_tokens -- "a direction of this model is ["
refused report "$model" --corpus "$corpus" --direction missing.npy -- "missing.npy"
refused report "$model" --corpus "$corpus" --direction missing.safetensors:a -- "missing.safetensors:a"
refused eigen "$model" --direction vectors.npy:x -- "one array without a name"
refused eigen "$model" --direction "$corpus" -- "not a whole safetensors file"
refused eigen "$model" --direction all.safetensors:direction --token swim -- "one or the other"
refused eigen "$model" --direction all.safetensors:direction --minus swim -- "--minus goes with --token"
refused eigen "$model" --direction all.safetensors:direction --centre-unembedding -- "goes with --token"
refused eigen "$model" -- "--direction TEXT"
# A text of the grammar is the token and its contrast.
run 0 eigen "$model" --token swim --minus run,big --format json
cp stdout token
grep -q '"direction":"swim - mean(' token || fail "no canonical text: $(head -c 300 token)"
for text in "swim - mean(run, big)" "  swim - mean(big,\"run\")" "@all.safetensors:direction"; do
    run 0 eigen "$model" --direction "$text" --format json
    "$BILENS" eigen "$model" --direction "$text" --format csv >csv
    python3 - token stdout <<'PYTHON' || fail "$text: other numbers"
import json, sys
a, b = (json.load(open(name)) for name in sys.argv[1:])
assert all(abs(x - y) < 1e-6 for x, y in zip(a["eigenvalues"], b["eigenvalues"]))
assert a["direction"] == b["direction"] or b["direction"].startswith("@"), b["direction"]
PYTHON
done
run 0 report "$model" --corpus "$corpus" --direction "swim - mean(run, big)" --quiet
[ -f report-swim---mean-run--big-/index.html ] || fail "the report's own folder: $(ls)"
refused eigen "$model" --direction "swim - mean(run" -- "closing parenthesis"
refused eigen "$model" --direction "swim - swum" -- '"swum" is not in the vocabulary'
refused eigen "$model" --token swim --minus swim -- "zero in every component"

# The mean of all tokens is the atlas's contrast: the same numbers.
echo swim >tokens.txt
run 0 atlas "$model" --corpus "$corpus" --tokens tokens.txt -o one.db --quiet
run 0 atlas query one.db token=swim --format json
cp stdout atlas.json
run 0 atlas query one.db "direction=swim - mean(*)" --format json
cmp stdout atlas.json || fail "atlas query: the direction's text is not its token"
refused atlas query one.db "direction=swim - run" -- "no direction 'swim - run'"
run 0 eigen "$model" --token swim --minus '*' --eigs -1,-2,0,1 --format json
grep -q '"minus":\["\*"\],"direction":"swim - mean(\*)"' stdout || fail "mean of all: $(head -c 300 stdout)"
python3 - atlas.json stdout <<'PYTHON' || fail "eigen --minus '*' is not the atlas's direction"
import json, sqlite3, sys
assert json.load(open(sys.argv[1]))["direction"] == "swim - mean(*)"
text = sqlite3.connect("one.db").execute("SELECT text FROM direction").fetchall()
assert text == [("swim - mean(*)",)], text
atlas, eigen = (json.load(open(name)) for name in sys.argv[1:])
stored = {v["index"]: v["eigenvalue"] for v in atlas["vectors"]}
for vector in eigen["vectors"]:
    assert abs(stored[vector["index"]] - vector["eigenvalue"]) < 1e-5, (vector["index"], stored)
PYTHON

refused report --from again/report.json --direction all.safetensors:direction -- "--direction"
refused eigen "$model" --token swim -o no/such/folder.npy -- "no/such/folder.npy"
echo "directions from files: fine"
