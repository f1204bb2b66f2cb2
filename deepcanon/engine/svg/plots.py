"""Curves and histograms as SVG, with their values on hover."""

import itertools
import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from deepcanon.engine.figures import Histogram, Line, Plot, plain
from deepcanon.engine.svg.frame import (
    WIDTH,
    Area,
    Named,
    Scale,
    around,
    axes,
    left_of,
    legend,
    named,
    number,
    strips,
    svg,
    title,
)
from deepcanon.engine.svg.style import COLOURS

__all__ = ["clipped", "equal_scales", "histogram", "plot", "sign"]

HEIGHT = 250  # of the area of the values
POINTS = 400  # of a curve; longer ones are drawn as means of bins with their range
ALONE = 40  # points up to which each one of a curve may have its own mark


@dataclass
class Curve:
    """A line that is ready to be drawn: finite values only, in the units of the axes."""

    x: np.ndarray
    y: np.ndarray
    label: str
    colour: str
    dash: str = ""
    marks: str = ""
    joined: bool = True
    band: list[np.ndarray] = field(default_factory=list)

    def rising(self) -> bool:
        return self.joined and len(self.x) > 0 and bool((np.diff(self.x) >= 0).all())


def plot(figure: Plot, hover: bool = True, alt: str = "") -> str:
    """Curves on common axes, with a legend above them."""
    curves = [_curve(line, place, figure.log) for place, line in enumerate(figure.lines)]
    parts, top = title(figure.title)
    colour = len(curves)
    entries = [(curve.label, _sample(curve)) for curve in curves if curve.label]
    rules = []
    for levels, dash in ((figure.marks, "dashed"), (figure.levels, "dotted")):
        for label, at in levels.items():
            kind = f"line {dash} c{colour % COLOURS}"
            colour += 1
            if not math.isfinite(at) or (at <= 0 and ("x" if levels is figure.marks else "y") in figure.log):
                continue
            rules.append((kind, levels is figure.marks, float(at)))
            entries.append((label, f'<path class="{kind}" d="M0 -4H18"/>'))
    some, top = legend(entries, top)
    x_range, y_range = _ranges(figure, curves, rules)
    y = Scale(*y_range, top + HEIGHT, top + 8, "y" in figure.log)
    y_ticks = y.ticks()
    names = named(y_ticks, y.log)
    area = Area(left_of(figure.y, [name for name, _ in names], HEIGHT), top + 8, WIDTH - 16, top + HEIGHT)
    x_range, y_range = equal_scales(x_range, y_range, area) if figure.equal else (x_range, y_range)
    x, y = Scale(*x_range, area.left, area.right, "x" in figure.log), Scale(*y_range, area.bottom, area.top, y.log)
    if figure.equal:
        y_ticks = y.ticks()
        names = named(y_ticks)
    framed, below = axes(area, x, y, figure.x, figure.y, _x_ticks(figure, x), names)
    parts += [*some, *framed]
    inside: list[str] = []
    for kind, upright, at in rules:
        line = (
            f"M{x(at):.1f} {area.top:.1f}V{area.bottom:.1f}"
            if upright
            else f"M{area.left:.1f} {y(at):.1f}H{area.right:.1f}"
        )
        inside.append(f'<path class="{kind}" d="{line}"/>')
    if figure.arrows is not None:
        moved, by = (plain(values) for values in figure.arrows)
        inside.append(_arrows(moved, by, x, y))
    for curve in curves:
        inside += _drawn(curve, x, y)
    parts.append(clipped(area, inside))
    known = [curve for curve in curves if curve.rising()]
    if hover and known and len(known) == sum(curve.joined and len(curve.x) > 0 for curve in curves):
        parts += _values(known, figure, x, area)
    return svg(parts, WIDTH, below, alt)


def _curve(line: Line, place: int, log: str) -> Curve:
    y = plain(line.y)
    x = np.arange(len(y), dtype=np.float64) if line.x is None else plain(line.x)
    seen = np.isfinite(y) & np.isfinite(x)
    seen &= (x > 0) if "x" in log else True
    seen &= (y > 0) if "y" in log else True
    marks = next((mark for mark in ".ox*" if mark in line.style), "")
    dash = "dashed" if "--" in line.style else "dotted" if ":" in line.style else ""
    joined = bool(dash) or "-" in line.style
    band = [] if line.band is None else [plain(edge)[seen] for edge in line.band]
    colour = "grey" if line.colour == -1 else f"c{(place if line.colour is None else line.colour) % COLOURS}"
    curve = Curve(x[seen], y[seen], line.label, colour, dash, marks, joined, band)
    return _binned(curve) if len(curve.x) > POINTS and curve.rising() else curve


