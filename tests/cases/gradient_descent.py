import numpy as np
import torch
from contract.cases import Case
from oracles import gradient_descent as oracle

from deepcanon.foundations import GradientDescent
from deepcanon.foundations.gradient_descent import best_descent_rate, epoch_mean


def follow(start, gradients):
    """Positions of the optimizer that is handed one gradient after another."""
    here = torch.nn.Parameter(start.detach().clone())
    optimizer = GradientDescent([here], 0.3, weight_decay=0.05)
    positions = []
    for gradient in gradients.detach():
        here.grad = gradient.clone()
        optimizer.step()
        positions.append(here.detach().clone())
    return torch.stack(positions)


FUNCTIONS = (
    Case(
        name="gradient_descent",
        build=None,
        call=follow,
        inputs=lambda rng: (rng.normal(size=5), rng.normal(size=(12, 5))),
        oracle=lambda params, start, gradients: oracle.path(start, gradients, 0.3, 0.05),
        covers=("GradientDescent",),
    ),
    Case(
        name="epoch_mean",
        build=None,
        call=lambda means, counts: torch.tensor(epoch_mean(means, counts), dtype=torch.float64),
        inputs=lambda rng: (rng.normal(size=4), rng.integers(1, 9, size=4)),
        oracle=lambda params, means, counts: oracle.epoch_mean(means, counts),
        gradcheck=False,
    ),
    Case(
        name="best_descent_rate",
        build=None,
        call=lambda ends: torch.tensor(best_descent_rate(*ends.tolist()), dtype=torch.float64),
        inputs=lambda rng: (np.array([0.5, 0.5 + 9 * rng.random()]),),
        # Golden section finds the kink of the worst contraction to about the root of the rounding.
        oracle=lambda params, ends: oracle.best_rate(*ends),
        gradcheck=False,
    ),
)
