#!/usr/bin/env python3
"""Evidence beside PyTorch, in one run: truncate, ablate, hosvd and diff of bilens and of a plain reference on the same model and stories.

    evidence.py REFERENCE_DIR MODEL CORPUS [--stories 256] [--bilens build/bilens] [--threads N] [--only VERB,..] [--csv FILE]

REFERENCE_DIR holds evidence.py, the slow, readable reference, which is run as it is in float32 with the same number of threads. Its
forward passes, decompositions and products are PyTorch's own; it keeps nothing that bilens would have to make again. Each row is checked: the
losses, values or cosines of the two must agree to 1e-3, or the row is not a measurement and the run fails. Wall clock and processor time, loading
included, best of --repeat (1 by default: the reference takes minutes); on a busy machine the ratio by processor time is the one to trust."""
import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import time


def timed(command, repeat, environment):
    """Least seconds on the wall and of the processor, peak memory in KB, the JSON."""
    best, processor, peak, text = float("inf"), float("inf"), 0, ""
    for _ in range(repeat):
        start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        run = subprocess.run(["/usr/bin/time", "-f", "%M", *command] if os.path.exists("/usr/bin/time") else command, capture_output=True,
                             text=True, env=environment)
        if run.returncode:
            sys.exit(f"{' '.join(command)} failed: {run.stderr[-500:]}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = min(processor, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        best, text = min(best, time.monotonic() - start), run.stdout
        last = run.stderr.strip().split("\n")[-1]
        peak = max(peak, int(last) if last.isdigit() else 0)
    return best, processor, peak, json.loads(text)


def near(a, b, what):
    if abs(a - b) > 1e-3 * max(abs(b), 1e-6):
        sys.exit(f"{what}: {a} here, {b} in the reference: not a measurement")


def check(verb, ours, theirs):
    if verb == "truncate":
        for a, b in zip(ours["ranks"], theirs["ranks"]):
            near(a["loss"], b["loss"], f"rank {b['rank']}")
    elif verb == "ablate":
        for key in ("before", "after"):
            near(ours["loss"][key], theirs["loss"][key], key)
    elif verb == "hosvd":
        near(ours["energy"], theirs["energy"], "energy")
    else:
        near(ours["frobenius"], theirs["frobenius"], "frobenius")


def main():
    parser = argparse.ArgumentParser()
    for name in ("reference", "model", "corpus"):
        parser.add_argument(name)
    parser.add_argument("--stories", default="256")
    parser.add_argument("--bilens", default="build/bilens")
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--token", default="she")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--only", default="hosvd,diff,ablate,truncate")
    parser.add_argument("--csv")
    a = parser.parse_args()
    environment = dict(os.environ, OMP_NUM_THREADS=str(a.threads))
    corpus = ["--corpus", a.corpus, "--stories", a.stories]
    # 20 controls: the reference's ablation knows no controls, so it runs once and is charged once; ours runs with 20 + 20 of them
    verbs = {"hosvd": ([a.model], []), "diff": ([a.model, a.model], []),
             "ablate": ([a.model, *corpus, "--token", a.token, "--eigs=-1,-2,0,1"], ["--controls", "20"]),
             "truncate": ([a.model, *corpus], ["--no-controls"])}
    rows = []
    for verb in a.only.split(","):
        common, own = verbs[verb]
        seconds, processor, peak, ours = timed([a.bilens, verb, *common, *own, "--threads", str(a.threads), "--quiet", "--format", "json"], a.repeat, environment)
        other, other_processor, memory, theirs = timed([a.python, os.path.join(a.reference, "evidence.py"), verb, *common, "--threads", str(a.threads)], 1, environment)
        check(verb, ours, theirs)
        runs = 41 if verb == "ablate" else 1  # what the reference would take for the same 41 ablations, decomposition and loading included
        rows.append(dict(verb=verb, bilens=round(seconds, 2), peak_mb=peak // 1024, pytorch=round(other, 2), pytorch_mb=memory // 1024, runs=runs,
                         ratio=round(runs * other / seconds, 1), ratio_processor=round(runs * other_processor / processor, 1)))
        print(rows[-1], flush=True)
    if a.csv:
        with open(a.csv, "w", newline="") as f:
            writer = csv.DictWriter(f, rows[0])
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
