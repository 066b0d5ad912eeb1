"""A contact sheet: rows of small images with captions, as one PNG."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from matplotlib import patches
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from data_prep.stage import files

_CELL = 168  # pixels, side of an image's square
_GAP = 12
_MARGIN = 24
_CAPTION = 32  # pixels below an image: two lines
_HEADING = 46
_SECTION_GAP = 20
_ROW_TITLE = 150  # pixels left of a row
_DPI = 100
_MAX_SIDE = 65_000  # of a picture that matplotlib draws
_INK, _FAINT, _PAPER, _EMPTY = "#1c1c1c", "#6f6f6f", "#ffffff", (240, 240, 240)
_BOX = "#ffd500"


class Cell(NamedTuple):
    """One image."""

    image: np.ndarray | None  # uint8 [height, width, 3]; None: it does not decode
    caption: str
    note: str = ""  # second line
    bbox: Sequence[float] | None = None  # x1, y1, x2, y2 in pixels of the image
    tag: str = ""  # in a corner of the image, such as a domain
    frame: str = ""  # colour around the image; empty: none


class Row(NamedTuple):
    """Images beside each other."""

    title: str  # left of them; empty everywhere in a section: the images take its place
    cells: Sequence[Cell]
    note: str = ""  # below the title


class Section(NamedTuple):
    """Rows below a heading."""

    title: str
    note: str  # beside the title
    rows: Sequence[Row]


def draw(path: str, sections: Sequence[Section]) -> tuple[int, int]:
    """Writes a contact sheet as PNG; returns its width and height in pixels.

    Raises:
        ValueError: if there is no image, or the sheet would be too large.
    """
    num_columns = max((len(row.cells) for section in sections for row in section.rows), default=0)
    if not num_columns:
        raise ValueError("A contact sheet must have an image. Received: none.")
    has_titles = any(row.title for section in sections for row in section.rows)
    left = _MARGIN + (_ROW_TITLE if has_titles else 0)
    width = left + num_columns * (_CELL + _GAP) - _GAP + _MARGIN
    row_height = _CELL + _CAPTION + _GAP
    height = 2 * _MARGIN - _SECTION_GAP + sum(_HEADING + len(section.rows) * row_height + _SECTION_GAP
                                              for section in sections)
    if max(width, height) > _MAX_SIDE:
        raise ValueError(f"A contact sheet must be at most {_MAX_SIDE} pixels high and wide. "
                         f"Received: {width} x {height}; choose fewer images.")
    sheet = _Sheet(width, height)
    top = _MARGIN
    for section in sections:
        sheet.heading(section, _MARGIN, top, width - 2 * _MARGIN)
        top += _HEADING
        for row in section.rows:
            sheet.text(row.title, _MARGIN, top + 12, 9, _INK, _ROW_TITLE - _GAP, weight="bold")
            sheet.text(row.note, _MARGIN, top + 30, 8, _FAINT, _ROW_TITLE - _GAP)
            for column, cell in enumerate(row.cells):
                sheet.cell(cell, left + column * (_CELL + _GAP), top)
            top += row_height
        top += _SECTION_GAP
    sheet.save(path)
    return width, height


def shorten_middle(text: str, num_characters: int) -> str:
    """A text of at most `num_characters`, of which one stands for what is left out of the middle."""
    if len(text) <= num_characters:
        return text
    kept = max(0, num_characters - 1)
    return f"{text[:kept - kept // 2]}…{text[len(text) - kept // 2:]}"


class _Sheet:
    """Images in an array, and what is drawn over it."""

    def __init__(self, width: int, height: int):
        self._pixels = np.full((height, width, 3), 255, np.uint8)
        self._figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor=_PAPER)
        self._canvas = FigureCanvasAgg(self._figure)
        self._renderer = self._canvas.get_renderer()
        self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()
        self._axes.set_xlim(0, width)
        self._axes.set_ylim(height, 0)

    def heading(self, section: Section, x: int, y: int, width: int) -> None:
        end = self.text(section.title, x, y + 20, 14, _INK, width, weight="bold")
        self.text(section.note, end + 14, y + 20, 10, _FAINT, width - (end - x) - 14)
        self._axes.plot([x, x + width], [y + 32, y + 32], color="#c8c8c8", linewidth=0.8)

    def cell(self, cell: Cell, x: int, y: int) -> None:
        self._pixels[y:y + _CELL, x:x + _CELL] = _EMPTY
        if cell.image is None:
            self.text("does not decode", x + 34, y + _CELL // 2, 8, "#b00020", _CELL - 40)
        else:
            self._image(cell, x, y)
        if cell.tag:
            plate = {"boxstyle": "round,pad=0.25", "facecolor": "#1c1c1ccc", "edgecolor": "none"}
            self._axes.text(x + 6, y + 8, cell.tag, fontsize=7.5, color="white", va="top", parse_math=False,
                            bbox=plate)
        if cell.frame:
            self._axes.add_patch(patches.Rectangle((x - 1, y - 1), _CELL + 2, _CELL + 2, fill=False,
                                                   edgecolor=cell.frame, linewidth=2.2))
        self.text(cell.caption, x, y + _CELL + 13, 7.5, _INK, _CELL)
        self.text(cell.note, x, y + _CELL + 26, 7.5, _FAINT, _CELL)

    def _image(self, cell: Cell, x: int, y: int) -> None:
        height, width = cell.image.shape[:2]
        scale = _CELL / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(cell.image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        x, y = x + (_CELL - size[0]) // 2, y + (_CELL - size[1]) // 2
        self._pixels[y:y + size[1], x:x + size[0]] = small
        if cell.bbox is not None:
            x1, y1, x2, y2 = (value * scale for value in cell.bbox)
            for color, line_width in (("black", 2.6), (_BOX, 1.5)):  # seen on dark and on bright images
                self._axes.add_patch(patches.Rectangle((x + x1, y + y1), x2 - x1, y2 - y1, fill=False,
                                                       edgecolor=color, linewidth=line_width))

    def text(self, text: str, x: float, y: float, size: float, color: str, width: float,
             weight: str = "normal") -> float:
        """Writes one line, shortened in the middle to fit; returns where it ends."""
        font = FontProperties(size=size, weight=weight)
        whole = shown = " ".join(text.split())
        num_characters = len(whole)
        while shown and self._width(shown, font) > width and num_characters > 1:
            estimate = int(num_characters * width / self._width(shown, font)) + 1
            num_characters = min(num_characters - 1, estimate)
            shown = shorten_middle(whole, num_characters)
        self._axes.text(x, y, shown, fontproperties=font, color=color, va="baseline", parse_math=False)
        return x + (self._width(shown, font) if shown else 0)

    def _width(self, text: str, font: FontProperties) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a letter that the font lacks becomes a box
            return self._renderer.get_text_width_height_descent(text, font, ismath=False)[0]

    def save(self, path: str) -> None:
        self._figure.figimage(self._pixels, 0, 0, origin="upper", zorder=-1)
        with files.replacing(path) as temporary, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._figure.savefig(temporary, format="png", dpi=_DPI, facecolor=_PAPER)
