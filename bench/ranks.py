#!/usr/bin/env python3
"""Two ranks against one, one core each: scan and atlas at the paper's size. Both must give the same results before a time counts.

    ranks.py MODEL CORPUS [--repetitions 3] [--scan-times 4] [--tokens 512] [--stories 512] [-o ranks.csv]

MODEL and CORPUS are what run.py leaves in build/bench (seed-size, stories-16384.txt); run.py calls bench() of this file. One rank is a plain process
on core 0, two are `mpirun --bind-to core`; mpirun's own start is in the times, so the scan reads the corpus --scan-times over.
"""
import argparse
import contextlib
import csv
import filecmp
import hashlib
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time

here = os.path.dirname(os.path.abspath(__file__))
build = os.environ.get("BUILD", os.path.join(here, "..", "build"))
bilens = os.path.join(build, "bilens")


def command(ranks, *arguments):
    if ranks == 1:
        return ["taskset", "-c", "0", bilens, *arguments, "--threads", "1"]
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    return ["mpirun", *root, "-n", str(ranks), "--bind-to", "core", bilens, *arguments, "--threads", "1"]


def seconds(ranks, *arguments):
    start = time.perf_counter()
    done = subprocess.run(command(ranks, *arguments, "--quiet"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"bench: {' '.join(command(ranks, *arguments))} failed: {done.stderr}")
    return time.perf_counter() - start


def same(a, b):
    """Equal to the byte; of a database every row: pages that were freed, and how often it was written, depend on the clock."""
    if filecmp.cmp(a, b, shallow=False):
        return True
    if not a.endswith(".db"):
        return False
    rows = []
    for file in (a, b):
        digest = hashlib.sha256()
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            for line in database.iterdump():
                digest.update(line.encode())
        rows.append(digest.digest())
    return rows[0] == rows[1]


def compare(work, name, repetitions, *arguments):
    """Seconds of one rank and of two, one per repetition, in turn; the files they write are compared each time."""
    one, two = [], []
    for _ in range(repetitions):
        files = [os.path.join(work, f"ranks-{n}-{name}") for n in (1, 2)]
        for n, file, times in ((1, files[0], one), (2, files[1], two)):
            if os.path.exists(file):
                os.remove(file)
            times.append(seconds(n, *arguments, "-o", file))
        if not same(*files):
            sys.exit(f"bench: {name}: two ranks give other results than one process")
    return one, two


def bench(model, corpus, work, repetitions=3, scan_times=4, tokens=512, stories=512):
    """[(work, seconds of two ranks, seconds of one)], or [] without mpirun, taskset or a second core."""
    if not shutil.which("mpirun") or not shutil.which("taskset") or (os.cpu_count() or 1) < 2:
        print("bench: no mpirun, no taskset or no second core: ranks are not measured", flush=True)
        return []
    eigs = "--eigs=" + ",".join(map(str, [*range(20), *range(-20, 0)]))
    one, two = compare(work, "scan.txt", repetitions, "scan", model, "--token", "swim", eigs, "--corpus", *[corpus] * scan_times)
    rows = [(f"scan, 2 ranks against 1, a core each ({scan_times} times {os.path.basename(corpus)})", two, one)]
    one, two = compare(work, "atlas.db", repetitions, "atlas", model, "--corpus", corpus, "--frequent", str(tokens), "--stories", str(stories))
    return rows + [(f"atlas, 2 ranks against 1, a core each ({tokens} tokens, {stories} stories)", two, one)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("corpus")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--scan-times", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--stories", type=int, default=512)
    parser.add_argument("-o", default=os.path.join(build, "bench", "ranks.csv"))
    args = parser.parse_args()
    os.makedirs(os.path.dirname(os.path.abspath(args.o)), exist_ok=True)
    rows = bench(args.model, args.corpus, os.path.dirname(os.path.abspath(args.o)), args.repetitions, args.scan_times, args.tokens, args.stories)
    with open(args.o, "w", newline="") as f:
        writer = csv.writer(f)
        writer.writerow(["work", "two_ranks_s", "one_rank_s", "ratio", "low", "high"])
        for name, two, one in rows:
            pairs = [b / a for a, b in zip(two, one)]
            ratio = statistics.median(one) / statistics.median(two)
            writer.writerow([name, statistics.median(two), statistics.median(one), ratio, min(pairs), max(pairs)])
            print(f"{name}: {statistics.median(two):.2f} s against {statistics.median(one):.2f} s, ratio {ratio:.2f} ({min(pairs):.2f} … {max(pairs):.2f}), asked 1.8", flush=True)


if __name__ == "__main__":
    main()
