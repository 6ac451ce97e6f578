#!/bin/bash
# Where results go: -o - and -o "", what is read is never written over, a terminal is shown no commands, non-finite
# numbers, and one dialect of CSV.
set -u
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cp -r "$TEST_DATA/models/plain" "$folder/model"
cp "$TEST_DATA/models/stories.txt" "$folder/stories.txt"
cd "$folder" || exit 1
fail() { echo "FAILED: $1" >&2; exit 1; }
refused() { # MESSAGE COMMAND…: exit status 2, that message, nothing changed
    local part=$1
    shift
    before=$(find . -type f | sort | xargs md5sum)
    timeout 60 "$BILENS" "$@" >out 2>err </dev/null
    [ $? = 2 ] || fail "$*: exit status 2 expected: $(cat err)"
    grep -qF -- "$part" err || fail "$*: '$part' expected: $(cat err)"
    rm -f out err
    [ "$before" = "$(find . -type f | sort | xargs md5sum)" ] || fail "$*: a file changed"
}

# One text goes to standard output, several files do not.
"$BILENS" info model --format json >a.json || fail "info"
"$BILENS" info model --format json -o - >b.json || fail "info -o -"
cmp -s a.json b.json || fail "-o - is not standard output"
[ "$(tail -c 1 a.json)" = "" ] || fail "JSON ends with a newline"
rm a.json b.json
refused "-o -" export model -o -
refused "-o -" trace model --text "the cat" -o -
refused "-o -" report model --token swim --corpus stories.txt -o -
refused "-o -" tokenizer train --corpus stories.txt -o -

# A variable that is not set.
for verb in "info model" "eval model --corpus stories.txt" "export model" "report model --token swim" \
    "tokenizer train --corpus stories.txt" "trace model --text cat" "excite model --text cat"; do
    # shellcheck disable=SC2086
    refused "the name is empty" $verb -o ""
done

# What is read is not written over, through links too.
ln -s model/model.safetensors link.safetensors
ln stories.txt hard.txt
refused "not written over" export model -o model/model.safetensors
refused "not written over" export model -o link.safetensors
refused "not written over" trace model --text cat -o model/model.safetensors
refused "not written over" eigen model --token swim -o model/tokenizer.json
refused "not written over" eigen model --token swim --plot model/config.json
refused "not written over" tokenizer train --corpus stories.txt -o stories.txt
refused "not written over" eval model --corpus stories.txt -o hard.txt
rm link.safetensors hard.txt

# How a figure looks.
column=(--width 85 --height 170.0787401pt --font serif --size 8 --title 'a & b' --no-marks --theme dark)
"$BILENS" eigen model --token swim --eigs -1 --plot wide.svg "${column[@]}" >out || fail "eigen --plot"
"$BILENS" truncate model --corpus stories.txt --ranks 0,1 --stories 4 --plot curve.svg "${column[@]}" >out || fail "truncate --plot"
"$BILENS" report model --token swim --corpus stories.txt --no-evidence "${column[@]}" -o page --quiet >out || fail "report"
for figure in wide.svg curve.svg page/figures/spectrum.svg; do
    grep -q 'width="240.944882pt"' $figure || fail "$figure: --width"
    grep -q 'height="170.07874pt"' $figure || fail "$figure: --height in points"
    grep -q '<title>a &amp; b</title>' $figure || fail "$figure: --title"
    grep -q 'fill:rgb(100%,100%,100%)' $figure && fail "$figure: --theme dark has a white page"
done
rm -r wide.svg curve.svg page out
for bad in "--width 5" "--width 85cm" "--height 0" "--size x" "--font=" "--theme blue" "--width 20 --height 20"; do
    # shellcheck disable=SC2086
    refused "" eigen model --token swim --plot no.svg $bad
done
refused "--theme: 'blue' is not one of light, dark" report model --token swim --corpus stories.txt --theme blue
refused "ask for one with --plot" eigen model --token swim --title x

