"""Surrogates: fitted, read, in what they decompose."""
import pickle

import numpy as np
import pytest

import bilens
from conftest import TOP

MODEL = TOP / "tests/data/general/qwen3"


def test_fit_and_use(tmp_path):
    words = (TOP / "tests/data/models/stories.txt").read_text().replace("<|endoftext|>", " ").split()
    stories = tmp_path / "stories.txt"
    stories.write_text("\n<|endoftext|>\n".join(" ".join(words[i:] + words[:i]) for i in range(20)))
    file = tmp_path / "s.safetensors"
    model = bilens.load(MODEL)
    with pytest.raises(bilens.UnsupportedError, match="--surrogate"):
        model.eigen("#40", layer=1)
    fitted = model.fit_surrogate(file, stories)
    assert [row["layer"] for row in fitted["layers"]] == [0, 1]
    assert all(row["r2"] > row["r2_linear"] for row in fitted["layers"])
    again = bilens.load(MODEL, surrogate=file)
    eigen = again.eigen("#40", layer=1)
    assert len(eigen.values) == again.config.d_model and np.isfinite(eigen.values).all()
    account = again.explain("Tom went", "#40", layer=1)
    mlp = account["mlp"]
    whole = mlp["constant"] + mlp["linear"] + sum(t["value"] for t in mlp["terms"]) + mlp["rest"] + mlp["remainder"]
    assert whole == pytest.approx(mlp["total"], abs=1e-4)
    assert account["surrogate"]["r2"] == pytest.approx(fitted["layers"][1]["r2"])
    layers = again.layers("#40", corpus=stories)
    assert [row["layer"] for row in layers["layers"]] == [0, 1] and layers["positions"] > 0
    assert all(row["mlp_spread"] > 0 and row["r2"] == pytest.approx(fit["r2"]) for row, fit in zip(layers["layers"], fitted["layers"]))
    assert list(layers.frame()["layer"]) == [0, 1]
    copy = pickle.loads(pickle.dumps(again))
    assert np.allclose(copy.eigen("#40", layer=1).values, eigen.values)
