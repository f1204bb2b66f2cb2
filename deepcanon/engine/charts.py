"""Line charts as SVG text: no script, no outside reference; the colours come from the page's style sheet.

A chart shows lines over steps. A line of many points is drawn as the mean of equal bins, with the range of
each bin as a pale band behind it. Hovering over a place shows the values there, by SVG's ``<title>`` element.
"""

import html
import math
from bisect import bisect_left
from dataclasses import dataclass, field, replace
from itertools import pairwise

WIDTH, HEIGHT = 560, 280
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 12, 34
BINS = 240
STRIPS = 120


@dataclass(frozen=True)
class Line:
    """One line of a chart: its points in order of steps; values that are not finite leave gaps."""

    label: str
    steps: list[int]
    values: list[float]
    colour: int = 0
    """Which of the page's line colours (a number, modulo eight)."""
    faint: bool = False
    """Drawn thin and pale: the training line behind the validation line of the same run."""
    mark: int | None = None
    """The step of a point to be ringed (the best checkpoint)."""
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    run: str = ""
    """In a comparison, the run that the line belongs to: its lines share one entry of the legend."""


def escape(text: object) -> str:
    """Text as HTML: markup is escaped, what no encoding or browser can show is replaced."""
    clean = str(text).encode("utf-8", "replace").decode("utf-8")
    clean = "".join(c if c in "\n\t" or (c >= " " and c != "\x7f") else "\ufffd" for c in clean)
    return html.escape(clean, quote=True)


def number(value: float) -> str:
    """A measured number for people: four significant digits, thousands apart."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if not math.isfinite(value):
        return str(float(value))
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    if 10_000 <= abs(value) < 1e15:
        return f"{value:,.0f}"
    text = f"{value:.4g}"
    if "e" in text:
        digits, exponent = text.split("e")
        return f"{digits}e{int(exponent)}"
    return text


def short(value: float) -> str:
    """A number for a tick of the step axis: 500, 1.5k, 20k, 3M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.6g}{letter}"
    return f"{value:.6g}"


def linear_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers, 1, 2 or 5 times a power of ten apart, from ``low`` to ``high``: about ``count``."""
    from matplotlib.ticker import MaxNLocator

    if not high > low:
        return [low]
    found = [float(tick) for tick in MaxNLocator(count, steps=[1, 2, 5, 10]).tick_values(low, high)]
    slack = 1e-9 * (high - low)
    return [tick + 0.0 for tick in found if low - slack <= tick <= high + slack] or [low]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten between two positive numbers, with 2 and 5 times those where there is room."""
    from matplotlib.ticker import LogLocator

    decades = math.log10(high) - math.log10(low)
    found = LogLocator(subs=(1, 2, 5) if decades <= 3 else (1,), numticks=8).tick_values(low, high)
    return [float(tick) for tick in found if low * 0.999 <= tick <= high * 1.001]


def wants_log(lines: list[Line]) -> float:
    """How many times the largest value is the smallest one; 0 where a value is not positive."""
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


