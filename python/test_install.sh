#!/bin/bash
# ctest: slow 100
# Both ways of installing the Python package that docs/python.md and README.md show: from a fresh clone, into a fresh virtual environment, without
# a variable of ours in the environment. The first wants a library in build/, as `make` leaves it: it is this build's.
# Needs git, python3 with venv, and a pip that reaches a registry; without them it skips (77) and says so.
set -eu
: "${SOURCE:?}" "${BUILD:?}" "${LIBRARY:?}"
skip() { echo "SKIPPED: $*; the install lines were not tested" >&2; exit 77; }
python=${PYTHON:-python3}
command -v git >/dev/null && git -C "$SOURCE" rev-parse HEAD >/dev/null 2>&1 || skip "$SOURCE is not a git repository"
"$python" -c 'import sys, venv; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || skip "there is no $python of version 3.9 with venv"
unset BILENS_LIBRARY BILENS_DATA BILENS BILENS_BUNDLE PYTHONPATH

work=$(mktemp -d "$BUILD/python-install-XXXXXX")
trap 'rm -rf "$work"' EXIT
git clone --quiet --no-local --depth 1 "file://$(git -C "$SOURCE" rev-parse --show-toplevel)" "$work/clone"
"$python" -m venv "$work/tree" && "$work/tree/bin/pip" download --quiet --disable-pip-version-check --retries 1 --timeout 20 --no-deps -d "$work/tree" cffi \
    >"$work/log" 2>&1 || skip "pip cannot reach a registry: $(tail -1 "$work/log")"

# installed NAME: what `pip install` made of it works from anywhere, with the library inside the package.
installed() {
    (cd / && "$work/$1/bin/python" - "$work/$1") <<'END'
import sys
import bilens
assert bilens.library_path.startswith(sys.argv[1]), bilens.library_path
m = bilens.load()
assert m.name.startswith(sys.argv[1]), m.name
assert m.scan(None, m.eigen("swim"), stories=10, progress=False).stories == 10
END
    echo "$1: works"
}

cd "$work/clone"
# make && pip install ./python
mkdir build && cp "$LIBRARY" build/libbilens.so.0
"$work/tree/bin/pip" install --quiet --disable-pip-version-check ./python
installed tree

# make wheel && pip install build-wheel/bilens-*.whl   (not optimised, which compiles in half the time)
make wheel DEPS=skip JOBS=2 CMAKE_FLAGS=-DCMAKE_BUILD_TYPE=Debug >"$work/log" 2>&1 || { tail -40 "$work/log" >&2; exit 1; }
grep -q 'pip install build-wheel/bilens-' "$work/log"
[ -z "$(git status --porcelain)" ] || { echo "FAILED: make wheel leaves files in the tree:" >&2; git status --short >&2; exit 1; }
"$python" -m venv "$work/wheel"
"$work/wheel/bin/pip" install --quiet --disable-pip-version-check build-wheel/bilens-*.whl
rm -rf "$work/clone" # nothing of the tree is needed any more
installed wheel
