"""Whether it matters: the account of a logit, truncation, ablation, chance; pairs, HOSVD, differences, similar directions.

Each function here is a method of Model and gives a Result: the keys of the command line's JSON, and ``frame()`` for its table."""
import contextlib
import json
import re
from collections.abc import Mapping

import numpy as np

from ._arrays import address, whole
from ._calls import LongCall, Unique, call, call_text, keep, longs, path_argument, strings, text_argument, tree, tree_text
from ._library import ffi, lib
from .corpus import opened
from .errors import UsageError
from .figure import Figure, draw_timeline_on, draw_truncation_on, figure_options, on_axis
from .tables import table

CELL = re.compile(r'("(?:[^"]|"")*"|[^,\r\n]*)(,|\r\n)')


def _cell(text):
    """A cell of our CSV: text is in quotes, numbers never are, an empty cell is nothing."""
    if text.startswith('"'):
        return text[1:-1].replace('""', '"')
    if text == "":
        return None
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text)


def columns(text):
    """{name: values} of a table in our CSV; a column of numbers with an empty cell has NaN there."""
    head, _, body = text.partition("\r\n")
    rows, row = [[name.strip('"') for name in head.split(",")]], []
    for cell, end in CELL.findall(body):
        row.append(_cell(cell))
        if end != ",":
            rows.append(row)
            row = []
    out = {}
    for name, *values in zip(*rows):
        if any(isinstance(v, float) or v is None for v in values) and not any(isinstance(v, str) for v in values):
            values = np.array([np.nan if v is None else v for v in values], float)
        out[name] = values
    return out


class Result(Unique, Mapping):
    """A result: a mapping with the keys of ``bilens VERB --format json``; ``frame()`` is its table."""

    def __init__(self, verb, handle, rows):
        self._verb, self._tree, self._rows = verb, handle, rows
        self._data = json.loads(tree_text(handle))

    def __getitem__(self, key):
        return self._data[key]

    def __iter__(self):
        return iter(self._data)

    def __len__(self):
        return len(self._data)

    def json(self):
        """The result as a dict."""
        return dict(self._data)

    def csv(self):
        """What ``--format csv`` prints."""
        rows = ffi.gc(call(self._rows, self._tree), lib.bl_table_free)
        return call_text(lib.bl_table_csv, rows, 0)

    def latex(self):
        """What ``--format latex`` prints: the table for LaTeX's booktabs."""
        rows = ffi.gc(call(self._rows, self._tree), lib.bl_table_free)
        return call_text(lib.bl_table_latex, rows)

    def frame(self):
        """The table of ``--format csv``: a DataFrame where pandas is installed."""
        return table(columns(self.csv()))

    def _repr_html_(self):
        frame = self.frame()
        return frame._repr_html_() if hasattr(frame, "_repr_html_") else None

    def __repr__(self):
        return f"<bilens {self._verb} of {self._data.get('model', ' and '.join(self._data.get('models', [])))}>\n{self.frame()}"


class Drawn(Result):
    """A Result that can be drawn: loss against rank, or a training run's snapshots."""

    def __init__(self, verb, handle, rows, draw, draw_on_axis):
        super().__init__(verb, handle, rows)
        self._draw, self._draw_on_axis = draw, draw_on_axis

    def plot(self, *, ax=None, width=None, height=None, font=None, size=None, title=None, marks=True, theme="light"):
        """Its curves as a Figure, or on `ax`, a matplotlib axis, which is returned; the options are those of ``Eigen.plot``."""
        if on_axis(ax, width, height, font, size, theme):
            return self._draw_on_axis(ax, self, title, marks)
        return Figure(self._tree, figure_options(width, height, font, size, title, marks, False, theme), self._draw)


def _question(model, direction, layer):
    return keep(ffi.new("bl_question *", {"model": model._handle, "direction": direction._c, "layer": layer}), direction)


def _token(model, direction):
    """The id of the direction's token, -1 for a vector."""
    return -1 if direction.token is None else model.tokenizer.id(direction.token)


def _layer(model, layer, last):
    return model._layer_index(model.config.n_layer - 1 if layer is None and last else layer or 0)


def _sizes(values, what):
    return ffi.new("size_t[]", [whole(v, what) for v in values])


def explain(model, text, token, minus, position, layer, most, eigs, words, predictions):
    direction, layer = model.direction(token, minus), _layer(model, layer, True)
    ids = model.tokenizer.encode(text)[:model.config.n_ctx]
    at = whole(position, "position", -len(ids), len(ids) - 1)
    wanted = None if eigs is None else [whole(i, "eigs", -(1 << 31), 1 << 31) for i in eigs]
    options = {"u": address(direction.vector), "token": _token(model, direction), "layer": layer, "position": at % len(ids), "most": whole(most, "most"),
               "words": bool(words), "predictions": whole(predictions, "predictions", 0, 10)}
    if wanted is not None:
        options.update(eigs=longs(wanted), n_eigs=len(wanted))
    account = ffi.gc(ffi.new("bl_account *"), lib.bl_account_free)
    call(lib.bl_account_of, model._handle, address(ids), len(ids), ffi.new("bl_explain_options *", options), account)
    return Result("explain", tree(lib.bl_explain_tree, _question(model, direction, layer), text_argument(text, "text"), address(ids), account), lib.bl_explain_rows)


