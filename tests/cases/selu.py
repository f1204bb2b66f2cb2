from contract.cases import Case
from oracles import selu as oracle
from torch import nn

from deepcanon.vision import SELU, AlphaDropout, alpha_dropout
from deepcanon.vision.selu import selu, selu_moments

CASES = (
    Case(
        name="selu",
        build=lambda: nn.Sequential(nn.Linear(4, 3), SELU(), AlphaDropout(0.2)),
        inputs=lambda rng: (rng.normal(size=(5, 4)),),
        oracle=lambda params, x: oracle.selu(x @ params["0.weight"].T + params["0.bias"]),  # eval mode: nothing drops
        covers=("SELU", "AlphaDropout"),
    ),
)

FUNCTIONS = (
    Case(
        name="selu_values",
        build=None,
        call=selu,
        inputs=lambda rng: (2 * rng.normal(size=(5, 4)),),
        oracle=lambda params, z: oracle.selu(z),
    ),
    Case(
        name="selu_moments",
        build=None,
        call=selu_moments,
        inputs=lambda rng: (rng.uniform(-1, 1, 6), rng.uniform(0.3, 3, 6)),
        oracle=lambda params, mean, variance: oracle.moments(mean, variance),
    ),
    Case(
        name="alpha_dropout",
        build=None,
        call=lambda x, kept: alpha_dropout(x, kept, 0.2),
        inputs=lambda rng: (rng.normal(size=(4, 5)), rng.random((4, 5)) < 0.8),
        oracle=lambda params, x, kept: oracle.dropped(x, kept, 0.2),
    ),
)
