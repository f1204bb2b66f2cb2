"""Of several processes each reads its own rows of a batch from the disk, and no others."""

import numpy as np
import pytest
import torch
from PIL import Image

from deepcanon.data import decoding, large_text, open_data, vectors
from deepcanon.data.tokens import tokens_of
from deepcanon.engine.run import Run
from deepcanon.parts.recurrence import read_window, window
from deepcanon.parts.vocabulary import Vocabulary
from deepcanon.settings import Settings

WORLD, BATCH = 2, 8


def run_of(rank, world):
    run = Run(Settings(device="cpu", threads=1, steps=9, seed=3))
    run.rank, run.world = rank, world
    return run


@pytest.fixture(autouse=True)
def on_disk(monkeypatch, tmp_path):
    monkeypatch.setenv("DEEPCANON_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(decoding, "MEMORY_LIMIT", 10)
    monkeypatch.setattr(large_text, "LARGE", 0)
    monkeypatch.setattr(vectors, "ROW", 16)
    monkeypatch.setattr(vectors, "HELD", 0)


@pytest.mark.parametrize("kept", ["auto", "off"])
def test_pictures_of_a_folder(kept, tmp_path, monkeypatch):
    (tmp_path / "set").mkdir()
    for i in range(60):
        Image.fromarray(np.full((4, 4), i, np.uint8)).save(tmp_path / "set" / f"{i:02}.png")
    data = open_data(("images",), str(tmp_path / "set"), options={"images": {"cache": kept}})
    train, read = data["train"], []
    if kept == "off":  # decoded from the files
        decode = type(train.x)._decode
        monkeypatch.setattr(type(train.x), "_decode", lambda self, row: read.append(row) or decode(self, row))
    else:
        stored = type(train.x)._stored

        def told(self, store, rows):
            read.extend(rows)
            return stored(self, store, rows)

        monkeypatch.setattr(type(train.x), "_stored", told)
    monkeypatch.setattr(train, "prefetch", lambda rows: None)  # the next batch would be counted with this one
    whole = run_of(0, 1).batch(train, BATCH).x
    assert len(read) == BATCH
    for rank in range(WORLD):
        read.clear()
        assert torch.equal(run_of(rank, WORLD).batch(train, BATCH).x, whole[rank::WORLD])
        assert len(read) == BATCH // WORLD


def test_windows_of_a_text(tmp_path, monkeypatch):
    letters = np.random.default_rng(0).choice([*"abcdefgh"], 16_000)
    (tmp_path / "text.txt").write_text("".join(letters))
    text = open_data(("text",), str(tmp_path / "text.txt"), options={"text": {"cache": "auto"}})["train"].x
    tokens, read = tokens_of(text, Vocabulary.build("abcdefgh", "characters")), []
    row = vectors.Vector._row
    monkeypatch.setattr(vectors.Vector, "_row", lambda self, number: read.append(number) or row(self, number))
    here = window(0, (len(tokens) - 1) // BATCH, 32)
    whole = read_window(tokens, BATCH, here, run_of(0, 1).rows(BATCH))
    rows_read = [set(read)]
    for rank in range(WORLD):
        read.clear()
        own = read_window(tokens, BATCH, here, run_of(rank, WORLD).rows(BATCH))
        assert all(torch.equal(mine, every[rank::WORLD]) for mine, every in zip(own, whole, strict=True))
        rows_read.append(set(read))
    assert rows_read[0] == rows_read[1] | rows_read[2] and not rows_read[1] & rows_read[2]
