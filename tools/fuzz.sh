#!/bin/bash
# Builds every tests/fuzz/fuzz_*.c with libFuzzer and both sanitizers, and runs each for FUZZ_SECONDS over a copy of its seed corpus
# tests/fuzz/corpus/<name>/ (new inputs stay in the build folder), with the words of tests/fuzz/dictionaries/<name>.dict, FUZZ_JOBS at a time
# (2). Findings are kept in build-fuzz/findings/<name>-*.
set -u
cd "$(dirname "$0")/.." || exit 1
seconds=${FUZZ_SECONDS:-60}
build=build-fuzz
cmake -S . -G Ninja -B $build -DCMAKE_C_COMPILER=clang -DBILENS_FUZZ=ON -DBILENS_TESTS=OFF >/dev/null && cmake --build $build -j "${JOBS:-2}" --target fuzzers || exit 1

mkdir -p $build/findings $build/logs
# run NAME: 0 when nothing was found.
run() {
    local name=$1
    local dictionary=tests/fuzz/dictionaries/$name.dict
    mkdir -p "$build/corpus/$name"
    cp -n tests/fuzz/corpus/"$name"/* "$build/corpus/$name/" || exit 1
    LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp OMP_NUM_THREADS=1 "$build/tests/fuzz/$name" -dict="$dictionary" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=4096 -malloc_limit_mb=2048 -artifact_prefix="$build/findings/$name-" -print_final_stats=1 "$build/corpus/$name" >"$build/logs/$name" 2>&1
    local status=$?
    if [ $status -ne 0 ]; then
        tail -60 "$build/logs/$name"
        echo "fuzz: $name: FOUND SOMETHING (exit status $status), see $build/logs/$name and $build/findings/"
    else
        echo "fuzz: $name: no finding, $(sed -n 's/^stat::number_of_executed_units: *//p' "$build/logs/$name") inputs in $seconds s," \
            "$(find "$build/corpus/$name" -type f | wc -l) kept"
    fi
    return $status
}
export -f run
export seconds build
names=$(cd tests/fuzz && ls fuzz_*.c | sed 's/\.c$//') || exit 1
printf '%s\n' $names | xargs -P "${FUZZ_JOBS:-2}" -I{} bash -c 'run {}' || exit 1
