#!/usr/bin/env python3
"""Dictionaries beside PyTorch, in one run: training steps on the same vectors, and the form of one feature in 16,384 input features.

    dictionary.py [--steps N] [--repetitions N] [--only train,features] [--processor-time]

Training: each repetition runs both sides one after the other; the losses of the first steps must agree. The peer is the recipe in dense products
(as PyTorch users write it), in float32, in bfloat16 (autocast), and with the decoder and its gradient gathered sparsely; the best is named. One
feature: Q, its eigenpairs, I = F' Q F'^T, the ten highest and lowest self-interactions and pairs, against torch doing the same. Uses the build in
$BUILD. --processor-time: one thread each, and its time instead of the clock's, for a machine on which others work.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import kernels  # noqa: I001  (before anything that loads a BLAS)
import numpy as np
import torch

here = os.path.dirname(os.path.abspath(__file__))
build = os.environ.get("BUILD", os.path.join(os.path.dirname(here), "build"))
work = os.path.join(build, "bench")


def ours(F, d, k, batch, steps, precision, path):
    out = subprocess.run([os.path.join(build, "bench", "dictionary_speed"), *map(str, (F, d, k, batch, steps)), precision, path], capture_output=True, text=True)
    return json.loads(out.stdout) if out.returncode == 0 else None


def theirs(x, F, k, batch, steps, way):
    n, d = x.shape
    c = x.mean(0)
    D = x[torch.arange(F) * 7919 % n] - c
    D = D / D.norm(dim=1, keepdim=True)
    W = [torch.nn.Parameter(D.clone()), torch.nn.Parameter(D.clone()), torch.nn.Parameter(c.clone())]
    adam = torch.optim.Adam(W, lr=1e-3, fused=True)
    losses, begun, cpu = [], 0, 0
    for t in range(steps + 2):
        if t == 2:
            begun, cpu = time.perf_counter(), time.process_time()
        b = x[(t * batch + torch.arange(batch)) * 31 % n]
        adam.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=way == "bfloat16"):
            pre = (b - W[2]) @ W[0].T
            value, index = pre.topk(k, dim=1)
            value = torch.relu(value)
            if way == "sparse":
                hat = torch.nn.functional.embedding_bag(index, W[1], per_sample_weights=value, mode="sum") + W[2]
            else:
                hat = torch.zeros_like(pre).scatter(1, index, value) @ W[1] + W[2]
        loss = (hat.float() - b).pow(2).sum() / batch
        loss.backward()
        adam.step()
        with torch.no_grad():
            W[1].div_(W[1].norm(dim=1, keepdim=True))
        losses.append(float(loss.detach()))
    return dict(losses=losses, seconds=(time.perf_counter() - begun) / steps, processor=(time.process_time() - cpu) / steps)


def training(args):
    for F, d in ((1024, 256), (16384, 256), (1024, 1024), (16384, 1024)):
        steps = max(2, args.steps * 4 // max(4, F * d >> 20))
        x = torch.randn(4 * max(F, 1024), d, generator=torch.Generator().manual_seed(1))
        path = os.path.join(work, "vectors.f32")
        x.numpy().tofile(path)
        found = {}
        for _ in range(args.repetitions):
            for way in ("bilens f32", "bilens bf16", "float32", "bfloat16", "sparse"):
                result = ours(F, d, 16, 1024, steps, way.split()[1], path) if way.startswith("bilens") else theirs(x, F, 16, 1024, steps, way)
                if result:
                    found.setdefault(way, []).append(result)
        first = found["bilens f32"][0]["losses"][0]
        assert abs(first - found["float32"][0]["losses"][0]) < 1e-4 * first, (first, found["float32"][0]["losses"][0])
        seconds = {way: statistics.median(r[args.key] for r in results) for way, results in found.items()}
        mine = min(v for w, v in seconds.items() if w.startswith("bilens"))
        best = min((w for w in seconds if not w.startswith("bilens")), key=seconds.get)
        ratios = [found[best][i][args.key] / found["bilens f32"][i][args.key] for i in range(args.repetitions)]
        print(json.dumps(dict(work="dictionary step", F=F, d=d, k=16, batch=1024, steps=steps, milliseconds={w: round(1e3 * v, 2) for w, v in seconds.items()}, best_peer=best,
                              ratio_float32=round(seconds["float32"] / seconds["bilens f32"], 2), ratio_best=round(seconds[best] / mine, 2),
                              spread=[round(min(ratios), 2), round(max(ratios), 2)])), flush=True)


def one_feature(args):
    """Random model of d 512 and dictionaries of 16,384: what `features --features 0` prints, without the process's start."""
    d, h, F = 512, 1536, 16384
    g = torch.Generator().manual_seed(3)
    L, R, P = (torch.randn(*s, generator=g) / 20 for s in ((h, d), (h, d), (d, h)))
    E, D = (torch.nn.functional.normalize(torch.randn(F, d, generator=g), dim=1) for _ in range(2))
    for name, t in (("l", L), ("r", R), ("p", P), ("e", E), ("f", D)):
        t.numpy().tofile(os.path.join(work, f"one_{name}.f32"))
    mine, peer = [], []
    for _ in range(args.repetitions):
        out = subprocess.run([os.path.join(build, "bench", "feature_speed"), work, str(d), str(h), str(F)], capture_output=True, text=True)
        result = json.loads(out.stdout)
        begun = args.clock()
        u = E[0] @ P
        Q = (L.T * u) @ R
        Q = (Q + Q.T) / 2
        values, vectors = torch.linalg.eigh(Q)
        I = D @ Q @ D.T
        own = I.diagonal()
        own.topk(10), own.topk(10, largest=False)
        upper = torch.triu(I, 1).flatten()
        high, low = upper.topk(10), upper.topk(10, largest=False)
        peer.append(args.clock() - begun)
        mine.append(result[args.key])
        assert abs(result["top"] - float(high.values[0])) < 1e-3 * abs(result["top"]), (result, high.values[0])
        assert abs(result["largest"] - float(values[-1])) < 1e-3 * abs(result["largest"])
        del I, upper
    print(json.dumps(dict(work="one feature in 16,384", d=d, bilens_s=round(statistics.median(mine), 3), torch_s=round(statistics.median(peer), 3),
                          ratio=round(statistics.median(peer) / statistics.median(mine), 2), spread=[round(min(b / a for a, b in zip(mine, peer)), 2), round(max(b / a for a, b in zip(mine, peer)), 2)])),
          flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--only", default="train,features")
    parser.add_argument("--processor-time", action="store_true")
    args = parser.parse_args()
    args.key, args.clock = ("processor", time.process_time) if args.processor_time else ("seconds", time.perf_counter)
    if args.processor_time:
        os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    os.makedirs(work, exist_ok=True)
    torch.set_num_threads(1 if args.processor_time else os.cpu_count())
    print(json.dumps(dict(measured=args.key, torch=torch.__version__, threads=torch.get_num_threads(), load=os.getloadavg()[0], peaks=kernels.peaks())), flush=True)
    if "train" in args.only:
        training(args)
    if "features" in args.only:
        one_feature(args)


if __name__ == "__main__":
    main()
