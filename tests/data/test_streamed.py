"""Pictures read batch by batch: as in memory, with and without what was decoded before; damage, statistics, limits."""

import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from deepcanon import train
from deepcanon.data import cache, check, decoding, open_data, pixels
from deepcanon.data.errors import DataError
from deepcanon.data.streamed import StreamedSplit
from deepcanon.parts.standardize import channel_statistics


def noise(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def read(path, seed=0, skip_bad=False, **options):
    return open_data(("images",), str(path), seed=seed, options={"images": options}, skip_bad=skip_bad)


@pytest.fixture
def classes(tmp_path):
    """100 colour images of 6x5 in two classes of different sizes."""
    for i in range(100):
        path = tmp_path / "set" / ("dog" if i < 30 else "cat") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(i, 5, 6, 3)).save(path)
    return tmp_path / "set"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPCANON_CACHE", str(tmp_path / "rows"))
    return tmp_path / "rows"


@pytest.fixture
def large(monkeypatch):
    """Every folder counts as larger than memory, and as one of many files."""
    monkeypatch.setattr(decoding, "MEMORY_LIMIT", 10)
    monkeypatch.setattr(decoding, "MANY", 10)


def equal(one, other):
    assert one.counts() == other.counts() and one.describe() == other.describe()
    for name, split in one.splits.items():
        assert torch.equal(other[name].x[:], split.x[:]) and torch.equal(other[name].y, split.y)


@pytest.mark.parametrize("kept", ["auto", "off"])
def test_a_streamed_folder_equals_the_one_in_memory(classes, monkeypatch, kept):
    whole = read(classes, size=4)
    monkeypatch.setattr(decoding, "MEMORY_LIMIT", 10)
    for _ in range(2):
        streamed = read(classes, size=4, cache=kept)
        equal(whole, streamed)
        for name, split in whole.splits.items():
            other = streamed[name]
            assert isinstance(other, StreamedSplit) and (other.x.store is None) == (kept == "off")
            assert other.x.shape == split.x.shape and len(other) == len(split) and other.x.nbytes == split.x.nbytes
            rows = torch.tensor([len(split) - 1, 0, 0])
            other.prefetch(rows)
            batch = other.take(rows)
            assert torch.equal(batch.x, split.x[rows]) and torch.equal(batch.y, split.y[rows])
            assert torch.equal(other.x[0], split.x[0]) and torch.equal(other.x.index_select(0, rows), split.x[rows])
            assert torch.equal(torch.cat([c.x for c in other.chunks(3)]), split.x)
            assert all(torch.equal(a, b) for a, b in zip(other.x.split(3), split.x.split(3), strict=True))
            assert other.take(torch.tensor([], dtype=torch.int64)).x.shape == (0, *split.x.shape[1:])
            for a, b in zip(other.channel_statistics(), channel_statistics([split.x]), strict=True):
                assert torch.equal(a, b)


def test_what_was_started_is_dropped_when_other_rows_are_wanted(classes, large):
    data = read(classes, cache="off")["train"]
    data.prefetch(torch.arange(4))
    data.prefetch(torch.arange(2, 6))
    assert set(data.x._coming) == {2, 3, 4, 5}
    assert torch.equal(data.take(torch.arange(2, 6)).x, data.x[2:6]) and not data.x._coming
    kept = read(classes)["train"]
    kept.prefetch(torch.arange(4))
    assert torch.equal(kept.take(torch.arange(2, 6)).x, data.x[2:6])


def test_statistics_are_those_of_the_training_pictures_in_float64(classes, large):
    split = read(classes, seed=3)["train"]
    values = split.x[:].numpy().astype(np.float64)
    mean, deviation = split.channel_statistics()
    assert np.allclose(mean, values.mean((0, 2, 3)), rtol=1e-7) and np.allclose(
        deviation, values.std((0, 2, 3)), rtol=1e-7
    )


def test_the_line_says_where_how_large_how_to_switch_it_off_and_when_it_is_made_again(classes, large, place):
    (made,) = [note for note in read(classes).notes if "decoded pictures" in note]
    (found,) = [note for note in read(classes).notes if "decoded pictures" in note]
    for said in (str(place), "at most 32 GiB", "--cache off", "made again if a file, --size"):
        assert said in made and said in found
    assert "kept in" in made and "read from" in found
    (off,) = [note for note in read(classes, cache="off").notes if "decoded pictures" in note]
    assert off == "decoded pictures are not kept (--cache off); each epoch decodes again"
    assert "decoded pictures" in " ".join(check(("images",), str(classes), {"images": {}}).notes)


