"""Finding and loading libbilens.

It is looked for, in this order: $BILENS_LIBRARY (a file); inside the package (a wheel may carry it); the build folder of the source tree that
the package lies in; the system (ldconfig). The first that exists is taken; one of another version is refused.
"""
import ctypes.util
import os
from pathlib import Path

from ._version import __version__
from .errors import LibraryError

PACKAGE = Path(__file__).resolve().parent
try:
    from ._declarations import FUNCTIONS, ffi
except ModuleNotFoundError:  # the source tree: the declarations are made now
    from ._headers import parse
    ffi, FUNCTIONS = parse(PACKAGE.parent.parent / "include" / "bilens")
SONAME = "libbilens.so.0"


def candidates():
    """Paths and names to try, best first, each with where it comes from."""
    named = os.environ.get("BILENS_LIBRARY")
    if named:
        yield named, "$BILENS_LIBRARY"
        return
    for name in (SONAME, "libbilens.so"):
        yield PACKAGE / name, "the package"
    for name in (SONAME, "libbilens.so", "libbilens.dylib"):
        yield PACKAGE.parent.parent / "build" / name, "the build folder of the source tree"
    for name in (SONAME, ctypes.util.find_library("bilens")):
        if name:
            yield name, "the system"


def open_library(name):
    # Idle OpenMP threads spin unless told otherwise, which beside any other busy process costs up to a hundredfold; libgomp reads its
    # settings when it is loaded.
    quiet = "OMP_WAIT_POLICY" not in os.environ and "GOMP_SPINCOUNT" not in os.environ
    if quiet:
        os.environ["OMP_WAIT_POLICY"] = "passive"
    try:
        shared = blas_files()
        # It stays in memory to the end: what Python frees last, at its exit, still calls it.
        library = ffi.dlopen(str(name), ffi.RTLD_NOW | getattr(ffi, "RTLD_NODELETE", 0))
        if not shared and has(library, "bl_blas_kernel"):
            choose_newer_kernels(library)
        return library
    finally:
        if quiet:
            del os.environ["OMP_WAIT_POLICY"]


def lines_of(path):
    """Of a file of the kernel's; nothing where there is none."""
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def blas_files():
    """The OpenBLAS that this process has loaded, or nothing."""
    return sorted({line.split(maxsplit=5)[5] for line in lines_of("/proc/self/maps") if "/libopenblas" in line})


def choose_newer_kernels(library):
    """An OpenBLAS that is older than the processor falls back to kernels of 2004 (Prescott), several times slower than what the processor
    can do: then it is told to choose the newest that the processor's instructions allow. Only where nobody else in this process uses it
    yet; the library checks its products before it computes anything."""
    if "OPENBLAS_CORETYPE" in os.environ or ffi.string(library.bl_blas_kernel()) != b"Prescott":
        return
    flags = next((set(line.split()) for line in lines_of("/proc/cpuinfo") if line.startswith("flags")), set())
    files = blas_files()
    if not {"avx2", "fma"} <= flags or len(files) != 1:
        return
    blas = ctypes.CDLL(files[0])
    if not hasattr(blas, "gotoblas_dynamic_quit") or not hasattr(blas, "gotoblas_dynamic_init"):
        return
    os.environ["OPENBLAS_CORETYPE"] = "SkylakeX" if {"avx512f", "avx512vl", "avx512bw", "avx512dq"} <= flags else "Haswell"
    try:
        blas.gotoblas_dynamic_quit()
        blas.gotoblas_dynamic_init()
    finally:
        del os.environ["OPENBLAS_CORETYPE"]


def has(library, name):
    """The library has this function."""
    try:
        return getattr(library, name) is not None
    except Exception:  # AttributeError, or ffi.error where the declarations are a module
        return False


def check(library, where):
    """Refuses a library of another version, or one that lacks a function of the headers."""
    if not has(library, "bl_version"):
        raise LibraryError(f"{where} is not libbilens: it has no bl_version")
    version = ffi.string(library.bl_version()).decode()
    if version.split(".")[:2] != __version__.split(".")[:2]:
        raise LibraryError(f"{where} is bilens {version}, but this Python package is {__version__}: they must be built from the same source")
    for name in FUNCTIONS:
        if not has(library, name):
            raise LibraryError(f"{where} has no function {name}: it is older than this Python package, build both from the same source")
    return library


def load():
    tried = []
    for name, origin in candidates():
        if isinstance(name, Path) and not name.exists():
            tried.append(str(name))
            continue
        try:
            library = open_library(name)
        except OSError as failure:
            if isinstance(name, Path) or origin == "$BILENS_LIBRARY":
                raise LibraryError(f"{name} (from {origin}) cannot be loaded: {failure}") from None
            tried.append(str(name))
            continue
        return check(library, f"{name} (from {origin})"), str(name)
    raise LibraryError("libbilens.so was not found. Install bilens (make install), build it (make), or set BILENS_LIBRARY to the file. "
                       "Looked for: " + ", ".join(tried))


lib, path = load()
