r"""Backpropagation through time, whole and truncated: how far back the gradient of a loss reaches.

Papers: Werbos, "Backpropagation Through Time: What It Does and How to Do It", 1990; Williams and Peng, "An Efficient
Gradient-Based Algorithm for On-Line Training of Recurrent Network Trajectories", 1990, their BPTT(h; h').

Legend: x_t input [batch B, input I]; h_t hidden vector [B, H], h_t = tanh(a_t), a_t = W_x x_t + W_h h_{t-1} + b; l_t
loss of step t, e_t = dl_t / dh_t; T steps; s_t = dL / da_t; k1 steps from one backward pass to the next, k2 >= k1
steps of each.

(1) L = sum_t l_t;   s_t = (e_t + W_h^T s_{t+1}) * (1 - h_t^2),   s_{T+1} = 0
(2) dL / dW_x = sum_t s_t x_t^T,  dL / dW_h = sum_t s_t h_{t-1}^T,  dL / db = sum_t s_t: weights that are shared over
    time have the SUM of what they have at each step
(3) truncated: after every k1 steps, at time t, the losses of the last k1 steps are sent back through the last k2 steps:
    (1) with e = 0 before t - k1 + 1, ended before t - k2 + 1. States keep their VALUES: only the history is cut
(4) so the gradient of l_t in anything that lies k2 or more steps back is exactly 0; with k1 = k2 = k, windows of k
    steps side by side, it reaches k steps back from the end of a window, and only 1 from its beginning

Departures: (3) adds the gradients of all passes, as for a sequence after which the weights change once; a trainer that
changes them after every pass takes `passes`. The last pass may be shorter.

>>> x, errors, zero = torch.randn(2, 9, 3), torch.randn(2, 9, 4), torch.zeros(2, 4)
>>> w_x, w_h, b = torch.randn(4, 3), torch.randn(4, 4), torch.zeros(4)
>>> whole, windows = bptt(x, zero, w_x, w_h, b, errors), bptt(x, zero, w_x, w_h, b, errors, 3, 3)
>>> far = bptt(x, zero, w_x, w_h, b, errors, 3, 9)
>>> torch.allclose(whole.weight_h, far.weight_h, atol=1e-5), torch.allclose(whole.weight_h, windows.weight_h, atol=1e-5)
(True, False)
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Gradients", "Pass", "bptt", "passes", "reach", "states"]


class Gradients(NamedTuple):
    """dL of eq. (2), and with respect to the inputs and the first state."""

    weight_x: Float[Tensor, "hidden input"]
    weight_h: Float[Tensor, "hidden hidden"]
    bias: Float[Tensor, "hidden"]
    inputs: Float[Tensor, "batch time input"]
    start: Float[Tensor, "batch hidden"]


class Pass(NamedTuple):
    """A backward pass: it reads steps from `first` to before `stop`, and losses from `counted` on."""

    first: int
    counted: int
    stop: int


def passes(time: int, k1: int, k2: int) -> Iterator[Pass]:
    """The passes of eq. (3) over this many steps.

    Raises:
        ValueError: k1 is below 1, or k2 below k1, so that some losses would never be sent back.
    """
    if time < 1 or k1 < 1 or k2 < k1:
        raise ValueError(f"{time} steps, a pass of k2 = {k2} steps after every k1 = {k1}: 1 <= k1 <= k2 is needed")
    for counted in range(0, time, k1):
        stop = min(counted + k1, time)
        yield Pass(max(0, stop - k2), counted, stop)


def states(
    x: Float[Tensor, "batch time input"],
    start: Float[Tensor, "batch hidden"],
    weight_x: Float[Tensor, "hidden input"],
    weight_h: Float[Tensor, "hidden hidden"],
    bias: Float[Tensor, "hidden"],
) -> Float[Tensor, "batch steps hidden"]:
    """h_0 to h_T, [batch, T + 1, hidden]."""
    if x.ndim != 3 or x.shape[2] != weight_x.shape[1] or start.shape != (len(x), len(weight_h)):
        raise ValueError(f"x {tuple(x.shape)} and a state {tuple(start.shape)} do not fit {tuple(weight_x.shape)}")
    found = [start]
    for sums in (x @ weight_x.T + bias).unbind(1):
        found.append(torch.tanh(sums + found[-1] @ weight_h.T))
    return torch.stack(found, 1)


def bptt(
    x: Float[Tensor, "batch time input"],
    start: Float[Tensor, "batch hidden"],
    weight_x: Float[Tensor, "hidden input"],
    weight_h: Float[Tensor, "hidden hidden"],
    bias: Float[Tensor, "hidden"],
    errors: Float[Tensor, "batch time hidden"],
    k1: int | None = None,
    k2: int | None = None,
) -> Gradients:
    """The gradients of eqs. (1) and (2), by hand; truncated as in eq. (3).

    Args:
        errors: e_t of every step.
        k1, k2: steps between passes, and of each; all steps if not given.
    """
    hidden, time = states(x, start, weight_x, weight_h, bias), x.shape[1]
    if errors.shape != hidden[:, 1:].shape:
        raise ValueError(f"errors {tuple(errors.shape)} are not [batch, time, hidden] = {tuple(hidden[:, 1:].shape)}")
    found = Gradients(*(torch.zeros_like(value) for value in (weight_x, weight_h, bias, x, start)))
    k1 = time if k1 is None else k1
    for first, counted, stop in passes(time, k1, max(k1, time) if k2 is None else k2):
        through = torch.zeros_like(start)
        for t in reversed(range(first, stop)):
            # (1)
            error = errors[:, t] + through if t >= counted else through
            slope = error * (1 - hidden[:, t + 1] ** 2)
            # (2)
            found.weight_x.add_(slope.T @ x[:, t])
            found.weight_h.add_(slope.T @ hidden[:, t])
            found.bias.add_(slope.sum(0))
            found.inputs[:, t] += slope @ weight_x
            through = slope @ weight_h
        if first == 0:
            found.start.add_(through)
    return found


def reach(
    x: Float[Tensor, "batch time input"],
    start: Float[Tensor, "batch hidden"],
    weight_x: Float[Tensor, "hidden input"],
    weight_h: Float[Tensor, "hidden hidden"],
    bias: Float[Tensor, "hidden"],
    k1: int,
    k2: int,
) -> Float[Tensor, "lags"]:
    """Norms of the gradient of the last step's loss, the sum of h_T, in the inputs 0 .. T - 1 steps back, eq. (4)."""
    errors = torch.zeros(*x.shape[:2], len(weight_h), dtype=x.dtype, device=x.device)
    errors[:, -1] = 1
    inputs = bptt(x, start, weight_x, weight_h, bias, errors, k1, k2).inputs
    return inputs.flip(1).norm(dim=2).mean(0)
