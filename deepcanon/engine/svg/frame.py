"""What the drawings of figures have in common: scales with their ticks, axes, legends, values on hover.

Lengths are units of the drawing's `viewBox`; a picture takes the width that its page allows.
"""

import html
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = [
    "WIDTH", "Area", "Named", "Scale", "around", "axes", "cut", "escape", "left_of", "legend", "linear_ticks",
    "log_ticks", "named", "number", "strips", "svg", "text", "tick_texts", "title", "width_of", "wrapped",
]  # fmt: skip

WIDTH = 460
NARROW, WIDE = set("ijlft.,:;|!'()[]{} -/\\"), set("mwMW@%…→=+<>")
STRIPS = 60
"""Places at which values are shown on hover."""

Named = Sequence[tuple[str, float]]
"""Texts below or next to an axis, with the values that they stand at."""


def escape(text: object) -> str:
    """Text as HTML: markup is escaped, what no encoding or browser can show is replaced."""
    clean = str(text).encode("utf-8", "replace").decode("utf-8")
    clean = "".join(c if c in "\n\t" or (c >= " " and c != "\x7f") else "\ufffd" for c in clean)
    return html.escape(clean, quote=True)


def number(value: float) -> str:
    """A measured number for readers: four significant digits, thousands apart."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if not math.isfinite(value):
        return str(float(value))
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    if 10_000 <= abs(value) < 1e15:
        return f"{value:,.0f}"
    written = f"{value:.4g}"
    if "e" in written:
        digits, exponent = written.split("e")
        return f"{digits}e{int(exponent)}"
    return written


def width_of(words: str, size: float = 12) -> float:
    """The approximate width of a text, rather too wide: the reader's typeface is not known."""
    ems = (
        0.36 if c in NARROW else 0.92 if c in WIDE else 0.7 if c.isupper() or ord(c) > 0x2E80 else 0.62 for c in words
    )
    return size * sum(ems)


def wrapped(words: str, width: float, size: float = 12, most: int = 3) -> list[str]:
    """Lines no wider than `width`, broken between words; at most `most`, the last one cut."""
    lines: list[str] = []
    for word in words.split():
        if lines and width_of(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if len(lines) > most:
        lines = [*lines[: most - 1], lines[most - 1] + " …"]
    return [cut(line, width, size) for line in lines]


def cut(words: str, width: float, size: float = 12) -> str:
    """The text as far as it is no wider than `width`."""
    if width_of(words, size) <= width:
        return words
    while words and width_of(words + "…", size) > width:
        words = words[:-1]
    return words + "…"


def text(words: object, x: float, y: float, anchor: str = "start", kind: str = "", more: str = "") -> str:
    """A text whose baseline is at y; `anchor` is start, middle or end."""
    names = f' class="{kind}"' if kind else ""
    at = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}"{at}{names}{more}>{escape(words)}</text>'


# Ticks


def linear_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers, 1, 2 or 5 times a power of ten apart, from `low` to `high`: about `count`."""
    if not high > low or not math.isfinite(high - low):
        return [low]
    rough = (high - low) / max(1, count)
    power = 10.0 ** math.floor(math.log10(rough))
    gap = next(power * size for size in (1, 2, 5, 10) if power * size >= rough * (1 - 1e-9))
    first, last = math.ceil(low / gap - 1e-9), math.floor(high / gap + 1e-9)
    if last - first > 3 * count:  # two numbers that differ by rounding only
        return [low]
    return [place * gap + 0.0 for place in range(first, last + 1)] or [low]


def log_ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Powers of ten between two positive numbers, with 2 and 5 times those where there is room."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    apart = max(1, math.ceil((last - first) / most))
    subs = (1, 2, 5) if math.log10(high) - math.log10(low) <= 3 else (1,)
    ticks = [float(f"{sub}e{power}") for power in range(first, last + 1, apart) for sub in subs]
    return [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]


def tick_texts(ticks: Sequence[float], log: bool = False) -> list[str]:
    """Ticks in words: all with as many decimals as the gap between them needs."""
    if log or len(ticks) < 2:
        return [number(float(f"{tick:.4g}")) for tick in ticks]
    digits = min(9, max(0, -math.floor(math.log10(abs(ticks[1] - ticks[0])) + 1e-9)))
    if max(map(abs, ticks)) >= 1e6 or digits > 5:
        return [number(float(f"{tick:.3g}")) for tick in ticks]
    return [f"{tick:,.{digits}f}" for tick in ticks]


def named(ticks: Sequence[float], log: bool = False) -> list[tuple[str, float]]:
    """Ticks with their texts."""
    return list(zip(tick_texts(ticks, log), ticks, strict=True))


@dataclass(frozen=True)
class Scale:
    """From values to units of the drawing: `low` lies at `begin`, `high` at `end`."""

    low: float
    high: float
    begin: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = map(math.log10, (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        place = self.begin + (value - low) / (high - low) * (self.end - self.begin)
        return min(max(place, -9999.0), 9999.0)

    def ticks(self, count: int = 5) -> list[float]:
        if not self.log:
            return linear_ticks(self.low, self.high, count)
        ticks = log_ticks(self.low, self.high, count + 3)
        return ticks if len(ticks) > 1 else [t for t in linear_ticks(self.low, self.high, count) if t > 0]


def around(values: Sequence[float], log: bool = False, margin: float = 0.05) -> tuple[float, float]:
    """The range of an axis: that of the finite values (positive ones if `log`), and a little more."""
    seen = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
    if not seen:
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = (min(max(value, 1e-300 if log else -1e300), 1e300) for value in (min(seen), max(seen)))
    if log:
        more = max(0.02, margin * math.log10(high / low))
        return low * 10**-more, high * 10**more
    flat = high - low <= 1e-12 * max(abs(low), abs(high))  # what differs by rounding only
    more = abs(high) * 0.1 if flat and high else margin * (high - low) or 1.0
    return low - more, high + more


@dataclass(frozen=True)
class Area:
    """Where values are drawn."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top


