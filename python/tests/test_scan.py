"""Top-activating inputs: every position looked at the slow way, the command line's answer, and long calls that are stopped."""
import hashlib
import json
import signal
import subprocess
import sys
import threading
import time

import bilens
import numpy as np
import pytest
from conftest import TOP, close, python


def test_brute_force(model, stories):
    """The same matches from the trace of every story."""
    texts = [s.strip() for s in stories.read_text().split("<|endoftext|>") if s.strip()]
    e = model.eigen("swim", minus=["run", "big"])
    scan = model.scan(stories, e, indices=[-1, 0, 1], top=4, heads=True)
    assert scan.stories == len(texts) and len(scan) == 3
    v = e.vectors[:, [-1, 0, 1]]
    best = np.zeros((len(texts), 3))
    for i, text in enumerate(texts):
        x = model.trace(text, "mlp_in.0")["mlp_in.0"]
        if len(e) > x.shape[1]:
            x = np.column_stack([x, np.ones(len(x), np.float32)])
        best[i] = ((x @ v) ** 2).max(0)
    for j, hits in enumerate(scan):
        order = np.sort(best[:, j])[::-1][:4]
        close([m.similarity**2 for m in hits], order, 1e-4)
        for m in hits:
            assert m.similarity**2 == pytest.approx(best[m.story, j], rel=1e-4)
            assert m.activation == pytest.approx(hits.eigenvalue * m.similarity**2, rel=1e-5)
            assert m.contributions.sum() + m.bias == pytest.approx(abs(m.similarity), abs=1e-4 * float(abs(m.contributions).max()))
            assert m.heads.shape == (1 + model.config.n_head, m.position + 1) and np.allclose(m.heads.sum(0), m.contributions, atol=1e-5)
            assert len(m.tokens) == m.position + 1 == len(m.contributions) and m.tokens[-1] == m.token and len(m.next) <= 3
            assert list(m.ids) == list(model.tokenizer.encode(texts[m.story])[:m.position + 1 + len(m.next)])
    same = model.scan(bilens.Stories(texts), e, indices=[-1, 0, 1], top=4)
    assert np.array_equal(same.similarity, scan.similarity)


def test_command_line(default, swim, run, stories):
    from conftest import MINUS
    scan = default.scan(stories, swim)
    theirs = run("scan", TOP / "data" / "stories-1-256", "--corpus", stories, "--token", "swim", "--minus", ",".join(MINUS))
    ours = scan.json()
    assert (ours["stories"], ours["positions"], ours["token"], ours["minus"]) == tuple(theirs[k] for k in ("stories", "positions", "token", "minus"))
    for a, b in zip(ours["vectors"], theirs["vectors"]):
        assert a["index"] == b["index"] and [(m["story"], m["position"]) for m in a["matches"]] == [(m["story"], m["position"]) for m in b["matches"]]
        close([m["similarity"] ** 2 for m in a["matches"]], [m["similarity"] ** 2 for m in b["matches"]], 1e-4)


def test_shown(default, swim, stories, tmp_path):
    scan = default.scan(None, swim, stories=40)
    html = scan._repr_html_()
    assert scan.stories == 40 and html.count("Eigenvector") == 8 and html.count("<li>") == 64 and "<script" not in html
    one = scan.of(-1)._repr_html_()
    assert one.count("Eigenvector") == 1 and one.count("<li>") == 8
    assert scan.of(255) is scan.of(-1) is scan[0]
    frame = scan.frame()
    assert len(frame) == 64 and list(frame["index"][:8]) == [-1] * 8 and set(frame.columns) >= {"story", "similarity"}
    assert "[" in repr(scan[0]) and "Activation" in scan.table() and scan.similarity.shape == (8, 8)
    assert "\\colorbox[HTML]{" in scan.latex()
    with pytest.raises(bilens.UsageError, match="theme"):
        default.report(scan, tmp_path / "none", theme="blue")
    assert not (tmp_path / "none").exists()
    page = default.report(scan, tmp_path / "report", width=85, title="Who swims", theme="dark")
    assert "Who swims" in (tmp_path / "report" / "figures" / "spectrum.svg").read_text()
    origin = json.loads((tmp_path / "report" / "report.json").read_text())["origin"]
    assert [f["of"] for f in origin["files"]] == ["model"] * 3 + ["corpus"] and "command" not in origin
    assert origin["files"][3]["sha256"] == hashlib.sha256((TOP / "data" / "stories.txt").read_bytes()).hexdigest()
    text = open(page, encoding="utf-8").read()
    assert "stories.txt (comes with bilens)" in text and (tmp_path / "report" / "eigenvectors.npy").exists()
    assert np.array_equal(np.load(tmp_path / "report" / "eigenvalues.npy"), swim.values)


