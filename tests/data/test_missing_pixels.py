"""PNG files with fewer pixels or colours than their header says are refused; Pillow shows what is missing as black."""

import struct
import zlib

import numpy as np
import pytest

from deepcanon.data import pixels

WIDTH, HEIGHT = 9, 7
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(image, *, rows=None, interlaced=False, palette=None, parts=1, colour=2):
    """A PNG of `image` [H, W, C], of which the stream of pixels ends after so many rows (of all passes)."""
    height, width = image.shape[:2]
    lines = [
        b"\0" + image[y, x::across].tobytes()
        for x, first, across, down in (PASSES if interlaced else ((0, 0, 1, 1),))
        for y in range(first, height, down)
        if x < width
    ]
    data = zlib.compress(b"".join(lines[:rows]))
    cut = -(-len(data) // parts)
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, int(interlaced))
    return b"".join((
        b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), b"" if palette is None else chunk(b"PLTE", palette),
        *(chunk(b"IDAT", data[start : start + cut]) for start in range(0, len(data), cut)), chunk(b"IEND", b""),
    ))  # fmt: skip


def read(content, channels=3):
    return pixels.decode(content, (HEIGHT, WIDTH), channels).transpose(1, 2, 0)


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(1, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("parts", [1, 3])
def test_missing_rows_are_noticed_and_black_ones_are_read(image, interlaced, parts):
    made = {"interlaced": interlaced, "parts": parts}
    np.testing.assert_array_equal(read(png(image, **made)), image)
    for rows in (1, 3, -1):
        with pytest.raises(pixels.BadImage, match=r"bytes of its pixels are missing|truncated"):
            read(png(image, rows=rows, **made))
    for black in (slice(3, None), slice(None), slice(5, 6)):
        dark = image.copy()
        dark[black] = 0
        np.testing.assert_array_equal(read(png(dark, **made)), dark)


def test_a_colour_that_the_palette_lacks_is_noticed(image):
    numbers, palette = image[:, :, :1] % 5, bytes(range(10, 25))
    expected = np.frombuffer(palette, np.uint8).reshape(5, 3)[numbers[:, :, 0]]
    np.testing.assert_array_equal(read(png(numbers, palette=palette, colour=3)), expected)
    for short, colours in ((None, 0), (palette[:9], 3)):
        with pytest.raises(pixels.BadImage, match=f"it has {colours} colours and uses number 4"):
            read(png(numbers, palette=short, colour=3))
