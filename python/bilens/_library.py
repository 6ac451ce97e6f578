"""Finding and loading libbilens, and its functions' types.

It is looked for, in this order: $BILENS_LIBRARY (a file); inside the package (a wheel may carry it); the build folder of the source tree that
the package lies in; the system (ldconfig). The first that exists is taken; one of another version is refused.
"""
import ctypes as c
import ctypes.util
import os
from pathlib import Path

from . import _structs as s
from ._version import __version__
from .errors import LibraryError

P, B, Z, T, D, F = c.c_void_p, c.c_bool, c.c_size_t, c.c_char_p, c.c_double, c.c_float
E = c.POINTER(s.Error)
STRINGS = c.POINTER(c.c_char_p)
LONGS = c.POINTER(c.c_long)

# name: (result, arguments). Text that the caller frees is a void pointer.
PROTOTYPES = {
    "bl_version": (T, []),
    "bl_set_threads": (c.c_int, [c.c_int]),
    "bl_free": (None, [P]),
    "bl_npy_write": (B, [T, c.POINTER(s.NamedArray), E]),
    "bl_array_read": (B, [T, c.POINTER(s.NamedArray), c.POINTER(P), E]),
    "bl_ids_free": (None, [c.POINTER(s.Ids)]),
    "bl_tokenizer_size": (Z, [P]),
    "bl_tokenizer_encode": (B, [P, P, Z, c.POINTER(s.Ids), E]),
    "bl_tokenizer_token": (T, [P, c.c_int32]),
    "bl_tokenizer_id": (c.c_int32, [P, T]),
    "bl_tokenizer_find": (c.c_int32, [P, T, E]),
    "bl_tokenizer_eos": (c.c_int32, [P]),
    "bl_tokenizer_decode": (P, [P, P, Z, E]),
    "bl_tokenizer_prose": (P, [P, P, Z, B, E]),
    "bl_corpus_open": (P, [STRINGS, Z, E]),
    "bl_corpus_open_memory": (P, [T, P, Z, E]),
    "bl_corpus_free": (None, [P]),
    "bl_generation_name": (T, [c.c_int]),
    "bl_gate_name": (T, [c.c_int]),
    "bl_config_is_bilinear": (B, [c.POINTER(s.Config)]),
    "bl_model_load": (P, [T, E]),
    "bl_model_free": (None, [P]),
    "bl_model_config": (c.POINTER(s.Config), [P]),
    "bl_model_tokenizer": (P, [P]),
    "bl_model_name": (T, [P]),
    "bl_model_config_json": (T, [P]),
    "bl_model_w_e": (s.View, [P]),
    "bl_model_w_u": (s.View, [P]),
    "bl_model_layer": (c.POINTER(s.Layer), [P, Z]),
    "bl_model_attention_scale": (F, [P]),
    "bl_model_parameters": (c.c_uint64, [P]),
    "bl_model_eval": (B, [P, P, Z, s.Progress, c.POINTER(s.Loss), E]),
    "bl_trace_run": (P, [P, P, Z, STRINGS, Z, E]),
    "bl_trace_free": (None, [P]),
    "bl_trace_n": (Z, [P]),
    "bl_trace_array": (s.NamedArray, [P, Z]),
    "bl_direction_read": (B, [T, Z, P, E]),
    "bl_direction_vector": (B, [P, c.POINTER(s.Direction), P, E]),
    "bl_interaction_size": (Z, [P]),
    "bl_interaction_matrix": (B, [P, Z, P, P, E]),
    "bl_eigen_new": (P, [P, Z, P, Z, E]),
    "bl_eigen_free": (None, [P]),
    "bl_eigen_size": (Z, [P]),
    "bl_eigen_values": (P, [P]),
    "bl_eigen_vector": (P, [P, c.c_long]),
    "bl_eigen_constant": (F, [P]),
    "bl_eigen_effective_rank": (D, [P]),
    "bl_eigen_group": (None, [P, Z, c.POINTER(Z), c.POINTER(Z)]),
    "bl_virtual_tokens": (B, [P, Z, P, P, E]),
    "bl_weight_array_get": (B, [P, T, Z, c.POINTER(s.WeightArray), E]),
    "bl_weight_array_bytes": (c.c_uint64, [P, T]),
    "bl_weight_array_free": (None, [c.POINTER(s.WeightArray)]),
    "bl_weight_array_names": (STRINGS, []),
    "bl_describe": (Z, [c.POINTER(s.NamedArray), Z, c.POINTER(s.Entry), c.POINTER(s.Entry)]),
    "bl_scan_run": (P, [P, P, LONGS, Z, P, c.POINTER(s.ScanOptions), E]),
    "bl_scan_free": (None, [P]),
    "bl_scan_stories": (c.c_uint64, [P]),
    "bl_scan_positions": (c.c_uint64, [P]),
    "bl_scan_n_matches": (Z, [P, Z]),
    "bl_scan_match": (s.Match, [P, Z, Z]),
    "bl_info_json": (P, [P, E]),
    "bl_eigen_json": (P, [c.POINTER(s.Subject), P, LONGS, Z, E]),
    "bl_scan_json": (P, [c.POINTER(s.Subject), P, P, LONGS, Z, E]),
    "bl_report_json": (P, [T, T, T, STRINGS, Z, E]),
    "bl_info_table": (P, [T, c.POINTER(s.Terminal), E]),
    "bl_eigen_table": (P, [T, c.POINTER(s.Terminal), E]),
    "bl_scan_table": (P, [T, c.POINTER(s.Terminal), E]),
    "bl_eigen_csv": (P, [T, E]),
    "bl_scan_csv": (P, [T, E]),
    "bl_info_html": (P, [T, E]),
    "bl_spectrum_html": (P, [T, E]),
    "bl_virtual_tokens_html": (P, [T, E]),
    "bl_scan_html": (P, [T, E]),
    "bl_spectrum_figure": (B, [T, T, E]),
    "bl_report_render": (B, [T, P, T, E]),
    "bl_generate_defaults": (None, [c.POINTER(s.GenerateOptions)]),
    "bl_generate": (B, [P, T, c.POINTER(s.GenerateOptions), c.POINTER(s.Generated), s.Progress, E]),
    "bl_generate_stories": (B, [P, T, c.POINTER(s.GenerateOptions), Z, s.StoryFunction, P, s.Progress, E]),
    "bl_generated_free": (None, [c.POINTER(s.Generated)]),
}

