#!/usr/bin/env python3
"""Evidence beside PyTorch, in one run: truncate, ablate, hosvd and diff of bilens and of a plain reference on the same model and stories.

    evidence.py REFERENCE_DIR MODEL CORPUS [--stories 256] [--bilens build/bilens] [--threads N] [--only VERB,..] [--rounds 1] [--csv FILE]
    evidence.py REFERENCE_DIR MODEL CORPUS --per-token 64,192,16,48      truncate, what one token costs

REFERENCE_DIR holds evidence.py, the readable reference, which is run as it is in float32 with the same number of threads. Its
forward passes, decompositions and products are PyTorch's own; it keeps nothing that bilens would have to make again. Each row is checked: the
losses, values or cosines of the two must agree to 1e-3, or the row is not a measurement and the run fails. Wall clock and processor time, loading
included. The two sides take turns, --rounds times each; the least counts. On a busy machine the ratio by processor time is the one to trust.

--per-token: truncate over all tokens is linear in tokens, and the reference takes half an hour for 4,096. So it is run on random models of MODEL's sizes with a
vocabulary cut to the first so many words (two sizes for bilens, two for the reference): the slope is what a token costs, and V tokens are extrapolated."""
import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time


def timed(command, environment):
    """Seconds on the wall and of the processor, peak memory in KB, the JSON."""
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(["/usr/bin/time", "-f", "%M", *command] if os.path.exists("/usr/bin/time") else command, capture_output=True,
                         text=True, env=environment)
    if run.returncode:
        sys.exit(f"{' '.join(command)} failed: {run.stderr[-500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    last = run.stderr.strip().split("\n")[-1]
    return time.monotonic() - start, processor, int(last) if last.isdigit() else 0, json.loads(run.stdout)


def turns(ours, theirs, rounds, environment):
    """Both commands by turns: of each the least seconds, the least processor seconds, the peak memory and the JSON."""
    runs = [[timed(command, environment) for command in (ours, theirs)] for _ in range(rounds)]
    return [(min(r[side][0] for r in runs), min(r[side][1] for r in runs), max(r[side][2] for r in runs), runs[0][side][3]) for side in (0, 1)]


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


def cut_model(model, words, folder, program):
    """A random model of the same sizes whose vocabulary is the first so many words of the tokenizer's."""
    config = json.load(open(os.path.join(model, "config.json")))
    tokenizer = json.load(open(os.path.join(model, "tokenizer.json")))
    vocabulary = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {w: i for w, i in vocabulary.items() if i < words}
    path, out = os.path.join(folder, f"tokenizer{words}.json"), os.path.join(folder, f"model{words}")
    json.dump(tokenizer, open(path, "w"))
    sizes = [config[k] for k in ("d_model", "d_hidden", "n_head", "n_layer")] + [words]
    subprocess.run([program, out, path, *map(str, sizes)], check=True)
    return out


def per_token(a, environment):
    """What one token of truncate costs, in seconds of the processor, and V of them."""
    counts = [int(x) for x in a.per_token.split(",")]
    V = json.load(open(os.path.join(a.model, "config.json")))["n_vocab"]
    commands = lambda model: ([a.bilens, "truncate", model, "--corpus", a.corpus, "--stories", a.stories, "--no-controls", "--threads", str(a.threads),
                               "--quiet", "--format", "json"],
                              [a.python, os.path.join(a.reference, "evidence.py"), "truncate", model, "--corpus", a.corpus, "--stories", a.stories,
                               "--threads", str(a.threads)])
    with tempfile.TemporaryDirectory() as folder:
        models = {n: cut_model(a.model, n, folder, os.path.join(os.path.dirname(a.bilens), "bench", "random_model")) for n in set(counts)}
        least = {}
        for _ in range(a.rounds):
            for i, n in enumerate(counts):
                wall, processor, peak, out = timed(commands(models[n])[i // 2], environment)
                least[i] = min(least.get(i, (9e9,)), (processor, wall, peak // 1024, out["predictions"]))
    out = {}
    for side, name in ((0, "bilens"), (2, "pytorch")):
        slope = [(least[side + 1][k] - least[side][k]) / (counts[side + 1] - counts[side]) for k in (0, 1)]
        once = [least[side][k] - slope[k] * counts[side] for k in (0, 1)]
        out[name] = dict(per_token=round(slope[0], 4), once=round(once[0], 1), all=round(once[0] + V * slope[0]), wall_per_token=round(slope[1], 4),
                         wall_all=round(once[1] + V * slope[1]), peak_mb=least[side + 1][2], predictions=least[side][3])
    out["ratio"] = {k: round(out["pytorch"][k] / out["bilens"][k], 2) for k in ("per_token", "all", "wall_per_token", "wall_all")}
    print(json.dumps(out))


def main():
    parser = argparse.ArgumentParser()
    for name in ("reference", "model", "corpus"):
        parser.add_argument(name)
    parser.add_argument("--stories", default="256")
    parser.add_argument("--bilens", default="build/bilens")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--token", default="she")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--other", help="the second model of diff (default: the same)")
    parser.add_argument("--per-token", help="words of bilens's two models, of the reference's two")
    parser.add_argument("--only", default="hosvd,diff,ablate,truncate")
    parser.add_argument("--csv")
    a = parser.parse_args()
    environment = dict(os.environ, OMP_NUM_THREADS=str(a.threads))
    if a.per_token:
        per_token(a, environment)
        return
    corpus = ["--corpus", a.corpus, "--stories", a.stories]
    # 20 controls: the reference's ablation knows no controls, so it runs once and is charged once; ours runs with 20 + 20 of them
    verbs = {"hosvd": ([a.model], []), "diff": ([a.model, a.other or a.model], []),
             "ablate": ([a.model, *corpus, "--token", a.token, "--eigs=-1,-2,0,1"], ["--controls", "20"]),
             "truncate": ([a.model, *corpus], ["--no-controls"])}
    rows = []
    for verb in a.only.split(","):
        common, own = verbs[verb]
        mine = [a.bilens, verb, *common, *own, "--threads", str(a.threads), "--quiet", "--format", "json"]
        peer = [a.python, os.path.join(a.reference, "evidence.py"), verb, *common, "--threads", str(a.threads)]
        (seconds, processor, peak, ours), (other, other_processor, memory, theirs) = turns(mine, peer, a.rounds, environment)
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
