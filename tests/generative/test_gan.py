import math

import numpy as np
import pytest
import torch
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import TypeCheckError
from oracles import gan as oracle
from torch import nn

from deepcanon.generative.gan import (
    GAN,
    ConvDiscriminator,
    ConvGenerator,
    MLPDiscriminator,
    adversaries,
    discriminator_loss,
    game_value,
    generator_loss,
    optimal_discriminator,
)
from deepcanon.parts.divergences import jensen_shannon

REFUSED = (
    ValueError,
    TypeCheckError,
    BeartypeCallHintViolation,
)  # by the function itself, or before it by the check of shapes


def normal(x, mean, sigma):
    return torch.exp(-0.5 * ((x - mean) / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))


def test_trained_discriminator_is_the_optimal_one_and_the_value_is_the_divergence():
    # G is fixed: its samples are N(0.5, 0.7). Batches are quantiles, so that the training set is the density itself.
    torch.manual_seed(0)
    quantiles = (torch.arange(1024, dtype=torch.float64) + 0.5) / 1024
    gauss = math.sqrt(2) * torch.erfinv(2 * quantiles - 1)
    data, samples = (-0.5 + gauss).float()[:, None], (0.5 + 0.7 * gauss).float()[:, None]
    discriminator = MLPDiscriminator(1, hidden=32)
    optimizer = torch.optim.Adam(discriminator.parameters(), 1e-2)
    for step in range(400):
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - step / 400)
        loss = discriminator_loss(discriminator(data), discriminator(samples))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    grid = torch.linspace(-6, 6, 2401)
    p, q = normal(grid, -0.5, 1.0), normal(grid, 0.5, 0.7)
    inside = p + q > 0.02  # where there is data to learn from
    with torch.no_grad():
        found = discriminator(grid[:, None]).sigmoid()
        value = game_value(discriminator(data), discriminator(samples)).item()
    assert (found - optimal_discriminator(p, q))[inside].abs().max() <= 0.05
    width = 12 / 2400
    divergence = jensen_shannon((p * width).double(), (q * width).double()).item()
    assert value == pytest.approx(2 * divergence - math.log(4), abs=0.005)


def test_value_at_equality_and_at_certainty():
    same = torch.zeros(5)
    assert game_value(same, same).item() == pytest.approx(-math.log(4))
    sure = torch.full((5,), 40.0)
    assert game_value(sure, -sure).item() == pytest.approx(0)


def test_losses_from_logits_survive_where_probabilities_overflow():
    a = torch.tensor([200.0, -200.0])
    assert torch.isfinite(discriminator_loss(a, -a))
    assert generator_loss(torch.tensor([-200.0])).item() == 200
    assert generator_loss(torch.tensor([200.0]), saturating=True).item() == -200


def test_minimax_gradient_dies_where_the_other_does_not():
    a = torch.tensor([-10.0], requires_grad=True)  # D is sure that this is a sample
    (alive,) = torch.autograd.grad(generator_loss(a), a)
    (dead,) = torch.autograd.grad(generator_loss(a, saturating=True), a)
    assert alive.item() == pytest.approx(-1, abs=1e-4)
    assert abs(dead.item()) < 1e-4


def test_reductions_and_refusals():
    real, fake = torch.randn(3), torch.randn(5)
    terms = discriminator_loss(real, fake, reduction="none")
    assert terms.shape == (8,)
    assert discriminator_loss(real, fake, reduction="sum").item() == pytest.approx(terms.sum().item())
    whole = discriminator_loss(real, fake).item()
    assert whole == pytest.approx((terms[:3].mean() + terms[3:].mean()).item())
    for bad in (lambda: discriminator_loss(real[:, None], fake), lambda: generator_loss(fake, reduction="max")):
        with pytest.raises(REFUSED):
            bad()
    with pytest.raises(REFUSED):
        optimal_discriminator(real, fake)
    assert optimal_discriminator(torch.zeros(1), torch.zeros(1)).item() == 0.5


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8), (3, 64, 64), (3, 24, 48)])
def test_images_of_many_sizes(shape):
    gan = GAN(ConvGenerator(10, shape, width=4), ConvDiscriminator(shape, width=4, batch_norm=True))
    images = gan(torch.randn(3, 10))
    assert images.shape == (3, *shape)
    assert images.abs().max() <= 1
    assert gan.discriminator(images).shape == (3,)


