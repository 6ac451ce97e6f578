#!/bin/bash
# Every test that is not slow under valgrind's memcheck: invalid and uninitialised reads and definite leaks are failures. Compiled without
# this machine's own instructions (valgrind knows no AVX-512), and OpenBLAS is held to AVX2 for the same reason. JOBS at once.
# The shell scripts of tests/cli run outside valgrind, the bilens that they call inside (exit status 99 when memcheck found something).
set -u
cd "$(dirname "$0")/.." || exit 1
jobs=${JOBS:-2}
cmake -S . -G Ninja -B build-valgrind -DBILENS_NATIVE=OFF -DBILENS_TESTS=ON -DBILENS_VALGRIND=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null &&
    cmake --build build-valgrind -j "$jobs" || exit 1
export OPENBLAS_CORETYPE=Haswell OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive GOMP_SPINCOUNT=0
ctest --test-dir build-valgrind --output-on-failure --no-tests=error -j "$jobs" -LE slow
