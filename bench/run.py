#!/usr/bin/env python3
"""make bench: bilens beside PyTorch, in one run, on the same input. Verifies results before it times, writes build/bench/results.csv and the
table in docs/speed.md (between its markers). Ratios are of medians; the spread is the range of the repetitions' own ratios.

    run.py [--repetitions 5] [--stories 16384] [--peer-stories 200] [--corpus FILE] [--only NAME,NAME]

The paper's size: V 4096, d 1024, h 3072, H 8, T 256, random weights. The corpus: ../shared/corpus/train.txt where it is, else data/stories.txt
as often as needed.
"""
import argparse
import csv
import json
import os
import resource
import statistics
import struct
import subprocess
import sys
import time

import kernels  # noqa: F401  (the environment of all that is run)

here = os.path.dirname(os.path.abspath(__file__))
top = os.path.dirname(here)
build = os.environ.get("BUILD", os.path.join(top, "build"))
work = os.path.join(build, "bench")
bilens = os.path.join(build, "bilens")
python = os.environ.get("BENCH_PYTHON", sys.executable)
rows = []


def run(*command):
    """Seconds, peak memory in MB and standard output of a command."""
    start = time.perf_counter()
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"bench: {' '.join(map(str, command))} failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1024, out


def peer(*arguments):
    return json.loads(run(python, os.path.join(here, "reference.py"), *arguments)[2])


def add(name, ours, theirs, target, our_mb=None, peer_mb=None, note="", flops=None):
    """A row: lists of seconds, one per repetition, theirs already scaled to the same work; flops: what bilens's way needs."""
    ratio = statistics.median(theirs) / statistics.median(ours)
    pairs = [b / a for a, b in zip(ours, theirs)]
    rows.append(dict(work=name, bilens_s=statistics.median(ours), peer_s=statistics.median(theirs), ratio=ratio, low=min(pairs), high=max(pairs), target=target,
                     bilens_mb=our_mb, peer_mb=peer_mb, note=note, flops=flops))
    print(f"{name}: bilens {rows[-1]['bilens_s']:.4g} s, peer {rows[-1]['peer_s']:.4g} s, ratio {ratio:.2f} ({min(pairs):.2f} … {max(pairs):.2f}), target {target}", flush=True)


def make_inputs(args):
    os.makedirs(work, exist_ok=True)
    model = os.path.join(work, "seed-size")
    shared = os.path.join(top, "..", "shared")
    own = os.path.join(top, "data", "stories-1-256", "tokenizer.json")
    tokenizer = own if os.path.exists(own) else os.path.join(shared, "models", "ts-1-256", "tokenizer.json")
    run(os.path.join(work, "random_model"), model, tokenizer)
    source = args.corpus or os.path.join(shared, "corpus", "train.txt")
    if not os.path.exists(source):
        source = os.path.join(top, "data", "stories.txt")
    stories = [s.strip() for s in open(source, encoding="utf-8").read().split("<|endoftext|>")]
    stories = [s for s in stories if s]
    paths = {}
    for n in sorted({1024, 4096, args.stories, args.peer_stories}):
        paths[n] = os.path.join(work, f"stories-{n}.txt")
        with open(paths[n], "w", encoding="utf-8") as f:
            f.write("\n<|endoftext|>\n".join(stories[i % len(stories)] for i in range(n)) + "\n")
    ids = os.path.join(work, "ids.jsonl")
    open(ids, "wb").write(run(bilens, "tokenize", model, "--corpus", paths[args.peer_stories], "--format", "json")[2])
    return model, paths, ids


def write_vectors(model, eigs):
    """The eigenvectors asked for, by way of a report's eigenvectors.npy, as an .npy of their own [J, d]."""
    report = os.path.join(work, "report")
    run(bilens, "report", model, "--no-evidence", "--token", "swim", "--corpus", os.path.join(work, "stories-1024.txt"), "--stories", "8", "-o", report)
    raw = open(os.path.join(report, "eigenvectors.npy"), "rb").read()
    start = 10 + struct.unpack("<H", raw[8:10])[0]
    d = int(json.load(open(os.path.join(model, "config.json")))["d_model"])
    data = b"".join(raw[start + (i % d) * 4 * d:start + (i % d + 1) * 4 * d] for i in eigs)
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({len(eigs)}, {d}), }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    path = os.path.join(work, "vectors.npy")
    open(path, "wb").write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data)
    return path


