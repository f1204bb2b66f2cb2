"""Points in the plane as SVG: coloured by group or value, with words that do not cover each other."""

from collections.abc import Mapping

import numpy as np

from deepcanon.engine.figures import Scatter, plain
from deepcanon.engine.svg.frame import (
    WIDTH,
    Area,
    Scale,
    around,
    axes,
    escape,
    left_of,
    legend,
    named,
    svg,
    text,
    tick_texts,
    title,
    width_of,
)
from deepcanon.engine.svg.grids import colour_bar
from deepcanon.engine.svg.plots import clipped, equal_scales
from deepcanon.engine.svg.style import COLOURS, sequential

__all__ = ["placed", "scatter"]

HEIGHT = 320
NAMED = 30  # groups that a legend can name
SHADES = 24
WORD = 11.0  # size of words next to points


def scatter(figure: Scatter, hover: bool = True, alt: str = "") -> str:
    """Points on common axes, with a legend of their groups or a scale of their values."""
    points = plain(figure.points).reshape(-1, 2)
    seen = np.isfinite(points).all(1)
    groups = np.zeros(len(points)) if figure.groups is None else plain(figure.groups)
    parts, top = title(figure.title)
    present = [int(group) for group in np.unique(groups[seen])] if figure.groups is not None else []
    few = 0 < len(present) <= NAMED and figure.values is None
    entries = []
    for place, group in enumerate(present if few else []):
        name = figure.names[group] if 0 <= group < len(figure.names) else ""
        if name:
            entries.append((str(name), f'<path class="{_kind(place)}" stroke-width="9" d="M9 -4h0"/>'))
    some, top = legend(entries, top)
    right = WIDTH - (78 if figure.values is not None else 16)
    y_range = around(points[seen, 1].tolist())
    ticks = Scale(*y_range, top + HEIGHT, top + 8).ticks()
    area = Area(left_of(figure.y, tick_texts(ticks), HEIGHT), top + 8, right, top + HEIGHT)
    x_range = around(points[seen, 0].tolist(), margin=0.1 if figure.texts else 0.05)
    x_range, y_range = equal_scales(x_range, y_range, area) if figure.equal else (x_range, y_range)
    x, y = Scale(*x_range, area.left, area.right), Scale(*y_range, area.bottom, area.top)
    framed, below = axes(area, x, y, figure.x, figure.y, named(x.ticks(6)), named(y.ticks()))
    parts += [*some, *framed]
    places = np.array(
        [[x(a), y(b)] if ok else [np.nan, np.nan] for (a, b), ok in zip(points.tolist(), seen, strict=True)]
    )
    size = max(2.5, min(6.5, 110 / max(1, len(points)) ** 0.5))
    if figure.values is not None:
        parts.append(clipped(area, _by_value(places, plain(figure.values), seen, size)))
        parts += colour_bar(plain(figure.values), figure.unit, area, False)
    else:
        kinds = {group: place for place, group in enumerate(present)}
        drawn = []
        for group in present or [0]:
            member = seen & (groups == group)
            name = str(figure.names[group]) if 0 <= group < len(figure.names) and hover else ""
            drawn.append(_points(places[member], _kind(kinds.get(group, 0)), size, name))
        parts.append(clipped(area, drawn))
    words = {row: word for row, word in figure.texts.items() if 0 <= row < len(points) and seen[row]}
    for row, (left, base) in placed(places, words, area).items():
        parts.append(text(words[row], left, base, kind="word small halo"))
    if hover:
        parts += [_named(places[row], word) for row, word in words.items()]
    return svg(parts, WIDTH, below, alt)


def _kind(place: int) -> str:
    return f"points c{place % COLOURS}" + (" square" if place // COLOURS % 2 else "")


def _points(places: np.ndarray, kind: str, size: float, name: str = "", more: str = "") -> str:
    path = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in places.tolist())
    drawn = f'<path class="{kind}" stroke-width="{size:.1f}" d="{path}"{more}/>' if path else ""
    return f"<g><title>{escape(name)}</title>{drawn}</g>" if name and drawn else drawn


def _by_value(places: np.ndarray, values: np.ndarray, seen: np.ndarray, size: float) -> list[str]:
    seen = seen & np.isfinite(values)
    if not seen.any():
        return []
    low, high = values[seen].min(), values[seen].max()
    shades = np.zeros(len(values), dtype=int)
    shades[seen] = ((values[seen] - low) / max(high - low, 1e-300) * (SHADES - 1)).round()
    parts = []
    for shade in range(SHADES):
        red, green, blue = sequential(shade / (SHADES - 1))
        more = f' style="stroke:#{red:02x}{green:02x}{blue:02x}"'
        parts.append(_points(places[seen & (shades == shade)], "points", size, more=more))
    return parts


def _named(place: np.ndarray, word: str) -> str:
    a, b = place.tolist()
    return f'<circle class="cell" cx="{a:.1f}" cy="{b:.1f}" r="6"><title>{escape(word)}</title></circle>'


def placed(places: np.ndarray, words: Mapping[int, str], area: Area) -> dict[int, tuple[float, float]]:
    """(left end, baseline) of words next to their points, in the order given; what finds no free place is left out.

    Args:
        places: [N, 2] in units of the drawing.
        words: by the row of their point.
    """
    points = [(a - 3, b - 3, a + 3, b + 3) for a, b in (places[row].tolist() for row in words)]
    boxes: list[tuple[float, float, float, float]] = []
    found: dict[int, tuple[float, float]] = {}
    for place, (row, word) in enumerate(words.items()):
        others = points[:place] + points[place + 1 :]
        (a, b), wide = places[row].tolist(), width_of(str(word), WORD)
        sides = ((a + 5, b + 4), (a - 5 - wide, b + 4), (a - wide / 2, b - 6), (a - wide / 2, b + 14), (a + 4, b - 4),
                 (a + 4, b + 12), (a - 4 - wide, b - 4), (a - 4 - wide, b + 12))  # fmt: skip
        # A place next to a point is better; over another point is better than no name at all.
        for left, base, taken in [(*at, [*boxes, *others]) for at in sides] + [(*at, boxes) for at in sides]:
            box = (left, base - 9, left + wide, base + 3)
            inside = area.left <= box[0] and box[2] <= area.right and area.top <= box[1] and box[3] <= area.bottom
            if inside and not any(_touch(box, other) for other in taken):
                found[row] = (left, base)
                boxes.append(box)
                break
    return found


def _touch(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
