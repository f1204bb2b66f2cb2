from contract.cases import Case
from oracles import dropout as oracle
from torch import nn

from deepcanon.foundations import Dropout, max_norm_
from deepcanon.foundations.dropout import drop, dropout_mask, dropout_moments, rescale

CASES = (
    Case(
        name="dropout",
        build=lambda: nn.Sequential(nn.Linear(6, 4), Dropout(0.4)),
        inputs=lambda rng: (rng.normal(size=(3, 6)),),
        oracle=lambda params, x: x @ params["0.weight"].T + params["0.bias"],  # eval mode: the identity
        covers=("Dropout",),
    ),
)

FUNCTIONS = (
    Case(
        name="dropout_moments",
        build=None,
        call=lambda x, weight, bias: dropout_moments(x, weight, bias, p=0.3),
        inputs=lambda rng: (rng.normal(size=(2, 7)), rng.normal(size=(3, 7)), rng.normal(size=3)),
        oracle=lambda params, x, weight, bias: oracle.moments(x, weight, bias, 0.3),
    ),
    Case(
        name="dropout_rescale",
        build=None,
        call=lambda x, kept: rescale(x, kept, p=0.2),
        inputs=lambda rng: (rng.normal(size=(4, 5)), rng.random((4, 5)) < 0.8),
        oracle=lambda params, x, kept: oracle.masked(x, kept, 0.2),
    ),
    Case(
        name="dropout_off",
        build=None,
        call=lambda x: drop(x, 0.5, training=False) + dropout_mask(x, 0.0) - 1,
        inputs=lambda rng: (rng.normal(size=(4, 5)),),
        oracle=lambda params, x: x,
    ),
    Case(
        name="max_norm",
        build=None,
        call=lambda weight: max_norm_(weight.clone(), 1.5),
        inputs=lambda rng: (rng.normal(size=(6, 2, 3)) * rng.uniform(0.1, 2, (6, 1, 1)),),
        oracle=lambda params, weight: oracle.max_norm(weight, 1.5),
        skips={"gradcheck": "a projection after the step, outside the graph"},
    ),
)
