"""Batch normalisation: invariance to scale, torch's buffers, rows in eval mode, folding, and toy versions caught."""

import pytest
import torch
from contract.trainees import start, trainee
from jaxtyping import TypeCheckError
from oracles import batch_norm as oracle
from torch import nn

from deepcanon import cli
from deepcanon.errors import UsageError
from deepcanon.parts.batch_norm import BatchNorm1d, BatchNorm2d
from deepcanon.vision import BatchNorm, batch_norm_backward, batch_norm_forward
from deepcanon.vision.batch_norm import fold, running_statistics

SHAPES = [(8, 3), (4, 3, 5, 2)]
KINDS = {2: nn.BatchNorm1d, 4: nn.BatchNorm2d}


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("scale", [0.01, 7.0, 100.0])
def test_the_scale_of_the_weights_does_not_matter(scale):
    """BN(a W u) = BN(W u); the gradient of the inputs stays, that of the weights is divided by a (section 3.3)."""
    inputs, weight, grad = drawn(16, 6).requires_grad_(), drawn(4, 6, seed=1), drawn(16, 4, seed=2)
    found = []
    for a in (1.0, scale):
        w = (a * weight).requires_grad_()
        outputs, _ = batch_norm_forward(inputs @ w.T, torch.ones(4).double(), torch.zeros(4).double(), eps=1e-12)
        found.append((outputs, *torch.autograd.grad(outputs, (inputs, w), grad)))
    (y, du, dw), (scaled_y, scaled_du, scaled_dw) = found
    for one, other in ((y, scaled_y), (du, scaled_du), (dw, scale * scaled_dw)):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_outputs_gradients_and_buffers_are_those_of_torch(shape):
    ours, theirs = BatchNorm(3, momentum=0.3).double(), KINDS[len(shape)](3, momentum=0.3).double()
    for step in range(3):
        x, grad = (1 + 2 * drawn(*shape, seed=step)).requires_grad_(), drawn(*shape, seed=9 + step)
        y, z = ours(x), theirs(x)
        torch.testing.assert_close(y, z, atol=1e-12, rtol=0)
        hand, cache = batch_norm_forward(x.detach(), ours.weight.detach(), ours.bias.detach())
        mine = batch_norm_backward(cache, grad)
        auto = torch.autograd.grad(z, (x, theirs.weight, theirs.bias), grad)
        torch.testing.assert_close(hand, z, atol=1e-12, rtol=0)
        torch.testing.assert_close(mine, auto, atol=1e-12, rtol=0)
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), atol=1e-6, rtol=0)
    theirs.load_state_dict(ours.state_dict())


@pytest.mark.parametrize("shape", SHAPES)
def test_running_statistics_have_the_unbiased_variance(shape):
    x, mean, variance = drawn(*shape), torch.zeros(3).double(), torch.ones(3).double()
    _, cache = batch_norm_forward(x, variance, mean)
    expected = oracle.running(mean.numpy(), variance.numpy(), x.numpy(), 0.1)
    layer = BatchNorm(3).double()
    layer(x)
    for found in (running_statistics(mean, variance, cache), (layer.running_mean, layer.running_var)):
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, torch.from_numpy(other), atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_in_eval_mode_a_row_does_not_see_the_others(shape):
    layer = BatchNorm(3).double()
    for step in range(5):
        layer(3 + drawn(*shape, seed=step))
    x = drawn(*shape, seed=7)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    together = layer.eval()(x)
    alone = torch.cat([layer(row[None]) for row in x])
    assert torch.equal(together, alone)
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


# Toy versions, each with the probe above that catches it


class Toy(BatchNorm):
    """Batch normalisation with one thing wrong."""

    def __init__(self, bug):
        super().__init__(3)
        self.bug = bug

    def forward(self, x):
        axes, shape = [a for a in range(x.ndim) if a != 1], (1, -1) + (1,) * (x.ndim - 2)
        if self.bug == "statistics over the batch axis alone" and self.training:
            axes, shape = [0], (1, *x.shape[1:])
        m = x.numel() / x.shape[1]
        if self.training or self.bug == "batch statistics in evaluation":
            mean, variance = x.mean(axes), x.var(axes, correction=0)
            if self.bug == "unbiased variance normalises":
                variance = x.var(axes)
            if self.bug == "no gradient through the statistics":
                mean, variance = mean.detach(), variance.detach()
        else:
            mean, variance = self.running_mean, self.running_var
        if self.training and mean.shape == self.running_mean.shape:
            with torch.no_grad():
                unbiased = variance * m / (m - 1) if self.bug != "biased running variance" else variance
                kept = 0.1 if self.bug == "momentum of the old value" else 0.9
                self.running_mean.mul_(kept).add_((1 - kept) * mean)
                self.running_var.mul_(kept).add_((1 - kept) * unbiased)
        return (x - mean.view(shape)) / (variance.view(shape) + self.eps).sqrt()


