"""A model: its weights as arrays, and everything that is asked of it."""
import json
import os
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from . import _data, _hub, atlas, dictionary, evidence
from . import text as text_module
from ._arrays import INT32, address, floats, matrix, named, real, token_ids, view
from ._arrays import whole as count  # `whole` is an option of generate
from ._calls import LongCall, Unique, c_text, call, call_text, owned, path_argument, strings, text_argument, text_of, tree, tree_text
from ._library import ffi, lib
from .corpus import opened
from .eigen import Direction, Eigen
from .errors import UsageError
from .figure import figure_options
from .images import ImageModel
from .scan import Scan
from .tables import table
from .tokenizer import Tokenizer
from .trace import Trace


@dataclass(frozen=True)
class Config:
    """A model's architecture, from config.json and the presence of tensors."""

    architecture: str  #: "llama", "gpt2", …; of bilinear checkpoints their generation
    generation: "str | None"  #: "2024-05", "2024-06", "later"; None of an ordinary model
    n_vocab: int
    n_layer: int
    n_head: int
    n_kv_head: int  #: key/value heads; fewer than n_head in some ordinary models
    head_dim: int  #: k
    n_ctx: int
    d_model: int
    d_hidden: int
    gate: str  #: "none", "relu", "silu" or "gelu"
    plain: bool  #: a plain MLP P g(W y)
    bias_w: bool
    bias_p: bool
    normalization: bool
    norm_weights: bool
    tied: bool
    noise: float  #: in training only
    bilinear: bool  #: every layer's MLP can be decomposed exactly


class Layer(NamedTuple):
    """One layer's weights, norm weights folded into what reads them: read-only views."""

    w_q: np.ndarray  #: [H, k, d]
    w_k: np.ndarray  #: [H, k, d]
    w_v: np.ndarray  #: [H, k, d]
    w_o: np.ndarray  #: [d, H, k]
    w_l: np.ndarray  #: [h, d]
    w_r: "np.ndarray | None"  #: [h, d]; None for a plain MLP
    w_p: np.ndarray  #: [d, h]
    b_l: "np.ndarray | None"  #: [h]
    b_r: "np.ndarray | None"  #: [h]
    b_p: "np.ndarray | None"  #: [d]


class Loss(NamedTuple):
    """Mean cross-entropy of the next token (natural logarithm)."""

    loss: float
    predictions: int
    stories: int


class Story(str):
    """A generated text, with the ids that it was made of."""

    ids: np.ndarray  #: [T] the template's beginning, the prompt, and what follows
    n_prompt: int  #: how many of them were given
    stop: str  #: why it ended: "end", "tokens" or "context"


STOPS = ("end", "tokens", "context")


def _story(made):
    story = Story(text_of(made.text))
    story.ids = view(made.ids.data, [made.ids.n], None, np.int32).copy()
    story.n_prompt, story.stop = made.n_prompt, STOPS[made.stop]
    return story


