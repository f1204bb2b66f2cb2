import torch
from contract.cases import Case
from oracles import gradient_clipping as oracle

from deepcanon.foundations import clip_gradients_
from deepcanon.foundations.gradient_clipping import clipped, clipped_by_value, global_norm


def gradients(rng):
    return tuple(rng.normal(size=shape) for shape in ((4, 3), (5,), (2, 3, 2)))


def in_place(limit):
    def call(*values):
        parameters = [torch.nn.Parameter(torch.zeros_like(value)) for value in values]
        for parameter, value in zip(parameters, values, strict=True):
            parameter.grad = value.detach().clone()
        norm = clip_gradients_([*parameters, torch.nn.Parameter(torch.ones(2))], limit)
        return [parameter.grad for parameter in parameters], norm

    return call


FUNCTIONS = (
    Case(
        name="global_norm",
        build=None,
        call=lambda *values: global_norm(values),
        inputs=gradients,
        oracle=lambda params, *values: oracle.global_norm(values),
    ),
    Case(
        name="clipped",
        build=None,
        call=lambda *values: clipped(values, 2.0),
        inputs=gradients,
        oracle=lambda params, *values: oracle.clipped(values, 2.0),
    ),
    Case(
        name="clipped_below_the_limit",
        build=None,
        call=lambda *values: clipped(values, 50.0),
        inputs=gradients,
        oracle=lambda params, *values: (list(values), oracle.global_norm(values)),
    ),
    Case(
        name="clip_gradients_",
        build=None,
        call=in_place(0.3),
        inputs=gradients,
        oracle=lambda params, *values: oracle.clipped(values, 0.3),
    ),
    Case(
        name="clipped_by_value",
        build=None,
        call=lambda *values: clipped_by_value(values, 0.5),
        inputs=gradients,
        oracle=lambda params, *values: oracle.by_value(values, 0.5),
    ),
)
