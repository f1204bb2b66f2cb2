"""Figures and texts of a run in its page: the latest large, with what it shows in a sentence; earlier ones small.

Figures are drawn here from their values, in the page's own colours; a picture file of another origin is shown as it is.
"""

import base64
import io
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deepcanon.engine import pictures
from deepcanon.engine.figures import Framed, Graph, Panels, Tiles
from deepcanon.engine.report.enlarging import enlarging
from deepcanon.engine.report.folder import RunFiles
from deepcanon.engine.sounds import Sound, audio_tag
from deepcanon.engine.svg import draw, draw_file, size_of
from deepcanon.engine.svg.frame import WIDTH, escape

__all__ = [
    "TEXT_LIMIT", "VERDICT", "drawn_file", "figure_files", "figures_of", "small_figure", "text_file", "texts_of",
]  # fmt: skip

VERDICT = "verdict"
"""The text that comes first in a page."""
STRIP = 8
"""Earlier figures shown next to the latest one, evenly over the run."""
STRIP_BYTES = 150_000
"""What the earlier ones of a figure may add to the page."""
TEXT_LIMIT = 20_000
"""Characters of a text sample that are shown."""
LINE = 160
"""Characters up to which a line is not broken: it may be one of a table."""
PICTURE_LIMIT = 24_000_000
"""Bytes above which a picture file is left out."""
PIXEL_LIMIT = 40_000_000
"""Pixels above which a picture is left out unread."""


def figure_files(run: RunFiles, folder: str, suffixes: tuple[str, ...]) -> dict[str, list[tuple[int, Path]]]:
    """Files by figure name, each with its steps in order. Links are left out: they may lead anywhere."""
    found: dict[str, list[tuple[int, Path]]] = {}
    place = run.folder / folder
    if place.is_dir() and not place.is_symlink():
        for path in sorted(place.iterdir()):
            if path.suffix.lower() in suffixes and path.is_file() and not path.is_symlink() and path.name[0] != ".":
                match = pictures.FILE.fullmatch(path.name)
                name, step = (match["name"], int(match["step"])) if match else (path.stem, -1)
                found.setdefault(name, []).append((step, path))
    return {name: sorted(files) for name, files in sorted(found.items())}


