"""numpy arrays over the library's memory, and the other way round.

A view is read-only (weights are mapped files: writing would crash) and keeps its owner alive: array.base leads to a ctypes buffer that holds
a reference to it.
"""
import ctypes as c

import numpy as np

from .errors import UsageError


def view(address, shape, owner, dtype=np.float32, strides=None):
    """A read-only array at `address`, C order unless `strides` (in elements) says otherwise."""
    dtype = np.dtype(dtype)
    shape = tuple(int(n) for n in shape)
    if 0 in shape or not address:
        return np.zeros(shape, dtype)
    if strides is None:
        extent = int(np.prod(shape, dtype=object))
    else:
        extent = 1 + sum((n - 1) * step for n, step in zip(shape, strides))
    buffer = (c.c_char * (extent * dtype.itemsize)).from_address(address)
    buffer.owner = owner
    flat = np.frombuffer(memoryview(buffer).toreadonly(), dtype)
    if strides is None:
        return flat.reshape(shape)
    return np.lib.stride_tricks.as_strided(flat, shape, [step * dtype.itemsize for step in strides], writeable=False)


def matrix(struct, owner, shape=None, strides=None):
    """A bl_view as an array [rows, cols]; of another shape with these strides."""
    return view(struct.data, shape or (struct.rows, struct.cols), owner, strides=strides or (struct.stride, 1))


def floats(array, shape, what):
    """A contiguous float32 array of this shape (None: any length), finite or not."""
    try:
        out = np.ascontiguousarray(array, np.float32)
    except (TypeError, ValueError) as failure:
        raise UsageError(f"{what}: not an array of numbers: {failure}") from None
    if shape is not None and (out.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, out.shape))):
        expected = ", ".join("n" if n is None else str(n) for n in shape)
        raise UsageError(f"{what}: its shape is {list(out.shape)}, [{expected}] is expected")
    return out
