"""JPEG files that are decoded at a part of their size, and headers that are read without a decoder."""

import io
import os
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from deepcanon.data import DataError, decoding, jpeg_heads, open_data, pixels, read_inputs

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


# side, draft, part of the size that is decoded, first pixels of the middle row in red, mean difference from the whole
GOLDEN = [
    (128, 2, 1, (156, 139, 133, 128, 109, 150), 0.0),
    (64, 2, 2, (131, 112, 127, 151, 121, 137), 0.71),
    (36, 2, 4, (97, 120, 147, 147, 136, 156), 0.74),
    (128, 1, 2, (157, 134, 137, 125, 109, 155), 3.20),
    (80, 1, 4, (144, 123, 112, 151, 144, 118), 3.55),
    (19, 2, 8, (116, 114, 145, 192, 107, 115), 1.30),
]


@pytest.mark.parametrize(("side", "draft", "part", "first", "off"), GOLDEN)
def test_pixels_are_golden_and_lie_where_those_of_the_whole_do(waves, monkeypatch, side, draft, part, first, off):
    content, sizes, resize = jpeg(waves), [], Image.Image.resize

    def resized(image, *given, **named):
        sizes.append(image.size)
        return resize(image, *given, **named)

    monkeypatch.setattr(Image.Image, "resize", resized)
    found = pixels.decode(content, (side, side), 3, draft=draft).astype(int)
    whole = pixels.decode(content, (side, side), 3, draft=0)
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


def test_a_small_folder_of_a_known_size_is_read_once_with_the_same_pixels(waves, tmp_path, monkeypatch):
    """Grey, colour, 16 bits, turned and damaged files, of which nothing but the size is known before they are read."""
    exif, opened, found = Image.Exif(), Counter(), []
    exif[0x0112] = 6
    files = {"a.jpg": jpeg(waves), "b.jpg": jpeg(waves[..., 0]), "c.jpg": jpeg(waves, exif=exif), "e.jpg": b"no"}
    files["d.jpg"] = files["a.jpg"][:9000]  # the header is whole
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    Image.fromarray(waves[..., 1].astype(np.uint16) * 9).save(tmp_path / "f.png")
    system = os.open
    monkeypatch.setattr(
        os, "open", lambda path, *given: (opened.update([os.path.basename(path)]), system(path, *given))[1]
    )
    for most in (decoding.AHEAD, -1):
        monkeypatch.setattr(decoding, "AHEAD", most)
        opened.clear()
        options = {"images": {"size": 40, "valid_share": 0, "test_share": 0}}
        data = open_data(("images",), str(tmp_path), options=options, skip_bad=True)
        found.append((data["train"].x.tolist(), data.record["skipped"], data.describe()))
        assert {min(opened[f"{name}.jpg"], 2) for name in "abcd"} == {1 if most > 0 else 2}
    assert found[0] == found[1] and found[0][2]["channels"] == 3
    assert [os.path.basename(name) for name in found[0][1]] == ["e.jpg", "d.jpg"]


@pytest.mark.parametrize("most", [decoding.MEMORY_LIMIT, 10])
def test_what_is_learned_with_a_draft_is_asked_with_it(waves, tmp_path, monkeypatch, most):
    monkeypatch.setattr(decoding, "MEMORY_LIMIT", most)
    monkeypatch.setenv("DEEPCANON_CACHE", str(tmp_path / "rows"))
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.jpg").write_bytes(content := jpeg(waves))

    def read(**options):
        given = {"size": 64, "valid_share": 0, "test_share": 0, **options}
        return open_data(("images",), str(tmp_path / "set"), options={"images": given})

    usual = read()
    assert "draft" not in usual.describe() and read(draft=2)["train"].x[:].equal(usual["train"].x[:])
    for draft in (0, 1):
        data = read(draft=draft)
        assert data.describe()["draft"] == draft and not data["train"].x[:].equal(usual["train"].x[:])
        assert np.array_equal(data["train"].x[0], pixels.decode(content, (64, 64), 3, draft=draft))
        asked = read_inputs("images", data.describe(), [str(tmp_path / "set")]).values
        assert asked.equal(data["train"].x[:]) and read(learned=data.describe())["train"].x[:].equal(asked)
    with pytest.raises(DataError, match="draft 3 is not 0, 1 or 2"):
        read(draft=3)


def test_a_decoder_that_is_given_the_file_makes_of_it_what_pillow_does(waves, monkeypatch):
    """Whole, cut and damaged files in colour and grey: the same pixels, or the same refusal."""
    files = []
    for whole in (jpeg(waves[:90, :110]), jpeg(waves[:90, :110, 0], progressive=True)):
        files += [whole, whole[:-2], whole[: len(whole) // 2], whole[:700]]
        for number in range(60):
            draw, content = np.random.default_rng(number), bytearray(whole)
            content[draw.integers(2, len(whole))] ^= 1 << draw.integers(8)
            files.append(bytes(content))

    def outcome(content):
        try:
            return pixels.decode(content, (20, 20), 3).tolist()
        except pixels.BadImage as error:
            return str(error)

    fast = [outcome(content) for content in files]
    with monkeypatch.context() as patched:
        patched.setattr(pixels, "_plain_pixels", lambda *given: None)
        slow = [outcome(content) for content in files]
    assert fast == slow and len({str(found) for found in fast}) > 20
    monkeypatch.setattr(pixels, "_open", None)  # of a plain file nothing else is needed
    assert outcome(files[0]) == fast[0]
