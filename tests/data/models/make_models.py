#!/usr/bin/env python3
"""Makes the tiny models beside it, and from the project's independent PyTorch reference the numbers that tests compare with.

    make_models.py REFERENCE_DIR        the folder that holds reference.py

Every model: V 104, d 16, h 24, H 2, n_ctx 32, weights from a fixed seed, 12 small stories. golden/*.json are float64.
"""
import json
import os
import subprocess
import sys
import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
V, d, h, H, T = 104, 16, 24, 2, 32
WORDS = ["swim", "run", "climb", "eat", "see", "fly", "fish", "pool", "water", "tree", "the", "and", "tom", "mia", "likes", "to",
         "in", "big", "up", "cake", "bird", "sky", "went", "home"]
STORIES = ["Tom likes to swim in the pool.", "Mia went up the big tree and likes to climb.", "A bird likes to fly in the sky, up up up!",
           "The fish swim in the water and the big fish eat.", "Tom and Mia went home to eat a cake.", "See the sky? See the big bird fly.",
           "Run, Tom, run to the pool and swim!", "Mia likes the water. Mia likes the fish.", "Up in the tree a bird went to eat.",
           "Tom went to the water to see a fish, and a big fish went to see Tom, and Tom and the fish swim and swim and swim and swim.",
           "A cake in the pool?", "Home."]


def tokenizer():
    vocab = ["[UNK]", "[BOS]", "[EOS]"] + list("!\"',-.?") + list("abcdefghijklmnopqrstuvwxyz") + ["##" + c for c in "abcdefghijklmnopqrstuvwxyz"]
    vocab += WORDS
    vocab += [f"##w{i}" for i in range(V - len(vocab))]
    special = [dict(id=i, content=t, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True) for i, t in enumerate(vocab[:3])]
    return dict(version="1.0", truncation=None, padding=None, added_tokens=special,
                normalizer=dict(type="Sequence", normalizers=[dict(type="NFD"), dict(type="StripAccents"), dict(type="Lowercase")]),
                pre_tokenizer=dict(type="Sequence", pretokenizers=[dict(type="Punctuation", behavior="Isolated"), dict(type="Whitespace"),
                                                                   dict(type="Digits", individual_digits=True)]),
                post_processor=dict(type="TemplateProcessing", single=[dict(SpecialToken=dict(id="[BOS]", type_id=0)), dict(Sequence=dict(id="A", type_id=0))],
                                    pair=[dict(Sequence=dict(id="A", type_id=0)), dict(Sequence=dict(id="B", type_id=1))],
                                    special_tokens={"[BOS]": dict(id="[BOS]", ids=[1], tokens=["[BOS]"])}), decoder=None,
                model=dict(type="WordPiece", unk_token="[UNK]", continuing_subword_prefix="##", max_input_chars_per_word=100,
                           vocab={t: i for i, t in enumerate(vocab)}))


def save(path, tensors):
    header, blobs, offset = {}, [], 0
    for name, t in tensors.items():
        data = np.ascontiguousarray(t, "<f4").tobytes()
        header[name] = dict(dtype="F32", shape=list(t.shape), data_offsets=[offset, offset + len(data)])
        offset += len(data)
        blobs.append(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text + b"".join(blobs))


def weights(rng, layers, wide, out, norms, biases, tied):
    draw = lambda *shape: (rng.standard_normal(shape) * 0.35).astype("f4")
    w = {"transformer.wte.weight": draw(V, d)}
    for i in range(layers):
        p = f"transformer.h.{i}."
        if norms:
            w[p + norms.format("n1")] = 1 + 0.3 * draw(d)
        w[p + "attn.qkv.weight"], w[p + "attn.o.weight"] = draw(3 * d, d), draw(d, d)
        if norms:
            w[p + norms.format("n2")] = 1 + 0.3 * draw(d)
        w[p + "mlp.w.weight"] = draw(wide * h, d)
        if "w" in biases:
            w[p + "mlp.w.bias"] = draw(wide * h)
        w[p + f"mlp.{out}.weight"] = draw(d, h)
        if "p" in biases:
            w[p + f"mlp.{out}.bias"] = draw(d)
    if norms:
        w["transformer." + norms.format("n_f")] = 1 + 0.3 * draw(d)
    if not tied:
        w["lm_head.weight"] = draw(V, d)
    return w


