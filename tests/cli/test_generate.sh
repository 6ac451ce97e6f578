#!/bin/bash
# generate and tokenizer train as a user runs them: where the output goes, what is refused with which status, Ctrl-C.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
model=$TEST_DATA/models/plain corpus=$TEST_DATA/tokenizer/wordpiece.txt
fail() { echo "FAILED: $*" >&2; exit 1; }
# run STATUS ARGUMENTS…: the program ends with STATUS; what it says lands in stdout and stderr.
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

# One text: the same with any number of threads, in every form.
run 0 generate "$model" --prompt "Tom likes" --seed 5 --threads 1
[ "$(wc -l <stdout)" = 1 ] || fail "one text should be one line"
grep -q "context of 32 tokens is full" stderr || fail "no word of the full context: $(cat stderr)"
cp stdout one
run 0 generate "$model" --prompt "Tom likes" --seed 5 --threads 2 --quiet
cmp -s stdout one || fail "the number of threads changed the text"
[ ! -s stderr ] || fail "--quiet was not"
run 0 generate "$model" --prompt "Tom likes" --seed 6
cmp -s stdout one && fail "another seed gave the same text"
run 0 generate "$model" --prompt "Tom likes" --seed 5 -o file.txt
[ ! -s stdout ] && cmp -s file.txt one || fail "-o should hold what standard output had"

# Many: a corpus that can be read again, of which the first is the one.
run 0 generate "$model" --prompt "Tom likes" --seed 5 --stories 9 --threads 1 -o nine.txt
run 0 generate "$model" --prompt "Tom likes" --seed 5 --stories 9 --threads 2 --quiet
cmp -s stdout nine.txt || fail "threads changed the corpus"
[ "$(head -1 nine.txt)" = "$(cat one)" ] || fail "the first of nine is not the one"
[ "$(grep -cx '<|endoftext|>' nine.txt)" = 8 ] || fail "eight separators expected"
run 0 tokenize "$model" --corpus nine.txt
[ "$(wc -l <stdout)" = 9 ] || fail "nine stories expected"
run 0 generate "$model" --prompt "Tom likes" --seed 5 --stories 9 --format json
[ "$(wc -l <stdout)" = 9 ] || fail "nine lines of JSON expected"
cp stdout nine.jsonl
run 0 tokenize "$model" --corpus nine.jsonl
[ "$(wc -l <stdout)" = 9 ] || fail "the lines should be a corpus, too"

refused generate "$model" --temperature -1 -- "temperature is 0 or more"
refused generate "$model" --temperature nan -- "temperature is 0 or more"
refused generate "$model" --top-p 2 -- "top_p"
refused generate "$model" --top-k x -- "--top-k"
refused generate "$model" --format csv -- "--format"
refused generate no-model -- "no-model"
refused generate "$model" --prompt "$(printf 'swim %.0s' {1..40})" -- "the prompt has 41 tokens"
refused generate "$model" --prompt $'\xff' -- "not valid UTF-8"
refused generate "$model" -o no/such/folder/x.txt -- "no/such/folder"

# A vocabulary: read by the tokenizer; refused where it cannot be had, with nothing left behind.
run 0 tokenizer train --corpus "$corpus" --size 300 -o t.json
grep -q "300 pieces" stdout || fail "no summary: $(cat stdout)"
run 0 tokenize --tokenizer t.json --text "The cat swam."
"$BILENS" tokenizer train --corpus - --size 300 -o u.json <"$corpus" >/dev/null
cmp -s t.json u.json || fail "standard input gave another vocabulary"
refused tokenizer -- "train"
refused tokenizer teach -- "'teach'"
refused tokenizer train -o x.json -- "--corpus"
refused tokenizer train --corpus "$corpus" -- "-o FILE"
refused tokenizer train --corpus "$corpus" --size 30 -o x.json -- "too small"
refused tokenizer train --corpus "$corpus" --size 100000 -o x.json -- "the corpus gives a vocabulary of"
refused tokenizer train --corpus missing.txt -o x.json -- "missing.txt"
: >empty.txt
refused tokenizer train --corpus empty.txt -o x.json -- "empty.txt"
printf 'a\xffb' >bad.txt
refused tokenizer train --corpus bad.txt -o x.json -- "not valid UTF-8"
[ ! -e x.json ] || fail "a refused vocabulary left a file"
run 0 tokenizer --help
run 0 tokenizer train --help
grep -q "limit-alphabet" stdout || fail "help without options"

# Ctrl-C, and no file.
status=0
timeout --foreground --signal=INT 1 "$BILENS" generate "$model" --stories 100000000 -o out.txt >stdout 2>stderr || status=$?
[ "$status" = 124 ] || fail "the signal should have ended it, got $status: $(cat stderr)"
grep -q interrupted stderr || fail "no word of the interruption: $(cat stderr)"
[ -z "$(ls | grep '^out')" ] || fail "left $(ls) behind"
# A closed pipe ends it, without a word.
status=0
{ "$BILENS" generate "$model" --stories 100000000 2>stderr || echo $? >status; } | head -1 >/dev/null
[ "$(cat status)" = 141 ] || fail "a closed pipe: status $(cat status)"
[ ! -s stderr ] || fail "a closed pipe: $(cat stderr)"
[ -z "$(find . -name '*.tmp-*')" ] || fail "temporary files are left"
echo "generate and tokenizer train: fine"
