"""A model's vocabulary."""
import numpy as np

from ._arrays import address, token_ids, view, whole
from ._calls import Unique, call, call_text, text_argument, text_of
from ._library import ffi, lib
from .errors import UsageError


class Tokenizer(Unique):
    """``model.tokenizer``: text to ids and back. Exactly the ids of the Hugging Face library."""

    def __init__(self, model):
        self._model = model  # which owns the handle
        self._handle = lib.bl_model_tokenizer(model._handle)

    def __len__(self):
        return lib.bl_tokenizer_size(self._handle)

    def encode(self, text):
        """ids [T] (int32) of a text, [BOS] first."""
        if not isinstance(text, str):
            raise TypeError(f"encode: a text (str) is expected, not {type(text).__name__}; decode takes ids")
        data = text.encode("utf-8", "surrogatepass")
        ids = ffi.gc(ffi.new("bl_ids *"), lib.bl_ids_free)
        call(lib.bl_tokenizer_encode, self._handle, data, len(data), ids)
        return view(ids.data, [ids.n], ids, np.int32).copy()

    def decode(self, ids):
        """Text of ids, as the Hugging Face library's ``decode(ids, skip_special_tokens=False)`` gives it."""
        ids = token_ids(ids)
        return call_text(lib.bl_tokenizer_decode, self._handle, address(ids), len(ids))

    def prose(self, ids, capitals=False):
        """The same as a reader expects it: no [BOS], no blank before punctuation; with `capitals` sentences begin with one."""
        ids = token_ids(ids)
        return call_text(lib.bl_tokenizer_prose, self._handle, address(ids), len(ids), bool(capitals))

    def token(self, id):
        """The vocabulary's own string of an id ("##ing"); None when there is none."""
        id = whole(id, "token id", low=-(1 << 200), high=1 << 200)
        return text_of(lib.bl_tokenizer_token(self._handle, id)) if -2**31 <= id < 2**31 else None

    def tokens(self, ids):
        """[self.token(id) for id in ids]"""
        return [self.token(id) for id in ids]

    def id(self, token):
        """The id of a vocabulary string or "#1234"; UsageError with the nearest strings when there is none."""
        err = ffi.new("bl_error *")
        found = lib.bl_tokenizer_find(self._handle, text_argument(token, "token"), err)
        if found < 0:
            raise UsageError(text_of(err.message))
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
