"""Decomposition: numpy's numbers, the command line's, and what a notebook shows."""
import bilens
import numpy as np
import pytest
from conftest import MINUS, TOP, close, python


def test_invariants(model):
    """Q v = lambda v, V orthonormal, and u . MLP(x) = sum lambda (v . x)^2 + constant on real activations."""
    for layer in range(model.config.n_layer):
        e = model.eigen("swim", minus=["run", "big"], layer=layer)
        q = model.interaction("swim", ["run", "big"], layer)
        scale = np.abs(e.values).max()
        assert np.array_equal(q, q.T) and (np.diff(e.values) >= 0).all()
        assert np.abs(q @ e.vectors - e.vectors * e.values).max() < 2e-5 * scale
        assert np.abs(e.vectors.T @ e.vectors - np.eye(len(e))).max() < 2e-5
        close(e.values, np.linalg.eigvalsh(q.astype(float)), 2e-5)
        trace = model.trace("Tom likes to swim and the big dog")
        x = trace[f"mlp_in.{layer}"]
        if len(e) > x.shape[1]:
            x = np.column_stack([x, np.ones(len(x), np.float32)])
        close((x @ e.vectors) ** 2 @ e.values + e.constant, trace[f"mlp_out.{layer}"] @ e.direction.vector, 1e-4)
        own = e.values - e.shift
        assert (e.shift != 0) == model.config.normalization and abs(own.mean() if e.shift else 0) < 1e-5 * scale
        assert e.effective_rank == pytest.approx(np.abs(own).sum() ** 2 / (own**2).sum(), rel=1e-5)


def test_command_line(model, run):
    e = model.eigen("swim", minus=["run", "big"])
    theirs = run("eigen", model.name, "--token", "swim", "--minus", "run,big", "--eigs", "-1,0")
    for vector, ours in zip(theirs["vectors"], e.json([-1, 0])["vectors"]):
        assert vector["sources"].keys() == ours["sources"].keys()
    close(e.values, theirs["eigenvalues"], 2e-6)
    table = e.virtual_tokens(-1)
    direct = theirs["vectors"][0]["sources"]["direct"]
    close(table["Value"], [v for _, v in direct["top"] + direct["bottom"][::-1]], 2e-5)
    assert e.table([-1]).startswith('Eigenvalues for "swim"')


def test_same_bits(default, run):
    """The same library with the same threads gives the same JSON as the program does, all eigenpairs and few."""
    model = TOP / "data" / "stories-1-256"
    few = [-1, 0]
    theirs = run("eigen", model, "--token", "swim", "--minus", ",".join(MINUS), "--eigs", "-1,0")
    ours = default.eigen("swim", MINUS, k=1).json(few)
    close(ours["eigenvalues"], theirs["eigenvalues"], 1e-6)
    for a, b in zip(ours["vectors"], theirs["vectors"]):
        for source in b["sources"]:
            for side in ("top", "bottom"):
                assert [t for t, _ in a["sources"][source][side]] == [t for t, _ in b["sources"][source][side]]
                close([v for _, v in a["sources"][source][side]], [v for _, v in b["sources"][source][side]], 1e-5)


def test_orientation(default):
    e = default.eigen("swim")
    assert e.orientation(-1) is None and 'class="unsigned"' in e.html([-1]) and "hence no red and blue" in e.table([-1])
    assert e.orient() is e and e.orientation(-1) == e.orientation(255) == -1
    assert 'class="unsigned"' not in e.html([-1]) and "  0 swim" in e.table([-1]) and e.json([255])["vectors"][0]["orientation"] == -1
    assert default.scan(None, e, [-1]).of(-1).orientation == -1
    assert e.virtual_tokens(-1)["Head 4"][19] == "swim"  # numbers keep their signs


