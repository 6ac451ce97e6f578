#!/usr/bin/env python3
"""The program of this tree beside an older build of it: the same commands, the processor time (user + system) of both.

    OLD=/path/to/old/build/bilens bench/run.sh        (only this comparison)
    bench/against.py /path/to/old/build/bilens [--only eval,scan] [--repetitions 5]

A ratio above 1 says that this tree is faster. The two sides take turns in one run, the shorter time of each side counts, and both
use the same kernels of the BLAS (OPENBLAS_CORETYPE, which --core sets). Results are compared before a time counts.
What an older build does not do is left out where there is an option for it (report --no-evidence, atlas --no-effects). The
further null draw by which an atlas judges its p-values cannot be left out: that row counts it against this tree.
"""
import argparse
import csv
import json
import os
import shutil
import sys

here = os.path.dirname(os.path.abspath(__file__))
build = os.environ.get("BUILD", os.path.join(here, "..", "build"))
work = os.path.join(build, "bench", "against")


def measure(binary, arguments, environment):
    """Processor seconds and standard output of a command."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(write, 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.execve(binary, [binary, *arguments], environment)
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        out = stream.read()
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"against: {binary} {' '.join(arguments)} failed; run it by hand to see why")
    return usage.ru_utime + usage.ru_stime, out


def close(a, b, share=1e-4):
    return abs(a - b) <= share * max(abs(a), abs(b), 1e-6)


def same_loss(a, b):
    return close(json.loads(a)["loss"], json.loads(b)["loss"])


def same_values(a, b):
    a, b = json.loads(a)["eigenvalues"], json.loads(b)["eigenvalues"]
    return len(a) == len(b) and all(abs(x - y) <= 1e-4 * abs(a[-1]) for x, y in zip(a, b))


def same_matches(a, b):
    def places(text):
        return [[(m["story"], m["position"]) for m in v["matches"][:3]] for v in json.loads(text)["vectors"]]
    return places(a) == places(b)


def nothing_to_compare(a, b):
    return True


def rows(args):
    """name, arguments without the output, whether it wants one, how the two results are compared, and options for this tree alone."""
    stories, model, threads = args.corpus, [args.model] if args.model else [], ["--threads", str(args.threads), "--quiet"]
    direction = ["--token", "swim", "--minus", "run,climb,eat"]
    return [
        ("eval", ["eval", *model, "--corpus", stories, "--stories", "300", "--format", "json", *threads], False, same_loss),
        ("eigen", ["eigen", *model, *direction, "--format", "json", *threads], False, same_values),
        ("scan", ["scan", *model, *direction, "--corpus", stories, "--stories", "8000", "--format", "json", *threads], False, same_matches),
        ("scan, whole pass", ["scan", *model, *direction, "--corpus", stories, "--stories", "300", "--exact-path", "--format", "json", *threads], False,
         same_matches),
        ("atlas", ["atlas", *model, "--corpus", stories, "--stories", "500", "--frequent", "40", *threads], True, nothing_to_compare, ["--no-effects"]),
        ("report", ["report", *model, *direction, "--corpus", stories, "--stories", "2000", *threads], True, nothing_to_compare, ["--no-evidence"]),
        ("train", ["train", "--preset", "stories-1-256", "--corpus", stories, "--tokenizer", args.tokenizer, "--steps", "30", "--valid", args.valid,
                   "--eval-every", "0", *threads], True, nothing_to_compare),
    ]


def run_row(sides, arguments, output, own, environment):
    times, texts = [], []
    for number, binary in enumerate(sides):
        place = os.path.join(work, f"side-{number}")
        shutil.rmtree(place, ignore_errors=True)
        os.makedirs(place)
        target = ["-o", os.path.join(place, "out")] if output else []
        seconds, text = measure(binary, [*arguments, *(own if number else []), *target], environment)
        times.append(seconds)
        texts.append(text)
    return times, texts


def main():
    top = os.path.join(here, "..")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", nargs="?", default=os.environ.get("OLD"), help="the older program (or the environment's OLD)")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--core", default=os.environ.get("OPENBLAS_CORETYPE", "Haswell"), help="kernels of OpenBLAS for both sides")
    parser.add_argument("--only", help="names of rows, with commas")
    parser.add_argument("--model", help="default: the model that comes with bilens")
    parser.add_argument("--corpus", default=os.path.join(top, "data", "stories.txt"))
    parser.add_argument("--valid", default=os.path.join(top, "data", "stories.txt"))
    parser.add_argument("--tokenizer", default=os.path.join(top, "data", "stories-1-256", "tokenizer.json"))
    args = parser.parse_args()
    if not args.old:
        parser.error("no older program: give its path, or set OLD")
    environment = {**os.environ, "OPENBLAS_CORETYPE": args.core}
    sides = [os.path.abspath(args.old), os.path.abspath(os.path.join(build, "bilens"))]
    os.makedirs(work, exist_ok=True)
    with open(os.path.join(build, "bench", "against.csv"), "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["work", "old_s", "new_s", "ratio", "lowest", "highest"])
        for name, arguments, output, same, *own in rows(args):
            if args.only and name not in args.only.split(","):
                continue
            pairs = []
            for _ in range(args.repetitions):
                times, texts = run_row(sides, arguments, output, own[0] if own else [], environment)
                if not same(*texts):
                    sys.exit(f"against: {name}: the two programs give different results")
                pairs.append(times)
            old, new = (min(p[i] for p in pairs) for i in (0, 1))
            ratios = [p[0] / p[1] for p in pairs]
            table.writerow([name, f"{old:.3f}", f"{new:.3f}", f"{old / new:.3f}", f"{min(ratios):.3f}", f"{max(ratios):.3f}"])
            file.flush()
            print(f"{name:16} old {old:7.3f} s   new {new:7.3f} s   ratio {old / new:.2f} ({min(ratios):.2f} to {max(ratios):.2f})   "
                  f"load {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    main()
