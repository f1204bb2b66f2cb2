"""Batch normalisation: forward, the gradient through mean and variance written out, running statistics, and folding.

Paper: Ioffe and Szegedy 2015, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
Shift" (arXiv:1502.03167), algorithms 1 and 2, sections 3.1 to 3.3. Numbers in brackets are ours.

x one channel's values in a batch: of rows [B, F] the m = B values of a feature, of images [B, C, H, W] the m = B H W
values of a channel (section 3.2: a map is normalised as one, so that the convolution stays one). J the loss.

    mu    = (1/m) sum x,   v = (1/m) sum (x - mu)^2                biased                              (1)
    x_hat = (x - mu) / sqrt(v + eps),   y = gamma x_hat + beta                                         (2)
    dJ/dx_hat = dJ/dy gamma                                                                            (3)
    dJ/dv     = sum dJ/dx_hat (x - mu) (-1/2) (v + eps)^(-3/2)                                         (4)
    dJ/dmu    = -sum dJ/dx_hat / sqrt(v + eps) + dJ/dv (-2/m) sum (x - mu)                             (5)
    dJ/dx     = dJ/dx_hat / sqrt(v + eps) + dJ/dv 2 (x - mu) / m + dJ/dmu / m                          (6)
    dJ/dgamma = sum dJ/dy x_hat,   dJ/dbeta = sum dJ/dy                                                (7)
    running  <- (1 - momentum) running + momentum (mu, v m / (m - 1))   the variance unbiased          (8)
    in inference y = gamma (x - running mean) / sqrt(running variance + eps) + beta                    (9)
    BN((a W) u) = BN(W u),   dBN/du the same,   dBN/d(a W) = (1/a) dBN/dW      for a > 0, eps = 0     (10)

By (10) larger weights have smaller gradients: large learning rates do not explode. Behind a linear map (9) is a linear
map itself, into which `fold` puts it. A batch of one value per channel is refused in training: x_hat would be 0.

The layer `BatchNorm` is in `parts.batch_norm`, since convolutional networks and GANs use it too: torch's kernels, and
over several processes the statistics of the global batch. This file proves it; `batch_norm_backward` is autograd's
gradient, in three sums instead of a graph.

Departures: the running averages are exponential with the weight `momentum` of the newest batch, as in every library;
the paper averages over many batches after the training. Lectures often give (8) with the biased variance.

    >>> import torch
    >>> from deepcanon.vision import BatchNorm, batch_norm_backward, batch_norm_forward
    >>> layer, x = BatchNorm(3), torch.randn(8, 3)
    >>> y, cache = batch_norm_forward(x, layer.weight, layer.bias, layer.eps)
    >>> same, (grad_x, *_) = torch.allclose(y, layer(x), atol=1e-6), batch_norm_backward(cache, torch.ones(8, 3))
    >>> same, grad_x.abs().max().item() < 1e-5
    (True, True)
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deepcanon.parts.batch_norm import ONE_VALUE, BatchNorm

__all__ = ["BatchNorm", "Cache", "batch_norm_backward", "batch_norm_forward", "fold", "running_statistics"]


class Cache(NamedTuple):
    """What the backward pass needs: x - mu and x_hat like the input; mean, variance, weight [channels]; eps; m."""

    centred: Tensor
    normal: Tensor
    mean: Tensor
    variance: Tensor
    weight: Tensor
    eps: float
    values: int


def _axes(inputs: Tensor) -> tuple[list[int], tuple[int, ...]]:
    """The axes of one channel's values, and the shape by which a vector of channels spreads over the input."""
    if inputs.ndim not in (2, 4):
        raise ValueError(f"expected [batch, features] or [batch, channels, height, width], got {tuple(inputs.shape)}")
    return [axis for axis in range(inputs.ndim) if axis != 1], (1, -1) + (1,) * (inputs.ndim - 2)


