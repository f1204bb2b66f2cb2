"""Figures of a run as files: image grids, heat maps, matplotlib figures and text samples.

A recipe's ``figures()`` returns a name and a thing for each figure; ``save_figures`` decides by its kind:

- array [N, H, W] or [N, C, H, W] (C = 1 or 3): a grid of tiles, PNG and ``.npz``;
- array [H, W]: a heat map with axes, PNG and ``.npz``;
- a value of ``engine.figures`` (curves, heat maps, scatter plots ...): PNG and its numbers as ``.npz``;
- matplotlib figure: PNG (the figure is closed);
- str: a text sample, ``.txt``.

Files are called ``{name}-{step:08d}.{png,npz,txt}``; each is written beside its place and renamed, so that a
reader never sees half a file.
"""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from deepcanon.engine import drawers
from deepcanon.engine import figures as figures_
from deepcanon.writing import TEMPORARY, replacing

if TYPE_CHECKING:
    from PIL.Image import Image

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""What a figure may be called: it becomes a file name."""

FILE = re.compile(r"(?P<name>.+)-(?P<step>\d{8,})\.(?P<kind>png|npz|txt)")
"""A figure's file name, as ``save_figures`` writes it."""

LARGEST_TILE = 512
"""Pixels of the longer side above which an image is scaled down for the grid; the ``.npz`` keeps it whole."""


def save_figures(folder: Path, step: int, figures: dict[str, object]) -> list[Path]:
    """Write each figure into ``folder``; returns the files written, in the order of ``figures``."""
    for name in figures:
        check_name(name)
    written: list[Path] = []
    if figures:
        folder.mkdir(exist_ok=True)  # not its parents: a run folder that was removed is not made again
    for name, figure in figures.items():
        stem = folder / f"{name}-{step:08d}"
        if isinstance(figure, str):
            written.append(_write(stem, ".txt", _text_writer(figure)))
        elif isinstance(figure, figures_.Figure):
            written.append(_write(stem, ".png", _figure_writer(drawers.draw(figure))))
            written.append(_write(stem, ".npz", _npz_writer(**figures_.arrays_of(figure))))
        elif hasattr(figure, "savefig"):
            written.append(_write(stem, ".png", _figure_writer(figure)))
        else:
            array = as_array(figure)
            draw = _heat_writer(array, name) if array.ndim == 2 else _tiles_writer(array)
            written.append(_write(stem, ".png", draw))
            written.append(_write(stem, ".npz", _npz_writer(array=array)))
    return written


def drop_after(folder: Path, step: int) -> list[Path]:
    """Remove figures of steps later than ``step`` (a resumed run draws them again) and half-written files."""
    dropped = []
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            match = FILE.fullmatch(path.name)
            if (match and int(match["step"]) > step) or path.name.startswith(TEMPORARY):
                path.unlink(missing_ok=True)
                dropped.append(path)
    return dropped


