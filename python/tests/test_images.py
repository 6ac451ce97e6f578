"""Image models: the same numbers as the command line, arrays where they are arrays."""
import numpy as np
import pytest
from conftest import DATA

import bilens

MODEL, SAMPLE, MODULAR = DATA / "images" / "fashion-64", DATA / "images" / "sample", DATA / "images" / "modular-59"


@pytest.fixture(scope="module")
def m():
    return bilens.load(MODEL)


@pytest.fixture(scope="module")
def images(m):
    return m.images(SAMPLE)


def same(result, wanted):
    """Equal but for the last digits that nine of them leave out, and the model's name."""
    if isinstance(wanted, dict):
        assert set(result) == set(wanted)
        for key in wanted:
            if key != "model":
                same(result[key], wanted[key])
    elif isinstance(wanted, list):
        assert len(result) == len(wanted)
        for a, b in zip(result, wanted):
            same(a, b)
    elif isinstance(wanted, float):
        assert result == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    else:
        assert result == wanted


def test_load(m):
    assert isinstance(m, bilens.ImageModel)
    assert (len(m.classes), m.shape, m.p, m.n_layer) == (10, (1, 28, 28), 0, 1)
    assert "Ankle boot" in m.classes and "10 classes" in repr(m)


def test_images(m, images):
    assert len(images) == 64 and images.labels.shape == (64,)
    assert images[3].shape == (1, 28, 28) and 0 <= images[3].min() and images[3].max() <= 1
    np.testing.assert_array_equal(images[-1], images[63])
    arrays = m.images(SAMPLE / "images.npy", SAMPLE / "labels.npy")
    np.testing.assert_allclose(arrays[5], images[5], atol=1e-6)


def test_results_are_the_programs(m, images, run):
    same(m.eval(images).json(), run("eval", MODEL, "--images", SAMPLE, "--logits"))
    words = ("--class", "sandal", "--minus", "7,9", "--space", "pixel", "--eigs", "-1,0")
    question = dict(minus=[7, 9], space="pixel", indices=[-1, 0])
    same(m.eigen("Sandal", **question).json(), run("eigen", MODEL, *words))
    same(m.scan("Sandal", images, top=3, **question).json(), run("scan", MODEL, *words, "--images", SAMPLE, "--top", "3"))
    same(m.null("Sandal", draws=9, seed=2, **question).json(), run("null", MODEL, *words, "--draws", "9", "--seed", "2"))
    same(m.truncate(images, ranks=[1, 20]).json(), run("truncate", MODEL, "--images", SAMPLE, "--ranks", "1,20"))
    same(m.explain(17, images, top=4).json(), run("explain", MODEL, "--images", SAMPLE, "--image", "17", "--top", "4"))
    same(m.atlas().json(), run("atlas", MODEL))
    same(m.hosvd(3).json(), run("hosvd", MODEL, "-k", "3"))
    same(m.info().json(), run("info", MODEL))
    same(m.mask(5, images, per_class=3).json(), run("mask", MODEL, "--class", "5", "--images", SAMPLE, "--per-class", "3"))
    same(m.diff(m, 4).json(), run("diff", MODEL, MODEL, "--top", "4"))


def test_pictures(m):
    e = m.eigen("trouser", minus="all", space="pixel")
    pictures = e.pictures().reshape(8, -1)
    np.testing.assert_allclose(pictures @ pictures.T, np.eye(8), atol=1e-4)  # in pixels eigenvectors are the pictures
    assert len(e.frame()["eigenvalue"]) > 0


def test_directions(m):
    text = m.direction("class:9 - class:7")
    assert text.text == '"class:Ankle boot" - class:Sneaker' and text.text == m.direction("ankle-boot", minus="sneaker").text == m.direction(9, minus=[7]).text
    assert m.eigen(text)["direction"] == text.text
    own = m.eigen(text.vector)
    assert own["class"] is None and own["eigenvalues"] == m.eigen(9, minus=7)["eigenvalues"]
    with pytest.raises(bilens.UsageError):
        m.direction("boots - class:7")


def test_modular(run):
    m = bilens.load(MODULAR)
    assert m.p == 59 and m.eval()["accuracy"] == 1
    assert m.fourier(permutations=1)["block"] > 0.99
    v = m.eigen(3, minus="all", indices=[-1])["vectors"][0]
    assert v["mode"]["share"] > 0.99 and len(v["mode"]["picture"]) == 118


def test_refusals(m, images):
    for attempt in (lambda: m.eigen("boots"), lambda: m.eigen(5, space="text"), lambda: m.eigen(5, indices=[64]), lambda: m.eval(),
                    lambda: m.explain(64, images), lambda: m.eigen(5, minus=["boots"]), lambda: m.fourier(), lambda: m.eigen(5, layer=1),
                    lambda: bilens.load(MODULAR).scan(3, images)):
        with pytest.raises(bilens.BilensError):
            attempt()
    with pytest.raises(bilens.InputError):
        m.images(SAMPLE / "nowhere")


def test_heads(run):
    from conftest import SHARED
    where = SHARED / "models" / "tiny-attention2"
    if not where.exists():
        pytest.skip("../shared is not here")
    model = bilens.load(where)
    same(model.head_pairs(1, 3, "swim", minus=["run", "fly"], k=5).json(),
         run("pairs", where, "--head", "1", "--distance", "3", "--token", "swim", "--minus", "run,fly", "-k", "5"))
    same(model.head_pairs(0, 1, k=2).json(), run("pairs", where, "--head", "0", "--distance", "1", "-k", "2"))
    same(model.head_query("swim", 1, 1).json(), run("eigen", where, "--query", "swim", "--head", "1", "--distance", "1"))
    with pytest.raises(bilens.UsageError):
        model.head_query("swim", 9, 1)


def test_dictionary(tmp_path):
    m = bilens.load(MODULAR)
    made = m.train_dictionary(tmp_path / "sae", 32, 4, point="hidden", batch=256, epochs=10)
    assert made["steps"] == 120 and made["images"] == 348 and made["trained_positions"] == 3481 - 348
    assert 0 < made["unexplained"] < .5 and made["loss"]["model"] < made["loss"]["spliced"] < made["loss"]["mean"]
    both = np.concatenate([np.eye(m.d_hidden), -np.eye(m.d_hidden)]).astype(np.float32)
    np.save(tmp_path / "both.npy", both)                       # relu of a vector and of its negative: an exact reconstruction
    exact = m.eval_dictionary(tmp_path / "both.npy")
    assert exact["unexplained"] < 1e-10 and exact["loss"]["spliced"] == pytest.approx(exact["loss"]["model"], rel=1e-5)
    assert exact["accuracy"]["spliced"] == exact["accuracy"]["model"] == 1 and exact["accuracy"]["mean"] < .1
    with pytest.raises(bilens.UsageError, match="trace point"):
        m.eval_dictionary(tmp_path / "both.npy", point="mlp_in")
