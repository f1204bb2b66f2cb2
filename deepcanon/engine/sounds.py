"""Sounds as a figure: what a recipe returns to be heard. They are drawn as waves, kept as WAV, played by the report."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepcanon.data.wav import to_bytes

__all__ = ["LONGEST", "Sound", "audio_tag", "wav_of"]

LONGEST = 60.0
"""Seconds of a sound that a page plays."""


@dataclass(frozen=True)
class Sound:
    """Recordings that can be played.

    Attributes:
        values: [N, T] in [-1, 1].
        rate: samples a second.
        names: of each.
    """

    values: Any
    rate: int
    names: Sequence[str] = ()
    title: str = ""
    caption: str = ""


def wav_of(sound: Sound, number: int) -> bytes:
    """One of the recordings as a WAV file of 16 bits."""
    values = np.nan_to_num(np.asarray(sound.values, np.float64).reshape(len(sound.values), -1)[number])
    return to_bytes(values[: int(LONGEST * sound.rate)], int(sound.rate))


def audio_tag(sound: Sound, number: int) -> str:
    """One of the recordings as HTML that plays it and loads nothing."""
    data = base64.b64encode(wav_of(sound, number)).decode()
    return f"<audio controls preload='none' src='data:audio/wav;base64,{data}'></audio>"
