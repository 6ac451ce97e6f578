#!/usr/bin/env python3
"""Makes gemma3.json: truncation and ablation behind a norm on the MLP's output (docs/specification.md, 10 and 11), by transformers and numpy
in float64.

    make_post_norm.py bilens MODEL SURROGATE.safetensors CORPUS TOKEN_ID > MODEL.json

bilens only tokenizes. The surrogate is the one that `bilens surrogate MODEL --corpus CORPUS --valid CORPUS` fits; TOKEN_ID comes next somewhere in CORPUS.
Needs torch, transformers, safetensors."""
import json
import subprocess
import sys

import numpy as np
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM

BILENS, MODEL, SURROGATE, CORPUS, TOKEN = *sys.argv[1:5], int(sys.argv[5])
EIGS, RANKS = [-1, 0], [0, 1, 4]
torch.set_default_dtype(torch.float64)
model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float64, attn_implementation="eager").eval()
stack, config = model.model, model.config
eps, last = config.rms_norm_eps, config.num_hidden_layers - 1
cap = getattr(config, "final_logit_softcapping", None)


def array(tensor):
    return tensor.detach().double().numpy()


def capped(logits):
    return cap * np.tanh(logits / cap) if cap else logits


def inverse_rms(x):
    return 1 / np.sqrt((x * x).mean(-1) + eps)


def losses(logits, targets):
    most = logits.max(-1, keepdims=True)
    return np.log(np.exp(logits - most).sum(-1)) + most[:, 0] - logits[np.arange(len(targets)), targets]


unembedding = array(model.lm_head.weight) * (1 + array(stack.norm.weight))
mean_row = unembedding.mean(0)
stories = [s.strip() for s in open(CORPUS).read().split("<|endoftext|>") if s.strip()]
texts = [json.loads(subprocess.run([BILENS, "tokenize", MODEL, "--text", s, "--format", "json"], capture_output=True, text=True, check=True).stdout)["ids"]
         for s in stories]


class Layer:
    """The surrogate of one layer, with the norms' weights folded in."""

    def __init__(self, i):
        self.block, stored = stack.layers[i], safe_open(SURROGATE, "pt")
        self.c, self.linear, self.origin = (array(stored.get_tensor(f"{name}.{i}")) for name in ("coefficients", "linear", "origin"))
        self.n2 = 1 + array(self.block.pre_feedforward_layernorm.weight)
        self.post = 1 + array(self.block.post_feedforward_layernorm.weight)
        mlp = self.block.mlp
        self.l, self.r, self.p = array(mlp.gate_proj.weight) * self.n2, array(mlp.up_proj.weight) * self.n2, array(mlp.down_proj.weight)

    def output(self, x):
        g, u = x @ self.l.T, x @ self.r.T
        units = self.c[0] + self.c[1] * g + self.c[2] * u + self.c[3] * g * u + self.c[4] * g * g + self.c[5] * u * u
        return units @ self.p.T + x @ self.linear[:, :-1].T + self.linear[:, -1]

    def form(self, u):
        w = self.p.T @ (u * self.post)
        a = (self.l.T * (w * self.c[3])) @ self.r + (self.l.T * (w * self.c[4])) @ self.l + (self.r.T * (w * self.c[5])) @ self.r
        return (a + a.T) / 2

    def run(self, ids, edit=None):
        """What the model does with a text: x, y of this layer's MLP, the stream before and behind it, logits."""
        got = {}

        def before(module, given):
            got["x"] = array(given[0][0]) / self.n2

        def behind(module, given, out):
            got["y"] = array(out[0])
            return torch.tensor(edit(got["x"], got["y"]))[None] if edit else None

        hooks = [self.block.mlp.register_forward_pre_hook(before), self.block.mlp.register_forward_hook(behind),
                 stack.norm.register_forward_pre_hook(lambda module, given: got.update(end=array(given[0][0]))),
                 self.block.pre_feedforward_layernorm.register_forward_pre_hook(lambda module, given: got.update(mid=array(given[0][0])))]
        with torch.no_grad():
            got["logits"] = array(model(torch.tensor([ids])).logits[0])
        for hook in hooks:
            hook.remove()
        got["s"], got["post"] = inverse_rms(got["end"]), inverse_rms(got["y"])
        return got


