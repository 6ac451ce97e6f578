"""The declarations that cffi has are those of the headers, as the compiler reads them."""
import os
import re
import shutil
import subprocess

import pytest
from bilens import _headers, _library
from conftest import TOP

HEADERS = TOP / "include" / "bilens"
COMPILER = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")


def fields(ffi):
    """name -> [(field, offset, size)] of every struct whose fields are public."""
    out = {}
    for name in ffi.list_types()[0]:
        kind = ffi.typeof(name)
        try:
            ffi.sizeof(kind)
        except Exception:  # a handle, whose fields are not public, has no size
            continue
        if kind.kind == "struct":
            out[name] = [(field, entry.offset, ffi.sizeof(entry.type)) for field, entry in kind.fields if not entry.bitsize >= 0]
    return out


@pytest.mark.skipif(not COMPILER, reason="no C compiler is here: the structs were not compared")
def test_structs(tmp_path):
    """The compiler itself asserts every size and offset; and it would notice a wrong one."""
    structs = fields(_library.ffi)
    assert len(structs) > 15 and "bl_scan_options" in structs
    lines = []
    for name, entries in structs.items():
        lines.append(f'_Static_assert(sizeof({name}) == {_library.ffi.sizeof(name)}, "{name}");')
        for field, offset, size in entries:
            lines.append(f'_Static_assert(offsetof({name}, {field}) == {offset} && sizeof((({name} *)0)->{field}) == {size}, "{name}.{field}");')

    def compiled(checks):
        (tmp_path / "abi.c").write_text("#include <bilens/bilens.h>\n" + "\n".join(checks) + "\n")
        return subprocess.run([COMPILER, "-std=c17", "-fsyntax-only", f"-I{HEADERS.parent}", tmp_path / "abi.c"], capture_output=True, text=True)

    out = compiled(lines)
    assert out.returncode == 0, out.stderr
    assert compiled(['_Static_assert(sizeof(bl_error) == 7, "bl_error");']).returncode != 0


def test_functions():
    """Every function that a header exports is declared, and the library has it."""
    exported = set()
    for path in HEADERS.glob("*.h"):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        exported |= set(re.findall(r"BL_API[^;(]*?\b(bl_\w+)\s*\(", text))
    assert exported == set(_library.FUNCTIONS)


def test_module(tmp_path):
    """What an installed package imports says the same as what the source tree makes at import."""
    pytest.importorskip("pycparser")
    path = tmp_path / "declarations.py"
    _headers.write(HEADERS, path)
    module = {}
    exec(path.read_text(), module)
    assert module["FUNCTIONS"] == _library.FUNCTIONS
    assert fields(module["ffi"]) == fields(_library.ffi)


def test_every_header(tmp_path):
    """A header that bilens.h leaves out is no silent loss."""
    for path in HEADERS.glob("*.h"):
        shutil.copy(path, tmp_path)
    (tmp_path / "new.h").write_text("int bl_new(void);\n")
    with pytest.raises(ValueError, match="new.h"):
        _headers.declarations(tmp_path)


def test_version():
    """One version everywhere."""
    project = re.search(r"project\(bilens VERSION ([\d.]+)", (TOP / "CMakeLists.txt").read_text())[1]
    assert _library.__version__ == project == _library.ffi.string(_library.lib.bl_version()).decode()
