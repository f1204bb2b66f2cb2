"""JPEG files that are decoded at a part of their size, and headers that are read without a decoder."""

import io

import numpy as np
import pytest
from PIL import Image

from deepcanon.data import jpeg_heads, pixels

HEIGHT, WIDTH = 321, 481
"""Odd, so that no part of the size is a whole number of pixels."""


def jpeg(picture, **options):
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=92, **options)
    return stream.getvalue()


@pytest.fixture(scope="module")
def waves():
    """Waves of every direction, down to six pixels long, in three colours."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    rng = np.random.default_rng(0)
    found = np.zeros((HEIGHT, WIDTH, 3))
    for _ in range(8):
        turn, length, start = rng.uniform(0, np.pi), rng.uniform(6, 60), rng.uniform(0, 6, 3)
        found += 24 * np.sin(2 * np.pi / length * (np.cos(turn) * x + np.sin(turn) * y)[..., None] + start)
    return np.uint8(np.clip(found + 128, 0, 255))


# side, part of the size that is decoded, first pixels of the middle row in red, mean difference from the whole
GOLDEN = [
    (128, 1, (156, 139, 133, 128, 109, 150), 0.0),
    (64, 2, (131, 112, 127, 151, 121, 137), 0.71),
    (36, 4, (97, 120, 147, 147, 136, 156), 0.74),
    (19, 8, (116, 114, 145, 192, 107, 115), 1.30),
]


@pytest.mark.parametrize(("side", "part", "first", "off"), GOLDEN)
def test_pixels_are_golden_and_lie_where_those_of_the_whole_do(waves, monkeypatch, side, part, first, off):
    content, sizes, resize = jpeg(waves), [], Image.Image.resize

    def resized(image, *given, **named):
        sizes.append(image.size)
        return resize(image, *given, **named)

    monkeypatch.setattr(Image.Image, "resize", resized)
    found = pixels.decode(content, (side, side), 3).astype(int)
    monkeypatch.setattr(pixels, "KEPT", 10**6)
    whole = pixels.decode(content, (side, side), 3)
    assert sizes == [(-(-WIDTH // part), -(-HEIGHT // part)), (WIDTH, HEIGHT)]
    assert np.abs(found[0, side // 2, :6] - first).max() <= 1  # other builds of the decoder may round otherwise
    # up to its last pixel, which is only partly in the picture, it differs by 4 to 12
    assert np.abs(found - whole).mean() == pytest.approx(off, abs=0.05)


def test_a_turned_file_is_the_turned_picture(waves):
    exif = Image.Exif()
    for number, turned in ((3, lambda p: p[:, ::-1, ::-1]), (6, lambda p: np.rot90(p, -1, (1, 2)))):
        exif[0x0112] = number
        upright = pixels.decode(jpeg(waves), (32, 48), 3)
        size = (32, 48) if number == 3 else (48, 32)
        assert np.array_equal(pixels.decode(jpeg(waves, exif=exif), size, 3), turned(upright))


def test_a_head_without_a_decoder_is_that_of_the_decoder():
    picture = np.zeros((20, 30, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    for options in ({}, {"progressive": True}, {"icc_profile": b"x" * 200}, {"comment": b"made"}, {"optimize": True}):
        assert jpeg_heads.plain_frame(jpeg(picture, **options)) == (30, 20, 3)
    assert jpeg_heads.plain_frame(jpeg(picture[..., 0])) == (30, 20, 1)
    for unusual in (jpeg(picture, exif=exif), b"", b"\xff\xd8\xff", jpeg(picture)[:300], b"\x89PNG" + bytes(60)):
        assert jpeg_heads.plain_frame(unusual) is None
    whole, taken = jpeg(picture, icc_profile=b"x" * 20), 0
    for number in range(600):
        draw, content = np.random.default_rng(number), bytearray(whole)
        content[draw.integers(2, 620)] ^= 1 << draw.integers(8)
        frame = jpeg_heads.plain_frame(bytes(content))
        if frame is not None:
            taken += 1
            with Image.open(io.BytesIO(bytes(content)), formats=["JPEG"]) as image:
                assert (*image.size, len(image.getbands())) == frame
    assert 300 < taken < 600
