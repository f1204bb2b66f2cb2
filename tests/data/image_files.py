"""Seeded image files of every kind that people have, with what a reader must make of each: for the tests of damage.

`files(count)` gives kinds in turn. `expected` is the picture [H, W] or [H, W, 3] as it is to be seen, computed here in
NumPy, or None for what must be refused; `exact` says whether its pixels are to be equal, or near (lossy formats).
"""

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image, PngImagePlugin

SHAPES = ((1, 1), (1, 5000), (5000, 1), (2, 3), (17, 40), (33, 9), (64, 64))


@dataclass
class Made:
    """One file: its ending, its bytes, what is to be seen (None: refused), and what a refusal must say."""

    kind: str
    ending: str
    content: bytes
    expected: np.ndarray | None
    exact: bool = True
    says: str = ""
    deep: tuple[float, float] | None = None
    frames: int = 1


def smooth(rng, height, width, channels):
    """A picture that lossy formats keep: a few waves."""
    y, x = np.mgrid[0:height, 0:width] / 32
    waves = [np.sin(a * y + b * x + c) for a, b, c in rng.uniform(0, 2, (channels, 3))]
    return np.uint8(np.stack(waves, -1) * 100 + 128)


def encoded(picture, form, mode=None, **options):
    stream = io.BytesIO()
    squeezed = picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture
    Image.fromarray(squeezed, mode).save(stream, form, **options)
    return stream.getvalue()


