#!/bin/bash
# A model without tokenizer.json: its weights are studied all the same, tokens are called by their numbers; what needs text says so.
set -euf
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
fail() { echo "FAILED: $*" >&2; exit 1; }
cp -r "$TEST_DATA/models/plain" whole
cp -r whole bare
chmod -R u+w bare
rm bare/tokenizer.json
id=$("$BILENS" tokenize whole --text swim --format json | grep -o '"ids":\[[^]]*' | grep -o '[0-9]*$')
for arguments in "eigen MODEL --token #$id --minus *" "describe MODEL --tensor w_u" "info MODEL" "export MODEL -o MODEL.safetensors"; do
    "$BILENS" ${arguments//MODEL/bare} --quiet --format json >stdout 2>stderr || fail "bilens $arguments: $(cat stderr)"
    [ "${arguments%% *}" = eigen ] && cp stdout eigen
done
"$BILENS" eigen whole --token "#$id" --minus '*' --format json >named
python3 - eigen named "$id" <<'PYTHON' || fail "other numbers without a tokenizer"
import json, sys
bare, named = (json.load(open(name)) for name in sys.argv[1:3])
assert bare["direction"] == f"#{sys.argv[3]} - mean(*)", bare["direction"]
assert named["direction"] == "swim - mean(*)", named["direction"]
assert len(bare["eigenvalues"]) == len(named["eigenvalues"])
for a, b in zip(bare["vectors"], named["vectors"]):
    for token, _ in a["sources"]["direct"]["top"]:
        assert token.startswith("#") and token[1:].isdigit(), token
PYTHON
for arguments in "eval bare --corpus $TEST_DATA/models/stories.txt" "scan bare --corpus $TEST_DATA/models/stories.txt --token #$id" \
    "tokenize bare --text swim" "trace bare --text swim -o trace.safetensors" "generate bare --prompt swim" \
    "atlas bare --corpus $TEST_DATA/models/stories.txt -o bare.db"; do
    status=0
    "$BILENS" $arguments --quiet >stdout 2>stderr </dev/null || status=$?
    [ $status = 2 ] && grep -q 'no tokenizer.json' stderr || fail "bilens $arguments: status $status: $(cat stderr)"
done
[ ! -e bare.db ] || fail "atlas left a file"
status=0
"$BILENS" eigen bare --token swim >stdout 2>stderr || status=$?
[ $status = 2 ] && grep -q "there is no token 'swim'; there are #0, #1" stderr || fail "eigen --token swim: status $status: $(cat stderr)"
echo "without a tokenizer: fine"
