"""Random numbers on the device of a tensor, from a generator of either device.

A generator of a GPU draws there, and nothing is copied or waited for; one of the CPU gives the same numbers wherever
the tensor lies.

    >>> x, random = torch.zeros(2, 3), torch.Generator().manual_seed(0)
    >>> uniform((2,), x, random).tolist() == torch.rand(2, generator=torch.Generator().manual_seed(0)).tolist()
    True
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Noisy", "normal", "uniform"]


def uniform(
    shape: Sequence[int], like: Tensor, generator: torch.Generator | None = None, dtype: torch.dtype | None = None
) -> Tensor:
    """Numbers in [0, 1) on the device of `like`; of torch's default type unless one is given."""
    return _drawn(torch.rand, shape, like, generator, dtype)


def normal(
    shape: Sequence[int], like: Tensor, generator: torch.Generator | None = None, dtype: torch.dtype | None = None
) -> Tensor:
    """Standard normal numbers on the device of `like`."""
    return _drawn(torch.randn, shape, like, generator, dtype)


def _drawn(
    draw: Any, shape: Sequence[int], like: Tensor, generator: torch.Generator | None, dtype: torch.dtype | None
) -> Tensor:
    where = like.device if generator is None else generator.device
    numbers: Tensor = draw(tuple(shape), generator=generator, dtype=dtype, device=where)
    return numbers if where == like.device else numbers.to(like.device)


class Noisy(nn.Module):
    """A module that draws a number for each value of its input.

    Several processes draw the numbers of the global batch from generators that are seeded alike, and each takes its
    own rows, so that they compute what one process would.

    Attributes:
        rank, world: which of how many processes this one is; the engine says so.
    """

    rank = 0
    world = 1

    def uniform(self, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Numbers in [0, 1) of float32, one for each value of `like`, on its device."""
        shape = (len(like) * self.world, *like.shape[1:])
        return uniform(shape, like, generator, torch.float32)[self.rank :: self.world]
