"""Momentum: classical and Nesterov's, with the rate inside the velocity or applied on use, and its schedules.

Papers: Polyak 1964, "Some methods of speeding up the convergence of iteration methods" (USSR Comput. Math. 4); Nesterov
1983; Sutskever, Martens, Dahl and Hinton 2013, "On the importance of initialization and momentum in deep learning".

theta parameters, g the gradient at them, eta learning rate, mu momentum, v velocity (zero at the start).

    v <- mu v - eta g,     theta <- theta + v                            classical, rate inside      (1)
    v <- mu v - eta g,     theta <- theta + mu v - eta g                 Nesterov, rate inside       (2)
    v <- mu v + g,         theta <- theta - eta v                        classical, rate on use      (3)
    v <- mu v + g,         theta <- theta - eta (g + mu v)               Nesterov, rate on use       (4)
    on a quadratic with eigenvalues in [m, M], a = sqrt(m), b = sqrt(M):
    best eta = 4 / (a + b)^2,  mu = ((b - a) / (b + a))^2, and the error shrinks by sqrt(mu) a step  (5)
    Nesterov: eta = 1 / M,  mu = (b - a) / (b + a), and the error shrinks by 1 - a / b a step        (6)
    UFLDL: mu_t = 0.5 for the first steps, then 0.95                                                 (7)
    Sutskever: mu_t = min(1 - 2^(-1 - log2(floor(t / 250) + 1)), mu_max)                             (8)

Sutskever's papers use (1) and (2); `torch.optim.SGD` uses (3) and (4) with dampening 0. They take the same path as long
as eta is constant. When eta changes, (1) and (2) let steps already in the velocity run out at their old length, while
(3) and (4) rescale all of them at once: after a cut by ten, (1) coasts for about 1 / (1 - mu) steps. A rule
"M <- 0.9 M + gradient" without the rate is (3) with its second half missing.

Departures: Nesterov's method takes the gradient at theta + mu v; (2) and (4) are the same iteration written in that
point (the parameters seen from outside are the point of the gradient), exact while mu is constant.

    >>> import torch
    >>> from deepcanon.foundations import Momentum
    >>> x = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = Momentum([x], lr=0.1, momentum=0.5)
    >>> for _ in range(2):
    ...     x.grad = 2 * x.detach()
    ...     optimizer.step()
    >>> round(x.item(), 4)
    0.54
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from deepcanon.parts.optimizers import Optimizer

__all__ = [
    "Momentum",
    "MomentumRate",
    "best_heavy_ball",
    "nesterov_rate",
    "sutskever_momentum",
    "ufldl_momentum",
]


class MomentumRate(NamedTuple):
    """Equation (5) or (6)."""

    rate: float
    momentum: float
    contraction: float


def _roots(smallest: float, largest: float) -> tuple[float, float]:
    if not 0 < smallest <= largest < math.inf:
        raise ValueError(f"curvatures from {smallest} to {largest}: 0 < smallest <= largest is needed")
    return math.sqrt(smallest), math.sqrt(largest)


def best_heavy_ball(smallest: float, largest: float) -> MomentumRate:
    """Equation (5): the pair that contracts fastest where all curvatures lie in [smallest, largest]."""
    low, high = _roots(smallest, largest)
    contraction = (high - low) / (high + low)
    return MomentumRate(4 / (low + high) ** 2, contraction**2, contraction)  # (5)


def nesterov_rate(smallest: float, largest: float) -> MomentumRate:
    """Equation (6): the textbook pair for Nesterov's method under the same curvatures."""
    low, high = _roots(smallest, largest)
    return MomentumRate(1 / largest, (high - low) / (high + low), 1 - low / high)  # (6)


def ufldl_momentum(step: int, *, start: float = 0.5, end: float = 0.95, increase: int = 20) -> float:
    """Equation (7): `start` before step `increase` (counted from 0), `end` from there on."""
    if step < 0 or increase < 0 or not (0 <= start < 1 and 0 <= end < 1):
        raise ValueError(f"step {step}, momentum {start} and then {end} from step {increase} is not a schedule")
    return start if step < increase else end  # (7)


def sutskever_momentum(step: int, *, largest: float = 0.99, period: int = 250) -> float:
    """Equation (8): 1/2, 3/4, 5/6, 7/8 ... each for `period` steps, never above `largest`."""
    if step < 0 or period < 1 or not 0 <= largest < 1:
        raise ValueError(f"step {step}, period {period}, largest momentum {largest} is not a schedule")
    return min(1 - 2 ** (-1 - math.log2(step // period + 1)), largest)  # (8)


class Momentum(Optimizer):
    """Equations (1) to (4). `param_groups` may be changed between steps: rate and momentum alike.

    Args:
        params: tensors, or groups of them with options of their own.
        lr: eta.
        momentum: mu; 0 is gradient descent.
        nesterov: (2) and (4) instead of (1) and (3).
        rate_on_use: (3) and (4) instead of (1) and (2), as `torch.optim.SGD` does.
        weight_decay: lambda of an L2 penalty: the gradient becomes g + lambda theta.
    """

    def __init__(
        self,
        params: Any,
        lr: float,
        momentum: float = 0.9,
        *,
        nesterov: bool = False,
        rate_on_use: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "nesterov": nesterov, "rate_on_use": rate_on_use}
        super().__init__(params, {**options, "weight_decay": weight_decay})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As in torch; the group's options are checked."""
        options = {**self.defaults, **param_group}
        for name in ("lr", "weight_decay"):
            if not 0 <= options[name] < math.inf:
                raise ValueError(f"{name} is {options[name]}: it must be finite and not negative")
        if not 0 <= options["momentum"] < 1:
            raise ValueError(f"a momentum lies in [0, 1), {options['momentum']} does not")
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
            if not parameters:
                continue
            gradients = [p.grad for p in parameters]
            if any(gradient.is_sparse for gradient in gradients):
                raise ValueError("momentum needs dense gradients: the velocity moves every row at every step")
            if group["weight_decay"]:
                gradients = list(torch._foreach_add(gradients, parameters, alpha=group["weight_decay"]))
            for parameter in parameters:
                if "velocity" not in self.state[parameter]:
                    self.state[parameter]["velocity"] = torch.zeros_like(parameter)
            velocities = [self.state[parameter]["velocity"] for parameter in parameters]
            rate, mu = group["lr"], group["momentum"]
            entering, leaving = (1.0, -rate) if group["rate_on_use"] else (-rate, 1.0)
            torch._foreach_mul_(velocities, mu)
            torch._foreach_add_(velocities, gradients, alpha=entering)
            if group["nesterov"]:
                torch._foreach_add_(parameters, velocities, alpha=leaving * mu)  # (2), (4)
                torch._foreach_add_(parameters, gradients, alpha=-rate)
            else:
                torch._foreach_add_(parameters, velocities, alpha=leaving)  # (1), (3)
        return loss
