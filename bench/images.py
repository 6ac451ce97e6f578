#!/usr/bin/env python3
"""Image training beside PyTorch, in one run: images per second of the paper's recipe (float32 both, batch 2048), for widths, noise and threads.

    images.py [--images /usr/share/datasets/fashion-mnist] [--steps 12] [--rounds 3]      prints the rows of docs/speed.md
    images.py peer WIDTH NOISE BATCH STEPS THREADS [bf16]                                 PyTorch's side alone

Both sides alternate; of each the best step counts, by the wall clock and by processor time, which a busy machine spoils less.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import time

here = os.path.dirname(os.path.abspath(__file__))
build = os.environ.get("BUILD", os.path.join(os.path.dirname(here), "build"))
python = os.environ.get("BENCH_PYTHON", sys.executable)


def peer(width, noise, batch, steps, threads, half):
    """One training step of the recipe in PyTorch, as the authors write it."""
    import torch
    import torch.nn.functional as F
    torch.set_num_threads(threads)
    uniform = lambda rows, fan: ((2 * torch.rand(rows, fan) - 1) / fan ** 0.5).requires_grad_()
    e, w, u = uniform(width, 784), uniform(2 * width, width), uniform(10, width)
    optimiser = torch.optim.AdamW([e, w, u], lr=1e-3, weight_decay=0.5)
    x, y, order = torch.rand(20000, 784), torch.randint(10, (20000,)), torch.randperm(20000)
    best = [float("inf"), float("inf")]
    for step in range(steps):
        start = time.perf_counter(), time.process_time()
        rows = order[:batch]
        picture = x[rows]
        if noise:
            picture = picture + noise * torch.randn(picture.shape)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            left, right = F.linear(F.linear(picture, e), w).chunk(2, -1)
            loss = F.cross_entropy(F.linear(left * right, u).float(), y[rows])
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


def main():
    if sys.argv[1:2] == ["peer"]:
        width, noise, batch, steps, threads = sys.argv[2:7]
        print(json.dumps(peer(int(width), float(noise), int(batch), int(steps), int(threads), "bf16" in sys.argv)))
        return
    p = argparse.ArgumentParser()
    p.add_argument("--images", default="/usr/share/datasets/fashion-mnist")
    p.add_argument("--widths", default="64,256,512")
    p.add_argument("--threads", default="1,2")
    p.add_argument("--steps", type=int, default=12)
    p.add_argument("--rounds", type=int, default=3)
    args = p.parse_args()
    print("| d | noise | threads | bilens, images/s | PyTorch | ratio | by processor time | PyTorch bfloat16 | MB, bilens / PyTorch |")
    print("|---|---|---|---|---|---|---|---|---|")
    for threads in map(int, args.threads.split(",")):
        for width in map(int, args.widths.split(",")):
            for noise in (0, 0.5):
                ours, theirs, half = [], [], []
                for _ in range(args.rounds):
                    ours.append(run([os.path.join(build, "bench", "image_speed"), args.images, width, noise, 2048, args.steps], threads))
                    other = [python, __file__, "peer", width, noise, 2048, args.steps, threads]
                    theirs.append(run(other, threads))
                half.append(run(other + ["bf16"], threads))
                a, b, c = best_of(ours), best_of(theirs), best_of(half)
                wall, used = (a[key] / b[key] for key in ("images_per_second", "images_per_processor_second"))
                print(f"| {width} | {noise} | {threads} | {a['images_per_second'] / 1e3:.1f}k | {b['images_per_second'] / 1e3:.1f}k | {wall:.2f} | {used:.2f} "
                      f"| {c['images_per_second'] / 1e3:.1f}k | {a['mb']:.0f} / {b['mb']:.0f} |", flush=True)
    print(f"\nLoad average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")


if __name__ == "__main__":
    main()
