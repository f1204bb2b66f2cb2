"""Hundreds of image files, many of them broken: each is what it shows, or is named and refused; none crashes or hangs.

78 files in each run; DEEPCANON_FUZZ=500 (or another number) takes so many.
"""

import os
import time

import numpy as np
import pytest
import torch
from image_files import encoded, files, smooth

from deepcanon.data import check, decoding, open_data, pixels, read_inputs
from deepcanon.data.errors import DataError

COUNT = int(os.environ.get("DEEPCANON_FUZZ", "78"))
SECONDS = 5.0


def looked_at(made):
    """What the reader makes of the bytes at their own size, or its reason to refuse them."""
    try:
        head = pixels.head(made.content)
        size, channels = (head.height, head.width), 1 if head.grey else 3
        if size[0] * size[1] > 10**6:  # a damaged header: its size is checked by the decoder
            size = (8, 8)
        return head, pixels.decode(made.content, size, channels, made.deep or pixels.WHOLE)
    except pixels.BadImage as error:
        return None, str(error)


def same(found, made):
    expected = np.asarray(made.expected, np.float64).transpose(2, 0, 1)
    if len(found) == 3 and len(expected) == 1:
        expected = np.repeat(expected, 3, 0)
    if found.shape != expected.shape:
        return False
    off = np.abs(found - expected)
    return off.max() == 0 if made.exact else off.mean() < 4


@pytest.fixture(scope="module")
def outcomes():
    """(file, whether it was taken) of every file; each is checked as it is met."""
    found = []
    for made in files(COUNT):
        began = time.monotonic()
        head, result = looked_at(made)
        assert time.monotonic() - began < SECONDS * (1 + os.getloadavg()[0]), made.kind
        if head is None:
            assert made.expected is None or made.says == "or refused", (made.kind, result)
            assert made.says in ("", "or refused", "any") or made.says in result, (made.kind, result)
            assert "\n" not in result
        else:
            assert made.says == "any" or (made.expected is not None and same(result, made)), (made.kind, made.ending)
            assert made.kind != "animated" or head.frames == made.frames
        found.append((made, head is not None, head is not None and head.deep))
    return found


def test_every_file_is_what_it_shows_or_is_refused(outcomes):
    taken = {made.kind for made, good, _ in outcomes if good}
    refused = {made.kind for made, good, _ in outcomes if not good}
    assert {"lossless", "lossy", "turned", "transparent", "cmyk", "deep", "animated"} <= taken
    assert {"bomb", "deep colour", "not an image", "cut", "flipped"} <= refused
    assert not refused & {"lossless", "lossy", "turned", "transparent", "palette", "cmyk", "deep", "animated"}


@pytest.mark.parametrize("streamed", [False, True])
def test_of_a_folder_bad_files_are_named_or_left_out_and_counted(outcomes, tmp_path, monkeypatch, streamed):
    monkeypatch.setenv("DEEPCANON_CACHE", str(tmp_path / "rows"))
    if streamed:
        monkeypatch.setattr(decoding, "MEMORY_LIMIT", 10)
    bad, good = set(), set()
    for number, (made, taken, _) in enumerate(outcomes):
        path = tmp_path / "set" / f"class{number % 3}" / f"{number:03d}.{made.ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made.content)
        (good if taken else bad).add(str(path))
    where = str(tmp_path / "set")
    with pytest.raises(
        DataError, match=r"class\d/\d{3}\.\w+: .*; replace or remove it, or leave bad files out"
    ) as error:
        open_data(("images",), where, options={"images": {"size": 8}})
    assert "\n" not in str(error.value) and any(name in str(error.value) for name in bad)
    data = open_data(("images",), where, options={"images": {"size": 8}}, skip_bad=True)
    assert set(data.record["skipped"]) == bad and sum(data.counts().values()) == len(good)
    assert f"left out: {len(bad)}" in " ".join(data.notes)
    assert all(split.x[:].shape[1:] == (3, 8, 8) and split.x[:].dtype == torch.uint8 for split in data.splits.values())
    assert {problem.file for problem in check(("images",), where, {"images": {"size": 8}}).problems} == bad


def test_as_inputs_each_is_answered_or_refused(outcomes, tmp_path):
    names = []
    for number, (made, _, _) in enumerate(outcomes):
        names.append(tmp_path / f"{number:03d}.{made.ending}")
        names[-1].write_bytes(made.content)
    found = read_inputs("images", {"size": [8, 8], "channels": 3}, [str(name) for name in names])
    wanted = [str(name) for name, (_, good, deep) in zip(names, outcomes, strict=True) if good and not deep]
    assert found.names == wanted and len(found.refused) == len(names) - len(wanted)
    assert found.values.shape == (len(wanted), 3, 8, 8)


def test_no_flipped_bit_of_a_png_file_changes_its_pixels(monkeypatch):
    rng = np.random.default_rng(0)
    shown = smooth(rng, 64, 64, 3) // 4 + rng.integers(0, 3, (64, 64, 3), dtype=np.uint8)
    whole = encoded(shown, "PNG")

    def changed():
        found = 0
        for number in range(400):
            content, draw = bytearray(whole), np.random.default_rng(number)
            content[draw.integers(33, len(content))] ^= 1 << draw.integers(8)
            try:
                found += not np.array_equal(pixels.decode(bytes(content), (64, 64), 3), shown.transpose(2, 0, 1))
            except pixels.BadImage:
                continue
        return found

    assert changed() == 0
    monkeypatch.setattr(pixels, "check_png", lambda source: None)
    assert changed() > 0  # Pillow alone
