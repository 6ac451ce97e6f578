#!/bin/bash
# Models whose tokenizer is BPE, as a user has them: tokenize and back, train with one, then every verb that reads text or shows tokens.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
corpus=$TEST_DATA/models/stories.txt
export OMP_NUM_THREADS=2

# refused PART ARGUMENTS…: status 2, PART in the message, nothing on standard output.
refused() {
    local part=$1 status=0
    shift
    "$BILENS" "$@" >"$folder/stdout" 2>"$folder/stderr" </dev/null || status=$?
    [ $status = 2 ] || fail "bilens $*: status $status: $(cat "$folder/stderr")"
    grep -qF -e "$part" "$folder/stderr" || fail "bilens $*: no word of '$part': $(cat "$folder/stderr")"
    [ ! -s "$folder/stdout" ] || fail "bilens $*: an error, and text on standard output"
}

for kind in byte_level sentencepiece; do
    tokenizer=$TEST_DATA/tokenizer/$kind.json model=$folder/$kind
    sign=$([ $kind = byte_level ] && printf '\304\240' || printf '\342\226\201') # what stands for a blank
    begin=$([ $kind = byte_level ] && echo "" || echo "<s> ") # the template's token, as the decoder writes it

    # Text to ids and back, byte for byte.
    text=$'Zo\303\253 said,  "Don\'t!" \360\237\230\200\tand\nthe 12 ducks ran.'
    "$BILENS" tokenize --tokenizer "$tokenizer" --text "$text" --format json >"$folder/ids"
    back=$("$BILENS" tokenize --tokenizer "$tokenizer" --decode <"$folder/ids")
    [ "$back" = "$begin$text" ] || fail "$kind: '$back' is not '$text'"
    printf '{"text":"a\\u0000b"}\n' >"$folder/nul.jsonl"
    "$BILENS" tokenize --tokenizer "$tokenizer" --corpus "$folder/nul.jsonl" --format json >"$folder/ids"
    "$BILENS" tokenize --tokenizer "$tokenizer" --decode --format json <"$folder/ids" | grep -qF 'a\u0000b' || fail "$kind: a NUL got lost"

    # Training with it, a model of the first generation and one of the last, and what comes out.
    shape=$([ $kind = byte_level ] && echo "--layers 1" || echo "--generation later --layers 2 --bias")
    "$BILENS" train --corpus "$corpus" --tokenizer "$tokenizer" $shape --heads 2 --d-model 16 --d-hidden 24 --ctx 48 --batch 4 --lr 1e-2 --steps 12 \
        --sample 5 --eval-every 6 --quiet -o "$model" >/dev/null || fail "$kind: train"
    cmp "$tokenizer" "$model/tokenizer.json" || fail "$kind: another tokenizer beside the model"
    grep -q '"loss":' <("$BILENS" eval "$model" --corpus "$corpus" --format json) || fail "$kind: eval"
    "$BILENS" eigen "$model" --token "${sign}the" --minus "${sign}a" --format json >"$folder/own" || fail "$kind: eigen"
    "$BILENS" eigen "$model" --token " the" --minus " a" --format json >"$folder/keyboard" || fail "$kind: eigen with a plain blank"
    diff <(grep -o '"eigenvalues":\[[^]]*\]' "$folder/own") <(grep -o '"eigenvalues":\[[^]]*\]' "$folder/keyboard") || fail "$kind: ' the' is another token"
    "$BILENS" scan "$model" --token "${sign}the" --corpus "$corpus" --top 2 --format json >"$folder/scan" || fail "$kind: scan"
    grep -qF "\"$sign" "$folder/scan" || fail "$kind: scan shows no token with a blank"
    "$BILENS" trace "$model" --text "Tom likes to swim" -o "$folder/$kind.safetensors" --quiet >/dev/null || fail "$kind: trace"
    "$BILENS" generate "$model" --prompt "Tom likes" --seed 5 --max-tokens 12 --format json --quiet >"$folder/made" || fail "$kind: generate"
    grep -qF '"text":"Tom likes' "$folder/made" || fail "$kind: the prompt is not in $(cat "$folder/made")"
    "$BILENS" generate "$model" --seed 5 --max-tokens 12 --quiet >/dev/null || fail "$kind: generate without a prompt"
    "$BILENS" report "$model" --token " the" --corpus "$corpus" -o "$folder/report-$kind" --quiet >/dev/null || fail "$kind: report"
    refused "nearest: " eigen "$model" --token " thee"
done

refused "is not a token id" tokenize --tokenizer "$TEST_DATA/tokenizer/byte_level.json" --decode --text '{"ids":[1,-1]}'
for ids in 2.25 5e0 0x7 "3 four" "1;2" -1 +1 4294967296 "1:a 2:b"; do
    refused "is not a token id" tokenize --tokenizer "$TEST_DATA/tokenizer/byte_level.json" --decode --text "$ids"
done
[ "$("$BILENS" tokenize --tokenizer "$TEST_DATA/tokenizer/byte_level.json" --decode --text ' 1,2, 3	4')" = "$("$BILENS" tokenize --tokenizer "$TEST_DATA/tokenizer/byte_level.json" --decode --text '1 2 3 4')" ] ||
    fail "commas and blanks"
"$BILENS" tokenize --tokenizer "$TEST_DATA/tokenizer/byte_level.json" --text "a table" >"$folder/table"
refused "is not a token id: ids are whole numbers" tokenize --tokenizer "$TEST_DATA/tokenizer/byte_level.json" --decode --text "$(cat "$folder/table")"
refused 'an object with "ids"' tokenize --tokenizer "$TEST_DATA/tokenizer/byte_level.json" --decode --text '{"id":[1]}'
sed 's/"type":"BPE"/"type":"Unigram"/' "$TEST_DATA/tokenizer/byte_level.json" >"$folder/unigram.json"
refused 'model: the model "Unigram" is not supported; supported: WordPiece, BPE' tokenize --tokenizer "$folder/unigram.json" --text a
sed 's/"merges":\[\["/"merges":[["q\xc3\xb8x/' "$TEST_DATA/tokenizer/byte_level.json" >"$folder/merges.json"
refused 'model.merges[0]: "' tokenize --tokenizer "$folder/merges.json" --text a
