"""Figures of a run as files, and grids of pictures for those who want pixels.

A recipe's ``figures()`` returns a name and a value of ``engine.figures`` for each figure; ``save_figures`` writes

- ``Text``: ``.txt``, and its caption into ``captions.json`` of the folder;
- every other value: ``.svg`` to look at, light or dark as the reader likes, and ``.npz`` with its numbers and labels,
  from which ``read_figure`` makes the value again;
- ``Sound``: besides these a ``.wav`` for each recording, its number after the name.

Files are called ``{name}-{step:08d}.{svg,npz,txt}``; each is written next to its place and renamed, so that a
reader never sees half a file.
"""

import io
import json
import math
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, get_args

import numpy as np

from deepcanon.engine.figures import Figure, Text, as_pictures, from_arrays, to_arrays
from deepcanon.engine.sounds import Sound, wav_of
from deepcanon.writing import TEMPORARY, replacing

if TYPE_CHECKING:
    from PIL.Image import Image

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""What a figure may be called: it becomes a file name."""

FILE = re.compile(r"(?P<name>.+)-(?P<step>\d{8,})\.(?P<kind>svg|png|npz|txt|wav)")
"""A figure's file name, as ``save_figures`` writes it."""

CAPTIONS = "captions.json"
"""What the texts of a folder show, by their names."""

LARGEST_TILE = 512
"""Pixels of the longer side above which an image is scaled down for the grid."""

LARGEST_FIGURE = 64_000_000
"""Bytes of numbers above which a figure is not read."""


def save_figures(folder: Path, step: int, figures: Mapping[str, Any]) -> list[Path]:
    """Write each figure into ``folder``; returns the files written, in the order of ``figures``.

    Raises:
        ValueError: a name cannot be a file's, or a value is not a figure; then nothing has been written.
    """
    from deepcanon.engine.svg import draw_file  # drawing needs a picture library at times, reading a run does not

    for name, figure in figures.items():
        check_name(name)
        if not isinstance(figure, (*get_args(Figure), Text)):
            raise ValueError(f"a figure is a value of engine.figures; {name} is {type(figure).__name__}")
    written: list[Path] = []
    if figures:
        folder.mkdir(exist_ok=True)  # not its parents: a run folder that was removed is not made again
    for name, figure in figures.items():
        stem = folder / f"{name}-{step:08d}"
        if isinstance(figure, Text):
            written.append(_write(stem, ".txt", figure.text.encode("utf-8", errors="replace")))
        else:
            arrays = to_arrays(figure)
            written.append(_write(stem, ".svg", draw_file(figure).encode("utf-8", errors="replace")))
            written.append(_write(stem, ".npz", _npz_writer(arrays)))
        if isinstance(figure, Sound):
            for number in range(len(figure.values)):
                place = folder / f"{name}-{number + 1}-{step:08d}"
                written.append(_write(place, ".wav", wav_of(figure, number)))
    said = {name: figure.caption for name, figure in figures.items() if isinstance(figure, Text) and figure.caption}
    if said and said != read_captions(folder):
        _write(folder / "captions", ".json", json.dumps({**read_captions(folder), **said}, ensure_ascii=False).encode())
    return written


def read_figure(path: Path) -> Figure:
    """The figure whose numbers and labels are in a ``.npz`` file.

    Raises:
        ValueError: the file holds no figure, or more numbers than a page can show.
    """
    data = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST_FIGURE:
                raise ValueError("too large to be shown")
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            return from_arrays({name: stored[name] for name in stored.files})
    except (zipfile.BadZipFile, EOFError, MemoryError, KeyError, TypeError, NotImplementedError) as error:
        raise ValueError(f"no figure: {error}") from None


def read_captions(folder: Path) -> dict[str, str]:
    """What the texts of a folder show; {} where that was not written."""
    try:
        said = json.loads((folder / CAPTIONS).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return {str(name): str(words) for name, words in said.items()} if isinstance(said, dict) else {}


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


def tiles(array: np.ndarray) -> "Image":
    """A grid of the images of ``array`` [N, H, W] or [N, C, H, W], row by row.

    uint8 is shown as it is; other numbers are scaled by the whole array's smallest and largest value. Small
    images are magnified by a whole factor, so that a pixel stays a square.
    """
    from PIL import Image

    array = as_pictures(array[None] if array.ndim == 2 else array)
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
    """Columns of a grid of ``count`` tiles: nearly a square, without an incomplete last row if possible."""
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


def _write(stem: Path, suffix: str, content: bytes | Callable[[IO[bytes]], None]) -> Path:
    """Writes under a temporary name, so that the final name never holds an incomplete file."""
    path = stem.with_name(stem.name + suffix)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        if isinstance(content, bytes):
            file.write(content)
        else:
            content(file)
    return path


def _npz_writer(arrays: dict[str, np.ndarray]) -> Callable[[IO[bytes]], None]:
    return lambda file: np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