class Model(Unique):
    """A language model. ``bilens.load`` makes it; it is immutable, and may be used from several threads.

    V vocabulary, d d_model, h d_hidden, H heads, k head width, T positions."""

    def __init__(self, model, progress=None, surrogate=None):
        hub = isinstance(model, str) and _hub.is_model(model)
        self._handle = ffi.gc(_hub.load(model, progress) if hub else call(lib.bl_model_load, path_argument(model, "model")), lib.bl_model_free)
        self._source = model if hub else os.path.abspath(os.fspath(model))
        self._surrogate = None
        if surrogate is not None:
            self._surrogate = owned(lib.bl_surrogate_read, lib.bl_surrogate_free, path_argument(surrogate, "surrogate"), self._handle)
            lib.bl_model_adopt(self._handle, self._surrogate)
            self._surrogate_source = os.path.abspath(os.fspath(surrogate))
        raw = lib.bl_model_config(self._handle)
        names = dict(architecture=text_of(lib.bl_config_architecture(raw)), generation=text_of(lib.bl_config_generation(raw)), gate=text_of(lib.bl_gate_name(raw.gate)),
                     bilinear=lib.bl_config_is_bilinear(raw), n_kv_head=raw.n_kv_head or raw.n_head, head_dim=raw.head_dim or raw.d_model // raw.n_head)
        self.config = Config(**{f: names.get(f, getattr(raw, f, None)) for f in Config.__dataclass_fields__})
        self.tokenizer = Tokenizer(self)

    def __reduce_ex__(self, _protocol):
        """A pickled model is its name: loading it again takes milliseconds."""
        return load, (self._source, None, self._surrogate_source) if self._surrogate else (self._source,)

    @property
    def name(self):
        """The directory, as it was given."""
        return os.fsdecode(ffi.string(lib.bl_model_name(self._handle)))

    @property
    def parameters(self):
        """Number of parameters, a tied head once."""
        return lib.bl_model_parameters(self._handle)

    # -- weights ------------------------------------------------------------------------------------------------------------------------

    @property
    def w_e(self):
        """[V, d] embedding: a read-only view."""
        self._unfold()
        return matrix(lib.bl_model_w_e(self._handle), self._handle)

    @property
    def w_u(self):
        """[V, d] unembedding, the final norm's weight folded: a read-only view."""
        self._unfold()
        return matrix(lib.bl_model_w_u(self._handle), self._handle)

    def _layer_index(self, layer):
        n = self.config.n_layer
        if isinstance(layer, bool) or not isinstance(layer, (int, np.integer)) or not 0 <= layer < n:
            raise UsageError(f"layer {layer!r} does not exist; there are {n}: 0 … {n - 1}")
        return int(layer)

    def _basis_out(self):
        self._unfold()
        return lib.bl_model_basis_out(self._handle)

    def _is_label(self, text):
        return lib.bl_tokenizer_id(self.tokenizer._handle, text) >= 0

    def _unfold(self, layer=0):
        """Makes the float32 views of a layer, of W_E and W_U, where an ordinary model has not made them yet."""
        call(lib.bl_model_unfold, self._handle, layer)

    def layer(self, layer=0):
        """The weights of one layer as a Layer of read-only views. Of fewer key/value heads each stands once for every head that reads it."""
        self._unfold(self._layer_index(layer))
        raw = lib.bl_model_layer(self._handle, layer)
        d, h, heads = self.config.d_model, self.config.d_hidden, self.config.n_head
        k, own = self.config.head_dim, self._handle
        heads_of = lambda v: matrix(v, own, (heads, k, d), (k * v.stride, v.stride, 1))  # noqa: E731
        bias = lambda pointer, n: view(pointer, [n], own) if pointer else None  # noqa: E731
        return Layer(heads_of(raw.w_q), heads_of(raw.w_k), heads_of(raw.w_v), matrix(raw.w_o, own, (d, heads, k), (raw.w_o.stride, k, 1)),
                     matrix(raw.w_l, own), matrix(raw.w_r, own) if raw.w_r.data else None, matrix(raw.w_p, own), bias(raw.b_l, h),
                     bias(raw.b_r, h), bias(raw.b_p, d))

    def tensor(self, name, layer=0):
        """A weight-derived tensor by name: w_e w_u [V, d]; w_q w_k w_v [H, k, d]; w_o [d, H, k]; w_l w_r [h, d]; w_p [d, h]; ov qk [H, d, d];
        ove [H, V, d]; b [d, n, n], which is large (``tensor_bytes`` says how large)."""
        return self._weights(name, layer)[0]

    def tensor_bytes(self, name):
        """Bytes that ``tensor(name)`` would take."""
        return lib.bl_weight_array_bytes(self._handle, text_argument(name, "tensor"))

    def _weights(self, name, layer):
        out = ffi.gc(ffi.new("bl_weight_array *"), lib.bl_weight_array_free)
        call(lib.bl_weight_array_get, self._handle, text_argument(name, "tensor"), self._layer_index(layer), out)
        return named(out.array, (out, self._handle)), [text_of(axis) for axis in out.axes[0:out.array.n_dims]]

    def ov(self, layer=0):
        """[H, d, d] OV_h = s O_h V_h: what head h writes for what it reads, the attention scale s included."""
        return self.tensor("ov", layer)

    def qk(self, layer=0):
        """[H, d, d] Q_h^T K_h / sqrt(k), without rotary."""
        return self.tensor("qk", layer)

    def ove(self, layer=0):
        """[H, V, d] the embedding as head h moves it."""
        return self.tensor("ove", layer)

    def b(self, layer=0):
        """[d, n, n] the third-order tensor, B[o] symmetric: 4 d n^2 bytes. ``interaction`` and ``eigen`` never need it."""
        return self.tensor("b", layer)

    # -- decomposition ------------------------------------------------------------------------------------------------------------------

    def direction(self, token, minus=(), centre=False, name=None):
        """An output direction u [d], by one text: "swim", "swim - mean(run, climb)", "swim - mean(*)", "@probe.npy", "@matrix.npy:3", "centred(swim)".
        Labels with blanks or marks stand in quotes: '" swim" - " run"'. Or by its parts:

        `token`: a token's string or "#1234"; or a vector [d] of one's own (a probe, an SAE feature), called `name` in tables.
        `minus`: contrast tokens, whose mean is subtracted. `centre`: subtract from each row of W_U its own mean first."""
        return token if isinstance(token, Direction) else Direction(self, token, minus, centre, name, None)

    def read_direction(self, source):
        """The same from a file: FILE.npy, FILE.safetensors:TENSOR, or row 3 of a matrix: FILE.npy:3."""
        return Direction(self, None, (), False, None, path_argument(source, "direction"))

    def interaction(self, token, minus=(), layer=0, centre=False):
        """[n, n] interaction matrix Q of a direction (as ``direction`` takes it): u . MLP(x) = x^T Q x. n = d, or d + 1 with biases."""
        u = self.direction(token, minus, centre)
        n = lib.bl_interaction_size(self._handle)
        q = np.empty((n, n), np.float32)
        call(lib.bl_interaction_matrix, self._handle, self._layer_index(layer), address(u.vector), address(q))
        return q

    def eigen(self, token, minus=(), layer=0, k=0, centre=False, name=None):
        """The eigendecomposition of a direction's interaction matrix (see Eigen). `k`: only the k lowest and k highest eigenvectors (the
        spectrum is complete either way); 0: all."""
        return Eigen(self, self.direction(token, minus, centre, name), self._layer_index(layer), count(k, "k"))

    def virtual_tokens(self, v, layer=0):
        """[1 + H, V] of a vector v [n] on the MLP's input side: row 0 W_E v, row 1 + h as head h moves the tokens."""
        v = floats(v, [lib.bl_interaction_size(self._handle)], "v")
        out = np.empty((1 + self.config.n_head, self.config.n_vocab), np.float32)
        call(lib.bl_virtual_tokens, self._handle, self._layer_index(layer), address(v), address(out))
        return out

    def _token(self, id):
        name = self.tokenizer.token(id)
        return f"#{id}" if name is None else name

    @staticmethod
    def _extremes(array, k):
        """([(value, index tuple)] of the k largest, descending; of the k smallest, ascending)"""
        k = min(count(k, "k", 1), array.size)
        array = np.ascontiguousarray(array)
        raw = ffi.new("bl_named_array *", {"data": address(array), "n_dims": array.ndim, "shape": list(array.shape)})
        top, bottom = ffi.new("bl_entry[]", max(1, k)), ffi.new("bl_entry[]", max(1, k))
        found = ffi.new("size_t *")
        call(lib.bl_describe, raw, k, top, bottom, found)
        n = found[0]
        entries = lambda side: [(e.value, tuple(e.index[0:array.ndim])) for e in side[0:n]]  # noqa: E731
        return entries(top), entries(bottom)

    def describe(self, tensor, k=10, axes=None, layer=0):
        """The k largest and then the k smallest entries of a tensor, descending throughout: a table with one column per axis and Value.

        `tensor`: an array, or a name that ``tensor`` knows. `axes`: names of an array's axes; one called "token" shows the vocabulary's
        strings, as those of named tensors do. NaN entries are left out."""
        if isinstance(tensor, str):
            array, named = self._weights(tensor, layer)
            axes = named if axes is None else list(axes)
        else:
            array = floats(tensor, None, "tensor")
            axes = [f"Dim {i}" for i in range(array.ndim)] if axes is None else list(axes)
        if array.ndim > lib.BL_MAX_DIMS or len(axes) != array.ndim:
            raise UsageError(f"axes: {len(axes)} names for an array of {array.ndim} dimensions (at most {lib.BL_MAX_DIMS})")
        top, bottom = self._extremes(array, k)
        rows = top + bottom[::-1]
        label = lambda axis, i: self._token(i) if axis == "token" else i  # noqa: E731
        columns, seen = {}, {}
        for i, axis in enumerate(axes):
            seen[axis] = seen.get(axis, 0) + 1
            columns[axis if seen[axis] == 1 else f"{axis} {seen[axis]}"] = [label(axis, index[i]) for _, index in rows]
        columns["Value"] = np.array([value for value, _ in rows], np.float32)
        return table(columns)

    # -- text -------------------------------------------------------------------------------------------------------------------------

    def scan(self, corpus, eigen, indices=None, top=8, stories=0, exact_path=False, heads=False, progress=None):
        """The positions of a corpus that excite eigenvectors most, at most one per story (see Scan).

        `corpus`: a path, a list of paths, bilens.Stories, or None for the stories that come with bilens. `indices`: eigenvectors of `eigen`,
        by default the four highest and four lowest. `stories`: read at most so many; 0: all. `heads`: split contributions by head, too.
        `progress`: a function (phase, done, total) that may return False to stop; True for a line on stderr after two seconds; False for none;
        None for that line where somebody looks. Ctrl-C stops the scan."""
        if not isinstance(eigen, Eigen):
            raise TypeError(f"scan: an Eigen is expected after the corpus, not {type(eigen).__name__}")
        if eigen.model is not self:
            raise UsageError("scan: this Eigen belongs to another model")
        return Scan(self, eigen, corpus, indices, top, stories, exact_path, heads, progress)

    def trace(self, text, points=None):
        """Activations of a text (or of ids [T]) at named points (see Trace); None: all points. A text is cut to n_ctx tokens."""
        if isinstance(text, str):
            ids = self.tokenizer.encode(text)[:self.config.n_ctx]
        else:
            ids = token_ids(text)
        return Trace(self, ids, points)

    def eval(self, corpus=None, stories=0, progress=None):
        """Mean loss over a corpus: Loss(loss, predictions, stories)."""
        out, stories = ffi.new("bl_loss *"), count(stories, "stories")
        with opened(corpus) as handle, LongCall(progress) as work:
            call(lib.bl_model_eval, self._handle, handle, stories, work.progress, out)
        return Loss(out.loss, out.predictions, out.stories)

    def generate(self, prompt="", n=None, temperature=0.8, top_k=0, top_p=0.0, seed=0, max_tokens=0, capitals=False, whole=False, progress=None):
        """A text that continues `prompt`: a Story, which is a str with ids; with `n` a list of so many, each with a seed of its own."""
        options = ffi.new("bl_generate_options *", {
            "temperature": real(temperature, "temperature"), "top_k": count(top_k, "top_k"), "top_p": real(top_p, "top_p"), "seed": count(seed, "seed", high=(1 << 64) - 1),
            "max_tokens": count(max_tokens, "max_tokens"), "capitals": bool(capitals), "whole": bool(whole)})
        stories = []

        def take(_context, _i, made, _err):
            stories.append(_story(made))
            return True

        callback = ffi.callback("bl_story_fn", take, error=False)
        with LongCall(progress) as work:
            call(lib.bl_generate_stories, self._handle, text_argument(prompt, "prompt"), options, 1 if n is None else count(n, "n", 1), callback,
                 ffi.NULL, work.progress)
        return stories[0] if n is None else stories

    def predictions(self, text, top=10):
        """What the model expects after each token of a text (or of ids [T]): a table with position, token, rank, prediction, probability."""
        return text_module.predictions(self, text, top)

    def excite(self, text, position=-1, directions=None, layer=None, limit=20):
        """Which eigenvectors a place in a text excites: a table with direction, index, eigenvalue, similarity v . x and activation
        eigenvalue * similarity^2, the largest |activation| first. `directions`: as ``direction`` takes them; by default the ten most probable
        predictions there, each minus the mean of all tokens. `layer`: default the last."""
        return text_module.excite(self, text, position, directions, layer, limit)

    def atlas(self, path, corpus=None, tokens=None, frequent=0, layer=0, pairs=4, top=8, virtual_tokens=5, raw=False, centre=False, null_draws=1, seed=0,
              stories=0, overwrite=False, progress=None, layers=None, directions=None, names=None, effects=True):
        """Makes (or resumes) the atlas file `path`: every direction beside a null model, with virtual tokens and top inputs. `tokens`: only these;
        `frequent`: only the so many most frequent ones; `null_draws`: draws of the null model for p-values; `layers`: several in one atlas;
        `directions`: a file, a Dictionary or an array [F, d] of your own instead of tokens, with `names`;
        `effects` False: leave out what each eigenpair does to the loss. Returns an Atlas."""
        return atlas.make(self, path, corpus, tokens, frequent, layer, layers, directions, names, pairs, top, virtual_tokens, raw, centre, null_draws, effects, seed, stories, overwrite, progress)

    def rank(self, directions, names=None, layer=0, null_draws=1, seed=0, progress=None):
        """Many directions of your own (a file, a Dictionary or an array [F, d]), those first whose spectrum stands out most from a null model's, with
        p and q: a Result."""
        return atlas.rank(self, directions, names, layer, null_draws, seed, progress)

    def fit_surrogate(self, path, corpus=None, valid=None, layers=None, stories=0, progress=None):
        """Fits the best quadratic form to the MLPs of a gated or plain model on `corpus`, writes it to `path`, and says what it is worth on `valid`
        (by default every tenth story of the corpus): a Result, whose table has a row per layer. `layers`: only these. Then
        ``bilens.load(model, surrogate=path)``."""
        return evidence.fit_surrogate(self, path, corpus, valid, layers, stories, progress)

    # -- evidence -----------------------------------------------------------------------------------------------------------------------

    def explain(self, text, token, minus=(), position=-1, layer=None, most=8, eigs=None, words=False, predictions=0):
        """Why this word: the logit of `token` (or of token minus others) after `text` as a sum that is exact: embedding, heads, MLPs, and the
        eigenvectors of one MLP (`layer`; default the last), the `most` largest or those of `eigs`. `position`: of the token at which the
        prediction is made. `words`: split each term by word and head, too. `predictions`: so many of the most probable
        next tokens have an account of their own. A Result; its table has parts and terms."""
        return evidence.explain(self, text, token, minus, position, layer, most, eigs, words, predictions)

    def layers(self, token, minus=(), corpus=None, stories=48, progress=None):
        """Which layer to look at first: what the MLP and the heads of each add to the token's logit by themselves, over some stories, those with the token
        first; with a surrogate its R² beside them."""
        return evidence.layers(self, token, minus, corpus, stories, progress)

    def truncate(self, corpus=None, token=None, minus=(), ranks=None, controls=True, stories=0, seed=0, progress=None):
        """Loss against rank: how many eigenvectors a token needs. Without `token` all tokens at once; with it correlation, R² and the loss on
        its own positions. `controls`: also K eigenvectors at random, and the K smallest. A Result; its table has one row per order and rank."""
        return evidence.truncate(self, corpus, token, minus, ranks, controls, stories, seed, progress)

    def ablate(self, token, eigs, minus=(), corpus=None, layer=None, mode="component", replace="mean", keep=False, controls=20, worst=0, stories=0, seed=0,
               progress=None):
        """What removing eigenvectors does to the loss, of all predictions, of those of the token, and of the others, beside `controls` random
        directions and null draws. `mode`: "component", "input" or "logit"; `replace`: by the "mean" over the corpus, or "zero"; `keep`: ablate
        all the others instead; `worst`: also the so many eigenvectors outside `eigs` whose ablation hurts the token most. A Result."""
        return evidence.ablate(self, token, eigs, minus, corpus, layer, mode, replace, keep, controls, worst, stories, seed, progress)

    def null(self, token, minus=(), layer=None, indices=(-1, -2, -3, -4, 0, 1, 2, 3), draws=99, seed=0, progress=None):
        """How large a spectrum chance makes: each place of a direction's spectrum beside the same place of `draws` null models. A Result; its
        table has eigenvalue, statistic, ratio to chance and p-values per place."""
        return evidence.null(self, token, minus, layer, indices, draws, seed, progress)

    def pairs(self, token, minus=(), layer=None, left="direct", right="direct", k=20, progress=None):
        """Which two tokens together speak for a direction, each as "direct" or "head 3" delivers it: the `k` largest and lowest. A Result."""
        return evidence.pairs(self, token, minus, layer, left, right, k, progress)

    def head_pairs(self, head, distance, token=None, minus=(), k=20):
        """Which keys one head of bilinear attention in layer 0 takes to which queries, `distance` positions behind: the pattern, or, with a token,
        what the key adds to it: skip-trigrams, exact. A Result."""
        return evidence.head_pairs(self, head, distance, token, minus, k)

    def head_query(self, query, head, distance):
        """The form that a query token makes of its key in such a head: one eigenvector whose keys it raises, one whose keys it lowers. A Result."""
        return evidence.head_query(self, query, head, distance)

    def hosvd(self, layer=None, k=8):
        """A layer's output directions by falling energy, with their spectra and the tokens that they write to. A Result."""
        return evidence.hosvd(self, layer, k)

    def diff(self, other, layer=None, tokens=(), changed=10, token=None, minus=(), eigs=(-1, -2, -3, -4, 0, 1, 2, 3)):
        """How alike a layer of this model and of another is, as a whole and token by token. With ``token`` its JSON has the eigenvectors of the
        difference of that token's forms, too. A Result; its table has the tokens."""
        if not isinstance(other, Model):
            raise TypeError(f"diff: another Model is expected, not {type(other).__name__}")
        return evidence.diff(self, other, layer, list(tokens), changed, token, minus, eigs)

    def similar(self, token, minus=(), layer=None, k=20):
        """The tokens whose forms are most like that of a direction (by the Frobenius cosine), and the most opposed ones.
        A token alone is taken minus the mean of all, as the others are. A Result."""
        return evidence.similar(self, token, minus, layer, k)

    # -- results ------------------------------------------------------------------------------------------------------------------------

    def features(self, into, out, features=None, corpus=None, layer=0, k=10, stories=0, ranks=None, progress=None):
        """The forms of output features in an input dictionary: self-interactions, pairs, linear part; with a corpus how well K eigenvectors know each
        feature. `into` and `out`: a Dictionary, or what it is read from. features=None: a table of all, without the lists."""
        return dictionary.features(self, into, out, features, corpus, layer, k, stories, ranks, progress)

    def neighbours(self, what, indices=None, corpus=None, layer=0, top=8, stories=0, progress=None):
        """The MLP inputs of a corpus that point most nearly in the direction of eigenvectors (`what` an Eigen) or of a dictionary's features, and in the
        opposite one, as whole words in context."""
        return dictionary.neighbours(self, what, indices, corpus, layer, top, stories, progress)

    def eval_dictionary(self, source, corpus=None, point="mlp_in", layer=0, stories=0, progress=None):
        """How good a dictionary is at a trace point: a dict with unexplained, active, dead and the losses with its reconstruction in the point's place."""
        return dictionary.evaluate(self, source, corpus, point, layer, stories, progress)

    def train_dictionary(self, output, features, k, corpus=None, valid=None, point="mlp_in", layer=0, progress=None, **options):
        """Trains a TopK dictionary into the directory `output`; the figures of merit as a dict. Options: epochs, batch, lr, seed, stories, valid_stories,
        buffer, layout ("scope", "saelens"), precision ("f32", "bf16", "auto"), resume, overwrite, checkpoint_every."""
        return dictionary.train(self, output, features, k, corpus, valid, point, layer, progress, options)

    def report(self, scan, directory, **figures):
        """Writes everything about a Scan's direction into `directory`, as ``bilens report`` does: index.html, figures, tables, report.json, which
        names the files that were read with their SHA-256. `figures`: width, height, font, size, title, marks, plain and theme, as Eigen.plot
        takes them. Returns the path of the page."""
        if not isinstance(scan, Scan) or scan.model is not self:
            raise UsageError("report: a Scan of this model is expected: m.report(m.scan(corpus, e), directory)")
        eigen, files = scan.eigen, [path_argument(name, "corpus") for name in scan.corpus_names]
        options = figure_options(**figures)
        report = tree(lib.bl_report_tree, self._info(), eigen._tree(scan.indices), scan._tree(), strings(files), len(files))
        if scan.corpus_names == ["stories.txt (comes with bilens)"]:
            files = [path_argument(_data.find("stories.txt"), "corpus")]
        read = [(what, name) for what, names in (("model", [path_argument(self.name, "model")]), ("corpus", files)) for name in names if os.path.exists(name)]
        texts = [(c_text(what.encode()), c_text(name)) for what, name in read]
        call(lib.bl_report_add_origin, report, ffi.NULL, ffi.new("bl_origin_file[]", texts), len(texts))
        call(lib.bl_report_render, report, eigen._pointer, options, path_argument(directory, "report"))
        return os.path.join(os.fspath(directory), "index.html")

    def _info(self):
        return tree(lib.bl_info_tree, self._handle)

    def info(self):
        """The model as a dict, with the keys of ``bilens info --format json``."""
        return json.loads(tree_text(self._info()))

    def _repr_html_(self):
        return call_text(lib.bl_info_html, self._info())

    def __repr__(self):
        f = self.config
        return (f"<bilens model {self.name}: {f.generation or f.architecture}, n_layer {f.n_layer}, d_model {f.d_model}, d_hidden {f.d_hidden}, "
                f"n_head {f.n_head}, n_vocab {f.n_vocab}, {self.parameters:,} parameters>")


def load(model=None, progress=None, surrogate=None):
    """Loads a model directory (config.json, model.safetensors, tokenizer.json), or one named as on the Hugging Face hub ("owner/name[@revision]",
    "tinystories:1-1024-i5n") from its cache or the network; without a name, the model that comes with bilens.

    A directory of an image model, or of one of modular addition, gives an :class:`ImageModel`.

    `surrogate`: a file of ``Model.fit_surrogate`` or ``bilens surrogate``, which then stands for the MLPs of a gated or plain model wherever they
    are decomposed.

    The files are read whole: what happens to them afterwards does not matter."""
    if model is not None and os.path.isdir(model) and lib.bl_image_is_model(path_argument(model, "model")):
        return ImageModel(model)
    return Model(_data.find("stories-1-256") if model is None else model, progress, surrogate)


def set_threads(threads=0):
    """Threads for the library and its BLAS; 0: all cores. Returns the number in force."""
    return lib.bl_set_threads(count(threads, "threads", high=INT32[1]))


def read_array(source):
    """An array from FILE.npy or FILE.safetensors[:TENSOR] as float32."""
    array, data = ffi.new("bl_named_array *"), ffi.new("float **")
    call(lib.bl_array_read, path_argument(source, "array"), array, data)
    try:
        return np.array(named(array, None))
    finally:
        lib.bl_free(data[0])