def shape_of(model):
    c = json.load(open(os.path.join(model, "config.json")))
    return c["n_vocab"], c["d_model"], c["d_hidden"], c["n_head"], c["n_ctx"]


def scan_flops(model, path, J):
    """Scores and tau over the causal pairs of every story, and the tables."""
    V, d, h, H, T = shape_of(model)
    lines = run(bilens, "tokenize", model, "--corpus", path, "--format", "json")[2].decode().splitlines()
    pairs = sum(n * (n + 1) / 2 for n in (min(T, len(json.loads(line)["ids"])) for line in lines))
    return 2 * pairs * (d + H * J) + 2 * V * d * (2 * d + H * J + J)


def bench_scan(args, model, paths, ids):
    eigs = list(range(20)) + list(range(-20, 0))
    option = "--eigs=" + ",".join(map(str, eigs))
    vectors = write_vectors(model, eigs)
    scan = lambda n, *more: run(bilens, "scan", model, "--corpus", paths[n], "--token", "swim", option, "--quiet", *more)
    # verified equal before they are timed
    mine = json.loads(scan(args.peer_stories, "--format", "json")[2])
    theirs = peer("scan", model, ids, vectors, args.peer_stories)
    for vector, matches in zip(mine["vectors"], theirs["matches"]):
        for a, (story, position, square) in zip(vector["matches"], matches):
            same = (a["story"], a["position"]) == (story, position) or abs(a["similarity"] ** 2 - square) < 1e-5 * square
            if not same or abs(a["similarity"] ** 2 - square) > 1e-4 * square:
                sys.exit(f"bench: scan differs from the peer: {a['story']}, {a['position']}, {a['similarity'] ** 2} against {story}, {position}, {square}")
    scale = args.stories / args.peer_stories
    ours, whole, kind, mb, peer_mb, kind_mb = [], [], [], 0, 0, 0
    for _ in range(args.repetitions):
        seconds, used, _ = scan(args.stories, "-o", os.path.join(work, "scan.txt"))
        a, b = peer("scan", model, ids, vectors, args.peer_stories), peer("scan-in", model, ids, vectors, args.peer_stories)
        ours.append(seconds), whole.append(a["seconds"] * scale), kind.append(b["seconds"] * scale)
        mb, peer_mb, kind_mb = max(mb, used), max(peer_mb, a["peak_mb"]), max(kind_mb, b["peak_mb"])
    flops = scan_flops(model, paths[args.stories], len(eigs))
    note = f"peer timed on {args.peer_stories} stories and scaled; bilens is the whole process"
    add(f"scan of {args.stories} stories, 40 eigenvectors, notebook's way", ours, whole, "100", mb, peer_mb, note, flops)
    add(f"scan of {args.stories} stories, 40 eigenvectors, kinder (stops at the MLP's input)", ours, kind, "25", mb, kind_mb, note, flops)
    # linear in the number of stories, the fixed cost taken off
    times = {n: statistics.median(scan(n, "-o", os.path.join(work, "scan.txt"))[0] for _ in range(3)) for n in (1024, 4096, args.stories)}
    slope = [(times[4096] - times[1024]) / 3072, (times[args.stories] - times[4096]) / max(1, args.stories - 4096)]
    print(f"scan seconds: {times}; seconds per story: {slope[0]:.3g}, {slope[1]:.3g} (ratio {slope[1] / slope[0]:.3f})", flush=True)
    rows.append(dict(work="scan time per story, 4k to 16k over 1k to 4k (1 = linear)", bilens_s=slope[1], peer_s=slope[0], ratio=slope[1] / slope[0], low=None, high=None,
                     target="0.9 to 1.1", bilens_mb=None, peer_mb=None, note=json.dumps(times)))


