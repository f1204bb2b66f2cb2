"""Generative adversarial network: a generator learns to make samples that a discriminator mistakes for data.

Papers: Goodfellow et al. 2014, "Generative adversarial nets" (arXiv:1406.2661), whose equations are numbered
here; Radford et al. 2015, "Unsupervised representation learning with deep convolutional GANs" (arXiv:1511.06434),
for the convolutional pair. One-sided label smoothing: Salimans et al. 2016 (arXiv:1606.03498).

x: data, density p; z: noise, standard normal; G(z): sample, density q; D: probability of "data"; a = logit of D.

    V(D, G) = E_x log D(x) + E_z log(1 - D(G(z)))            min over G, max over D             (1)
    D*(x)   = p(x) / (p(x) + q(x))                           the best D for a given G           (2)
    V(D*, G) = 2 JSD(p, q) - log 4                           so that G minimises a distance     (3)
    L_D     = -E_x log D(x) - E_z log(1 - D(G(z)))           ascends (1) in D                   (4)
    L_G     = -E_z log D(G(z))                               non-saturating: default            (5)
    L_G     = E_z log(1 - D(G(z)))                           minimax: its gradient vanishes when D is sure   (6)

All are computed from logits: log D = logsigmoid(a), log(1 - D) = logsigmoid(-a). In the discriminator's step the
samples are constants (no gradient reaches G), and real and generated batches pass D apart, so that its batch
normalisation never mixes them.

Departures from DCGAN
- The smallest map is 4 to 7 pixels wide whatever the image (28 = 7 * 2 * 2, 32 = 4 * 2 * 2 * 2), width 32 instead
  of 128.
- Batch normalisation stays in the generator; in the discriminator it is an option (`batch_norm`), off by default:
  without it the rows of a batch are independent.
- DCGAN has no hidden layers besides its convolutions; here each player may have one (`hidden`): between noise and
  smallest map, and between last map and logit. After it the generator normalises each value of the smallest map
  separately: normalised by channel, the map can become independent of the noise, and all samples equal.
- The discriminator may drop (`dropout`, which DCGAN does not use) whole maps after its early convolutions, single
  values after the last and in the hidden layer.
- The recipe's two updates of a step share their samples, where algorithm 1 of Goodfellow et al. draws noise for each;
  it lets the step size fall to zero; and what it samples from is a moving average of the generator's weights.
- Weights start as torch starts them: with the paper's N(0, 0.02^2) the small discriminator learns more slowly.

    >>> import torch
    >>> from deepcanon.generative import GAN, ConvDiscriminator, ConvGenerator, discriminator_loss
    >>> gan = GAN(ConvGenerator(64, (1, 28, 28)), ConvDiscriminator((1, 28, 28)))
    >>> fake = gan(torch.randn(8, 64)).detach()
    >>> discriminator_loss(gan.discriminator(torch.rand(8, 1, 28, 28)), gan.discriminator(fake)).shape
    torch.Size([])
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deepcanon.parts.batch_norm import BatchNorm1d, BatchNorm2d

__all__ = [
    "GAN",
    "ConvDiscriminator",
    "ConvGenerator",
    "MLPDiscriminator",
    "MLPGenerator",
    "adversaries",
    "discriminator_loss",
    "game_value",
    "generator_loss",
    "optimal_discriminator",
]

SLOPE = 0.2  # of the discriminator's leaky ReLU, as in DCGAN
SMALLEST_MAP = 4


def _reduce(values: Tensor, reduction: str) -> Tensor:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is 'mean', 'sum' or 'none', not {reduction!r}")
    return values if reduction == "none" else getattr(values, reduction)()


def _check_logits(*logits: Tensor) -> None:
    for a in logits:
        if a.ndim != 1:
            raise ValueError(f"expected one logit per example [batch], got {tuple(a.shape)}")


def discriminator_loss(
    real_logits: Float[Tensor, "real"],
    fake_logits: Float[Tensor, "fake"],
    *,
    smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """Equation (4). Under `smoothing` the target of data is 1 - smoothing, that of samples stays 0.

    With "none" the two terms come as a vector [real + fake]; "sum" adds it up; "mean" averages each term alone.
    """
    _check_logits(real_logits, fake_logits)
    real = -(1 - smoothing) * F.logsigmoid(real_logits) - smoothing * F.logsigmoid(-real_logits)
    fake = -F.logsigmoid(-fake_logits)
    if reduction == "mean":
        return real.mean() + fake.mean()
    return _reduce(torch.cat([real, fake]), reduction)


def generator_loss(fake_logits: Float[Tensor, "fake"], *, saturating: bool = False, reduction: str = "mean") -> Tensor:
    """Equation (5), or (6) when saturating."""
    _check_logits(fake_logits)
    if saturating:
        return _reduce(F.logsigmoid(-fake_logits), reduction)  # (6)
    return _reduce(-F.logsigmoid(fake_logits), reduction)  # (5)


def game_value(real_logits: Float[Tensor, "real"], fake_logits: Float[Tensor, "fake"]) -> Tensor:
    """V of equation (1): -log 4 when D cannot tell, 0 when it always can."""
    return -discriminator_loss(real_logits, fake_logits)


def optimal_discriminator(
    data_density: Float[Tensor, "..."], sample_density: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """Equation (2); one half where both densities are 0."""
    if data_density.shape != sample_density.shape:
        raise ValueError(f"densities {tuple(data_density.shape)} and {tuple(sample_density.shape)} differ in shape")
    both = data_density + sample_density
    return torch.where(both > 0, data_density / both.where(both > 0, 1), 0.5)


class MLPGenerator(nn.Module):
    """Noise to points, for tasks in a few dimensions.

    Args:
        noise: length of z.
        features: values of a point.
        hidden: units of each hidden layer.
        layers: hidden layers.
    """

    def __init__(
        self, noise: int, features: int, *, hidden: int = 128, layers: int = 3, device=None, dtype=None
    ) -> None:
        super().__init__()
        self.noise = noise
        self.layers = _mlp(noise, features, hidden, layers, nn.ReLU, device, dtype)

    def forward(self, noise: Float[Tensor, "batch noise"]) -> Float[Tensor, "batch features"]:
        """One point for each row of noise."""
        return self.layers(noise)


class MLPDiscriminator(nn.Module):
    """Points to one logit each.

    Args:
        features: values of a point.
        hidden: units of each hidden layer.
        layers: hidden layers.
    """

    def __init__(self, features: int, *, hidden: int = 128, layers: int = 3, device=None, dtype=None) -> None:
        super().__init__()
        self.layers = _mlp(features, 1, hidden, layers, lambda: nn.LeakyReLU(SLOPE), device, dtype)

    def forward(self, inputs: Float[Tensor, "batch features"]) -> Float[Tensor, "batch"]:
        """The logit for "from the data" of each point."""
        return self.layers(inputs).squeeze(1)


class ConvGenerator(nn.Module):
    """Noise to images in (-1, 1): one linear layer, then transposed convolutions that double the side.

    Args:
        noise: length of z.
        shape: (channels, height, width) of an image; the sides must be divisible by 2 (better by 4 or 8).
        width: channels of the largest map; each halving of the side doubles them.
        hidden: units of a layer between noise and smallest map; 0 for none, as in DCGAN.
    """

    def __init__(
        self,
        noise: int,
        shape: tuple[int, int, int],
        *,
        width: int = 32,
        hidden: int = 0,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        made = {"device": device, "dtype": dtype}
        stages, (height, small) = _stages(shape)
        widths = [width * 2**i for i in reversed(range(stages))]
        first, smallest = (widths[0], height, small), widths[0] * height * small
        self.noise = noise
        layers: list[nn.Module] = []
        if hidden:
            layers += [nn.Linear(noise, hidden, bias=False, **made), BatchNorm1d(hidden, **made), nn.ReLU()]
        layers.append(nn.Linear(hidden or noise, smallest, bias=False, **made))
        layers += [BatchNorm1d(smallest, **made)] if hidden else []
        layers.append(nn.Unflatten(1, first))
        for i, channels in enumerate(widths):
            last = i == stages - 1
            layers += [] if hidden and i == 0 else [BatchNorm2d(channels, **made)]
            layers.append(nn.ReLU())
            after = shape[0] if last else widths[i + 1]
            layers.append(nn.ConvTranspose2d(channels, after, 4, 2, 1, bias=last, **made))
        self.layers = nn.Sequential(*layers)

    def forward(self, noise: Float[Tensor, "batch noise"]) -> Float[Tensor, "batch channels height width"]:
        """Images in (-1, 1), one for each row of noise; ValueError if its length does not fit."""
        if noise.ndim != 2 or noise.shape[1] != self.noise:
            raise ValueError(f"expected noise [batch, {self.noise}], got {tuple(noise.shape)}")
        return torch.tanh(self.layers(noise))


class ConvDiscriminator(nn.Module):
    """Images to one logit each: strided convolutions that mirror `ConvGenerator`.

    Args:
        shape: (channels, height, width) of an image.
        width: channels of the largest map.
        hidden: units of a layer between the last map and the logit; 0 for none, as in DCGAN.
        dropout: share dropped in training after every nonlinearity; 0: none.
        batch_norm: normalises all convolutions except the first.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        width: int = 32,
        hidden: int = 0,
        dropout: float = 0.0,
        batch_norm: bool = False,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        made = {"device": device, "dtype": dtype}
        stages, (height, small) = _stages(shape)
        layers: list[nn.Module] = []
        before = shape[0]
        for i in range(stages):
            channels = width * 2**i
            # DCGAN: no batch normalisation on the first layer, so that D sees the scale of the data.
            normalised = batch_norm and i > 0
            layers.append(nn.Conv2d(before, channels, 4, 2, 1, bias=not normalised, **made))
            layers += [BatchNorm2d(channels, **made)] if normalised else []
            layers.append(nn.LeakyReLU(SLOPE))
            if dropout:
                layers.append(nn.Dropout(dropout) if i == stages - 1 else nn.Dropout2d(dropout))
            before = channels
        self.shape = tuple(shape)
        layers.append(nn.Flatten())
        values = before * height * small
        if hidden:
            layers += [nn.Linear(values, hidden, **made), nn.LeakyReLU(SLOPE)]
            layers += [nn.Dropout(dropout)] if dropout else []
        self.layers = nn.Sequential(*layers, nn.Linear(hidden or values, 1, **made))

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch"]:
        """The logit for "from the data" of each image; ValueError if their shape does not fit."""
        if tuple(images.shape[1:]) != self.shape:
            raise ValueError(f"expected images [batch, {', '.join(map(str, self.shape))}], got {tuple(images.shape)}")
        return self.layers(images).squeeze(1)


