"""One direction's spectrum, eigenvectors and virtual tokens."""
import json

import numpy as np

from ._arrays import address, floats, view
from ._calls import Unique, c_text, call, call_text, keep, longs, owned, parsed_tree, strings, text_argument, text_of, tree, tree_text
from ._library import ffi, lib
from .errors import UsageError
from .figure import Figure, draw_on, figure_options, on_axis
from .tables import token_table

DEFAULT_INDICES = (-1, -2, -3, -4, 0, 1, 2, 3)


class Direction(Unique):
    """An output direction u [d] and how it came about: a token or class, a contrast, or a vector of one's own. Made by ``model.direction``.

    `text` is its canonical text, the same for equal directions; `token`, `minus`, `centre` and `name` are its parts."""

    def __init__(self, model, token, minus, centre, name, source):
        given = None
        if name is not None:
            text_argument(name, "name")
        basis = ffi.new("bl_basis *", model._basis_out())
        d = basis.vectors.cols
        if isinstance(token, str) and not minus and not centre and not model._is_label(text_argument(token, "token")):
            self._c = owned(lib.bl_direction_parse, lib.bl_direction_free, text_argument(token, "direction"))
        else:
            labels = [] if isinstance(minus, str) and minus == "*" else [minus] if isinstance(minus, str) else list(minus)
            fields = {"minus": strings([text_argument(t, "minus") for t in labels]), "n_minus": len(labels), "minus_all": minus == "*" and not labels,
                      "centre_unembedding": bool(centre)}
            if source is not None:
                fields["source"] = c_text(source)
            elif isinstance(token, str):
                fields["token"] = c_text(text_argument(token, "token"))
            else:
                given = floats(token, [d], "direction")
                fields.update(vector=address(given), name=c_text(text_argument(name or "direction", "name")))
            self._c = keep(ffi.new("bl_direction *", fields), fields, given)
        c = self._c
        self.token = text_of(c.token)
        self.minus = "*" if c.minus_all else [text_of(label) for label in c.minus[0:c.n_minus]] if c.n_minus else []
        self.centre = bool(c.centre_unembedding)
        self.name = name if given is not None else text_of(c.source)
        u = np.empty(d, np.float32)
        call(lib.bl_direction_vector, c, basis, address(u))
        u.flags.writeable = False
        self.vector = u
        self.text = call_text(lib.bl_direction_text, c, basis)

    @property
    def label(self):
        """What tables call it."""
        return self.token if self.token is not None else self.name or "direction"

    def __array__(self, dtype=None, copy=None):
        return np.array(self.vector, dtype=dtype, copy=True if copy is None else copy)

    def __repr__(self):
        return f"<bilens direction {self.text}>"


class Eigen(Unique):
    """The eigendecomposition of one layer's interaction matrix: u . MLP(x) = sum_n values[n] (vectors[:, n] . x)^2, plus `constant` with biases.

    n = d_model, or d_model + 1 with biases, whose last coordinate is the constant 1. An eigenvector's sign is arbitrary: its component of
    largest magnitude is positive."""

    def __init__(self, model, direction, layer, k):
        self.model, self.direction, self.layer = model, direction, layer
        self._pointer = owned(lib.bl_eigen_new, lib.bl_eigen_free, model._handle, layer, address(direction.vector), k)
        self._complete = k == 0
        self._orientations = {}  # position -> 1 or -1, as scans found it

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
    def shift(self):
        """The gauge of a model with a norm before the MLP: signs and magnitudes of ``values - shift`` mean something; 0 without a norm."""
        return lib.bl_eigen_shift(self._pointer)

    @property
    def effective_rank(self):
        """(sum |l|)^2 / sum l^2 of l = values - shift."""
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
        return json.loads(tree_text(self._tree(indices)))

    def _question(self):
        return ffi.new("bl_question *", {"model": self.model._handle, "direction": self.direction._c, "layer": self.layer})

    def _tree(self, indices):
        indices = [self._position(i) for i in indices]
        made = tree(lib.bl_eigen_tree, self._question(), self._pointer, longs(indices), len(indices))
        known = [{"index": i, "orientation": self.orientation(i), "matches": [None]} for i in indices if self.orientation(i)]
        if known:
            call(lib.bl_eigen_tree_orient, made, parsed_tree({"vectors": known}))
        return made

    def orient(self, corpus=None, indices=None):
        """Finds the end that each eigenvector's top inputs in a corpus are at (None: the stories that come with bilens), as ``model.scan``
        does by the way. An eigenvector's sign is arbitrary: tables of virtual tokens then draw this end as positive, in blue; before, their
        values are grey. The numbers keep their signs. Returns the Eigen itself."""
        self.model.scan(corpus, self, self.default_indices() if indices is None else indices, progress=False)
        return self

    def orientation(self, index):
        """1 or -1: the sign that tables draw the eigenvector with; None before a scan found inputs of it."""
        return self._orientations.get(self._position(index) % len(self))

    def default_indices(self):
        """The four highest and the four lowest (fewer of a small spectrum): what is shown unless others are asked for."""
        n = len(self)
        shown = [i for i in DEFAULT_INDICES if (-i <= (n + 1) // 2 if i < 0 else i < n // 2)]
        return [i for i in shown if lib.bl_eigen_vector(self._pointer, i)]

    def html(self, indices=None):
        """The report's coloured tables of virtual tokens, for a notebook."""
        return call_text(lib.bl_virtual_tokens_html, self._tree(self.default_indices() if indices is None else indices))

    def plot(self, indices=None, *, ax=None, width=None, height=None, font=None, size=None, title=None, marks=True, plain=False, theme="light"):
        """The spectrum as a Figure, with these eigenvectors marked. width and height in millimetres (of one alone the other follows in
        proportion), size of the text in points, title "" for none, theme "light" or "dark"; marks=False leaves out all marks, plain=True those
        of degenerate eigenvalues. With `ax`, a matplotlib axis, it is drawn there instead, and the axis returned: its size, fonts and theme are
        matplotlib's."""
        indices = self.default_indices() if indices is None else indices
        if on_axis(ax, width, height, font, size, theme):
            return draw_on(ax, self, indices, title, marks, plain)
        return Figure(self._tree(indices), figure_options(width, height, font, size, title, marks, plain, theme))

    def latex(self, indices=None):
        """What ``bilens eigen --format latex`` prints: a tabular per eigenvector, for booktabs and xcolor."""
        return call_text(lib.bl_eigen_latex, self._tree(self.default_indices() if indices is None else indices), ffi.NULL)

    def table(self, indices=None):
        """What ``bilens eigen`` prints."""
        return call_text(lib.bl_eigen_table, self._tree(self.default_indices() if indices is None else indices), ffi.NULL)

    def _repr_html_(self):
        return call_text(lib.bl_spectrum_html, self._tree(self.default_indices()))

    def __repr__(self):
        values = self.values
        return (f"<bilens eigen of {self.direction.label!r}, layer {self.layer}: {len(self)} eigenvalues from {values[0]:.4g} to {values[-1]:.4g}, "
                f"effective rank {self.effective_rank:.1f}>")
