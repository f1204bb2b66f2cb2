"""Curves of a run over its steps as SVG, for the report: no script, no outside reference.

A line of many points is drawn as the mean of equal bins, with the range of each bin as a pale band behind it. The
values at a place appear while the pointer is over it.
"""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from deepcanon.engine.svg.frame import (
    WIDTH,
    Area,
    Scale,
    around,
    axes,
    left_of,
    linear_ticks,
    named,
    number,
    strips,
    svg,
)
from deepcanon.engine.svg.style import COLOURS

HEIGHT, TOP, RIGHT = 230, 12, 16
BINS = 240

Of = Callable[[float], float]


@dataclass(frozen=True)
class Line:
    """One line of a chart: its points in order of steps; values that are not finite leave gaps."""

    label: str
    steps: list[int]
    values: list[float]
    colour: int = 0
    """Which of the page's line colours (a number, modulo ten)."""
    faint: bool = False
    """Drawn thin and pale: the training line behind the validation line of the same run."""
    mark: int | None = None
    """The step of a point to be ringed (the best checkpoint)."""
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    run: str = ""
    """In a comparison, the run that the line belongs to: its lines share one entry of the legend."""


def short(value: float) -> str:
    """A number for a tick of the step axis: 500, 1.5k, 20k, 3M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.6g}{letter}"
    return f"{value:.6g}"


def wants_log(lines: list[Line]) -> float:
    """The largest value over the smallest; 0 where a value is not positive."""
    values = [value for line in lines for value in line.values if math.isfinite(value)]
    return max(values) / min(values) if values and min(values) > 0 else 0.0


def binned(line: Line, bins: int = BINS) -> Line:
    """The line with at most ``bins`` points, each the mean of equally many points, with their range."""
    count = len(line.steps)
    if count <= bins:
        return line
    steps, values, low, high = [], [], [], []
    for index in range(bins):
        begin, end = index * count // bins, (index + 1) * count // bins
        finite = [value for value in line.values[begin:end] if math.isfinite(value)]
        steps.append(line.steps[(begin + end) // 2])
        values.append(math.fsum(finite) / len(finite) if finite else math.nan)
        low.append(min(finite, default=math.nan))
        high.append(max(finite, default=math.nan))
    steps[0], steps[-1] = line.steps[0], line.steps[-1]
    return Line(line.label, steps, values, line.colour, line.faint, line.mark, low, high, line.run)


def bounded(line: Line) -> Line:
    """The line with numbers that a picture can hold: beyond 1e300 differences overflow, below 1e-300 they vanish."""
    values = [
        value if not math.isfinite(value) else 0.0 if abs(value) < 1e-300 else min(max(value, -1e300), 1e300)
        for value in line.values
    ]
    return line if values == line.values else replace(line, values=values)


def chart(name: str, lines: list[Line], log: bool = False, unit: str = "", alt: str = "") -> str:
    """An SVG picture of the lines over their steps, with axes, ticks, and the values on hover.

    Args:
        unit: of the values; it is shown at their axis.
        alt: what the picture shows, for those who do not see it.
    """
    drawn = [binned(bounded(line)) for line in lines if line.steps]
    points = [value for line in drawn for value in line.values if math.isfinite(value) and (value > 0 or not log)]
    if not points:
        return '<p class="none">no finite values</p>'
    first, last = min(line.steps[0] for line in drawn), max(line.steps[-1] for line in drawn)
    first, last = (first, last) if last > first else (first - 1, last + 1)
    y = Scale(*around(points, log), HEIGHT, TOP, log)
    y_ticks = named(y.ticks(), log)
    area = Area(left_of(unit, [text for text, _ in y_ticks], HEIGHT - TOP), TOP, WIDTH - RIGHT, HEIGHT)
    x = Scale(first, last, area.left, area.right)
    x_ticks = [(short(tick), tick) for tick in linear_ticks(first, last, 6) if float(tick).is_integer()]
    parts, below = axes(area, x, y, "step", unit, x_ticks, y_ticks)

    def shown(value: float) -> bool:
        return math.isfinite(value) and (value > 0 or not log)

    def y_of(value: float) -> float:
        return y(min(max(value, y.low), y.high))

    for line in drawn:
        parts.append(_band(line, x, y_of, shown))
    for line in sorted(drawn, key=lambda line: not line.faint):
        parts.append(_path(line, x, y_of, shown))
    stops = sorted({step for line in drawn for step in line.steps})
    parts += strips(area, [x(stop) for stop in stops], lambda index: _rows(drawn, stops[index]))
    return svg(parts, WIDTH, below, alt or f"{name} over steps")


def _rows(lines: list[Line], stop: int) -> list[str]:
    """The values of the lines at a step, or at the nearest one that they have."""
    rows = [f"step {stop:,}"]
    for line in lines:
        place = bisect_left(line.steps, stop)
        known = (index for index in (place - 1, place) if 0 <= index < len(line.steps))
        near = min(known, key=lambda index: abs(line.steps[index] - stop))
        at = line.steps[near]
        rows.append(f"{line.label} {number(line.values[near])}" + ("" if at == stop else f" (step {at:,})"))
    return rows


def _band(line: Line, x_of: Of, y_of: Of, shown: Callable[[float], bool]) -> str:
    if not line.low:
        return ""
    edge = [(s, a, b) for s, a, b in zip(line.steps, line.low, line.high, strict=True) if shown(a) and shown(b)]
    corners = [f"{x_of(s):.1f},{y_of(b):.1f}" for s, _, b in edge]
    corners += [f"{x_of(s):.1f},{y_of(a):.1f}" for s, a, _ in reversed(edge)]
    return f'<polygon class="band c{line.colour % COLOURS}" points="{" ".join(corners)}"/>' if edge else ""


def _path(line: Line, x_of: Of, y_of: Of, shown: Callable[[float], bool]) -> str:
    moves, pen_down, parts, alone = [], False, [], []
    for index, (step, value) in enumerate(zip(line.steps, line.values, strict=True)):
        if not shown(value):
            pen_down = False
            continue
        moves.append(f"{'L' if pen_down else 'M'}{x_of(step):.1f} {y_of(value):.1f}")
        nxt = line.values[index + 1] if index + 1 < len(line.values) else math.nan
        if not pen_down and not shown(nxt):
            alone.append((step, value))
        pen_down = True
    style = f"line c{line.colour % COLOURS}" + (" faint" if line.faint else "") + f" d{line.colour // COLOURS % 3}"
    if moves:
        parts.append(f'<path class="{style}" d="{"".join(moves)}"/>')
    if len(line.steps) <= 30 and not line.faint:
        alone = [(s, v) for s, v in zip(line.steps, line.values, strict=True) if shown(v)]
    for step, value in alone:
        parts.append(
            f'<circle class="fill c{line.colour % COLOURS}" cx="{x_of(step):.1f}" cy="{y_of(value):.1f}" r="2.2"/>'
        )
    if line.mark is not None and line.mark in line.steps and shown(value := line.values[line.steps.index(line.mark)]):
        at = f'cx="{x_of(line.mark):.1f}" cy="{y_of(value):.1f}"'
        parts.append(f'<circle class="ring c{line.colour % COLOURS}" {at} r="5.5"/>')
    return "".join(parts)
