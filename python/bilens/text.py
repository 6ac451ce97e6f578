"""What a model expects after a text, and which eigenvectors a place in it excites."""
import numpy as np

from ._arrays import address, token_ids, whole
from ._calls import call, owned
from ._library import ffi, lib
from .errors import UsageError
from .tables import table


def ids_of(model, text):
    """ids [T] of a text (or these ids themselves), cut to n_ctx."""
    ids = model.tokenizer.encode(text) if isinstance(text, str) else token_ids(text)
    ids = ids[:model.config.n_ctx]
    if not len(ids):
        raise UsageError("text: it has no token")
    return ids


def predicted(model, ids, top):
    """[T, top] of (id, probability), the most probable first."""
    raw = owned(lib.bl_predict, lib.bl_predictions_free, model._handle, address(ids), len(ids), whole(top, "top", 1))
    return [[(raw.best[p * raw.top + i].id, raw.best[p * raw.top + i].probability) for i in range(raw.top)] for p in range(raw.n)]


def predictions(model, text, top):
    ids = ids_of(model, text)
    rows = [(p, model._token(ids[p]), rank, model._token(i), probability) for p, best in enumerate(predicted(model, ids, top))
            for rank, (i, probability) in enumerate(best, 1)]
    return table({name: [row[i] for row in rows] for i, name in enumerate(["position", "token", "rank", "prediction", "probability"])})


def excite(model, text, position, directions, layer, limit):
    ids = ids_of(model, text)
    at = whole(position, "position", -len(ids), len(ids) - 1) % len(ids)
    layer = model._layer_index(model.config.n_layer - 1 if layer is None else layer)
    limit = whole(limit, "limit", 1, 1 << 20)
    if directions is None:
        directions = [model.direction(f"#{i}", "*") for i, _ in predicted(model, ids, 10)[at]]
    directions = [model.direction(d) for d in ([directions] if isinstance(directions, str) else directions)]
    if not directions:
        raise UsageError("directions: none is named")
    u = np.ascontiguousarray([d.vector for d in directions], np.float32)
    n = lib.bl_interaction_size(model._handle)
    x = np.empty(n, np.float32)
    call(lib.bl_mlp_input, model._handle, layer, address(ids), len(ids), at, address(x))
    limit = min(limit, len(u) * n)
    out, found = ffi.new("bl_excited[]", limit), ffi.new("size_t *")
    call(lib.bl_excited_directions, model._handle, layer, address(u), len(u), address(x), limit, out, found)
    rows = [(directions[e.direction].text, e.index, e.eigenvalue, e.similarity, e.activation) for e in out[0:found[0]]]
    return table({name: [row[i] for row in rows] for i, name in enumerate(["direction", "index", "eigenvalue", "similarity", "activation"])})
