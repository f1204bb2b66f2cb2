"""Rows of a matrix in blocks, in the type of the computation: one pass over them stays within the cache.

>>> import torch
>>> from deepcanon.parts.row_blocks import row_blocks
>>> [block.sum(1).tolist() for block in row_blocks(torch.ones(3, 2, dtype=torch.uint8), torch.float32, rows=2)]
[[2.0, 2.0], [2.0]]
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Num
from torch import Tensor

__all__ = ["ROWS", "row_blocks"]

ROWS = 1024


def row_blocks(
    inputs: Num[Tensor, "batch ..."], dtype: torch.dtype, rows: int = ROWS
) -> Iterator[Float[Tensor, "block ..."]]:
    """Blocks of a number of rows, the last one smaller.

    Rows of another type are copied into the same place, block after block: use a block before you take the next.
    """
    if inputs.dtype == dtype:
        yield from inputs.split(rows)
        return
    room = torch.empty(min(rows, len(inputs)), *inputs.shape[1:], dtype=dtype, device=inputs.device)
    for block in inputs.split(rows):
        yield room[: len(block)].copy_(block)
