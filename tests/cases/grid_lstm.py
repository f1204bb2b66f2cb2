import numpy as np
import torch
from contract.cases import Case
from oracles import grid_lstm as oracle

from deepcanon.sequence import GridLSTM, GridState, grid_block

SHAPES = {1: (), 2: (5,), 3: (3, 4)}  # sides, by the number of dimensions
KINDS = [(tied, priority) for tied in (False, True) for priority in (False, True)]


def drawn(dims, depth=3, **options):
    """With biases other than 0."""
    grid = GridLSTM(4, 3, depth, dims, **options)
    torch.nn.init.normal_(grid.bias)
    return grid


def entering(rng):
    """A sequence, and the state along it."""
    return rng.normal(size=(2, 4, 4)), rng.normal(size=(3, 2, 3)), rng.normal(size=(3, 2, 3))


def of_block(params, h_1, h_2, m_1, m_2, weight, bias):
    rows = [oracle.block([h_1[b], h_2[b]], [m_1[b], m_2[b]], weight, bias, True) for b in range(len(h_1))]
    return [[np.stack([row[part][n] for row in rows]) for n in range(2)] for part in range(2)]


CASES = (
    *(
        Case(
            f"grid_lstm_{dims}{'_tied' if tied else ''}{'_priority' if priority else ''}{'' if fast else '_blocks'}",
            lambda dims=dims, fast=fast, kind={"tied": tied, "priority": priority}: drawn(dims, fast=fast, **kind),
            lambda rng, dims=dims: (rng.normal(size=(2, *SHAPES[dims], 4)),),
            lambda params, x, priority=priority: oracle.module(params, x, 3, priority),
            causal=dims == 2,
            covers=("GridLSTM",),
        )
        for dims in SHAPES
        for tied, priority in KINDS
        for fast in (True, False)
        if fast or (tied != priority and dims < 3)
    ),
    Case(
        "grid_lstm_state",
        lambda: drawn(2, priority=True),
        entering,
        lambda params, x, hidden, memory: oracle.module(params, x, 3, True, [(hidden, memory)]),
        call=lambda grid, x, hidden, memory: grid(x, [GridState(hidden, memory)]),
        rows=False,  # the batch of a state is its second axis
        covers=("GridState",),
    ),
    Case(
        "grid_lstm_trace",
        lambda: drawn(2, depth=2),
        lambda rng: (rng.normal(size=(2, 3, 4)),),
        lambda params, x: np.stack([oracle.module(_cut(params, n), x, n)[0] for n in (1, 2)]),
        call=lambda grid, x: grid.trace(x).hidden,
        rows=False,  # layers come first
        covers=("GridTrace",),
    ),
)


def _cut(params, layers):
    """The parameters of the first layers."""
    return {name: value[:layers] if name in ("weight", "bias") else value for name, value in params.items()}


FUNCTIONS = (
    Case(
        "grid_block",
        None,
        lambda rng: tuple(rng.normal(size=s) for s in (*[(4, 3)] * 4, (2, 12, 6), (2, 12))),
        of_block,
        call=lambda h_1, h_2, m_1, m_2, weight, bias: grid_block([h_1, h_2], [m_1, m_2], weight, bias, priority=True),
        covers=("grid_block",),
    ),
)
