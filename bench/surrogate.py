#!/usr/bin/env python3
"""Speed of fitting surrogates: `bilens surrogate` beside numpy on the same layers, texts and threads, in turns.

    bench/surrogate.py MODEL.gguf CORPUS [--bilens build/bilens] [--layers 0,15,29] [--stories 20] [--threads 2] [--rounds 2]

numpy's side is transformers' forward pass in float32 with the MLPs' inputs kept, then the least squares per unit, all units at once, in float64, the
linear map, and R² on the held-out stories. bilens' side is the whole command, which measures the losses with each layer replaced, too. R² must agree.
Of a llama (SmolLM2, Llama 3); needs `pip install torch transformers gguf`. Prints CSV; processor seconds beside those of the clock."""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("corpus")
parser.add_argument("--bilens", default="build/bilens")
parser.add_argument("--layers", default="0,15,29")
parser.add_argument("--stories", type=int, default=20)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--rounds", type=int, default=2)
o = parser.parse_args()
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(o.threads)

import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

torch.set_num_threads(o.threads)
layers = [int(i) for i in o.layers.split(",")]
folder = pathlib.Path(tempfile.mkdtemp())
stories = [s.strip() for s in open(o.corpus).read().split("<|endoftext|>") if s.strip()][:o.stories]
fit, held = stories[len(stories) // 10:], stories[:len(stories) // 10] or stories[:1]
for name, part in (("fit", fit), ("held", held)):
    (folder / f"{name}.txt").write_text("\n<|endoftext|>\n".join(part))
path = pathlib.Path(o.model).resolve()
model = transformers.AutoModelForCausalLM.from_pretrained(str(path.parent), gguf_file=path.name, dtype=torch.float32).eval()


def ids_of(text):
    return json.loads(subprocess.run([o.bilens, "tokenize", "--tokenizer", o.model, "--text", text, "--format", "json"], capture_output=True, text=True,
                                     check=True).stdout)["ids"]


texts = {"fit": [ids_of(s) for s in fit], "held": [ids_of(s) for s in held]}


def inputs(which):
    """{layer: the MLP's inputs, the norm's weight not folded [N, d]} at positions 1 and up."""
    kept = {i: [] for i in layers}
    hooks = [model.model.layers[i].mlp.register_forward_pre_hook(lambda module, given, i=i: kept[i].append(given[0][0, 1:].numpy())) for i in layers]
    with torch.no_grad():
        for ids in texts[which]:
            model.model(torch.tensor([ids]), use_cache=False)
    for hook in hooks:
        hook.remove()
    return {i: np.concatenate(rows).astype(np.float64) for i, rows in kept.items()}


def terms(a, b):
    return [np.ones_like(a), a, b, a * b, a * a, b * b]


def fit_layer(i, x, held):
    mlp = model.model.layers[i].mlp
    left, right, out = (m.weight.detach().numpy().astype(np.float64) for m in (mlp.gate_proj, mlp.up_proj, mlp.down_proj))

    def units(x):
        g, u = x @ left.T, x @ right.T
        return g, u, g / (1 + np.exp(-g)) * u

    g, u, value = units(x)
    mg, sg, mu, su = g.mean(0), g.std(0), u.mean(0), u.std(0)
    f, n, h = terms((g - mg) / sg, (u - mu) / su), len(x), g.shape[1]
    normal, right_side = np.empty((h, 6, 6)), np.empty((h, 6))
    for j in range(6):
        right_side[:, j] = (f[j] * value).mean(0)
        for k in range(j, 6):
            normal[:, j, k] = normal[:, k, j] = (f[j] * f[k]).mean(0)
    c = np.linalg.solve(normal + 1e-6 * np.diag([0, 1, 1, 1, 1, 1]), right_side[..., None])[..., 0].T

    def quadratic(g, u):
        return sum(c[t] * term for t, term in enumerate(terms((g - mg) / sg, (u - mu) / su))) @ out.T

    y = value @ out.T
    residual, m = y - quadratic(g, u), x.mean(0)
    z = x - m
    scatter = z.T @ z
    linear = np.linalg.solve(scatter + 1e-2 * np.trace(scatter) / len(scatter) * np.eye(len(scatter)), z.T @ (residual - residual.mean(0)))
    g, u, value = units(held)
    y = value @ out.T
    left_over = y - quadratic(g, u) - (held - m) @ linear - residual.mean(0)
    return 1 - (left_over ** 2).sum() / ((y - y.mean(0)) ** 2).sum()


def theirs():
    began, cpu = time.perf_counter(), time.process_time()
    x, held = inputs("fit"), inputs("held")
    r2 = [fit_layer(i, x[i], held[i]) for i in layers]
    return time.perf_counter() - began, time.process_time() - cpu, r2


def ours():
    began, cpu = time.perf_counter(), os.times()
    out = subprocess.run([o.bilens, "surrogate", o.model, "--corpus", folder / "fit.txt", "--valid", folder / "held.txt", "--layers", o.layers, "--threads",
                          str(o.threads), "-o", folder / "s.safetensors", "--format", "json", "--quiet"], capture_output=True, text=True, check=True).stdout
    used = os.times()
    return (time.perf_counter() - began, used.children_user + used.children_system - cpu.children_user - cpu.children_system,
            [layer["r2"] for layer in json.loads(out)["layers"]])


rounds = [(*ours(), *theirs()) for _ in range(o.rounds)]
for ours_r2, theirs_r2 in zip(rounds[0][2], rounds[0][5]):
    assert abs(ours_r2 - theirs_r2) < 5e-3, (rounds[0][2], rounds[0][5])
best = [min(r[i] for r in rounds) for i in (0, 1, 3, 4)]
positions = sum(len(ids) - 1 for ids in texts["fit"])
print("side,layers,positions,seconds,processor seconds")
print(f"bilens,{len(layers)},{positions},{best[0]:.2f},{best[1]:.2f}")
print(f"numpy {np.__version__},{len(layers)},{positions},{best[2]:.2f},{best[3]:.2f}")
print(f"ratio,,,{best[2] / best[0]:.2f},{best[3] / best[1]:.2f}")