def batch_norm_forward(
    inputs: Float[Tensor, "batch channels ..."],
    weight: Float[Tensor, "channels"],
    bias: Float[Tensor, "channels"],
    eps: float = 1e-5,
) -> tuple[Float[Tensor, "batch channels ..."], Cache]:
    """Equations (1) and (2) of rows or images, and what `batch_norm_backward` needs.

    Args:
        weight: gamma.
        bias: beta.

    Raises:
        ValueError: shapes do not fit, or there is one value per channel.
    """
    axes, shape = _axes(inputs)
    if weight.shape != (inputs.shape[1],) or bias.shape != weight.shape:
        raise ValueError(f"inputs {tuple(inputs.shape)} have {inputs.shape[1]} channels, weight {tuple(weight.shape)} "
                         f"and bias {tuple(bias.shape)} do not")  # fmt: skip
    count = inputs.numel() // inputs.shape[1]
    if count < 2:
        raise ValueError(ONE_VALUE)
    mean = inputs.mean(axes)  # (1)
    centred = inputs - mean.view(shape)
    variance = centred.square().mean(axes)
    normal = centred * torch.rsqrt(variance + eps).view(shape)  # (2)
    outputs = weight.view(shape) * normal + bias.view(shape)
    return outputs, Cache(centred, normal, mean, variance, weight, eps, count)


def batch_norm_backward(
    cache: Cache, grad_output: Float[Tensor, "batch channels ..."]
) -> tuple[Float[Tensor, "batch channels ..."], Float[Tensor, "channels"], Float[Tensor, "channels"]]:
    """Equations (3) to (7): the gradients of inputs, weight and bias.

    Raises:
        ValueError: the gradient has another shape than the output.
    """
    if grad_output.shape != cache.normal.shape:
        raise ValueError(f"gradient {tuple(grad_output.shape)} of an output {tuple(cache.normal.shape)}")
    axes, shape = _axes(grad_output)
    spread = cache.variance + cache.eps
    grad_normal = grad_output * cache.weight.view(shape)  # (3)
    grad_variance = (grad_normal * cache.centred).sum(axes) * -0.5 * spread.pow(-1.5)  # (4)
    shifted = -2 / cache.values * cache.centred.sum(axes)  # 0 but for rounding
    grad_mean = -grad_normal.sum(axes) * spread.rsqrt() + grad_variance * shifted  # (5)
    grad_inputs = (
        grad_normal * spread.rsqrt().view(shape)
        + cache.centred * (2 / cache.values * grad_variance).view(shape)
        + (grad_mean / cache.values).view(shape)
    )  # (6)
    return grad_inputs, (grad_output * cache.normal).sum(axes), grad_output.sum(axes)  # (7)


def running_statistics(
    mean: Float[Tensor, "channels"], variance: Float[Tensor, "channels"], cache: Cache, momentum: float = 0.1
) -> tuple[Float[Tensor, "channels"], Float[Tensor, "channels"]]:
    """Equation (8): the running mean and variance after a batch.

    Args:
        momentum: the weight of the NEW batch, as in torch.
    """
    if not 0 <= momentum <= 1:
        raise ValueError(f"the weight of a batch lies in [0, 1], {momentum} does not")
    unbiased = cache.variance * (cache.values / (cache.values - 1))
    return torch.lerp(mean, cache.mean, momentum), torch.lerp(variance, unbiased, momentum)  # (8)


@torch.no_grad()
def fold(
    weight: Float[Tensor, "channels ..."], bias: Float[Tensor, "channels"] | None, norm: nn.Module
) -> tuple[Float[Tensor, "channels ..."], Float[Tensor, "channels"]]:
    """Equation (9) put into the linear map or convolution before it: a weight and a bias that do both.

    Args:
        weight: of the map, outputs first.
        norm: a layer with running statistics, ours or torch's.

    Raises:
        ValueError: the map has another number of outputs than the layer has channels.
    """
    if weight.shape[0] != norm.running_var.shape[0]:
        raise ValueError(f"a weight {tuple(weight.shape)} before {norm.running_var.shape[0]} channels")
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    shift = -norm.running_mean if bias is None else bias - norm.running_mean
    return weight * scale.view(-1, *[1] * (weight.ndim - 1)), norm.bias + scale * shift  # (9)
