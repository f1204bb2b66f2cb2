"""A map of examples to look at closely: any figure of points in the plane that a run holds."""

import io
import math
from typing import Any

import numpy as np

from deepcanon.engine.figures import Scatter, plain
from deepcanon.engine.svg.frame import escape
from deepcanon.serving.pages import address, framed
from deepcanon.serving.shelf import Row
from deepcanon.serving.stored import stored

__all__ = ["map_of", "map_page", "numbers_of", "sheet_of"]

PARTS = 5
"""Decimal places of the width of a map to which its numbers are told; more cannot be seen."""
WIDE = 64
"""Pictures side by side in a sheet."""


def map_of(row: Row, name: str, step: int) -> Scatter | None:
    """The points that a run drew at a step; None if there is no such figure, or it is one of another kind.

    Raises:
        ValueError: the file is damaged.
    """
    figure = stored(row, name, step)
    return figure if isinstance(figure, Scatter) else None


def map_page(row: Row, name: str, step: int, figure: Scatter) -> str:
    """The page, which `map.js` fills with what `numbers_of` and `sheet_of` give."""
    up = "../" * (row.id.count("/") + 1)
    said = name.replace("_", " ")
    body = (
        f"<p class='way'><a href='{up}'>all runs</a> <a href='{up}run/{address(row)}'>{escape(row.id)}</a></p>"
        f"<header><p class='eyebrow'>{escape(row.recipe)}, step {step:,}</p>"
        f"<h1>{escape(said)}</h1><p class='lead'>{escape(figure.caption)}</p></header>"
        "<div class='bar-of'><button type='button' id='closer'>Closer</button>"
        "<button type='button' id='wider'>Wider</button><button type='button' id='whole'>All points</button>"
        "<label><input type='checkbox' id='choose'> choose by a frame</label>"
        "<span id='seen' role='status'></span></div>"
        "<div class='map'><canvas id='map' tabindex='0' role='img' "
        f"aria-label='{escape(said)}: move with the arrow keys, + and - change the scale'></canvas>"
        "<div id='near' hidden></div></div><div id='groups' class='bar-of'></div><div id='chosen'></div>"
        "<noscript><p class='warn'>This page needs JavaScript.</p></noscript>"
    )
    return framed(f"{row.id}: {said}", body, up, "map.js", run=address(row), name=name, step=str(step))


def numbers_of(figure: Scatter) -> dict[str, Any]:
    """JSON of a map: places, the group or value and the words of each point, how large a picture is.

    A point without a place (NaN) has null for one.
    """
    points = plain(figure.points).reshape(-1, 2)
    groups = None if figure.groups is None else plain(figure.groups).astype(int).tolist()
    values = None if figure.values is None else _rounded(plain(figure.values))
    names = [str(name) for name in figure.names]
    sheet = None if figure.images is None else [int(side) for side in np.asarray(figure.images).shape[-2:]]
    return {
        "x": _rounded(points[:, 0]), "y": _rounded(points[:, 1]), "axes": [figure.x, figure.y], "equal": figure.equal,
        "groups": groups, "names": names, "values": values, "unit": figure.unit,
        "texts": {str(place): str(word) for place, word in figure.texts.items()}, "picture": sheet, "wide": WIDE,
    }  # fmt: skip


def _rounded(values: np.ndarray) -> list[float | None]:
    """Rounded by how far they lie apart, not by how large they are: a map may lie far from 0."""
    finite = values[np.isfinite(values)]
    span = float(np.ptp(finite)) if len(finite) else 0.0
    decimals = PARTS - math.floor(math.log10(span)) if 0 < span < math.inf else None
    return [
        (value if decimals is None else round(value, decimals)) if math.isfinite(value) else None
        for value in values.tolist()
    ]


def sheet_of(figure: Scatter) -> bytes | None:
    """A PNG with the pictures of all points, row by row; None if they have none."""
    from PIL import Image

    if figure.images is None:
        return None
    images = np.asarray(figure.images, dtype=np.uint8)
    images = images[:, None] if images.ndim == 3 else images
    count, channels, height, width = images.shape
    rows = -(-count // WIDE)
    sheet = np.zeros((rows * WIDE, channels, height, width), np.uint8)
    sheet[:count] = images
    sheet = sheet.reshape(rows, WIDE, channels, height, width).transpose(0, 3, 1, 4, 2)
    sheet = sheet.reshape(rows * height, WIDE * width, channels)
    content = io.BytesIO()
    Image.fromarray(sheet[..., 0] if channels == 1 else sheet).save(content, "PNG")
    return content.getvalue()