def bench_eigen(args, model):
    n = max(5, args.repetitions)
    ours = [json.loads(line) for line in run(os.path.join(work, "eigen_speed"), model, "swim", n)[2].decode().splitlines()]
    theirs = peer("eigen", model, "swim", n)
    mine = json.loads(run(bilens, "eigen", model, "--token", "swim", "--format", "json")[2])["eigenvalues"]
    largest = max(abs(x) for x in theirs["values"])
    if any(abs(a - b) > 1e-5 * largest for a, b in zip(mine, theirs["values"])):
        sys.exit("bench: eigenvalues differ from the peer")
    r = theirs["repetitions"]
    V, d, h, H, _ = shape_of(model)
    product, reduction, back = 2 * h * d * d, 4 / 3 * d ** 3, 2 * d ** 3
    add("Q_u + all eigenpairs, one direction", [x["interaction+eigh"] for x in ours], [x["eigen"] for x in r], "1", flops=product + reduction + 4 / 3 * d ** 3 + back)
    add("Q_u + 8 extreme eigenpairs, against Q_u + eigh", [x["interaction+extremes"] for x in ours], [x["eigen"] for x in r], "2", flops=product + reduction)
    tokens = 2 * V * d * (1 + H) + 2 * d * d + 2 * d * d
    add("virtual tokens of one eigenvector, notebook's OVE einsum", [x["virtual_tokens"] for x in ours], [x["virtual_tokens_notebook"] for x in r], "50", flops=tokens)
    add("virtual tokens of one eigenvector, kinder order of products", [x["virtual_tokens"] for x in ours], [x["virtual_tokens_kind"] for x in r], "", flops=tokens)
    commands = [run(bilens, "eigen", model, "--token", "swim", "-o", os.path.join(work, "eigen.txt"))[0] for _ in range(n)]
    print(f"bilens eigen, whole command: {statistics.median(commands):.3f} s", flush=True)


def bench_atlas(args, model):
    """The atlas's two parts: decomposing every token (some timed, scaled to all), and scanning for thousands of eigenvectors."""
    V, d, h, H, _ = shape_of(model)
    m, ours, theirs = 64, [], []
    for _ in range(min(3, args.repetitions)):
        mine = json.loads(run(os.path.join(work, "decomposer_speed"), model, m, 4, "held")[2])
        other = peer("loop", model, 16)
        for a, b in zip(mine["extremes"], other["extremes"]):
            if max(abs(x - y) for x, y in zip(a, b)) > 1e-5 * max(map(abs, b)):
                sys.exit(f"bench: the atlas's eigenvalues differ from the peer's: {a} against {b}")
        ours.append(mine["wall_prepare"] + V * mine["wall_a_direction"])
        theirs.append(V * other["seconds"])
    half = d * (d + 1) // 2
    add(f"atlas of {V} tokens without the scan, against the eigh loop", ours, theirs, "3", note=f"{m} directions timed, the peer's 16, and scaled",
        flops=2 * half * d * (h + V) + V * 4 / 3 * d ** 3)
    J, stories, tokens, shares, seconds, wall = 32768, 512, 200, [], [], []
    for _ in range(2):
        result = json.loads(run(os.path.join(work, "sweep_speed"), model, J, stories, tokens)[2])
        shares.append(result["share"]), wall.append(result["wall"])
    print(f"atlas scan: {wall} s, shares of the sgemm's speed {shares}", flush=True)
    rows.append(dict(work=f"atlas scan, {J} eigenvectors x {stories} stories of {tokens} tokens: share of sgemm's speed, in one run", bilens_s=statistics.median(wall), peer_s=None,
                     ratio=statistics.median(shares), low=min(shares), high=max(shares), target="0.75", bilens_mb=None, peer_mb=None, note="", flops=2 * J * stories * tokens * d))


