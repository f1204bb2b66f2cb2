"""What Pillow does not notice in a damaged PNG file: flipped bits, missing rows, missing colours."""

import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from .errors import BadImage

__all__ = ["PngChunks", "check_pixels", "check_png"]

_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Passes of an interlaced PNG file: first column and row, and how far apart they are."""
PORTION = 1 << 20


class PngChunks(NamedTuple):
    """Of a PNG file: its header, how many colours its palette has, and the pixels, compressed."""

    header: bytes
    colours: int
    pixels: list[memoryview]


def check_png(source: Path | bytes) -> PngChunks:
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


def check_pixels(image: Image.Image, chunks: PngChunks) -> None:
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
