import torch
from contract.cases import Case
from oracles import adagrad as oracle

from deepcanon.foundations import Adagrad
from deepcanon.foundations.adagrad import adagrad_rates


def follow(start, gradients, **options):
    """Positions of the optimizer that is handed one gradient after another."""
    here = torch.nn.Parameter(start.detach().clone())
    optimizer = Adagrad([here], 0.3, **options)
    positions = []
    for gradient in gradients.detach():
        here.grad = gradient.clone()
        optimizer.step()
        positions.append(here.detach().clone())
    return torch.stack(positions)


def problem(rng):
    return rng.normal(size=5), rng.normal(size=(15, 5))


FUNCTIONS = (
    Case(
        name="adagrad_as_torch",
        build=None,
        call=lambda start, gradients: follow(start, gradients, eps=1e-3, weight_decay=0.1),
        inputs=problem,
        oracle=lambda params, start, gradients: oracle.path(start, gradients, 0.3, 1e-3, decay=0.1),
        covers=("Adagrad",),
    ),
    Case(
        name="adagrad_as_keras",
        build=None,
        call=lambda start, gradients: follow(start, gradients, eps=1e-3, eps_place="inside", initial_accumulator=0.1),
        inputs=problem,
        oracle=lambda params, start, gradients: oracle.path(start, gradients, 0.3, 1e-3, "inside", 0.1),
    ),
    *(
        Case(
            name=f"adagrad_rates_{place}",
            build=None,
            call=lambda accumulator, place=place: adagrad_rates(accumulator, 0.2, eps=1e-2, eps_place=place),
            inputs=lambda rng: (rng.random(size=(4, 3)) + 0.1,),
            oracle=lambda params, accumulator, place=place: oracle.rates(accumulator, 0.2, 1e-2, place),
            rows=True,
        )
        for place in ("outside", "inside")
    ),
)
