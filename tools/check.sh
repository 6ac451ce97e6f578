#!/bin/bash
# What CI holds true, in the order of cheapness: raw calls and line lengths, formatting, gcc without a warning, clang without a warning and
# with its sanitizers, clang-tidy, and last the whole test suite with a sanitized run of every test that is not slow beside it. Stops at the
# first stage that fails.
#
#   tools/check.sh          all of it        (BUILD: the gcc build folder, JOBS: at once)
#   tools/check.sh lint     house rules, formatting and clang-tidy with its analyzer only
#   tools/check.sh asan     the whole test suite under the address, leak and undefined-behaviour sanitizers
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
jobs=${JOBS:-$(nproc)}
what=${1-all}

stage() {
    local name=$1 start=$SECONDS
    shift
    echo "== $name"
    "$@" || { echo "== $name: FAILED" >&2; exit 1; }
    echo "== $name: $((SECONDS - start)) s"
}
sources() { find src include tests bench -name '*.[ch]' -not -path 'tests/data/*' | LC_ALL=C sort; }
formatting() { sources | xargs clang-format --dry-run -Werror || { echo "run: make format" >&2; return 1; }; }
# configure FOLDER OPTION…: configures again only what changed; quiet unless it fails.
configure() { cmake -S . -G Ninja -DBILENS_WERROR=ON -B "$@" >"$1.log" 2>&1 && rm "$1.log" || { cat "$1.log"; return 1; }; }
compile() { configure "$@" && cmake --build "$1" -j "$jobs"; }
# One build for both: clang's warnings, and its sanitizers, which see more than gcc's (offsets of null pointers). -O1 compiles in half of
# -O2's time, and the tests take hardly longer.
sanitized=(build-asan -DCMAKE_C_COMPILER=clang -DBILENS_SANITIZE=ON -DBILENS_TESTS=ON -DCMAKE_BUILD_TYPE=None "-DCMAKE_C_FLAGS=-O1 -g1")
# tidy [OPTION…]: one file per process, so that the longest decides least. The compile commands are clang's own, but for this processor's
# instructions, which the sanitized build does without.
tidy() {
    configure "${sanitized[@]}" || return 1
    [ "$(uname -m)" != x86_64 ] || set -- --extra-arg=-march=native "$@"
    find src -name '*.c' | xargs ls -S | xargs -P "$jobs" -n 1 clang-tidy --quiet "$@" -p build-asan 2>&1 | grep -v ' warnings\? generated\.$'
    return "${PIPESTATUS[2]}" # clang-tidy's, by way of xargs
}
# Without the analyzer that follows paths, which takes nine tenths of the time: `lint` has it.
quick_tidy() { tidy "--checks=-clang-analyzer-*"; }
# run_tests FOLDER AT_ONCE [OPTION…]
run_tests() { ctest --test-dir "$1" --output-on-failure --no-tests=error -j "$2" "${@:3}"; }
# A third of the tests' time is waiting: one more at once than there are processors.
tests() { run_tests "$1" $((jobs + 1)) "${@:2}"; }
# The sanitized tests beside the others: while those of one kind wait, or only the last is left, the other kind computes.
both() {
    run_tests build-asan "$jobs" -LE slow >build-asan.log 2>&1 &
    local sanitized=$! status=0
    tests "$build" || status=1
    wait "$sanitized" || status=1
    echo "-- sanitized:"
    cat build-asan.log
    rm build-asan.log
    return $status
}

if [ "$what" = asan ]; then
    stage "clang with sanitizers" compile "${sanitized[@]}"
    stage "sanitized tests" tests build-asan
    exit
fi
stage "house" tools/check-house.sh
stage "clang-format" formatting
if [ "$what" = lint ]; then
    stage "clang-tidy" tidy
    exit
fi
stage "gcc, warnings are errors" compile "$build" -DBILENS_TESTS=ON ${CMAKE_FLAGS-}
stage "clang with sanitizers, warnings are errors" compile "${sanitized[@]}"
stage "clang-tidy, without the analyzer" quick_tidy
stage "tests, and the sanitized ones that are not slow" both
