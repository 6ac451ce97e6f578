"""The structs and prototypes of _structs.py and _library.py against the headers that they were written from."""
import ctypes
import os
import re
import shutil
import subprocess

import pytest
from bilens import _library, _structs
from conftest import TOP

HEADERS = TOP / "include"


def test_structs(tmp_path):
    """Size of every struct, offset and size of every field, as the compiler has them."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("no C compiler is here: the structs were not compared")
    lines = []
    for name, struct in _structs.NAMES.items():
        lines.append(f'printf("%zu\\n", sizeof({name}));')
        lines += [f'printf("%zu %zu\\n", offsetof({name}, {f}), sizeof((({name} *)0)->{f}));' for f, *_ in struct._fields_]
    (tmp_path / "abi.c").write_text("#include <bilens/bilens.h>\n#include <stdio.h>\nint main(void) {\n" + "\n".join(lines) + "\nreturn 0;\n}\n")
    subprocess.run([compiler, "-std=c17", f"-I{HEADERS}", "-o", tmp_path / "abi", tmp_path / "abi.c"], check=True)
    ours = []
    for struct in _structs.NAMES.values():
        ours.append(str(ctypes.sizeof(struct)))
        ours += [f"{getattr(struct, f).offset} {getattr(struct, f).size}" for f, *_ in struct._fields_]
    assert ours == subprocess.run([tmp_path / "abi"], check=True, capture_output=True, text=True).stdout.split("\n")[:-1]


def kinds(declaration):
    """"size_t n, const float *u" -> the ctypes that may stand for each argument."""
    if declaration.strip() in ("", "void"):
        return []
    out = []
    for argument in declaration.split(","):
        words = argument.replace("const", "").split()
        base = " ".join(words[:-1]) if len(words) > 1 else words[0]
        pointer = "*" in argument or "[" in argument or base.endswith("_fn")
        out.append("pointer" if pointer else base)
    return out


def kind(type_):
    if type_ is None:
        return "void"
    if type_ in (ctypes.c_void_p, ctypes.c_char_p) or issubclass(type_, (ctypes._Pointer, ctypes._CFuncPtr)):
        return "pointer"
    for name, struct in _structs.NAMES.items():
        if type_ is struct:
            return name
    return {ctypes.c_bool: "bool", ctypes.c_size_t: "size_t", ctypes.c_int: "int", ctypes.c_long: "long", ctypes.c_float: "float",
            ctypes.c_double: "double"}[type_] if type_ not in (ctypes.c_int32,) else "int"


def test_prototypes():
    """Every function's number and kinds of arguments, and its result."""
    text = "\n".join(re.sub(r"/\*.*?\*/", "", p.read_text(), flags=re.S) for p in sorted((HEADERS / "bilens").glob("*.h")))
    found = {m[2]: (m[1], m[3]) for m in re.finditer(r"BL_API\s+([\w\s\*]+?)(bl_\w+)\(([^)]*)\)", text)}
    same = {"uint64_t": "size_t", "int32_t": "int", "bl_generation": "int", "bl_gate": "int", "bl_store": "int"}
    norm = lambda k: same.get(k, k)  # noqa: E731
    for name, (result, arguments) in _library.PROTOTYPES.items():
        assert name in found, f"{name} is in no header"
        declared, listed = found[name]
        wanted = "pointer" if "*" in declared else declared.replace("const", "").strip()
        assert norm(kind(result)) == norm(wanted), name
        assert [norm(kind(a)) for a in arguments] == [norm(k) for k in kinds(listed)], name


def test_version():
    """One version everywhere."""
    project = re.search(r"project\(bilens VERSION ([\d.]+)", (TOP / "CMakeLists.txt").read_text())[1]
    assert _library.__version__ == project == _library.lib.bl_version().decode()