def test_virtual_tokens(default, swim):
    """The paper's einsum over the embedding and OV, and the table that shows its ends."""
    v = swim.vectors[:, -1]
    expected = np.concatenate([(default.w_e @ v)[None], np.einsum("d,hde,te->ht", v, default.ov(), default.w_e, optimize=True)])
    close(swim.sources(-1), expected, 1e-5)
    table = swim.virtual_tokens(-1)
    assert list(table.columns) == [c for h in range(-1, 8) for c in (["Direct", "Value"] if h < 0 else [f"Head {h}", f"Value {h}"])]
    assert len(table) == 20 and len(swim.virtual_tokens(-1, k=3)) == 6
    order = np.sort(expected[3])[::-1]
    close(table["Value 2"], np.concatenate([order[:10], order[-10:]]), 1e-5)
    ids = default.tokenizer[list(table["Head 2"])]
    close(expected[3][ids], table["Value 2"], 1e-5)
    html = table._repr_html_()
    assert html.startswith('<div class="bilens">') and html.count("<td") >= 20 * 18 and "evidence for" in html and "<script" not in html
    assert type(table[["Direct"]]) is not type(table) and "<table" in table[["Direct"]]._repr_html_()
    assert table.iloc[:2].shape == (2, 18) and "Direct" in str(table)
    assert (table["Value"].dtype == np.float32) and table.copy().equals(table)


def test_extremes_only(swim, default):
    e = default.eigen("swim", MINUS, k=2)
    close(e.values, swim.values, 1e-5)
    for index in (-1, -2, 0, 1):
        assert abs(abs(e.vector(index) @ swim.vector(index)) - 1) < 1e-4
    assert e.default_indices() == [-1, -2, 0, 1] and "<svg" in e._repr_html_()
    with pytest.raises(bilens.UsageError, match="not computed"):
        e.vector(5)
    with pytest.raises(bilens.UsageError, match="outermost"):
        e.vectors


def test_directions(default, swim, tmp_path):
    """A token, a contrast, a vector, a file: u is what it should be."""
    t = default.tokenizer
    u = default.w_u[t["swim"]] - default.w_u[t[MINUS]].mean(0)
    close(swim.direction.vector, u, 1e-6)
    vector = default.eigen(swim.direction.vector, name="probe")
    assert np.array_equal(vector.values, swim.values) and np.array_equal(vector.vectors, swim.vectors)
    result = vector.json([-1])
    assert result["token"] is None and result["direction"] == "@probe" and "probe" in vector._repr_html_() and "probe" in repr(vector)
    np.save(tmp_path / "probe.npy", u)
    read = default.read_direction(tmp_path / "probe.npy")
    assert np.array_equal(read.vector, u) and np.array_equal(bilens.read_array(tmp_path / "probe.npy"), u)
    assert np.array_equal(default.eigen(read).direction.vector, u) and np.array_equal(np.asarray(read), u)
    for text, same in (("swim - mean(run, climb)", default.direction("swim", ["climb", "run"])), ("swim - mean(*)", default.direction("swim", "*")),
                       ("centred(swim)", default.direction("swim", centre=True)), (f"@{tmp_path}/probe.npy", read), ('"swim" - "run"', default.direction("swim", "run"))):
        parsed = default.direction(text)
        assert np.array_equal(parsed.vector, same.vector) and parsed.text == same.text and default.direction(parsed.text).text == parsed.text
    assert default.direction("swim - mean(run, climb)").minus == ["run", "climb"] and default.direction("swim", "*").minus == "*"
    close(default.direction("swim", "*").vector, default.w_u[t["swim"]] - default.w_u.mean(0, dtype=float), 1e-5)
    np.save(tmp_path / "matrix.npy", default.w_u[:5])
    assert np.array_equal(default.direction(f"@{tmp_path}/matrix.npy:3").vector, default.w_u[3])
    assert default.direction('"').token == '"' and default.direction("-").token == "-"
    centred = default.direction("swim", centre=True).vector
    row = default.w_u[t["swim"]]
    close(centred, row - row.mean(), 1e-5)
    assert np.array_equal(default.direction("#7").vector, default.w_u[7])
    close(default.eigen(list(map(float, u))).values, swim.values, 1e-5)


