#!/usr/bin/env python3
"""Image training beside PyTorch, in one run: images per second of the paper's recipe (batch 2048), for widths, noise and threads: bilens in
float32 and bfloat16 beside PyTorch in float32, in bfloat16 (autocast) and by torch.compile, the best of them named.

    images.py [--images /usr/share/datasets/fashion-mnist] [--steps 12] [--rounds 3]      prints the rows of docs/speed.md
    images.py peer WIDTH NOISE BATCH STEPS THREADS [bf16] [compile]                       PyTorch's side alone

Both sides alternate; of each the best step counts, by the wall clock and by processor time, which a busy machine spoils less.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import time

import kernels  # (also the environment of all that is run)

here = os.path.dirname(os.path.abspath(__file__))
build = os.environ.get("BUILD", os.path.join(os.path.dirname(here), "build"))
python = os.environ.get("BENCH_PYTHON", sys.executable)


def peer(width, noise, batch, steps, threads, half, compiled):
    """One training step of the recipe in PyTorch, as the authors write it."""
    import torch
    import torch.nn.functional as F
    torch.set_num_threads(threads)
    uniform = lambda rows, fan: ((2 * torch.rand(rows, fan) - 1) / fan ** 0.5).requires_grad_()
    e, w, u = uniform(width, 784), uniform(2 * width, width), uniform(10, width)
    optimiser = torch.optim.AdamW([e, w, u], lr=1e-3, weight_decay=0.5)
    x, y, order = torch.rand(20000, 784), torch.randint(10, (20000,)), torch.randperm(20000)
    best = [float("inf"), float("inf")]

    def loss_of(picture, rows):
        left, right = F.linear(F.linear(picture, e), w).chunk(2, -1)
        return F.cross_entropy(F.linear(left * right, u).float(), y[rows])

    if compiled:
        loss_of = torch.compile(loss_of)
    for step in range(steps):
        start = time.perf_counter(), time.process_time()
        rows = order[:batch]
        picture = x[rows]
        if noise:
            picture = picture + noise * torch.randn(picture.shape)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = loss_of(picture, rows)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        best = [min(b, now - s) for b, now, s in zip(best, (time.perf_counter(), time.process_time()), start)]
    return dict(images_per_second=batch / best[0], images_per_processor_second=batch / best[1],
                mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def run(command, threads):
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"bench: {command}: {done.stderr}")
    return json.loads(done.stdout)


def best_of(runs):
    return {key: (min if key == "mb" else max)(r[key] for r in runs) for key in ("images_per_second", "images_per_processor_second", "mb")}


OURS = {"float32": [], "bfloat16": ["bf16"]}
THEIRS = {"float32": [], "bfloat16": ["bf16"], "float32 compiled": ["compile"], "bfloat16 compiled": ["bf16", "compile"]}


def sides(args, width, noise, threads):
    """The best runs of every way, ours and theirs; a way that does not work here is left out."""
    ours, theirs = {}, {}
    for round_ in range(args.rounds):
        for way, extra in OURS.items():
            done = run([os.path.join(build, "bench", "image_speed"), args.images, width, noise, 2048, args.steps, *extra], threads)
            if done["images_per_second"]:
                ours.setdefault(way, []).append(done)
        for way, extra in THEIRS.items():
            if "compile" in extra and (round_ or not args.compile):
                continue
            try:
                theirs.setdefault(way, []).append(run([python, __file__, "peer", width, noise, 2048, args.steps, threads, *extra], threads))
            except SystemExit:
                print(f"{way} does not work here", file=sys.stderr, flush=True)
    return ours, theirs


def print_row(args, width, noise, threads, ours, theirs):
    best = lambda side: {way: best_of(runs) for way, runs in side.items() if runs}
    a, b = best(ours), best(theirs)
    missing = lambda side, way: "no bfloat16" if side is a else "does not work" if args.compile or "compiled" not in way else "not measured"
    speed = lambda side, way: f"{side[way]['images_per_second'] / 1e3:.1f}k" if way in side else missing(side, way)
    key = "images_per_second"
    mine, peers = max(a, key=lambda k: a[k][key]), max(b, key=lambda k: b[k][key])
    used = "images_per_processor_second"
    most = max(a[way][used] for way in a) / max(b[way][used] for way in b)
    cells = [width, noise, threads, *(speed(a, way) for way in OURS), *(speed(b, way) for way in THEIRS), f"{a[mine][key] / b[peers][key]:.2f} ({peers})", f"{most:.2f}",
             f"{a[mine]['mb']:.0f} / {b[peers]['mb']:.0f}"]
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def main():
    if sys.argv[1:2] == ["peer"]:
        width, noise, batch, steps, threads = sys.argv[2:7]
        print(json.dumps(peer(int(width), float(noise), int(batch), int(steps), int(threads), "bf16" in sys.argv, "compile" in sys.argv)))
        return
    p = argparse.ArgumentParser()
    p.add_argument("--images", default="/usr/share/datasets/fashion-mnist")
    p.add_argument("--widths", default="64,256,512")
    p.add_argument("--threads", default="1,2")
    p.add_argument("--noise", default="0,0.5")
    p.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    p.add_argument("--steps", type=int, default=12)
    p.add_argument("--rounds", type=int, default=3)
    args = p.parse_args()
    print("| d | noise | threads | bilens, images/s | bfloat16 | PyTorch | bfloat16 | compiled | both | ratio to the best | by processor time | MB, bilens / best |")
    print("|" + "---|" * 12)
    for threads in map(int, args.threads.split(",")):
        for width in map(int, args.widths.split(",")):
            for noise in map(float, args.noise.split(",")):
                print_row(args, width, noise, threads, *sides(args, width, noise, threads))
    print(f"\n{kernels.peaks()}")
    print(f"\nLoad average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")


if __name__ == "__main__":
    main()
