import numpy as np
import torch
from contract.cases import Case
from oracles import identity_rnn as oracle

from deepcanon.sequence import SimpleRNN
from deepcanon.sequence.identity_rnn import gradient_by_step, simple_sequence

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
UNITS = ("relu", "tanh")


def sequence(rng):
    return (rng.normal(size=(3, 5, 4)),)


def drawn(**options):
    """Biases are drawn too: at 0 a rectified unit whose inputs are all 0 stands on its kink."""
    module = SimpleRNN(4, 3, 2, **options)
    for name, parameter in module.named_parameters():
        if name.startswith("bias"):
            torch.nn.init.normal_(parameter)
    return module


def masked(rng):
    # The middle row has a gap, the last one is short.
    mask = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 1, 0], [1, 1, 0, 0, 0]], dtype=bool)
    return rng.normal(size=(3, 5, 4)), mask


CASES = (
    Case("identity_rnn", lambda: drawn(input_std=0.7), sequence, oracle.module, causal=True),
    *(
        Case(
            f"simple_rnn_{unit}_{'kernel' if fast else 'steps'}",
            lambda unit=unit, fast=fast: drawn(nonlinearity=unit, scale=None, fast=fast),
            sequence,
            lambda params, x, unit=unit: oracle.module(params, x, None, unit),
            causal=True,
            covers=("SimpleRNN",),
        )
        for unit in UNITS
        for fast in (True, False)
    ),
    Case(
        "simple_rnn_masked",
        lambda: drawn(scale=None),
        masked,
        oracle.module,
        causal=True,
        call=lambda module, x, mask: module(x, None, mask),
    ),
)
SEQUENCES = tuple(
    Case(
        f"simple_sequence_{unit}",
        None,
        lambda rng: tuple(rng.normal(size=s) for s in ((2, 4, 3), (2, 5), (5, 3), (5, 5), (5,), (5,))),
        lambda params, x, h, *weights, unit=unit: oracle.layer(
            x, h, dict(zip(NAMES, weights, strict=True)), None, unit
        ),
        call=lambda *values, unit=unit: simple_sequence(*values, None, unit),
        covers=("simple_sequence",),
    )
    for unit in UNITS
)


def norms_oracle(params, x, w_ih, w_hh):
    p = {"weight_ih": w_ih, "weight_hh": w_hh, "bias_ih": np.zeros(5), "bias_hh": np.zeros(5)}
    hidden, _ = oracle.layer(x, np.zeros((len(x), 5)), p)
    return np.mean([oracle.gradient_norms(w_ih, w_hh, row) for row in hidden], 0)


def norms(x, w_ih, w_hh):
    zero = x.new_zeros(5)
    return gradient_by_step(lambda x: simple_sequence(x, x.new_zeros(len(x), 5), w_ih, w_hh, zero, zero), x)


FUNCTIONS = (
    Case(
        "gradient_by_step",
        None,
        lambda rng: tuple(rng.normal(size=s) for s in ((2, 6, 3), (5, 3), (5, 5))),
        norms_oracle,
        call=norms,
        gradcheck=False,
    ),
    *SEQUENCES,
)