def small_vocabulary(model, words):
    """A model of the same shape with the first so many of its tokens: truncation over all tokens takes time in proportion to them."""
    path, tokenizer = os.path.join(work, f"model-{words}"), os.path.join(work, f"tokenizer-{words}.json")
    root = json.load(open(os.path.join(model, "tokenizer.json"), encoding="utf-8"))
    root["model"]["vocab"] = {token: i for token, i in root["model"]["vocab"].items() if i < words}
    json.dump(root, open(tokenizer, "w", encoding="utf-8"))
    _, d, h, H, _ = shape_of(model)
    run(os.path.join(work, "random_model"), path, tokenizer, d, h, H, 1, words)
    return path


def bench_evidence(args, model, paths):
    """truncate, ablate, hosvd, diff beside the slow reference (bench/evidence.py); truncate over 256 tokens instead of 4,096, for which the
    reference would take half an hour."""
    reference = os.path.join(top, "..", "shared", "reference")
    if not os.path.exists(os.path.join(reference, "evidence.py")):
        print("  no reference for evidence here: ../shared/reference/evidence.py", flush=True)
        return
    table, words = os.path.join(work, "evidence.csv"), 256
    wanted = {"truncate": "20", "ablate": "10", "hosvd": "3", "diff": "3"}
    for subject, verbs, stories in ((model, "hosvd,diff,ablate", 8), (small_vocabulary(model, words), "truncate", 64)):
        run(python, os.path.join(here, "evidence.py"), reference, subject, paths[args.peer_stories], "--stories", stories, "--bilens", bilens, "--python", python, "--only", verbs,
            "--csv", table)
        for row in csv.DictReader(open(table, newline="")):
            name = {"truncate": f"truncate over {words} tokens, {stories} stories", "ablate": f"ablate with 20 + 20 controls, {stories} stories"}.get(row["verb"], row["verb"])
            add(f"{name}, beside the slow reference", [float(row["bilens"])], [float(row["pytorch"]) * int(row["runs"])], wanted[row["verb"]], float(row["peak_mb"]),
                float(row["pytorch_mb"]), f"whole commands; by processor time {row['ratio_processor']}; of ablate the peer's one ablation times 41")


def bench_report(args, model, paths):
    seconds, mb = [], 0
    for _ in range(min(3, args.repetitions)):
        s, used, _ = run(bilens, "report", model, "--no-evidence", "--token", "swim", "--minus", "run,climb,eat,see,smell,walk,fly,sit,sleep", "--corpus", paths[args.stories], "-o",
                         os.path.join(work, "report-full"))
        seconds.append(s)
        mb = max(mb, used)
    print(f"report on {args.stories} stories: {statistics.median(seconds):.1f} s, {mb:.0f} MB", flush=True)
    rows.append(dict(work=f"report on {args.stories} stories, process start to files written", bilens_s=statistics.median(seconds), peer_s=None, ratio=None, low=min(seconds),
                     high=max(seconds), target="60 s, 1 GB", bilens_mb=mb, peer_mb=None, note=""))


def bench_train(args):
    """Whole AdamW steps on the same weights and batch, bilens and PyTorch in turn; both must arrive at the same loss."""
    import shutil
    start = os.path.join(work, "train.bin")
    for d, h, stories, ratio, share in ((256, 768, 16, "1.5", "0.55"), (512, 1536, 8, "1.2", "0.70")):
        noisy = None  # bilens with noise, for the comparison with torch.compile below
        for noise in ("0.33", "0"):
            shape = [d, h, 8, 1, 4096, stories, 256, noise, 12, start]
            ours, theirs, shares = [], [], []
            for _ in range(args.repetitions):
                theirs.append(json.loads(run(python, os.path.join(here, "train_reference.py"), *shape)[2]))
                ours.append(json.loads(run(os.path.join(work, "train_speed"), *shape)[2]))
                shares.append(ours[-1]["share_of_peak"])
            if abs(ours[-1]["loss"] / theirs[-1]["loss"] - 1) > (1e-4 if noise == "0" else 1e-2):
                sys.exit(f"bench: after the same steps the loss is {ours[-1]['loss']}, the peer's {theirs[-1]['loss']}")
            name = f"training step, d {d}, {stories} x 256 tokens, " + ("noise 0.33 (the paper's recipe)" if noise != "0" else "no noise")
            noisy = noisy or statistics.median(r["seconds_per_step"] for r in ours)
            rate = lambda runs: f"{statistics.median(r['tokens_per_second'] for r in runs) / 1e3:.1f}k tokens/s"
            add(name, [r["seconds_per_step"] for r in ours], [r["seconds_per_step"] for r in theirs], ratio, note=f"{rate(ours)} against {rate(theirs)}")
            rows.append(dict(work=f"{name}: {rate(ours)} against {rate(theirs)}; share of sgemm peak", bilens_s=rows[-1]["bilens_s"], peer_s=None,
                             ratio=statistics.median(shares), low=min(shares), high=max(shares), target=share, bilens_mb=None, peer_mb=None, note=""))
            print(f"  {rate(ours)} against {rate(theirs)}, {statistics.median(shares):.0%} of the sgemm peak", flush=True)
        if shutil.which("cc") or shutil.which("gcc"):
            try:
                compiled = json.loads(run(python, os.path.join(here, "train_reference.py"), d, h, 8, 1, 4096, stories, 256, "0.33", 12, start, "compile")[2])
                add(f"training step, d {d}, against torch.compile, noise 0.33", [noisy], [compiled["seconds_per_step"]], "")
            except SystemExit:
                print("  torch.compile does not work here", flush=True)


