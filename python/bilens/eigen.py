"""One direction's spectrum, eigenvectors and virtual tokens."""
import json
import os
import struct
import tempfile

import numpy as np

from ._arrays import address, floats, view
from ._calls import Unique, c_text, call, call_text, keep, longs, owned, path_argument, strings, text_argument
from ._library import ffi, lib
from .errors import UsageError
from .tables import token_table

DEFAULT_INDICES = (-1, -2, -3, -4, 0, 1, 2, 3)


class Direction(Unique):
    """An output direction u [d] and how it came about: a token, a contrast, or a vector of one's own. Made by ``model.direction``."""

    def __init__(self, model, token, minus, centre, name):
        self.token = token if isinstance(token, str) else None
        self.minus = [minus] if isinstance(minus, str) else list(minus)
        self.centre = bool(centre)
        self.name = name
        fields = {"minus": strings([text_argument(t, "minus") for t in self.minus]), "n_minus": len(self.minus),
                  "centre_unembedding": self.centre}
        given = None
        if self.token is not None:
            fields["token"] = c_text(text_argument(token, "token"))
        else:
            given = floats(token, [model.config.d_model], "direction")
            fields.update(vector=address(given), name=c_text(text_argument(name or "direction", "name")))
        self._c = keep(ffi.new("bl_direction *", fields), fields, given)
        u = np.empty(model.config.d_model, np.float32)
        call(lib.bl_direction_vector, model._handle, self._c, address(u))
        u.flags.writeable = False
        self.vector = u

    @property
    def label(self):
        """What tables call it."""
        return self.token if self.token is not None else self.name or "direction"

    def __array__(self, dtype=None, copy=None):
        return np.array(self.vector, dtype=dtype, copy=True if copy is None else copy)

    def __repr__(self):
        against = f" against {', '.join(self.minus)}" if self.minus else ""
        return f"<bilens direction {self.label!r}{against}>"


