"""Activations of one text at named points."""
from collections.abc import Mapping

from ._arrays import address, named, token_ids
from ._calls import Unique, owned, strings, text_argument, text_of
from ._library import ffi, lib


class Trace(Unique, Mapping):
    """``model.trace(text)``: a mapping from "mlp_in.0", …, "logits" to arrays. Shapes: q k v [H, T, k] (q and k after rotary), scores pattern
    [H, T, T], mlp_hidden [T, h], logits [T, V], all others [T, d]. The arrays are read-only views; each keeps the trace's memory alive.

    ids [T] and tokens are the text's."""

    def __init__(self, model, ids, points):
        if isinstance(points, str):
            points = [points]
        names = None if points is None else [text_argument(name, "points") for name in points]
        ids = token_ids(ids)
        handle = owned(lib.bl_trace_run, lib.bl_trace_free, model._handle, address(ids), len(ids),
                       ffi.NULL if names is None else strings(names), len(names or ()))
        self._owner = handle
        self.ids = ids
        self.tokens = model.tokenizer.tokens(ids)
        self._arrays = {}
        for i in range(lib.bl_trace_n(handle)):
            array = lib.bl_trace_array(handle, i)
            self._arrays[text_of(array.name)] = named(array, handle)

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
