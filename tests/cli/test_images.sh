#!/bin/bash
# Image models and modular addition from the command line: every golden file, then bad input.
# ctest: begins early 40
set -u
python3 "$(dirname "$0")/test_images.py" "$BILENS" "$TEST_DATA/images" || exit 1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
model=$TEST_DATA/images/fashion-64
sample=$TEST_DATA/images/sample
failures=0
# expect STATUS TEXT WORDS…: the exit status, and TEXT on standard error.
expect() {
    local status=$1 text=$2 got
    shift 2
    "$BILENS" "$@" >"$folder/out" 2>"$folder/err"
    got=$?
    if [ $got -ne "$status" ] || ! grep -q -- "$text" "$folder/err"; then
        echo "FAIL: bilens $*: expected $status and '$text', got $got and: $(cat "$folder/err")"
        failures=1
    fi
}
broken() { # broken NAME PYTHON: a copy of the model with config.json changed by PYTHON on `c`
    rm -rf "$folder/m"
    cp -r "$model" "$folder/m"
    python3 -c "import json; p='$folder/m/config.json'; c=json.load(open(p)); $1; json.dump(c, open(p,'w'))"
}
expect 2 "no class 'sandals'" eigen "$model" --class sandals
expect 2 "which class" eigen "$model"
expect 2 "no class 'boots'" eigen "$model" --direction "class:9 - boots"
"$BILENS" eigen "$model" --class ankle-boot --minus sneaker --format json >"$folder/a.json"
"$BILENS" eigen "$model" --direction "ankle-boot - class:7" --format json >"$folder/b.json"
cmp "$folder/a.json" "$folder/b.json" && grep -q '"direction":"\\"class:Ankle boot\\" - class:Sneaker"' "$folder/a.json" ||
    { echo "FAIL: a class less another, as options and as text"; failures=1; }