def test_figure(swim, tmp_path):
    figure = swim.plot([-1, 2])
    for name, magic in (("s.svg", b"<?xml"), ("s.png", b"\x89PNG"), ("s.pdf", b"%PDF")):
        assert (tmp_path / name).parent == figure.save(tmp_path / name).parent
        assert (tmp_path / name).read_bytes().startswith(magic)
    assert figure._repr_png_()[0].startswith(b"\x89PNG") and 200 < figure._repr_png_()[1]["width"] < 1000
    with pytest.raises(bilens.BilensError, match="svg"):
        figure.save(tmp_path / "s.gif")
    svg = swim.plot(width=85, height=60, title="Who <swims>", font="serif", size=8, marks=False, theme="dark").save(tmp_path / "t.svg").read_text()
    assert 'width="240.94' in svg and 'height="170.07' in svg and "<title>Who &lt;swims&gt;</title>" in svg
    for bad in ({"width": 5}, {"size": 100}, {"height": -1}, {"theme": "blue"}, {"font": ""}):
        with pytest.raises(bilens.BilensError):
            swim.plot(**bad)
    assert swim.latex([-1]).count("\\begin{tabular}") == 1 and "\\cellcolor[HTML]{" in swim.latex()
    html = swim._repr_html_()
    assert "<svg" in html and "effective rank" in html and " id=" not in html


def test_bad_input(default, swim):
    nan = np.full(256, np.nan)
    for what, part in ((lambda: default.eigen("swimm"), "swim"), (lambda: default.eigen(""), "label"), (lambda: default.eigen(np.zeros(7)), "[7]"),
                       (lambda: default.eigen(nan), "NaN"), (lambda: default.eigen("swim", layer=1), "layer 1"), (lambda: default.eigen("swim", layer=-1), "layer"),
                       (lambda: default.eigen("swim", minus=["nope!"]), "nope"), (lambda: default.eigen("swim", k=-1), "k:"),
                       (lambda: default.eigen(np.zeros(256), minus=["run"]), "contrast"), (lambda: default.eigen("a\0b"), "NUL"),
                       (lambda: swim.vector(256), "does not exist"), (lambda: swim.vector(-257), "does not exist"), (lambda: swim.vector(1.5), "does not exist"),
                       (lambda: swim.virtual_tokens(-1, k=0), "k:"), (lambda: swim.json([999]), "does not exist"),
                       (lambda: default.virtual_tokens(np.zeros(3)), "[3]"), (lambda: default.eigen(object()), "numbers"),
                       (lambda: default.eigen("swim", layer=True), "layer")):
        with pytest.raises(ValueError) as caught:
            what()
        assert isinstance(caught.value, bilens.UsageError) and part in str(caught.value), str(caught.value)


def test_gated_is_refused():
    from conftest import DATA
    gated = bilens.load(DATA / "models" / "gelu")
    assert not gated.config.bilinear and gated.config.gate == "gelu"
    with pytest.raises(bilens.UnsupportedError):
        gated.eigen("swim")
    assert gated.eval(DATA / "models" / "stories.txt").loss > 0
    plain = bilens.load(DATA / "models" / "mlp")
    assert plain.config.plain and plain.layer().w_r is None


def test_without_pandas():
    """numpy alone is enough."""
    code = """
import sys
sys.modules["pandas"] = None
import bilens
e = bilens.load(sys.argv[1]).eigen("swim")
t = e.virtual_tokens(-1)
assert t.columns[:2] == ["Direct", "Value"] and len(t["Value 0"]) == 20 and "bilens" in t._repr_html_() and len(str(t).splitlines()) == 21
assert len(e.model.describe("w_e", k=2)) == 4
assert len(e.model.scan(None, e, stories=3, progress=False).frame()["story"]) == 24
"""
    out = python(code, TOP / "data" / "stories-1-256")
    assert out.returncode == 0, out.stderr


def test_figure_on_axis(swim):
    """On a matplotlib axis: the same eigenvalues, the marks that were asked for, and the axis back."""
    figure = pytest.importorskip("matplotlib.figure").Figure(figsize=(3, 2))
    left, right = figure.subplots(1, 2)
    assert swim.plot([-1, 2], ax=left) is left
    curve = next(line for line in left.lines if len(line.get_ydata()) == len(swim))
    close(curve.get_ydata(), swim.values, 1e-7)
    assert [text.get_text() for text in left.texts] == ["\u22121", "2"] and "swim" in left.get_title()
    swim.plot(ax=right, title="", marks=False)
    assert not right.texts and right.get_title() == "" and right.get_xlabel() == "Index" and right.get_ylabel() == "Eigenvalue"
    figure.canvas.draw()
    for bad in ({"width": 85}, {"theme": "dark"}, {"font": "serif"}):
        with pytest.raises(bilens.UsageError, match="axis"):
            swim.plot(ax=left, **bad)