# Parts of a drawing


def svg(parts: Sequence[str], width: float, height: float, alt: str = "", more: str = "") -> str:
    """A whole drawing; `alt` says in words what it shows."""
    label = f' role="img" aria-label="{escape(alt)}"' if alt else ""
    return f'<svg class="fig" viewBox="0 0 {width:.0f} {height:.0f}"{label}{more}>{"".join(parts)}</svg>'


def title(words: str, width: float = WIDTH) -> tuple[list[str], float]:
    """The title at the top, and where the drawing below it may begin."""
    lines = wrapped(words, width - 20, 13.5)
    return [text(line, 10, 16 + 17 * i, kind="title") for i, line in enumerate(lines)], 8.0 + 17 * len(lines)


def legend(entries: Sequence[tuple[str, str]], top: float, width: float = WIDTH) -> tuple[list[str], float]:
    """Rows of names after their marks, and where the drawing below them may begin.

    Args:
        entries: (name, the mark as SVG around (9, -4), which fits into 18 units of width).
    """
    parts, x, y = [], 10.0, top + 12
    for name, mark in entries:
        name = cut(name, width - 50)
        wide = 24 + width_of(name) + 14
        if x + wide > width and x > 10:
            x, y = 10.0, y + 17
        parts.append(f'<g transform="translate({x:.1f},{y:.1f})">{mark}{text(name, 24, 0)}</g>')
        x += wide
    return parts, y + 8 if entries else top


def axes(
    area: Area, x: Scale, y: Scale, x_title: str, y_title: str, x_ticks: Named, y_ticks: Named
) -> tuple[list[str], float]:
    """Grid, ticks and titles; returned with them is the lower end of all.

    Names below the axis that would touch are turned; of those that would touch even then some are left out.
    """
    parts = []
    for name, value in y_ticks:
        at = y(value)
        parts.append(f'<line class="grid" x1="{area.left:.1f}" x2="{area.right:.1f}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(text(name, area.left - 6, at + 4, "end"))
    parts.append(f'<path class="axis" d="M{area.left:.1f} {area.bottom:.1f}H{area.right:.1f}"/>')
    places = sorted((x(value), name) for name, value in x_ticks)
    turned = any(a + width_of(n) / 2 + 3 > b - width_of(m) / 2 for (a, n), (b, m) in itertools.pairwise(places))
    below, last = area.bottom + 18, -math.inf
    for at, name in places:
        parts.append(f'<path class="axis" d="M{at:.1f} {area.bottom:.1f}v4"/>')
        if turned and at - last < 13:
            continue
        last = at
        if turned:
            short = cut(name, 110)
            below = max(below, area.bottom + 20 + 0.71 * width_of(short))
            more = f' transform="rotate(-45 {at:.1f} {area.bottom + 14:.1f})"'
            parts.append(text(short, at + 4, area.bottom + 14, "end", more=more))
        else:
            parts.append(text(name, at, area.bottom + 17, "middle"))
    for line in wrapped(x_title, area.width + 40, most=2):
        below += 16
        parts.append(text(line, (area.left + area.right) / 2, below, "middle"))
    middle, lines = (area.top + area.bottom) / 2, wrapped(y_title, area.height + 16, most=2)
    for place, line in enumerate(lines):
        at = 13 + 14 * place
        parts.append(text(line, at, middle, "middle", more=f' transform="rotate(-90 {at} {middle:.1f})"'))
    return parts, below + 8


def left_of(y_title: str, names: Sequence[str], height: float) -> float:
    """Where the area may begin, so that names of ticks and the title have room on its left."""
    lines = len(wrapped(y_title, height + 16, most=2))
    return 8 + 14 * lines + max([14.0, *(width_of(name, 13) for name in names)]) + (6 if lines else 0)


def strips(area: Area, stops: Sequence[float], rows: Callable[[int], Sequence[str]]) -> list[str]:
    """The values at a place, shown while the pointer is over it.

    Args:
        stops: places in units of the drawing, rising.
        rows: the lines of text at the i-th stop.
    """
    parts, count = [], len(stops)
    some = range(count) if count <= STRIPS else [i * (count - 1) // (STRIPS - 1) for i in range(STRIPS)]
    kept = list(some)
    for place, index in enumerate(kept):
        at = stops[index]
        begin = area.left if place == 0 else (stops[kept[place - 1]] + at) / 2
        end = area.right if place == len(kept) - 1 else (at + stops[kept[place + 1]]) / 2
        lines = [cut(row, 0.8 * area.width, 11) for row in rows(index)]
        wide = max((width_of(line, 11) for line in lines), default=0.0) + 12
        left = at + 6 if at + 6 + wide < area.right or at < (area.left + area.right) / 2 else at - 6 - wide
        left = max(2.0, min(left, WIDTH - wide - 2))
        words = "".join(text(line, left + 6, area.top + 16 + 14 * i) for i, line in enumerate(lines))
        parts.append(
            f'<g class="strip"><rect class="hit" x="{begin:.1f}" y="{area.top:.1f}" '
            f'width="{max(0.5, end - begin):.1f}" height="{area.height:.1f}"/>'
            f'<path class="at" d="M{at:.1f} {area.top:.1f}V{area.bottom:.1f}"/><g class="tip">'
            f'<rect x="{left:.1f}" y="{area.top + 2:.1f}" width="{wide:.1f}" height="{14 * len(lines) + 8}" rx="4"/>'
            f"{words}</g></g>"
        )
    return parts
