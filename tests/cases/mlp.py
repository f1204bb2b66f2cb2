import numpy as np
from contract.cases import Case
from oracles import mlp as oracle

from deepcanon.foundations import MLP
from deepcanon.foundations.mlp import (
    backward_cached,
    cross_entropy_backward,
    cross_entropy_forward,
    dropout_backward,
    dropout_forward,
    forward_cached,
    linear_backward,
    linear_forward,
    relu_backward,
    relu_forward,
)


def linear(x, weight, bias, grad):
    outputs, cache = linear_forward(x, weight, bias)
    return outputs, *linear_backward(cache, grad)


def relu(x, grad):
    outputs, cache = relu_forward(x)
    return outputs, relu_backward(cache, grad)


def cross_entropy(logits, labels):
    loss, cache = cross_entropy_forward(logits, labels)
    return loss, cross_entropy_backward(cache)


def no_dropout(x, grad):
    outputs, cache = dropout_forward(x, 0.0)
    return outputs, dropout_backward(cache, grad)


def by_hand(net, x):
    """Outputs and the gradient of their sum in x, without autograd."""
    outputs, caches = forward_cached(net.layers, x)
    return outputs, backward_cached(net.layers, caches, outputs.new_ones(outputs.shape))[0]


CASES = (
    Case(
        name="mlp",
        build=lambda: MLP(6, 3, hidden=(7, 5)),
        inputs=lambda rng: (rng.normal(size=(4, 6)),),
        oracle=oracle.logits,
        covers=("MLP",),
    ),
    Case(
        name="mlp_by_hand",
        build=lambda: MLP(6, 3, hidden=(7, 5)),
        call=by_hand,
        inputs=lambda rng: (rng.normal(size=(4, 6)),),
        oracle=oracle.outputs_and_input_gradient,
        covers=("forward_cached", "backward_cached"),
        export=False,
        skips={"gradients": "its gradients are its output", "gradcheck": "its gradients are its output"},
    ),
    Case(
        name="mlp_linear",
        build=lambda: MLP(6, 3, hidden=()),
        inputs=lambda rng: (rng.normal(size=(4, 6)),),
        oracle=oracle.logits,
    ),
)

FUNCTIONS = (
    Case(
        name="linear_by_hand",
        build=None,
        call=linear,
        inputs=lambda rng: tuple(rng.normal(size=shape) for shape in ((4, 5), (3, 5), 3, (4, 3))),
        oracle=lambda params, x, weight, bias, grad: oracle.linear(x, weight, bias, grad),
        covers=("linear_forward", "linear_backward"),
    ),
    Case(
        name="relu_by_hand",
        build=None,
        call=relu,
        inputs=lambda rng: (rng.normal(size=(4, 5)), rng.normal(size=(4, 5))),
        oracle=lambda params, x, grad: (np.maximum(x, 0), np.where(x > 0, grad, 0)),
        covers=("relu_forward", "relu_backward"),
    ),
    Case(
        name="cross_entropy_by_hand",
        build=None,
        call=cross_entropy,
        inputs=lambda rng: (rng.normal(size=(4, 3)), rng.integers(3, size=4)),
        oracle=lambda params, logits, labels: oracle.cross_entropy(logits, labels),
        covers=("cross_entropy_forward", "cross_entropy_backward"),
    ),
    Case(
        name="dropout_by_hand",
        build=None,
        call=no_dropout,
        inputs=lambda rng: (rng.normal(size=(4, 5)), rng.normal(size=(4, 5))),
        oracle=lambda params, x, grad: (x, grad),
        covers=("dropout_forward", "dropout_backward"),
    ),
)
