"""One image file to pixels: EXIF rotation, alpha on white, grey or colour, resized and centre-cropped.

A JPEG file that is shrunk four times or more is decoded at 1/2, 1/4 or 1/8 of its size (`Image.draft`: the decoder
leaves out high frequencies), with twice the pixels in each direction that are needed or more (`draft`); the rest is
resized as all pictures are. What is decoded may reach a part of a pixel beyond the picture, and is cut where the
picture ends. Photographs of 481 x 321 to 1924 x 1284 pixels, shrunk to 32 to 320, differ from those resized as a whole
by 0.2 to 0.9 of 255 on average, and by 1.5 in the worst picture (bicubic and Lanczos filters differ by 1.0 to 1.2); the
largest become 128 x 128 four times as fast. With a `draft` of 1 they differ by 0.4 to 2.4. `decode` is the only way to
pixels: training and prediction see the same ones.
"""

import io
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL
from PIL import BmpImagePlugin as _bmp
from PIL import Image, features
from PIL import JpegImagePlugin as _jpeg
from PIL import PngImagePlugin as _png
from PIL import WebPImagePlugin as _webp

from .errors import BadImage
from .jpeg_heads import frame_of, start_of
from .png_checks import check_pixels, check_png

__all__ = [
    "DECODER", "FORMATS", "SUFFIXES", "BadImage", "Head", "Levels", "content_of", "decode", "fit", "head",
    "is_image", "levels",
]  # fmt: skip

KEPT = 2
"""What `decode` takes for `draft` where nothing else is said."""

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
OTHER_FORMATS = (
    ".gif", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".svg", ".ico", ".psd", ".dng", ".nef", ".cr2", ".ppm",
    ".pgm", ".dcm", ".exr", ".hdr", ".jfif", ".tga",
)  # fmt: skip
"""Pictures that are not read, and are named as such."""
# To find a decoder that is not loaded yet, Pillow imports all forty of them.
DECODER = [
    "rule 6",
    PIL.__version__,
    *(str(features.version(name)) for name in ("libjpeg_turbo", "jpg", "zlib", "webp")),
]
"""What the pixels of a file depend on besides the options; change the number when this module decodes differently."""
FORMATS = tuple(decoder.format for decoder in (
    _jpeg.JpegImageFile, _png.PngImageFile, _webp.WebPImageFile, _bmp.BmpImageFile,
))  # fmt: skip
AT_ONCE = 1 << 26
"""Files of fewer bytes are read as a whole, once."""
_TOLD = (b"tEXt", b"zTXt", b"iTXt")
_TURNS = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")
"""What a text of a PNG file begins with that may say how the picture is turned."""
_TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
"""What is to be done with a picture of each EXIF orientation."""
_SAYS_TURN = {"exif", "xmp"}
"""Of a JPEG file: what Pillow looks into for the orientation."""
_ACROSS = (5, 6, 7, 8)
"""Orientations that exchange width and height."""
_GREY = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")

# what Pillow warns about (damaged EXIF, huge images) does not change the pixels, or is refused below
warnings.filterwarnings("ignore", module=r"PIL\.")


def is_image(path: Path) -> bool:
    """Whether the name is one of a picture of a format that is read."""
    return path.name.lower().endswith(SUFFIXES)


def content_of(source: Path | bytes) -> Path | bytes:
    """The bytes of a file, unless it is very large.

    Raises:
        BadImage: it is not a file, or it cannot be read.
    """
    if isinstance(source, bytes):
        return source
    try:
        content = start_of(source, AT_ONCE)
    except OSError as error:
        raise BadImage(f"is not an image that can be read ({error})") from None
    return content if len(content) < AT_ONCE else source


def _open(source: Path | bytes) -> Image.Image:
    # only these decoders: none of the others that Pillow has should ever see a user's file
    image = Image.open(source if isinstance(source, Path) else io.BytesIO(source), formats=FORMATS)
    if isinstance(source, bytes):
        image.decodermaxblock = max(image.decodermaxblock, len(source))  # a decoder that is given parts starts again
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
    """What `use` makes of an opened file."""
    try:
        if isinstance(source, Path) and not source.is_file():  # a pipe would never end
            raise BadImage("is not a file")
        with _open(source) as image:
            return use(image)
    except BadImage:
        raise
    except Image.DecompressionBombError:  # of more than twice the limit
        raise BadImage(f"has many more pixels than the limit of {Image.MAX_IMAGE_PIXELS}") from None
    except Exception as error:  # a decoder given damaged bytes may raise anything
        reason = str(error) if not isinstance(error, Image.UnidentifiedImageError) else ""
        if _is_empty(source):
            raise BadImage("is empty") from None
        raise BadImage(f"is not an image that can be read{f' ({reason})' if reason else ''}") from None


def _is_empty(source: Path | bytes) -> bool:
    try:
        return not (source if isinstance(source, bytes) else start_of(source, 1))
    except OSError:
        return False


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
        if (image.format != "PNG" or _may_be_turned(image.fp)) and _orientation(image) in _ACROSS:
            width, height = height, width
        return Head(width, height, grey, deep, frames)

    return _plain_head(source) or _guarded(source, look)


