"""Training examples that a run keeps: which ones, how many, and what becomes of a damaged file."""

import numpy as np
import pytest
import torch

from deepcanon.data.splits import Dataset, Split
from deepcanon.engine import remembered as module
from deepcanon.engine.remembered import FILE, remember, remembered
from deepcanon.errors import CheckpointError


def kept(folder, x, y=None, kind="images", most=500):
    remember(folder, Dataset(kind, {"train": Split(x, y)}, {}), most)
    return remembered(folder)


def test_examples_lie_evenly_over_the_split(tmp_path):
    x = torch.arange(2000, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 2, 2)
    found = kept(tmp_path, x, torch.arange(2000) // 1000)
    assert len(found.places) == 500 and found.places[0] == 0 and found.places[-1] == 1999
    assert torch.equal(found.x, x[found.places]) and found.x.dtype == torch.uint8
    assert found.y == [place // 1000 for place in found.places]
    assert kept(tmp_path, x, most=3).places == [0, 1000, 1999]


def test_of_large_examples_fewer_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BYTES", 1000)
    assert len(kept(tmp_path, torch.zeros(80, 1, 6, 6, dtype=torch.uint8)).x) == 20
    texts = ["a" * 90, "é" * 90, *["word"] * 58]
    assert len(kept(tmp_path, texts, kind="documents").x) == 60
    assert kept(tmp_path, ["a" * 300] * 4, kind="documents").x == ["a" * 300] * 2


def test_what_is_no_set_of_examples_is_not_kept(tmp_path):
    for kind, x in (("text", "a text"), ("images", torch.zeros(1, 1, 2, 2)), ("nothing", torch.zeros(9, 2))):
        remember(tmp_path, Dataset(kind, {"train": Split(x)}, {}), 500)
    remember(tmp_path, Dataset("images", {"train": Split(torch.zeros(9, 1, 2, 2))}, {}), 0)  # as was asked
    assert not (tmp_path / FILE).exists()


def test_a_damaged_file_is_named(tmp_path):
    kept(tmp_path, torch.zeros(9, 3, dtype=torch.float64), kind="tables")
    content = (tmp_path / FILE).read_bytes()
    np.savez_compressed(tmp_path / "other", x=np.zeros((2, 2)), places=np.zeros(1))
    for damaged in (content[:60], b"", (tmp_path / "other.npz").read_bytes()):
        (tmp_path / FILE).write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"examples\.npz cannot be read"):
            remembered(tmp_path)
