import numpy as np
import torch
from contract.cases import Case
from oracles import truncated_bptt as oracle

from deepcanon.sequence.truncated_bptt import bptt, passes, reach, states


def weights(rng):
    """Two sequences of 7 steps with 3 inputs, a state of 4 units, and the weights."""
    return tuple(rng.normal(size=shape) for shape in ((2, 7, 3), (2, 4), (4, 3), (4, 4), (4,)))


def with_errors(rng):
    return *weights(rng), rng.normal(size=(2, 7, 4))


def reach_oracle(params, x, *values):
    errors = np.zeros((*x.shape[:2], 4))
    errors[:, -1] = 1
    inputs = oracle.bptt(x, *values, errors, 2, 4)[3]
    return np.array([np.mean([np.linalg.norm(row[-1 - lag]) for row in inputs]) for lag in range(x.shape[1])])


CASES = ()
FUNCTIONS = (
    Case("states", None, weights, lambda params, *values: oracle.forward(*values), call=states),
    *(
        Case(
            f"bptt_{k1}_{k2}",
            None,
            with_errors,
            lambda params, *values, k=(k1, k2): oracle.bptt(*values, *k),
            call=lambda *values, k=(k1, k2): bptt(*values, *k),
            gradcheck=False,
            covers=("bptt", "Gradients"),
        )
        for k1, k2 in ((None, None), (1, 1), (3, 3), (2, 5), (1, 7), (3, 4))
    ),
    Case(
        "passes",
        None,
        lambda rng: (np.arange(1, 9),),
        lambda params, times: np.concatenate([oracle.passes(time, 3, 5) for time in times]),
        call=lambda times: torch.tensor([list(one) for time in times for one in passes(int(time), 3, 5)]),
        covers=("Pass",),
    ),
    Case("reach", None, weights, reach_oracle, call=lambda *values: reach(*values, 2, 4), gradcheck=False),
)