BASE = dict(n_layer=1, n_head=H, n_ctx=T, d_model=d, d_hidden=h)
OLD = dict(BASE, n_vocab=V, normalization=None, noise=0.33, mlp="blp", mlp_bias=False, modifier=None)
MODELS = {  # name: (config, layers, rows of w in h, output name, norm name, biases, tied)
    "plain": (OLD, 1, 2, "o", None, "", False),
    "norm": (dict(OLD, normalization="rms", n_layer=2), 2, 2, "o", "{}.norm.weight", "", False),
    "bias": (dict(OLD, mlp_bias=True), 1, 2, "o", None, "w", False),
    "gelu": (dict(OLD, mlp="glp"), 1, 2, "o", None, "", False),
    "mlp": (dict(OLD, mlp="mlp"), 1, 1, "o", None, "w", False),
    "june": (dict(BASE, n_vocab=V, bilinear=True, gate=False, normalization=True, noise=None, modifier=None), 1, 2, "o", "{}.weight", "", True),
    "june-relu": (dict(BASE, n_vocab=V, bilinear=True, gate=True, normalization=False, noise=None, modifier=None), 1, 2, "o", None, "", False),
    "later": (dict(BASE, n_layer=2, bilinear=True, gate="silu", bias=True, normalization=True, tokenizer="t", repo=None), 2, 2, "p", None, "wp", False),
    "later-bilinear": (dict(BASE, n_layer=2, bilinear=True, gate=None, bias=True, normalization=True, tokenizer="t", repo=None), 2, 2, "p", None, "wp", False),
}


def all_points(M, ids):
    """Every trace point of one story, float64, from the reference's folded weights: written apart from Model.forward, compared with it."""
    import torch
    c, H, k = M, M.n_head, M.d // M.n_head
    T = len(ids)
    inv = 1.0 / (10000 ** (torch.arange(0, k, 2).double() / k))
    angle = torch.outer(torch.arange(T).double(), inv).repeat(1, 2)
    turn = lambda x: torch.cat((-x[..., k // 2:], x[..., :k // 2]), -1)
    out, x = {}, M.w_e[ids]
    for i, L in enumerate(M.layers):
        put = lambda name, value: out.__setitem__(f"{name}.{i}", value.numpy())
        put("resid_pre", x)
        y = M.norm(x)
        put("attn_in", y)
        q, kk, v = (y @ L["qkv"].T).view(T, 3, H, k).permute(1, 2, 0, 3)
        q, kk = q * angle.cos() + turn(q) * angle.sin(), kk * angle.cos() + turn(kk) * angle.sin()
        put("q", q), put("k", kk), put("v", v)
        scores = (q @ kk.transpose(-1, -2) / k ** 0.5).masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), -float("inf"))
        put("scores", scores), put("pattern", scores.softmax(-1))
        attn = (scores.softmax(-1) @ v).permute(1, 0, 2).reshape(T, M.d) @ L["o"].T
        mid = x + M.scale * attn
        m = M.norm(mid)
        put("attn_out", attn), put("resid_mid", mid), put("mlp_in", m)
        hidden = m @ L["lr"].T + (0 if L["lr_bias"] is None else L["lr_bias"])
        left, right = (hidden, 1.0) if M.plain else hidden.chunk(2, -1)
        left = {None: lambda a: a, "relu": torch.relu, "silu": torch.nn.functional.silu, "gelu": torch.nn.functional.gelu}[M.gate](left)
        put("mlp_hidden", left * right)
        mlp = (left * right) @ L["p"].T + (0 if L["p_bias"] is None else L["p_bias"])
        x = mid + mlp
        put("mlp_out", mlp), put("resid_post", x)
    out["logits"] = (M.norm(x) @ M.w_u.T).numpy()
    logits, _ = M.forward(torch.tensor([ids]))
    assert np.allclose(logits[0].numpy(), out["logits"], rtol=1e-10, atol=1e-10)
    return out


def main(reference):
    sys.path.insert(0, reference)
    import torch
    from reference import Model
    stories = os.path.join(here, "stories.txt")
    open(stories, "w").write("\n<|endoftext|>\n".join(STORIES) + "\n")
    os.makedirs(os.path.join(here, "golden"), exist_ok=True)
    for n, (name, (config, layers, wide, out, norms, biases, tied)) in enumerate(MODELS.items()):
        folder = os.path.join(here, name)
        os.makedirs(folder, exist_ok=True)
        json.dump(config, open(os.path.join(folder, "config.json"), "w"), indent=1)
        json.dump(tokenizer(), open(os.path.join(folder, "tokenizer.json"), "w"), separators=(",", ":"))
        save(os.path.join(folder, "model.safetensors"), weights(np.random.default_rng(n), layers, wide, out, norms, biases, tied))
        run = lambda *a: json.loads(subprocess.check_output([sys.executable, os.path.join(reference, "reference.py"), *a, "--double"]))
        golden = dict(loss=run("loss", folder, stories))
        if name in ("plain", "norm", "june"):
            direction = ["--token", "swim", "--minus", "run,climb,eat", "--layer", str(layers - 1)]
            golden["eigen"], golden["scan"] = run("eigen", folder, *direction), run("scan", folder, stories, *direction)
        json.dump(golden, open(os.path.join(here, "golden", name + ".json"), "w"))
        M = Model(folder, torch.float64)
        save(os.path.join(here, "golden", name + ".trace.safetensors"), all_points(M, M.tokenizer.encode(STORIES[0])))


if __name__ == "__main__":
    main(sys.argv[1])
