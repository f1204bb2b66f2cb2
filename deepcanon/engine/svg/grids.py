"""Matrices as colours and small pictures in a grid as SVG; a number or pixel is a square with sharp edges."""

import base64
import io
import math

import numpy as np

from deepcanon.engine.figures import Heat, Tiles, as_pictures, plain
from deepcanon.engine.svg.frame import (
    WIDTH,
    Area,
    Named,
    Scale,
    axes,
    cut,
    escape,
    left_of,
    number,
    svg,
    text,
    tick_texts,
    title,
    width_of,
    wrapped,
)
from deepcanon.engine.svg.style import sequential, signed

__all__ = ["as_bytes", "colour_bar", "heat", "picture", "tiles"]

NAMED = 30  # rows or columns that an axis can name
WRITTEN = 12  # rows and columns of a matrix whose numbers are written into it
TOLD = 900  # cells that say their number on hover
WIDE = 640  # of a drawing of tiles
PIXELS = 1_500_000  # of all pictures of a figure; larger ones are shrunk
SMALL = 10.5


def png(pixels: np.ndarray) -> str:
    """Pixels [H, W], [H, W, 3] or [H, W, 4] as the address of a picture that is held in the page."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", compress_level=6)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def picture(pixels: np.ndarray, x: float, y: float, width: float, height: float) -> str:
    return (
        f'<image class="crisp" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'preserveAspectRatio="none" href="{png(pixels)}"/>'
    )


def _limits(values: np.ndarray, diverging: bool) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    if diverging:
        most = float(np.abs(finite).max()) or 1.0
        return -most, most
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low, low + (abs(low) or 1.0))


def colour_bar(values: np.ndarray, unit: str, area: Area, diverging: bool) -> list[str]:
    """The scale of the colours on the right of the area."""
    low, high = _limits(values, diverging)
    colour = signed if diverging else sequential
    ramp = np.array([[colour(1 - i / 63)] for i in range(64)], dtype=np.uint8)
    left = area.right + 12
    parts = [picture(ramp, left, area.top, 11, area.height)]
    y = Scale(low, high, area.bottom, area.top)
    ticks = y.ticks(4)
    for name, tick in zip(tick_texts(ticks), ticks, strict=True):
        parts.append(text(name, left + 15, y(tick) + 4, kind="small"))
    middle, wide = (area.top + area.bottom) / 2, max(width_of(name, SMALL) for name in tick_texts(ticks))
    for line in wrapped(unit, area.height + 40, SMALL, most=1):
        at = left + 15 + wide + 13
        parts.append(text(line, at, middle, "middle", "small", f' transform="rotate(-90 {at:.1f} {middle:.1f})"'))
    return parts


def heat(figure: Heat, hover: bool = True, alt: str = "") -> str:
    """A matrix as colours, its numbers written into it where there is room."""
    values = plain(figure.values)
    rows, columns = values.shape
    parts, top = title(figure.title)
    top += 4
    y_names = [str(name) for name in figure.y_names] if 0 < len(figure.y_names) <= NAMED else []
    x_names = [str(name) for name in figure.x_names] if 0 < len(figure.x_names) <= NAMED else []
    room = 300 if columns <= 4 else 130  # few columns leave room for whole sentences
    y_names, x_names = [cut(name, room) for name in y_names], [cut(name, 110) for name in x_names]
    right, width = WIDTH - 84, 0.0
    edge = left_of(figure.y, y_names or [str(rows)], 240)
    side = (right - edge) / columns
    square = rows == columns or (len(y_names) == 0 and len(x_names) == 0 and 0.2 < rows / columns < 2)
    cell = min(side if square else max(13.0, min(24.0, 300 / rows)), max(46.0, 150 / rows) if square else 99.0)
    width = cell * columns if square and cell < side else right - edge
    area = Area(edge, top, edge + width, top + min(420.0, cell * rows))
    x, y = Scale(-0.5, columns - 0.5, area.left, area.right), Scale(rows - 0.5, -0.5, area.bottom, area.top)
    seen = np.array(figure.limits, dtype=np.float64) if len(figure.limits) else values
    low, high = _limits(seen, figure.diverging)
    shares = (np.clip(np.nan_to_num(values, nan=low, posinf=high, neginf=low), low, high) - low) / (high - low)
    colour = signed if figure.diverging else sequential
    table = np.array([colour(i / 255) for i in range(256)], dtype=np.uint8)
    pixels = np.concatenate([table[(255 * shares).round().astype(int)], np.full((rows, columns, 1), 255, np.uint8)], 2)
    pixels[~np.isfinite(values)] = 0  # cells that are not numbers stay empty
    framed, below = axes(
        area, x, y, figure.x, figure.y, _places(x_names, columns), [] if y_names else _places([], rows)
    )
    parts += framed
    parts += [text(name, area.left - 6, y(i) + 4, "end") for i, name in enumerate(y_names)]
    parts.append(picture(pixels, area.left, area.top, area.width, area.height))
    parts += _cells(values, pixels, x, y, figure, area) if hover else []
    parts += colour_bar(seen, figure.unit, area, figure.diverging)
    return svg(parts, WIDTH, below, alt)


def _places(names: list[str], count: int) -> Named:
    """Places by their names, or by their numbers from 0 where there are no names."""
    known = names or [str(place) for place in range(count)]
    step = 1 if names else max(1, math.ceil(count / 8))
    return [(name, float(place)) for place, name in enumerate(known)][::step]


def _cells(values: np.ndarray, pixels: np.ndarray, x: Scale, y: Scale, figure: Heat, area: Area) -> list[str]:
    rows, columns = values.shape
    wide, tall = area.width / columns, area.height / rows
    parts = []
    written = max(rows, columns) <= WRITTEN and wide >= 26 and tall >= 13
    small = bool((np.abs(np.nan_to_num(values)) <= 1).all())
    for row in range(rows if rows * columns <= TOLD else 0):
        for column in range(columns):
            value = float(values[row, column])
            at = f"{_name(figure.y_names, row, figure.y)}, {_name(figure.x_names, column, figure.x)}: {number(value)}"
            box = f'x="{x(column - 0.5):.1f}" y="{y(row - 0.5):.1f}" width="{wide:.1f}" height="{tall:.1f}"'
            if written and math.isfinite(value) and value != 0:
                bright = pixels[row, column, :3].astype(float) @ (0.3, 0.59, 0.11) > 140
                short = in_cell(value, small)
                ink = f' style="fill:{"#111" if bright else "#fff"};font-size:9.5px"'
                if short.strip("-.0"):
                    parts.append(text(short, x(column), y(row) + 3.5, "middle", more=ink))
            parts.append(f'<rect class="cell" {box}><title>{escape(at)}</title></rect>')
    return parts


def in_cell(value: float, small: bool) -> str:
    """A number as it is written into a cell; `small` if all are shares: .25 says it."""
    return f"{value:.2f}".replace("0.", ".") if small else f"{value:.3g}"


def _name(names: object, place: int, axis: str) -> str:
    known = list(names) if isinstance(names, list | tuple) else []
    return f"{axis or 'place'} {known[place] if place < len(known) else place}"


def tiles(figure: Tiles, hover: bool = True, alt: str = "") -> str:
    """Pictures in rows, their names below them; versions of one thing stand below each other."""
    images = as_bytes(as_pictures(figure.images))
    versions = [str(name) for name in figure.versions]
    per = max(1, len(versions))
    names = [str(name) for name in figure.names]
    count, height, width = math.ceil(len(images) / per), *images.shape[1:3]
    margin = max(map(width_of, versions), default=0.0) + (10 if versions else 0)
    columns, tall = _columns(count, height * per, width, names, WIDE - margin - 20)
    side = min((WIDE - margin - 20 - 4 * (columns - 1)) / columns, max(140.0, width))
    side = min(side, 140.0 * width / height) if height > width else side
    scale = side / width
    parts, top = title(figure.title, WIDE)
    top += 4
    for first in range(0, count, columns):
        some = range(first, min(count, first + columns))
        for version in range(per):
            row = images[[i * per + version for i in some if i * per + version < len(images)]]
            parts += _row(row, margin + 10, top, side, scale * height, 4.0)
            if versions:
                parts.append(text(versions[version], margin + 4, top + scale * height / 2 + 4, "end"))
            top += scale * height + (2 if version < per - 1 else 4)
        for place, index in enumerate(some if names else ()):
            middle = margin + 10 + place * (side + 4) + side / 2
            lines = names[index].split("\n") if index < len(names) else []
            for line, words in enumerate(lines[:2]):
                parts.append(text(cut(words, side + 2, SMALL), middle, top + 9 + 12 * line, "middle", "word small"))
        top += 13 * tall + (6 if versions or names else 0)
    used = margin + 20 + columns * (side + 4)
    for said in wrapped(figure.scale, WIDE - 30, SMALL, most=2):
        parts.append(text(said, 10, top + 12, kind="small"))
        top += 15
        used = max(used, width_of(said, SMALL) + 20)
    used = max(used, 300.0)
    used = min(WIDE, used)
    least = f";min-width:{0.75 * used:.0f}px" if names else ""  # names stay legible on a phone
    return svg(parts, used, top + 6, alt, f' style="max-width:{1.4 * used:.0f}px{least}"')


def _columns(count: int, height: int, width: int, names: list[str], room: float) -> tuple[int, int]:
    """Columns of a grid, without an incomplete last row if possible, and the lines that a name takes."""
    lines = [line for name in names for line in name.split("\n")]
    widest = min(110.0, max((width_of(line, SMALL) for line in lines), default=0.0))
    least = max(widest, 44.0 if width <= 96 else 90.0)
    most = max(1, min(count, int((room + 4) // (least + 4))))
    if count > most * 12:  # many small ones: rather long rows than many of them
        most = min(count, int((room + 4) // (max(widest, 28.0) + 4)))
    tall = min(2, max((len(name.split("\n")) for name in names), default=0))
    wanted = most if height <= width else min(most, max(1, round(math.sqrt(count * height / width) * 1.3)))
    for columns in range(wanted, max(0, math.ceil(0.6 * wanted) - 1), -1):
        if count % columns == 0:
            return columns, tall
    return wanted, tall


def _row(images: np.ndarray, left: float, top: float, side: float, tall: float, gap: float) -> list[str]:
    """A row of pictures; each is a picture of its own, so that gaps show the page."""
    return [picture(image, left + place * (side + gap), top, side, tall) for place, image in enumerate(images)]


def as_bytes(array: np.ndarray) -> np.ndarray:
    """[N, H, W] or [N, H, W, 3] of bytes: numbers are scaled by the smallest and largest of all."""
    array = array[:, None] if array.ndim == 3 else array
    if array.dtype != np.uint8:
        values = array.astype(np.float64)
        finite = values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
        array = np.round((values - low) / max(high - low, 1e-300) * 255).astype(np.uint8)
    count, _, height, width = array.shape
    step = max(1, math.ceil(math.sqrt(count * height * width / PIXELS)))
    if step > 1:
        tall, wide = (size // step * step for size in array.shape[2:])
        blocks = array[:, :, :tall, :wide].reshape(*array.shape[:2], tall // step, step, wide // step, step)
        array = blocks.mean((3, 5)).round().astype(np.uint8)
    return array[:, 0] if array.shape[1] == 1 else array.transpose(0, 2, 3, 1)
