"""Plucked strings: short sounds of four notes, each a burst of noise that goes round and round and fades.

    x_t = noise for t < p;   x_t = 0.498 (x_{t-p} + x_{t-p-1}) from then on

with p the samples of a period: 8,000 samples a second over the frequency of the note. The first period determines all
that follows, p samples later each time, so a model must look that far back: 18 to 36 samples. The classes are the notes
A3, C4, E4 and A4; each sound has its own noise and loudness. A model that takes 256 codes for equally likely needs 8
bits a sample.

Source: Karplus and Strong 1983, "Digital Synthesis of Plucked-String and Drum Timbres".

>>> import torch
>>> from deepcanon.data.tasks.plucked_strings import plucked
>>> x = plucked(2, 100, 20, torch.Generator().manual_seed(0))
>>> x.shape, bool(torch.allclose(x[:, 60], 0.498 * (x[:, 40] + x[:, 39])))
(torch.Size([2, 100]), True)
"""

from typing import Any

import torch
from torch import Tensor

from ..known import Known
from ..seeds import stream_seed
from ..sounds import Sounds
from ..splits import Split
from . import Task

__all__ = ["KIND", "NOTES", "RATE", "draw", "plucked"]

KIND = "audio"
RATE, SECONDS, FADE = 8000, 0.25, 0.498
NOTES = {"A3": 220.0, "C4": 261.63, "E4": 329.63, "A4": 440.0}
COUNTS = {"train": 200, "valid": 40, "test": 40}


def plucked(count: int, length: int, period: int, generator: torch.Generator) -> Tensor:
    """Sounds [count, length] of one period, float32 in [-1, 1]."""
    if count < 1 or not 0 < period < length:
        raise ValueError(f"{count} sounds of {length} samples have no period of {period}")
    x = torch.zeros(count, length)
    loudness = 0.2 + 0.6 * torch.rand(count, 1, generator=generator)
    x[:, :period] = loudness * (2 * torch.rand(count, period, generator=generator) - 1)
    for t in range(period, length):
        x[:, t] = FADE * (x[:, t - period] + (x[:, t - period - 1] if t > period else 0))
    return x


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Sounds of the four notes in turn."""
    splits, length = {}, round(SECONDS * RATE)
    for split, count in COUNTS.items():
        generator = torch.Generator().manual_seed(stream_seed(seed, 0, f"plucked-strings/{split}"))
        many = count // len(NOTES)
        sounds = torch.stack([plucked(many, length, round(RATE / hertz), generator) for hertz in NOTES.values()], 1)
        coded = (sounds * 32767).round().to(torch.int16)
        names = [f"{note}-{number}" for number in range(many) for note in NOTES]
        starts = torch.arange(count) * length
        x = Sounds(coded.reshape(-1), starts, torch.full((count,), length), RATE, names)
        splits[split] = Split(x, torch.arange(count) % len(NOTES))
    reasons = ("256 codes alike", "")
    return Task(splits, (Known("bits", 8.0, None, "bits per sample", reasons),), {"classes": list(NOTES)})
