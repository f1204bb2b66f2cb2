"""Batch normalisation over the GLOBAL batch of all processes, on any device.

Paper: Ioffe and Szegedy 2015, "Batch Normalization" (arXiv:1502.03167), algorithm 1 and section 3.2.

m: number of values per channel in the batch of ALL processes (batch times height times width; of rows, the batch).

    mu      = (1/m) sum x                                             (1)
    var     = (1/m) sum (x - mu)^2        biased: normalises          (2)
    x_hat   = (x - mu) / sqrt(var + eps)                              (3)
    y       = weight * x_hat + bias                                   (4)
    running <- (1 - momentum) * running + momentum * batch value, with var * m / (m - 1): unbiased   (5)

In evaluation the running values replace (1) and (2), so that a row depends on itself only. With one process
this is torch's own kernel, and the state-dict keys are those of torch's layers of these names. Several processes
exchange their counts, means and sums of squares once, and on the way back, once, the two sums through which the
gradient passes the global mean and variance. They must give batches together, which may differ in size; within
`by_itself` a process normalises its own batches, whatever the others do.

    >>> import torch
    >>> from deepcanon.parts.batch_norm import BatchNorm2d
    >>> y = BatchNorm2d(3)(torch.randn(8, 3, 5, 5))
    >>> bool(y.mean((0, 2, 3)).abs().max() < 1e-6)
    True
"""

import contextlib
from collections.abc import Iterator
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

__all__ = ["BatchNorm", "BatchNorm1d", "BatchNorm2d", "batch_norm_global", "by_itself"]

ONE_VALUE = "batch normalisation needs more than one value per channel in training: give larger batches"

_by_itself = False


class _Global(torch.autograd.Function):
    """Equations (1) to (4) and their derivatives, with one exchange between processes in each direction."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, eps: float):
        axes = [axis for axis in range(x.ndim) if axis != 1]
        variance, mean = torch.var_mean(x, axes, correction=0)
        here = x.numel() / x.shape[1]
        counts, means, squares = gathered(torch.cat([mean.new_tensor([here]), mean, variance * here])).split(
            [1, len(mean), len(mean)], 1
        )
        # Deviations about each process's own mean are added up, with the means' own about the common one: a difference
        # of moments would lose digits in fp32.
        m = counts.sum()
        mean = (counts * means).sum(0) / m  # (1)
        variance = (squares + counts * (means - mean).square()).sum(0) / m  # (2)
        ctx.save_for_backward(x, mean, torch.rsqrt(variance + eps), weight, m)
        outputs = F.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)  # (3), (4)
        ctx.mark_non_differentiable(mean, variance, m)
        return outputs, mean, variance, m

    @staticmethod
    @once_differentiable
    def backward(ctx, slope: Tensor, *_):
        x, mean, inverse, weight, m = ctx.saved_tensors
        axes, shape = [axis for axis in range(x.ndim) if axis != 1], (1, -1) + (1,) * (x.ndim - 2)
        normal = (x - mean.view(shape)) * inverse.view(shape)
        of_bias, of_weight = slope.sum(axes), (slope * normal).sum(axes)
        # What this process's rows do to the statistics changes the losses of all.
        all_bias, all_weight = summed(torch.stack([of_bias, of_weight])) / m
        back = slope - all_bias.view(shape) - normal * all_weight.view(shape)
        return back * (inverse * weight).view(shape), of_weight, of_bias, None


def gathered(row: Tensor) -> Tensor:
    """The rows of all processes, one below the other."""
    if world_size() == 1:
        return row[None]
    rows = row.new_empty(world_size(), len(row))
    torch.distributed.all_gather(list(rows), row)
    return rows


def summed(values: Tensor) -> Tensor:
    if world_size() > 1:
        torch.distributed.all_reduce(values)
    return values


def batch_norm_global(
    inputs: Float[Tensor, "batch channels ..."], weight: Tensor, bias: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Normalise by the statistics of every process's rows: outputs, mean, biased variance, m.

    The outputs can be differentiated once.
    """
    outputs, mean, variance, m = _Global.apply(inputs.to(weight.dtype), weight, bias, eps)
    return outputs.to(inputs.dtype), mean, variance, m


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


@contextlib.contextmanager
def by_itself() -> Iterator[None]:
    """Inside this context no statistics are exchanged: the processes train different models."""
    global _by_itself
    before, _by_itself = _by_itself, True
    try:
        yield
    finally:
        _by_itself = before


def world_size() -> int:
    """Number of processes that train together; 1 without torchrun."""
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if distributed and not _by_itself else 1
