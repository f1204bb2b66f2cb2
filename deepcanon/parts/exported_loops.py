r"""Loops over time that an exported graph keeps: it then takes sequences of any length.

`torch.export` writes a loop of Python, and torch's own recurrent kernels, once for each step of the example that it is
given. `looped` hands it a loop instead, which ONNX has too; outside of an export it is the loop of Python.

(1) values of the loop: z_0 given, z_{t+1} = body(t, z_t) as long as t < count and continues(z_t)
(2) a GRU:  h_t = GRU(x_t, h_{t-1}), all h written into one tensor

>>> total, doubled = looped(lambda t, z: (z[0] + t, 2 * z[1]), (torch.tensor(0), torch.ones(2)), 4)
>>> total.item(), doubled.tolist()
(6, [16.0, 16.0])
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

__all__ = ["looped", "put", "recurrent_states"]

Values = tuple[Tensor, ...]


def looped(
    body: Callable[[Tensor, Values], Sequence[Tensor]],
    start: Sequence[Tensor],
    count: int | torch.SymInt,
    continues: Callable[[Values], Tensor] | None = None,
) -> Values:
    """The values z after the loop of eq. (1).

    Args:
        body: (t [], z) -> the next z, of the same shapes and types.
        count: steps at most.
        continues: whether there is a next step [], boolean.
    """

    def goes_on(t: Tensor, *values: Tensor) -> Tensor:
        more = t < count
        return more if continues is None else more & continues(values)

    def once(t: Tensor, *values: Tensor) -> Values:
        return t + 1, *body(t, values)

    now: Values = (torch.zeros((), dtype=torch.int64, device=start[0].device), *start)
    if torch.compiler.is_exporting():
        from torch._higher_order_ops.while_loop import while_loop  # torch has no other name for it

        # The values before and after a step must lie alike in memory.
        return tuple(while_loop(goes_on, once, tuple(part.contiguous() for part in now)))[1:]
    while bool(goes_on(*now)):
        now = once(*now)
    return now[1:]


def put(rows: Shaped[Tensor, "batch time ..."], t: Tensor, row: Tensor) -> Tensor:
    """The rows with another one [batch, ...] at the step t []."""
    here = (torch.arange(rows.shape[1], device=rows.device) == t).view(1, -1, *(1,) * (rows.ndim - 2))
    return torch.where(here, row[:, None], rows)


def recurrent_states(
    step: Callable[[Tensor, Tensor], Tensor],
    x: Float[Tensor, "batch time input"],
    start: Float[Tensor, "batch hidden"],
) -> Float[Tensor, "batch time hidden"]:
    """All states of a recurrence, eq. (2).

    Args:
        step: (x_t [batch, input], h [batch, hidden]) -> the next h.
    """

    def body(t: Tensor, values: Values) -> tuple[Any, Any]:
        hidden, states = values
        hidden = step(x.index_select(1, t.view(1))[:, 0], hidden)
        return hidden, put(states, t, hidden)

    states = x.new_zeros(x.shape[0], x.shape[1], start.shape[1])
    return looped(body, (start, states), x.shape[1])[1]
