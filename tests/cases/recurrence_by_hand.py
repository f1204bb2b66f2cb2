import torch
from cases.recurrence import weights
from contract.cases import Case
from oracles import recurrence as oracle

from deepcanon.parts.recurrence_by_hand import Rows, StepRule, recur


class Elman(StepRule):
    """The simplest step: h_t = tanh(a_t)."""

    input_blocks = hidden_blocks = (0,)

    def forward(self, sums, hidden, memory, new_hidden, new_memory, kept):
        new_hidden.copy_(sums.whole.tanh_())

    def backward(self, d_sums, d_hidden, d_memory, sums, hidden, memory, kept):
        torch.mul(d_hidden, 1 - sums.whole**2, out=d_sums.whole)


def looked_up(rng):
    """Two sequences of 6 rows out of 5, of which one never occurs."""
    x, *others = weights(rng)
    return x.reshape(-1, 3)[:5], rng.integers(4, size=(2, 6)), *others


def recurred(x, h, w_x, w_h, bias):
    outputs, (last,) = recur(Elman(), x, (h,), w_x, w_h, bias / 4, bias * 3 / 4)
    return outputs, last


def looked_up_oracle(params, table, numbers, *values):
    return oracle.layer(table[numbers], *values)


CASES = ()
FUNCTIONS = (
    Case("recur", None, weights, lambda params, *values: oracle.layer(*values), call=recurred),
    Case(
        "recur_rows",
        None,
        looked_up,
        looked_up_oracle,
        call=lambda table, numbers, *values: recurred(Rows(table, numbers), *values),
        covers=("recur",),
    ),
)
