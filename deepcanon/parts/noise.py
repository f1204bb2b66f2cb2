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
from torch import Tensor

__all__ = ["normal", "uniform"]


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
