"""Weights as arrays: their values, and whose memory they are."""
import gc
import json
import struct
import weakref

import bilens
import numpy as np
import pytest
from conftest import DATA, TOP, close, python


def stored(folder):
    """The checkpoint's tensors, read independently."""
    raw = (folder / "model.safetensors").read_bytes()
    (n,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8:8 + n])
    header.pop("__metadata__", None)
    types = {"F32": "<f4", "F16": "<f2", "F64": "<f8"}

    def take(entry):
        begin, end = entry["data_offsets"]
        data = raw[8 + n + begin:8 + n + end]
        if entry["dtype"] == "BF16":
            return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").reshape(entry["shape"])
        return np.frombuffer(data, types[entry["dtype"]]).astype("<f4").reshape(entry["shape"])

    return {name: take(entry) for name, entry in header.items()}


def test_weights_are_the_file(model):
    tensors = stored(DATA / "models" / model.name.rsplit("/", 1)[-1])
    c = model.config
    d, h, heads = c.d_model, c.d_hidden, c.n_head
    k = d // heads
    norm = lambda key: next((tensors[n] for n in (f"transformer.{key}.weight", f"transformer.{key}.norm.weight") if n in tensors), 1)  # noqa: E731
    assert np.array_equal(model.w_e, tensors["transformer.wte.weight"])
    close(model.w_u, tensors.get("lm_head.weight", tensors["transformer.wte.weight"]) * norm("n_f"), 1e-7)
    for i in range(c.n_layer):
        p = f"transformer.h.{i}."
        qkv = tensors[p + "attn.qkv.weight"] * norm(f"h.{i}.n1")
        lr = tensors[p + "mlp.w.weight"] * norm(f"h.{i}.n2")
        layer = model.layer(i)
        for ours, theirs in zip(layer[:3], qkv.reshape(3, heads, k, d)):
            close(ours, theirs, 1e-7)
        assert np.array_equal(layer.w_o, tensors[p + "attn.o.weight"].reshape(d, heads, k))
        close(layer.w_l, lr[:h], 1e-7)
        close(layer.w_r, lr[h:], 1e-7)
        assert np.array_equal(layer.w_p, tensors[p + ("mlp.p.weight" if p + "mlp.p.weight" in tensors else "mlp.o.weight")])
        assert (layer.b_l is None) == (p + "mlp.w.bias" not in tensors)
        if layer.b_l is not None:
            assert np.array_equal(np.concatenate([layer.b_l, layer.b_r]), tensors[p + "mlp.w.bias"])


def test_derived(model):
    s = 1 / np.sqrt(2 * model.config.n_layer) if model.config.generation == "later" else 1
    k = model.config.d_model // model.config.n_head
    for i in range(model.config.n_layer):
        w = model.layer(i)
        ov = s * np.einsum("ohk,hkd->hod", w.w_o, w.w_v)
        close(model.ov(i), ov, 1e-5)
        close(model.qk(i), np.einsum("hkd,hke->hde", w.w_q, w.w_k) / np.sqrt(k), 1e-5)
        close(model.ove(i), np.einsum("hod,td->hto", ov, model.w_e), 1e-5)
        assert model.tensor("w_l", i).shape == (model.config.d_hidden, model.config.d_model)
        u = np.arange(model.config.d_model, dtype=np.float32) / 7 - 1
        close(np.einsum("o,oij->ij", u, model.b(i)), model.interaction(u, layer=i), 1e-5)


def test_views(default):
    """No copy, not writable, and alive as long as anyone looks at it."""
    a = default.w_e
    assert a.dtype == np.float32 and not a.flags.owndata and not a.flags.writeable
    assert a.ctypes.data == default.w_e.ctypes.data
    with pytest.raises(ValueError):
        a.flags.writeable = True
    with pytest.raises(ValueError):
        default.layer().w_q[0, 0, 0] = 1
    with pytest.raises(ValueError):
        default.layer().w_q.flags.writeable = True

    m = bilens.load(DATA / "models" / "plain")
    owner = weakref.ref(m._handle)
    row, w_o, derived = m.w_e[3], m.layer().w_o, m.tensor("w_p")
    expected = row.copy(), w_o.copy(), derived.copy()
    e = m.eigen("swim")
    values, vectors = e.values, e.vectors[:, -2:]
    spectrum = values.copy(), vectors.copy()
    t = m.trace("Tom likes to swim", "mlp_in")
    x = t["mlp_in"]
    activations = x.copy()
    del m, e, t
    gc.collect()
    assert owner() is not None
    noise = [np.full(1 << 16, i) for i in range(50)]  # somebody else would get the memory now
    assert all(np.array_equal(a, b) for a, b in zip((row, w_o, derived, values, vectors, x), (*expected, *spectrum, activations)))
    del row, w_o, derived, noise
    gc.collect()
    assert owner() is None or gc.get_referrers(owner())


