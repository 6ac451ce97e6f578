"""The numbers of an independent implementation in PyTorch, where ../shared has it: its golden results, and a run of it beside this library
(PyTorch in this Python or in $BENCH_PYTHON)."""
import json
import os
import subprocess
import sys
import warnings

import bilens
import numpy as np
import pytest
from conftest import MINUS, SHARED, close

GOLDEN = ["ts-1-256", "tiny-plain", "tiny-norm"]


def skip(reason):
    warnings.warn(f"SKIPPED: {reason}", stacklevel=2)  # loudly
    pytest.skip(reason)


@pytest.fixture(scope="module")
def shared():
    if not (SHARED / "golden").is_dir():
        skip(f"{SHARED} is not here: nothing was compared with the reference")
    return SHARED


def compare_eigen(e, theirs):
    close(e.values, theirs["eigenvalues"], 1e-6)
    for vector in theirs["vectors"]:
        table = e.virtual_tokens(vector["index"])
        scale = max(abs(v) for s in vector["sources"].values() for side in s.values() for _, v in side)
        for name, source in vector["sources"].items():
            column = "Value" if name == "direct" else f"Value {name.split()[1]}"
            words = "Direct" if name == "direct" else f"Head {name.split()[1]}"
            entries = source["top"] + source["bottom"][::-1]
            assert np.abs(np.array(table[column]) - [v for _, v in entries]).max() < 5e-6 * scale
            for ours, (token, value) in zip(zip(table[words], table[column]), entries):
                assert ours[0] == token or abs(ours[1] - value) < 1e-6 * scale  # places among equals


def compare_scan(scan, theirs, tolerance):
    assert scan.stories == theirs["stories"]
    for hits, vector in zip(scan, theirs["vectors"]):
        assert hits.index == vector["index"]
        scale = max(abs(m["similarity"]) for m in vector["matches"])
        for ours, match in zip(hits, vector["matches"]):
            assert abs(ours.similarity**2 - match["similarity"] ** 2) < tolerance * scale**2
            if (ours.story, ours.position) != (match["story"], match["position"]):
                continue  # a place among equals, as the similarity says
            assert ours.token == match["token"]
            close(ours.contributions, match["contributions"], 2 * tolerance)


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(shared, name):
    """Computed in float64."""
    m = bilens.load(shared / "models" / name)
    e = m.eigen("swim", minus=MINUS)
    compare_eigen(e, json.loads((shared / "golden" / f"{name}.eigen.json").read_text()))
    theirs = json.loads((shared / "golden" / f"{name}.scan.json").read_text())
    corpus = shared / "corpus" / "valid.txt"
    scan = m.scan(corpus, e, stories=theirs["stories"], progress=False)
    compare_scan(scan, theirs, 1e-5)
    loss = json.loads((shared / "golden" / f"{name}.loss.json").read_text())
    ours = m.eval(corpus, stories=theirs["stories"], progress=False)
    assert ours.predictions == loss["predictions"] and ours.loss == pytest.approx(loss["loss"], rel=1e-7)


def torch_python():
    for python in (sys.executable, os.environ.get("BENCH_PYTHON")):
        if python and subprocess.run([python, "-c", "import torch, numpy"], capture_output=True).returncode == 0:
            return python
    return skip("no Python with PyTorch is here (BENCH_PYTHON): the reference was not run beside bilens")


@pytest.mark.parametrize("name", ["ts-1-256", "tiny-norm"])
def test_beside_the_reference(shared, name):
    """Another direction and other eigenvectors than the golden ones."""
    if not (shared / "reference" / "reference.py").exists():
        skip("no reference.py")
    python = torch_python()
    token, minus, eigs = "big", ["little", "small"], [-1, 5, 0]
    corpus, stories = shared / "corpus" / "valid.txt", 24

    def reference(*arguments):
        out = subprocess.run([python, shared / "reference" / "reference.py", *map(str, arguments), "--token", token, "--minus", ",".join(minus),
                              "--eigs=" + ",".join(map(str, eigs)), "--double"], capture_output=True, text=True)
        assert out.returncode == 0, out.stderr
        return json.loads(out.stdout)

    m = bilens.load(shared / "models" / name)
    e = m.eigen(token, minus=minus)
    compare_eigen(e, reference("eigen", m.name))
    compare_scan(m.scan(corpus, e, indices=eigs, stories=stories, progress=False), reference("scan", m.name, corpus, "--stories", stories), 1e-5)