def gap(layer, shape):
    """The largest difference from torch: outputs and gradients in training, buffers, and a batch of one in eval."""
    theirs = KINDS[len(shape)](3).double()
    x, grad = (1 + 2 * drawn(*shape)).requires_grad_(), drawn(*shape, seed=1)
    pairs = []
    for norm in (layer.double(), theirs):
        y = norm(x)
        (dx,) = torch.autograd.grad(y, x, grad)
        pairs.append([y, dx, norm.running_mean, norm.running_var, norm.eval()(x[:1])])
    return max((one - other).abs().max().item() for one, other in zip(*pairs, strict=True))


BUGS = [
    "biased running variance",
    "batch statistics in evaluation",
    "unbiased variance normalises",
    "no gradient through the statistics",
    "momentum of the old value",
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bug", BUGS)
def test_toy_versions_are_caught(bug, shape):
    assert gap(Toy(""), shape) < 1e-6 and gap(BatchNorm(3), shape) < 1e-6
    assert gap(Toy(bug), shape) > 1e-3


def test_statistics_of_maps_over_the_batch_axis_alone_are_caught():
    assert gap(Toy("statistics over the batch axis alone"), SHAPES[1]) > 1e-2


# Refusals


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (BatchNorm1d(3), (1, 3), "more than one value per channel"),
        (BatchNorm(3), (1, 3), "more than one value per channel"),
        (BatchNorm2d(3), (1, 3, 1, 1), "more than one value per channel"),
        (BatchNorm1d(3), (2, 3, 4, 4), r"expected \[batch, 3\], got"),
        (BatchNorm2d(3), (2, 3), r"expected \[batch, 3, height, width\], got"),
        (BatchNorm(3), (2, 4), r"expected \[batch, 3\] or \[batch, 3, height, width\], got"),
    ],
)
def test_a_batch_of_one_and_other_shapes_are_refused(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer(torch.zeros(shape))
    assert layer.num_batches_tracked == 0


def test_one_image_of_several_pixels_is_enough():
    assert BatchNorm2d(3)(drawn(1, 3, 2, 2).float()).isfinite().all()


def test_shapes_are_said():
    one = torch.ones(3)
    for call in (
        lambda: batch_norm_forward(torch.zeros(2, 3, 4), one, one),
        lambda: batch_norm_forward(torch.zeros(2, 4), one, one),
        lambda: batch_norm_forward(torch.zeros(1, 3), one, one),
        lambda: batch_norm_backward(batch_norm_forward(torch.randn(4, 3), one, one)[1], torch.zeros(3, 3)),
        lambda: fold(torch.zeros(2, 3), None, BatchNorm(3)),
        lambda: running_statistics(one, one, batch_norm_forward(torch.randn(4, 3), one, one)[1], momentum=1.5),
    ):
        with pytest.raises((ValueError, TypeCheckError), match=r"\d|per channel"):
            call()


@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_takes_its_normalisation_in(bias):
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(2, 3, 3, bias=bias), BatchNorm(3)
    for step in range(4):
        norm(conv(drawn(4, 2, 6, 6, seed=step).float()))
    x = drawn(2, 2, 6, 6, seed=9).float()
    torch.testing.assert_close(nn.functional.conv2d(x, *fold(conv.weight, conv.bias, norm)), norm.eval()(conv(x)))


# In the perceptron


def test_a_perceptron_normalises_before_its_units_and_has_no_idle_bias():
    recipe, step = start(trainee("mlp").with_({"normalization": "batch", "hidden": (8, 8)}), 3)
    kinds = [type(layer).__name__ for layer in recipe.model.layers]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU"] * 2 + ["Linear"]
    assert recipe.model.layers[0].bias is None and recipe.model.layers[-1].bias is not None and not recipe.by_hand
    step()
    assert recipe.model.layers[1].num_batches_tracked == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalization": "batch", "batch": 1}, "--batch 1: batch normalisation needs"),
        ({"normalization": "batch", "backward": "explicit"}, "--backward explicit supports"),
        ({"normalization": "batch", "backward": "flat"}, "--backward flat supports"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        start(trainee("mlp").with_(options), 1)


def test_the_command_line_refuses_a_batch_of_one_in_a_line(capsys):
    assert cli.main(["train", "mlp", "--data", "digits", "--normalization", "batch", "--batch", "1"]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and "at least two examples" in said[0]
