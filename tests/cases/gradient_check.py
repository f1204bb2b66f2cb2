import numpy as np
import torch
from contract.cases import Case
from oracles import gradient_check as oracle

from deepcanon.foundations import check_gradients, check_module
from deepcanon.foundations.gradient_check import central_differences


def off_by(factor):
    """The report on a function of x alone whose backward pass is too large by a factor."""

    def call(x):
        x = x.detach() + 3 * x.detach().sign()  # no entry is small compared with the largest
        report = check_gradients(torch.square, [x], backward=lambda g, x: factor * 2 * g * x, floor=0.0)
        return torch.tensor([report.worst, report.checked, report.skipped, report.passed], dtype=torch.float64)

    return call


def module(x, weight):
    linear = torch.nn.Linear(5, 3)
    linear.weight.data = weight.detach().clone()
    report = check_module(linear, x.detach())
    return torch.tensor([report.checked, report.skipped, report.passed], dtype=torch.float64)


FUNCTIONS = (
    Case(
        name="central_differences",
        build=None,
        call=lambda x: central_differences(lambda v: (v.sin() * v).sum(), x.detach(), 1e-4),
        inputs=lambda rng: (rng.normal(size=(3, 4)),),
        oracle=lambda params, x: oracle.central_differences(oracle.waves, x, 1e-4),
        covers=("central_differences",),
    ),
    *(
        Case(
            name=f"check_gradients_{factor}",
            build=None,
            call=off_by(factor),
            inputs=lambda rng: (rng.normal(size=(3, 4)),),
            oracle=lambda params, x, factor=factor: np.array([oracle.error_of_factor(factor), x.size, 0.0, 0.0]),
            covers=("check_gradients",),
        )
        for factor in (1.001, 0.5, -1.0)
    ),
    Case(
        name="check_module",
        build=None,
        call=module,
        inputs=lambda rng: (rng.normal(size=(4, 5)), rng.normal(size=(3, 5))),
        oracle=lambda params, x, weight: np.array([x.size + weight.size + 3.0, 0.0, 1.0]),
        covers=("check_module",),
    ),
)
