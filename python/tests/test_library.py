"""Finding the library: where, in which order, and what is said when it is not there."""
import shutil
import subprocess
from pathlib import Path

import bilens
import pytest
from bilens import _library
from conftest import TOP, python


def test_environment(tmp_path):
    out = python("import bilens; print(bilens.library_path)", env={"BILENS_LIBRARY": bilens.library_path})
    assert out.stdout.strip() == bilens.library_path
    out = python("import bilens", env={"BILENS_LIBRARY": str(tmp_path / "missing.so")})
    assert out.returncode == 1 and "missing.so (from $BILENS_LIBRARY) cannot be loaded" in out.stderr
    text = tmp_path / "text.so"
    text.write_text("no library")
    out = python("import bilens", env={"BILENS_LIBRARY": str(text)})
    assert out.returncode == 1 and "LibraryError" in out.stderr and "text.so" in out.stderr
    out = python("import bilens", env={"BILENS_LIBRARY": "libm.so.6"})
    assert out.returncode == 1 and "is not libbilens" in out.stderr
    code = "import os\ntry:\n import bilens\nexcept ImportError as e: print('import error')"
    assert python(code, env={"BILENS_LIBRARY": "libm.so.6"}).stdout == "import error\n"


def test_other_version(tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("no C compiler is here")
    (tmp_path / "old.c").write_text('const char *bl_version(void) { return "0.0.9"; }\n')
    subprocess.run([compiler, "-shared", "-fPIC", "-o", tmp_path / "old.so", tmp_path / "old.c"], check=True)
    out = python("import bilens", env={"BILENS_LIBRARY": str(tmp_path / "old.so")})
    assert "is bilens 0.0.9, but this Python package is" in out.stderr
    (tmp_path / "old.c").write_text(f'const char *bl_version(void) {{ return "{bilens.__version__}"; }}\n')
    subprocess.run([compiler, "-shared", "-fPIC", "-o", tmp_path / "old.so", tmp_path / "old.c"], check=True)
    out = python("import bilens", env={"BILENS_LIBRARY": str(tmp_path / "old.so")})
    assert "has no function bl_" in out.stderr and "older" in out.stderr


def test_nowhere(tmp_path, monkeypatch):
    """A package far from any library says where it looked."""
    monkeypatch.delenv("BILENS_LIBRARY", raising=False)
    monkeypatch.setattr(_library, "PACKAGE", tmp_path / "a" / "b")
    monkeypatch.setattr(_library, "SONAME", "libbilens-not-there.so")
    monkeypatch.setattr(_library.ctypes.util, "find_library", lambda name: None)
    with pytest.raises(bilens.LibraryError, match="make install") as caught:
        _library.load()
    assert str(tmp_path / "build" / "libbilens.so") in str(caught.value)


def test_waits_asleep():
    """OpenMP's idle threads do not spin, and the environment is left as it was."""
    out = python("import os, bilens; print(os.environ.get('OMP_WAIT_POLICY'))", env={"OMP_WAIT_POLICY": "active"})
    assert out.stdout == "active\n"
    code = "import os; os.environ.pop('OMP_WAIT_POLICY', None); import bilens; print('OMP_WAIT_POLICY' in os.environ)"
    assert python(code).stdout == "False\n"


def test_kernels():
    """An OpenBLAS that does not know the processor takes the newest kernels that it can; what the user has set stays."""
    code = ("import os; {} import bilens; from bilens._library import ffi, lib; "
            "print(ffi.string(lib.bl_blas_kernel()).decode(), os.environ.get('OPENBLAS_CORETYPE'), bilens.load().eigen('swim').values[-1])")
    name, left, value = python(code.format("os.environ.pop('OPENBLAS_CORETYPE', None);")).stdout.split()
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    assert left == "None" and ("avx2" not in flags or name != "Prescott")
    if "avx2" in flags and name != "unknown":
        asked, left, same = python(code.format(""), env={"OPENBLAS_CORETYPE": "Prescott"}).stdout.split()
        assert (asked, left) == ("Prescott", "Prescott") and abs(float(value) - float(same)) < 1e-5 * abs(float(value))


def test_default_data(tmp_path):
    code = "import bilens\ntry: bilens.load()\nexcept OSError as e: print(e)"
    out = python(code, env={"BILENS_DATA": str(tmp_path)})
    assert str(tmp_path) in out.stdout and "BILENS_DATA" in out.stdout
    out = python("import bilens; print(bilens.load().name)", env={"BILENS_DATA": str(TOP / "data")})
    assert Path(out.stdout.strip()) == TOP / "data" / "stories-1-256"


def test_documentation():
    """Every public name has a docstring."""
    missing = [name for name in bilens.__all__ if not (getattr(getattr(bilens, name), "__doc__", None) or name == "__version__")]
    for kind in (bilens.Model, bilens.Eigen, bilens.Scan, bilens.Trace, bilens.Tokenizer, bilens.Hits):
        missing += [f"{kind.__name__}.{n}" for n, v in vars(kind).items() if not n.startswith("_") and not getattr(v, "__doc__", None)]
    assert not missing
    assert (Path(bilens.__file__).parent / "py.typed").exists()
