"""numpy arrays over the library's memory, and the other way round.

A view is read-only and keeps its owner alive: array.base leads to an object that holds a reference to it.
"""
import numbers
import operator

import numpy as np

from ._library import ffi
from .errors import UsageError

INT32, INT64 = (-(1 << 31), (1 << 31) - 1), (1 << 63) - 1


class _Memory:
    """What numpy asks for an array's address; the array's base."""

    def __init__(self, address, shape, dtype, strides, owner):
        self.owner = owner
        self.__array_interface__ = {"version": 3, "data": (address, True), "shape": shape, "typestr": dtype.str, "strides": strides}


def view(pointer, shape, owner, dtype=np.float32, strides=None):
    """A read-only array at `pointer`, C order unless `strides` (in elements) says otherwise."""
    dtype = np.dtype(dtype)
    shape = tuple(int(n) for n in shape)
    if 0 in shape or not pointer:
        return np.zeros(shape, dtype)
    if strides is not None:
        strides = tuple(int(step) * dtype.itemsize for step in strides)
    return np.asarray(_Memory(int(ffi.cast("uintptr_t", pointer)), shape, dtype, strides, owner))


def matrix(struct, owner, shape=None, strides=None):
    """A bl_view as an array [rows, cols]; of another shape with these strides."""
    return view(struct.data, shape or (struct.rows, struct.cols), owner, strides=strides or (struct.stride, 1))


def named(struct, owner):
    """A bl_named_array as an array."""
    return view(struct.data, struct.shape[0:struct.n_dims], owner)


def _numbers(array, what, kinds, expected):
    """`array` as numpy sees it, if its elements are of these kinds ("f" floats, "i" and "u" whole numbers)."""
    if isinstance(array, np.ma.MaskedArray):
        raise UsageError(f"{what}: a masked array is refused: fill in its masked entries first (array.filled(...))")
    try:
        out = np.asarray(array)
    except (TypeError, ValueError, OverflowError) as failure:
        raise UsageError(f"{what}: {expected} are expected: {failure}") from None
    if out.dtype.kind not in kinds and out.size:
        raise UsageError(f"{what}: {expected} are expected, not elements of type {out.dtype}")
    return out


def floats(array, shape, what):
    """A contiguous float32 array of this shape (None: any), finite or not. What float32 cannot hold is refused."""
    wide = _numbers(array, what, "fiu", "real numbers")
    with np.errstate(over="ignore", under="ignore"):
        out = np.ascontiguousarray(wide, np.float32)
    if wide.dtype.kind == "f" and wide.dtype.itemsize > 4:
        if np.any(np.isinf(out) & np.isfinite(wide)):
            raise UsageError(f"{what}: a number is too large for float32 (3.4e38)")
        if np.any((out == 0) & (wide != 0)):
            raise UsageError(f"{what}: a number is too small for float32 and would become 0: scale the array")
    if shape is not None and (out.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, out.shape))):
        expected = ", ".join("n" if n is None else str(n) for n in shape)
        raise UsageError(f"{what}: its shape is {list(out.shape)}, [{expected}] is expected")
    return out


def token_ids(ids):
    """A contiguous int32 array [T] of whole numbers that int32 can hold."""
    wide = _numbers(ids, "ids", "iu", "whole numbers")
    if wide.ndim != 1:
        raise UsageError(f"ids: a list is expected, not an array of shape {list(wide.shape)}")
    if wide.size and not (INT32[0] <= wide.min() and wide.max() <= INT32[1]):
        raise UsageError("ids: a number does not fit into 32 bits")
    return np.ascontiguousarray(wide, np.int32)


def whole(value, what, low=0, high=INT64):
    """A whole number from `low` to `high`: no float, no bool, nothing that would be cut or wrapped."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise UsageError(f"{what}: {value!r}, a whole number is expected") from None
    if not low <= number <= high:
        raise UsageError(f"{what}: {number}, " + (f"{low} or more" if high >= INT64 and number < low else f"a number from {low} to {high}") + " is expected")
    return number


def real(value, what):
    """A number: no complex one, whose imaginary part would be lost, no bool, no array."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise UsageError(f"{what}: {value!r}, a number is expected")
    return float(value)


def address(array):
    """The memory of a contiguous array as a pointer of its element's C type; the array must outlive it."""
    return ffi.cast({"f": "float *", "i": "int32_t *"}[array.dtype.kind], array.ctypes.data)
