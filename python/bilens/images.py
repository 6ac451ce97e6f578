"""Image classifiers and models of modular addition.

    m = bilens.load("fashion-64")                                  # an ImageModel: told by its config.json
    images = m.images("/usr/share/datasets/fashion-mnist")         # the four MNIST files; of modular addition m.images() are all pairs
    m.eval(images)["accuracy"]
    e = m.eigen("ankle-boot", minus="all")                         # a Result, with e.pictures() [J, rows, columns]
    m.scan("ankle-boot", images).frame()
"""
import os

import numpy as np

from . import dictionary
from ._arrays import real, whole
from ._calls import LongCall, Unique, call, keep, longs, owned, path_argument, text_argument, text_of, tree
from ._library import ffi, lib
from .eigen import Direction
from .errors import UsageError
from .evidence import Result

EIGHT = (-1, -2, -3, -4, 0, 1, 2, 3)
RANKS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 64)
SPACES = ("embed", "pixel")
WIDEST = (1 << 64) - 1


def number(name):
    """A class's number as the grammar of directions has it: 5 is "#5"."""
    return f"#{name}" if isinstance(name, int) else name


class Pictures(Result):
    """A result whose vectors have pictures."""

    def pictures(self):
        """The eigenvectors as pictures, a float array [J, rows, columns] (of colour images [J, channels, rows, columns]); None where there
        are none, above layer 0 of a model without residual."""
        vectors, shape = self["vectors"], self["shape"]
        if any(v["picture"] is None for v in vectors):
            return None
        array = np.array([v["picture"] for v in vectors], np.float32).reshape(len(vectors), *shape)
        return array[:, 0] if shape[0] == 1 else array


class Images(Unique):
    """A set of images with labels, of a model's size. ``images[i]`` is one picture, ``len(images)`` their number."""

    def __init__(self, model, handle):
        self._model, self._handle = model, handle

    def __len__(self):
        return lib.bl_images_count(self._handle)

    def __getitem__(self, index):
        at = whole(index, "image", -len(self), len(self) - 1) % len(self)
        row = np.empty(self._model._size, np.float32)
        lib.bl_images_rows(self._handle, at, 1, ffi.from_buffer("float[]", row))
        return row.reshape(self._model.shape)

    @property
    def labels(self):
        """The class of every image [B]."""
        return np.array([lib.bl_images_label(self._handle, i) for i in range(len(self))])

    def __repr__(self):
        return f"<bilens images: {len(self)} of {' x '.join(map(str, self._model.shape))}>"


