"""Gradient checking: the layers and losses of this package, and twenty planted bugs that must be caught.

Task, without data: each step checks one layer or loss against central differences in float64 at a random point (its
parameters and its inputs), or one of the twenty wrong backward passes of `planted_bugs` beside the right one. Metrics:
largest relative error of what is right, bugs caught. Ours: error 2e-8, 20 of 20. Ten seconds on one core.

Your own network is checked in Python, two lines, in training or evaluation mode, with your loss if you like:

    from deepcanon.foundations import check_module
    print(check_module(YourModule(), inputs, loss=lambda outputs: your_loss(outputs, targets)))

There is no option that names a Python file: options are kept in a run's config.json, and a run folder that somebody
gives you must never run code.

    deepcanon train gradient-check
"""

from dataclasses import dataclass

SYSTEM = "foundations.gradient_check"
DATA = ("task",)
# fmt: off
TARGETS = (
    {"run": "all", "metric": "test/caught", "relation": "==", "value": 20, "tolerance": 0, "mark": "X",
     "statistic": "worst", "source": "A07: 20 planted bugs"},
    {"run": "all", "metric": "test/error_layers", "relation": "<=", "value": 1e-7, "mark": "X", "statistic": "worst",
     "source": "A07: layers and losses of the package"},
    {"run": "all", "metric": "test/error_right", "relation": "<=", "value": 1e-7, "mark": "X", "statistic": "worst",
     "source": "A07: the right halves of the planted bugs"},
    {"run": "all", "metric": "test/failed", "relation": "==", "value": 0, "tolerance": 0, "mark": "X",
     "statistic": "worst", "source": "A07: nothing right fails, and most coordinates are compared"},
)
# fmt: on


@dataclass(frozen=True)
class Config:
    difference: float = 1e-5
    """Step h of the central differences."""
    tolerance: float = 1e-7
    """Largest relative error of a gradient that passes."""
    floor: float = 1e-3
    """Entries below this share of the largest gradient are compared with that share."""
    coordinates: int = 60
    """Random entries of each tensor that are compared."""


def smoke():
    return Config(coordinates=4), {}


def default():
    return Config(), {}


def paper():
    return Config(), {}


def verify():
    return {"all": (Config(coordinates=1000), {"threads": 1})}


import torch
from torch import nn

from deepcanon.engine.errors import UsageError
from deepcanon.foundations import losses, mlp
from deepcanon.foundations.dropout import Dropout
from deepcanon.foundations.gradient_check import check_gradients, check_module
from deepcanon.foundations.linear_regression import linear_gradient, linear_objective
from deepcanon.foundations.logistic_regression import logistic_gradient, logistic_objective
from deepcanon.foundations.planted_bugs import PAIRS, explicit
from deepcanon.foundations.softmax_regression import softmax_gradient, softmax_objective
from deepcanon.generative import gan
from deepcanon.parts.batch_norm import BatchNorm2d, batch_norm_global
from deepcanon.parts.divergences import jensen_shannon, kl_divergence
from deepcanon.representation.autoencoder import Autoencoder
from deepcanon.rl.dqn import QNetwork, td_loss
from deepcanon.sequence.lstm import LSTM, LSTMCell
from deepcanon.sequence.rnn_lm import RecurrentLM, sequence_nll
from deepcanon.vision.convnet import ConvNet

LABELS = torch.tensor([0, 2, 1, 2])
TARGETS_IN_UNIT = torch.tensor([[0.0, 1.0, 0.3], [1.0, 1.0, 0.0], [0.5, 0.2, 0.9], [1.0, 0.0, 0.0]]).double()
POINTS = torch.arange(20.0).sin().reshape(4, 5).double()


def draw(*shapes):
    return [torch.randn(shape, dtype=torch.float64) for shape in shapes]


def module(build, *shapes, loss=None):
    """A check of a module that is built anew, at random inputs."""
    return lambda **how: check_module(build(), *draw(*shapes), loss=loss, **how)


def closed_form(function, gradient, *shapes):
    """A check of a gradient in closed form: function(*x) -> scalar, gradient(*x) -> its gradients."""

    def backward(g, *x):
        found = gradient(*x)
        return tuple(g * part for part in (found if isinstance(found, tuple) else (found,)))

    return lambda **how: check_gradients(function, draw(*shapes), backward=backward, **how)


def pair_of(name, targets, shape=(4, 3)):
    value, slope = getattr(losses, name), getattr(losses, f"{name}_gradient")
    return closed_form(lambda z: value(z, targets), lambda z: slope(z, targets), shape)


def whole_by_hand(**how):
    net = mlp.MLP(5, 3, hidden=(6, 4), dropout=0.3).double()
    return check_gradients(
        lambda x: mlp.forward_cached(net.layers.eval(), x)[0], draw((4, 5)),
        backward=lambda g, x: mlp.backward_cached(net.layers, mlp.forward_cached(net.layers.eval(), x)[1], g)[0], **how,
    )  # fmt: skip