class GAN(nn.Module):
    """The two players; called, it generates.

    Args:
        generator: from noise to samples.
        discriminator: from samples to one logit each.
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator

    def forward(self, noise: Float[Tensor, "batch noise"]) -> Float[Tensor, "batch ..."]:
        """Samples, one for each row of noise."""
        return self.generator(noise)


def adversaries(
    shape: tuple[int, ...],
    noise: int,
    *,
    width: int = 32,
    generator_hidden: int = 0,
    discriminator_hidden: int = 0,
    dropout: float = 0.0,
    batch_norm: bool = False,
    hidden: int = 128,
) -> GAN:
    """Two players for images of the shape (channels, height, width), or for points (features,).

    Args:
        noise: length of z.
        width, generator_hidden, discriminator_hidden, dropout, batch_norm: of the convolutional players.
        hidden: units of each layer of the players for points.
    """
    if len(shape) == 1:
        return GAN(MLPGenerator(noise, shape[0], hidden=hidden), MLPDiscriminator(shape[0], hidden=hidden))
    if len(shape) != 3:
        raise ValueError(f"an example has the shape (channels, height, width) or (features,), got {tuple(shape)}")
    channels, height, side = shape
    image = channels, height, side
    generator = ConvGenerator(noise, image, width=width, hidden=generator_hidden)
    discriminator = ConvDiscriminator(
        image, width=width, hidden=discriminator_hidden, dropout=dropout, batch_norm=batch_norm
    )
    return GAN(generator, discriminator)


def _mlp(inputs: int, outputs: int, hidden: int, layers: int, activation, device, dtype) -> nn.Sequential:
    sizes = [inputs] + [hidden] * layers
    stack: list[nn.Module] = []
    for before, after in pairwise(sizes):
        stack += [nn.Linear(before, after, device=device, dtype=dtype), activation()]
    return nn.Sequential(*stack, nn.Linear(sizes[-1], outputs, device=device, dtype=dtype))


def _stages(shape: tuple[int, int, int]) -> tuple[int, tuple[int, int]]:
    """How often the sides can be halved down to 4..7 pixels, and the sides of that smallest map."""
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"an image has the shape (channels, height, width), got {tuple(shape)}")
    height, width, stages = shape[1], shape[2], 0
    while height % 2 == width % 2 == 0 and min(height, width) // 2 >= SMALLEST_MAP:
        height, width, stages = height // 2, width // 2, stages + 1
    if stages == 0 or height * width > 16 * 16:
        raise ValueError(
            f"images of {shape[1]}x{shape[2]} cannot be halved to a small map: use a size such as 28, 32, 64"
        )
    return stages, (height, width)
