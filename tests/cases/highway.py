import numpy as np
from contract.cases import Case
from oracles import highway as oracle
from torch import nn

from deepcanon.vision import Highway
from deepcanon.vision.highway import highway, transform_gates

CASES = (
    Case(
        name="highway",
        build=lambda: Highway(5, transform_bias=-1.0),
        inputs=lambda rng: (rng.normal(size=(4, 5)),),
        oracle=oracle.outputs,
    ),
    Case(
        name="highway_tanh",
        build=lambda: Highway(4, activation=nn.Tanh),
        inputs=lambda rng: (rng.normal(size=(3, 4)),),
        oracle=lambda params, x: oracle.layer(x, params, units=np.tanh)[0],
    ),
    Case(
        name="transform_gates",
        build=lambda: nn.Sequential(Highway(4), Highway(4)),
        call=lambda net, x: transform_gates(net, x),
        inputs=lambda rng: (rng.normal(size=(3, 4)),),
        oracle=lambda params, x: oracle.gates(params, x, 2),
        rows=False,
        export=False,
        skips={"gradients": "looked at without gradients", "gradcheck": "looked at without gradients"},
    ),
)

FUNCTIONS = (
    Case(
        name="highway_mixes",
        build=None,
        call=highway,
        inputs=lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), rng.uniform(size=(3, 4))),
        oracle=lambda params, x, h, t: h * t + x * (1 - t),
    ),
)