def layers(model, token, minus, corpus, stories, progress):
    direction = model.direction(token, minus)
    shares = ffi.gc(ffi.new("bl_layer_shares *"), lib.bl_layer_shares_free)
    with opened(corpus) as handle, LongCall(progress) as work:
        call(lib.bl_layer_shares_of_corpus, model._handle, address(direction.vector), _token(model, direction), handle, whole(stories, "stories"),
             work.progress, shares)
    return Result("layers", tree(lib.bl_layers_tree, _question(model, direction, 0), shares), lib.bl_layers_rows)


def fit_surrogate(model, path, corpus, valid, layers, stories, progress):
    wanted = None if layers is None else [model._layer_index(layer) for layer in layers]
    chosen = ffi.NULL if wanted is None else ffi.new("size_t[]", wanted)
    with opened(corpus) as fit, contextlib.ExitStack() as stack, LongCall(progress) as work:
        held = ffi.NULL if valid is None else stack.enter_context(opened(valid))
        made = ffi.gc(call(lib.bl_surrogate_fit_corpus, model._handle, chosen, 0 if wanted is None else len(wanted), fit, held, whole(stories, "stories"),
                           work.progress), lib.bl_surrogate_free)
    call(lib.bl_surrogate_write, made, model._handle, path_argument(path, "path"))
    return Result("surrogate", tree(lib.bl_surrogate_tree, model._handle, made), lib.bl_surrogate_rows)


def truncate(model, corpus, token, minus, ranks, controls, stories, seed, progress):
    layer = model.config.n_layer - 1
    options = {"no_controls": not controls, "max_stories": whole(stories, "stories"), "seed": whole(seed, "seed", high=(1 << 64) - 1)}
    if ranks is not None:
        options.update(ranks=_sizes(ranks, "ranks"), n_ranks=len(ranks))
    direction = None if token is None else model.direction(token, minus)
    if direction is None and minus:
        raise UsageError("truncate: minus goes with token")
    with opened(corpus) as handle, LongCall(progress) as work:
        how = keep(ffi.new("bl_truncate_options *", dict(options, progress=work.progress)), options)
        if direction is None:
            curve = ffi.gc(ffi.new("bl_truncation *"), lib.bl_truncation_free)
            call(lib.bl_truncate, model._handle, handle, how, curve)
        else:
            curve = ffi.gc(ffi.new("bl_token_truncation *"), lib.bl_token_truncation_free)
            call(lib.bl_truncate_token, model._handle, address(direction.vector), _token(model, direction), handle, how, curve)
    if direction is None:
        made = tree(lib.bl_truncate_tree, model._handle, curve)
    else:
        made = tree(lib.bl_truncate_token_tree, _question(model, direction, layer), curve)
    return Drawn("truncate", made, lib.bl_truncate_rows, lib.bl_truncate_figure, draw_truncation_on)


MODES = ("component", "input", "logit")


def ablate(model, token, eigs, minus, corpus, layer, mode, replace, keep_only, controls, worst, stories, seed, progress):
    if mode not in MODES:
        raise UsageError(f"mode: {mode!r} is not one of {', '.join(MODES)}")
    if replace not in ("mean", "zero"):
        raise UsageError(f"replace: {replace!r} is neither mean nor zero")
    direction, layer = model.direction(token, minus), _layer(model, layer, mode == "logit" or worst)
    wanted = [whole(i, "eigs", -(1 << 31), 1 << 31) for i in eigs]
    if not wanted:
        raise UsageError("eigs: no eigenvector is named")
    places = longs(wanted)
    result = ffi.gc(ffi.new("bl_ablation *"), lib.bl_ablation_free)
    with opened(corpus) as handle, LongCall(progress) as work:
        options = ffi.new("bl_ablate_options *", {
            "mode": MODES.index(mode), "zero": replace == "zero", "keep": bool(keep_only), "controls": whole(controls, "controls"),
            "worst": whole(worst, "worst"), "max_stories": whole(stories, "stories"), "seed": whole(seed, "seed", high=(1 << 64) - 1),
            "progress": work.progress})
        call(lib.bl_ablate, model._handle, layer, address(direction.vector), _token(model, direction), places, len(wanted), handle, options, result)
    return Result("ablate", tree(lib.bl_ablate_tree, _question(model, direction, layer), places, len(wanted), options, result), lib.bl_ablate_rows)


def _map(model, layer):
    made = ffi.new("bl_bilinear *")
    call(lib.bl_model_bilinear, model._handle, layer, made)
    return made


