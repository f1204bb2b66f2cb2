import numpy as np
import torch
from contract.cases import Case
from oracles import initialization as oracle

from deepcanon.foundations import identity_
from deepcanon.foundations.initialization import fans, gain, orthogonal_factor, propagated_variance, truncated_std

SHAPES = (((7, 5), 1), ((6, 4, 3), 1), ((8, 3, 3, 2), 2), ((9, 2, 1, 2, 3), 3))
NAMES = ("linear", "tanh", "relu", "leaky_relu", "sigmoid", "selu")


def numbers(values):
    return torch.tensor(values, dtype=torch.float64)


FUNCTIONS = (
    Case(
        name="fans",
        build=None,
        call=lambda: numbers([fans(torch.empty(shape), groups) for shape, groups in SHAPES]),
        inputs=lambda rng: (),
        oracle=lambda params: np.array([oracle.fans(shape, groups) for shape, groups in SHAPES]),
    ),
    Case(
        name="gain",
        build=None,
        call=lambda: numbers([gain(name, 0.2) for name in NAMES]),
        inputs=lambda rng: (),
        oracle=lambda params: np.array([oracle.gain(name, 0.2) for name in NAMES]),
    ),
    Case(
        name="truncated_std",
        build=None,
        call=lambda: numbers([truncated_std(bound) for bound in (0.5, 2.0, 6.0)]),
        inputs=lambda rng: (),
        oracle=lambda params: np.array([oracle.truncated_std(bound) for bound in (0.5, 2.0, 6.0)]),
    ),
    Case(
        name="orthogonal_factor_tall",
        build=None,
        call=orthogonal_factor,
        inputs=lambda rng: (rng.normal(size=(7, 4)),),
        oracle=lambda params, normal: oracle.orthogonal_factor(normal),
    ),
    Case(
        name="orthogonal_factor_wide",
        build=None,
        call=orthogonal_factor,
        inputs=lambda rng: (rng.normal(size=(4, 7)),),
        oracle=lambda params, normal: oracle.orthogonal_factor(normal),
    ),
    Case(
        name="propagated_variance",
        build=None,
        call=lambda: [propagated_variance(6, name, 1.5, 0.8) for name in NAMES],
        inputs=lambda rng: (),
        oracle=lambda params: [oracle.propagated_variance(6, name, 1.5, 0.8) for name in NAMES],
    ),
    Case(
        name="identity_convolution",
        build=None,
        call=lambda: identity_(torch.empty(3, 3, 5, 3, dtype=torch.float64)),
        inputs=lambda rng: (),
        oracle=lambda params: oracle.identity(3, 3, (5, 3)),
        covers=("identity_",),
    ),
)
