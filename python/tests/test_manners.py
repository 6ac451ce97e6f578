"""What a careless call must not do: wrap a number, cut an array, copy a handle, swallow Ctrl-C."""
import copy
import multiprocessing
import os
import pickle
import signal
import threading
import time

import bilens
import numpy as np
import pytest
from conftest import DATA, TOP, python


def test_numbers(default, swim, tmp_path):
    """A number that is complex, an array or no number is refused by its name, before anything is taken of it."""
    calls = {"temperature": lambda x: default.generate("Tom", max_tokens=1, temperature=x), "top_p": lambda x: default.generate("Tom", max_tokens=1, top_p=x),
             "size": lambda x: bilens.figure.figure_options(size=x),
             "lr": lambda x: default.train_dictionary(tmp_path / "d", features=8, k=2, corpus=["Tom"], lr=x)}
    for name, ask in calls.items():
        for bad in 1 + 0j, np.complex64(1), np.ma.masked_array([1.0], [1]), "1", None if name == "temperature" else True:
            with pytest.raises((TypeError, bilens.UsageError)) as info:
                ask(bad)
            assert name in str(info.value)
    for ask in (lambda: default.train_dictionary(tmp_path / "d", features=8, k=2, corpus=["Tom"], point=5), lambda: default.neighbours(5), lambda: default.atlas(tmp_path / "a.db", names=["a"]),
                lambda: default.direction("swim", name=5)):
        with pytest.raises((TypeError, bilens.UsageError), match="point|neighbours|names|name"):
            ask()


def test_whole_numbers(default, swim):
    """Nothing is wrapped or cut."""
    huge = 2**64 + 3
    for call in (lambda n: default.generate("Tom", max_tokens=n), lambda n: default.generate("Tom", max_tokens=3, top_k=n),
                 lambda n: default.generate("Tom", max_tokens=3, seed=n), lambda n: default.generate("Tom", n=n, max_tokens=3),
                 lambda n: default.eval(stories=n), lambda n: default.scan(None, swim, stories=n), lambda n: default.scan(None, swim, top=n),
                 lambda n: default.eigen("swim", k=n), lambda n: default.describe("w_e", k=n), lambda n: default.layer(n), lambda n: swim.vector(n),
                 lambda n: bilens.set_threads(n), lambda n: default.tokenizer.decode([n])):
        for bad in (huge, 1.5, 2.0):
            with pytest.raises(bilens.UsageError):
                call(bad)
    for call in (lambda: default.generate("Tom", max_tokens=-1), lambda: default.generate("Tom", max_tokens=3, seed=-1), lambda: default.eval(stories=-1),
                 lambda: default.scan(None, swim, top=-1), lambda: default.eigen("swim", k=-1), lambda: default.describe("w_e", k=0),
                 lambda: default.layer(-1), lambda: bilens.set_threads(-1), lambda: default.eval(stories=True), lambda: default.generate("Tom", n=0)):
        with pytest.raises(bilens.UsageError):
            call()
    assert default.eval(stories=np.int64(2)).stories == 2


def test_arrays(default):
    """A direction is an array of real numbers that float32 can hold."""
    d = default.config.d_model
    u = np.random.default_rng(0).normal(size=d)
    structured = np.zeros(d, [("a", "f4")])
    for bad, part in ((u + 0j, "complex"), (np.ma.masked_array(u, u > 1), "masked"), (structured, "real numbers"), (u.astype("datetime64[s]"), "datetime64"),
                      (u > 0, "bool"), (u.astype(str), "real numbers"), (u * 1e-300, "too small"), (u * 1e300, "too large"), (np.zeros((2, d)), "shape"),
                      ([None] * d, "real numbers"), ([2**70] * d, "real numbers"), (np.full(d, np.nan), "NaN")):
        with pytest.raises(bilens.UsageError) as caught:
            default.eigen(bad)
        assert part in str(caught.value), (part, str(caught.value))
    for bad, part in ((np.zeros((2, d)) + 1j, "complex"), (np.ma.masked_array(np.ones((2, d)), np.eye(2, d)), "masked"), (np.full((2, d), 1e-300), "too small"), (np.full((2, d), 1e300), "too large"),
                      (np.ones((2, d)).astype("datetime64[s]"), "datetime64"), (u, "shape"), (np.ones((2, d)) > 0, "bool")):
        with pytest.raises(bilens.UsageError) as caught:
            default.rank(bad)
        assert part in str(caught.value), (part, str(caught.value))
    assert np.array_equal(default.direction(np.arange(d)).vector, np.arange(d, dtype=np.float32))
    for bad in ([1.5], [True], [2**31], [2**64], [-(2**31) - 1], ["1"], [1 + 0j], np.ma.masked_array([1, 2], [0, 1]), 5, [[1]]):
        with pytest.raises(bilens.UsageError):
            default.tokenizer.decode(bad)
        with pytest.raises(bilens.UsageError):
            default.trace(bad)


def test_encode(default):
    for bad in (5, b"Tom", None, ["Tom"]):
        with pytest.raises(TypeError, match="a text .* is expected"):
            default.tokenizer.encode(bad)


