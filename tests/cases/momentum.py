import numpy as np
import torch
from contract.cases import Case
from oracles import momentum as oracle

from deepcanon.foundations import Momentum
from deepcanon.foundations.momentum import best_heavy_ball, nesterov_rate, sutskever_momentum, ufldl_momentum

RATES = [0.1] * 6 + [0.01] * 6 + [0.05] * 4  # which tells the forms apart


def follow(start, gradients, **options):
    """Positions of the optimizer that is handed one gradient after another, at RATES."""
    here = torch.nn.Parameter(start.detach().clone())
    optimizer = Momentum([here], RATES[0], 0.8, **options)
    positions = []
    for rate, gradient in zip(RATES, gradients.detach(), strict=True):
        optimizer.param_groups[0]["lr"] = rate
        here.grad = gradient.clone()
        optimizer.step()
        positions.append(here.detach().clone())
    return torch.stack(positions)


def follow_nesterov(start, matrix):
    """The same on a quadratic, whose gradient is taken where the optimizer stands."""
    here = torch.nn.Parameter(start.detach().clone())
    optimizer = Momentum([here], RATES[0], 0.8, nesterov=True)
    positions = []
    for rate in RATES:
        optimizer.param_groups[0]["lr"] = rate
        here.grad = matrix.detach() @ here.detach()
        optimizer.step()
        positions.append(here.detach().clone())
    return torch.stack(positions)


def problem(rng):
    return rng.normal(size=5), rng.normal(size=(len(RATES), 5))


def quadratic(rng):
    root = rng.normal(size=(5, 5))
    return rng.normal(size=5), root @ root.T / 5


FUNCTIONS = (
    Case(
        name="momentum_classical",
        build=None,
        call=follow,
        inputs=problem,
        oracle=lambda params, start, gradients: oracle.classical(start, gradients, RATES, 0.8),
        covers=("Momentum",),
    ),
    Case(
        name="momentum_on_use",
        build=None,
        call=lambda start, gradients: follow(start, gradients, rate_on_use=True),
        inputs=problem,
        oracle=lambda params, start, gradients: oracle.on_use(start, gradients, RATES, 0.8),
    ),
    Case(
        name="momentum_nesterov",
        build=None,
        call=follow_nesterov,
        inputs=quadratic,
        oracle=lambda params, start, matrix: oracle.nesterov(start, lambda x: matrix @ x, RATES, 0.8),
    ),
    Case(
        name="best_heavy_ball",
        build=None,
        call=lambda ends: torch.tensor(best_heavy_ball(*ends.tolist()), dtype=torch.float64),
        inputs=lambda rng: (np.array([0.5, 0.5 + 9 * rng.random()]),),
        oracle=lambda params, ends: oracle.best_heavy_ball(*ends),
        gradcheck=False,
    ),
    Case(
        name="nesterov_rate",
        build=None,
        call=lambda ends: torch.tensor(nesterov_rate(*ends.tolist()).contraction, dtype=torch.float64),
        inputs=lambda rng: (np.array([0.5, 0.5 + 9 * rng.random()]),),
        oracle=lambda params, ends: 1 - np.sqrt(ends[0] / ends[1]),
        gradcheck=False,
    ),
    Case(
        name="ufldl_momentum",
        build=None,
        call=lambda steps: torch.tensor([ufldl_momentum(int(step)) for step in steps], dtype=torch.float64),
        inputs=lambda rng: (np.array([0, 1, 19, 20, 21, 1000]),),
        oracle=lambda params, steps: np.array([oracle.ufldl(step, 0.5, 0.95, 20) for step in steps]),
    ),
    Case(
        name="sutskever_momentum",
        build=None,
        call=lambda steps: torch.tensor([sutskever_momentum(int(step)) for step in steps], dtype=torch.float64),
        inputs=lambda rng: (np.array([0, 249, 250, 500, 999, 1000, 100_000]),),
        oracle=lambda params, steps: np.array([oracle.sutskever(int(step), 0.99, 250) for step in steps]),
    ),
)
