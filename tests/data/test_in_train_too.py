"""Recordings and pictures with boxes of valid and test that are in train too are told."""

import wave

import numpy as np
import torch
from PIL import Image

from deepcanon.data import open_data
from deepcanon.data.sounds import Sounds


def sound(values):
    return torch.tensor(values, dtype=torch.int16)


def of(*recordings):
    lengths = torch.tensor([len(one) for one in recordings])
    starts = lengths.cumsum(0) - lengths
    return Sounds(torch.cat([sound(one) for one in recordings]), starts, lengths, 8000, [""] * len(recordings))


def test_recordings_are_compared_by_all_samples():
    noise = np.random.default_rng(0).integers(-9999, 9999, 2000).tolist()
    other = [0, *noise[1:]]  # in the middle the same
    train = of(noise, [1, 2, 3], [0] * 50)
    assert of(noise, [1, 2, 3]).found_in(train) == 2
    assert of(other, [1, 2, 3, 4], [1, 2, 4], [0] * 49).found_in(train) == 0
    assert of([0] * 50, [0] * 50).found_in(train) == 2


def written(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(np.asarray(values, np.int16).tobytes())


def test_recordings_that_are_in_train_too_are_told(tmp_path):
    draw = np.random.default_rng(0)
    for number in range(4):
        written(tmp_path / "train" / "ab"[number % 2] / f"{number}.wav", draw.integers(-9999, 9999, 900))
    written(tmp_path / "valid" / "a" / "7.wav", draw.integers(-9999, 9999, 900))
    same = (tmp_path / "train" / "a" / "0.wav").read_bytes()
    written(tmp_path / "test" / "a" / "9.wav", draw.integers(-9999, 9999, 900))
    assert not any("in train too" in note for note in open_data(("audio",), str(tmp_path)).notes)
    (tmp_path / "test" / "b").mkdir()
    (tmp_path / "test" / "b" / "8.wav").write_bytes(same)
    notes = open_data(("audio",), str(tmp_path)).notes
    assert "recordings of test that are in train too, sample by sample: 1" in notes


def test_pictures_with_boxes_that_are_in_train_too_are_told(tmp_path):
    draw = np.random.default_rng(0)
    pictures = [draw.integers(0, 255, (32, 32, 3), np.uint8) for _ in range(6)]
    rows = ["file,x,y,width,height,label,split"]
    for number, split in enumerate(["train"] * 4 + ["valid", "test"]):
        Image.fromarray(pictures[2 if split == "test" else number]).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,4,4,12,12,cup,{split}")
    (tmp_path / "boxes.csv").write_text("\n".join([*rows, ""]))
    notes = open_data(("boxes",), str(tmp_path)).notes
    assert "pictures of test that are in train too, pixel by pixel: 1; they do not measure what is new" in notes
