"""AdaGrad: a rate for every coordinate that falls with the root of the sum of its squared gradients.

Paper: Duchi, Hazan and Singer 2011, "Adaptive subgradient methods for online learning and stochastic optimization"
(JMLR 12), the diagonal version of figure 1.

theta parameters, g gradient, eta rate, s accumulator (all elementwise), s_0 its start, eps a small number.

    s <- s + g^2                                                                       (1)
    theta <- theta - eta g / (sqrt(s) + eps)              eps outside the root         (2)
    theta <- theta - eta g / sqrt(s + eps)                eps inside                   (3)

The paper's delta and torch's eps are outside the root (2), with s_0 = 0; TensorFlow and Keras start at s_0 = 0.1 and
Keras puts eps inside (3). Nothing is forgotten: the rate of a coordinate never rises. Under a constant gradient the
coordinate moves by eta sum_{i <= t} 1/sqrt(i), whatever the gradient's size. AdaGrad has no momentum: it rescales and
keeps no memory of the direction. A sparse gradient changes accumulator and parameters in its rows alone, so rare
features keep their high rate until they are seen; for a zero in a dense gradient (2) and (3) change nothing.

Departures: no projection onto a feasible set and no composite regulariser; eps defaults to torch's 1e-10, so that (2)
is the plain rule up to rounding. The weight decay is an L2 penalty and is therefore rescaled too (see `weight_decay`).

    >>> import torch
    >>> from deepcanon.foundations import Adagrad
    >>> x = torch.zeros(2, requires_grad=True)
    >>> optimizer = Adagrad([x], lr=1.0)
    >>> for _ in range(2): x.grad = torch.tensor([1e-3, 1e3]); optimizer.step()
    >>> [round(value, 4) for value in x.tolist()]
    [-1.7071, -1.7071]
"""

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from deepcanon.parts.optimizers import Optimizer

__all__ = ["Adagrad", "adagrad_rates"]


def adagrad_rates(
    accumulator: Float[Tensor, "..."], lr: float, *, eps: float = 1e-10, eps_place: str = "outside"
) -> Float[Tensor, "..."]:
    """What multiplies the gradient in (2) or (3): the current rate of each coordinate."""
    if eps_place == "outside":
        return lr / (accumulator.sqrt() + eps)  # (2)
    if eps_place == "inside":
        return lr / (accumulator + eps).sqrt()  # (3)
    raise ValueError(f"eps_place is outside or inside, not {eps_place!r}")


class Adagrad(Optimizer):
    """Equations (1) and (2) or (3), for dense and sparse gradients.

    Args:
        params: tensors, or groups of them with options of their own.
        lr: eta.
        eps: keeps a coordinate without gradients from dividing by zero.
        eps_place: outside the root (2) or inside (3).
        initial_accumulator: s_0; 0 in the paper and in torch, 0.1 in TensorFlow.
        weight_decay: lambda of an L2 penalty: the gradient becomes g + lambda theta.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 0.01,
        *,
        eps: float = 1e-10,
        eps_place: Literal["outside", "inside"] = "outside",
        initial_accumulator: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        options = {"lr": lr, "eps": eps, "eps_place": eps_place, "initial_accumulator": initial_accumulator}
        super().__init__(params, {**options, "weight_decay": weight_decay})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As in torch; the group's options are checked."""
        options = {**self.defaults, **param_group}
        for name in ("lr", "eps", "initial_accumulator", "weight_decay"):
            if not 0 <= options[name] < math.inf:
                raise ValueError(f"{name} is {options[name]}: it must be finite and not negative")
        if options["eps_place"] not in ("outside", "inside"):
            raise ValueError(f"eps_place is outside or inside, not {options['eps_place']!r}")
        if options["eps"] == options["initial_accumulator"] == 0:
            raise ValueError("eps or initial_accumulator must be positive: a first gradient of 0 divides 0 by 0")
        super().add_param_group(param_group)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """One update of every parameter that has a gradient; returns what the closure returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            for parameter in parameters:
                if parameter.is_complex():
                    raise ValueError("AdaGrad is for real parameters: a complex one was given")
                if "sum" not in self.state[parameter]:
                    self.state[parameter]["sum"] = torch.full_like(parameter, group["initial_accumulator"])
            for parameter in parameters:
                if parameter.grad.is_sparse:
                    self._sparse(parameter, parameter.grad.coalesce(), group)
            dense = [p for p in parameters if not p.grad.is_sparse]
            if dense:
                self._dense(dense, [p.grad for p in dense], group)
        return loss

    def _dense(self, parameters: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> None:
        if group["weight_decay"]:
            gradients = list(torch._foreach_add(gradients, parameters, alpha=group["weight_decay"]))
        sums = [self.state[p]["sum"] for p in parameters]
        torch._foreach_addcmul_(sums, gradients, gradients)  # (1)
        if group["eps_place"] == "outside":
            below = torch._foreach_sqrt(sums)
            torch._foreach_add_(below, group["eps"])
        else:
            below = torch._foreach_add(sums, group["eps"])
            torch._foreach_sqrt_(below)
        torch._foreach_addcdiv_(parameters, gradients, below, value=-group["lr"])  # (2), (3)

    def _sparse(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        # Coalesced: a row that was used twice comes once, with the sum.
        if group["weight_decay"]:
            raise ValueError("weight decay needs dense gradients: it moves every row")
        rows, values = tuple(gradient.indices()), gradient.values()
        accumulator = self.state[parameter]["sum"]
        seen = accumulator[rows] + values.square()  # (1)
        accumulator[rows] = seen
        parameter[rows] -= adagrad_rates(seen, group["lr"], eps=group["eps"], eps_place=group["eps_place"]) * values
