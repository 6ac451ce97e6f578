#!/bin/bash
# make wheel: the Python package with the library inside, in build-wheel/. The library is compiled for any processor of this architecture,
# not only for this machine's, and without MPI. pip brings setuptools and cffi for the build, in an environment of its own.
# PYTHON: the interpreter (python3); JOBS: compiler processes at once.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
folder=build-wheel
# shellcheck disable=SC2086 # a list of options
cmake -S . -G Ninja -B $folder -DBILENS_NATIVE=OFF -DBILENS_MPI=OFF -DBILENS_TESTS=OFF ${CMAKE_FLAGS-} >$folder.log 2>&1 || { cat $folder.log >&2; exit 1; }
rm $folder.log
cmake --build $folder -j "${JOBS:-$(nproc)}" --target bilens_shared
[ -x $folder/venv/bin/pip ] || "$python" -m venv $folder/venv
rm -f $folder/*.whl
BILENS_BUNDLE=$folder/libbilens.so.0 $folder/venv/bin/pip wheel --quiet --disable-pip-version-check --no-deps -w $folder ./python
rm -rf python/build python/bilens.egg-info
wheel=$(ls $folder/bilens-*.whl)
echo "The wheel: $wheel; to install it:"
echo "    pip install $wheel"
