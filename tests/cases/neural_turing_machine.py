import numpy as np
from contract.cases import Case
from oracles import neural_turing_machine as oracle

from deepcanon.sequence import NTM
from deepcanon.sequence.neural_turing_machine import address, write


def machine(**options):
    return lambda: NTM(4, 3, units=6, places=7, width=5, **options)


def sequences(rng):
    return (rng.normal(size=(3, 5, 4)),)


def softmax(a):
    return np.exp(a) / np.exp(a).sum(-1, keepdims=True)


def heads(rng):
    b, h, n, w = 2, 3, 6, 4
    return (
        rng.normal(size=(b, n, w)), softmax(rng.normal(size=(b, h, n))), rng.normal(size=(b, h, w)),
        rng.uniform(0.5, 5, (b, h)), rng.uniform(0, 1, (b, h)), softmax(rng.normal(size=(b, h, 3))),
        rng.uniform(1, 4, (b, h)),
    )  # fmt: skip


def written(rng):
    b, h, n, w = 2, 3, 6, 4
    return (
        rng.normal(size=(b, n, w)), softmax(rng.normal(size=(b, h, n))), rng.uniform(0, 1, (b, h, w)),
        rng.normal(size=(b, h, w)),
    )  # fmt: skip


CASES = (
    Case(
        "neural_turing_machine", machine(), sequences, lambda params, x: oracle.machine(params, x, 7, 5, 1)[0],
        call=lambda module, x: module(x)[0], causal=True, covers=("NTM", "NTMState", "NTMTrace"),
    ),
    Case(
        "neural_turing_machine_lstm", machine(controller="lstm", heads=2), sequences,
        lambda params, x: oracle.machine(params, x, 7, 5, 2, "lstm"),
    ),
)  # fmt: skip
FUNCTIONS = (
    Case("address", None, heads, lambda params, *values: oracle.addresses(*values), call=address),
    Case("write", None, written, lambda params, *values: oracle.write(*values), call=write),
)
