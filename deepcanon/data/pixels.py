"""One image file to pixels: EXIF rotation, alpha on white, grey or colour, resized and centre-cropped.

A JPEG file that is shrunk four times or more is decoded at 1/2, 1/4 or 1/8 of its size (`Image.draft`: the decoder
leaves out high frequencies), with `KEPT` times the pixels in each direction that are needed or more; the rest is
resized as all pictures are. At 481 x 321 to 1924 x 1284 pixels, shrunk to 64 to 128, this is up to six times faster
and differs from resizing the whole by 0.5 of 255 on average, by 0.9 in the worst picture. `decode` is the only way to
pixels: training and prediction see the same ones.
"""

import io
import warnings
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL
from PIL import BmpImagePlugin as _bmp
from PIL import Image, ImageOps, features
from PIL import JpegImagePlugin as _jpeg
from PIL import PngImagePlugin as _png
from PIL import WebPImagePlugin as _webp

__all__ = [
    "DECODER", "FORMATS", "SUFFIXES", "BadImage", "Head", "Levels", "decode", "fit", "head", "is_image", "levels",
]  # fmt: skip

KEPT = 2
"""Of a JPEG file that the decoder shrinks: at least so many pixels for each one that is wanted, in each direction."""

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
OTHER_FORMATS = (
    ".gif", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".svg", ".ico", ".psd", ".dng", ".nef", ".cr2", ".ppm",
    ".pgm", ".dcm", ".exr", ".hdr", ".jfif", ".tga",
)  # fmt: skip
"""Pictures that are not read, and are named as such."""
# To find a decoder that is not loaded yet, Pillow imports all forty of them.
DECODER = [
    "rule 5",
    PIL.__version__,
    *(str(features.version(name)) for name in ("libjpeg_turbo", "jpg", "zlib", "webp")),
]
"""What the pixels of a file depend on besides the options; change the number when this module decodes differently."""
FORMATS = tuple(decoder.format for decoder in (
    _jpeg.JpegImageFile, _png.PngImageFile, _webp.WebPImageFile, _bmp.BmpImageFile,
))  # fmt: skip
_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Passes of an interlaced PNG file: first column and row, and how far apart they are."""
PORTION = 1 << 20
_TOLD = (b"tEXt", b"zTXt", b"iTXt")
_TURNS = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")
"""What a text of a PNG file begins with that may say how the picture is turned."""
_GREY = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")

# what Pillow warns about (damaged EXIF, huge images) does not change the pixels, or is refused below
warnings.filterwarnings("ignore", module=r"PIL\.")


class BadImage(ValueError):
    """The file is not an image that can be decoded; the text says why."""


def is_image(path: Path) -> bool:
    """Whether the name is one of a picture of a format that is read."""
    return path.name.lower().endswith(SUFFIXES)


def _open(source: Path | bytes) -> Image.Image:
    if isinstance(source, Path) and not source.is_file():  # a pipe would never end
        raise BadImage("is not a file")
    # only these decoders: none of the others that Pillow has should ever see a user's file
    image = Image.open(source if isinstance(source, Path) else io.BytesIO(source), formats=FORMATS)
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise BadImage(f"has {image.width}x{image.height} pixels, more than the limit of {limit}")
    if image.format == "PNG" and not is_deep(image) and _bits(source) > 8:
        image.close()
        # Pillow keeps the upper 8 bits alone: what a camera of 12 bits saw would become nearly black
        raise BadImage(f"has 16 bits for each value and is not plain grey ({image.mode}): save it with 8 bits")
    return image


def _bits(source: Path | bytes) -> int:
    """Bits for each value of a PNG file, from its header."""
    if isinstance(source, bytes):
        return source[24]
    with open(source, "rb") as file:
        return file.read(25)[24]


def _guarded(source: Path | bytes, use: Any) -> Any:
    try:
        with _open(source) as image:
            return use(image)
    except BadImage:
        raise
    except Image.DecompressionBombError:  # of more than twice the limit
        raise BadImage(f"has many more pixels than the limit of {Image.MAX_IMAGE_PIXELS}") from None
    except Exception as error:  # a decoder given damaged bytes may raise anything
        reason = str(error) if not isinstance(error, Image.UnidentifiedImageError) else ""
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        empty = "is empty" if size == 0 else "is not an image that can be read"
        raise BadImage(f"{empty}{f' ({reason})' if reason and size else ''}") from None


Levels = tuple[float, float]
"""The grey levels of deep files (16 bits and more) that become black and white."""
WHOLE: Levels = (0.0, 65535.0)


def is_deep(image: Image.Image) -> bool:
    """Whether a grey level has more than eight bits."""
    return image.mode.startswith("I") or image.mode == "F"


class Head(NamedTuple):
    """The header of a file. Attributes:
    width, height: after EXIF rotation.
    grey: whether it has no colours.
    deep: whether a grey level has more than eight bits.
    frames: how many pictures the file shows one after the other; only the first of them is decoded.
    """

    width: int
    height: int
    grey: bool
    deep: bool
    frames: int


def head(source: Path | bytes) -> Head:
    """The header of a file; decodes no pixels.

    Raises:
        BadImage: it is not an image that is read.
    """

    def look(image: Any) -> Head:
        width, height = image.size
        grey, deep, frames = image.mode in _GREY, is_deep(image), int(getattr(image, "n_frames", 1))
        # of a PNG without EXIF before its pixels, Pillow decodes all of it to look behind them
        if (image.format != "PNG" or _may_be_turned(image.fp)) and _turned(image):
            width, height = height, width
        return Head(width, height, grey, deep, frames)

    return _guarded(source, look)


def _may_be_turned(file: Any) -> bool:
    """Whether a chunk of a PNG file may say how it is turned, before the pixels or behind them; reads no pixels."""
    before, start = file.tell(), 8
    try:
        while file.seek(start) == start and len(opening := file.read(8)) == 8:
            length, name = int.from_bytes(opening[:4], "big"), opening[4:]
            if name == b"eXIf":
                return True
            text = file.read(min(length, 1 << 20)) if name in _TOLD else b""
            # an XMP packet that is not compressed shows whether it has the tag
            plain = text.startswith(_TURNS[1] + b"\0")
            if text.startswith(_TURNS) and (not plain or b"Orientation" in text):
                return True
            start += 12 + length
        return False
    finally:
        file.seek(before)


def _turned(image: Image.Image) -> bool:
    """Whether EXIF rotation exchanges width and height."""
    return image.getexif().get(0x0112, 1) in (5, 6, 7, 8)


def levels(source: Path | bytes) -> Levels:
    """The smallest and the largest grey level of a deep image."""

    def look(image: Image.Image) -> Levels:
        values = np.asarray(image)
        return float(values.min()), float(values.max())

    return _guarded(source, look)


def decode(source: Path | bytes, size: tuple[int, int], channels: int, range_: Levels = WHOLE) -> np.ndarray:
    """The image as uint8 [channels, height, width]: scaled to cover `size`, the middle kept.

    Args:
        range_: of a deep image, the grey levels that become 0 and 255.
    """
    return _guarded(source, lambda image: _pixels(image, size, channels, range_, source))


class PngChunks(NamedTuple):
    """Of a PNG file: its header, how many colours its palette has, and the pixels, compressed."""

    header: bytes
    colours: int
    pixels: list[memoryview]


def _check_png(source: Path | bytes) -> PngChunks:
    """Compares the chunks of a PNG file that make its pixels with their checksums: Pillow takes 2 % of flipped bits.

    Raises:
        BadImage: one differs.
    """
    content = memoryview(source if isinstance(source, bytes) else source.read_bytes())
    start, colours, data = 8, 0, []
    while start + 12 <= len(content):
        end = start + 8 + int.from_bytes(content[start : start + 4], "big")
        name = bytes(content[start + 4 : start + 8])
        if name == b"IEND" or end + 4 > len(content):  # what is cut short is noticed where it is decoded
            break
        if name in _PIXELS and zlib.crc32(content[start + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):
            raise BadImage(f"is damaged: its chunk {name.decode()} differs from its checksum")
        if name == b"PLTE":
            colours = (end - start - 8) // 3
        if name == b"IDAT":
            data.append(content[start + 8 : end])
        start = end + 4
    return PngChunks(bytes(content[16:29]), colours, data)


def _check_pixels(image: Image.Image, chunks: PngChunks) -> None:
    """What Pillow does not notice in a PNG file: it shows missing rows as black, and missing colours too.

    Raises:
        BadImage: pixels or colours are missing.
    """
    if image.mode == "P":
        highest = image.getextrema()[1]
        if highest >= chunks.colours:  # type: ignore[operator]  # one channel
            raise BadImage(f"is damaged: it has {chunks.colours} colours and uses number {highest}, counted from 0")
    width, height = image.size
    # all that was missing is black, in two rows if passes are interlaced: only then is all of it unpacked once more
    if all(np.asarray(image.crop((0, row, width, row + 1))).any() for row in range(max(0, height - 2), height)):
        return
    bits = chunks.header[8] * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[chunks.header[9]]
    passes = _ADAM7 if chunks.header[12] else ((0, 0, 1, 1),)
    sizes = [(-(-(width - x) // across), -(-(height - y) // down)) for x, y, across, down in passes]
    missing = sum(rows * (1 + (columns * bits + 7) // 8) for columns, rows in sizes if columns > 0)
    unpack, tail = zlib.decompressobj(), b""
    for part in chunks.pixels:
        tail = bytes(part)
        while tail and missing > 0:
            missing -= len(unpack.decompress(tail, PORTION))
            tail = unpack.unconsumed_tail
    if missing > 0 and not unpack.eof:
        missing -= len(unpack.flush())
    if missing > 0:
        raise BadImage(f"is damaged: {missing} bytes of its pixels are missing")


def _pixels(
    image: Image.Image, size: tuple[int, int], channels: int, range_: Levels, source: Path | bytes
) -> np.ndarray:
    chunks = _check_png(source) if image.format == "PNG" else None
    if image.format == "JPEG":
        height, width = size if not _turned(image) else size[::-1]
        image.draft(None, (KEPT * width, KEPT * height))  # type: ignore[arg-type]  # None keeps the colours
    image.load()
    if chunks:
        _check_pixels(image, chunks)
    image = ImageOps.exif_transpose(image)
    if is_deep(image):
        low, high = range_
        deep = (np.asarray(image).astype(np.float64) - low) * (255 / max(high - low, 1e-12))
        image = Image.fromarray(np.clip(np.floor(deep + 0.5), 0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return _fitted(image, size, channels)


def fit(image: np.ndarray, size: tuple[int, int], channels: int) -> np.ndarray:
    """uint8 pixels [channels, height, width] brought to another size or number of channels in the same way."""
    picture = Image.fromarray(image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0)))
    return _fitted(picture, size, channels)


def _fitted(image: Image.Image, size: tuple[int, int], channels: int) -> np.ndarray:
    image = image.convert("L" if channels == 1 else "RGB")
    height, width = size
    if image.size != (width, height):
        # the middle part with the wanted proportions first, so that a long thin image is never enlarged much
        across = min(image.width, image.height * width / height)
        down = min(image.height, image.width * height / width)
        left, top = (image.width - across) / 2, (image.height - down) / 2
        image = image.resize((width, height), Image.Resampling.BICUBIC, box=(left, top, left + across, top + down))
    pixels = np.asarray(image)
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
