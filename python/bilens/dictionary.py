"""Dictionaries of features: SAEs, transcoders, one's own directions; forms of features, contextual neighbours, training.

    d = bilens.Dictionary("sae-in")                      # SAELens, the authors' layout, or a matrix in .npy or .safetensors
    d.encoder, d.decoder, d.reconstruct(x)               # pre = x @ encoder.T + offset, x ~ z @ decoder + centre
    m.features("sae-in", "sae-out", [0, 7]).frame()      # the form of an output feature in the input features
    m.train_dictionary("sae-in", features=256, k=16)     # a TopK SAE of mlp_in
"""
import os

import numpy as np

from ._arrays import address, floats, real, view, whole
from ._calls import LongCall, Unique, c_text, call, keep, longs, owned, path_argument, text_argument, text_of, tree
from ._library import ffi, lib
from .corpus import opened
from .eigen import Eigen
from .errors import UsageError
from .evidence import Result

ACTIVATIONS = ("relu", "jumprelu", "topk")
LAYOUTS = ("scope", "saelens")
PRECISIONS = ("f32", "bf16", "auto")
STEP = 1  # BL_DICTIONARY_TRAIN_STEP


class Dictionary(Unique):
    """F features of width d: pre = x @ encoder.T + offset; where a feature is active, z = pre, else 0; x ~ z @ decoder + centre."""

    def __init__(self, source, d=0):
        self._handle = owned(lib.bl_dictionary_read, lib.bl_dictionary_free, path_argument(source, "source"), whole(d, "d"))
        c = self._handle
        self.name, self.F, self.d = text_of(c.name), c.F, c.d
        self.activation = ACTIVATIONS[int(c.activation)]
        self.k = c.k if self.activation == "topk" else None
        self.encoder, self.decoder = (view(p, (self.F, self.d), c) for p in (c.encoder, c.decoder))
        self.offset, self.centre = view(c.offset, (self.F,), c), view(c.centre, (self.d,), c)
        self.threshold = view(c.threshold, (self.F,), c) if c.threshold else None

    def __len__(self):
        return self.F

    def pre(self, x):
        """Pre-activations [m, F] of x [m, d]."""
        x = floats(x, (None, self.d), "x")
        out = np.empty((len(x), self.F), np.float32)
        lib.bl_dictionary_pre(self._handle, address(x), len(x), ffi.cast("float *", ffi.from_buffer(out)))
        return out

    def reconstruct(self, x):
        """(xhat [m, d], active [m, F]) of x [m, d]."""
        x = floats(x, (None, self.d), "x")
        out, active = np.empty((len(x), self.d), np.float32), np.empty((len(x), self.F), bool)
        call(lib.bl_dictionary_reconstruct, self._handle, address(x), len(x), ffi.cast("float *", ffi.from_buffer(out)),
             ffi.cast("bool *", ffi.from_buffer(active)))
        return out, active

    def __repr__(self):
        return f"<bilens Dictionary {self.name}: {self.F} features of width {self.d}, {self.activation}{f' of {self.k}' if self.k else ''}>"


def dictionary_of(value, d):
    return value if isinstance(value, Dictionary) else Dictionary(value, d)


def _score(score):
    if score.images:
        return {"images": score.positions, "unexplained": score.unexplained, "active": score.active, "dead": score.dead,
                "loss": {"model": score.model, "spliced": score.spliced, "mean": score.mean, "recovered": score.recovered},
                "accuracy": {"model": score.right_model, "spliced": score.right_spliced, "mean": score.right_mean}}
    return {"stories": score.stories, "positions": score.positions, "unexplained": score.unexplained, "active": score.active, "dead": score.dead,
            "loss": {"model": score.model, "spliced": score.spliced, "mean": score.mean, "recovered": score.recovered}}


def features(model, into, out, which, corpus, layer, k, stories, ranks, progress):
    d = model.config.d_model
    into, out = dictionary_of(into, d), dictionary_of(out, d)
    layer = model._layer_index(layer)
    chosen = range(out.F) if which is None else which
    numbers = ffi.new("size_t[]", [whole(a, "features") for a in chosen])
    options = {"layer": layer, "features": numbers, "n_features": len(numbers), "most": whole(k, "k"), "stories": whole(stories, "stories"), "table": which is None}
    if ranks is not None:
        sizes = ffi.new("size_t[]", [whole(r, "ranks", 1) for r in ranks])
        options.update(ranks=sizes, n_ranks=len(sizes))

    def run(handle):
        with LongCall(progress) as work:
            how = keep(ffi.new("bl_feature_options *", dict(options, corpus=handle, progress=work.progress)), options)
            return owned(lib.bl_features_of, lib.bl_features_free, model._handle, into._handle, out._handle, how)

    if corpus is None:
        found = run(ffi.NULL)
    else:
        with opened(corpus) as handle:
            found = run(handle)
    return Result("features", tree(lib.bl_features_tree, model._handle, layer, into._handle, out._handle, found), lib.bl_features_rows)