class Figure:
    """The spectrum as a picture: a notebook shows it; ``save("spectrum.pdf")`` writes .svg, .png or .pdf."""

    def __init__(self, text):
        self._json = text

    def save(self, path):
        """Writes the file atomically; returns its path."""
        call(lib.bl_spectrum_figure, self._json, path_argument(path, "figure"))
        return path

    def _repr_png_(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "spectrum.png")
            self.save(path)
            with open(path, "rb") as file:
                data = file.read()
        width, height = struct.unpack(">II", data[16:24])  # drawn at twice its size, for sharp screens
        return data, {"width": width // 2, "height": height // 2}


class Eigen(Unique):
    """The eigendecomposition of one layer's interaction matrix: u . MLP(x) = sum_n values[n] (vectors[:, n] . x)^2, plus `constant` with biases.

    n = d_model, or d_model + 1 with biases, whose last coordinate is the constant 1. An eigenvector's sign is arbitrary: its component of
    largest magnitude is positive."""

    def __init__(self, model, direction, layer, k):
        self.model, self.direction, self.layer = model, direction, layer
        self._pointer = owned(lib.bl_eigen_new, lib.bl_eigen_free, model._handle, layer, address(direction.vector), k)
        self._complete = k == 0

    def __len__(self):
        return lib.bl_eigen_size(self._pointer)

    @property
    def values(self):
        """[n] eigenvalues, ascending: a read-only view."""
        return view(lib.bl_eigen_values(self._pointer), [len(self)], self._pointer)

    @property
    def vectors(self):
        """[n, n] eigenvectors in columns, as numpy.linalg.eigh gives them: a read-only view (its rows in memory are the eigenvectors)."""
        if not self._complete:
            raise UsageError("vectors: only the outermost eigenvectors were computed (k): take vector(index), or m.eigen(…) without k")
        n = len(self)
        return view(lib.bl_eigen_vector(self._pointer, 0), [n, n], self._pointer).T

    def _position(self, index):
        n = len(self)
        if isinstance(index, bool) or not isinstance(index, (int, np.integer)) or not -n <= index < n:
            raise UsageError(f"eigenvector {index!r} does not exist; there are {n}: 0 … {n - 1}, or -1 … {-n} from the end")
        return int(index)

    def vector(self, index):
        """[n] eigenvector by index into the ascending spectrum, negative from the end: a read-only view."""
        pointer = lib.bl_eigen_vector(self._pointer, self._position(index))
        if not pointer:
            raise UsageError(f"eigenvector {index} was not computed: ask m.eigen for more pairs (k), or for all without k")
        return view(pointer, [len(self)], self._pointer)

    @property
    def effective_rank(self):
        """(sum |values|)^2 / sum values^2."""
        return lib.bl_eigen_effective_rank(self._pointer)

    @property
    def constant(self):
        """u . p: what the MLP's output bias adds whatever the input; 0 without biases."""
        return lib.bl_eigen_constant(self._pointer)

    def group(self, index):
        """(first, last): the run of nearly equal eigenvalues around one (positions from 0). Within it only the span means anything."""
        first, last = ffi.new("size_t *"), ffi.new("size_t *")
        lib.bl_eigen_group(self._pointer, self._position(index) % len(self), first, last)
        return first[0], last[0]

    def sources(self, index):
        """[1 + H, V] values of every token for eigenvector `index`: row 0 direct, row 1 + h as head h moves it."""
        return self.model.virtual_tokens(self.vector(index), self.layer)

    def virtual_tokens(self, index, k=10):
        """The k highest and then the k lowest tokens of every source, descending throughout: a table with the columns Direct, Value, Head 0,
        Value 0, … (a pandas DataFrame where pandas is installed). A notebook shows it in colour."""
        rows = self.sources(index)
        columns = {}
        for source, row in enumerate(rows):
            top, bottom = self.model._extremes(row, k)
            entries = top + bottom[::-1]
            name = "Direct" if source == 0 else f"Head {source - 1}"
            columns[name] = [self.model._token(i[0]) for _, i in entries]
            columns["Value" if source == 0 else f"Value {source - 1}"] = np.array([v for v, _ in entries], np.float32)
        return token_table(columns, lambda: self.html([index]))

    def json(self, indices=DEFAULT_INDICES):
        """The result as a dict, with the keys of ``bilens eigen --format json``."""
        return json.loads(self._json(indices))

    def _subject(self):
        return ffi.new("bl_subject *", {"model": self.model._handle, "direction": self.direction._c, "layer": self.layer})

    def _json(self, indices):
        indices = [self._position(i) for i in indices]
        return call_text(lib.bl_eigen_json, self._subject(), self._pointer, longs(indices), len(indices)).encode()

    def default_indices(self):
        """The four highest and the four lowest (fewer of a small spectrum): what is shown unless others are asked for."""
        n = len(self)
        shown = [i for i in DEFAULT_INDICES if (-i <= (n + 1) // 2 if i < 0 else i < n // 2)]
        return [i for i in shown if lib.bl_eigen_vector(self._pointer, i)]

    def html(self, indices=None):
        """The report's coloured tables of virtual tokens, for a notebook."""
        return call_text(lib.bl_virtual_tokens_html, self._json(self.default_indices() if indices is None else indices))

    def plot(self, indices=None):
        """The spectrum as a Figure, with these eigenvectors marked."""
        return Figure(self._json(self.default_indices() if indices is None else indices))

    def table(self, indices=None):
        """What ``bilens eigen`` prints."""
        return call_text(lib.bl_eigen_table, self._json(self.default_indices() if indices is None else indices), ffi.NULL)

    def _repr_html_(self):
        return call_text(lib.bl_spectrum_html, self._json(self.default_indices()))

    def __repr__(self):
        values = self.values
        return (f"<bilens eigen of {self.direction.label!r}, layer {self.layer}: {len(self)} eigenvalues from {values[0]:.4g} to {values[-1]:.4g}, "
                f"effective rank {self.effective_rank:.1f}>")
