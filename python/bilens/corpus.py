"""Corpora: files, or stories that are in memory already."""
import contextlib
import json
import os

from . import _data
from ._calls import call, path_argument, strings
from ._library import ffi, lib
from .errors import UsageError


class Stories:
    """Stories from memory, wherever a corpus is taken: ``m.scan(bilens.Stories(["Tom swims.", …]), e)``. Taken verbatim; blank ones are
    skipped, as everywhere."""

    def __init__(self, texts):
        if isinstance(texts, (str, bytes)):
            raise TypeError("Stories: a list of texts is expected, not one text")
        self._data = b"".join(json.dumps({"text": self._check(text)}).encode() + b"\n" for text in texts)

    @staticmethod
    def _check(text):
        if not isinstance(text, str):
            raise TypeError(f"Stories: a text is expected, not {type(text).__name__}")
        return text


def _paths(corpus):
    if corpus is None:
        return [_data.find("stories.txt")]
    if isinstance(corpus, (str, bytes, os.PathLike)):
        return [corpus]
    paths = list(corpus)
    if not paths:
        raise UsageError("corpus: no file is named")
    return paths


def names(corpus):
    """What a report calls the corpus."""
    if corpus is None:
        return ["stories.txt (comes with bilens)"]
    if isinstance(corpus, Stories):
        return ["stories from memory"]
    return [os.fsdecode(path) for path in _paths(corpus)]


@contextlib.contextmanager
def opened(corpus):
    """A bl_corpus of `corpus`: None (the stories that come with bilens), a path, a list of paths, or Stories."""
    if isinstance(corpus, Stories):
        data = corpus._data
        handle = call(lib.bl_corpus_open_memory, b"memory.jsonl", ffi.from_buffer(data), len(data))
    else:
        paths = [path_argument(path, "corpus") for path in _paths(corpus)]
        handle = call(lib.bl_corpus_open, strings(paths), len(paths))
    try:
        yield handle
    finally:
        lib.bl_corpus_free(handle)
