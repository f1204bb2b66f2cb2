"""Examples that are drawn: new ones in each batch, and a finite number of them for everything else.

What is drawn is a pure function of a seed, a step and the names of streams: a task asks a source of noise for numbers
and makes examples of them. In a run the source is the run itself, so that several processes share the batch of one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .seeds import stream_seed
from .splits import Split

__all__ = ["Draw", "DrawnSplit", "Noise", "Streams", "Substreams", "drawn_splits"]


class Noise(Protocol):
    """A source of random numbers by the names of streams."""

    def rand(self, stream: str, shape: tuple[int, ...]) -> Tensor:
        """This process's rows of uniform numbers in [0, 1) of the global `shape`."""

    def randn(self, stream: str, shape: tuple[int, ...]) -> Tensor:
        """This process's rows of standard normal numbers of the global `shape`."""

    def generator(self, stream: str, device: torch.device | None = None) -> torch.Generator:
        """A generator, the same in every process; its numbers are for the global batch."""

    def rows(self, size: int) -> slice:
        """Which rows of a global batch of `size` belong to this process."""


Draw = Callable[[Noise, int], Split]
"""(noise, size of the global batch) -> this process's examples."""


@dataclass(frozen=True)
class Streams:
    """Noise of one process on the CPU: a pure function of (seed, step, name of the stream)."""

    seed: int
    step: int = 0

    def generator(self, stream: str, device: torch.device | None = None) -> torch.Generator:
        return torch.Generator(device or "cpu").manual_seed(stream_seed(self.seed, self.step, stream))

    def rand(self, stream: str, shape: tuple[int, ...]) -> Tensor:
        return torch.rand(shape, generator=self.generator(stream))

    def randn(self, stream: str, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=self.generator(stream))

    def rows(self, size: int) -> slice:
        return slice(size)


@dataclass(frozen=True)
class Substreams:
    """Another source's noise, from streams of other names: `name/stream` instead of `stream`."""

    source: Noise
    name: str

    def generator(self, stream: str, device: torch.device | None = None) -> torch.Generator:
        return self.source.generator(f"{self.name}/{stream}", device)

    def rand(self, stream: str, shape: tuple[int, ...]) -> Tensor:
        return self.source.rand(f"{self.name}/{stream}", shape)

    def randn(self, stream: str, shape: tuple[int, ...]) -> Tensor:
        return self.source.randn(f"{self.name}/{stream}", shape)

    def rows(self, size: int) -> slice:
        return self.source.rows(size)


@dataclass
class DrawnSplit(Split):
    """Batches are drawn by `draw`; `x` and `y` are a finite set of such examples, whose number counts as one pass.

    Statistics and whole-set methods use the finite set, and so does a choice of some examples, which is an ordinary
    split.
    """

    draw: Draw | None = None

    def batch(self, noise: Noise, size: int) -> Split:
        """This process's examples of a batch of `size` in all."""
        if self.draw is None:
            raise ValueError("nothing is drawn: give draw=")
        return self.draw(noise, size)


def drawn_splits(draw: Draw, name: str, seed: int, count: int, measured: int) -> dict[str, Split]:
    """Endless training examples, `count` of which are one pass, and `measured` ones to validate and to test on."""

    def some(split: str, size: int) -> Split:
        return draw(Substreams(Streams(seed), f"{name}/{split}"), size)

    train = some("train", count)
    splits: dict[str, Split] = {"train": DrawnSplit(train.x, train.y, draw=draw)}
    return {**splits, "valid": some("valid", measured), "test": some("test", measured)}