def neighbours(model, what, indices, corpus, layer, top, stories, progress):
    options = {"top": whole(top, "top", 1), "max_stories": whole(stories, "stories")}
    if isinstance(what, (str, bytes, os.PathLike, Dictionary)):
        into = dictionary_of(what, model.config.d_model)
        chosen = [whole(i, "indices", 0, into.F - 1) for i in indices or ()]
        if not chosen:
            raise UsageError("neighbours: of a dictionary say which features: indices=[0, 7]")
        vectors, options["layer"] = np.ascontiguousarray(into.decoder[chosen]), model._layer_index(layer)
    elif not isinstance(what, Eigen):
        raise UsageError(f"neighbours: {what!r}: an Eigen, or a dictionary and indices are expected")
    else:
        into, chosen = None, list(what.default_indices() if indices is None else indices)
        vectors, options["layer"] = np.ascontiguousarray([what.vector(i) for i in chosen]), what.layer
    with opened(corpus) as handle, LongCall(progress) as work:
        how = ffi.new("bl_neighbours_options *", dict(options, progress=work.progress))
        found = owned(lib.bl_neighbours_find, lib.bl_neighbours_free, model._handle, address(vectors), len(vectors), vectors.shape[1], handle, how)
    if into is None:
        made = tree(lib.bl_neighbours_tree, what._question(), what._pointer, longs(chosen), found)
    else:
        made = tree(lib.bl_feature_neighbours_tree, model._handle, options["layer"], into._handle, ffi.new("size_t[]", chosen), found)
    return Result("neighbours", made, lib.bl_neighbours_rows)


def evaluate(model, dictionary, corpus, point, layer, stories, progress):
    a, score = dictionary_of(dictionary, model.config.d_model), ffi.new("bl_dictionary_score *")
    name = c_text(text_argument(point, "point"))
    with opened(corpus) as handle, LongCall(progress) as work:
        how = keep(ffi.new("bl_dictionary_eval_options *", {"point": name, "layer": model._layer_index(layer), "corpus": handle, "stories": whole(stories, "stories"),
                                                            "progress": work.progress}), name)
        call(lib.bl_dictionary_eval, model._handle, a._handle, how, score)
    return _score(score)


def _choice(value, names, what):
    if value not in names:
        raise UsageError(f"{what}: {value!r} is none of {', '.join(names)}")
    return names.index(value)


def evaluate_images(model, dictionary, images, point, layer, progress):
    a, score = dictionary_of(dictionary, 0), ffi.new("bl_dictionary_score *")
    name = c_text(text_argument(point, "point"))
    with LongCall(progress) as work:
        how = keep(ffi.new("bl_dictionary_eval_options *", {"point": name, "layer": layer, "progress": work.progress}), name)
        call(lib.bl_dictionary_eval_images, model._handle, a._handle, images, how, score)
    return _score(score)


def _options(defaults, output, n_features, k, point, layer, options):
    """bl_dictionary_train_options, and what they point to."""
    o = ffi.new("bl_dictionary_train_options *")
    defaults(o)
    texts = ffi.new("char[]", path_argument(output, "output")), c_text(text_argument(point, "point"))
    o.output, o.point, o.layer = *texts, layer
    o.features, o.k = whole(n_features, "features"), whole(k, "k")
    for name, value in options.items():
        if name == "lr":
            o.lr = real(value, "lr")
        elif name in ("resume", "overwrite"):
            setattr(o, name, bool(value))
        elif name == "layout":
            o.layout = _choice(value, LAYOUTS, name)
        elif name == "precision":
            o.precision = _choice(value, PRECISIONS, name)
        elif name in ("epochs", "batch", "seed", "stories", "valid_stories", "buffer", "checkpoint_every"):
            setattr(o, name, whole(value, name))
        else:
            raise TypeError(f"train_dictionary: there is no option {name!r}")
    return keep(o, texts)


def _run(o, progress, train):
    """Calls train(o, result) with the progress; the result as a dict."""
    result, training = ffi.new("bl_dictionary_train_result *"), ffi.new("char[]", b"training")
    with LongCall(progress) as work:
        @ffi.callback("bl_dictionary_train_fn", error=False)
        def report(_context, event):
            if int(event.kind) == STEP:
                return work.step(ffi.NULL, training, event.step, event.steps)
            return work.step(ffi.NULL, event.text, event.done, event.total) if int(event.kind) == 0 else True
        o.report = report
        train(o, result)
    return dict(_score(result.score), trained_positions=result.positions, steps=result.steps, seconds=result.seconds)


def train_images(model, output, n_features, k, images, held, point, layer, progress, options):
    o = _options(lib.bl_dictionary_train_image_defaults, output, n_features, k, point, layer, options)
    return _run(o, progress, lambda o, result: call(lib.bl_dictionary_train_images, model._handle, images, held, o, result))


def train(model, output, n_features, k, corpus, valid, point, layer, progress, options):
    o = _options(lib.bl_dictionary_train_defaults, output, n_features, k, point, model._layer_index(layer), options)

    def run(handle, held):
        o.corpus, o.valid = handle, held
        return _run(o, progress, lambda o, result: call(lib.bl_dictionary_train, model._handle, o, result))

    with opened(corpus) as handle:
        if valid is None:
            return run(handle, ffi.NULL)
        with opened(valid) as held:
            return run(handle, held)
