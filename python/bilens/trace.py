"""Activations of one text at named points."""
import ctypes as c
from collections.abc import Mapping

import numpy as np

from ._arrays import view
from ._calls import call, strings, text_argument
from ._library import lib


class _Handle:
    """Owns the bl_trace; the arrays refer to it."""

    def __init__(self, pointer):
        self.pointer = pointer

    def __del__(self):
        lib.bl_trace_free(self.pointer)


class Trace(Mapping):
    """``model.trace(text)``: a mapping from "mlp_in.0", …, "logits" to arrays. Shapes: q k v [H, T, k] (q and k after rotary), scores pattern
    [H, T, T], mlp_hidden [T, h], logits [T, V], all others [T, d]. The arrays are read-only views; each keeps the trace's memory alive.

    ids [T] and tokens are the text's."""

    def __init__(self, model, ids, points):
        if isinstance(points, str):
            points = [points]
        names = None if points is None else [text_argument(name, "points") for name in points]
        ids = np.ascontiguousarray(ids, np.int32)
        pointer = call(lib.bl_trace_run, model._handle, ids.ctypes.data, len(ids), strings(names) if names is not None else None,
                       len(names) if names is not None else 0)
        self._owner = _Handle(pointer)
        self.ids = ids
        self.tokens = model.tokenizer.tokens(ids)
        self._arrays = {}
        for i in range(lib.bl_trace_n(pointer)):
            array = lib.bl_trace_array(pointer, i)
            self._arrays[array.name.decode()] = view(array.data, array.shape[:array.n_dims], self._owner)

    def __getitem__(self, name):
        """The array of a point; without a layer, that of the only one: trace["mlp_in"] of a one-layer model."""
        if name in self._arrays:
            return self._arrays[name]
        found = [full for full in self._arrays if full.rsplit(".", 1)[0] == name]
        if len(found) == 1:
            return self._arrays[found[0]]
        raise KeyError(f"{name}: " + (f"which layer? {', '.join(found)}" if found else f"not traced; there are {', '.join(self._arrays)}"))

    def __iter__(self):
        return iter(self._arrays)

    def __len__(self):
        return len(self._arrays)

    def __repr__(self):
        return f"<bilens trace of {len(self.ids)} tokens>\n" + "\n".join(f"  {name:14} {list(a.shape)}" for name, a in self._arrays.items())
