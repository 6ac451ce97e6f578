#!/usr/bin/env python3
"""The peer: the same analysis in PyTorch, as the paper's notebook does it (all of it in float32, batch 50, as many threads as PyTorch takes).

    reference.py scan     MODEL IDS.jsonl EIGENVECTORS.npy STORIES     full forward, dense activations, topk
    reference.py scan-in  MODEL IDS.jsonl EIGENVECTORS.npy STORIES     the kinder way: stops at the MLP's input
    reference.py eigen    MODEL TOKEN REPETITIONS                      interaction matrix and eigh; OVE einsum; kinder virtual tokens
    reference.py loop     MODEL DIRECTIONS                             interaction matrix and eigh of the first tokens, one after the other

IDS.jsonl is `bilens tokenize --format json` (the notebook's data set is tokenised beforehand, too). Prints one JSON object; seconds
do not count loading or importing.
"""
import json
import os
import resource
import sys
import time

import numpy as np
import torch

torch.set_grad_enabled(False)


def load(folder):
    raw = np.memmap(os.path.join(folder, "model.safetensors"), dtype=np.uint8, mode="r")
    n = int(raw[:8].view("<u8")[0])
    header = json.loads(bytes(raw[8:8 + n]))
    header.pop("__metadata__", None)
    take = lambda e: torch.from_numpy(np.array(raw[8 + n + e["data_offsets"][0]:8 + n + e["data_offsets"][1]]).view("<f4").reshape(e["shape"]))
    return json.load(open(os.path.join(folder, "config.json"))), {k: take(e) for k, e in header.items()}


class Model:
    """One layer, no norms, as the paper's."""

    def __init__(self, folder):
        self.config, w = load(folder)
        p = "transformer.h.0."
        self.w_e, self.w_u = w["transformer.wte.weight"], w["lm_head.weight"]
        self.qkv, self.o, self.lr, self.p = w[p + "attn.qkv.weight"], w[p + "attn.o.weight"], w[p + "mlp.w.weight"], w[p + "mlp.o.weight"]
        self.d, self.H, self.T = self.config["d_model"], self.config["n_head"], self.config["n_ctx"]
        k = self.d // self.H
        angle = torch.outer(torch.arange(self.T).float(), 10000.0 ** (-torch.arange(0, k, 2).float() / k)).repeat(1, 2)
        self.cos, self.sin = angle.cos(), angle.sin()

    def forward(self, ids, whole):
        """ids [B, T] -> mlp_in [B, T, d], and the logits if `whole`."""
        B, T = ids.shape
        k = self.d // self.H
        x = self.w_e[ids]
        q, key, v = (x @ self.qkv.T).view(B, T, 3, self.H, k).permute(2, 0, 3, 1, 4)
        turn = lambda a: a * self.cos + torch.cat((-a[..., k // 2:], a[..., :k // 2]), -1) * self.sin
        z = torch.nn.functional.scaled_dot_product_attention(turn(q), turn(key), v, is_causal=True)
        x = x + z.transpose(1, 2).reshape(B, T, self.d) @ self.o.T
        if not whole:
            return x, None
        left, right = (x @ self.lr.T).chunk(2, -1)
        return x, (x + (left * right) @ self.p.T) @ self.w_u.T


def scan(model, path, vectors, n, whole):
    rows = [json.loads(line)["ids"][:model.T] for _, line in zip(range(n), open(path))]
    ids = torch.full((len(rows), model.T), 2)
    for out, row in zip(ids, rows):
        out[:len(row)] = torch.tensor(row)
    lengths = torch.tensor([len(r) for r in rows])
    v = torch.from_numpy(np.load(vectors)).float()                                     # [J, d]
    model.forward(ids[:8], whole)                                                      # threads and caches are awake
    start = time.perf_counter()
    acts = []
    for i in range(0, len(rows), 50):
        x, _ = model.forward(ids[i:i + 50], whole)
        acts.append(torch.einsum("btd,jd->btj", x, v) ** 2)
    acts = torch.cat(acts)
    seconds = time.perf_counter() - start
    acts[torch.arange(model.T)[None] >= lengths[:, None]] = -1                          # as bilens: padding is no match
    best, where = acts.max(1)                                                          # one match a story
    top = best.topk(min(8, len(rows)), 0)
    matches = [[[int(s), int(where[s, j]), float(best[s, j])] for s in top.indices[:, j]] for j in range(v.shape[0])]
    return dict(stories=len(rows), seconds=seconds, matches=matches)


def interaction(model, u):
    left, right = model.lr.chunk(2, 0)
    q = (left.T * (model.p.T @ u)) @ right
    return 0.5 * (q + q.T)


def loop(model, n):
    """As the atlas without its scan: seconds per direction."""
    torch.linalg.eigh(interaction(model, model.w_u[0]))
    start = time.perf_counter()
    values = [torch.linalg.eigh(interaction(model, model.w_u[i]))[0] for i in range(n)]
    return dict(seconds=(time.perf_counter() - start) / n, extremes=[[float(v[0]), float(v[-1])] for v in values])


def eigen(model, token, repetitions):
    vocab = json.load(open(os.path.join(sys.argv[2], "tokenizer.json")))["model"]["vocab"]
    u, d, H = model.w_u[vocab[token]], model.d, model.H
    k, out = d // H, []
    ov = torch.einsum("dhk,hke->hde", model.o.view(d, H, k), model.qkv[2 * d:].view(H, k, d))

    def clock(f):
        start = time.perf_counter()
        result = f()
        return result, time.perf_counter() - start

    for _ in range(repetitions):
        (values, vectors), t_eigen = clock(lambda: torch.linalg.eigh(interaction(model, u)))
        v = vectors[:, -1]
        _, t_notebook = clock(lambda: torch.einsum("d,hdt->ht", v, torch.cat([model.w_e.T[None], ov @ model.w_e.T])))
        _, t_kind = clock(lambda: torch.cat([(model.w_e @ v)[None], torch.einsum("d,hde->he", v, ov) @ model.w_e.T]))
        out.append(dict(eigen=t_eigen, virtual_tokens_notebook=t_notebook, virtual_tokens_kind=t_kind))
    return dict(repetitions=out, values=[float(x) for x in values])


def main():
    command, model = sys.argv[1], Model(sys.argv[2])
    if command == "eigen":
        result = eigen(model, sys.argv[3], int(sys.argv[4]))
    elif command == "loop":
        result = loop(model, int(sys.argv[3]))
    else:
        result = scan(model, sys.argv[3], sys.argv[4], int(sys.argv[5]), command == "scan")
    result.update(torch=torch.__version__, threads=torch.get_num_threads(), peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    json.dump(result, sys.stdout)


main()