def _binned(curve: Curve) -> Curve:
    """Means of equal bins, with the range of each bin as a band behind them if there is none."""
    edges = np.linspace(0, len(curve.x), POINTS // 2 + 1).astype(int)
    pairs = list(itertools.pairwise(edges))
    x, y = (np.array([values[a:b].mean() for a, b in pairs]) for values in (curve.x, curve.y))
    x[0], x[-1] = curve.x[0], curve.x[-1]
    low, high = curve.band or (curve.y, curve.y)
    if curve.band:
        band = [np.array([edge[a:b].mean() for a, b in pairs]) for edge in (low, high)]
    else:
        band = [np.array([low[a:b].min() for a, b in pairs]), np.array([high[a:b].max() for a, b in pairs])]
    return Curve(x, y, curve.label, curve.colour, curve.dash, "", True, band)


def _ranges(figure: Plot, curves: list[Curve], rules: list) -> tuple[tuple[float, float], tuple[float, float]]:
    x = [value for curve in curves for value in curve.x.tolist()] + [at for _, upright, at in rules if upright]
    y = [value for curve in curves for values in (curve.y, *curve.band) for value in values.tolist()]
    y += [at for _, upright, at in rules if not upright]
    if isinstance(figure.ticks, Mapping):
        x += list(figure.ticks.values())
    elif figure.ticks is not None:
        x += list(figure.ticks)
    if figure.arrows is not None:
        places, moves = map(plain, figure.arrows)
        ends = np.concatenate([places, places + moves])
        x, y = x + ends[:, 0].tolist(), y + ends[:, 1].tolist()
    found = []
    for given, values, name in ((figure.x_range, x, "x"), (figure.y_range, y, "y")):
        log = name in figure.log
        if given is None:
            found.append(around(values, log, 0.03 if name == "x" else 0.05))
            continue
        low, high = float(given[0]), float(given[1])
        usual = around(values, log)
        low, high = (
            low if math.isfinite(low) and (low > 0 or not log) else usual[0],
            high if math.isfinite(high) else usual[1],
        )
        found.append((low, high) if high > low else usual)
    return found[0], found[1]


def equal_scales(
    x: tuple[float, float], y: tuple[float, float], area: Area
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Both ranges, the smaller one widened so that a unit is as long on both axes."""
    unit = max((x[1] - x[0]) / area.width, (y[1] - y[0]) / area.height)
    found = []
    for (low, high), length in ((x, area.width), (y, area.height)):
        middle = (low + high) / 2
        found.append((middle - unit * length / 2, middle + unit * length / 2))
    return found[0], found[1]


def _x_ticks(figure: Plot, x: Scale) -> Named:
    if isinstance(figure.ticks, Mapping):
        return [(str(name), float(at)) for name, at in figure.ticks.items()]
    if figure.ticks is None:
        return named(x.ticks(6), x.log)
    return [(number(float(tick)), float(tick)) for tick in figure.ticks]


def clipped(area: Area, parts: list[str]) -> str:
    """Parts that are cut off at the borders of the area: a nested picture does that without a name of its own."""
    box = f"{area.left:.1f} {area.top - 3:.1f} {area.width + 4:.1f} {area.height + 6:.1f}"
    place = f'x="{area.left:.1f}" y="{area.top - 3:.1f}" width="{area.width + 4:.1f}" height="{area.height + 6:.1f}"'
    return f'<svg {place} viewBox="{box}">{"".join(parts)}</svg>'


def _sample(curve: Curve) -> str:
    line = f'<path class="line {curve.dash} {curve.colour}" d="M0 -4H18"/>' if curve.joined else ""
    mark = curve.marks or ("" if curve.joined else ".")
    return line + (sign(mark, 9, -4, curve.colour) if mark else "")


def sign(mark: str, x: float, y: float, colour: str) -> str:
    """A cross, a star, a dot or a small dot at a place in units of the drawing."""
    if mark == "x":
        return f'<path class="line {colour}" d="M{x - 3.5:.1f} {y - 3.5:.1f}l7 7m0 -7l-7 7"/>'
    if mark == "*":
        points = (f"{x + r * math.sin(a):.1f},{y - r * math.cos(a):.1f}" for a, r in _STAR)
        return f'<polygon class="fill {colour}" points="{" ".join(points)}"/>'
    return f'<circle class="fill {colour}" cx="{x:.1f}" cy="{y:.1f}" r="{3.4 if mark == "o" else 2.2}"/>'


_STAR = [(math.pi * i / 5, 8.0 if i % 2 == 0 else 3.4) for i in range(10)]


def _drawn(curve: Curve, x: Scale, y: Scale) -> list[str]:
    places = [(x(a), y(b)) for a, b in zip(curve.x.tolist(), curve.y.tolist(), strict=True)]
    if not places:
        return []
    parts = []
    if curve.band:
        low, high = (np.where(np.isfinite(edge), edge, curve.y) for edge in curve.band)
        if y.log:
            low, high = np.maximum(low, y.low / 1e3), np.maximum(high, y.low / 1e3)
        upper = [f"{at:.1f},{y(b):.1f}" for (at, _), b in zip(places, high.tolist(), strict=True)]
        lower = [f"{at:.1f},{y(b):.1f}" for (at, _), b in zip(places, low.tolist(), strict=True)]
        parts.append(f'<polygon class="band {curve.colour}" points="{" ".join([*upper, *reversed(lower)])}"/>')
    if curve.joined:
        path = "L".join(f"{a:.1f} {b:.1f}" for a, b in places)
        parts.append(f'<path class="line {curve.dash} {curve.colour}" d="M{path}"/>')
    if curve.marks in ("x", "*") or (curve.marks and len(places) <= ALONE):
        parts += [sign(curve.marks, a, b, curve.colour) for a, b in places]
    elif curve.marks or len(places) == 1:
        size = 5 if curve.marks == "o" else 3 if len(places) > 1000 else 4
        path = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in places)
        parts.append(f'<path class="points {curve.colour}" stroke-width="{size}" d="{path}"/>')
    return parts


def _values(curves: list[Curve], figure: Plot, x: Scale, area: Area) -> list[str]:
    """The values of the curves at each of their places."""
    known = [(curve, curve.x.tolist()) for curve in curves]
    stops = sorted({value for _, places in known for value in places if x.low <= value <= x.high})
    words = {float(at): str(name) for name, at in figure.ticks.items()} if isinstance(figure.ticks, Mapping) else {}

    def rows(index: int) -> list[str]:
        stop = stops[index]
        found = [f"{figure.x or 'x'} {words.get(stop) or number(stop)}"]
        for curve, places in known:
            place = bisect_left(places, stop)
            near = min((i for i in (place - 1, place) if 0 <= i < len(places)), key=lambda i: abs(places[i] - stop))
            if places[near] == stop or places[0] <= stop <= places[-1]:
                found.append(f"{curve.label or figure.y}: {number(float(curve.y[near]))}")
        return found

    return strips(area, [x(stop) for stop in stops], rows)


def _arrows(places: np.ndarray, moves: np.ndarray, x: Scale, y: Scale) -> str:
    """Arrows as one path each, with a head of two strokes."""
    paths = []
    for (a, b), (u, v) in zip(places.tolist(), moves.tolist(), strict=True):
        if not all(map(math.isfinite, (a, b, u, v))):
            continue
        (x0, y0), (x1, y1) = (x(a), y(b)), (x(a + u), y(b + v))
        length = math.hypot(x1 - x0, y1 - y0)
        if length < 0.5:
            continue
        head, angle = min(6.0, 0.4 * length), math.atan2(y1 - y0, x1 - x0)
        (p, q), (r, s) = ((x1 - head * math.cos(angle + t), y1 - head * math.sin(angle + t)) for t in (-0.5, 0.5))
        paths.append(f"M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}M{p:.1f} {q:.1f}L{x1:.1f} {y1:.1f}L{r:.1f} {s:.1f}")
    return f'<path class="line grey" stroke-width="1" style="stroke-width:1" d="{"".join(paths)}"/>'


def histogram(figure: Histogram, hover: bool = True, alt: str = "") -> str:
    """Steps over common bins."""
    values = {name: plain(some).ravel() for name, some in figure.values.items()}
    finite = {name: some[np.isfinite(some)] for name, some in values.items()}
    whole = np.concatenate([*finite.values(), np.zeros(0)])
    edges = np.histogram_bin_edges(whole if len(whole) else [0.0, 1.0], figure.bins)
    heights = {
        name: np.histogram(some, edges, density=figure.density and len(some) > 0)[0].astype(float)
        for name, some in finite.items()
    }
    parts, top = title(figure.title)
    swatch = '<rect class="hist c{}" x="2" y="-10" width="14" height="10"/>'
    entries = [(name, swatch.format(place % COLOURS)) for place, name in enumerate(heights) if name]
    some, top = legend(entries, top)
    most = max((float(tall.max()) for tall in heights.values()), default=1.0) or 1.0
    y_title = "density" if figure.density else "count"
    y = Scale(0.0, 1.06 * most, top + HEIGHT, top + 8)
    y_ticks = y.ticks()
    names = named(y_ticks)
    area = Area(left_of(y_title, [name for name, _ in names], HEIGHT), top + 8, WIDTH - 16, top + HEIGHT)
    x = Scale(float(edges[0]), float(edges[-1]), area.left, area.right)
    x_ticks = x.ticks(6)
    framed, below = axes(area, x, y, figure.x, y_title, named(x_ticks), names)
    parts += [*some, *framed]
    for place, tall in enumerate(heights.values()):
        steps = "".join(
            f"L{x(a):.1f} {y(t):.1f}L{x(b):.1f} {y(t):.1f}"
            for a, b, t in zip(edges.tolist(), edges[1:].tolist(), tall.tolist(), strict=False)
        )
        parts.append(
            f'<path class="hist c{place % COLOURS}" d="M{area.left:.1f} {area.bottom}{steps}'
            f'L{area.right:.1f} {area.bottom}"/>'
        )
    if hover:
        middles = [x(float(a + b) / 2) for a, b in itertools.pairwise(edges)]

        def rows(i: int) -> list[str]:
            span = f"{number(float(edges[i]))} to {number(float(edges[i + 1]))}"
            return [span, *(f"{name or y_title}: {number(float(tall[i]))}" for name, tall in heights.items())]

        parts += strips(area, middles, rows)
    return svg(parts, WIDTH, below, alt)