def bench_precision(args):
    """The same step in float32 and bfloat16 on both sides, in turn, PyTorch's by torch.compile too: the better of ours beside the best of PyTorch's."""
    start = os.path.join(work, "train.bin")
    for d, h, stories, asked in ((256, 768, 16, "1.8"), (512, 1536, 8, "1.4"), (1024, 3072, 4, "1.2")):
        shape = [d, h, 8, 1, 4096, stories, 256, "0.33", 8, start]
        ours, theirs = {}, {}
        for _ in range(args.repetitions):
            for kind in ("float32", "bfloat16"):
                extra = ["bf16"] if kind == "bfloat16" else []
                theirs.setdefault(kind, []).append(json.loads(run(python, os.path.join(here, "train_reference.py"), *shape, *extra)[2]))
                ours.setdefault(kind, []).append(json.loads(run(os.path.join(work, "train_speed"), *shape, *extra)[2]))
        for kind in ("float32", "bfloat16"):
            try:
                theirs[kind + " compiled"] = [json.loads(run(python, os.path.join(here, "train_reference.py"), *shape, "compile", *(["bf16"] if kind == "bfloat16" else []))[2])]
            except SystemExit:
                print(f"  torch.compile does not work here in {kind}", flush=True)
        without = ""
        if not ours["bfloat16"][0]["tokens_per_second"]:
            without = "; this processor multiplies no bfloat16"
            del ours["bfloat16"]
        elif abs(ours["bfloat16"][-1]["loss"] / ours["float32"][-1]["loss"] - 1) > 1e-2:
            sys.exit(f"bench: after the same steps bfloat16's loss is {ours['bfloat16'][-1]['loss']}, float32's {ours['float32'][-1]['loss']}")
        speed = lambda runs: statistics.median(r["tokens_per_second"] for r in runs)
        mine, peers = max(ours, key=lambda k: speed(ours[k])), max(theirs, key=lambda k: speed(theirs[k]))
        said = lambda side: ", ".join(f"{kind} {speed(runs) / 1e3:.2f}k" for kind, runs in side.items())
        shares = ", ".join(f"{statistics.median(r['share_of_peak'] for r in runs):.0%} of the {kind} peak of {runs[-1]['peak'] / 1e9:.0f} GFLOP/s" for kind, runs in ours.items())
        add(f"training step, d {d}, {stories} x 256 tokens, the fastest of both (bilens {mine}, PyTorch {peers}{without})",
            [r["seconds_per_step"] for r in ours[mine]], [theirs[peers][i % len(theirs[peers])]["seconds_per_step"] for i in range(args.repetitions)], asked,
            note=f"tokens/s: bilens {said(ours)}; PyTorch {said(theirs)}; {shares}")
        print(f"  {rows[-1]['note']}", flush=True)


results = os.path.join(work, "results.csv")