def test_nothing_leaks(stories):
    """Loading, decomposing and scanning over and over does not grow."""
    code = """
import resource, sys, bilens
def once():
    m = bilens.load(sys.argv[1]); e = m.eigen("swim"); s = m.scan(sys.argv[2], e, progress=False)
    e.virtual_tokens(-1); s._repr_html_(); m.trace("Tom"); m.ov(); m.describe("w_e"); m.generate("Tom", progress=False); m.eval(sys.argv[2], progress=False)
    try: m.eigen("not a word")
    except ValueError: pass
for i in range(60): once()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for i in range(240): once()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    out = python(code, DATA / "models" / "plain", stories)
    assert out.returncode == 0, out.stderr
    assert int(out.stdout) < 4000, f"grew by {int(out.stdout)} kB"


def test_info(default, run):
    assert default.info() == run("info", TOP / "data" / "stories-1-256")
    assert default.config.d_model == 256 and default.config.generation == "2024-05" and default.config.bilinear
    assert "2,949,120 parameters" in repr(default) and "2,949,120" in default._repr_html_()


def test_describe(default, run):
    """A table as the command line's, and numpy's extremes."""
    json = run("describe", TOP / "data" / "stories-1-256", "--tensor", "ov", "-k", 5)
    frame = default.describe("ov", k=5)
    rows = json["top"] + json["bottom"][::-1]
    assert [list(r[:-1]) for r in frame.itertuples(index=False)] == [r[:-1] for r in rows]
    close(frame["Value"], [r[-1] for r in rows], 1e-7)
    array = default.ov()
    flat = np.sort(array, axis=None)
    plain = default.describe(array, k=3, axes=["head", "out", "in"])
    assert list(plain["Value"]) == [*flat[:-4:-1], *flat[:3][::-1]]
    assert [array[h, o, i] for h, o, i in zip(plain["head"], plain["out"], plain["in"])] == list(plain["Value"])
    assert list(default.describe(array).columns) == ["Dim 0", "Dim 1", "Dim 2", "Value"]
    assert default.describe("w_e", k=1)["token"][0] == default.tokenizer.token(int(np.unravel_index(default.w_e.argmax(), default.w_e.shape)[0]))
    assert len(default.describe(np.array([1.0, np.nan, 2.0]))) == 4  # NaN is left out, k is clipped
    for bad in (dict(tensor="nothing"), dict(tensor=array, axes=["one"]), dict(tensor=array, k=0), dict(tensor=["a"]), dict(tensor="ov", layer=1)):
        with pytest.raises(bilens.UsageError):
            default.describe(**bad)


def test_eval(default, model, run, stories):
    loss = model.eval(stories)
    theirs = run("eval", model.name, "--corpus", stories)
    assert loss.predictions == theirs["predictions"] and loss.loss == pytest.approx(theirs["loss"], rel=1e-8)
    texts = [s.strip() for s in stories.read_text().split("<|endoftext|>")]
    assert model.eval(bilens.Stories(texts)) == loss
    assert model.eval([stories, stories]).stories == 2 * loss.stories
    assert default.eval(stories=3).stories == 3


def test_trace(model):
    """Points recomputed with numpy; the arrays as the file of the command line."""
    text = "Tom likes to swim"
    trace = model.trace(text)
    c, t = model.config, len(trace.ids)
    assert trace.tokens[0] == "[BOS]" and trace["logits"].shape == (t, c.n_vocab)
    for i in range(c.n_layer):
        w = model.layer(i)
        x = trace[f"mlp_in.{i}"]
        left, right = x @ w.w_l.T, x @ w.w_r.T
        if w.b_l is not None:
            left, right = left + w.b_l, right + w.b_r
        out = (left * right) @ w.w_p.T + (0 if w.b_p is None else w.b_p)
        close(trace[f"mlp_out.{i}"], out, 1e-5)
        pattern = trace[f"pattern.{i}"]
        assert pattern.shape == (c.n_head, t, t) and np.allclose(pattern.sum(-1), 1, atol=1e-6) and not np.triu(pattern[0], 1).any()
    some = model.trace(trace.ids, ["mlp_in.0", "logits"])
    assert list(some) == ["mlp_in.0", "logits"] and np.array_equal(some["logits"], trace["logits"])
    assert len(model.trace("swim " * 10000, "logits").ids) == c.n_ctx
    assert "logits" in repr(trace)
    with pytest.raises(bilens.UsageError):
        model.trace(text, "no_point")
    with pytest.raises(KeyError, match="not traced"):
        some["q"]
    with pytest.raises(bilens.UsageError):
        model.trace([10**6])
    with pytest.raises(bilens.UsageError):
        model.trace([1.5, "a"])


def test_generate(default, run):
    story = default.generate("Tom went", seed=5, max_tokens=12)
    theirs = run("generate", TOP / "data" / "stories-1-256", "--prompt", "Tom went", "--seed", 5, "--max-tokens", 12)
    assert story == theirs["text"] and list(story.ids) == theirs["ids"] and story.stop == "tokens"
    assert default.tokenizer.prose(story.ids) == story
    many = default.generate("Tom went", n=3, seed=5, max_tokens=12)
    assert many[0] == story and len(set(many)) == 3
    with pytest.raises(bilens.UsageError):
        default.generate("Tom", temperature=-1)


def test_tokenizer(default):
    tokenizer, text = default.tokenizer, "Tom likes to swim."
    ids = tokenizer.encode(text)
    assert tokenizer.tokens(ids) == ["[BOS]", "tom", "likes", "to", "swim", "."] and len(tokenizer) == 4096
    assert tokenizer["swim"] == ids[4] == tokenizer.id(f"#{ids[4]}") and tokenizer[ids[4]] == "swim" and tokenizer[["tom", "to"]] == [ids[1], ids[3]]
    assert tokenizer.prose(ids) == "tom likes to swim." and "[BOS]" in tokenizer.decode(ids)
    assert tokenizer.token(10**9) is None and tokenizer.token(-1) is None and tokenizer.token(2**40) is None
    assert len(tokenizer.encode("")) == 1 and tokenizer.decode([]) == ""
    with pytest.raises(bilens.UsageError, match="swim"):
        tokenizer.id("swimm")
    with pytest.raises(bilens.InputError):
        tokenizer.decode([10**6])
    with pytest.raises(bilens.UsageError):
        tokenizer.decode([[1]])
    with pytest.raises(bilens.InputError, match="UTF-8"):
        tokenizer.encode("\udc80")


def test_hub(tmp_path):
    """A name on the hub: from the cache as the Python library lays it out, offline; and what is said when it is not there."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    folder = tmp_path / "hub" / "models--owner--tiny"
    snapshot = folder / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (folder / "blobs").mkdir()
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    for file in (DATA / "models" / "plain").iterdir():
        (folder / "blobs" / file.name).write_bytes(file.read_bytes())
        (snapshot / file.name).symlink_to(f"../../blobs/{file.name}")
    code = """
import bilens
m = bilens.load("owner/tiny")
print(m.name, m.config.d_model, len(m.eigen("swim")))
for bad in ("owner/other", "owner/tiny@nothing", "no-model"):
    try: bilens.load(bad)
    except OSError as failure: print(failure)
"""
    out = python(code, env={"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": ""})
    assert out.returncode == 0, out.stderr
    lines = out.stdout.splitlines()
    assert lines[0] == "owner/tiny 16 16" and len(lines) == 4
    assert "no such model directory: 'owner/other'" in lines[1] and "hub" in lines[1] and "hub" not in lines[3].split("no-model")[1]


