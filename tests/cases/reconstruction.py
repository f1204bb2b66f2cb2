import numpy as np
import torch
from contract.cases import Case
from oracles import reconstruction as oracle

from deepcanon.parts.reconstruction import cross_entropy_of, reconstruction_loss, squared_error_of

FUNCTIONS = (
    Case(
        name="squared_error_of",
        build=None,
        call=lambda y, x: squared_error_of(y, x),
        inputs=lambda rng: (rng.normal(size=(4, 5)), rng.normal(size=(4, 5))),
        oracle=lambda params, y, x: oracle.squared(y, x),
    ),
    Case(
        name="cross_entropy_of",
        build=None,
        call=lambda a, x: cross_entropy_of(a, x),
        inputs=lambda rng: (3 * rng.normal(size=(4, 5)), rng.random(size=(4, 5))),
        oracle=lambda params, a, x: oracle.cross_entropy(a, x),
    ),
    Case(
        name="reconstruction_loss",
        build=None,
        call=lambda a, x: torch.stack(
            [
                reconstruction_loss(a, x),
                reconstruction_loss(a, x, output="linear"),
                reconstruction_loss(a, x, objective="cross-entropy"),
            ]
        ),
        inputs=lambda rng: (3 * rng.normal(size=(4, 5)), rng.random(size=(4, 5))),
        oracle=lambda params, a, x: np.array(
            [oracle.squared(1 / (1 + np.exp(-a)), x), oracle.squared(a, x), oracle.cross_entropy(a, x)]
        ),
    ),
)
