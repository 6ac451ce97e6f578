"""Every direction of a model, beside its null model, in one SQLite file."""
import contextlib
import json
import os
import sqlite3
from pathlib import Path

import numpy as np

from ._arrays import address, floats, whole
from ._calls import LongCall, c_text, keep, call, path_argument, strings, text_argument, tree, tree_text
from ._library import ffi, lib
from .corpus import opened
from .dictionary import Dictionary
from .errors import UsageError
from .evidence import Result
from .tables import table


def _columns(rows):
    return table({key: [row[key] for row in rows] for key, value in (rows[0] if rows else {}).items() if not isinstance(value, (list, dict))})


class Atlas:
    """An atlas file (docs/atlas.md): ``bilens.Atlas("atlas.db")``; ``model.atlas`` makes one."""

    def __init__(self, path):
        self.path = os.fspath(path)
        self._ask(limit=1)  # it is one

    def _ask(self, token=None, sort=None, limit=0, ascending=False, eigenpairs=False, reads=None, source=None, layer=None):
        text = lambda value, what: c_text(None if value is None else text_argument(value, what))  # noqa: E731
        fields = {"token": text(token, "token"), "sort": text(sort, "sort"), "limit": whole(limit, "limit"), "ascending": bool(ascending),
                  "eigenpairs": bool(eigenpairs), "reads": text(reads, "token"), "source": text(source, "source")}
        if layer is not None:
            fields["layer"] = ffi.new("long *", whole(layer, "layer"))
        return json.loads(tree_text(tree(lib.bl_atlas_tree, path_argument(self.path, "atlas"), keep(ffi.new("bl_atlas_query *", fields), fields))))

    def directions(self, sort="largest", limit=20, ascending=False, layer=None):
        """The directions in the order of a column (token, count, largest, highest, lowest, effective_rank, share, any of these with null_, excess,
        effect, q) as a table; of one layer, or all."""
        return _columns(self._ask(sort=sort, limit=whole(limit, "limit", 1), ascending=ascending, layer=layer)["directions"])

    def eigenpairs(self, sort="effect", limit=20, ascending=False, layer=None):
        """The eigenpairs in the order of a column (effect, q, p, ratio, share, eigenvalue, …: docs/atlas.md) as a table."""
        return _columns(self._ask(sort=sort, limit=whole(limit, "limit", 1), ascending=ascending, eigenpairs=True, layer=layer)["eigenpairs"])

    def readers(self, token, source=None, limit=20, layer=None):
        """Who reads a token: the eigenvectors among whose virtual tokens it is, through ``source`` ("direct", "head 3") or any, as a table; the largest
        |activation| = |λ value²| first."""
        return _columns(self._ask(reads=token, source=source, limit=whole(limit, "limit", 1), layer=layer)["readers"])

    def calibration(self):
        """For each place of the spectrum how far another null draw's p-values are from uniform (docs/atlas.md), as a table."""
        return _columns(self._ask(limit=1)["calibration"])

    def __getitem__(self, token):
        """Everything about one direction, as a dict with the keys of ``bilens atlas query FILE token=…  --format json``: a token, or the name, row ("#7")
        or text ("@probes.npy:7") of one of your own; or a pair of that and a layer."""
        token, layer = token if isinstance(token, tuple) else (token, None)
        return self._ask(token=token, layer=layer)

    def info(self):
        """The atlas's head: model, layer, stories, positions, whether it is complete."""
        answer = self._ask(limit=1)
        return {key: value for key, value in answer.items() if not isinstance(value, (list, dict))}

    def sql(self, query, parameters=()):
        """The answer of an SQL query over the atlas's views (docs/atlas.md) as a table. The file is opened for reading only."""
        self.info()  # refuses a file that is no atlas of ours
        uri = Path(self.path).resolve().as_uri() + "?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.set_progress_handler(lambda: 0, 100000)  # Python code runs now and then: Ctrl-C is raised there
            try:
                cursor = connection.execute(query, parameters)
                rows = cursor.fetchall()
            except sqlite3.OperationalError as failure:
                if str(failure) != "interrupted":
                    raise
                raise KeyboardInterrupt from None
        return table({column[0]: [row[i] for row in rows] for i, column in enumerate(cursor.description)})

    def __repr__(self):
        head = self.info()
        return f"<bilens atlas {self.path} of {head['model']}, layer {head['layer']}{'' if head['complete'] else ', unfinished'}>"


def _rows(model, directions, names):
    """Directions of one's own, a file, a Dictionary or an array [F, d]: (their rows, their names or NULL, what they were read from)."""
    d = model.config.d_model
    if isinstance(directions, (str, os.PathLike)):
        directions = Dictionary(directions, d)
    rows = directions.encoder if isinstance(directions, Dictionary) else floats(directions, (None, d), "directions")
    rows = np.ascontiguousarray(rows)
    if names is not None and len(names) != len(rows):
        raise UsageError(f"there are {len(names)} names for {len(rows)} directions")
    labels = ffi.NULL if names is None else strings([text_argument(name, "names") for name in names])
    return rows, labels, c_text(text_argument(directions.name if isinstance(directions, Dictionary) else "directions", "directions"))


def _own(model, directions, names):
    """The options for directions of one's own."""
    rows, labels, source = _rows(model, directions, names)
    basis = {"name": c_text(b"direction"), "vectors": {"data": address(rows), "rows": len(rows), "cols": rows.shape[1], "stride": rows.shape[1]}, "labels": labels}
    return {"directions": keep(ffi.new("bl_basis *", basis), (basis, rows)), "source": source}


def rank(model, directions, names, layer, null_draws, seed, progress):
    rows, labels, source = _rows(model, directions, names)
    question = {"model": model._handle, "layer": model._layer_index(layer), "source": source, "u": address(rows), "F": len(rows), "names": labels,
                "seed": whole(seed, "seed", high=(1 << 64) - 1), "null_draws": whole(null_draws, "null_draws", 1)}
    with LongCall(progress) as work:
        asked = keep(ffi.new("bl_rank_question *", dict(question, progress=work.progress)), (question, rows))
        return Result("rank", tree(lib.bl_rank_tree, asked), lib.bl_rank_rows)


def make(model, path, corpus, tokens, frequent, layer, layers, directions, names, pairs, top, virtual_tokens, raw, centre, null_draws, effects, seed, stories, overwrite, progress):
    chosen = strings([text_argument(token, "tokens") for token in tokens or ()])
    options = {"layer": model._layer_index(layer), "pairs": whole(pairs, "pairs"), "top": whole(top, "top"), "virtual_tokens": whole(virtual_tokens, "virtual_tokens"),
               "frequent": whole(frequent, "frequent"), "raw": bool(raw), "centre_unembedding": bool(centre), "seed": whole(seed, "seed", high=(1 << 64) - 1),
               "null_draws": whole(null_draws, "null_draws", 1), "no_effects": not effects, "max_stories": whole(stories, "stories"), "overwrite": bool(overwrite)}
    if tokens is not None:
        options.update(tokens=chosen, n_tokens=len(tokens))
    if layers is not None:
        options.update(layers=ffi.new("size_t[]", [model._layer_index(i) for i in layers]), n_layers=len(layers))
    if names is not None and directions is None:
        raise UsageError("names: they are of directions, which are not given")
    if directions is not None:
        options.update(_own(model, directions, names))
    with opened(corpus) as handle, LongCall(progress) as work:
        call(lib.bl_atlas_run, model._handle, handle, path_argument(path, "atlas"), ffi.new("bl_atlas_options *", dict(options, progress=work.progress)), ffi.NULL)
    return Atlas(path)
