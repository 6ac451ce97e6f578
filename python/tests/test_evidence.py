"""Evidence in Python: the command line's numbers, and the identities that hold whatever the model."""
import bilens
import numpy as np
import pytest
from conftest import DATA, TOP, close

TEXT = "Tom jumped into the"


def same(ours, theirs, tolerance=2e-5):
    """Equal JSON but for the last bits of numbers; paths of models may differ."""
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for key in theirs:
            if key not in ("model", "models"):
                same(ours[key], theirs[key], tolerance)
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs):
            same(a, b, tolerance)
    elif isinstance(theirs, float):
        assert ours == pytest.approx(theirs, rel=1e-3, abs=tolerance)
    else:
        assert ours == theirs


def test_explain(model, default, run):
    """The parts sum to the trace's logit, the terms to the MLP's part."""
    result = default.explain(TEXT, "water", minus=["pond"])
    same(result.json(), run("explain", TOP / "data" / "stories-1-256", "--text", TEXT, "--token", "water", "--minus", "pond"), 1e-4)
    for layer in range(model.config.n_layer):
        r = model.explain("Tom likes to swim", "swim - mean(run, big)", position=2, layer=layer, most=3)
        logits = model.trace("Tom likes to swim", "logits")["logits"][2].astype(float)
        expected = logits[model.tokenizer["swim"]] - logits[model.tokenizer[["run", "big"]]].mean()
        scale = max(abs(p["value"]) for p in r["parts"])
        assert r["logit"] == pytest.approx(expected, abs=1e-4 * scale) and sum(p["value"] for p in r["parts"]) == pytest.approx(r["logit"], abs=2e-5 * scale)
        mlp = r["mlp"]
        assert len(mlp["terms"]) == 3 and mlp["constant"] + sum(t["value"] for t in mlp["terms"]) + mlp["rest"] == pytest.approx(mlp["total"], abs=2e-5 * scale)
    frame = result.frame()
    assert len(frame) >= 10 and "water" in str(default.explain(TEXT, "water", eigs=[-1, 0], words=True).json()) and "explain" in repr(result)
    for bad in (dict(position=40), dict(layer=7), dict(token="nope!"), dict(eigs=[5000]), dict(most=-1), dict(most=1.5)):
        with pytest.raises(bilens.UsageError):
            default.explain(**{"text": TEXT, "token": "water", **bad})
    with pytest.raises(TypeError):
        default.explain(5, "water")


def test_truncate(model, stories, run):
    """Rank n is the whole model."""
    n = model.config.d_model + (1 if model.config.bias_w else 0)
    r = model.truncate(stories, ranks=[0, 1, n], progress=False)
    assert r["full"] == pytest.approx(model.eval(stories).loss, rel=1e-5) and r["ranks"][-1]["rank"] == n
    assert r["ranks"][-1]["loss"] == pytest.approx(r["full"], rel=1e-4)
    same(r.json(), run("truncate", model.name, "--corpus", stories, "--ranks", f"0,1,{n}"))
    one = model.truncate(stories, token="the", ranks=[1, n], progress=False)
    assert one["ranks"][-1]["r2"] == pytest.approx(1, abs=1e-3) and len(one.frame()) == 6
    with pytest.raises(bilens.UsageError):
        model.truncate(stories, minus=["run"])
    with pytest.raises(bilens.CancelledError):
        model.truncate(stories, progress=lambda *_: False)


def test_truncate_as_a_figure(model, stories, tmp_path):
    """bilens's own, or on a matplotlib axis: loss against rank, and of a token that never comes next the correlation of its form."""
    curve = model.truncate(stories, ranks=[0, 1, 4], progress=False)
    assert "<title>Loss against rank" in curve.plot(width=85, size=8).save(tmp_path / "curve.svg").read_text()
    ax = pytest.importorskip("matplotlib.figure").Figure().subplots()
    assert curve.plot(ax=ax, title="Mine") is ax and ax.get_title() == "Mine" and ax.get_ylabel().startswith("Loss")
    assert list(ax.lines[0].get_ydata()) == [p["loss"] for p in curve["ranks"]] and len(ax.lines) == 5
    rare = next(r for r in (model.truncate(stories, token=f"#{i}", ranks=[0, 1, 4], progress=False) for i in range(90)) if not r["own"]["positions"])
    ax.clear()
    rare.plot(ax=ax)
    assert ax.get_ylabel().startswith("Correlation") and len(ax.lines) == 3
    with pytest.raises(bilens.UsageError):
        curve.plot(ax=ax, width=85)


def test_ablate(default, stories, run):
    r = default.ablate("swim", [-1, 0], minus=["run"], corpus=stories, controls=2, seed=3, progress=False)
    theirs = run("ablate", TOP / "data" / "stories-1-256", "--token", "swim", "--minus", "run", "--eigs", "-1,0", "--corpus", stories, "--controls", 2, "--seed", 3)
    same(r.json(), theirs, 1e-4)
    assert r["loss"]["before"] == pytest.approx(default.eval(stories).loss, rel=1e-5) and len(r.frame()) >= 3
    for bad in (dict(mode="all"), dict(replace="one"), dict(eigs=[]), dict(eigs=[999]), dict(controls=-1), dict(controls=2**64)):
        with pytest.raises(bilens.UsageError):
            default.ablate(**{"token": "swim", "eigs": [-1], "corpus": stories, "progress": False, **bad})