# Infinity: null, empty, inf.
python=$(command -v python3) || { echo "SKIPPED: no python3" >&2; exit 77; }
"$BILENS" export model --tensors w_e -o w.npy --quiet >/dev/null || fail "export"
"$python" - <<'END' || fail "no array"
import struct
data = bytearray(open("w.npy", "rb").read())
struct.pack_into("<f", data, len(data) - 4, float("inf"))
open("w.npy", "wb").write(data)
END
"$BILENS" describe --npy w.npy -k 1 --format json | grep -q ',null\]\]' || fail "infinity is null in JSON"
"$BILENS" describe --npy w.npy -k 1 --format csv | sed -n 2p | tr -d '\r' | grep -q ',$' || fail "infinity is empty in CSV"
"$BILENS" describe --npy w.npy -k 1 | sed -n 2p | grep -q ' inf$' || fail "infinity is inf in a table"

# An eigenvector's sign: by its top inputs where there is a corpus; grey where there is none. JSON and CSV keep theirs.
"$BILENS" eigen --token swim --eigs -1 --format json --quiet | grep -q '"orientation":-1' || fail "oriented by the stories that come with bilens"
"$BILENS" eigen --token swim --eigs -1 --quiet | grep -q '^  0 swim  *1\.29' || fail "drawn by its top inputs"
"$BILENS" eigen --token swim --eigs -1 --format csv --quiet | grep -q '"head 4","top",0,"elevator"' || fail "CSV keeps the sign"
"$BILENS" eigen model --token swim --eigs -1 --format json | grep -q orientation && fail "nothing says which end"
"$BILENS" eigen model --token swim --eigs -1 | grep -q 'hence no red and blue: with --corpus' || fail "an arbitrary sign is said"
"$BILENS" eigen model --token swim --eigs -1 --corpus stories.txt --format json --quiet | grep -q '"orientation"' || fail "eigen --corpus"
for corpus in "" "--corpus stories.txt"; do
    # shellcheck disable=SC2086
    "$BILENS" eigen model --token swim --eigs -1 $corpus --format svg --quiet -o sign.svg >/dev/null || fail "svg"
    colours=$(grep -o 'fill="#[0-9a-f]*"' sign.svg | sort -u | grep -cv -E '#([0-9a-f]{2})\1\1"')
    [ -n "$corpus" ] || grey=$colours
done
[ "$colours" -gt "$((grey + 5))" ] || fail "grey without a corpus ($grey hues), coloured with one ($colours)"

# CSV: quoted texts; a formula only as it is asked for.
"$BILENS" tokenize model --text "swim" --format csv | grep -q ',"swim"' || fail "a text is quoted"
id=$("$BILENS" tokenize model --text swim --format json | sed 's/.*,\([0-9]*\)].*tokens.*/\1/')
sed 's/"swim"/"=1+1"/' model/tokenizer.json >model/changed.json && mv model/changed.json model/tokenizer.json
"$BILENS" eigen model --token "#$id" --eigs -1 --format csv >exact.csv || fail "eigen"
"$BILENS" eigen model --token "#$id" --eigs -1 --format csv --csv-safe >safe.csv || fail "eigen --csv-safe"
grep -q "\"'=" exact.csv && fail "an apostrophe that nobody asked for"
if grep -q '"=1+1"' exact.csv; then grep -q "\"'=1+1\"" safe.csv || fail "--csv-safe"; fi

# A terminal gets pictures for commands, a pipe gets the bytes.
if command -v script >/dev/null; then
    printf 'a\302\233b\342\200\256c' >hostile.txt
    sed "s/\"=1+1\"/\"=$(cat hostile.txt)\"/" model/tokenizer.json >t2.json
    "$BILENS" tokenize --tokenizer t2.json --decode --text "$id" | grep -q "$(printf '\302\233')" || fail "a pipe is exact"
    script -qec "'$BILENS' tokenize --tokenizer t2.json --decode --text $id" /dev/null >seen </dev/null
    grep -q "$(printf '\302\233')" seen && fail "a terminal got a C1 control"
    grep -q "$(printf '\342\200\256')" seen && fail "a terminal got a bidirectional control"
    grep -q "a" seen || fail "a terminal got nothing"
fi
exit 0
