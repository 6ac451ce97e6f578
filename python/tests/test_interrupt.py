"""Ctrl-C in every method that may take long: KeyboardInterrupt, soon, and everything is usable afterwards."""
import inspect
import os

import bilens
import pytest
from conftest import DATA, TOP, python

# What a call makes, as Python's source; {out} is a name that is not there yet. m: a language model, i: an image model, p: one of modular addition.
CALLS = {
    "Model.eigen": "m.eigen('swim')", "Model.interaction": "m.interaction('swim')", "Model.tensor": "m.tensor('ove')", "Model.ov": "m.ov()", "Model.qk": "m.qk()", "Model.ove": "m.ove()",
    "Model.b": "m.b()", "Model.describe": "m.describe('ove')", "Model.virtual_tokens": "m.virtual_tokens(e.vector(-1))", "Model.scan": "m.scan(corpus, e, progress=P)",
    "Model.trace": "m.trace('Tom swims. ' * 60)", "Model.eval": "m.eval(corpus, progress=P)", "Model.generate": "m.generate('Tom', n=1000, progress=P)",
    "Model.predictions": "m.predictions('Tom swims. ' * 60)", "Model.excite": "m.excite('Tom swims.')",
    "Model.atlas": "m.atlas({out}, corpus, frequent=500, progress=P)", "Model.rank": "m.rank(m.w_u[:2000], progress=P)", "Model.fit_surrogate": "g.fit_surrogate({out}, corpus, progress=P)",
    "Model.explain": "m.explain('Tom likes to', 'swim', predictions=9)", "Model.layers": "m.layers('swim', corpus=corpus, stories=10**6, progress=P)",
    "Model.truncate": "m.truncate(corpus, progress=P)", "Model.ablate": "m.ablate('swim', [-1], corpus=corpus, progress=P)", "Model.null": "m.null('swim', draws=10**6, progress=P)",
    "Model.pairs": "m.pairs('swim', progress=P)", "Model.hosvd": "m.hosvd()", "Model.diff": "m.diff(m)", "Model.similar": "m.similar('swim')",
    "Model.features": "m.features(matrix, matrix, progress=P)", "Model.neighbours": "m.neighbours(e, corpus=corpus, progress=P)",
    "Model.eval_dictionary": "m.eval_dictionary(matrix, corpus=corpus, progress=P)", "Model.train_dictionary": "m.train_dictionary({out}, 256, 8, corpus=corpus, progress=P)",
    "Model.report": "m.report(s, {out})", "Eigen.orient": "m.eigen('swim').orient(corpus)", "Eigen.virtual_tokens": "e.virtual_tokens(-1)", "Eigen.json": "e.json()",
    "Eigen.html": "e.html()", "Eigen.latex": "e.latex()", "Eigen.table": "e.table()", "Scan.json": "s.json()",
    "Dictionary.reconstruct": "bilens.Dictionary(matrix).reconstruct(m.w_u)", "Atlas.sql": "a.sql('WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n')",
    "Atlas.directions": "a.directions()", "ImageModel.images": "i.images(sample)", "ImageModel.eval": "i.eval(images)", "ImageModel.eigen": "i.eigen(0, space='pixel')",
    "ImageModel.scan": "i.scan(0, images)", "ImageModel.null": "i.null(0, draws=10**6, progress=P)", "ImageModel.truncate": "i.truncate(images)",
    "ImageModel.explain": "i.explain(0, images)", "ImageModel.atlas": "i.atlas()", "ImageModel.hosvd": "i.hosvd()", "ImageModel.mask": "i.mask(0, images, per_class=2, permutations=10**6)",
    "ImageModel.diff": "i.diff(i)", "ImageModel.fourier": "p.fourier(permutations=10**6)",
    "ImageModel.train_dictionary": "i.train_dictionary({out}, 16, 4, images=images, epochs=10**4, batch=16, progress=P)",
    "ImageModel.eval_dictionary": "i.eval_dictionary(D, images=images, progress=P)", "load": "bilens.load(m.name)", "read_array": "bilens.read_array(matrix)",
}
# Methods that do no more than look something up, format a result, or answer from a query's index.
SHORT = {"Model": "direction head_pairs head_query info layer read_direction tensor_bytes", "ImageModel": "direction info", "Images": "", "Scan": "count frame index latex of table", "Dictionary": "pre",
         "Atlas": "calibration eigenpairs info readers", "Eigen": "default_indices group orientation plot sources vector"}
LOOP = """
import os, signal, sys, threading, time, bilens
data, corpus, out, calls = sys.argv[1], [sys.argv[2]], sys.argv[3], sys.argv[4:]
m, g, i, p = (bilens.load(x) for x in (sys.argv[2].replace("stories.txt", "stories-1-256"), data + "/models/gelu", data + "/images/fashion-64", data + "/images/modular-59"))
corpus, sample = corpus * 50, data + "/images/sample"
images, matrix, D = i.images(sample), out + "/w_u.npy", out + "/dictionary"
e = m.eigen("swim")
s = m.scan(corpus[:1], e, stories=20, progress=False)
import numpy
numpy.save(matrix, m.w_u[:1000])
i.train_dictionary(D, 16, 4, images=images, epochs=1, batch=16, progress=False)
a = m.atlas(out + "/a.db", corpus[:1], tokens=["swim"], effects=False, stories=20, progress=False)
n = [0]
def fresh():
    n[0] += 1
    return out + "/" + str(n[0])
def run(call, P):
    exec(compile(call.replace("{out}", "fresh()"), "call", "exec"), {**globals(), "P": P})
for name, call in (c.split("=", 1) for c in calls):
    sent = []
    def send(*_):
        if not sent:
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)
    for where in ("during", "in a callback") if "P)" in call else ("during",):
        del sent[:]
        timer = threading.Timer(0.1, send)
        if where == "during":
            timer.start()
        begin = time.monotonic()
        try:
            while time.monotonic() < begin + 60: # short ones again and again: the signal comes anywhere
                run(call, send if where != "during" else False)
            print(name, where, "is not interrupted", flush=True)
        except KeyboardInterrupt:
            late = time.monotonic() - sent[0]
            if late > 20:
                print(name, where, f"ends after {late:.1f} s", flush=True)
        timer.cancel()
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            print(name, where, "leaves another handler", flush=True)
        if m.eval(corpus[:1], stories=2, progress=False).stories != 2 or not i.eval(images)["accuracy"] >= 0:
            print(name, where, "leaves a model that is of no use", flush=True)
print("done")
"""


def test_table():
    """Every public method is in one of the two tables: a new one needs a row."""
    for name, short in SHORT.items():
        kind = getattr(bilens, name)
        public = {n for n, f in inspect.getmembers(kind, callable) if not n.startswith("_")}
        missing = public - set(short.split()) - {c.split(".")[1] for c in CALLS if c.startswith(name + ".")}
        assert not missing, f"{name}: {sorted(missing)}"


@pytest.mark.parametrize("part", range(2))
def test_every_method(part, tmp_path):
    """SIGINT during the call, and within its callback of progress."""
    calls = [f"{name}={call}" for name, call in CALLS.items()][part::2]
    out = python(LOOP, DATA, TOP / "data" / "stories.txt", tmp_path, *calls, timeout=1000)
    assert (out.returncode, out.stdout) == (0, "done\n"), (out.stdout, out.stderr[-2000:])
