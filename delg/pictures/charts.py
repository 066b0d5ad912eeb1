"""Charts of the reports: inline SVG in the page's colours, light or dark, and PNG files (Matplotlib)."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from data_prep.stage import files

_FEW_POINTS = 100  # that are marked on a line
_PRINTED = {"ink": "#1b1e23", "muted": "#626a75", "rule": "#e1e4e8", "accent": "#1f56c4", "bad": "#c0430a",
            "good": "#00785a", "gold": "#8a6200", "before": "#8b929c", "grey": "#626a75"}
_ON_PAGE = {name: f"#0{n}0{n}0{n}" for n, name in enumerate(_PRINTED, 1)}  # stand for the page's own colours
_NARROW = 4.2, 3.5  # inches of a panel of its own: on a telephone its letters keep 11 pixels
_DASHES = {"accent": "-", "gold": (0, (5, 2)), "good": (0, (1, 1.5)), "before": (0, (5, 2, 1, 2)),
           "bad": (0, (7, 1)), "grey": (0, (3, 3))}  # of lines, in the order they are taken


class Line(NamedTuple):
    """One line of a panel."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]  # None: no value there
    colour: str = ""  # of the page; empty: the next


def _style(colours: Mapping[str, str]) -> Any:
    ink, muted, rule = (colours[name] for name in ("ink", "muted", "rule"))
    return matplotlib.rc_context({
        "svg.fonttype": "none", "svg.hashsalt": "delg", "font.size": 10, "text.color": ink,
        "font.family": "sans-serif", "axes.edgecolor": rule, "axes.labelcolor": muted, "xtick.color": rule,
        "ytick.color": rule, "xtick.labelcolor": muted, "ytick.labelcolor": muted})


def _draw(panels: Mapping[str, Sequence[Line]], x_label: str, y_label: str,
          colours: Mapping[str, str], size: tuple[float, float] | None = None) -> Figure:
    """Panels beside each other, by title, `size` in inches; a line has the same colour in each."""
    figure = Figure(figsize=size or (max(9.0, 4.2 * len(panels)), 3.9), layout="constrained")
    figure.patch.set_alpha(0)
    names = _names(panels)
    axes = figure.subplots(1, max(len(panels), 1), sharey=True, squeeze=False)[0]
    for panel, (title, lines) in zip(axes, panels.items()):
        panel.patch.set_alpha(0)
        panel.grid(color=colours["rule"], linewidth=0.6)
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(length=0)
        panel.set_title(title, loc="left", fontsize=11, fontweight="bold", color=colours["ink"])
        panel.set_xlabel(x_label)
        for line in lines:
            colour = line.colour or list(_DASHES)[names.index(line.name) % len(_DASHES)]
            panel.plot(line.x, [np.nan if value is None else value for value in line.y], label=line.name,
                       color=colours[colour], linestyle=_DASHES[colour], linewidth=2.0,
                       marker="o" if len(line.x) < _FEW_POINTS else "", markersize=3)
    axes[0].set_ylabel(y_label)
    handles = {handle.get_label(): handle for panel in axes for handle in panel.get_lines()}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center",
                  ncols=max(1, min(2 if size else 4, len(names))), frameon=False)
    return figure


def _names(panels: Mapping[str, Sequence[Line]]) -> list[str]:
    return list(dict.fromkeys(line.name for lines in panels.values() for line in lines))


def _inline_svg(figure: Figure, name: str, label: str) -> str:
    """A figure as an `<svg>` element that says what it shows: page colours, page font, ids after `name`."""
    text = io.StringIO()
    with _style(_ON_PAGE):
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
                 f'aria-label="{html.escape(label)}">', svg, count=1)
    svg = re.sub(r"font: (\d+ )?(\d+(?:\.\d+)?)px[^;\"]*", _page_font, svg)
    for colour, drawn in _ON_PAGE.items():
        svg = svg.replace(drawn, f"var(--{colour})")
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
        A `<div>` element with an `<svg>` per protocol.
    """
    name = "Global search" if after else "Global search (nothing was verified)"

    def draw(protocol: str) -> str:
        lines = [Line(name, recalls, before[protocol], "before"),
                 *([Line("After verification", recalls, after[protocol], "accent")] if after else [])]
        figure = _draw({protocol.capitalize(): lines}, "Recall", "Precision", _ON_PAGE, _NARROW)
        (panel,) = figure.axes
        ticks = np.linspace(0, 1, 5), ["0", ".25", ".5", ".75", "1"]
        panel.set_xticks(*ticks)
        panel.set_yticks(*ticks)
        panel.set(xlim=(0, 1), ylim=(0, 1.02))
        if after:
            panel.fill_between(recalls, before[protocol], after[protocol], color=_ON_PAGE["accent"],
                               where=after[protocol] >= before[protocol], alpha=0.12, linewidth=0,
                               interpolate=True)
        area = f"{protocol.capitalize()}: area {100 * before[protocol].mean():.1f} before" + (
            f", {100 * after[protocol].mean():.1f} after" if after else "")
        return _inline_svg(figure, f"curves-{protocol}", f"Precision over recall. {area}.")

    with _style(_ON_PAGE):
        return _side_by_side(draw(protocol) for protocol in ("easy", "medium", "hard") if protocol in before)


def panels_svg(name: str, panels: Mapping[str, Sequence[Line]], x_label: str, y_label: str) -> str:
    """Panels by title, beside each other or, on a narrow screen, below; a line has one colour in all.

    Args:
        name: unique on the page; letters, digits and hyphens.
        panels: title to lines; an empty title is left out.
        x_label, y_label: of the axes of each panel.

    Returns:
        A `<div>` element with an `<svg>` per panel that says where its lines end.
    """
    names = _names(panels)
    colours = list(_DASHES)
    drawn = []
    with _style(_ON_PAGE):
        for number, (title, lines) in enumerate(panels.items()):
            coloured = [line._replace(colour=line.colour or colours[names.index(line.name) % len(colours)])
                        for line in lines]
            figure = _draw({title: coloured}, x_label, y_label, _ON_PAGE, _NARROW)
            figure.axes[0].set_ylim(*_shared_range(panels))
            ends = "; ".join(f"{line.name}: {line.y[-1]:.3g} at the end" for line in lines
                             if line.y[-1] is not None)
            label = f"{title + ': ' if title else ''}{y_label} over {x_label}. {ends}."
            drawn.append(_inline_svg(figure, f"{name}-{number}", label))
    return _side_by_side(drawn)


def _shared_range(panels: Mapping[str, Sequence[Line]]) -> tuple[float, float]:
    values = np.array([value for lines in panels.values() for line in lines for value in line.y], float)
    values = values[np.isfinite(values)]
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.05
    return low - margin, high + margin


def _side_by_side(drawn: Iterable[str]) -> str:
    return f'<div class="panels">{"".join(drawn)}</div>'


def draw_png(path: str, panels: Mapping[str, Sequence[Line]], x_label: str, y_label: str) -> None:
    """Writes panels beside each other, by title, one at least; a line has the same colour in each."""
    with _style(_PRINTED), files.replacing(path) as temporary:
        figure = _draw(panels, x_label, y_label, _PRINTED)
        FigureCanvasAgg(figure)
        figure.savefig(temporary, format="png", dpi=110, facecolor="white")
