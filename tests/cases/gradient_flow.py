import torch
from contract.cases import Case
from oracles import gradient_flow as oracle
from torch import nn

from deepcanon.foundations import gradient_flow
from deepcanon.foundations.gradient_flow import memory_path, normal_matrix, spectral_norm, unroll


def problem(rng):
    return 0.6 * rng.normal(size=(5, 5)), rng.normal(size=(7, 5)), rng.normal(size=5)


def tanh_chain(weight, drive):
    return unroll(lambda u, h: torch.tanh(weight @ h + u), drive)


def flow(weight, drive, start):
    norms, frobenius, values = gradient_flow(tanh_chain(weight, drive), start)
    return list(norms), list(frobenius), list(values)


def whole(weight, drive, start):
    def function(state):
        for step in tanh_chain(weight, drive):
            state = step(state)
        return state

    return spectral_norm(function, start, iterations=400)


def cell_path(weight_ih, weight_hh, bias, inputs):
    cell = nn.LSTMCell(inputs.shape[1], weight_hh.shape[1], dtype=inputs.dtype)
    with torch.no_grad():
        for parameter, value in zip(cell.parameters(), (weight_ih, weight_hh, bias, 0 * bias), strict=True):
            parameter.copy_(value)
    return memory_path(cell, inputs[:, None])[:, 0]


FUNCTIONS = (
    Case(
        name="gradient_flow",
        build=None,
        call=flow,
        inputs=problem,
        oracle=lambda params, w, u, h: oracle.norms(oracle.tanh_chain(w, u, h)),
        covers=("gradient_flow", "unroll"),
    ),
    Case(
        name="spectral_norm",
        build=None,
        call=whole,
        inputs=problem,
        oracle=lambda params, w, u, h: oracle.norms(oracle.tanh_chain(w, u, h)[-1:])[0][0],
        gradcheck=False,
    ),
    Case(
        name="memory_path",
        build=None,
        call=cell_path,
        inputs=lambda rng: tuple(rng.normal(size=shape) for shape in ((16, 3), (16, 4), (16,), (6, 3))),
        oracle=lambda params, w, v, b, x: oracle.memory_path(w, v, b, x),
    ),
    Case(
        name="normal_matrix",
        build=None,
        call=lambda: torch.linalg.svdvals(normal_matrix(7, 0.8, torch.Generator().manual_seed(0), torch.float64))[:2],
        inputs=lambda rng: (),
        oracle=lambda params: [0.8, 0.8],
        skips={"oracle": "two numbers in one tensor; tests/foundations looks at radius and normality"},
    ),
)
