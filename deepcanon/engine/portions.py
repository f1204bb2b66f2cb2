"""How many rows are computed at a time where nothing is learned: as many as fit into the cache, not into memory."""

from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from deepcanon.parts.progress import told

__all__ = ["Portions", "in_portions", "rows_at_a_time"]

BYTES = 8 << 20
"""Of the largest intermediate result, so that it stays in the cache until it is read."""
LEAST, MOST = 64, 8192
MOST_KNOWN = 32
PROBES = 2, 4  # rows; what grows from the one to the other belongs to the rows, and not to the weights


class _Sizes(TorchFunctionMode):
    """Notes the bytes of every result within it."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes: list[int] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        leaves = result if isinstance(result, tuple | list) else [result]
        self.bytes += [leaf.numel() * leaf.element_size() for leaf in leaves if type(leaf) is Tensor]
        return result


def rows_at_a_time(function: Callable[[Tensor], Any], x: Any) -> int:
    """Rows whose largest intermediate result takes about `BYTES`; found by computing a few, whatever they cost.

    It depends on shapes alone, never on the clock, so that the same rows are computed together in every run.
    """
    if len(x) <= LEAST:
        return LEAST
    sizes = []
    for count in PROBES:
        with torch.random.fork_rng(devices=[]), torch.no_grad(), _Sizes() as seen:
            function(x[:count])
        sizes.append(seen.bytes)
    few, more = PROBES
    growth = max((after - before for before, after in zip(*sizes, strict=False)), default=0)
    return max(LEAST, min(MOST, BYTES * (more - few) // max(1, growth)))


def in_portions(function: Callable[[Tensor], Tensor], x: Any, rows: int | None = None) -> Tensor:
    """`function` of rows [N, ...], some at a time; its results are joined along the first axis.

    Args:
        rows: how many at a time, if that is known.
    """
    size = rows or rows_at_a_time(function, x)
    parts = told(x.split(size), -(-len(x) // size))  # those of pictures on disk have no length
    return torch.cat([function(part) for part in parts])


class Portions:
    """`in_portions` for repeated calls: it examines each function once, and remembers the result.

    Examining takes half a millisecond, as long as a small network needs for a thousand rows.
    """

    def __init__(self) -> None:
        self.known: dict[Any, int] = {}

    def __call__(self, function: Callable[[Tensor], Tensor], x: Any, of: Hashable) -> Tensor:
        """`function` of rows [N, ...].

        Args:
            of: what tells the function from the others; those that are given the same make results of the same sizes
                for rows of one shape and type.
        """
        if isinstance(x, Tensor) and x.layout is torch.sparse_csr:
            return function(x)  # whose results are larger than what is stored of the rows
        if not isinstance(x, Tensor) or len(x) <= LEAST:
            return in_portions(function, x)
        kind = x.device.type
        half = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
        key = (of, x.shape[1:], x.dtype, half)
        if key not in self.known:
            if len(self.known) >= MOST_KNOWN:  # functions that are made for one call
                self.known.clear()
            self.known[key] = rows_at_a_time(function, x)
        return in_portions(function, x, self.known[key])