def _spread(files: Sequence[Any], count: int) -> list[Any]:
    if len(files) <= count or count < 2:
        return list(files[-count:] if count else ())
    return [files[index * (len(files) - 1) // (count - 1)] for index in range(count)]


def figures_of(run: RunFiles, folder: str) -> str:
    """A card for each figure of a folder."""
    blocks: list[tuple[bool, str]] = []
    for name, files in figure_files(run, folder, (".npz", ".png")).items():
        step, path = files[-1]
        try:
            latest, caption, wide = drawn_file(path, name)
        except (OSError, ValueError) as error:
            blocks.append((True, f"<p class='warn wide-one'>{escape(path.name)} cannot be shown: {escape(error)}</p>"))
            continue
        when = f" <small>step {step:,}</small>" if step >= 0 else ""
        card = f"<div class='picture{' wide-one' if wide else ''}'><h3>{escape(name.replace('_', ' '))}{when}</h3>"
        said = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
        card += f"<figure>{enlarging(latest, f'{folder} {name}')}{said}</figure>"
        card += f"{_earlier(_changed(files)[:-1], name)}</div>"
        blocks.append((wide, card))
    narrow, broad = ([card for wide, card in blocks if wide == kind] for kind in (False, True))
    if len(narrow) % 2:  # cards stand in pairs; one that is left takes the whole width, its earlier ones on the right
        narrow[-1] = narrow[-1].replace("class='picture'", "class='picture wide-one lone'", 1)
    return f"<div class='pictures'>{''.join([*narrow, *broad])}</div>" if blocks else ""


def drawn_file(path: Path, name: str) -> tuple[str, str, bool]:
    """A figure file as HTML, its caption, and whether it needs the whole width of the page."""
    if path.suffix.lower() == ".png":
        return image_tag("png", _png(path), name), "", False
    figure = pictures.read_figure(path)
    try:
        panels = draw(replace(figure, caption=figure.caption or name.replace("_", " ")))
    except Exception as error:  # the values come from a file: whatever is wrong with them, the page is written
        raise ValueError(f"{type(error).__name__}: {error}") from None
    columns = max(2, min(figure.columns, len(panels))) if isinstance(figure, Panels) else 1
    wide = len(panels) > 1 or (
        isinstance(figure, Framed | Tiles | Graph) and max(size_of(one)[0] for one in panels) > WIDTH
    )
    drawn = f"<span class='panels' style='--columns:{columns}'>{''.join(panels)}</span>"
    if isinstance(figure, Sound):
        try:
            drawn += "".join(audio_tag(figure, number) for number in range(len(figure.values)))
        except (TypeError, ValueError, IndexError, OverflowError, struct.error) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from None
    return drawn, figure.caption, wide


def _earlier(files: list[tuple[int, Path]], name: str) -> str:
    """Small ones, fewer of those that take many bytes."""
    if not files:
        return ""
    first = _small(files[0][1], f"{name}, step {files[0][0]}")
    count = min(STRIP, max(1, STRIP_BYTES // max(1, len(first)))) if first else STRIP
    strip = []
    for step, path in _spread(files, count):
        if picture := first if path == files[0][1] else _small(path, f"{name}, step {step}"):
            strip.append(f"<figure>{picture}<figcaption>{step:,}</figcaption></figure>")
    row = "".join(strip)
    return f"<details class='strip-of' open><summary>earlier, by step</summary><div class='row'>{row}</div></details>"


def _changed(files: list[tuple[int, Path]]) -> list[tuple[int, Path]]:
    """The files without those that hold the same bytes as the one before."""
    kept: list[tuple[int, Path]] = []
    for step, path in files:
        if not kept or not _same(kept[-1][1], path):
            kept.append((step, path))
    return kept


def _same(one: Path, other: Path) -> bool:
    """Whether two files are equal; those that cannot be read are not."""
    try:
        return one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()
    except OSError:
        return False


def _small(path: Path, alt: str) -> str:
    """A figure of a few bytes as an `<img>`; "" if it cannot be drawn."""
    try:
        if path.suffix.lower() == ".png":
            return image_tag("png", _png(path, 180), alt)
        figure = pictures.read_figure(path)
        return image_tag("svg+xml", draw_file(figure, hover=False).encode("utf-8", "replace"), alt)
    except Exception:  # see above
        return ""


def small_figure(path: Path, name: str) -> str:
    """A figure among those of other runs, with its caption as the alternative text."""
    try:
        figure = None if path.suffix.lower() == ".png" else pictures.read_figure(path)
    except (OSError, ValueError):
        return ""
    return _small(path, (figure.caption if figure else "") or name)


def image_tag(kind: str, data: bytes, alt: str) -> str:
    return f"<img src='data:image/{kind};base64,{base64.b64encode(data).decode()}' alt='{escape(alt)}'>"


def _png(path: Path, largest: int | None = None) -> bytes:
    """The bytes of a picture file, or of a smaller copy.

    Raises:
        ValueError: it is not a picture, or too large.
    """
    from PIL import Image

    try:
        if path.stat().st_size > PICTURE_LIMIT:
            raise ValueError("too large")
        data = path.read_bytes()
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.width * image.height > PIXEL_LIMIT:
                raise ValueError("too large")
            image.load()
            if largest is None:
                return data
            image.thumbnail((2 * largest, largest))
            small = io.BytesIO()
            image.convert("RGB").save(small, format="PNG", optimize=True)
        return small.getvalue()
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"no picture: {type(error).__name__}") from None


def texts_of(run: RunFiles, folder: str, *, first: bool = False) -> str:
    """The texts of a folder with their captions: the verdict alone if `first`, else all the others."""
    blocks, captions = [], pictures.read_captions(run.folder / folder)
    for name, files in figure_files(run, folder, (".txt",)).items():
        if (name == VERDICT) != first:
            continue
        step, path = files[-1]
        when = f"step {step:,}" if step >= 0 else ""
        earlier = "".join(
            f"<details><summary>step {at:,}</summary><pre>{escape(text_file(other, 3000))}</pre></details>"
            for at, other in reversed(_spread(files[:-1], STRIP))
        )
        said = f"<p class='caption'>{escape(captions[name])}</p>" if name in captions else ""
        head = "" if first else f"<h3>{escape(name.replace('_', ' '))} <small>{when}</small></h3>"
        words = text_file(path, TEXT_LIMIT)
        kept = " class='table'" if max(map(len, words.splitlines() or [""])) <= LINE else ""
        blocks.append(f"<div class='sample'>{head}<pre{kept}>{escape(words)}</pre>{said}")
        blocks.append(f"{'' if first else earlier}</div>")
    return "".join(blocks)


def text_file(path: Path, limit: int = TEXT_LIMIT) -> str:
    """The text of a file, cut after so many characters; if it cannot be read, a sentence that says so."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(limit + 1)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return text[:limit] + ("\n… (cut here)" if len(text) > limit else "")
