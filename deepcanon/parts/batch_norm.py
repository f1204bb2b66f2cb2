"""Batch normalisation over the GLOBAL batch of all processes, on any device.

Paper: Ioffe and Szegedy 2015, "Batch Normalization" (arXiv:1502.03167), algorithm 1 and section 3.2.

m: number of values per channel in the batch of ALL processes (batch times height times width; of rows, the batch).

    mu      = (1/m) sum x                                             (1)
    var     = (1/m) sum (x - mu)^2        biased: normalises          (2)
    x_hat   = (x - mu) / sqrt(var + eps)                              (3)
    y       = weight * x_hat + bias                                   (4)
    running <- (1 - momentum) * running + momentum * batch value, with var * m / (m - 1): unbiased   (5)

In evaluation the running values replace (1) and (2), so that a row depends on itself only. With one process
this is torch's own kernel, and the state-dict keys are those of torch's layers of these names. With several, the two
sums are reduced over processes by a differentiable collective: the gradient passes through the global mean and
variance. Processes must give batches together; they may differ in size.

    >>> import torch
    >>> from deepcanon.parts.batch_norm import BatchNorm2d
    >>> y = BatchNorm2d(3)(torch.randn(8, 3, 5, 5))
    >>> bool(y.mean((0, 2, 3)).abs().max() < 1e-6)
    True
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["BatchNorm", "BatchNorm1d", "BatchNorm2d", "batch_norm_global"]

ONE_VALUE = "batch normalisation needs more than one value per channel in training: give larger batches"


class _Sum(torch.autograd.Function):
    """The sum over processes. What one process's result does to the losses of all is summed on the way back."""

    @staticmethod
    def forward(ctx, values: Tensor) -> Tensor:
        values = values.clone()
        torch.distributed.all_reduce(values)
        return values

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        grad = grad.clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(grad)
        return grad


def batch_norm_global(
    inputs: Float[Tensor, "batch channels ..."], weight: Tensor, bias: Tensor, eps: float, total=_Sum.apply
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Normalise by the statistics of every process's rows: outputs, mean, biased variance, m.

    `total` sums a tensor over processes and must be differentiable.
    """
    channels, shape = inputs.shape[1], (1, -1) + (1,) * (inputs.ndim - 2)
    axes = [axis for axis in range(inputs.ndim) if axis != 1]
    x = inputs.to(weight.dtype)
    here = torch.full((1,), x.numel() / channels, dtype=x.dtype, device=x.device)
    sums = total(torch.cat([x.sum(axes), here]))
    m = sums[-1].detach()
    mean = sums[:-1] / m  # (1)
    centred = x - mean.reshape(shape)
    # A second pass costs one more collective; the difference of moments would lose digits in fp32.
    variance = total(centred.square().sum(axes)) / m  # (2)
    normal = centred * torch.rsqrt(variance + eps).reshape(shape)  # (3)
    outputs = normal * weight.reshape(shape) + bias.reshape(shape)  # (4)
    return outputs.to(inputs.dtype), mean.detach(), variance.detach(), m


class BatchNorm(nn.Module):
    """Equations (1) to (5) for rows [batch, channels] or images [batch, channels, height, width].

    In training the statistics are those of the global batch, of images over all their pixels.

    Args:
        channels: features of a row, or channels of an image.
        eps: added to the variance under the root.
        momentum: share of the newest batch in the running statistics.
    """

    shapes: ClassVar[dict[int, str]] = {2: "", 4: ", height, width"}
    """The axes behind the channels, by the number of all axes."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    frozen = False
    """Whether it normalises by its running statistics in training too, without updating them."""

    def __init__(self, channels: int, *, eps: float = 1e-5, momentum: float = 0.1, device=None, dtype=None) -> None:
        super().__init__()
        self.channels, self.eps, self.momentum = channels, eps, momentum
        self.weight = nn.Parameter(torch.ones(channels, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(channels, device=device, dtype=dtype))
        self.register_buffer("running_mean", torch.zeros(channels, device=device, dtype=dtype))
        self.register_buffer("running_var", torch.ones(channels, device=device, dtype=dtype))
        self.register_buffer("num_batches_tracked", torch.zeros((), dtype=torch.int64, device=device))

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        # Files older than the count lack it; torch's layer accepts them too.
        state_dict.setdefault(f"{prefix}num_batches_tracked", self.num_batches_tracked)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def forward(self, inputs: Float[Tensor, "batch channels ..."]) -> Tensor:
        """The normalised inputs, scaled and shifted; by running statistics in eval mode.

        Raises:
            ValueError: another shape is expected, or the batch has one value per channel in training.
        """
        if inputs.ndim not in self.shapes or inputs.shape[1] != self.channels:
            expected = " or ".join(f"[batch, {self.channels}{rest}]" for rest in self.shapes.values())
            raise ValueError(f"expected {expected}, got {tuple(inputs.shape)}")
        training = self.training and not self.frozen
        if not training:
            return self._whole(inputs, training)
        alone = world_size() == 1
        if alone and inputs.numel() <= self.channels:
            raise ValueError(ONE_VALUE)
        self.num_batches_tracked.add_(1)
        if alone:
            return self._whole(inputs, training)
        outputs, mean, variance, m = batch_norm_global(inputs, self.weight, self.bias, self.eps)
        if m <= 1:
            raise ValueError(ONE_VALUE)
        with torch.no_grad():  # (5)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (m / (m - 1)), self.momentum)
        return outputs

    def _whole(self, inputs: Tensor, training: bool) -> Tensor:
        """torch's kernel, for a batch that no other process shares."""
        return F.batch_norm(
            inputs,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training,
            self.momentum,
            self.eps,
        )

    def extra_repr(self) -> str:
        return f"{self.channels}, eps={self.eps}, momentum={self.momentum}"


class BatchNorm1d(BatchNorm):
    """`torch.nn.BatchNorm1d` of rows [batch, channels], whose training statistics are those of the global batch."""

    shapes: ClassVar[dict[int, str]] = {2: ""}


class BatchNorm2d(BatchNorm):
    """`torch.nn.BatchNorm2d` whose training statistics are those of the global batch."""

    shapes: ClassVar[dict[int, str]] = {4: ", height, width"}


def world_size() -> int:
    """Number of processes that train together; 1 without torchrun."""
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if distributed else 1
