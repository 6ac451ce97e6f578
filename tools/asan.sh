#!/bin/bash
# The whole test suite under AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer. JOBS at once.
set -u
cd "$(dirname "$0")/.." || exit 1
cmake -S . -G Ninja -B build-asan -DBILENS_SANITIZE=ON -DBILENS_TESTS=ON -DBILENS_WERROR=ON >/dev/null &&
    cmake --build build-asan -j "${JOBS:-2}" &&
    ctest --test-dir build-asan --output-on-failure --no-tests=error -j "${JOBS:-2}"