def test_null(default, run):
    r = default.null("swim", minus="*", draws=19, indices=[-1, 0], seed=1, progress=False)
    same(r.json(), run("null", TOP / "data" / "stories-1-256", "--token", "swim", "--minus", "*", "--draws", 19, "--eigs", "-1,0", "--seed", 1), 1e-4)
    assert all(1 / 20 <= p <= 1 for p in r.frame()["p"])


def test_forms(default, run, tmp_path):
    """Pairs, HOSVD, differences, similar directions."""
    model = TOP / "data" / "stories-1-256"
    r = default.pairs("swim", minus=["run"], right="head 4", k=5, progress=False)
    same(r.json(), run("pairs", model, "--token", "swim", "--minus", "run", "--right", "head 4", "-k", 5), 1e-4)
    e, (a, b, value) = default.eigen("swim", minus=["run"]), r["top"][0]
    q = (e.vectors * e.values) @ e.vectors.T
    left, right = default.w_e[default.tokenizer[a]], default.ov()[4] @ default.w_e[default.tokenizer[b]]
    assert left @ q @ right == pytest.approx(value, rel=1e-3)
    r = default.hosvd(k=2)
    same({k: v for k, v in r.json().items() if k in ("values", "energy")}, {k: v for k, v in run("hosvd", model, "-k", 2).items() if k in ("values", "energy")}, 1e-3)
    assert sum(v * v for v in r["values"]) == pytest.approx(r["energy"], rel=1e-3)
    r = default.diff(default, tokens=["swim"])
    assert r["frobenius"] == pytest.approx(1, abs=1e-5) and r["tokens"][0]["cosine"] == pytest.approx(1, abs=1e-5)
    r = default.diff(default, token="swim", eigs=[-1])
    assert max(map(abs, r["difference"]["eigenvalues"])) < 1e-6 and [v["index"] for v in r["difference"]["vectors"]] == [-1]
    with pytest.raises(bilens.UsageError):
        default.diff(default, minus=["run"])
    r = default.similar("swim", k=3)
    same(r.json(), run("similar", model, "--token", "swim", "-k", 3), 1e-4)
    for bad in (lambda: default.pairs("swim", left="head 99"), lambda: default.pairs("swim", k=0), lambda: default.hosvd(layer=3), lambda: default.similar("swim", k=-1),
                lambda: default.diff(bilens.load(DATA / "models" / "plain"))):
        with pytest.raises(bilens.UsageError):
            bad()
    with pytest.raises(TypeError):
        default.diff("model")


def test_timeline(run, tmp_path):
    """A training run's snapshots beside the last one, from its folder or from the folder of the snapshots."""
    import shutil
    for step in (1, 2, 3):
        shutil.copytree(DATA / "models" / ("norm" if step == 1 else "plain"), tmp_path / "run" / "snapshots" / f"step-{step}")
    r = bilens.timeline(tmp_path / "run", tokens=["#7"], progress=False)
    same({**r.json(), "timeline": ""}, {**run("diff", "--timeline", tmp_path / "run" / "snapshots", "--tokens", "#7"), "timeline": ""}, 1e-6)
    assert [s["snapshot"] for s in r["snapshots"]] == ["step-1", "step-2", "step-3"] and r["snapshots"][-1]["frobenius"] == pytest.approx(1, abs=1e-5)
    assert len(r.frame()) == 9
    assert "<svg" in open(r.plot(title="").save(tmp_path / "timeline.svg")).read()
    ax = pytest.importorskip("matplotlib.figure").Figure().subplots()
    assert r.plot(ax=ax) is ax and len(ax.lines) == 3 and list(ax.lines[0].get_xdata()) == [1, 2, 3] and ax.get_xlabel() == "Training step"
    for bad in (lambda: bilens.timeline(tmp_path), lambda: bilens.timeline(tmp_path / "none"), lambda: bilens.timeline(tmp_path / "run", layer=7),
                lambda: bilens.timeline(tmp_path / "run", tokens=["no such"])):
        with pytest.raises(bilens.BilensError):
            bad()


def test_results(default, tmp_path):
    """A Result is a mapping, a table, a CSV; it is neither copied nor changed."""
    import copy
    from bilens.evidence import columns
    r = default.hosvd(k=1)
    assert set(r) == set(r.json()) and len(r) == len(r.json()) and r.csv().endswith("\r\n")
    with pytest.raises(TypeError):
        copy.copy(r)
    odd = columns('"name","value","n"\r\n"a ""b"", c",1.5,3\r\n"nan",,4\r\n')
    assert odd["name"] == ['a "b", c', "nan"] and odd["n"] == [3, 4] and odd["value"][0] == 1.5 and np.isnan(odd["value"][1])