@pytest.mark.parametrize("change", ["content", "time", "size", "channels", "name", "decoder"])
def test_it_is_made_again_when_something_changes(classes, large, place, change, monkeypatch):
    read(classes, size=4)
    before = set(place.iterdir())
    options, path = {"size": 4}, classes / "cat" / "40.png"
    if change == "content":
        Image.fromarray(noise(777, 5, 6, 3)).save(path)
    elif change == "time":
        os.utime(path, ns=(1, 1))
    elif change == "name":
        path.rename(path.with_name("41b.png"))
    elif change == "decoder":
        monkeypatch.setattr(pixels, "DECODER", ["rule 0"])
    else:
        options |= {change: 3 if change == "size" else 1}
    found = read(classes, **options)
    assert set(place.iterdir()) - before
    equal(read(classes, **options, cache="off"), found)


def test_a_damaged_row_is_decoded_again_and_written(classes, large, capsys):
    whole = read(classes, cache="off")
    store = read(classes)["train"].x.store
    content = bytearray(store.path.read_bytes())
    content[5] ^= 1
    content[40 * store.row_bytes] ^= 128
    store.path.write_bytes(content)
    equal(whole, read(classes))
    said = capsys.readouterr().err
    assert said.count("is damaged at row") == 2 and str(classes) in said
    equal(whole, read(classes))
    assert "damaged" not in capsys.readouterr().err
    store.path.write_bytes(content[:-7])
    equal(whole, read(classes))
    assert "made again" in capsys.readouterr().err


def test_bad_files_are_named_or_left_out_as_in_memory(classes, monkeypatch):
    bad, worse = classes / "cat" / "33.png", classes / "dog" / "3.png"
    bad.write_bytes(bad.read_bytes()[:-30])  # the header is whole, the pixels are not
    worse.write_bytes(b"")
    whole = read(classes, skip_bad=True)
    monkeypatch.setattr(decoding, "MEMORY_LIMIT", 10)
    monkeypatch.setattr(decoding, "MANY", 10)
    for _ in range(2):
        with pytest.raises(DataError, match=r"dog/3\.png: is empty.*and leave|dog/3\.png: is empty"):
            read(classes)
        left = read(classes, skip_bad=True)
        assert left.record["skipped"] == whole.record["skipped"] == [str(worse), str(bad)]
        equal(whole, left)
        equal(whole, read(classes, skip_bad=True, cache="off"))
    worse.unlink()
    with pytest.raises(DataError, match=r"cat/33\.png"):
        read(classes)
    with pytest.raises(DataError, match=r"cat/33\.png"):  # met on its way
        read(classes, cache="off", valid_share=0, test_share=0)["train"].take(torch.arange(99))


def test_a_folder_in_memory_is_decoded_once_too(classes, place, monkeypatch):
    whole = read(classes)
    assert not place.exists()
    monkeypatch.setattr(decoding, "WORTH", 10)
    monkeypatch.setattr(decoding, "MANY", 10)
    for _ in range(2):
        found = read(classes)
        assert type(found["train"].x) is torch.Tensor and len(list(place.iterdir())) == 2
        equal(whole, found)
        monkeypatch.setattr(pixels, "_open", None)  # no file is opened the second time


def test_without_room_the_run_goes_on(classes, large, monkeypatch):
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 100, 0))
    found = read(classes)
    assert found["train"].x.store is None
    (said,) = [note for note in found.notes if "decoded pictures" in note]
    assert said.startswith("decoded pictures are not kept (the disk of") and "each epoch decodes again" in said


def test_bits_of_training_are_equal_with_and_without(classes, large, tmp_path):
    traces = []
    for name, kept in (("a", "auto"), ("b", "auto"), ("c", "off")):
        train("convnet", preset="smoke", data=str(classes), out=str(tmp_path / name), threads=1, cache=kept, steps=6)
        traces.append((tmp_path / name / "metrics.jsonl").read_bytes())
    assert traces[0] == traces[1] == traces[2] and traces[0]
