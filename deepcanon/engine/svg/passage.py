"""Texts whose tokens stand on colours as SVG, in a monospaced font of which each character has its cell."""

import unicodedata

import numpy as np

from deepcanon.engine.figures import plain
from deepcanon.engine.passages import Passage
from deepcanon.engine.svg.frame import WIDTH, escape, legend, number, svg, title

__all__ = ["cells", "passage"]

CELL, LINE = 7.4, 19.0  # width of a character, height of a line
INK = "font-family:ui-monospace,Menlo,Consolas,monospace;font-size:12px;fill:var(--ink)"
STRONGEST = 0.62  # opacity: the text must stay legible on it
ENDS = {"\n": "↵", "\t": "⇥"}


def cells(words: str) -> int:
    """Cells of a monospaced text: two of a wide character, none of one that is put onto another."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in words)


def _colour(value: float, most: float) -> str:
    share = min(1.0, abs(value) / most) if np.isfinite(value) else 1.0
    return f"fill:var(--{'r0' if value < 0 else 'r1'});fill-opacity:{STRONGEST * share:.3f}"


def passage(figure: Passage, hover: bool = True, alt: str = "") -> str:
    """The tokens in lines, which break between words where the drawing ends."""
    values = plain(figure.values)
    seen = np.abs(values[np.isfinite(values)])
    most = figure.most or (float(seen.max()) if seen.size else 1.0) or 1.0
    parts, top = title(figure.title) if figure.title else ([], 4.0)
    scale = (-most, -most / 2, 0.0, most / 2, most) if figure.diverging else (0.0, most / 4, most / 2, most)
    marks = [
        (f"{number(float(f'{value:.2g}'))}{f' {figure.unit}' if value == most else ''}", _mark(value, most))
        for value in scale
    ]
    named, top = legend(marks, top)
    columns, row, column = int((WIDTH - 20) / CELL), 0, 0
    parts += named
    for token, value in zip(figure.tokens, values.tolist(), strict=True):
        words = "".join(ENDS.get(c, c if c.isprintable() else "\ufffd") for c in token) or "·"
        wide = cells(words)
        if column and column + min(wide, columns) > columns:
            row, column = row + 1, 0
        for piece in _pieces(words, columns):
            if column and column + cells(piece) > columns:
                row, column = row + 1, 0
            parts.append(_token(piece, value, most, 10 + CELL * column, top + LINE * row, hover and figure.unit))
            column += cells(piece)
        column += 1 if figure.apart else 0
        if token.endswith("\n"):
            row, column = row + 1, 0
    return svg(parts, WIDTH, top + LINE * (row + (column > 0)) + 8, alt)


def _pieces(words: str, columns: int) -> list[str]:
    """A token that is longer than a line, in pieces of at most half as many characters as a line has cells."""
    size = columns if cells(words) <= columns else max(1, columns // 2)
    return [words[start : start + size] for start in range(0, len(words), size)]


def _mark(value: float, most: float) -> str:
    return f'<rect x="2" y="-10" width="15" height="12" class="frame" style="{_colour(value, most)}"/>'


def _token(words: str, value: float, most: float, x: float, y: float, unit: object) -> str:
    wide = CELL * cells(words)
    told = f"<title>{escape(words)}: {number(value)} {escape(unit)}</title>" if unit else ""
    box = f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{LINE - 2}" style="{_colour(value, most)}"/>'
    place = f'x="{x:.1f}" y="{y + 13:.1f}" xml:space="preserve" style="{INK}"'
    length = f' textLength="{wide:.1f}" lengthAdjust="spacingAndGlyphs"' if wide else ""
    return f"<g>{told}{box}<text {place}{length}>{escape(words)}</text></g>"