def chart(name: str, lines: list[Line], log: bool = False) -> str:
    """An SVG picture of the lines over their steps, with axes, ticks, and the values on hover."""
    drawn = [binned(bounded(line)) for line in lines if line.steps]
    points = [value for line in drawn for value in line.values if math.isfinite(value) and (value > 0 or not log)]
    if not points:
        return '<p class="none">no finite values</p>'
    first = min(line.steps[0] for line in drawn)
    last = max(line.steps[-1] for line in drawn)
    first, last = (first, last) if last > first else (first - 1, last + 1)
    low, high = min(points), max(points)
    if log:
        margin = max(0.05, 0.05 * math.log10(high / low))
        low, high = math.log10(low) - margin, math.log10(high) + margin
    else:
        flat = high - low <= 1e-12 * max(abs(low), abs(high))  # what differs by rounding only
        margin = abs(high) * 0.1 if flat and high else 0.05 * (high - low) or 1.0
        low, high = low - margin, high + margin

    def x_of(step: float) -> float:
        return LEFT + (step - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y_of(value: float) -> float:
        scaled = math.log10(value) if log else value
        return TOP + (high - min(max(scaled, low), high)) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def shown(value: float) -> bool:
        return math.isfinite(value) and (value > 0 or not log)

    label = escape(f"{name} over steps")
    parts = [f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">']
    parts += _axes(first, last, low, high, log, x_of, y_of)
    for line in drawn:
        parts.append(_band(line, x_of, y_of, shown))
    for line in sorted(drawn, key=lambda line: not line.faint):
        parts.append(_path(line, x_of, y_of, shown))
    parts += _strips(drawn, first, last, x_of)
    parts.append("</svg>")
    return "".join(parts)


def _axes(first, last, low, high, log, x_of, y_of) -> list[str]:
    parts = []
    bottom = HEIGHT - BOTTOM
    ticks = log_ticks(10**low, 10**high) if log else linear_ticks(low, high)
    if log and len(ticks) < 2:
        ticks = [tick for tick in linear_ticks(10**low, 10**high) if tick > 0]
    digits = 0
    if not log and len(ticks) > 1:
        digits = min(9, max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9)))
    for tick in ticks:
        y = y_of(tick)
        large = abs(ticks[-1]) >= 1e5 or digits > 6
        text = number(tick) if log else (f"{tick:.3g}" if large else f"{tick:,.{digits}f}")
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 7}" y="{y + 3.5:.1f}" text-anchor="end">{text}</text>')
    for tick in linear_ticks(first, last, 6):
        if float(tick).is_integer():
            x = x_of(tick)
            parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 4}"/>')
            text = short(tick)
            parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{text}</text>')
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(f'<text class="tick" x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">step</text>')
    return parts


def _band(line: Line, x_of, y_of, shown) -> str:
    if not line.low:
        return ""
    edge = [(s, a, b) for s, a, b in zip(line.steps, line.low, line.high, strict=True) if shown(a) and shown(b)]
    corners = [f"{x_of(s):.1f},{y_of(b):.1f}" for s, _, b in edge]
    corners += [f"{x_of(s):.1f},{y_of(a):.1f}" for s, a, _ in reversed(edge)]
    return f'<polygon class="band c{line.colour % 8}" points="{" ".join(corners)}"/>' if edge else ""


def _path(line: Line, x_of, y_of, shown) -> str:
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
    style = f"line c{line.colour % 8}" + (" faint" if line.faint else "") + f" d{line.colour // 8 % 3}"
    if moves:
        parts.append(f'<path class="{style}" d="{"".join(moves)}"/>')
    if len(line.steps) <= 30 and not line.faint:
        alone = [(s, v) for s, v in zip(line.steps, line.values, strict=True) if shown(v)]
    for step, value in alone:
        parts.append(f'<circle class="dot c{line.colour % 8}" cx="{x_of(step):.1f}" cy="{y_of(value):.1f}" r="2.2"/>')
    if line.mark is not None and line.mark in line.steps and shown(value := line.values[line.steps.index(line.mark)]):
        at = f'cx="{x_of(line.mark):.1f}" cy="{y_of(value):.1f}"'
        parts.append(f'<circle class="ring c{line.colour % 8}" {at} r="5.5"/>')
    return "".join(parts)


def _strips(lines: list[Line], first: float, last: float, x_of) -> list[str]:
    stops = sorted({step for line in lines for step in line.steps})
    if len(stops) > STRIPS:
        stops = [stops[index * (len(stops) - 1) // (STRIPS - 1)] for index in range(STRIPS)]
    middles = [(a + b) / 2 for a, b in pairwise(stops)]
    parts = []
    for stop, begin, end in zip(stops, [first, *middles], [*middles, last], strict=True):
        rows = [f"step {stop:,}"]
        for line in lines:
            place = bisect_left(line.steps, stop)
            near = min(
                (index for index in (place - 1, place) if 0 <= index < len(line.steps)),
                key=lambda index: abs(line.steps[index] - stop),
            )
            at = line.steps[near]
            rows.append(f"{line.label} {number(line.values[near])}" + ("" if at == stop else f" (step {at:,})"))
        left, width = x_of(begin), max(0.5, x_of(end) - x_of(begin))
        parts.append(
            f'<g class="strip"><title>{escape(chr(10).join(rows))}</title>'
            f'<rect x="{left:.1f}" y="{TOP}" width="{width:.1f}" height="{HEIGHT - TOP - BOTTOM}"/>'
            f'<line x1="{x_of(stop):.1f}" x2="{x_of(stop):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/></g>'
        )
    return parts
