"""Predictions, what a place excites, and atlases."""
import bilens
import numpy as np
import pytest
from conftest import close


def test_predictions(default):
    """The softmax of the trace's logits."""
    text = "Tom jumped into the"
    frame = default.predictions(text, top=3)
    logits = default.trace(text, "logits")["logits"].astype(float)
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    best = np.argsort(-p, 1, kind="stable")[:, :3]
    assert list(frame["prediction"]) == default.tokenizer.tokens(best.ravel()) and list(frame["rank"]) == [1, 2, 3] * len(p)
    close(frame["probability"], np.take_along_axis(p, best, 1).ravel(), 1e-5)
    assert list(frame["token"][::3]) == default.tokenizer.tokens(default.tokenizer.encode(text))
    for bad in (dict(text="Tom", top=0), dict(text=[]), dict(text=[10**6]), dict(text="Tom", top=1.5)):
        with pytest.raises(bilens.BilensError):
            default.predictions(**bad)


def test_excite(model):
    """All eigenvectors of the directions, looked at one by one."""
    text, names, layer = "Tom likes to swim and", ["swim - mean(run, big)", "the"], model.config.n_layer - 1
    x = model.trace(text, f"mlp_in.{layer}")[f"mlp_in.{layer}"][2]
    expected = []
    for name in names:
        e = model.eigen(name, layer=layer)
        own = np.append(x, 1) if len(e) > len(x) else x
        expected += [(e.direction.text, float(value * (v @ own) ** 2)) for value, v in zip(e.values, e.vectors.T)]
    expected.sort(key=lambda item: -abs(item[1]))
    frame = model.excite(text, position=2, directions=names, limit=5)
    close(frame["activation"], [value for _, value in expected[:5]], 1e-3)
    close(frame["eigenvalue"] * frame["similarity"] ** 2, frame["activation"], 1e-4)
    assert len(model.excite(text, limit=7)) == 7
    for bad in (dict(position=50), dict(directions=[]), dict(layer=9), dict(limit=0), dict(directions=["nope!"])):
        with pytest.raises(bilens.UsageError):
            model.excite(text, **bad)


def test_atlas(default, tmp_path):
    path = tmp_path / "atlas.db"
    atlas = default.atlas(path, tokens=["swim", "run", "the"], stories=20, progress=False)
    assert atlas.info()["complete"] and "stories-1-256" in repr(atlas)
    frame = atlas.directions(sort="token", limit=10)
    assert set(frame["token"]) == {"swim", "run", "the"} and {"count", "largest", "null_largest"} <= set(frame.columns)
    swim = default.eigen("swim - mean(*)")
    word = atlas["swim"]["vectors"][0]["sources"]["direct"]["top"][0][0]
    readers = atlas.readers(word, source="direct")
    assert "swim" in list(readers["token"]) and set(readers["source"]) == {"direct"}
    pairs = atlas.eigenpairs(sort="q", ascending=True, limit=4)
    assert len(pairs["q"]) == 4 and 0 < min(pairs["p"]) <= min(pairs["q"]) <= 1 and "effect" in atlas["swim"]["vectors"][0]
    assert len(atlas.calibration()["distance"]) == 8
    assert atlas["swim"]["largest"] == pytest.approx(np.abs(swim.values).max(), rel=1e-5)
    rows = atlas.sql("SELECT idx, eigenvalue FROM eigenpairs WHERE token = ? AND idx = -1", ["swim"])
    assert rows["eigenvalue"][0] == pytest.approx(float(swim.values[-1]), rel=1e-5)
    assert bilens.Atlas(path).directions(limit=1, sort="largest")["largest"][0] == max(frame["largest"])
    with pytest.raises(bilens.UsageError):
        atlas["swum"]
    with pytest.raises(bilens.BilensError):
        bilens.Atlas(tmp_path / "none.db")
    with pytest.raises(Exception, match="readonly"):
        atlas.sql("DELETE FROM token")
    with pytest.raises(bilens.InputError):
        default.atlas(path, tokens=["swim"], stories=20, progress=False)  # other options


def test_atlas_of_own_directions(default, tmp_path):
    rows = np.random.default_rng(5).standard_normal((4, 256)).astype(np.float32)
    rows[2] = 0
    np.savetxt(tmp_path / "rows.csv", rows, delimiter=",")
    own = default.atlas(tmp_path / "own.db", directions=rows, names=["a", "b", "c", "d"], stories=20, progress=False)
    assert list(own.directions(sort="token", ascending=True)["token"]) == ["a", "b", "d"]
    b = own["b"]
    assert b["count"] is None and b["vectors"][0]["effect"]["own"] is None and 0 < b["vectors"][0]["p"] <= 1
    assert b["highest"] == pytest.approx(float(default.eigen(rows[1]).values[-1]), rel=1e-5)
    ranked = default.rank(rows, names=["a", "b", "c", "d"], null_draws=3)
    assert ranked["total"] == 4 and ranked["directions"][-1]["name"] == "c" and ranked["directions"][-1]["p"] is None
    assert len(ranked.frame()["q"]) == 4 and 0 < ranked["directions"][0]["p"] <= 1
    named = default.atlas(tmp_path / "named.db", directions=tmp_path / "rows.csv", stories=20, layers=[0], progress=False)
    assert named["#1"]["direction"].endswith("rows.csv:1") and named["#1", 0]["highest"] == pytest.approx(b["highest"], rel=1e-5)
    with pytest.raises(bilens.UsageError):
        default.atlas(tmp_path / "no.db", directions=rows, names=["a"], stories=20, progress=False)
    with pytest.raises(bilens.BilensError):
        default.atlas(tmp_path / "no.db", directions=rows, raw=True, stories=20, progress=False)
