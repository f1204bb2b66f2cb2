import numpy as np
import torch
from contract.cases import Case
from oracles import recurrence as oracle

from deepcanon.parts.recurrence import detach, last_real, scan, select_rows, stacked, streams, window


def weights(rng):
    """Two sequences of 6 steps with 3 inputs, a state of 4 units, and the weights."""
    return tuple(rng.normal(size=shape) for shape in ((2, 6, 3), (2, 4), (4, 3), (4, 4), (4,)))


def masked(rng):
    # A gap in the first row, the second one is short.
    return *weights(rng), np.array([[1, 0, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0]], dtype=bool)


def step_of(w_h):
    def step(sums, h):
        h = torch.tanh(sums + h @ w_h.T)
        return h, h

    return step


def scanned(x, h, w_x, w_h, bias, mask=None):
    return scan(step_of(w_h), x @ w_x.T + bias, h, mask)


def two_layers(x, h, w_x, w_h, bias):
    def layer(number, x, start):
        output, last = scan(step_of(w_h), (x @ w_x.T if number == 0 else x) + bias, start[0])
        return output, (last,)

    outputs, (last,) = stacked(layer, x, (torch.stack([h, 2 * h]),))
    return outputs, last


def two_layers_oracle(params, x, h, w_x, w_h, bias):
    below, first = oracle.layer(x, h, w_x, w_h, bias)
    above, second = oracle.layer(below, 2 * h, np.eye(4), w_h, bias)
    return above, np.stack([first, second])


CASES = ()
FUNCTIONS = (
    Case("scan", None, weights, lambda params, *values: oracle.layer(*values), call=scanned),
    Case("scan_masked", None, masked, lambda params, *values: oracle.layer(*values), call=scanned),
    Case("stacked", None, weights, two_layers_oracle, call=two_layers),
    Case(
        "select_rows",
        None,
        lambda rng: (rng.normal(size=(4, 3)), np.array([2, 0, 2])),
        lambda params, state, rows: (state[rows], state[rows] + 1),
        call=lambda state, rows: tuple(select_rows({"a": state, "b": (state + 1,)}, rows).values()),
    ),
    Case(
        "last_real",
        None,
        lambda rng: (rng.normal(size=(3, 4, 2)), np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]], dtype=bool)),
        lambda params, outputs, mask: np.stack([outputs[0, 1], outputs[1, 2], outputs[2, 3]]),
        call=last_real,
    ),
    Case("detach", None, lambda rng: (rng.normal(size=(2, 3)),), lambda params, s: (s,), call=lambda s: detach((s,))),
    Case(
        "streams",
        None,
        lambda rng: (rng.integers(0, 9, size=23), 4),
        lambda params, text, count: oracle.streams(text, count),
        call=streams,
    ),
    Case(
        "window",
        None,
        lambda rng: (rng.integers(0, 40, size=8),),
        lambda params, steps: np.array([oracle.window(step, 11, 3) for step in steps]),
        call=lambda steps: torch.tensor([list(window(int(s), 11, 3)) for s in steps]),
    ),
)
