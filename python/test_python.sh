#!/bin/bash
# ctest: slow
# The Python package as its user gets it: a wheel, built here, installed into a virtual environment of the build folder, and its test suite
# against this build's library and program. Then the wheel that carries the library: it works with nothing else of this tree.
# Needs python3 with venv, and pip to bring numpy, pandas and pytest; without them it skips (77) and says so.
set -eu
: "${SOURCE:?}" "${BUILD:?}" "${LIBRARY:?}" "${BILENS:?}"
skip() { echo "SKIPPED: $*; the Python package was not tested" >&2; exit 77; }
python=${PYTHON:-python3}
venv=$BUILD/python-venv
command -v "$python" >/dev/null || skip "there is no $python"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' || skip "$("$python" --version) is older than 3.9"

packages="numpy pandas pytest setuptools>=64 wheel"
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
ln -s "$SOURCE/data" "$copy/data"
wheel() { (cd "$copy" && "$venv/bin/pip" wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation -w "$1" ./python) && rm -rf "$copy/python/build"; }
install() { "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-index "$@"; }

wheel "$copy/pure"
case $(ls "$copy/pure") in bilens-*-py3-none-any.whl) ;; *) echo "FAILED: a pure wheel is named $(ls "$copy/pure")" >&2; exit 1 ;; esac
install --force-reinstall "$copy"/pure/*.whl
cd "$copy" # so that `import bilens` is the installed one
BILENS_LIBRARY=$LIBRARY BILENS=$BILENS BILENS_DATA=$SOURCE/data SHARED=${SHARED-} "$venv/bin/python" -m pytest -q -p no:cacheprovider \
    --rootdir "$SOURCE/python" "$SOURCE/python/tests"

BILENS_BUNDLE=$LIBRARY wheel "$copy/whole"
case $(ls "$copy/whole") in bilens-*-py3-none-linux_*.whl) ;; *) echo "FAILED: a wheel with the library is named $(ls "$copy/whole")" >&2; exit 1 ;; esac
install --target "$copy/alone" "$copy"/whole/*.whl
env -u BILENS_LIBRARY -u BILENS_DATA -u BILENS PYTHONPATH="$copy/alone" "$venv/bin/python" - <<END
import bilens
assert bilens.library_path.startswith("$copy/alone"), bilens.library_path
m = bilens.load()
assert m.name.startswith("$copy/alone"), m.name
assert m.scan(None, m.eigen("swim"), stories=10, progress=False).stories == 10
END
echo "python: fine"
