"""The declarations of the C library for cffi, made from its public headers.

setup.py makes them when the package is built (the module _declarations); in the source tree they are made at import. So no struct and no
prototype is written down twice. What cffi reads is C without a preprocessor, and the headers need little of one: comments, guards, includes,
attributes and the lines for C++ are left out, `#define NAME number` stays.
"""
import re
from pathlib import Path

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
INCLUDE = re.compile(r"^\s*#\s*include\s*<bilens/(\w+\.h)>", re.M)
CONSTANT = re.compile(r"^\s*#\s*define\s+(BL_\w+)\s+(-?(?:0[xX])?[0-9a-fA-F]+)\s*$")
CPLUSPLUS = re.compile(r"^\s*#\s*ifdef\s+__cplusplus\b.*?^\s*#\s*endif", re.M | re.S)
INLINE = re.compile(r"^static inline[^{;]*\{.*?^\}", re.M | re.S)


def in_order(folder, name="bilens.h", seen=None):
    """The headers that `name` includes, each after what it includes itself."""
    seen = set() if seen is None else seen
    if name in seen:
        return []
    seen.add(name)
    text = (Path(folder) / name).read_text(encoding="utf-8")
    return [path for included in INCLUDE.findall(text) for path in in_order(folder, included, seen)] + [Path(folder) / name]


def plain(text):
    """One header as cffi reads it."""
    text = INLINE.sub("", CPLUSPLUS.sub("", COMMENT.sub(" ", text)))
    lines = []
    for line in text.split("\n"):
        constant = CONSTANT.match(line)
        if constant:
            lines.append(f"#define {constant[1]} {constant[2]}")
        elif not line.lstrip().startswith("#") and line.strip():
            lines.append(re.sub(r"\bBL_PRINTF\([^()]*\)|\bBL_API\b", "", line).strip())
    return "\n".join(lines)


def declarations(folder):
    """All public headers of include/bilens as one text for ffi.cdef."""
    paths = in_order(folder)
    missing = {path.name for path in Path(folder).glob("*.h")} - {path.name for path in paths}
    if missing:
        raise ValueError(f"{folder}: bilens.h does not include {', '.join(sorted(missing))}")
    return "\n".join(plain(path.read_text(encoding="utf-8")) for path in paths) + "\n"


def functions(text):
    """The names of the functions that such a text declares."""
    return sorted(set(re.findall(r"\b(bl_\w+)\s*\((?!\s*\*)[^()]*\)\s*;", text)))


def parse(folder):
    """(ffi, names of functions) of the headers in `folder`."""
    from cffi import FFI

    text = declarations(folder)
    ffi = FFI()
    ffi.cdef(text)
    return ffi, functions(text)


def write(folder, path):
    """Writes the module that the installed package imports: the declarations parsed already, in pure Python."""
    from cffi import FFI

    text = declarations(folder)
    ffi = FFI()
    ffi.cdef(text)
    ffi.set_source("bilens._declarations", None)
    ffi.emit_python_code(str(path))
    with open(path, "a", encoding="utf-8") as file:
        file.write(f"\nFUNCTIONS = {functions(text)!r}\n")
