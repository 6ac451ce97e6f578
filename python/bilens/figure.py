"""A spectrum, or loss against rank, as a figure: bilens's own (.svg, .png, .pdf), or drawn on a matplotlib axis."""
import os
import re
import struct
import tempfile

from ._arrays import real
from ._calls import c_text, call, keep, path_argument, text_argument
from ._library import ffi, lib
from .errors import UsageError

FOR, AGAINST, CURVE, DEGENERATE = "#2166ac", "#b2182b", "#546e88", "#d97706"
ORDERS = (("ranks", "largest first", AGAINST), ("random", "at random", CURVE), ("lowest", "smallest first", "#a0a6ae"))


def figure_options(width=None, height=None, font=None, size=None, title=None, marks=True, plain=False, theme="light"):
    """bl_figure_options, checked: width and height in millimetres, size of the text in points."""
    if theme not in ("light", "dark"):
        raise UsageError(f"theme: {theme!r} is not one of 'light', 'dark'")
    fields = {"no_marks": not marks, "plain": bool(plain), "dark": theme == "dark"}
    fields.update({name: c_text(text_argument(value, name)) for name, value in (("font", font), ("title", title)) if value is not None})
    for name, value in (("width", width), ("height", height), ("size", size)):
        if value is not None:
            fields[name] = real(value, name)
            if not fields[name] > 0:
                raise UsageError(f"{name}: {value!r} is not a length")
    options = keep(ffi.new("bl_figure_options *", fields), fields)
    call(lib.bl_figure_check, options)
    return options


def on_axis(ax, width, height, font, size, theme):
    """Whether it is drawn on an axis of matplotlib's, which has a size, fonts and theme of its own."""
    if ax is not None and (any(value is not None for value in (width, height, font, size)) or theme != "light"):
        raise UsageError("plot: width, height, font, size and theme are of bilens's own figure; an axis has matplotlib's")
    return ax is not None


class Figure:
    """A picture of the library's: a notebook shows it; ``save("spectrum.pdf")`` writes .svg, .png or .pdf."""

    def __init__(self, result, options, draw=lib.bl_spectrum_figure):
        self._tree, self._options, self._draw = result, options, draw

    def save(self, path):
        """Writes the file atomically; returns its path."""
        call(self._draw, self._tree, self._options, path_argument(path, "figure"))
        return path

    def _repr_png_(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "spectrum.png")
            self.save(path)
            with open(path, "rb") as file:
                data = file.read()
        width, height = struct.unpack(">II", data[16:24])  # drawn at twice its size, for sharp screens
        return data, {"width": width // 2, "height": height // 2}


def draw_on(ax, eigen, indices, title, marks, plain):
    """The same figure on a matplotlib axis, in the axis's own fonts, sizes and colours of text; returns the axis."""
    values = eigen.values
    ax.axhline(0, color="0.55", linewidth=0.8)
    ax.plot(range(len(values)), values, color=CURVE, linewidth=0.9, marker=".", markersize=2.5)
    if marks:
        for index in indices:
            position = eigen._position(index) % len(values)
            colour = AGAINST if values[position] < 0 else FOR
            ax.plot([position], [values[position]], linestyle="none", marker="o", markersize=4, color=colour)
            ax.annotate(str(index).replace("-", "\u2212"), (position, values[position]), xytext=(5 if position < len(values) / 2 else -5, 0),
                        textcoords="offset points", ha="left" if position < len(values) / 2 else "right", va="center", color=colour)
    if marks and not plain:
        position = 0
        while position < len(values):
            first, last = eigen.group(position)
            if last > first:
                ax.plot([first - 0.5, last + 0.5], [0.01, 0.01], transform=ax.get_xaxis_transform(), color=DEGENERATE, linewidth=3, solid_capstyle="butt")
            position = last + 1
    ax.set_xlabel("Index")
    ax.set_ylabel("Eigenvalue")
    heading = f'Eigenvalues for "{eigen.direction.label}" interaction matrix' if title is None else title
    if heading:
        ax.set_title(heading)
    return ax


def draw_truncation_on(ax, result, title, marks):
    """Loss against rank on a matplotlib axis; of a token that never comes next the correlation of its form. Returns the axis."""
    own, controls = result.get("own"), result.get("controls") or {}
    key = "correlation" if own and not own["positions"] else "loss"
    for name, label, colour in ORDERS:
        points = [(p["rank"], p[key]) for p in (result["ranks"] if name == "ranks" else controls.get(name, [])) if p[key] is not None]
        if points:
            ax.plot(*zip(*points), color=colour, linewidth=1.2, marker="." if marks else None, label=label)
    for value, label in (((own or result).get("full"), "the model"), (result.get("without_mlp"), "without this MLP")):
        if value is not None and key == "loss":
            ax.axhline(value, color="0.5", linewidth=0.8, linestyle="--", label=label)
    ax.set_xscale("symlog", base=2, linthresh=1)
    ranks = [p["rank"] for p in result["ranks"]]
    ax.set_xticks(ranks, [str(rank) for rank in ranks])
    ax.set_xlabel("Eigenvectors kept per token")
    ax.set_ylabel("Correlation with u\u00b7MLP(x)" if key == "correlation" else "Loss on the token's own positions (nats)" if own else "Loss (nats per token)")
    ax.legend(frameon=False)
    if title:
        ax.set_title(title)
    return ax


def draw_timeline_on(ax, result, title, marks):
    """The cosine of every snapshot with the last one on a matplotlib axis, which is returned."""
    snapshots = result["snapshots"]
    steps = [re.search(r"(\d+)$", s["snapshot"]) for s in snapshots]
    x = [int(step[1]) for step in steps] if all(steps) else range(len(snapshots))
    curves = {"tensors": [s["frobenius"] for s in snapshots], "functions": [s["similarity"] for s in snapshots]}
    for i, one in enumerate(snapshots[0].get("tokens", [])):
        curves[one["token"]] = [s["tokens"][i]["cosine"] for s in snapshots]
    for name, values in curves.items():
        ax.plot(x, [float("nan") if value is None else value for value in values], linewidth=1.2, marker="." if marks else None, label=name)
    ax.set_xlabel("Training step" if all(steps) else "Snapshot")
    ax.set_ylabel("Cosine with the last snapshot")
    ax.legend(frameon=False)
    if title:
        ax.set_title(title)
    return ax