def linear_by_hand(**how):
    return check_gradients(
        lambda x, w, b: mlp.linear_forward(x, w, b)[0], draw((4, 5), (3, 5), (3,)),
        backward=lambda g, x, w, b: mlp.linear_backward(mlp.linear_forward(x, w, b)[1], g), **how,
    )  # fmt: skip


def language(**options):
    tokens = torch.tensor([[0, 3, 1, 1, 4], [2, 2, 0, 4, 3]])
    return lambda **how: check_module(
        RecurrentLM(5, 4, **options), tokens[:, :-1], loss=lambda out: sequence_nll(out[0], tokens[:, 1:]), **how
    )


def of(function, *shapes):
    return lambda **how: check_gradients(function, draw(*shapes), **how)


CHECKS = {
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
        lambda x, w, b: batch_norm_global(x, w, b, 1e-5, total=lambda sums: sums)[0], (4, 3, 3, 3), (3,), (3,)),
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


class Found(nn.Module):
    """Relative errors of what is right and of what is wrong (NaN: not checked yet), and what failed."""

    def __init__(self):
        super().__init__()
        self.register_buffer("right", torch.full((len(CHECKS) + len(PAIRS),), torch.nan, dtype=torch.float64))
        self.register_buffer("wrong", torch.full((len(PAIRS),), torch.nan, dtype=torch.float64))
        self.register_buffer("counts", torch.zeros(3, dtype=torch.int64))  # checked, skipped, failed


class Recipe:
    state = ("found",)
    monitor = None
    parallel = "none: a few seconds of work"
    splits = ("test",)
    precisions = ("fp32",)

    @staticmethod
    def learn(config, data) -> dict:
        if min(config.difference, config.tolerance, config.coordinates) <= 0 or not 0 <= config.floor < 1:
            raise UsageError("--difference, --tolerance and --coordinates are above 0, --floor is in [0, 1)")
        return {"names": [*CHECKS, *(pair.name for pair in PAIRS)]}

    def __init__(self, config, facts, run):
        self.config, self.facts, self.run = config, facts, run
        self.found = Found()

    def plan(self) -> int:
        return len(CHECKS) + len(PAIRS)

    def step(self, step: int) -> dict:
        """The next layer, or the next pair; the run's stream draws weights and inputs."""
        config, found, place = self.config, self.found, step % self.plan()
        how = {"step": config.difference, "tolerance": config.tolerance, "floor": config.floor,
               "coordinates": config.coordinates, "seed": self.run.seed}  # fmt: skip
        if place < len(CHECKS):
            report = list(CHECKS.values())[place](**how)
        else:
            pair = PAIRS[place - len(CHECKS)]
            inputs = draw(*pair.inputs)
            report = check_gradients(lambda *x: explicit(pair, *x), inputs, **how)
            planted = check_gradients(lambda *x: explicit(pair, *x, planted=True), inputs, **how)
            found.wrong[place - len(CHECKS)] = planted.worst
        found.right[place] = report.worst
        found.counts += torch.tensor([report.checked, report.skipped, not report.passed])
        return {"error": report.worst, "checked": report.checked, "skipped": report.skipped}

    def evaluate(self, split: str) -> dict:
        right, wrong = self.found.right.nan_to_num(0.0), self.found.wrong.nan_to_num(0.0)
        checked, skipped, failed = self.found.counts.tolist()
        return {
            "error_layers": right[: len(CHECKS)].max().item(),
            "error_right": right[len(CHECKS) :].max().item(),
            "caught": int((wrong > self.config.tolerance).sum()),
            "smallest_error_of_a_bug": wrong[wrong > 0].min().item() if wrong.any() else 0.0,
            "failed": failed,
            "checked": checked,
            "skipped": skipped,
        }

    def figures(self) -> dict:
        from matplotlib.figure import Figure

        names, right = self.facts["names"], self.found.right.tolist()
        wrong = [float("nan")] * len(CHECKS) + self.found.wrong.tolist()
        figure = Figure(figsize=(7.5, 0.21 * len(names) + 0.8), layout="constrained")
        axes, places = figure.subplots(), range(len(names))
        axes.plot([max(v, 1e-13) for v in right], places, "o", color="tab:blue", label="right")
        axes.plot(wrong, places, "X", color="tab:red", label="planted bug")
        axes.axvline(self.config.tolerance, color="black", linewidth=1, label="tolerance")
        axes.set(xscale="log", xlabel="largest relative error", ylim=(len(names) - 0.5, -0.5))
        axes.set_yticks(list(places), names, fontsize=7)
        axes.legend(loc="upper center", fontsize=8)
        rows = [f"{a:9.1e}  {b:9.1e}  {name}" for name, a, b in zip(names, right, wrong, strict=True)]
        return {"errors": figure, "table": "\n".join(["    right        bug  gradient of", *rows]) + "\n"}