expect 2 "does not exist" eigen "$model" --class 5 --eigs 64
expect 2 "layer 3 does not exist" eigen "$model" --class 5 --layer 3
expect 2 "space" eigen "$model" --class 5 --space text
expect 2 "which images" eval "$model"
expect 2 "nowhere: cannot open: No such file" eval "$model" --images "$folder/nowhere"
expect 2 "image model" generate "$model"
expect 2 "an image has one prediction" ablate "$model" --class 5
expect 2 "truncate" ablate "$model" --eigs 0
expect 2 "two tokens" pairs "$model" --class 5
expect 2 "hosvd and diff" similar "$model" --class 5
expect 2 "explain --image" excite "$model" --text x
expect 2 "not a valid port" serve "$model" --port 70000
expect 2 "nowhere: cannot open: No such file" serve "$model" --images "$folder/nowhere"
expect 2 "at least one draw" null "$model" --class 5 --draws 0
expect 2 "image model" tokenize "$model" --text x
expect 2 "modular" fourier "$model"
expect 2 "no image 64" explain "$model" --images "$sample" --image 64
expect 2 "eigenvectors then, more than" mask "$model" --class 5 --images "$sample" --per-class 7
expect 2 "numbers above 0" mask "$model" --class 5 --images "$sample" --per-class 3 --strength 0.1,x
expect 2 "numbers above 0" mask "$model" --class 5 --images "$sample" --strength 0
expect 2 "is made from one of" mask "$model" --class 5 --images "$sample" --eigs 0
broken "c['labels'] = ['a']"; expect 2 "labels" eval "$folder/m" --images "$sample"
broken "c['input_shape'] = [1, 2, 3]"; expect 2 "input_shape" eval "$folder/m" --images "$sample"
broken "c['kind'] = 'video'"; expect 2 "kind" eval "$folder/m" --images "$sample"
broken "c['d_hidden'] = 63"; expect 2 "embed.weight" eval "$folder/m" --images "$sample"
broken "c['n_layer'] = 1000000"; expect 2 "n_layer" eval "$folder/m" --images "$sample"
broken "c['gate'] = 'relu'"; expect 2 "gated" eigen "$folder/m" --class 5
broken "c['bias'] = True"; expect 2 "bias" eval "$folder/m" --images "$sample"
gzip -dc "$sample/t10k-images-idx3-ubyte.gz" >"$folder/images"
gzip -dc "$sample/t10k-labels-idx1-ubyte.gz" >"$folder/labels"
head -c 1000 "$folder/images" >"$folder/short"
expect 2 "its sizes need" eval "$model" --images "$folder/short" --labels "$folder/labels"
head -c 2000 "$sample/t10k-images-idx3-ubyte.gz" >"$folder/cut.gz"
expect 2 "gzip" eval "$model" --images "$folder/cut.gz" --labels "$folder/labels"
{ printf '\0\0\15\3'; tail -c +5 "$folder/images"; } >"$folder/floats"
expect 2 "IDX type" eval "$model" --images "$folder/floats" --labels "$folder/labels"
{ printf 'PNG!'; tail -c +5 "$folder/images"; } >"$folder/magic"
expect 2 "not an IDX file" eval "$model" --images "$folder/magic" --labels "$folder/labels"
{ printf '\0\0\10\1\0\0\0\3'; printf 'abc'; } >"$folder/three"
expect 2 "3 labels" eval "$model" --images "$folder/images" --labels "$folder/three"
{ head -c 8 "$folder/labels"; head -c 64 /dev/zero | tr '\0' '\77'; } >"$folder/wrong"
expect 2 "label 0 is 63" eval "$model" --images "$folder/images" --labels "$folder/wrong"
expect 2 "labels" eval "$model" --images "$folder/images"
# npy WORDS: an .npy file of Python expressions on struct, without numpy
npy() { # npy FILE DESCR SHAPE FORMAT VALUES
    python3 - "$@" <<'END'
import struct, sys
name, descr, shape, form, values = sys.argv[1:]
head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
head += " " * (63 - (10 + len(head)) % 64) + "\n"
data = b"".join(struct.pack(form, v) for v in eval(values))
open(name, "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data)
END
}
npy "$folder/nan.npy" '<f4' '(2, 784)' '<f' '[0.5] * 1000 + [float("nan")] + [0.5] * 567'
npy "$folder/two.npy" '|u1' '(2,)' '<B' '[0, 1]'
expect 2 "finite" eval "$model" --images "$folder/nan.npy" --labels "$folder/two.npy"
npy "$folder/inf.npy" '<f8' '(2, 784)' '<d' '[0.5] * 1567 + [float("inf")]'
expect 2 "finite" eval "$model" --images "$folder/inf.npy" --labels "$folder/two.npy"
npy "$folder/good.npy" '<f4' '(2, 784)' '<f' '[0.5] * 1568'
npy "$folder/minus.npy" '<i4' '(2,)' '<i' '[0, -1]'
expect 2 "label 1 is -1" eval "$model" --images "$folder/good.npy" --labels "$folder/minus.npy"
npy "$folder/real.npy" '<f4' '(2,)' '<f' '[0.0, 1.0]'
expect 2 "integer" eval "$model" --images "$folder/good.npy" --labels "$folder/real.npy"
npy "$folder/wide.npy" '<f4' '(2, 785)' '<f' '[0.5] * 1570'
expect 2 "784" eval "$model" --images "$folder/wide.npy" --labels "$folder/two.npy"
npy "$folder/none.npy" '<f4' '(0, 784)' '<f' '[]'
npy "$folder/nolabels.npy" '|u1' '(0,)' '<B' '[]'
expect 2 "no images" eval "$model" --images "$folder/none.npy" --labels "$folder/nolabels.npy"
npy "$folder/short.npy" '<u2' '(2, 784)' '<H' '[1] * 1567 + [256]'
expect 2 "0 to 255" eval "$model" --images "$folder/short.npy" --labels "$folder/two.npy"
{ printf '\0\0\10\3\377\377\377\377\377\377\377\377\0\0\0\34'; } >"$folder/huge"
expect 2 "$folder/huge" eval "$model" --images "$folder/huge" --labels "$folder/labels"
{ printf '\0\0\10\1'; } >"$folder/head"
expect 2 "$folder/head" eval "$model" --images "$folder/images" --labels "$folder/head"
expect 2 "split" eval "$model" --images "$sample" --split validation
expect 2 "train-images" eval "$model" --images "$sample" --split train
expect 2 "train-images" train --images "$sample" -o "$folder/trained"
[ -e "$folder/trained" ] && { echo "FAIL: a training that could not begin left its folder"; failures=1; }
expect 2 "no class '10'" eigen "$model" --class 10
expect 2 "no class '59'" eigen "$TEST_DATA/images/modular-59" --class 59
expect 2 "no class 'boots'" eigen "$model" --class 5 --minus boots
npy "$folder/u.npy" '<f4' '(63,)' '<f' '[1.0] * 63'
expect 2 "64" eigen "$model" --direction "$folder/u.npy"
npy "$folder/zero.npy" '<f4' '(64,)' '<f' '[0.0] * 64'
expect 2 "is no direction" eigen "$model" --direction "$folder/zero.npy"
expect 2 "odd" train --modular 4 -o "$folder/four"
expect 2 "give one of" train --modular 5 --images "$sample" -o "$folder/both"
expect 2 "which images" study -o "$folder/study"
expect 2 "numbers from 0" study --images "$sample" --noise 0,x -o "$folder/study"
expect 2 "two image models" diff "$model"
expect 2 "nowhere/config.json" diff "$model" "$folder/nowhere"
expect 2 "784" diff "$model" "$TEST_DATA/images/modular-59"
broken "pass"; python3 - "$folder/m/model.safetensors" <<'END'
import struct, sys
raw = bytearray(open(sys.argv[1], "rb").read())
raw[-2:] = struct.pack("<e", float("nan"))
open(sys.argv[1], "wb").write(raw)
END
expect 0 "1 of the 640 numbers of tensor .head.weight. are NaN" eval "$folder/m" --images "$sample"
expect 1 "finite" eigen "$folder/m" --class 9
head -c 5000 "$model/model.safetensors" >"$folder/m/model.safetensors"
expect 2 "model.safetensors" eval "$folder/m" --images "$sample"
"$BILENS" report "$model" --class ankle-boot --minus all --images "$sample" -o "$folder/report" --quiet >/dev/null || { echo "FAIL: report"; failures=1; }
for name in index.html report.json gallery.png gallery.svg eigenvectors.pdf; do
    [ -s "$folder/report/$name" ] || { echo "FAIL: report: $name is missing"; failures=1; }
done
mkdir "$folder/mine"; touch "$folder/mine/notes"
expect 2 "not a report" report "$model" --class 5 --images "$sample" -o "$folder/mine"
"$BILENS" export "$model" -o "$folder/w.safetensors" >/dev/null && "$BILENS" trace "$model" --images "$sample" -o "$folder/t.safetensors" >/dev/null &&
    "$BILENS" describe "$model" --tensor w_e -k 2 >/dev/null && "$BILENS" info "$model" --format json >/dev/null || { echo "FAIL: export, trace, describe or info"; failures=1; }
exit $failures