@pytest.mark.parametrize("shape", [(1, 27, 27), (1, 6, 6), (1, 2 * 401, 2 * 401)])
def test_sizes_that_do_not_halve_are_refused(shape):
    with pytest.raises(ValueError):
        ConvGenerator(10, shape)


def test_players_for_images_and_for_points():
    images = adversaries(
        (3, 16, 16), 5, width=4, generator_hidden=7, discriminator_hidden=6, dropout=0.1, batch_norm=True
    )
    assert images.discriminator(images(torch.randn(2, 5))).shape == (2,)
    kinds = [type(layer).__name__ for layer in images.discriminator.layers]
    assert kinds.count("BatchNorm2d") == 1 and kinds.count("Dropout2d") == 1
    points = adversaries((2,), 5, hidden=6)
    assert points.discriminator(points(torch.randn(3, 5))).shape == (3,)
    with pytest.raises(ValueError, match="shape"):
        adversaries((4, 4), 5)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="noise"):
        ConvGenerator(10, (1, 8, 8))(torch.randn(2, 9))
    with pytest.raises(ValueError, match="images"):
        ConvDiscriminator((1, 8, 8))(torch.randn(2, 3, 8, 8))


def test_batch_norm_of_real_and_fake_apart_differs_from_mixed():
    # What the recipe must not do: one pass over the concatenated batch changes the logits.
    torch.manual_seed(0)
    discriminator = ConvDiscriminator((1, 16, 16), width=4, batch_norm=True)
    real, fake = torch.rand(8, 1, 16, 16), -torch.rand(8, 1, 16, 16)
    apart = torch.cat([discriminator(real), discriminator(fake)])
    mixed = discriminator(torch.cat([real, fake]))
    assert (apart - mixed).abs().max() > 1e-3


def test_every_value_of_the_smallest_map_depends_on_the_noise():
    # Normalised by channel, the positive mean of the hidden units could make one map of all samples.
    torch.manual_seed(0)
    generator = ConvGenerator(8, (1, 16, 16), width=4, hidden=32)
    seen = []
    generator.layers[4].register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output)))
    with torch.no_grad():
        generator(torch.randn(64, 8))
    before, after = seen[0]
    assert generator.layers[4].weight.shape == before.shape[1:] == (8 * 4 * 4,)
    assert before.mean(0).abs().mean() > 0.1
    assert after.mean(0).abs().max() < 1e-4
    assert (after.var(0, unbiased=False) - 1).abs().max() < 0.01


def test_dropout_of_the_discriminator_is_of_training_only():
    torch.manual_seed(0)
    images = torch.rand(4, 1, 16, 16)
    plain = ConvDiscriminator((1, 16, 16), width=4, hidden=8)
    assert torch.equal(plain(images), plain(images))
    discriminator = ConvDiscriminator((1, 16, 16), width=4, hidden=8, dropout=0.5)
    assert (discriminator(images) - discriminator(images)).abs().min() > 0
    discriminator.eval()
    assert torch.equal(discriminator(images), discriminator(images))
    assert [type(layer).__name__ for layer in discriminator.layers].count("Dropout") == 2
    assert [type(layer).__name__ for layer in discriminator.layers].count("Dropout2d") == 1
    with pytest.raises(ValueError):
        ConvDiscriminator((1, 16, 16), dropout=1.5)


def test_transposed_convolution_is_the_adjoint_of_the_convolution():
    # <conv x, y> = <x, conv_transposed y>: ties the two oracles, and with them the two nets, together.
    rng = np.random.default_rng(0)
    x, y, w = rng.normal(size=(1, 3, 8, 6)), rng.normal(size=(1, 5, 4, 3)), rng.normal(size=(5, 3, 4, 4))
    left = (oracle.conv(x, w) * y).sum()
    right = (x * oracle.conv_transposed(y, w)).sum()
    assert left == pytest.approx(right)


def test_no_gradient_reaches_the_generator_in_the_discriminators_step():
    gan = GAN(nn.Linear(2, 2), MLPDiscriminator(2, hidden=4))
    with torch.no_grad():
        fake = gan(torch.randn(4, 2))
    discriminator_loss(gan.discriminator(torch.randn(4, 2)), gan.discriminator(fake)).backward()
    assert gan.generator.weight.grad is None
