"""`bilens train` writes checkpoints that the authors' own Python code loads: their tensor names, shapes and config keys in all generations,
strictly (nothing missing, nothing more), and with the same meaning: a stand-in for their modules, written from the specification in numpy
and float64, computes the same loss as bilens."""
import json
import struct
import subprocess

import bilens
import numpy as np
import pytest
from conftest import DATA, PROGRAM

VARIANTS = {
    "2024-05": ["--generation", "2024-05"],
    "2024-05 weighted norms, noise, bias": ["--generation", "2024-05", "--norm", "weighted", "--noise", "0.33", "--bias"],
    "2024-05 gelu-gated": ["--generation", "2024-05", "--gate", "gelu", "--norm", "weighted"],
    "2024-05 in halves": ["--generation", "2024-05", "--dtype", "f16"],
    "2024-06": ["--generation", "2024-06", "--norm", "weighted"],
    "2024-06 relu-gated": ["--generation", "2024-06", "--gate", "relu"],
    "later": ["--generation", "later", "--norm", "rms", "--bias"],
    "later silu-gated": ["--generation", "later", "--gate", "silu"],
}
SIZES = {"n_head": 2, "n_layer": 2, "n_ctx": 32, "d_model": 16, "d_hidden": 24}
# The arguments that each generation's Config takes, beyond the sizes.
CONFIG = {
    "2024-05": {"n_vocab": int, "mlp": str, "normalization": (str, type(None)), "norm_bias": bool, "mlp_bias": bool, "modifier": type(None),
                "noise": (float, type(None))},
    "2024-06": {"n_vocab": int, "bilinear": bool, "gate": bool, "normalization": bool, "noise": (float, type(None)), "modifier": type(None)},
    "later": {"bilinear": bool, "gate": (str, type(None)), "bias": bool, "normalization": bool, "tokenizer": type(None), "repo": type(None)},
}
DTYPES = {"F32": "<f4", "F16": "<f2"}


def read(path):
    """Metadata, tensors and their types."""
    raw = path.read_bytes()
    (n,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8:8 + n])
    take = lambda e: np.frombuffer(raw[8 + n:][slice(*e["data_offsets"])], DTYPES[e["dtype"]]).reshape(e["shape"])  # noqa: E731
    metadata = header.pop("__metadata__")
    return metadata, {k: take(e).astype(float) for k, e in header.items()}, {k: e["dtype"] for k, e in header.items()}


