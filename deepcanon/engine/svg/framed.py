"""Pictures with boxes on them as SVG: a colour for each kind of box, its word at its upper left corner."""

import math

from deepcanon.engine.figures import Framed, as_pictures, plain
from deepcanon.engine.svg.frame import cut, legend, svg, text, title, width_of
from deepcanon.engine.svg.grids import as_bytes, picture

__all__ = ["framed"]

WIDE, SIDE, GAP, SMALL = 640, 150.0, 6, 10.5
DASHES = ("none", "4 3", "1.5 3")


def framed(figure: Framed, hover: bool = True, alt: str = "") -> str:
    """Pictures in rows of up to four; kinds of boxes in the order of the figure, the first with a solid line."""
    images = as_pictures(figure.images)
    height, width = images.shape[-2:]
    shown = as_bytes(images)
    columns = max(1, min(len(images), int((WIDE - 20 + GAP) // (max(SIDE, min(width, 300)) + GAP))))
    side = min((WIDE - 20 - GAP * (columns - 1)) / columns, 300.0)
    scale = side / width
    parts, top = title(figure.title, WIDE)
    kinds = list(figure.boxes)
    marks = [f'<rect x="1" y="-9" width="16" height="10" {_look(number)}/>' for number in range(len(kinds))]
    named, top = legend(list(zip(kinds, marks, strict=True)), top, WIDE)
    parts, top = [*parts, *named], top + 6
    for place, image in enumerate(shown):
        x, y = 10 + (place % columns) * (side + GAP), top + (place // columns) * (scale * height + GAP)
        parts.append(picture(image, x, y, side, scale * height))
        for number, kind in enumerate(kinds):
            boxes, words = plain(figure.boxes[kind]).reshape(-1, 5), figure.words.get(kind, ())
            for row, (own, *corners) in enumerate(boxes.tolist()):
                if int(own) != place or not all(map(math.isfinite, corners)):
                    continue
                left, upper, right, lower = (scale * one for one in corners)
                at = f'x="{x + left:.1f}" y="{y + upper:.1f}" width="{right - left:.1f}" height="{lower - upper:.1f}"'
                parts.append(f"<rect {at} {_look(number)}/>")
                if row < len(words):
                    word = cut(words[row], side, SMALL)
                    start = min(x + left, x + side - width_of(word, SMALL))
                    parts.append(text(word, start, max(y + upper - 2, y + 10), kind="word small halo"))
    rows = -(-len(shown) // columns)
    return svg(parts, WIDE, top + rows * (scale * height + GAP) + 6, alt)


def _look(number: int) -> str:
    """The style of a kind of box."""
    return f'style="fill:none;stroke:var(--r{number % 10});stroke-width:1.6;stroke-dasharray:{DASHES[number % 3]}"'
