import numpy as np
from contract.cases import Case
from oracles import gru as oracle

from deepcanon.sequence import GRU
from deepcanon.sequence.gru import gru_sequence, gru_step

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
WAYS = [{"reset": reset, "update": update} for reset in ("after", "before") for update in ("keep", "write")]


def sequence(rng):
    return (rng.normal(size=(3, 5, 4)),)


def masked(rng):
    # The middle row has a gap, the last one is short.
    mask = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 1, 0], [1, 1, 0, 0, 0]], dtype=bool)
    return rng.normal(size=(3, 5, 4)), mask


def step_oracle(params, sums, h, w_hh, b_hh):
    p = {"weight_ih": np.eye(sums.shape[1]), "bias_ih": np.zeros(sums.shape[1]), "weight_hh": w_hh, "bias_hh": b_hh}
    return oracle.step(sums, h, p)


CASES = (
    Case("gru", lambda: GRU(4, 3, 2), sequence, oracle.module, causal=True, covers=("GRU",)),
    *(
        Case(
            "gru_{reset}_{update}".format(**way),
            lambda way=way: GRU(4, 3, 2, fast=False, **way),
            sequence,
            lambda params, x, way=way: oracle.module(params, x, **way),
            causal=True,
        )
        for way in WAYS
    ),
    Case(
        "gru_masked",
        lambda: GRU(4, 3, 2),
        masked,
        oracle.module,
        causal=True,
        call=lambda module, x, mask: module(x, None, mask),
    ),
    Case(
        "gru_trace",
        lambda: GRU(4, 3, 2),
        sequence,
        lambda params, x: oracle.module(params, x)[0],
        causal=True,
        call=lambda module, x: module.trace(x).hidden,
        covers=("GRUTrace",),
    ),
)
FUNCTIONS = (
    Case(
        "gru_step",
        None,
        lambda rng: tuple(rng.normal(size=s) for s in ((4, 9), (4, 3), (9, 3), (9,))),
        step_oracle,
        call=lambda *values: gru_step(*values).hidden,
    ),
    Case(
        "gru_sequence",
        None,
        lambda rng: tuple(rng.normal(size=s) for s in ((2, 4, 3), (2, 5), (15, 3), (15, 5), (15,), (15,))),
        lambda params, x, h, *weights: oracle.layer(x, h, dict(zip(NAMES, weights, strict=True))),
        call=gru_sequence,
    ),
)
