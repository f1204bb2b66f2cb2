"""A PNG file may say how it is turned behind its pixels; its head must say what decoding makes of it."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from deepcanon.data import pixels

ARRAY = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
TAG = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:{}="6"/></x:xmpmeta>'


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def exif(number):
    made = Image.Exif()
    made[0x0112] = number
    return made.tobytes()[6:]


def profile(number):
    """EXIF as ImageMagick writes it: hexadecimal, in a compressed text."""
    raw = exif(number)
    text = f"\nexif\n{len(raw):8d}\n{raw.hex()}\n"
    return b"Raw profile type exif\0\0" + zlib.compress(text.encode())


def xmp(tag, packed=False):
    text = TAG.format(tag).encode()
    return b"XML:com.adobe.xmp\0" + bytes([packed, 0, 0, 0]) + (zlib.compress(text) if packed else text)


def png(extra, late):
    """The picture with one more chunk, before its pixels or behind them."""
    plain = io.BytesIO()
    Image.fromarray(ARRAY).save(plain, "PNG")
    content = plain.getvalue()
    place = content.index(b"IEND" if late else b"IDAT") - 4
    return content[:place] + extra + content[place:]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("name", "content", "turned"),
    [
        (b"eXIf", exif(6), True), (b"eXIf", exif(3), False), (b"zTXt", profile(8), True),
        (b"iTXt", xmp("Orientation"), True), (b"iTXt", xmp("Orientation", packed=True), True),
        (b"iTXt", xmp("Make"), False), (b"tEXt", b"Comment\0Orientation", False),
    ],
)  # fmt: skip
def test_the_head_has_the_size_of_what_is_decoded(tmp_path, name, content, turned, late):
    data = png(chunk(name, content), late)
    with Image.open(io.BytesIO(data)) as image:
        shown = ImageOps.exif_transpose(image)
    (tmp_path / "a.png").write_bytes(data)
    for source in (data, tmp_path / "a.png"):
        head = pixels.head(source)
        assert (head.width, head.height) == shown.size == ((40, 60) if turned else (60, 40))
        assert np.array_equal(pixels.decode(source, shown.size[::-1], 3), np.asarray(shown).transpose(2, 0, 1))


def test_a_head_of_a_picture_without_such_chunks_decodes_nothing(monkeypatch):
    monkeypatch.setattr(Image.Image, "getexif", lambda image: pytest.fail("the pixels were decoded"))
    assert pixels.head(png(b"", False))[:2] == (60, 40)
    assert pixels.head(png(chunk(b"iTXt", xmp("Make")), True))[:2] == (60, 40)