class StandIn:
    """The authors' Transformer: its state, from its config, and what it computes."""

    def __init__(self, config, generation):
        self.c, self.generation = config, generation
        d, h, V, k = config["d_model"], config["d_hidden"], config["n_vocab"], config["d_model"] // config["n_head"]
        first, later = generation == "2024-05", generation == "later"
        self.plain = first and config["mlp"] == "mlp" or not first and not config["bilinear"]
        self.gate = {"glp": "gelu", "mlp": "gelu"}.get(config["mlp"]) if first else {True: "relu", False: None}.get(config["gate"], config["gate"])
        self.normed = config["normalization"] in ("rms", True)
        self.out = "p" if later else "o"
        shapes = {"transformer.wte.weight": (V, d), "lm_head.weight": (V, d)}
        norms = ["transformer.n_f"] if self.normed and not later else []
        for i in range(config["n_layer"]):
            p = f"transformer.h.{i}."
            shapes.update({p + "attn.rotary.inv_freq": (k // 2,), p + "attn.qkv.weight": (3 * d, d), p + "attn.o.weight": (d, d),
                           p + "mlp.w.weight": ((1 if self.plain else 2) * h, d), p + f"mlp.{self.out}.weight": (d, h)})
            if config["mlp_bias"] if first else later and config["bias"]:
                shapes[p + "mlp.w.bias"] = (2 * h,)
            if later and config["bias"]:
                shapes[p + "mlp.p.bias"] = (d,)
            norms += [p + "n1", p + "n2"] if self.normed and not later else []
        shapes.update({n + ".norm.weight": (d,) for n in norms})
        self.shapes = shapes

    def load_state_dict(self, state):
        """Strictly."""
        missing, unexpected = set(self.shapes) - set(state), set(state) - set(self.shapes)
        assert not missing and not unexpected, f"missing {sorted(missing)}, unexpected {sorted(unexpected)}"
        for name, shape in self.shapes.items():
            assert state[name].shape == shape, f"{name}: {state[name].shape}, expected {shape}"
        self.w = state

    def norm(self, x, name):
        if self.normed:
            x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-8) * self.w.get(name + ".norm.weight", 1)
        return x

    def attention(self, y, p):
        t, heads, k = len(y), self.c["n_head"], self.c["d_model"] // self.c["n_head"]
        q, key, v = (y @ self.w[p + "qkv.weight"].T).reshape(t, 3, heads, k).transpose(1, 2, 0, 3)
        angle = np.outer(np.arange(t), self.w[p + "rotary.inv_freq"])
        cos, sin = np.cos(np.hstack([angle, angle])), np.sin(np.hstack([angle, angle]))
        turn = lambda a: a * cos + np.concatenate([-a[..., k // 2:], a[..., :k // 2]], -1) * sin  # noqa: E731
        scores = np.where(np.tri(t, dtype=bool), turn(q) @ turn(key).transpose(0, 2, 1) / np.sqrt(k), -np.inf)
        pattern = np.exp(scores - scores.max(-1, keepdims=True))
        z = pattern / pattern.sum(-1, keepdims=True) @ v
        return z.transpose(1, 0, 2).reshape(t, -1) @ self.w[p + "o.weight"].T

    def mlp(self, y, p):
        from math import erf
        hidden = y @ self.w[p + "w.weight"].T + self.w.get(p + "w.bias", 0)
        left, right = (hidden, 1) if self.plain else np.split(hidden, 2, -1)
        left = {None: lambda a: a, "relu": lambda a: np.maximum(a, 0), "silu": lambda a: a / (1 + np.exp(-a)),
                "gelu": lambda a: a * 0.5 * (1 + np.vectorize(erf)(a / np.sqrt(2)))}[self.gate](left)
        return left * right @ self.w[p + f"{self.out}.weight"].T + self.w.get(p + f"{self.out}.bias", 0)

    def loss(self, ids):
        """Sum of -log p over the predictions of one text."""
        scale = 1 / np.sqrt(2 * self.c["n_layer"]) if self.generation == "later" else 1
        x = self.w["transformer.wte.weight"][ids]
        for i in range(self.c["n_layer"]):
            p = f"transformer.h.{i}."
            x = x + scale * self.attention(self.norm(x, p + "n1"), p + "attn.")
            x = x + self.mlp(self.norm(x, p + "n2"), p + "mlp.")
        logits = self.norm(x, "transformer.n_f") @ self.w["lm_head.weight"].T
        top = logits.max(-1, keepdims=True)
        log = logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))
        return -log[np.arange(len(ids) - 1), ids[1:]].sum()


@pytest.mark.parametrize("variant", VARIANTS)
def test_authors_code(variant, tmp_path, stories):
    generation = variant.split()[0]
    out = tmp_path / "model"
    sizes = ["--layers", "2", "--heads", "2", "--d-model", "16", "--d-hidden", "24", "--ctx", "32"]
    made = subprocess.run([PROGRAM, "train", "--corpus", stories, "--tokenizer", DATA / "models" / "plain" / "tokenizer.json", *sizes, *VARIANTS[variant],
                           "--steps", "30", "--batch", "4", "--lr", "1e-2", "--warmup", "2", "--sample", "0", "--quiet", "-o", out], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    config = json.loads((out / "config.json").read_text())
    assert {k: config[k] for k in SIZES} == SIZES and config["architectures"] == ["Transformer"]
    for key, kinds in CONFIG[generation].items():
        assert isinstance(config[key], kinds), f"{key}: {config[key]!r}"
    metadata, state, types = read(out / "model.safetensors")
    assert metadata == {"format": "pt"}  # transformers refuses other files
    half = "F16" if "halves" in variant else "F32"
    assert all(t == ("F32" if n.endswith("inv_freq") else half) for n, t in types.items()), types
    theirs = StandIn(config, generation)
    theirs.load_state_dict(state)
    k = config["d_model"] // config["n_head"]
    assert np.abs(state["transformer.h.0.attn.rotary.inv_freq"] - 10000.0 ** (-np.arange(0, k, 2) / k)).max() < 1e-6
    m = bilens.load(out)
    texts = [s.strip() for s in stories.read_text().split("<|endoftext|>") if s.strip()]
    ids = [m.tokenizer.encode(text)[:m.config.n_ctx] for text in texts]
    ours = m.eval(stories)
    assert ours.predictions == sum(len(i) - 1 for i in ids)
    assert ours.loss == pytest.approx(sum(map(theirs.loss, ids)) / ours.predictions, rel=2e-6)
    assert ours.loss < np.log(config["n_vocab"]) - 0.3  # it has learnt something


def test_strictness():
    """The stand-in would notice."""
    config = dict(SIZES, n_vocab=104, mlp="blp", mlp_bias=False, normalization=None)
    theirs = StandIn(config, "2024-05")
    state = {name: np.zeros(shape) for name, shape in theirs.shapes.items()}
    theirs.load_state_dict(state)
    for change in (lambda s: s.pop("lm_head.weight"), lambda s: s.update(extra=np.zeros(1)), lambda s: s.update({"lm_head.weight": np.zeros((16, 104))})):
        changed = dict(state)
        change(changed)
        with pytest.raises(AssertionError):
            theirs.load_state_dict(changed)