def merge_earlier():
    """With --only: rows that were not measured now stay as an earlier run left them, in their place."""
    if not os.path.exists(results):
        return
    numbers = ("bilens_s", "peer_s", "ratio", "low", "high", "bilens_mb", "peer_mb", "flops", "share_of_peak")
    with open(results, newline="") as f:
        earlier = [{k: (float(v) if v else None) if k in numbers else v for k, v in row.items()} for row in csv.DictReader(f)]
    now = {row["work"]: row for row in rows}
    merged = [now.pop(row["work"], row) for row in earlier] + [row for row in rows if row["work"] not in {e["work"] for e in earlier}]
    rows[:] = merged


def write_results(peak):
    for r in rows:
        r.setdefault("flops", None)
        r["share_of_peak"] = r["flops"] / r["bilens_s"] / peak if r["flops"] else None
        if r["share_of_peak"] and r["share_of_peak"] > 1:
            sys.exit(f"bench: {r['work']}: {r['share_of_peak']:.0%} of the sgemm peak: it was measured while others used the machine; run it on an idle one")
    merge_earlier()
    with open(results, "w", newline="") as f:
        writer = csv.DictWriter(f, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    show = lambda x, form="{:.3g}": "" if x is None else ("{:.0f}" if x >= 1000 else form).format(x)
    lines = ["| work | bilens | peer | ratio (spread) | asked | peak MB, bilens / peer | GFLOP needed, share of peak |", "|---|---|---|---|---|---|---|"]
    for r in rows:
        spread = f" ({show(r['low'])} … {show(r['high'])})" if r["low"] is not None else ""
        lines.append(f"| {r['work']} | {show(r['bilens_s'])} s | {show(r['peer_s']) + ' s' if r['peer_s'] else ''} | {show(r['ratio'])}{spread} | {r['target']} | "
                     f"{show(r['bilens_mb'], '{:.0f}')}{' / ' + show(r['peer_mb'], '{:.0f}') if r['peer_mb'] else ''} | "
                     f"{show(r['flops'] / 1e9) + ', ' + show(100 * r['share_of_peak'], '{:.0f} %') if r['flops'] else ''} |")
    import torch
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    lines.append(f"\n{cpu}, {os.cpu_count()} cores, sgemm peak {peak / 1e9:.0f} GFLOP/s (measured), PyTorch {torch.__version__}.")
    path = os.path.join(top, "docs", "speed.md")
    if not os.path.exists(path):
        return
    text = open(path, encoding="utf-8").read()
    begin, end = "<!-- bench: begin -->", "<!-- bench: end -->"
    if begin in text and end in text:
        text = text[:text.index(begin) + len(begin)] + "\n" + "\n".join(lines) + "\n" + text[text.index(end):]
        open(path, "w", encoding="utf-8").write(text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--stories", type=int, default=16384)
    parser.add_argument("--peer-stories", type=int, default=200)
    parser.add_argument("--corpus")
    parser.add_argument("--only", default="eigen,atlas,scan,evidence,report,train,precision,ranks")
    args = parser.parse_args()
    model, paths, ids = make_inputs(args)
    peak = float(run(os.path.join(work, "peak"))[2])
    print(f"sgemm peak: {peak / 1e9:.0f} GFLOP/s; load average {os.getloadavg()[0]:.2f}", flush=True)
    only = args.only.split(",")
    try:
        if "eigen" in only:
            bench_eigen(args, model)
        if "atlas" in only:
            bench_atlas(args, model)
        if "scan" in only:
            bench_scan(args, model, paths, ids)
        if "evidence" in only:
            bench_evidence(args, model, paths)
        if "report" in only:
            bench_report(args, model, paths)
        if "precision" in only:
            bench_precision(args)
        if "train" in only:
            bench_train(args)
        if "ranks" in only:
            import ranks
            for name, two, one in ranks.bench(model, paths[args.stories], work, min(3, args.repetitions)):
                add(name, two, one, "1.8", note="the peer is bilens, one rank")
    finally:  # what was measured before a failure stays
        if rows:
            write_results(peak)


main()