class ImageModel(Unique):
    """A loaded image model, or one of modular addition. Immutable; made by :func:`bilens.load`."""

    def __init__(self, directory):
        self._handle = owned(lib.bl_image_load, lib.bl_image_free, path_argument(directory, "model"))
        c = lib.bl_image_config_of(self._handle)
        self.name = text_of(lib.bl_image_name(self._handle))
        #: the classes' labels
        self.classes = [text_of(lib.bl_image_label(self._handle, i)) for i in range(c.d_output)]
        #: (channels, rows, columns) of a picture
        self.shape = tuple(c.shape)
        #: p of modular addition; 0: images
        self.p = c.p
        self.n_layer, self.d_hidden, self._size = c.n_layer, c.d_hidden, c.d_input

    def images(self, source=None, labels=None, split="test"):
        """A set of images: a folder with the four MNIST files (`split` "test" or "train"), or a file of images with `labels` (IDX, .gz of it, .npy).
        Of modular addition, without `source`, all pairs."""
        if source is None:
            if not self.p:
                raise UsageError("which images? Give a folder, or a file and labels")
            return Images(self, owned(lib.bl_images_pairs, lib.bl_images_free, self.p))
        other = ffi.NULL if labels is None else path_argument(labels, "labels")
        return Images(self, owned(lib.bl_images_open, lib.bl_images_free, self._handle, path_argument(source, "images"), other, text_argument(split, "split")))

    def _images(self, images):
        if images is None and self.p:
            images = self.images()
        if isinstance(images, (str, os.PathLike)):
            images = self.images(images)
        if not isinstance(images, Images):
            raise UsageError("images: a folder, or what images() gave, is expected")
        if images._model._size != self._size:
            raise UsageError(f"images: they have {images._model._size} numbers, the model takes {self._size}")
        return images._handle

    def _layer(self, layer):
        return self.n_layer - 1 if layer is None else whole(layer, "layer", 0, self.n_layer - 1)

    @staticmethod
    def _space(space):
        if space not in SPACES:
            raise UsageError(f"space: {space!r} is neither 'embed' nor 'pixel'")
        return SPACES.index(space)

    def _basis_out(self):
        return lib.bl_image_basis_out(self._handle)

    def _is_label(self, text):
        return lib.bl_image_class(self._handle, text, ffi.NULL) >= 0

    def _class(self, name):
        err = ffi.new("bl_error *")
        found = lib.bl_image_class(self._handle, text_argument(number(name), "class"), err)
        if found < 0:
            raise UsageError(text_of(err.message))
        return found

    def direction(self, name, minus=()):
        """An output direction u [d_hidden]: a class by its label or number, `minus` others or "all"; a text, "class:9 - class:7" or "@probe.npy:3"; or a
        vector of one's own."""
        if isinstance(name, Direction):
            return name
        others = "*" if isinstance(minus, str) and minus == "all" else [number(c) for c in ([minus] if isinstance(minus, (str, int)) else minus)]
        return Direction(self, number(name), others, False, None, None)

    def _question(self, name, minus, layer, space, indices):
        """A bl_image_question with its parts."""
        layer = self._layer(layer)
        direction, u = self.direction(name, minus), ffi.new("float[]", self.d_hidden)
        call(lib.bl_image_direction_vector, self._handle, direction._c, layer, u)
        eigen = owned(lib.bl_image_eigen_new, lib.bl_image_eigen_free, self._handle, u, layer, self._space(space))
        half = eigen.size // 2
        wanted = [i for i in EIGHT if (-i <= half if i < 0 else i < half)] if indices is None else [whole(i, "indices", -(1 << 31), 1 << 31) for i in indices]
        for index in wanted:
            err = ffi.new("bl_error *")
            if lib.bl_image_eigen_at(eigen, index, err) < 0:
                raise UsageError(text_of(err.message))
        places = longs(wanted)
        question = ffi.new("bl_image_question *", {"model": self._handle, "direction": direction._c, "eigen": eigen, "indices": places, "n_indices": len(wanted)})
        return keep(question, direction, eigen, places, u), u, layer

    def info(self):
        """What config.json says, and the tensors. A Result."""
        return Result("info", tree(lib.bl_image_info_tree, self._handle), lib.bl_image_info_rows)

    def eval(self, images=None):
        """Loss and accuracy over `images`, with every image's label, prediction and logits. A Result."""
        images, score = self._images(images), ffi.new("bl_image_score *")
        logits = ffi.new("float[]", lib.bl_images_count(images) * len(self.classes))
        call(lib.bl_image_eval, self._handle, images, score, logits)
        return Result("eval", tree(lib.bl_image_eval_tree, self._handle, images, score, logits), lib.bl_image_eval_rows)

    def eigen(self, name, minus=(), space="embed", layer=None, indices=None):
        """The spectrum of one class, `minus` others or "all", and its eigenvectors as pictures. A Result with ``pictures()``."""
        question, _, _ = self._question(name, minus, layer, space, indices)
        return Pictures("eigen", tree(lib.bl_image_eigen_tree, question), lib.bl_image_eigen_rows)

    def scan(self, name, images=None, minus=(), space="embed", layer=None, indices=None, top=8):
        """The images that excite each eigenvector of a class most. A Result."""
        question, _, _ = self._question(name, minus, layer, space, indices)
        images = self._images(images)
        found = owned(lib.bl_image_scan_run, lib.bl_image_scan_free, self._handle, question.eigen, question.indices, question.n_indices, images, whole(top, "top", 1))
        return Result("scan", tree(lib.bl_image_scan_tree, question, found, lib.bl_images_count(images)), lib.bl_image_scan_rows)

    def null(self, name, minus=(), space="embed", layer=None, indices=None, draws=99, seed=0, progress=None):
        """How large a spectrum chance makes for a class. A Result; its table has ratio to chance and p-values per place."""
        question, u, layer = self._question(name, minus, layer, space, indices)
        chance = ffi.gc(ffi.new("bl_chance *"), lib.bl_chance_free)
        with LongCall(progress) as work:
            call(lib.bl_image_chance, self._handle, u, layer, self._space(space), whole(draws, "draws", 1), whole(seed, "seed", high=WIDEST), work.progress, chance)
        return Result("null", tree(lib.bl_image_null_tree, question, chance), lib.bl_null_rows)

    def truncate(self, images=None, ranks=RANKS, space="embed", raw=False):
        """Accuracy and loss when every class keeps its K eigenvectors of largest |eigenvalue|. A Result."""
        wanted = [whole(r, "ranks") for r in ranks]
        cut = owned(lib.bl_image_truncate, lib.bl_image_truncation_free, self._handle, self._images(images), ffi.new("size_t[]", wanted or 1), len(wanted),
                    self._space(space), bool(raw))
        return Result("truncate", tree(lib.bl_image_truncate_tree, self._handle, cut, self._space(space), bool(raw)), lib.bl_image_truncate_rows)

    def explain(self, image, images=None, classes=3, top=8, space="embed"):
        """Why image number `image` has its highest logits: exact sums over eigenvectors. A Result."""
        found = owned(lib.bl_image_explain, lib.bl_image_explanation_free, self._handle, self._images(images), whole(image, "image"), self._space(space),
                      whole(classes, "classes", 1), whole(top, "top", 1))
        return Result("explain", tree(lib.bl_image_explain_tree, self._handle, found, self._space(space)), lib.bl_image_explain_rows)

    def atlas(self, space="embed", raw=False, layer=None):
        """The spectra of all classes: one row each. A Result."""
        layer = self._layer(layer)
        eigens = [owned(lib.bl_image_eigen_of_class, lib.bl_image_eigen_free, self._handle, c, not raw, layer, self._space(space)) for c in range(len(self.classes))]
        handles = ffi.new("bl_image_eigen *[]", eigens)
        return Result("atlas", tree(lib.bl_image_atlas_tree, self._handle, handles, self._space(space), bool(raw)), lib.bl_image_atlas_rows)

    def hosvd(self, k=8):
        """Patterns over classes by the energy of their forms. A Result."""
        return Result("hosvd", tree(lib.bl_image_hosvd_tree, self._handle, whole(k, "k", 1)), lib.bl_image_hosvd_rows)

    def mask(self, name, images=None, index=-1, per_class=10, strength=0.15, space="embed", rare=0.0, permutations=20, seed=0):
        """An adversarial mask from one eigenvector, beside the same mask permuted. A Result; ``["mask"]`` is the picture."""
        options = ffi.new("bl_mask_options *", {
            "class_index": self._class(name), "index": whole(index, "index", -(1 << 31), 1 << 31), "per_class": whole(per_class, "per_class", 1),
            "strength": real(strength, "strength"), "space": self._space(space), "rare": real(rare, "rare"), "permutations": whole(permutations, "permutations"),
            "seed": whole(seed, "seed", high=WIDEST)})
        made = owned(lib.bl_mask_make, lib.bl_mask_free, self._handle, self._images(images), options)
        return Result("mask", tree(lib.bl_mask_tree, self._handle, made, options), lib.bl_mask_rows)

    def diff(self, other, top=10):
        """How alike two image models are, class by class in pixels, beside what unlike classes share. A Result."""
        if not isinstance(other, ImageModel):
            raise TypeError(f"diff: another ImageModel is expected, not {type(other).__name__}")
        found = owned(lib.bl_image_diff_make, lib.bl_image_diff_free, self._handle, other._handle, whole(top, "top", 1))
        return Result("diff", tree(lib.bl_image_diff_tree, self._handle, other._handle, found), lib.bl_image_diff_rows)

    def fourier(self, residues=(0, 1), permutations=20, seed=0):
        """The mark of a model of modular addition: are its eigenvectors Fourier modes? A Result."""
        wanted = [whole(r, "residues") for r in residues]
        found = owned(lib.bl_fourier_mark, lib.bl_fourier_free, self._handle, ffi.new("size_t[]", wanted or 1), len(wanted), whole(permutations, "permutations"),
                      whole(seed, "seed", high=WIDEST))
        return Result("fourier", tree(lib.bl_fourier_tree, self._handle, found), lib.bl_fourier_rows)

    def train_dictionary(self, output, features, k, images=None, held=None, point="hidden", layer=None, progress=None, **options):
        """Trains a TopK dictionary of a trace point ("hidden" of a layer, "embed", "logits") over `images` into the directory `output`; the figures of
        merit on `held` (every tenth of `images` without it) as a dict. Options: epochs, batch, lr, seed, buffer, precision, layout, checkpoint_every, resume,
        overwrite."""
        held = ffi.NULL if held is None else self._images(held)
        return dictionary.train_images(self, output, features, k, self._images(images), held, point, self._layer(layer), progress, options)

    def eval_dictionary(self, source, images=None, point="hidden", layer=None, progress=None):
        """How good a dictionary is at a trace point: unexplained, active, dead, and loss and accuracy with its reconstruction in the point's place."""
        return dictionary.evaluate_images(self, source, self._images(images), point, self._layer(layer), progress)

    def __repr__(self):
        kind = f"addition modulo {self.p}" if self.p else f"{len(self.classes)} classes of {' x '.join(map(str, self.shape))} pictures"
        return f"<bilens image model {self.name}: {kind}, n_layer {self.n_layer}, d_hidden {self.d_hidden}>"
