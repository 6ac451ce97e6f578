#!/usr/bin/env python3
"""The structs and prototypes of the package against the headers that they were written from. Needs a C compiler and nothing of the package
but _structs.py and _prototypes.py: no numpy, no library. As a program: abi.py CC; prints what differs, status 1."""
import ctypes
import importlib
import re
import subprocess
import sys
import tempfile
import types
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def struct_differences(structs, compiler):
    """Size of every struct, offset and size of every field, as the compiler has them."""
    lines, ours = [], []
    for name, struct in structs.items():
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        ours.append(f"{name} {ctypes.sizeof(struct)}")
        for field, *_ in struct._fields_:
            lines.append(f'printf("{name}.{field} %zu %zu\\n", offsetof({name}, {field}), sizeof((({name} *)0)->{field}));')
            ours.append(f"{name}.{field} {getattr(struct, field).offset} {getattr(struct, field).size}")
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "abi.c"), Path(folder, "abi")
        source.write_text("#include <bilens/bilens.h>\n#include <stdio.h>\nint main(void) {\n" + "\n".join(lines) + "\nreturn 0;\n}\n")
        subprocess.run([compiler, "-std=c17", f"-I{TOP / 'include'}", "-o", program, source], check=True)
        theirs = subprocess.run([program], check=True, capture_output=True, text=True).stdout.split("\n")[:-1]
    return [f"{a}, but the compiler has {b}" for a, b in zip(ours, theirs) if a != b]


def c_kind(declaration):
    """"const float *u" -> "pointer", "size_t n" -> "size_t"."""
    words = declaration.replace("const", "").split()
    base = " ".join(words[:-1]) if len(words) > 1 else words[0]
    return "pointer" if "*" in declaration or "[" in declaration or base.endswith("_fn") else base


def our_kind(kind, structs):
    if kind is None:
        return "void"
    if kind in (ctypes.c_void_p, ctypes.c_char_p) or issubclass(kind, (ctypes._Pointer, ctypes._CFuncPtr)):
        return "pointer"
    named = {struct: name for name, struct in structs.items()}
    basic = {ctypes.c_bool: "bool", ctypes.c_size_t: "size_t", ctypes.c_int: "int", ctypes.c_long: "long", ctypes.c_float: "float",
             ctypes.c_double: "double"}
    return named.get(kind) or basic[kind]


def prototype_differences(prototypes, structs):
    """Kinds of every function's arguments and result. Types of one size and class count as one."""
    same = {"uint64_t": "size_t", "long": "size_t", "int32_t": "int", "bl_generation": "int", "bl_gate": "int", "bl_store": "int"}
    plain = lambda kinds: [same.get(kind, kind) for kind in kinds]  # noqa: E731
    text = "\n".join(re.sub(r"/\*.*?\*/", "", p.read_text(), flags=re.S) for p in sorted((TOP / "include" / "bilens").glob("*.h")))
    found = {m[2]: (m[1], m[3]) for m in re.finditer(r"BL_API\s+([\w\s\*]+?)(bl_\w+)\(([^)]*)\)", text)}
    out = []
    for name, (result, arguments) in prototypes.items():
        if name not in found:
            out.append(f"{name}: in no header")
            continue
        declared, listed = found[name]
        listed = [] if listed.strip() in ("", "void") else listed.split(",")
        theirs = plain([c_kind(argument) for argument in listed] + ["pointer" if "*" in declared else declared.replace("const", "").strip()])
        ours = plain([our_kind(kind, structs) for kind in [*arguments, result]])
        if ours != theirs:
            out.append(f"{name}: arguments and result {ours}, but the header has {theirs}")
    return out


def main():
    package = types.ModuleType("bilens")  # without its __init__, which would load the library
    package.__path__ = [str(TOP / "python" / "bilens")]
    sys.modules["bilens"] = package
    sys.dont_write_bytecode = True
    structs, prototypes = importlib.import_module("bilens._structs"), importlib.import_module("bilens._prototypes")
    differences = struct_differences(structs.NAMES, sys.argv[1]) + prototype_differences(prototypes.PROTOTYPES, structs.NAMES)
    print("\n".join(differences) or f"{len(structs.NAMES)} structs, {len(prototypes.PROTOTYPES)} functions: as the headers have them")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
