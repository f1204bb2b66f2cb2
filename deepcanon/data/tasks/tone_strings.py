"""Tone strings: three to five tones after each other, to be written down; speech for those who have no recordings.

A tone has one of five pitches, A to E, and is played on one of three instruments, which differ in their overtones. Its
length, loudness and noise are its own:

    x_t = a sin(pi t / n) sum_k w_k sin(2 pi k f t / 8000) + noise,   0 <= t < n

with n from 600 to 1,400 samples, so that it swells and fades, and the same pitch twice is heard as two tones. Whoever
writes nothing down has an error of 1 per symbol; all of it can be written down.

>>> import torch
>>> from deepcanon.data.tasks.tone_strings import tone
>>> sound = tone(440.0, (1.0, 0.5), torch.Generator().manual_seed(0))
>>> sound.dtype, 600 <= len(sound) <= 1400
(torch.int16, True)
"""

import math
from typing import Any

import torch
from torch import Tensor

from ..known import Known
from ..seeds import stream_seed
from ..speech import strings
from . import Task

__all__ = ["KIND", "PITCHES", "RATE", "draw", "tone"]

KIND = "speech"
RATE = 8000
PITCHES = {"A": 220.0, "B": 330.0, "C": 495.0, "D": 742.5, "E": 1113.75}
INSTRUMENTS = {"flute": (1.0, 0.1), "reed": (0.6, 0.5, 0.4), "bell": (0.8, 0.0, 0.6)}
COUNTS = {"train": 400, "valid": 60, "test": 60}
RECORDED = {"train": 12, "valid": 4, "test": 4}


def tone(hertz: float, overtones: tuple[float, ...], generator: torch.Generator) -> Tensor:
    """One tone, int16 [T], T from 600 to 1,400.

    Args:
        hertz: of the lowest of its frequencies.
        overtones: the amplitude of each multiple of it.
    """
    n = int(torch.randint(600, 1401, (), generator=generator))
    loudness = 0.2 + 0.5 * torch.rand((), generator=generator)
    t = torch.arange(n)
    wave = sum(w * torch.sin(2 * math.pi * k * hertz * t / RATE) for k, w in enumerate(overtones, 1)) / sum(overtones)
    noise = 0.02 * torch.randn(n, generator=generator)
    x = loudness * torch.sin(math.pi * t / n) * wave + noise
    return (x.clamp(-1, 1) * 32767).round().to(torch.int16)


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Strings of tones, each of one instrument."""
    splits, symbols = {}, list(PITCHES)
    for split, count in COUNTS.items():
        generator = torch.Generator().manual_seed(stream_seed(seed, 0, f"tone-strings/{split}"))
        played = {
            name: [(p, tone(f, w, generator)) for p, f in PITCHES.items() for _ in range(RECORDED[split])]
            for name, w in INSTRUMENTS.items()
        }
        splits[split] = strings(played, symbols, count, RATE, generator)
    reasons = ("nothing written down", "each tone is heard")
    return Task(splits, (Known("error", 1.0, 0.0, "per symbol", reasons),), {"symbols": symbols})
