"""Charts of the reports: inline SVG in the page's colours, light or dark, and PNG files (Matplotlib)."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from data_prep.stage import files

# Colours Matplotlib draws with, and the page's own that take their place.
_INK, _MUTED, _RULE, _BEFORE, _AFTER, _THIRD, _FOURTH = (f"#0{n}0{n}0{n}" for n in range(1, 8))
_PAGE_COLOURS = {_INK: "var(--ink)", _MUTED: "var(--muted)", _RULE: "var(--rule)",
                 _BEFORE: "var(--before)", _AFTER: "var(--accent)", _THIRD: "var(--gold)",
                 _FOURTH: "var(--good)"}
_LINES = ((_AFTER, "-"), (_THIRD, (0, (5, 2))), (_FOURTH, (0, (1, 1.5))), (_BEFORE, (0, (5, 2, 1, 2))))
_RC = {"svg.fonttype": "none", "svg.hashsalt": "delg", "font.size": 10, "text.color": _INK,
       "font.family": "sans-serif", "axes.edgecolor": _RULE, "axes.labelcolor": _MUTED,
       "xtick.color": _RULE, "ytick.color": _RULE, "xtick.labelcolor": _MUTED, "ytick.labelcolor": _MUTED}
_PICTURE_COLOURS = ("#1f56c4", "#c9480a", "#00785a", "#7a4fb5", "#b78300", "#626a75")
_PICTURE_STYLES = ("-", "--", "-.", ":")
_PICTURE_INK, _PICTURE_RULE = "#1b1e23", "#e1e4e8"


def inline_svg(figure: Figure, name: str, label: str) -> str:
    """A figure as an `<svg>` element: page colours, page font, ids that start with `name`.

    Args:
        figure: drawn with the colours of this module.
        name: unique on the page.
        label: what the figure shows, for readers that cannot see it.
    """
    text = io.StringIO()
    with matplotlib.rc_context(_RC):
        FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None, "Creator": None, "Format": None,
                                                          "Type": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg"):]
    svg = re.sub(r"<(metadata|style)\b.*?</\1>", "", svg, flags=re.DOTALL)  # the style would reach the page
    svg = re.sub(r'<g id="[^"]*"/>', "", svg)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)  # names without a use
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'xlink:href="#', f'href="#{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    svg = re.sub(r'<svg ([^>]*)>', lambda match: f'<svg {_without_size(match[1])} role="img" '
                 f'aria-label="{label}">', svg, count=1)
    svg = re.sub(r"font: (\d+ )?(\d+(?:\.\d+)?)px[^;\"]*", _page_font, svg)
    for drawn, page in _PAGE_COLOURS.items():
        svg = svg.replace(drawn, page)
    return svg


def _page_font(match: re.Match) -> str:
    """The size, and the weight if one is given; the family is the page's."""
    return f"font-size: {match[2]}px" + (f"; font-weight: {match[1].strip()}" if match[1] else "")


def _without_size(attributes: str) -> str:
    """Attributes of an svg element less its size in points and its namespaces, which HTML does not need."""
    return " ".join(re.findall(r'viewBox="[^"]*"', attributes))


def precision_recall_svg(recalls: np.ndarray, before: dict[str, np.ndarray],
                         after: dict[str, np.ndarray] | None) -> str:
    """Mean precision over recall, a panel per protocol.

    Args:
        recalls: float, [R], in [0, 1].
        before: protocol to precision, float, [R]; protocols without queries are missing.
        after: the same after verification, or None if nothing was verified.

    Returns:
        An `<svg>` element.
    """
    with matplotlib.rc_context(_RC):
        figure = Figure(figsize=(12.6, 3.9), layout="constrained")
        figure.patch.set_alpha(0)
        protocols = [protocol for protocol in ("easy", "medium", "hard") if protocol in before]
        panels = figure.subplots(1, max(len(protocols), 1), sharey=True, squeeze=False)[0]
        for panel, protocol in zip(panels, protocols):
            _draw_panel(panel, protocol, recalls, before[protocol], (after or {}).get(protocol))
        figure.get_layout_engine().set(wspace=0.06)
        panels[0].set_ylabel("Precision")
        lines, names = panels[0].get_legend_handles_labels()
        figure.legend(lines, names, loc="outside upper right", ncols=2, frameon=False)
    areas = "; ".join(f"{protocol}: area {100 * before[protocol].mean():.1f} before"
                      + (f", {100 * after[protocol].mean():.1f} after" if after else "")
                      for protocol in protocols)
    return inline_svg(figure, "curves", f"Precision over recall. {areas}.")


