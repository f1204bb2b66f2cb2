"""Cases of the costs of gradients: the function that they are counted on."""

import numpy as np
import torch
from contract.cases import Case
from oracles import gradient_costs as oracle

from deepcanon.foundations.gradient_costs import helmholtz


def energies(x):
    return torch.from_numpy(np.asarray(helmholtz(x.shape[1])(x.numpy())))


CASES = ()

FUNCTIONS = (
    Case(
        name="helmholtz",
        build=None,
        call=energies,
        inputs=lambda rng: (rng.uniform(0.1, 0.9, size=(4, 6)),),
        oracle=lambda params, x: np.array([oracle.energy(row.tolist()) for row in x]),
        covers=(),
        skips={"gradcheck": "it is computed by NumPy"},
    ),
)
