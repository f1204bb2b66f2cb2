"""The letters: what a picture depends on, which typefaces are where, the set of record, and the cache."""

import hashlib
import re

import numpy as np
import pytest

from deepcanon import data
from deepcanon.data import published
from deepcanon.data.images import read_named

# the module, whose attributes the tests change, and not the function of that name
from deepcanon.data.letters import FACES, LETTERS, SIZES, changed, draw, means, outlines

MODULE = "deepcanon.data.letters"


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A set of 70 pictures that is its own record, and the folder of its cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    sizes = {"train": 40, "valid": 10, "test": 20}
    monkeypatch.setattr(f"{MODULE}.SIZES", sizes)
    record = {split: tuple(means(draw(split, np.arange(count))[0])) for split, count in sizes.items()}
    monkeypatch.setattr(f"{MODULE}.MEANS", record)
    return published.cache_folder() / "letters"


def test_a_picture_is_a_function_of_seed_and_index_alone():
    x, y = draw("train", np.arange(40))
    some = np.array([31, 4, 4, 17])
    assert np.array_equal(draw("train", some)[0], x[some]) and np.array_equal(draw("train", some)[1], y[some])
    other = draw("train", np.arange(40), seed=1)
    assert np.array_equal(other[1], y) and all((a != b).any() for a, b in zip(other[0], x, strict=True))
    assert x.shape == (40, 28, 28) and x.dtype == np.uint8 and y.dtype == np.int64


def test_every_typeface_has_ten_letters_of_its_own_and_belongs_to_one_split():
    shapes = {}
    for split, faces in FACES.items():
        store = outlines(split)
        assert len(store.starts) == len(faces) * len(LETTERS) + 1
        for place, (first, last) in enumerate(zip(store.starts[:-1], store.starts[1:], strict=True)):
            shape = store.points[first:last].tobytes()
            assert shape not in shapes, f"{split} {place} is drawn like {shapes[shape]}"
            shapes[shape] = split, place
    assert len(shapes) == 10 * sum(map(len, FACES.values())) == 340


def test_letters_lie_inside_the_picture_and_vary():
    x, _ = draw("train", np.arange(600))
    frame = np.ones((28, 28), bool)
    frame[1:-1, 1:-1] = False
    ink = x > 0.5 * 255
    assert x[:, frame].max() < 0.7 * 255 and ink.any((1, 2)).all()  # at most half of a pixel, and noise
    high = ink.any(2).sum(1)
    assert high.min() < 14 and high.max() > 21
    shares = ink.mean((1, 2))
    assert shares.std() > 0.04


def test_the_set_is_that_of_record():
    """Labels exactly, means to a thousandth; where matplotlib's outlines are those of record, every pixel."""
    for split, count in SIZES.items():
        _, y = draw(split, np.arange(50))
        assert np.array_equal(y, np.arange(50) % 10) and count % 10 == 0
    valid, _ = draw("valid", np.arange(SIZES["valid"]))
    assert changed({"valid": valid}) == ""
    found = {split: draw(split, np.arange(500))[0] for split in SIZES}
    for split, mean in {"train": 0.16839, "valid": 0.15188, "test": 0.14024}.items():
        assert found[split].mean() / 255 == pytest.approx(mean, abs=1e-3)
    state, pixels = hashlib.sha256(), hashlib.sha256()
    for split, x in found.items():
        state.update(outlines(split).points.tobytes())
        pixels.update(x)
    if state.hexdigest()[:16] == "930250073e4e4ca3":
        assert pixels.hexdigest()[:16] == "4c16d9035ceb1353"


def test_other_letters_give_one_line_of_warning(small, monkeypatch, capsys):
    assert not [note for note in read_named("letters").notes if "warning" in note]
    x, _ = draw("test", np.arange(20))
    assert changed({"test": x}) == ""
    x[[3, 13], :10] = 40
    assert re.fullmatch(
        r"warning: matplotlib draws letters that differ from those of the published figures "
        r"\(the D of test has mean 0\.\d{4} instead of 0\.\d{4}\)",
        changed({"test": x}),
    )
    monkeypatch.setattr(f"{MODULE}.MEANS", {split: (0.5,) * 10 for split in SIZES})
    notes = read_named("letters").notes
    assert len([note for note in notes if note.startswith("warning: ")]) == 1


def test_the_set_is_drawn_once_and_kept_with_its_checksum(small, capsys):
    first = read_named("letters")
    assert "drawing 70 pictures" in capsys.readouterr().err
    (path,) = small.iterdir()
    kept = path.read_bytes()
    assert len(kept) == 70 * 784 + 32 and hashlib.sha256(kept[:-32]).digest() == kept[-32:]
    again = read_named("letters")
    assert capsys.readouterr().err == ""
    assert again.fingerprint() == first.fingerprint()
    for damaged in (kept[:100] + b"\1" + kept[101:], kept[:-1], b""):
        path.write_bytes(damaged)
        assert read_named("letters").fingerprint() == first.fingerprint()
        assert "drawing 70 pictures" in capsys.readouterr().err
        assert path.read_bytes() == kept


def test_where_nothing_can_be_kept_the_letters_are_drawn_again(small, capsys):
    small.parent.parent.mkdir(exist_ok=True)
    small.parent.write_text("a file where the folder would be")
    found = read_named("letters")
    assert len(found["train"]) == 40
    (note,) = [note for note in found.notes if "drawn again in each run" in note]
    assert str(small) in note and "\n" not in note


def test_the_reader_gives_classes_and_splits(small):
    found = data.open_data(("images",), "letters", options={"images": {"valid_share": 0.1, "test_share": 0.1}})
    assert found.facts["classes"] == list(LETTERS) and found.facts["size"] == [28, 28]
    assert found.counts() == {"train": 40, "valid": 10, "test": 20}
    assert found["train"].y[:12].tolist() == [*range(10), 0, 1]
    assert "typefaces: train 24, valid 4, test 6, each in one split only" in found.notes
    without = data.open_data(("images",), "letters", options={"images": {"valid_share": 0.0, "size": 14}})
    assert without.counts() == {"train": 40, "test": 20} and without["train"].x.shape == (40, 1, 14, 14)


def test_a_typeface_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setitem(FACES, "nothing", (FACES["test"][0]._replace(file="none"),))
    with pytest.raises(data.DataError, match=r"none\.ttf: is not here.*--data digits"):
        outlines("nothing")