def test_copies(default, swim):
    """What owns memory of the library says no to copy and pickle; a model's pickle is its name."""
    scan = default.scan(None, swim, stories=3, progress=False)
    for thing in (default, swim, swim.direction, scan, scan[0], default.trace("Tom"), default.tokenizer):
        for make in (copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="copied"):
                make(thing)
        if thing is not default:
            with pytest.raises(TypeError, match="pickled"):
                pickle.dumps(thing)
    again = pickle.loads(pickle.dumps(default))
    assert again.name == default.name and np.array_equal(again.w_e, default.w_e) and again._handle != default._handle
    assert pickle.loads(pickle.dumps(scan[0][0])).token == scan[0][0].token  # a match is numbers and texts


def _largest(model):
    return float(model.eigen("swim").values[-1])


def test_spawn(default):
    """A process of its own gets the model by name."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(_largest, [default])[0] == pytest.approx(_largest(default), rel=1e-6)


def test_views_after_copy(default):
    """Arrays are copied as arrays are."""
    layer = copy.deepcopy(default.layer())
    assert np.array_equal(layer.w_l, default.layer().w_l) and layer.w_l.ctypes.data != default.layer().w_l.ctypes.data


NESTED = """
import os, signal, sys, bilens
m = bilens.load(sys.argv[1])
e = m.eigen("swim")
corpus = sys.argv[2:]
log = []
def inner(phase, done, total):
    if not log:
        log.append("inner")
        os.kill(os.getpid(), signal.SIGINT)
def outer(phase, done, total):
    m.eval(corpus, progress=WHERE)
    log.append("not stopped")
try:
    m.scan(corpus, e, progress=outer)
except KeyboardInterrupt:
    print("interrupted", log, signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    print(m.eval(stories=2).stories)
"""


@pytest.mark.parametrize("where", ["inner", "(lambda *_: inner(*_))"])
def test_nested_interrupt(where):
    """Ctrl-C while a callback makes a long call itself."""
    out = python(NESTED.replace("WHERE", where), TOP / "data" / "stories-1-256", *[TOP / "data" / "stories.txt"] * 20)
    assert (out.returncode, out.stdout) == (0, "interrupted ['inner'] True\n2\n"), out.stderr


def test_nested_interrupt_in_the_library(tmp_path):
    """The same with a signal that comes while the inner call works in C."""
    code = """
import os, signal, sys, threading, time, bilens
m = bilens.load(sys.argv[1])
e = m.eigen("swim")
corpus = sys.argv[2:] * 40
def outer(phase, done, total):
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    m.eval(corpus, progress=False)
    print("not stopped")
start = time.monotonic()
try:
    m.scan(corpus, e, progress=outer)
except KeyboardInterrupt:
    print("interrupted", signal.getsignal(signal.SIGINT) is signal.default_int_handler, time.monotonic() - start < 30)
"""
    out = python(code, TOP / "data" / "stories-1-256", *[TOP / "data" / "stories.txt"] * 20)
    assert (out.returncode, out.stdout) == (0, "interrupted True True\n"), out.stderr


def test_handler_that_returns(default, swim):
    """A program whose own SIGINT handler does not raise gets CancelledError, and its handler back."""
    called = []
    before = signal.signal(signal.SIGINT, lambda *_: called.append(1))
    try:
        sent = threading.Event()

        def progress(*_):
            if not sent.is_set():
                sent.set()
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.01)

        assert default.eval(stories=20, progress=progress).stories == 20  # handled within the callback, as Python does it
        assert called == [1]
    finally:
        signal.signal(signal.SIGINT, before)


def test_fork(default, swim):
    """A child made by fork works after its parent has used the library: with models of its own, and with its parent's."""
    expected = float(swim.values[-1]), default.eval(stories=5, progress=False)
    child = os.fork()
    if child == 0:
        signal.alarm(120)
        try:
            own = bilens.load(DATA / "models" / "plain").eigen("swim").values.size
            e = default.eigen("swim", minus=swim.direction.minus)
            same = abs(float(e.values[-1]) - expected[0]) < 1e-5 and default.eval(stories=5, progress=False) == expected[1]
            os._exit(0 if own and same and default.scan(None, e, stories=3, progress=False).stories == 3 else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0


def _loss(model):
    return model.eval(stories=3, progress=False).loss


def test_pool(default):
    """multiprocessing's pool by fork."""
    expected = _loss(default)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(_loss, [default] * 4, 1) == [expected] * 4


def test_wrong_blas():
    """A BLAS that computes wrongly (tests/faults/inject.c spoils its products) is refused with a sentence."""
    inject = os.environ.get("INJECT")
    if not inject:
        pytest.skip("INJECT does not name the library that spoils products")
    code = f"import bilens\ntry: bilens.load({str(DATA / 'models' / 'plain')!r})\nexcept bilens.UnsupportedError as e: print(e)"
    result = python(code, env={"LD_PRELOAD": inject, "INJECT_BLAS": "all", "OPENBLAS_CORETYPE": "Haswell"})
    assert "computes wrongly on this processor" in result.stdout and "OPENBLAS_CORETYPE" in result.stdout, result
