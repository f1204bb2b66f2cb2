"""Figures of a row for each name as SVG: bars, and points of several series."""

import math

import numpy as np

from deepcanon.engine.figures import Bars, Dots, plain
from deepcanon.engine.svg.frame import (
    WIDTH,
    Area,
    Scale,
    around,
    axes,
    cut,
    escape,
    legend,
    named,
    number,
    svg,
    text,
    title,
    width_of,
)
from deepcanon.engine.svg.plots import sign
from deepcanon.engine.svg.style import COLOURS

__all__ = ["bars", "dots"]

ROW = 19


def _names(names: list[str]) -> tuple[list[str], float]:
    """The names as they are written, and the left end of the values."""
    short = [cut(name, 0.42 * WIDTH) for name in names]
    return short, 14 + max([10.0, *map(width_of, short)])


def bars(figure: Bars, hover: bool = True, alt: str = "") -> str:
    """Horizontal bars, so that every name can be read, with their numbers at the end."""
    names, heights = [str(name) for name in figure.heights], plain(list(figure.heights.values()))
    parts, top = title(figure.title)
    short, left = _names(names)
    numbers = [number(float(f"{height:.3g}")) if math.isfinite(height) else "–" for height in heights.tolist()]
    room = max([10.0, *(width_of(one, 10.5) for one in numbers)]) + 8
    heights = np.nan_to_num(heights, posinf=0.0, neginf=0.0)
    low, high = min(0.0, *heights.tolist(), 0.0), max(0.0, *heights.tolist(), 0.0)
    high = high if high > low else 1.0
    area = Area(left + (room + 6 if low < 0 else 0), top + 6, WIDTH - room - 6, top + 6 + ROW * len(names))
    x = Scale(low, high, area.left, area.right)
    y = Scale(0.0, 1.0, area.bottom, area.top)
    ticks = x.ticks(4)
    framed, below = axes(area, x, y, figure.y, "", named(ticks), [])
    parts += framed
    zero = x(0.0)
    for row, (name, height, words) in enumerate(zip(short, heights.tolist(), numbers, strict=True)):
        at, end = area.top + ROW * row, x(height)
        parts.append(text(name, left - 7, at + 14, "end", "word"))
        parts.append(
            f'<rect class="fill c0" x="{min(zero, end):.1f}" y="{at + 3:.1f}" width="{max(0.5, abs(end - zero)):.1f}" '
            f'height="{ROW - 6}" rx="2"/>'
        )
        side = ("end", -5) if height < 0 else ("start", 5)
        parts.append(text(words, end + side[1], at + 14, side[0], "small"))
    parts.append(f'<path class="axis" d="M{zero:.1f} {area.top:.1f}V{area.bottom:.1f}"/>')
    return svg(parts, WIDTH, below, alt)


def dots(figure: Dots, hover: bool = True, alt: str = "") -> str:
    """A row for each name, with a mark of every series in it; a series without a name is in no legend."""
    series = {label: plain(values) for label, values in figure.series.items()}
    parts, top = title(figure.title)
    kinds = "ox*."
    entries = [(label, sign(kinds[i % 4], 9, -4, f"c{i % COLOURS}")) for i, label in enumerate(series) if label]
    first = len(series)
    for place, label in enumerate(figure.marks, first):
        entries.append((label, f'<path class="line dashed c{place % COLOURS}" d="M0 -4H18"/>'))
    some, top = legend(entries, top)
    short, left = _names([str(name) for name in figure.names])
    area = Area(left, top + 6, WIDTH - 18, top + 6 + ROW * len(short))
    seen = [value for values in series.values() for value in values.tolist()] + [*map(float, figure.marks.values())]
    x = Scale(*around(seen, figure.log == "x"), area.left, area.right, figure.log == "x")
    y = Scale(0.0, 1.0, area.bottom, area.top)
    ticks = x.ticks(3)
    framed, below = axes(area, x, y, figure.x, "", named(ticks, x.log), [])
    parts += [*some, *framed]
    for place, at in enumerate(figure.marks.values(), first):
        line = f"M{x(float(at)):.1f} {area.top:.1f}V{area.bottom:.1f}"
        parts.append(f'<path class="line dashed c{place % COLOURS}" d="{line}"/>')
    for row, name in enumerate(short):
        at = area.top + ROW * (row + 0.5)
        parts.append(f'<path class="grid" d="M{area.left:.1f} {at:.1f}H{area.right:.1f}"/>')
        parts.append(text(name, left - 7, at + 4, "end", "word"))
        found = {label: float(values[row]) for label, values in series.items()}
        shown = {k: v for k, v in found.items() if math.isfinite(v) and (v > 0 or not x.log)}
        marks = [sign(kinds[i % 4], x(found[k]), at, f"c{i % COLOURS}") for i, k in enumerate(found) if k in shown]
        words = escape(
            "\n".join([str(figure.names[row]), *(f"{k or figure.x}: {number(v)}" for k, v in shown.items())])
        )
        parts.append(f"<g>{f'<title>{words}</title>' if hover else ''}{''.join(marks)}</g>")
    return svg(parts, WIDTH, below, alt)
