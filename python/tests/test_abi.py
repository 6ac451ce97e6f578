"""The structs and prototypes against the headers; and that the comparison would notice."""
import ctypes
import os
import re
import shutil

import abi
import pytest
from bilens import _library, _prototypes, _structs
from conftest import TOP

COMPILER = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")


@pytest.mark.skipif(not COMPILER, reason="no C compiler is here: the structs were not compared")
def test_structs():
    assert abi.struct_differences(_structs.NAMES, COMPILER) == []

    class Swapped(ctypes.Structure):
        _fields_ = [("loss", ctypes.c_float), ("predictions", ctypes.c_uint64), ("stories", ctypes.c_uint64)]

    assert any("bl_loss.loss" in line for line in abi.struct_differences({"bl_loss": Swapped}, COMPILER))


def test_prototypes():
    assert abi.prototype_differences(_prototypes.PROTOTYPES, _structs.NAMES) == []
    result, arguments = _prototypes.PROTOTYPES["bl_eigen_new"]
    assert abi.prototype_differences({"bl_eigen_new": (result, arguments[:-1]), "bl_no_such": (None, [])}, _structs.NAMES)[1:] == ["bl_no_such: in no header"]


def test_version():
    """One version everywhere."""
    project = re.search(r"project\(bilens VERSION ([\d.]+)", (TOP / "CMakeLists.txt").read_text())[1]
    assert _library.__version__ == project == _library.lib.bl_version().decode()