def _plain_head(source: Path | bytes) -> Head | None:
    """The header of a JPEG file in which nothing is unusual."""
    frame, limit = frame_of(source), Image.MAX_IMAGE_PIXELS
    if frame is None or (limit is not None and frame.width * frame.height > limit):
        return None
    return Head(frame.width, frame.height, frame.components == 1, False, 1)


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


def is_turned(source: Path | bytes) -> bool:
    """Whether EXIF turns a picture.

    Raises:
        BadImage: it is not an image that is read.
    """
    return bool(_guarded(source, lambda image: _orientation(image) in _TURNED))


def _orientation(image: Image.Image) -> Any:
    """The number by which EXIF says how a picture is turned; 1 is upright."""
    return image.getexif().get(0x0112, 1)


def levels(source: Path | bytes) -> Levels:
    """The smallest and the largest grey level of a deep image."""

    def look(image: Image.Image) -> Levels:
        values = np.asarray(image)
        return float(values.min()), float(values.max())

    return _guarded(source, look)


def decode(
    source: Path | bytes, size: tuple[int, int], channels: int, range_: Levels = WHOLE, draft: int = KEPT
) -> np.ndarray:
    """The image as uint8 [channels, height, width], the caller's own: scaled to cover `size`, the middle kept.

    Args:
        range_: of a deep image, the grey levels that become 0 and 255.
        draft: of a JPEG file that the decoder shrinks, at least so many pixels for each one that is wanted, in each
            direction; 0 lets it shrink none.
    """
    content = content_of(source)
    if (plain := _plain_pixels(content, size, channels, draft)) is not None:
        return plain
    return _guarded(content, lambda image: _pixels(image, size, channels, range_, draft, content))


def _plain_pixels(content: Path | bytes, size: tuple[int, int], channels: int, draft: int) -> np.ndarray | None:
    """Those of a JPEG file in which nothing is unusual, given to the decoder at once, as `_pixels` would have them."""
    if not isinstance(content, bytes) or (head := _plain_head(content)) is None:
        return None
    height, width = size
    factor = min(head.width // (draft * width), head.height // (draft * height)) if draft else 1
    part = next((part for part in (8, 4, 2) if factor >= part), 1)
    mode = "L" if head.grey else "RGB"
    image = Image.new(mode, (-(-head.width // part), -(-head.height // part)), None)
    try:
        image.frombytes(content, "jpeg", (mode, "", part, 0))
    except (OSError, ValueError):  # which does not say what is wrong
        return None
    return _array(_fitted(image, size, channels, (head.width / part, head.height / part)))


def _pixels(
    image: Image.Image, size: tuple[int, int], channels: int, range_: Levels, draft: int, source: Path | bytes
) -> np.ndarray:
    chunks = check_png(source) if image.format == "PNG" else None
    turn, seen = 1, None
    if image.format == "JPEG":
        turn = _orientation(image) if _SAYS_TURN & image.info.keys() else 1
        height, width = size[::-1] if turn in _ACROSS else size
        wanted = (draft * width, draft * height) if draft else image.size
        drafted = image.draft(None, wanted)  # type: ignore[arg-type]  # None keeps the colours
        seen = drafted[1][2:] if drafted else None
    image.load()
    if chunks:
        check_pixels(image, chunks)
    if image.format != "JPEG":
        turn = _orientation(image)  # of a PNG file it may stand behind the pixels
    if is_deep(image):
        low, high = range_
        deep = (np.asarray(image).astype(np.float64) - low) * (255 / max(high - low, 1e-12))
        image = Image.fromarray(np.clip(np.floor(deep + 0.5), 0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    fitted = _fitted(image, size[::-1] if turn in _ACROSS else size, channels, seen)
    return _array(fitted.transpose(_TURNED[turn]) if turn in _TURNED else fitted)


def fit(image: np.ndarray, size: tuple[int, int], channels: int) -> np.ndarray:
    """uint8 pixels [channels, height, width] brought to another size or number of channels in the same way."""
    picture = Image.fromarray(image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0)))
    return _array(_fitted(picture, size, channels))


def _fitted(
    image: Image.Image, size: tuple[int, int], channels: int, seen: tuple[float, float] | None = None
) -> Image.Image:
    """Grey or in colour, resized and centre-cropped to `size`.

    Args:
        seen: width and height of what is there, if the last column and row are only partly in the picture.
    """
    mode = "L" if channels == 1 else "RGB"
    if image.mode != mode:  # else Pillow would copy it
        image = image.convert(mode)
    height, width = size
    whole, tall = seen or image.size
    if (whole, tall) == (width, height) == image.size:
        return image
    # the middle part with the wanted proportions first, so that a long thin image is never enlarged much
    across, down = min(whole, tall * width / height), min(tall, whole * height / width)
    left, top = (whole - across) / 2, (tall - down) / 2
    return image.resize((width, height), Image.Resampling.BICUBIC, box=(left, top, left + across, top + down))


def _array(image: Image.Image) -> np.ndarray:
    """The pixels [channels, height, width] of a picture in grey or colour, channel by channel, in memory of its own."""
    bands = bytearray().join(image.tobytes("raw", band) for band in image.getbands())
    return np.frombuffer(bands, np.uint8).reshape(-1, image.height, image.width)
