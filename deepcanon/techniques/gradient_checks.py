"""Gradient checks by name: the layers and losses of this package, each at a random point.

A check takes the settings of `deepcanon.foundations.check_gradients`, draws parameters and inputs from torch's default
generator, and returns the report.

    >>> import torch
    >>> from deepcanon.techniques.gradient_checks import CHECKS
    >>> _ = torch.manual_seed(0)
    >>> CHECKS["losses.softmax_cross_entropy"]().passed
    True
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from deepcanon.foundations import losses, mlp
from deepcanon.foundations.dropout import Dropout
from deepcanon.foundations.gradient_check import GradientReport, check_gradients, check_module
from deepcanon.foundations.linear_regression import linear_gradient, linear_objective
from deepcanon.foundations.logistic_regression import logistic_gradient, logistic_objective
from deepcanon.foundations.softmax_regression import softmax_gradient, softmax_objective
from deepcanon.generative import gan
from deepcanon.parts.batch_norm import BatchNorm2d, batch_norm_global
from deepcanon.parts.divergences import jensen_shannon, kl_divergence
from deepcanon.representation.autoencoder import Autoencoder
from deepcanon.rl.dqn import QNetwork, td_loss
from deepcanon.sequence.lstm import LSTM, LSTMCell
from deepcanon.sequence.rnn_lm import RecurrentLM, sequence_nll
from deepcanon.vision.convnet import ConvNet

__all__ = ["CHECKS", "draw"]

Check = Callable[..., GradientReport]

LABELS = torch.tensor([0, 2, 1, 2])
TARGETS_IN_UNIT = torch.tensor([[0.0, 1.0, 0.3], [1.0, 1.0, 0.0], [0.5, 0.2, 0.9], [1.0, 0.0, 0.0]]).double()
POINTS = torch.arange(20.0).sin().reshape(4, 5).double()


def draw(*shapes: tuple[int, ...]) -> list[Tensor]:
    """Standard normal tensors in float64."""
    return [torch.randn(shape, dtype=torch.float64) for shape in shapes]


def module(build: Callable[[], nn.Module], *shapes: tuple[int, ...], loss: Callable | None = None) -> Check:
    """Of a module that is built for each check, at random inputs."""
    return lambda **how: check_module(build(), *draw(*shapes), loss=loss, **how)


def of(function: Callable, *shapes: tuple[int, ...]) -> Check:
    """Of a function that autograd differentiates."""
    return lambda **how: check_gradients(function, draw(*shapes), **how)


def closed_form(function: Callable, gradient: Callable, *shapes: tuple[int, ...]) -> Check:
    """Of a gradient in closed form: function(*x) -> scalar, gradient(*x) -> its gradients."""

    def backward(g: Tensor, *x: Tensor) -> tuple[Tensor, ...]:
        found = gradient(*x)
        return tuple(g * part for part in (found if isinstance(found, tuple) else (found,)))

    return lambda **how: check_gradients(function, draw(*shapes), backward=backward, **how)


def pair_of(name: str, targets: Tensor) -> Check:
    """Of a loss of `foundations.losses` and its gradient."""
    value, slope = getattr(losses, name), getattr(losses, f"{name}_gradient")
    return closed_form(lambda z: value(z, targets), lambda z: slope(z, targets), (4, 3))


def whole_by_hand(**how: Any) -> GradientReport:
    net = mlp.MLP(5, 3, hidden=(6, 4), dropout=0.3).double()
    return check_gradients(
        lambda x: mlp.forward_cached(net.layers.eval(), x)[0],
        draw((4, 5)),
        backward=lambda g, x: mlp.backward_cached(net.layers, mlp.forward_cached(net.layers.eval(), x)[1], g)[0],
        **how,
    )


def linear_by_hand(**how: Any) -> GradientReport:
    return check_gradients(
        lambda x, w, b: mlp.linear_forward(x, w, b)[0],
        draw((4, 5), (3, 5), (3,)),
        backward=lambda g, x, w, b: mlp.linear_backward(mlp.linear_forward(x, w, b)[1], g),
        **how,
    )


def language(**options: Any) -> Check:
    tokens = torch.tensor([[0, 3, 1, 1, 4], [2, 2, 0, 4, 3]])
    return lambda **how: check_module(
        RecurrentLM(5, 4, **options), tokens[:, :-1], loss=lambda out: sequence_nll(out[0], tokens[:, 1:]), **how
    )


CHECKS: dict[str, Check] = {
    "mlp.MLP": module(
        lambda: mlp.MLP(5, 3, hidden=(6, 4)), (4, 5), loss=lambda z: losses.softmax_cross_entropy(z, LABELS)),
    "mlp.MLP, dropout": module(lambda: mlp.MLP(5, 3, hidden=(8,), dropout=0.5), (4, 5)),
    "mlp.backward_cached": whole_by_hand,
    "mlp.linear_backward": linear_by_hand,
    "mlp.cross_entropy_backward": closed_form(
        lambda z: mlp.cross_entropy_forward(z, LABELS)[0],
        lambda z: mlp.cross_entropy_backward(mlp.cross_entropy_forward(z, LABELS)[1]), (4, 3)),
    "linear_regression.linear_gradient": closed_form(
        lambda w, b: linear_objective(w, b, POINTS, TARGETS_IN_UNIT, ridge=0.1),
        lambda w, b: linear_gradient(w, b, POINTS, TARGETS_IN_UNIT, ridge=0.1), (3, 5), (3,)),
    "logistic_regression.logistic_gradient": closed_form(
        lambda w, b: logistic_objective(w, b, POINTS, LABELS % 2, decay=0.1),
        lambda w, b: logistic_gradient(w, b, POINTS, LABELS % 2, decay=0.1), (5,), ()),
    "softmax_regression.softmax_gradient": closed_form(
        lambda w, b: softmax_objective(w, b, POINTS, LABELS, decay=0.1),
        lambda w, b: softmax_gradient(w, b, POINTS, LABELS, decay=0.1), (3, 5), (3,)),
    "dropout.Dropout": module(lambda: Dropout(0.4), (4, 5)),
    "autoencoder.Autoencoder": module(lambda: Autoencoder(6, 2, hidden=(5,)), (4, 6)),
    "losses.sigmoid_cross_entropy": pair_of("sigmoid_cross_entropy", TARGETS_IN_UNIT),
    "losses.sigmoid_squared_error": pair_of("sigmoid_squared_error", TARGETS_IN_UNIT),
    "losses.softmax_cross_entropy": pair_of("softmax_cross_entropy", LABELS),
    "losses.softmax_squared_error": pair_of("softmax_squared_error", LABELS),
    "losses.least_squares": pair_of("least_squares", LABELS),
    "convnet.ConvNet": module(lambda: ConvNet(2, 3, size=(8, 8), channels=(3, 4), hidden=5), (3, 2, 8, 8)),
    "convnet.ConvNet, batch norm and dropout": module(
        lambda: ConvNet(1, 3, size=(8, 8), channels=(3, 4), hidden=5, batch_norm=True, dropout=0.4), (4, 1, 8, 8)),
    "convnet.ConvNet, evaluation": module(
        lambda: ConvNet(1, 3, size=(8, 8), channels=(3,), hidden=5, batch_norm=True).eval(), (4, 1, 8, 8)),
    "batch_norm.BatchNorm2d": module(lambda: BatchNorm2d(3), (4, 3, 3, 3)),
    "batch_norm.batch_norm_global": of(
        lambda x, w, b: batch_norm_global(x, w, b, 1e-5)[0], (4, 3, 3, 3), (3,), (3,)),
    "lstm.LSTM": module(lambda: LSTM(3, 4, 2), (2, 5, 3)),
    "lstm.LSTM, step by step": module(lambda: LSTM(3, 4, 2, fast=False), (2, 5, 3)),
    "lstm.LSTMCell": module(lambda: LSTMCell(3, 4), (2, 3)),
    "rnn_lm.RecurrentLM, LSTM, tied": language(tied=True, dropout=0.3),
    "rnn_lm.RecurrentLM, GRU": language(cell=nn.GRU, layers=2),
    "rnn_lm.RecurrentLM, RNN, one-hot": language(cell=nn.RNN, embedding_size=0),
    "gan.discriminator_loss": of(lambda a, b: gan.discriminator_loss(a, b, smoothing=0.1), (5,), (6,)),
    "gan.generator_loss": of(lambda a: gan.generator_loss(a), (5,)),
    "gan.generator_loss, minimax": of(lambda a: gan.generator_loss(a, saturating=True), (5,)),
    "gan.MLPGenerator and Discriminator": module(
        lambda: nn.Sequential(gan.MLPGenerator(3, 2, hidden=6), gan.MLPDiscriminator(2, hidden=6)), (4, 3)),
    "gan.ConvGenerator and Discriminator": module(
        lambda: nn.Sequential(gan.ConvGenerator(3, (1, 8, 8), width=2), gan.ConvDiscriminator((1, 8, 8), width=2)),
        (3, 3)),
    "dqn.QNetwork and td_loss": module(
        lambda: QNetwork(4, 3, hidden=(6, 5)), (4, 4),
        loss=lambda q: td_loss(q, LABELS, torch.tensor([0.1, 3.0, -0.2, 0.4]).double())),
    "divergences": of(
        lambda a, b: (kl_divergence(a.softmax(1), b.softmax(1)), jensen_shannon(a.softmax(1), b.softmax(1))),
        (3, 4), (3, 4)),
}  # fmt: skip
