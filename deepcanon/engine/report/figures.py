"""Pictures and texts of a run in its page: the latest large, earlier ones small beside it."""

import base64
import io
from pathlib import Path

from deepcanon.engine import pictures
from deepcanon.engine.charts import escape
from deepcanon.engine.report.folder import RunFiles

__all__ = ["figure_files", "image_bytes", "image_tag", "pictures_of", "texts_of"]

STRIP = 12
"""Earlier pictures shown beside the latest one, evenly over the run."""
TEXT_LIMIT = 20_000
"""Characters of a text sample that are shown."""
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


def _spread(files: list, count: int) -> list:
    if len(files) <= count:
        return files
    return [files[index * (len(files) - 1) // (count - 1)] for index in range(count)]


def pictures_of(run: RunFiles, folder: str) -> str:
    blocks = []
    for name, files in figure_files(run, folder, (".png",)).items():
        step, path = files[-1]
        large = image_bytes(path)
        if large is None:
            blocks.append(f"<p class='warn'>{escape(path.name)} cannot be shown</p>")
            continue
        strip = []
        for earlier, other in _spread(files[:-1], STRIP):
            small = image_bytes(other, 180)
            if small:
                picture = image_tag(small, f"{name}, step {earlier}")
                strip.append(f"<figure>{picture}<figcaption>{earlier:,}</figcaption></figure>")
        when = f"step {step:,}" if step >= 0 else ""
        blocks.append(
            f"<div class='picture'><figure class='latest'>"
            f"<figcaption><b>{escape(name.replace('_', ' '))}</b> {when}</figcaption>"
            f"{image_tag(large, f'{name}, {when}')}</figure>"
            + (
                f"<div class='strip-of'><p>earlier, by step</p><div class='row'>{''.join(strip)}</div></div>"
                if strip
                else ""
            )
            + "</div>"
        )
    return f"<div class='pictures'>{''.join(blocks)}</div>" if blocks else ""


def image_tag(data: bytes, alt: str) -> str:
    return f"<img src='data:image/png;base64,{base64.b64encode(data).decode()}' alt='{escape(alt)}'>"


def image_bytes(path: Path, largest: int | None = None) -> bytes | None:
    """The picture's bytes, made anew where a smaller one is asked for; None where it is no picture."""
    from PIL import Image

    try:
        if path.stat().st_size > PICTURE_LIMIT:
            return None
        data = path.read_bytes()
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.width * image.height > PIXEL_LIMIT:
                return None
            image.load()
            if largest is None:
                return data
            image.thumbnail((2 * largest, largest))
            small = io.BytesIO()
            image.convert("RGB").save(small, format="PNG", optimize=True)
        return small.getvalue()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def texts_of(run: RunFiles, folder: str) -> str:
    blocks = []
    for name, files in figure_files(run, folder, (".txt",)).items():
        step, path = files[-1]
        when = f"step {step:,}" if step >= 0 else ""
        earlier = "".join(
            f"<details><summary>step {at:,}</summary><pre>{escape(_text(other, 3000))}</pre></details>"
            for at, other in reversed(_spread(files[:-1], STRIP))
        )
        blocks.append(
            f"<div class='sample'><p><b>{escape(name.replace('_', ' '))}</b> <small>{when}</small></p>"
            f"<pre>{escape(_text(path, TEXT_LIMIT))}</pre>{earlier}</div>"
        )
    return "".join(blocks)


def _text(path: Path, limit: int) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(limit + 1)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return text[:limit] + ("\n… (cut here)" if len(text) > limit else "")