def mean_loss(rows):
    return float(np.concatenate([losses(logits[:-1], np.array(ids[1:])) for ids, logits in zip(texts, rows)]).mean())


def ablate(i):
    layer, u = Layer(i), unembedding[TOKEN]
    values, vectors = np.linalg.eigh(layer.form(u))
    values, vectors, written = values[EIGS], vectors[:, EIGS], u * layer.post
    whole = [layer.run(ids) for ids in texts]
    z = np.concatenate([w["x"][:-1] for w in whole]) - layer.origin
    squares, means = ((z @ vectors) ** 2).mean(0), (z @ vectors).mean(0)

    def taken(x):
        return (((x - layer.origin) @ vectors) ** 2 - squares) @ values

    def component(x, y):
        return y - np.outer(taken(x), written) / (written @ written)

    def inputs(x, y):
        return y + layer.output(x - ((x - layer.origin) @ vectors - means) @ vectors.T) - layer.output(x)

    out = {"layer": i, "full": mean_loss([w["logits"] for w in whole]), "component": mean_loss([layer.run(ids, component)["logits"] for ids in texts]),
           "input": mean_loss([layer.run(ids, inputs)["logits"] for ids in texts])}
    if i == last:
        rows = [(w["end"] * w["s"][:, None]) @ unembedding.T for w in whole]
        for row, w in zip(rows, whole):
            row[:, TOKEN] -= w["s"] * w["post"] * taken(w["x"])
        out["logit"] = mean_loss([capped(row) for row in rows])
    return out


def truncate():
    layer, centred = Layer(last), unembedding - mean_row
    forms = [np.linalg.eigh(layer.form(u)) for u in centred]
    without, kept = [], {k: [] for k in RANKS}
    for w in map(layer.run, texts):
        z = w["x"] - layer.origin
        mid = w["s"][:, None] * (w["mid"] @ centred.T)
        without.append(capped(mid + (w["s"] * (w["mid"] @ mean_row))[:, None]))
        rest = (layer.output(w["x"]) * layer.post) @ centred.T - np.stack([((z @ v) ** 2) @ values for values, v in forms], 1)
        for k in RANKS:
            terms = []
            for values, v in forms:
                first = np.argsort(-np.abs(values), kind="stable")[:k]
                terms.append(((z @ v[:, first]) ** 2) @ values[first])
            logits = mid + (w["s"] * w["post"])[:, None] * (rest + np.stack(terms, 1)) + (w["s"] * (w["end"] @ mean_row))[:, None]
            kept[k].append(capped(logits))
    return {"without_mlp": mean_loss(without), "ranks": [{"rank": k, "loss": mean_loss(kept[k])} for k in RANKS]}


def truncate_token():
    layer, u, rows = Layer(last), unembedding[TOKEN], []
    form = layer.form(u)
    values, vectors = np.linalg.eigh(form)
    for k in RANKS:
        first, own, told, kept = np.argsort(-np.abs(values), kind="stable")[:k], [], [], []
        for ids in texts:
            w, targets = layer.run(ids), np.array(ids[1:])
            z = w["x"] - layer.origin
            f = w["y"] @ (u * layer.post)
            rank_k = layer.output(w["x"]) @ (u * layer.post) - ((z @ form) * z).sum(1) + ((z @ vectors[:, first]) ** 2) @ values[first]
            logits = (w["end"] * w["s"][:, None]) @ unembedding.T
            logits[:, TOKEN] -= w["s"] * w["post"] * (f - rank_k)
            own.append(losses(capped(logits)[:-1], targets)[targets == TOKEN])
            told.append(f[:-1])
            kept.append(rank_k[:-1])
        f, rank_k = np.concatenate(told), np.concatenate(kept)
        rows.append({"rank": k, "loss": float(np.concatenate(own).mean()), "r2": float(1 - ((f - rank_k) ** 2).sum() / ((f - f.mean()) ** 2).sum())})
    return rows


print(json.dumps({"token": TOKEN, "eigs": EIGS, "ablate": [ablate(i) for i in (0, last)], "truncate": truncate(), "truncate_token": truncate_token()}, indent=1))