def null(model, token, minus, layer, indices, draws, seed, progress):
    direction, layer = model.direction(token, minus), _layer(model, layer, False)
    bilinear = _map(model, layer)
    places = [whole(i, "indices", -(1 << 31), 1 << 31) for i in indices]
    chance = ffi.gc(ffi.new("bl_chance *"), lib.bl_chance_free)
    with LongCall(progress) as work:
        call(lib.bl_chance_of, bilinear, address(direction.vector), whole(draws, "draws", 1), whole(seed, "seed", high=(1 << 64) - 1), work.progress, chance)
    return Result("null", tree(lib.bl_null_tree, _question(model, direction, layer), chance, longs(places), len(places), ffi.NULL), lib.bl_null_rows)


def _path(model, name, what):
    if name == "direct":
        return -1
    found = re.fullmatch(r"head (\d+)", name) if isinstance(name, str) else None
    if not found or int(found[1]) >= model.config.n_head:
        raise UsageError(f"{what}: {name!r} is neither 'direct' nor one of 'head 0' to 'head {model.config.n_head - 1}'")
    return int(found[1])


def pairs(model, token, minus, layer, left, right, k, progress):
    direction, layer = model.direction(token, minus), _layer(model, layer, False)
    found = ffi.gc(ffi.new("bl_token_pairs *"), lib.bl_token_pairs_free)
    with LongCall(progress) as work:
        options = ffi.new("bl_token_pairs_options *", {"left": _path(model, left, "left"), "right": _path(model, right, "right"),
                                                       "k": whole(k, "k", 1), "progress": work.progress})
        call(lib.bl_token_pairs_of, model._handle, layer, address(direction.vector), options, found)
    return Result("pairs", tree(lib.bl_pairs_tree, _question(model, direction, layer), options, found), lib.bl_pairs_rows)


def _head(model, head, distance):
    parts = {"model": model._handle, "head": whole(head, "head"), "distance": whole(distance, "distance", 1)}
    return ffi.new("bl_head *", parts)


def head_pairs(model, head, distance, token, minus, k):
    where, found = _head(model, head, distance), ffi.gc(ffi.new("bl_token_pairs *"), lib.bl_token_pairs_free)
    if token is None and minus:
        raise UsageError("head_pairs: minus goes with token")
    direction = None if token is None else model.direction(token, minus)
    call(lib.bl_head_pairs, where, ffi.NULL if direction is None else address(direction.vector), whole(k, "k", 1), found)
    return Result("pairs", tree(lib.bl_head_pairs_tree, where, ffi.NULL if direction is None else direction._c, found), lib.bl_pairs_rows)


def head_query(model, query, head, distance):
    where, found = _head(model, head, distance), ffi.gc(ffi.new("bl_head_query *"), lib.bl_head_query_free)
    token = model.tokenizer.id(query)
    call(lib.bl_head_query_of, where, token, found)
    return Result("eigen", tree(lib.bl_head_query_tree, where, token, found), lib.bl_head_query_rows)


def hosvd(model, layer, k):
    layer = _layer(model, layer, False)
    found = ffi.gc(ffi.new("bl_hosvd *"), lib.bl_hosvd_free)
    call(lib.bl_hosvd_of, _map(model, layer), whole(k, "k", 1), found)
    return Result("hosvd", tree(lib.bl_hosvd_tree, model._handle, layer, found), lib.bl_hosvd_rows)


def diff(model, other, layer, tokens, changed, token, minus, eigs):
    names = strings([text_argument(t, "tokens") for t in tokens])
    question = ffi.new("bl_diff_question *", {"a": model._handle, "b": other._handle, "layer": _layer(model, layer, False), "tokens": names,
                                              "n_tokens": len(tokens), "changed": whole(changed, "changed")})
    other._layer_index(question.layer)
    if token is None and minus:
        raise UsageError("diff: minus goes with token")
    if token is not None:
        direction, wanted = model.direction(token, minus), longs([whole(i, "eigs", -(1 << 31), 1 << 31) for i in eigs])
        question.direction, question.indices, question.n_indices = direction._c, wanted, len(wanted) if eigs else 0
    return Result("diff", tree(lib.bl_diff_tree, question), lib.bl_diff_rows)


def timeline(folder, tokens=(), layer=0, progress=None):
    """When a direction forms: every snapshot of a training run in a folder (or in its folder "snapshots"), beside the last one.

    ``bilens train --snapshots N`` writes them. A Result: its table has a row per snapshot and cosine; ``plot()`` draws it."""
    texts = [text_argument(t, "tokens") for t in tokens]
    with LongCall(progress) as work:
        found = tree(lib.bl_timeline_tree, path_argument(folder, "folder"), whole(layer, "layer"), strings(texts), len(texts), work.progress)
    return Drawn("timeline", found, lib.bl_timeline_rows, lib.bl_timeline_figure, draw_timeline_on)


def similar(model, token, minus, layer, k):
    direction, layer = model.direction(token, minus), _layer(model, layer, False)
    if direction.token is not None and not direction.minus:  # is taken as the others are: minus the mean of all
        direction = model.direction(direction.token, "*")
    return Result("similar", tree(lib.bl_similar_tree, _question(model, direction, layer), address(direction.vector), whole(k, "k", 1)), lib.bl_similar_rows)
