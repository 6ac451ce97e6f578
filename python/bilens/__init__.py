"""bilens: what the MLPs of a bilinear language model compute, from its weights alone.

    import bilens

    m = bilens.load()                                    # or a directory; without one, the model that comes with bilens
    e = m.eigen("swim", minus=["run", "climb", "eat"])   # the interaction matrix's eigenpairs
    e.values, e.vectors                                  # [n] ascending, [n, n] in columns: numpy, without a copy
    e.virtual_tokens(-1)                                 # what eigenvector -1 looks for (pandas, if it is installed)
    m.scan("stories.txt", e)                             # where a corpus excites them, and which words did it
    m.trace("Tom likes to swim")["mlp_in.0"]             # activations
    m.describe("ov"), m.generate("Tom went"), m.eval("stories.txt")

In a notebook the results show the report's own tables and coloured text. Shapes are written in these letters: V vocabulary, d d_model, h
d_hidden, H heads, k = d / H head width, T positions, n = d (d + 1 with biases).
"""
from ._library import lib as _lib
from ._library import path as library_path
from ._version import __version__
from .atlas import Atlas
from .corpus import Stories
from .dictionary import Dictionary
from .eigen import Direction, Eigen
from .figure import Figure
from .errors import (BilensError, CancelledError, InputError, LibraryError, NumericError, OutOfMemoryError, UnsupportedError, UsageError,
                     WorkError)
from .evidence import Drawn, Result, timeline
from .images import ImageModel, Images
from .model import Config, Layer, Loss, Model, Story, load, read_array, set_threads
from .scan import Hits, Match, Scan
from .tables import TokenTable
from .tokenizer import Tokenizer
from .trace import Trace

__all__ = ["load", "Model", "ImageModel", "Images", "Config", "Layer", "Loss", "Story", "Direction", "Eigen", "Figure", "Scan", "Hits", "Match", "Trace", "Tokenizer",
           "Stories", "Atlas", "Dictionary", "Result", "Drawn", "timeline", "TokenTable", "read_array", "set_threads", "library_path", "BilensError", "UsageError", "InputError", "UnsupportedError",
           "WorkError", "OutOfMemoryError", "NumericError", "CancelledError", "LibraryError", "__version__"]
