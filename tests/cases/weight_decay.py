import torch
from contract.cases import Case
from oracles import weight_decay as oracle

from deepcanon.foundations import l2_penalty, ridge_solution
from deepcanon.foundations.weight_decay import l2_gradients, shrink_


def decoupled(start, gradients):
    """`shrink_` before each step of Adam, which knows of no decay."""
    here = torch.nn.Parameter(start.detach().clone())
    optimizer = torch.optim.Adam([here], 0.1)
    for gradient in gradients.detach():
        shrink_([here], 0.1, 0.3)
        here.grad = gradient.clone()
        optimizer.step()
    return here.detach()


FUNCTIONS = (
    Case(
        name="l2_penalty",
        build=None,
        call=lambda one, other: l2_penalty([one, other], 0.3),
        inputs=lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=5)),
        oracle=lambda params, one, other: oracle.penalty([one, other], 0.3),
    ),
    Case(
        name="l2_gradients",
        build=None,
        call=lambda weight, gradient: l2_gradients([weight], [gradient], 0.3),
        inputs=lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=(3, 4))),
        oracle=lambda params, weight, gradient: [gradient + 0.3 * weight],
    ),
    Case(
        name="decoupled_decay",
        build=None,
        call=decoupled,
        inputs=lambda rng: (rng.normal(size=6), rng.normal(size=(9, 6))),
        oracle=lambda params, start, gradients: oracle.adam(start, gradients, 0.1, 0.3, decoupled=True),
        covers=("shrink_",),
    ),
    Case(
        name="ridge_solution",
        build=None,
        call=lambda x, y: tuple(ridge_solution(x, y, 0.2)),
        inputs=lambda rng: (rng.normal(size=(12, 4)) + 1, rng.normal(size=(12, 2)) - 3),
        oracle=lambda params, x, y: oracle.ridge(x, y, 0.2),
    ),
)