@pytest.mark.parametrize("name", ["qwen2", "gpt2", "gemma2", "llama3-q8_0.gguf"])
def test_ordinary_models(name):
    """Read, run and traced as their goldens say; refused where a quadratic form is needed."""
    import os
    from pathlib import Path
    shared = Path(os.environ.get("SHARED") or TOP.parent / "shared")
    if not (shared / "models-general" / name).exists():
        pytest.skip(f"{shared / 'models-general' / name} is not here")
    m = bilens.load(shared / "models-general" / name)
    golden = json.loads((shared / "golden" / "general" / f"{name.removesuffix('.gguf')}.json").read_text())
    loss = m.eval(shared / "corpus" / "valid.txt", stories=golden["eval"]["stories"], progress=False)
    assert loss.loss == pytest.approx(golden["eval"]["loss"], rel=1e-4) and loss.predictions == golden["eval"]["predictions"]
    logits = m.trace(golden["trace"]["ids"], "logits")["logits"]
    for at in golden["trace"]["logits"]:
        row = logits[at["position"]]
        assert max(abs(row[i] - value) for i, value in at["top"]) < 5e-4 * abs(row).max()
    assert m.config.generation is None and not m.config.bilinear and m.config.architecture in repr(m)
    layer = m.layer(m.config.n_layer - 1)
    assert layer.w_q.shape == (m.config.n_head, m.config.head_dim, m.config.d_model) == layer.w_k.shape and layer.w_l.any() and m.w_e.any() and m.w_u.any()
    with pytest.raises(bilens.UnsupportedError):
        m.eigen("#5")
