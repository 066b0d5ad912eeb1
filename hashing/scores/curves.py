"""Curves of retrieval by codes, as PNG (Matplotlib)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from data_prep.stage import files

_COLOURS = ("#1f56c4", "#c9480a", "#00785a", "#7a4fb5", "#b78300", "#626a75")
_STYLES = ("-", "--", "-.", ":")
_INK, _RULE = "#1b1e23", "#e1e4e8"


class Line(NamedTuple):
    """One line of a panel."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]  # None: no value there


def draw(path: str, panels: Mapping[str, Sequence[Line]], x_label: str, y_label: str) -> None:
    """Writes panels beside each other; a line has the same colour in each.

    Args:
        path: of the PNG.
        panels: title to lines; at least one panel.
        x_label, y_label: of the axes.
    """
    figure = Figure(figsize=(1 + 4.6 * len(panels), 4.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    names = list(dict.fromkeys(line.name for lines in panels.values() for line in lines))
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for panel, (title, lines) in zip(axes, panels.items()):
        panel.set_title(title, loc="left", fontsize=11, color=_INK)
        panel.set_xlabel(x_label)
        panel.grid(color=_RULE, linewidth=0.7)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
        for line in lines:
            place = names.index(line.name)
            panel.plot(line.x, [np.nan if value is None else value for value in line.y], label=line.name,
                       color=_COLOURS[place % len(_COLOURS)], linestyle=_STYLES[place % len(_STYLES)],
                       marker="o", markersize=3, linewidth=1.8)
    axes[0].set_ylabel(y_label)
    handles = {handle.get_label(): handle for panel in axes for handle in panel.get_lines()}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=min(4, len(names)),
                  frameon=False)
    with files.replacing(path) as temporary:
        figure.savefig(temporary, format="png")
