"""Dictionaries in Python: the command line's numbers, training, and what must hold of any dictionary."""
import bilens
import numpy as np
import pytest
from conftest import DATA

STORIES = DATA / "models" / "stories.txt"


@pytest.fixture(scope="module")
def norm():
    return bilens.load(DATA / "models" / "norm")


@pytest.fixture(scope="module")
def pair(norm, tmp_path_factory):
    """Two small dictionaries of the model, trained here."""
    folder = tmp_path_factory.mktemp("dictionaries")
    return [norm.train_dictionary(folder / point, 24, 4, corpus=STORIES, valid=STORIES, point=point, batch=16, epochs=20, lr=.01) | {"path": folder / point}
            for point in ("mlp_in", "mlp_out")]


def test_training(norm, pair):
    for made, point in zip(pair, ("mlp_in", "mlp_out")):
        again = norm.eval_dictionary(made["path"], STORIES, point=point)
        assert again["loss"]["spliced"] == pytest.approx(made["loss"]["spliced"]) and again["dead"] == made["dead"]
        assert made["unexplained"] < 1 and made["steps"] > 50 and 0 < made["active"] <= 4
    with pytest.raises(bilens.UsageError, match="larger than the number"):
        norm.train_dictionary("nowhere", 4, 5, corpus=STORIES)
    with pytest.raises(TypeError, match="no option"):
        norm.train_dictionary("nowhere", 4, 2, corpus=STORIES, layers=3)
    seen = []
    norm.train_dictionary(pair[0]["path"], 24, 4, corpus=STORIES, valid=STORIES, batch=16, epochs=20, lr=.01, resume=True, progress=lambda *step: seen.append(step))
    assert seen


def test_dictionary(norm, pair):
    d = bilens.Dictionary(pair[0]["path"])
    assert (len(d), d.d, d.k, d.activation) == (24, norm.config.d_model, 4, "topk") and "24 features" in repr(d)
    x = norm.trace("Tom likes to swim")["mlp_in.0"]
    pre = d.pre(x)
    np.testing.assert_allclose(pre, x @ d.encoder.T + d.offset, atol=1e-5)
    hat, active = d.reconstruct(x)
    assert active.sum(1).max() <= 4
    np.testing.assert_allclose(hat, np.where(active, pre, 0) @ d.decoder + d.centre, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(d.decoder, axis=1), 1, atol=1e-5)
    with pytest.raises(bilens.UsageError):
        d.pre(x[:, 1:])


def test_features(norm, pair, run):
    paths = [made["path"] for made in pair]
    result = norm.features(*paths, [0, 3], corpus=STORIES)
    line = run("features", DATA / "models" / "norm", "--in", paths[0], "--out", paths[1], "--features", "0,3", "--corpus", STORIES)
    for a, b in zip(result["features"], line["features"]):
        assert a["pairs"]["top"][0][:2] == b["pairs"]["top"][0][:2] and a["constant"] == pytest.approx(b["constant"], rel=1e-4, abs=1e-6)
    assert len(result.frame()) == 10
    table = norm.features(*paths, corpus=STORIES)
    assert len(table["features"]) == 24 and "pairs" not in table["features"][0]


def test_neighbours(norm, pair):
    e = norm.eigen("swim")
    found = norm.neighbours(e, [-1, 0], STORIES, top=3)
    place = found["vectors"][0]["neighbours"]["top"][0]
    assert len(found["vectors"]) == 2 and place["word"] and abs(place["cosine"]) <= 1
    features = norm.neighbours(pair[0]["path"], [2, 5], STORIES, top=3)
    assert [v["feature"] for v in features["vectors"]] == [2, 5] and len(features.frame()) == 12
    with pytest.raises(bilens.UsageError, match="which features"):
        norm.neighbours(pair[0]["path"], corpus=STORIES)