def _draw_panel(panel, protocol: str, recalls: np.ndarray, before: np.ndarray,
                after: np.ndarray | None) -> None:
    _make_plain(panel)
    panel.set_title(protocol.capitalize(), loc="left", fontsize=11, fontweight="bold", color=_INK)
    panel.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="Recall")
    panel.set_xticks(np.linspace(0, 1, 5), ["0", ".25", ".5", ".75", "1"])
    panel.set_yticks(np.linspace(0, 1, 5), ["0", ".25", ".5", ".75", "1"])
    name = "Global search" if after is not None else "Global search (nothing was verified)"
    panel.plot(recalls, before, color=_BEFORE, linewidth=1.8, linestyle=(0, (5, 2)), label=name)
    if after is not None:
        panel.plot(recalls, after, color=_AFTER, linewidth=2.2, label="After verification")
        panel.fill_between(recalls, before, after, where=after >= before, color=_AFTER, alpha=0.12,
                           linewidth=0, interpolate=True)


def _make_plain(panel) -> None:
    panel.patch.set_alpha(0)
    panel.grid(color=_RULE, linewidth=0.6)
    panel.set_axisbelow(True)
    for side in ("top", "right", "left", "bottom"):
        panel.spines[side].set_visible(side in ("left", "bottom"))
    panel.tick_params(length=0)


def lines_svg(name: str, x_label: str, y_label: str,
              lines: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> str:
    """At most four lines in one panel, told apart by colour and dashes.

    Args:
        name: unique on the page.
        x_label, y_label: of the axes.
        lines: legend to x and y, float, [n] each.

    Returns:
        An `<svg>` element.
    """
    with matplotlib.rc_context(_RC):
        figure = Figure(figsize=(9.0, 3.9), layout="constrained")
        figure.patch.set_alpha(0)
        panel = figure.subplots()
        _make_plain(panel)
        panel.set(xlabel=x_label, ylabel=y_label)
        for (legend, (x, y)), (colour, style) in zip(lines.items(), _LINES):
            panel.plot(x, y, color=colour, linewidth=2.0, linestyle=style, label=legend)
        figure.legend(loc="outside upper right", ncols=len(lines), frameon=False)
    ends = "; ".join(f"{legend}: {y[-1]:.3g} at the end" for legend, (_, y) in lines.items())
    return inline_svg(figure, name, f"{y_label} over {x_label}. {ends}.")


class Line(NamedTuple):
    """One line of a panel."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]  # None: no value there


def draw_png(path: str, panels: Mapping[str, Sequence[Line]], x_label: str, y_label: str) -> None:
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
        panel.set_title(title, loc="left", fontsize=11, color=_PICTURE_INK)
        panel.set_xlabel(x_label)
        panel.grid(color=_PICTURE_RULE, linewidth=0.7)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
        for line in lines:
            place = names.index(line.name)
            panel.plot(line.x, [np.nan if value is None else value for value in line.y], label=line.name,
                       color=_PICTURE_COLOURS[place % len(_PICTURE_COLOURS)],
                       linestyle=_PICTURE_STYLES[place % len(_PICTURE_STYLES)],
                       marker="o", markersize=3, linewidth=1.8)
    axes[0].set_ylabel(y_label)
    handles = {handle.get_label(): handle for panel in axes for handle in panel.get_lines()}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=min(4, len(names)),
                  frameon=False)
    with files.replacing(path) as temporary:
        figure.savefig(temporary, format="png")