PACKAGE = Path(__file__).resolve().parent
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
    for name in (SONAME, c.util.find_library("bilens")):
        if name:
            yield name, "the system"


def open_library(name):
    # Idle OpenMP threads spin unless told otherwise, which beside any other busy process costs up to a hundredfold; libgomp reads its
    # settings when it is loaded.
    quiet = "OMP_WAIT_POLICY" not in os.environ and "GOMP_SPINCOUNT" not in os.environ
    if quiet:
        os.environ["OMP_WAIT_POLICY"] = "passive"
    try:
        return c.CDLL(str(name))
    finally:
        if quiet:
            del os.environ["OMP_WAIT_POLICY"]


def check(library, where):
    """Types every function; refuses a library of another version."""
    try:
        library.bl_version.restype = c.c_char_p
        version = library.bl_version().decode()
    except AttributeError:
        raise LibraryError(f"{where} is no libbilens: it has no bl_version") from None
    if version.split(".")[:2] != __version__.split(".")[:2]:
        raise LibraryError(f"{where} is bilens {version}, but this Python package is {__version__}: they must be built from the same source")
    for name, (result, arguments) in PROTOTYPES.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise LibraryError(f"{where} has no function {name}: it is older than this Python package, build both from the same source") from None
        function.restype, function.argtypes = result, arguments
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
