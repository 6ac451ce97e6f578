#!/bin/bash
# ctest: slow 60
# The Python package: a pure wheel, built here, installed into a virtual environment of the build folder, and its test suite against this build's
# library and program. Needs python3 with venv, and pip to bring numpy, pandas, pytest, matplotlib and cffi; without them it skips (77) and says so.
set -eu
: "${SOURCE:?}" "${BUILD:?}" "${LIBRARY:?}" "${BILENS:?}"
skip() { echo "SKIPPED: $*; the Python package was not tested" >&2; exit 77; }
python=${PYTHON:-python3}
venv=$BUILD/python-venv
command -v "$python" >/dev/null || skip "there is no $python"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' || skip "$("$python" --version) is older than 3.9"

packages="numpy pandas pytest matplotlib setuptools>=64 wheel cffi>=1.15"
if [ "$(cat "$venv/complete" 2>/dev/null || true)" != "$packages" ]; then
    rm -rf "$venv"
    "$python" -m venv "$venv" >"$BUILD/python-venv.log" 2>&1 || skip "$python -m venv failed (apt-get install python3-venv): $(tail -1 "$BUILD/python-venv.log")"
    # shellcheck disable=SC2086 # a list
    "$venv/bin/pip" install --quiet --disable-pip-version-check --retries 1 --timeout 20 $packages >>"$BUILD/python-venv.log" 2>&1 ||
        skip "pip cannot install $packages: $(tail -1 "$BUILD/python-venv.log")"
    echo "$packages" >"$venv/complete"
fi

# A copy, so that building leaves nothing in the source tree.
copy=$(mktemp -d "$BUILD/python-copy-XXXXXX")
trap 'rm -rf "$copy"' EXIT
mkdir "$copy/python"
cp -r "$SOURCE/python/bilens" "$SOURCE/python/"*.toml "$SOURCE/python/setup.py" "$SOURCE/python/README.md" "$copy/python"
ln -s "$SOURCE/include" "$SOURCE/data" "$copy"
(cd "$copy" && "$venv/bin/pip" wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation -w wheels ./python)
case $(ls "$copy/wheels") in bilens-*-py3-none-any.whl) ;; *) echo "FAILED: a pure wheel is named $(ls "$copy/wheels")" >&2; exit 1 ;; esac
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-index --force-reinstall "$copy"/wheels/*.whl
cd "$copy/wheels" # so that `import bilens` is the installed one
BILENS_LIBRARY=$LIBRARY BILENS=$BILENS BILENS_DATA=$SOURCE/data SHARED=${SHARED-} "$venv/bin/python" -m pytest -q -p no:cacheprovider \
    --rootdir "$SOURCE/python" "$SOURCE/python/tests"
