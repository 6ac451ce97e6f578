"""A model's vocabulary."""
import ctypes as c

import numpy as np

from . import _structs as s
from ._calls import call, call_text, text_argument
from ._library import lib
from .errors import UsageError


class Tokenizer:
    """``model.tokenizer``: text to ids and back. Exactly the ids of the Hugging Face library."""

    def __init__(self, model):
        self._model = model  # which owns the handle
        self._handle = lib.bl_model_tokenizer(model._handle)

    def __len__(self):
        return lib.bl_tokenizer_size(self._handle)

    def encode(self, text):
        """ids [T] (int32) of a text, [BOS] first."""
        data = text.encode("utf-8", "surrogatepass")
        ids = s.Ids()
        try:
            call(lib.bl_tokenizer_encode, self._handle, c.cast(c.c_char_p(data), c.c_void_p), len(data), c.byref(ids))
            return np.frombuffer(c.string_at(ids.data, 4 * ids.n), np.int32).copy() if ids.n else np.zeros(0, np.int32)
        finally:
            lib.bl_ids_free(c.byref(ids))

    def _ids(self, ids):
        try:
            out = np.ascontiguousarray(ids, np.int32)
        except (TypeError, ValueError, OverflowError) as failure:
            raise UsageError(f"ids: whole numbers are expected: {failure}") from None
        if out.ndim != 1:
            raise UsageError(f"ids: a list is expected, not an array of shape {list(out.shape)}")
        return out

    def decode(self, ids):
        """Text of ids, as the Hugging Face library's ``decode(ids, skip_special_tokens=False)`` gives it."""
        ids = self._ids(ids)
        return call_text(lib.bl_tokenizer_decode, self._handle, ids.ctypes.data, len(ids))

    def prose(self, ids, capitals=False):
        """The same as a reader expects it: no [BOS], no blank before punctuation; with `capitals` sentences begin with one."""
        ids = self._ids(ids)
        return call_text(lib.bl_tokenizer_prose, self._handle, ids.ctypes.data, len(ids), bool(capitals))

    def token(self, id):
        """The vocabulary's own string of an id ("##ing"); None when there is none."""
        name = lib.bl_tokenizer_token(self._handle, int(id)) if -2**31 <= int(id) < 2**31 else None
        return None if name is None else name.decode("utf-8", "replace")

    def tokens(self, ids):
        """[self.token(id) for id in ids]"""
        return [self.token(id) for id in ids]

    def id(self, token):
        """The id of a vocabulary string or "#1234"; UsageError with the nearest strings when there is none."""
        err = s.Error()
        found = lib.bl_tokenizer_find(self._handle, text_argument(token, "token"), c.byref(err))
        if found < 0:
            raise UsageError(err.message.decode("utf-8", "replace"))
        return found

    def __getitem__(self, key):
        """tokenizer["swim"] is its id, tokenizer[["run", "eat"]] a list of ids, tokenizer[1234] the string."""
        if isinstance(key, str):
            return self.id(key)
        if isinstance(key, (list, tuple, np.ndarray)):
            return [self[k] for k in key]
        return self.token(key)

    def __repr__(self):
        return f"<bilens tokenizer of {len(self)} tokens>"
