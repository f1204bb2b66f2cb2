import numpy as np
from contract.cases import Case
from oracles import lstm as oracle

from deepcanon.sequence import LSTM, LSTMCell
from deepcanon.sequence.lstm import LSTMState, lstm_cell, lstm_layer, lstm_sequence, lstm_step


def sequence(rng):
    return (rng.normal(size=(3, 5, 4)),)


def masked(rng):
    # The middle row has a gap, the last one is short.
    mask = np.array([[1, 1, 1, 1, 1], [1, 0, 1, 1, 0], [1, 1, 0, 0, 0]], dtype=bool)
    return rng.normal(size=(3, 5, 4)), mask


def cell_oracle(params, x, hidden, memory):
    bias = params["bias_ih"] + params["bias_hh"]
    h, c, _ = oracle.step(x, hidden, memory, params["weight_ih"], params["weight_hh"], bias)
    return h, (h, c)


def gates_oracle(params, gates, memory):
    size = memory.shape[1]
    # With identity input weights the sums of the gates are the input itself.
    h, c, _ = oracle.step(gates, np.zeros_like(memory), memory, np.eye(4 * size), np.zeros((4 * size, size)), 0.0)
    return h, c


def layer_oracle(params, x, h, c, w_ih, w_hh, bias):
    out, h, c = oracle.layer(x, h, c, w_ih, w_hh, bias)
    return out, (h, c)


VARIANTS = {
    "peepholes": {"peepholes": True},
    "coupled": {"coupled": True},
    "coupled_peepholes": {"coupled": True, "peepholes": True},
    "layer_norm": {"layer_norm": True},
    "all": {"peepholes": True, "coupled": True, "layer_norm": True},
}
CASES = (
    Case("lstm", lambda: LSTM(4, 3, 2), sequence, oracle.module, causal=True, covers=("LSTM",)),
    Case("lstm_equations", lambda: LSTM(4, 3, 2, fast=False), sequence, oracle.module, causal=True),
    Case(
        "lstm_masked",
        lambda: LSTM(4, 3, 2),
        masked,
        oracle.module,
        causal=True,
        call=lambda module, x, mask: module(x, None, mask),
    ),
    *(
        Case(f"lstm_{name}", lambda options=options: LSTM(4, 3, 2, **options), sequence, oracle.variant, causal=True)
        for name, options in VARIANTS.items()
    ),
    Case(
        "lstm_trace",
        lambda: LSTM(4, 3, 2, peepholes=True, coupled=True),
        sequence,
        lambda params, x: oracle.variant(params, x)[0],
        causal=True,
        call=lambda module, x: module.trace(x).hidden,
        covers=("LSTMTrace", "Variant"),
    ),
    Case(
        "lstm_cell_module",
        lambda: LSTMCell(4, 3),
        lambda rng: tuple(rng.normal(size=(5, n)) for n in (4, 3, 3)),
        cell_oracle,
        call=lambda module, x, h, c: module(x, LSTMState(h, c)),
    ),
)
FUNCTIONS = (
    Case(
        "lstm_step",
        None,
        lambda rng: (rng.normal(size=(4, 12)), rng.normal(size=(4, 3))),
        lambda params, gates, memory: gates_oracle(params, gates, memory)[0],
        call=lambda gates, memory: lstm_step(gates, memory).hidden,
    ),
    Case(
        "lstm_cell",
        None,
        lambda rng: (rng.normal(size=(4, 12)), rng.normal(size=(4, 3))),
        gates_oracle,
        call=lstm_cell,
    ),
    Case(
        "lstm_sequence",
        None,
        lambda rng: tuple(rng.normal(size=s) for s in ((2, 4, 3), (2, 5), (2, 5), (20, 3), (20, 5), (20,))),
        layer_oracle,
        call=lambda x, h, c, w_ih, w_hh, bias: lstm_sequence(x, LSTMState(h, c), w_ih, w_hh, bias),
    ),
    Case(
        "lstm_layer",
        None,
        lambda rng: tuple(rng.normal(size=s) for s in ((2, 4, 3), (2, 5), (2, 5), (20, 3), (20, 5), (20,))),
        layer_oracle,
        call=lambda x, h, c, w_ih, w_hh, bias: lstm_layer(x, LSTMState(h, c), w_ih, w_hh, bias / 4, bias * 3 / 4),
        covers=("LSTMRule",),
    ),
)
