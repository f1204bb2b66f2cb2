"""What `generate` and `play` may be asked. A recipe adds fields in a dataclass that inherits one of these.

Without torch or NumPy.
"""

from dataclasses import dataclass
from typing import ClassVar

from deepcanon.ranges import Count, NonNegative, Probability, Whole

__all__ = ["ClassSampling", "PictureSampling", "Playing", "Sampling", "SoundSampling", "TextSampling", "Translating"]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """What `generate` is asked."""

    GROUP: ClassVar[str] = ""
    FILES: ClassVar[tuple[str, ...]] = ()
    """Options that name a file that is read: where no path may be given, the file itself is."""

    count: Count = 1
    """Samples to draw."""


@dataclass(frozen=True, kw_only=True)
class ClassSampling(Sampling):
    prompt: str = ""
    """The class to draw from; all classes in turn if not given."""


@dataclass(frozen=True, kw_only=True)
class PictureSampling(Sampling):
    temperature: NonNegative = 1.0
    """Temperature of each pixel: 1 as trained, lower gives safer, less varied pictures, 0 the likeliest level."""


@dataclass(frozen=True, kw_only=True)
class SoundSampling(ClassSampling):
    temperature: NonNegative = 1.0
    """Temperature of the sampling: 1 as trained, lower is more conservative, 0 takes the likeliest."""
    length: Count = 8000
    """Length of a sound in samples."""


@dataclass(frozen=True, kw_only=True)
class TextSampling(Sampling):
    prompt: str = ""
    """Text to continue; for a class-conditional model the class to draw from, for a series a file with its
    columns."""
    temperature: NonNegative = 1.0
    """Temperature of the sampling: 1 as trained, lower is more conservative, 0 takes the likeliest."""
    beam: Whole = 0
    """Width of a beam search for the likeliest texts; 0 samples."""
    length: Count = 400
    """Length of a sample in symbols."""
    top_k: Whole = 0
    """Draw only from the K likeliest symbols; 0: from all."""
    top_p: Probability = 1.0
    """Draw only from the likeliest symbols with this total probability."""
    rank: Whole = 0
    """Draw this many texts and keep the likeliest ones, best first; 0: keep every text."""
    length_penalty: NonNegative = 0.0
    """Beam search and --rank: compare log probabilities divided by ((5 + length) / 6) to this power; 0 favours short
    texts."""
    stop: tuple[str, ...] = ()
    """Texts at which a sample ends; they are not shown."""


@dataclass(frozen=True, kw_only=True)
class Translating(Sampling):
    prompt: str = ""
    """Sentence to translate."""
    temperature: NonNegative = 1.0
    """Temperature of the sampling: 1 as trained, lower is more conservative, 0 takes the likeliest."""
    beam: Whole = 0
    """Width of a beam search for the likeliest translations; 0 samples."""
    length_penalty: NonNegative = 0.0
    """Beam search: compare log probabilities divided by ((5 + length) / 6) to this power; 0 favours short texts."""


@dataclass(frozen=True, kw_only=True)
class Playing:
    """What `play` is asked."""

    GROUP: ClassVar[str] = ""

    episodes: Count = 5
    """Episodes to play."""
    seed: Whole = 0
    """Seed of the episodes."""
    to: str = ""
    """File for a film of the first episode (.gif)."""
