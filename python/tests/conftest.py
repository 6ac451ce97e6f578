"""What the tests share. They look at the installed package, or with PYTHONPATH at this one; the program is $BILENS or build/bilens."""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TOP = Path(__file__).resolve().parents[2]
DATA = TOP / "tests" / "data"
SHARED = Path(os.environ.get("SHARED", TOP.parent / "shared"))
PROGRAM = os.environ.get("BILENS", str(TOP / "build" / "bilens"))
MINUS = ["run", "climb", "eat", "see", "smell", "walk", "fly", "sit", "sleep"]
MODELS = ["plain", "norm", "bias", "june", "later-bilinear"]  # every kind that can be decomposed

# The program starts itself again with kernels that fit the processor where OpenBLAS does not know it; the library in this process cannot.
# Numbers are compared to the last digits, so both take the program's.
if "OPENBLAS_CORETYPE" not in os.environ:
    kernel = re.search(r"OpenBLAS [^ ]+ \((\w+)\)", subprocess.run([PROGRAM, "--version"], capture_output=True, text=True).stdout)
    if kernel:
        os.environ["OPENBLAS_CORETYPE"] = kernel.group(1)

import bilens  # noqa: E402


@pytest.fixture(scope="session")
def default():
    """The model that comes with bilens."""
    return bilens.load(TOP / "data" / "stories-1-256")


@pytest.fixture(scope="session")
def swim(default):
    return default.eigen("swim", minus=MINUS)


@pytest.fixture(scope="session", params=MODELS)
def model(request):
    """A tiny model of each kind."""
    return bilens.load(DATA / "models" / request.param)


@pytest.fixture(scope="session")
def stories():
    return DATA / "models" / "stories.txt"


@pytest.fixture(scope="session")
def run():
    """run("eigen", model, …): the parsed JSON of the command line's answer."""
    if not os.access(PROGRAM, os.X_OK):
        pytest.fail(f"{PROGRAM} is not here: build it, or set BILENS")

    def call(*arguments):
        out = subprocess.run([PROGRAM, *map(str, arguments), "--format", "json"], capture_output=True, text=True)
        assert out.returncode == 0, out.stderr
        return json.loads(out.stdout)

    return call


def close(ours, theirs, tolerance):
    """Largest difference relative to the largest of its kind."""
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    assert ours.shape == theirs.shape
    difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
    assert difference <= tolerance, f"differ by {difference:.3g} of the largest, {tolerance:.3g} allowed"


def python(code, *arguments, **options):
    """A fresh Python that sees the same package."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
    environment.update(options.pop("env", {}))
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, env=environment, **options)
