"""The places of a corpus that excite eigenvectors most."""
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ._arrays import view, whole
from ._calls import LongCall, Unique, call_text, longs, owned, parsed_tree, tree, tree_text
from ._library import ffi, lib
from .corpus import names, opened
from .errors import UsageError
from .tables import table


@dataclass(frozen=True)
class Match:
    """One position of one story."""

    story: int  #: 0-based, in the order of the corpus
    position: int  #: 0 is [BOS]
    token: str  #: the one at the position
    activation: float  #: eigenvalue * similarity^2
    similarity: float  #: v . mlp_in(position), signed
    bias: float  #: the constant coordinate's share of |similarity|; 0 without biases
    contributions: np.ndarray  #: [position + 1] shares of every token in |similarity|: a view
    heads: "np.ndarray | None"  #: [1 + H, position + 1], if asked for: row 0 the word itself, row 1 + h what head h carried; rows sum to contributions
    tokens: list  #: [position + 1] strings
    next: list  #: up to three tokens that follow, for the reader
    ids: np.ndarray  #: [position + 1 + len(next)] ids: a view


class Hits(Unique, Sequence):
    """The matches of one eigenvector, best first. A notebook shows them in colour."""

    def __init__(self, scan, j):
        self._scan, self._j = scan, j
        self.index = scan.indices[j]
        self.eigenvalue = float(scan.eigen.values[self.index])
        self._matches = [scan._match(j, i) for i in range(lib.bl_scan_n_matches(scan._pointer, j))]

    def __getitem__(self, i):
        return self._matches[i]

    def __len__(self):
        return len(self._matches)

    @property
    def orientation(self):
        """1 or -1: the end of the eigenvector, whose sign is arbitrary, with the larger sum of |activation|. Tables draw it as positive."""
        return 1 if sum(abs(m.activation) * (-1 if m.similarity < 0 else 1) for m in self) >= 0 else -1

    def _repr_html_(self):
        return self._scan._html(self._scan.json(), [self._j])

    def __repr__(self):
        lines = [f"  {m.activation:9.3f}  story {m.story}, position {m.position}: {' '.join(m.tokens[-12:-1])} [{m.token}] {' '.join(m.next)}"
                 for m in self]
        return f"<eigenvector {self.index}, eigenvalue {self.eigenvalue:.4g}>\n" + "\n".join(lines)


class Scan(Unique, Sequence):
    """``model.scan(corpus, e)``: for every eigenvector asked for the matches, in the order of ``indices``; ``of(-1)`` by index."""

    def __init__(self, model, eigen, corpus, indices, top, stories, exact_path, heads, progress):
        self.model, self.eigen, self.corpus_names = model, eigen, names(corpus)
        self.indices = [eigen._position(i) for i in (eigen.default_indices() if indices is None else indices)]
        top, stories = whole(top, "top", 1, 100000), whole(stories, "stories")
        for index in self.indices:
            eigen.vector(index)
        with opened(corpus) as handle, LongCall(progress) as work:
            options = ffi.new("bl_scan_options *", {"top": top, "max_stories": stories, "progress": work.progress,
                                                    "exact_path": bool(exact_path), "heads": bool(heads)})
            self._pointer = owned(lib.bl_scan_run, lib.bl_scan_free, model._handle, eigen._pointer, longs(self.indices), len(self.indices), handle,
                                  options)
        self.stories, self.positions = lib.bl_scan_stories(self._pointer), lib.bl_scan_positions(self._pointer)
        self._hits = [Hits(self, j) for j in range(len(self.indices))]
        eigen._orientations.update({hits.index % len(eigen): hits.orientation for hits in self._hits if len(hits)})

    def _match(self, j, i):
        match = lib.bl_scan_match(self._pointer, j, i)
        ids = view(match.ids, [match.n_ids], self._pointer, np.int32)
        tokens = [self.model._token(id) for id in ids]
        cut = match.position + 1
        return Match(match.story, match.position, tokens[match.position], match.activation, match.similarity, match.bias,
                     view(match.contributions, [cut], self._pointer),
                     view(match.heads, [1 + match.n_heads, cut], self._pointer) if match.n_heads else None, tokens[:cut], tokens[cut:], ids)

    def __getitem__(self, j):
        return self._hits[j]

    def __len__(self):
        return len(self._hits)

    def of(self, index):
        """The hits of eigenvector `index` (as it was asked for, or the same one counted from the other end)."""
        n = len(self.eigen)
        for hits in self._hits:
            if hits.index % n == self.eigen._position(index) % n:
                return hits
        raise UsageError(f"eigenvector {index} was not scanned for; these were: {', '.join(map(str, self.indices))}")

    @property
    def similarity(self):
        """[J, top] similarities, NaN where there are fewer matches."""
        out = np.full((len(self), max([len(h) for h in self] + [0])), np.nan, np.float32)
        for row, hits in zip(out, self):
            row[:len(hits)] = [m.similarity for m in hits]
        return out

    def frame(self):
        """All matches as one table: index, eigenvalue, rank, story, position, token, activation, similarity."""
        rows = [(h.index, h.eigenvalue, rank, m.story, m.position, m.token, m.activation, m.similarity) for h in self for rank, m in enumerate(h)]
        head = ["index", "eigenvalue", "rank", "story", "position", "token", "activation", "similarity"]
        return table({name: [row[i] for row in rows] for i, name in enumerate(head)})

    def _tree(self):
        return tree(lib.bl_scan_tree, self.eigen._question(), self.eigen._pointer, self._pointer, longs(self.indices), len(self.indices))

    def json(self):
        """The result as a dict, with the keys of ``bilens scan --format json``."""
        return json.loads(tree_text(self._tree()))

    @staticmethod
    def _html(result, which):
        result["vectors"] = [result["vectors"][j] for j in which]
        return call_text(lib.bl_scan_html, parsed_tree(result))

    def table(self):
        """What ``bilens scan`` prints."""
        return call_text(lib.bl_scan_table, self._tree(), ffi.NULL)

    def latex(self):
        """What ``bilens scan --format latex`` prints: coloured words for xcolor."""
        return call_text(lib.bl_scan_latex, self._tree(), ffi.NULL)

    def _repr_html_(self):
        return call_text(lib.bl_scan_html, self._tree())

    def __repr__(self):
        return f"<bilens scan of {self.stories:,} stories, {self.positions:,} positions>\n" + "\n".join(map(repr, self))