def test_bad_input(default, swim, model, stories, tmp_path):
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "bad.txt").write_bytes(b"a \xff b")
    for what, kind, part in ((lambda: default.scan("missing.txt", swim), bilens.InputError, "missing.txt"), (lambda: default.scan(tmp_path / "empty.txt", swim), bilens.InputError, "empty.txt"),
                             (lambda: default.scan(tmp_path / "bad.txt", swim), bilens.InputError, "UTF-8"), (lambda: default.scan([], swim), bilens.UsageError, "no file"),
                             (lambda: default.scan(stories, swim, indices=[400]), bilens.UsageError, "400"), (lambda: default.scan(stories, swim, top=0), bilens.UsageError, "top"),
                             (lambda: default.scan(stories, swim, stories=-1), bilens.UsageError, "stories"), (lambda: model.scan(stories, swim), bilens.UsageError, "another model"),
                             (lambda: default.scan(stories, "swim"), TypeError, "Eigen"), (lambda: bilens.Stories("text"), TypeError, "list"),
                             (lambda: bilens.Stories([1]), TypeError, "int"), (lambda: default.eval("a\0b"), (ValueError, bilens.UsageError), "")):
        with pytest.raises(kind) as caught:
            what()
        assert part in str(caught.value), str(caught.value)
    with pytest.raises(OSError):
        default.scan("missing.txt", swim)
    with pytest.raises(bilens.InputError, match="no/such/model"):
        bilens.load("no/such/model")
    assert default.scan(bilens.Stories(["", "Tom swims.", "  "]), swim).stories == 1


def test_progress(default, swim, capsys):
    seen = []
    default.scan(None, swim, stories=300, progress=lambda phase, done, total: seen.append((phase, done, total)))
    assert seen and all(isinstance(p, str) for p, _, _ in seen) and seen == sorted(seen, key=lambda s: s[1])
    with pytest.raises(bilens.CancelledError):
        default.scan(None, swim, progress=lambda *_: False)

    class Mine(Exception):
        pass

    def fail(*_):
        raise Mine("from the callback")

    with pytest.raises(Mine, match="from the callback"):
        default.eval(None, progress=fail)
    with pytest.raises(TypeError):
        default.eval(None, progress="yes")
    assert "Exception ignored" not in capsys.readouterr().err
    assert default.eval(stories=5).stories == 5  # and all is well afterwards


LONG = """
import signal, sys, threading, bilens
m = bilens.load(sys.argv[1])
e = m.eigen("swim")
def ready(phase, done, total):
    if not ready.said:
        ready.said = True
        print("ready", flush=True)
ready.said = False
try:
    m.scan(sys.argv[2:], e, progress=ready)
except KeyboardInterrupt:
    print("interrupted")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    print(m.eval(stories=2).stories)
"""


def test_interrupt(tmp_path):
    """Ctrl-C during a scan of 400 corpora is a KeyboardInterrupt at once, with nothing printed; the program goes on."""
    import os
    corpus = str(TOP / "data" / "stories.txt")
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
    process = subprocess.Popen([sys.executable, "-c", LONG, TOP / "data" / "stories-1-256"] + [corpus] * 400, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, env=environment)
    assert process.stdout.readline() == "ready\n"
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert (out, err) == ("interrupted\n2\n", ""), err
    assert time.monotonic() - start < 20


def test_lock_is_released(default, swim):
    """Python runs on while the library works."""
    corpus = [TOP / "data" / "stories.txt"] * 6
    count, stop = [0], threading.Event()

    def work():
        default.scan(corpus, swim, progress=False)
        stop.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not stop.is_set():
        count[0] += 1
        time.sleep(0.001)
    thread.join()
    assert count[0] > 20, f"only {count[0]} rounds of the other thread"


def test_threads(default, swim):
    """Scans side by side on one model give what each gives alone."""
    alone = default.scan(None, swim, stories=60, progress=False).similarity
    results = [None] * 4

    def work(i):
        results[i] = default.scan(None, swim, stories=60, progress=False).similarity

    threads = [threading.Thread(target=work, args=[i]) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(r, alone) for r in results)


def test_line_on_stderr(capsys):
    """progress=True shows a line after two seconds, and leaves it clean."""
    from bilens._calls import _Line
    line = _Line()
    line("scanning", 1, 4)
    assert capsys.readouterr().err == ""
    line.start -= 3
    line("scanning", 1, 4)
    line.close()
    assert capsys.readouterr().err == "\rscanning: 25 %\r" + 14 * " " + "\r"