def png(width, height, depth, colour, packed):
    """A PNG file from its parts; `packed` are compressed rows."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def lossless(rng):
    picture = rng.integers(0, 256, (*SHAPES[rng.integers(len(SHAPES))], int(rng.choice([1, 3]))), dtype=np.uint8)
    form, ending = [("PNG", "png"), ("BMP", "bmp"), ("PNG", "jpg")][rng.integers(3)]  # the last: a wrong ending
    return Made("lossless", ending, encoded(picture, form), picture)


def lossy(rng):
    picture = smooth(rng, *SHAPES[rng.integers(len(SHAPES))], int(rng.choice([1, 3])))
    if rng.random() < 0.3 and picture.shape[2] == 3:
        return Made("lossy", "webp", encoded(picture, "WEBP", quality=95), picture, exact=False)
    options = {"quality": 95, "subsampling": 0, "progressive": bool(rng.random() < 0.5)}
    return Made("lossy", "jpg", encoded(picture, "JPEG", **options), picture, exact=False)


def turned(rng):
    """EXIF rotation: the picture to be seen is made by NumPy alone."""
    number = int(rng.integers(1, 9))
    shown = rng.integers(0, 256, (7, 12, 3), dtype=np.uint8)
    back = {
        1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, 1), 7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[number]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = number
    stored = np.ascontiguousarray(back(shown))
    if rng.random() < 0.5:
        return Made("turned", "png", encoded(stored, "PNG", exif=exif), shown)
    return Made("turned", "webp", encoded(stored, "WEBP", lossless=True, exif=exif), shown)


def transparent(rng):
    """Alpha lies on white, whether it is a channel or an entry of a palette."""
    height, width = 6, 9
    alpha = rng.choice([0, 255], (height, width, 1)).astype(np.uint8)
    colour = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    kind = rng.integers(3)
    if kind == 0:
        grey = colour[..., :1]
        return Made("transparent", "png", encoded(np.concatenate([grey, alpha], 2), "PNG"), np.where(alpha, grey, 255))
    if kind == 1:
        return Made(
            "transparent", "png", encoded(np.concatenate([colour, alpha], 2), "PNG"), np.where(alpha, colour, 255)
        )
    indices, palette = rng.integers(0, 4, (height, width), dtype=np.uint8), rng.integers(0, 256, (4, 3), dtype=np.uint8)
    image = Image.fromarray(indices, "P")
    image.putpalette(palette.flatten().tolist())
    stream = io.BytesIO()
    image.save(stream, "PNG", transparency=2)
    return Made("palette", "png", stream.getvalue(), np.where(indices[..., None] == 2, 255, palette[indices]))


def four_colours(rng):
    """CMYK of a JPEG file, by the formula that Pillow documents: (255 - c)(255 - k) / 255."""
    ink = smooth(rng, 24, 32, 4)
    shown = (255 - ink[..., :3].astype(float)) * (255 - ink[..., 3:].astype(float)) / 255
    return Made("cmyk", "jpg", encoded(ink, "JPEG", mode="CMYK", quality=98, subsampling=0), shown, exact=False)


def deep(rng):
    low, high = sorted(rng.integers(0, 65536, 2).tolist())
    high = max(high, low + 300)
    values = rng.integers(low, high + 1, (8, 8)).clip(0, 65535).astype(np.uint16)
    values.flat[:2] = low, min(high, 65535)
    range_ = float(values.min()), float(values.max())
    shown = np.floor((values - range_[0]) * (255 / (range_[1] - range_[0])) + 0.5).astype(np.uint8)[..., None]
    return Made("deep", "png", encoded(values, "PNG"), shown, deep=range_)


def deep_colour(rng):
    rows = b"".join(b"\0" + rng.bytes(4 * 6) for _ in range(4))
    return Made("deep colour", "png", png(4, 4, 16, 2, zlib.compress(rows)), None, says="16 bits")


def bomb(rng):
    kind = rng.integers(3)
    if kind == 0:
        return Made("bomb", "png", png(50_000, 50_000, 8, 2, zlib.compress(b"\0" * 1000)), None, says="the limit of")
    if kind == 1:
        info = PngImagePlugin.PngInfo()
        info.add_text("Comment", "x" * 20_000_000, zip=True)
        return Made("bomb", "png", encoded(np.zeros((3, 3), np.uint8), "PNG", pnginfo=info), None)
    rows = bytearray(b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0))
    return Made("bomb", "bmp", bytes(rows), None, says="the limit of")


def animated(rng):
    frames = [Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)) for _ in range(3)]
    stream, form = io.BytesIO(), str(rng.choice(["PNG", "WEBP"]))
    frames[0].save(
        stream, form, save_all=True, append_images=frames[1:], **({"lossless": True} if form == "WEBP" else {})
    )
    return Made("animated", form.lower(), stream.getvalue(), np.asarray(frames[0]), frames=3)


def not_an_image(rng):
    picture = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
    content = [
        b"", rng.bytes(300), b"<html>not found</html>", b"PK\x03\x04" + rng.bytes(50), encoded(picture, "GIF"),
        encoded(picture, "TIFF"), b"<svg xmlns='http://www.w3.org/2000/svg'/>", encoded(picture, "PPM"),
        b"\x89PNG\r\n\x1a\n" + rng.bytes(60), b"\xff\xd8\xff\xe0" + rng.bytes(60), b"BM" + rng.bytes(60),
    ][rng.integers(11)]  # fmt: skip
    ending = str(rng.choice(["png", "jpg", "bmp", "webp"]))
    return Made("not an image", ending, content, None, says="is empty" if not content else "")


def cut(rng):
    """Cut short: refused, unless all of its pixels are there."""
    whole = [lossless, lossy, transparent, deep, animated][rng.integers(5)](rng)
    content = whole.content[: int(rng.integers(len(whole.content)))]
    return Made("cut", whole.ending, content, whole.expected, whole.exact, "or refused", whole.deep)


def flipped(rng):
    """One bit of a PNG file is another: refused, unless it is not one of the pixels."""
    whole = [transparent, deep, turned][rng.integers(3)](rng)
    content = bytearray(whole.content)
    content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    if whole.ending != "png":  # WebP has no checksums
        return Made("flipped", whole.ending, bytes(content), None, says="any")
    return Made("flipped", "png", bytes(content), whole.expected, says="or refused", deep=whole.deep)


KINDS = (
    lossless,
    lossy,
    turned,
    transparent,
    four_colours,
    deep,
    deep_colour,
    bomb,
    animated,
    not_an_image,
    cut,
    flipped,
    cut,
)


def files(count):
    """`count` files, the kinds in turn."""
    for number in range(count):
        yield KINDS[number % len(KINDS)](np.random.default_rng(number))