def check_name(name: object) -> None:
    """Raise ValueError unless ``name`` is safe as a part of a file name."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(
            f"a figure's name holds letters, digits, '_', '-' and '.' only, 64 at most, and begins with "
            f"a letter or digit; got {name!r}"
        )


def as_array(figure: Any) -> np.ndarray:
    """A tensor or array-like of two to four dimensions as a NumPy array of numbers."""
    if hasattr(figure, "detach"):
        figure = figure.detach().cpu()
        if str(figure.dtype) in ("torch.bfloat16", "torch.float16"):
            figure = figure.float()
        figure = figure.numpy()
    array = np.asarray(figure)
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    if array.dtype.kind not in "uif":
        raise ValueError(f"a figure is an array of numbers, a matplotlib figure or a str; got {array.dtype}")
    if array.ndim not in (2, 3, 4) or 0 in array.shape:
        raise ValueError(f"a figure's array is [H, W], [N, H, W] or [N, C, H, W], not empty; got {array.shape}")
    if array.ndim == 4 and array.shape[1] not in (1, 3):
        raise ValueError(f"a figure's array [N, C, H, W] has C = 1 (grey) or 3 (colour); got {array.shape}")
    return array


def tiles(array: np.ndarray) -> "Image":
    """A grid of the images of ``array`` [N, H, W] or [N, C, H, W], row by row.

    uint8 is shown as it is; other numbers are scaled by the whole array's smallest and largest value. Small
    images are magnified by a whole factor, so that a pixel stays a square.
    """
    from PIL import Image

    array = as_array(array)
    if array.ndim == 2:
        array = array[None]
    if array.ndim == 3:
        array = array[:, None]
    pixels = _to_bytes(array)
    count, channels, height, width = pixels.shape
    shrink = max(1, math.ceil(max(height, width) / LARGEST_TILE))
    if shrink > 1:
        pixels = np.stack([_shrink(image, shrink) for image in pixels])
        count, channels, height, width = pixels.shape
    columns = _columns(count, height, width)
    rows = math.ceil(count / columns)
    longest = max(columns * width, rows * height)
    scale = max(1, min(8, 96 // max(height, width) or 1, 1024 // longest or 1))
    pixels = pixels.repeat(scale, axis=2).repeat(scale, axis=3)
    height, width, gap = height * scale, width * scale, 2
    grid = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, channels), 128, dtype=np.uint8)
    for index, image in enumerate(pixels):
        top = gap + (index // columns) * (height + gap)
        left = gap + (index % columns) * (width + gap)
        grid[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return Image.fromarray(grid[:, :, 0] if channels == 1 else grid)


def _columns(count: int, height: int, width: int) -> int:
    """Columns of a grid of ``count`` tiles: near to a square, without a ragged last row if possible."""
    square = max(1, min(count, round(math.sqrt(count * height / width))))
    for columns in range(square, min(count, 2 * square) + 1):
        if count % columns == 0:
            return columns
    return square


def _to_bytes(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    values = array.astype(np.float64)
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(array.shape, dtype=np.uint8)
    low, high = values[finite].min(), values[finite].max()
    values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    return np.round((values - low) / max(high - low, np.finfo(np.float64).tiny) * 255).astype(np.uint8)


def _shrink(image: np.ndarray, factor: int) -> np.ndarray:
    from PIL import Image

    channels, height, width = image.shape
    source = Image.fromarray(image[0] if channels == 1 else image.transpose(1, 2, 0))
    small = np.asarray(source.resize((max(1, width // factor), max(1, height // factor)), Image.Resampling.BOX))
    return small[None] if channels == 1 else small.transpose(2, 0, 1)


def _write(stem: Path, suffix: str, write: Callable[[IO[bytes]], None]) -> Path:
    """Write through a temporary name, so that the final name never holds half a file."""
    path = stem.with_name(stem.name + suffix)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        write(file)
    return path


def _text_writer(text: str) -> Callable[[IO[bytes]], None]:
    def write(file: IO[bytes]) -> None:
        file.write(text.encode("utf-8", errors="replace"))

    return write


def _npz_writer(**arrays: np.ndarray) -> Callable[[IO[bytes]], None]:
    return lambda file: np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def _tiles_writer(array: np.ndarray) -> Callable[[IO[bytes]], None]:
    return lambda file: tiles(array).save(file, format="PNG")


def _figure_writer(figure: Any) -> Callable[[IO[bytes]], None]:
    def write(file: IO[bytes]) -> None:
        figure.savefig(file, format="png", dpi=110, bbox_inches="tight")
        figure.clear()
        from matplotlib import pyplot

        pyplot.close(figure)

    return write


def _heat_writer(array: np.ndarray, name: str) -> Callable[[IO[bytes]], None]:
    def write(file: IO[bytes]) -> None:
        # Figure and its Agg canvas are made without pyplot: nothing global, no window system is asked for.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        height, width = array.shape
        longest = max(height, width)
        figure = Figure(figsize=(2.2 + 4.2 * max(width / longest, 0.15), 0.9 + 4.2 * max(height / longest, 0.15)))
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        values = np.where(np.isfinite(array), array, np.nan).astype(np.float64)
        image = axes.imshow(values, aspect="auto", interpolation="nearest", cmap="viridis")
        axes.set_title(name.replace("_", " "), fontsize=10)
        figure.colorbar(image, ax=axes)
        figure.savefig(file, format="png", dpi=110, bbox_inches="tight")

    return write
