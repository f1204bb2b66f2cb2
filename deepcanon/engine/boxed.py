"""Found boxes on the pictures that they were found in, as files to look at."""

import zlib
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from deepcanon.data import Inputs, pixels
from deepcanon.errors import UsageError
from deepcanon.writing import replacing

__all__ = ["boxed", "draw_boxes"]

COLOURS = (
    "#1463c4", "#d4570f", "#00856a", "#8c3fb8", "#c2185b", "#8a6d00", "#0088a8", "#5b6470", "#7a4a21", "#4f8a10",
)  # fmt: skip


def colour_of(label: str) -> str:
    """A class has one colour in all pictures and all runs."""
    return COLOURS[zlib.crc32(label.encode()) % len(COLOURS)]


def boxed(image: Image.Image, boxes: list[dict[str, Any]]) -> Image.Image:
    """The picture with a frame around each box and a plate with its class and score, the best box on top.

    Args:
        boxes: best first, with `label`, `score`, `x`, `y`, `width` and `height` in pixels of the image.
    """
    image = image.convert("RGB")
    draw, side = ImageDraw.Draw(image), min(image.size)
    line, size = max(1, round(side / 250)), max(9, round(side / 35))
    font = ImageFont.load_default(size)
    for box in reversed(boxes):
        colour = colour_of(box["label"])
        left, top = round(box["x"]), round(box["y"])
        right, bottom = max(left, round(box["x"] + box["width"]) - 1), max(top, round(box["y"] + box["height"]) - 1)
        draw.rectangle((left, top, right, bottom), outline=colour, width=line)
        words = f"{box['label']} {100 * box['score']:.0f} %"
        across, down = draw.textbbox((0, 0), words, font=font)[2:]
        across, down = round(across) + 2 * line + 2, round(down) + line + 2
        # above the box, or inside where there is no room; always in the picture
        x = max(0, min(left, image.width - across))
        y = top - down if top >= down else top
        draw.rectangle((x, y, x + across, y + down), fill=colour)
        draw.text((x + line + 1, y + 1), words, fill="white", font=font)
    return image


def draw_boxes(given: Inputs, answers: list[dict[str, Any]], folder: Path) -> list[Path]:
    """Writes a JPEG file for each picture, in its own size; returns the files.

    Raises:
        UsageError: one of the pictures would be overwritten, or the folder cannot be made.
    """
    names: dict[str, int] = {}
    files = []
    for name in given.names:
        stem = Path(name).stem
        names[stem] = names.get(stem, 0) + 1
        files.append(folder / f"{stem}{f'-{names[stem]}' if names[stem] > 1 else ''}.jpg")
    own = {source.resolve() for source, _, _ in given.pictures if isinstance(source, Path)}
    for file in files:
        if file.resolve() in own:
            raise UsageError(f"--draw {folder}: {file} is one of the pictures and would be overwritten: name another")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--draw {folder}: cannot be made ({error.strerror}): name a folder") from None
    for file, (source, width, height), answer in zip(files, given.pictures, answers, strict=False):
        image = Image.fromarray(pixels.decode(source, (height, width), 3).transpose(1, 2, 0))
        with replacing(file) as temporary:
            boxed(image, answer["boxes"]).save(temporary, "JPEG", quality=90, subsampling=0)
    return files
