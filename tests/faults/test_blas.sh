#!/bin/bash
# A BLAS whose kernels compute wrongly (inject.c spoils one entry of its products): the program says so and goes on with
# older kernels, with the right numbers; where none is right it ends before the work. The Python library refuses.
set -u
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
fail() { echo "FAILED: $*"; exit 1; }
grep -q avx2 /proc/cpuinfo || { echo "SKIPPED: Haswell's kernels need AVX2" >&2; exit 77; }
model=$TEST_DATA/models/plain
export OMP_WAIT_POLICY=passive OPENBLAS_CORETYPE=Haswell
"$BILENS" eigen "$model" --token swim --format json >right.json || fail "eigen"
spoiled() { # KERNELS COMMAND…
    local kernels=$1
    shift
    env LD_PRELOAD="$INJECT" INJECT_BLAS="$kernels" "$BILENS" "$@" >out 2>err
}
spoiled Haswell eigen "$model" --token swim --format json || fail "with spoiled Haswell kernels: $(cat err)"
grep -q "is wrong.*going on with its Sandybridge kernels" err || fail "nobody was told: $(cat err)"
python3 - <<'END' || fail "the numbers are not right"
import json
a, b = (json.load(open(name))["eigenvalues"] for name in ("right.json", "out"))
assert max(abs(x - y) for x, y in zip(a, b)) < 1e-5 * max(map(abs, a)), (a, b)
END
spoiled Haswell --version && grep -q "(Sandybridge)" out || fail "--version names the kernels in use: $(cat out)"
spoiled Haswell,Sandybridge --version && grep -q "(Nehalem)" out || fail "two kinds of kernels: $(cat out err)"
spoiled all eigen "$model" --token swim
[ $? = 1 ] && grep -q "computes wrongly on this processor" err && [ ! -s out ] || fail "with all kernels spoiled: $(cat out err)"
exit 0
