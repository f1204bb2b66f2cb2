"""The pooling family: Lp, stochastic, mixed, gated, k-max, maxout and spatial pyramid, next to max and mean.

Papers: Sermanet, Chintala and LeCun 2012 (arXiv:1204.3968) for Lp; Zeiler and Fergus 2013 (arXiv:1301.3557) for
stochastic; Lee, Gallagher and Tu 2015 (arXiv:1509.08985) for mixed and gated; Kalchbrenner, Grefenstette and Blunsom
2014 (arXiv:1404.2188) for k-max; Goodfellow et al. 2013 (arXiv:1302.4389) for maxout; He et al. 2014 (arXiv:1406.4729)
for the spatial pyramid. Overlapping pooling (Krizhevsky et al. 2012) is a window that is larger than its stride: every
function over windows takes both. Fractional pooling is in `vision.fractional_pooling`.

B examples, C channels, H x W pixels; R is a region of a channel, a_i its activations, |R| their number.

    Lp:         y = (sum_{i in R} |a_i|^p)^(1/p); p = 1 the sum of magnitudes, p = infinity the largest          (1)
    stochastic: p_i = a_i / sum_j a_j; y = a_l with l ~ p in training, y = sum_i p_i a_i outside it              (2)
    mixed:      y = s max_i a_i + (1 - s) mean_i a_i                           s learned, one for the layer       (3)
    gated:      (3) with s = sigmoid(sum_i w_i a_i) for each region            w learned, one for the layer       (4)
    k-max:      the k largest along an axis, in the ORDER in which they stand                                     (5)
    maxout:     y_n = max over the channels n q .. n q + q - 1                                                    (6)
    pyramid:    the maxima over n x n bins that cover the map, for n in levels, behind each other                 (7)

Departures
- `ChannelMaxPool` pools the channels of maps that another layer made; a layer of maxout units is `vision.Maxout`.
- Negative activations have probability 0 in (2), which is defined for rectified ones; a region without a positive
  activation gives 0, with gradient 0.
- k-max for maps (`KMaxPool`) takes the k largest of each row, then of each column, so that the result is a map.
- Bins of (7) are torch's adaptive ones: their borders are rounded outwards, so that no pixel is left out.

Windows are read as k x k strided planes, never unfolded.

    >>> import torch
    >>> from deepcanon.vision.pooling import k_max_pool, lp_pool
    >>> k_max_pool(torch.tensor([3.0, 9.0, 1.0, 5.0]), 2), lp_pool(torch.tensor([[[[3.0, -4.0]]]]), 2.0, (1, 2)).item()
    (tensor([9., 5.]), 5.0)
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deepcanon.parts.noise import Noisy

__all__ = [
    "ChannelMaxPool",
    "GatedPool",
    "KMaxPool",
    "LpPool",
    "MixedPool",
    "SpatialPyramid",
    "StochasticPool",
    "channel_max_pool",
    "expected_pool",
    "gated_pool",
    "k_max_pool",
    "lp_pool",
    "mixed_pool",
    "pyramid_pool",
    "stochastic_pool",
]

Sides = int | tuple[int, int]
Maps = Float[Tensor, "batch channels height width"]
Pooled = Float[Tensor, "batch channels out_height out_width"]


def planes(x: Tensor, window: Sides, stride: Sides | None) -> list[Tensor]:
    """Every place of the window as a view [B, C, H', W'], in reading order.

    Raises:
        ValueError: the maps are not [B, C, H, W], or smaller than the window.
    """
    k, l = _pair(window)
    down, across = (k, l) if stride is None else _pair(stride)
    if x.ndim != 4 or x.shape[2] < k or x.shape[3] < l:
        raise ValueError(f"a window of {k} x {l} needs maps [batch, channels, height, width] of that size at least, "
                         f"not {tuple(x.shape)}")  # fmt: skip
    rows, columns = (x.shape[2] - k) // down + 1, (x.shape[3] - l) // across + 1
    bottom, right = (rows - 1) * down + 1, (columns - 1) * across + 1
    return [x[:, :, u : u + bottom : down, v : v + right : across] for u in range(k) for v in range(l)]


def _pair(value: Sides) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def lp_pool(x: Maps, p: float, window: Sides, stride: Sides | None = None) -> Pooled:
    """Equation (1), p from 1 to infinity; the gradient is 0 where a region is all zeros.

    Large p overflow nothing: magnitudes are divided by the largest of their region first.
    """
    if not p >= 1:
        raise ValueError(f"Lp pooling needs p >= 1, not {p}")
    sizes = [a.abs() for a in planes(x, window, stride)]
    if p == math.inf:
        return torch.stack(sizes).max(0).values  # (1)
    largest = torch.stack([a.detach() for a in sizes]).amax(0)
    unit = largest.clamp_min(torch.finfo(x.dtype).tiny)
    total = torch.stack([(a / unit) ** p for a in sizes]).sum(0)  # 1 or more, or 0
    return largest * total.clamp_min(1) ** (1 / p)  # (1)


class _Choice(torch.autograd.Function):
    """Equation (2) in training: one activation of each region, which alone has a gradient.

    With E_i the sum of the first i activations, activation i is the first with u E_n < E_i. The sign of a difference,
    spread over the word, is the mask of a choice: no index is kept, and bits are combined instead of selected.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, noise: Tensor, window: Sides, stride: Sides | None) -> Tensor:
        seen = planes(x.detach(), window, stride)
        wide, layout = torch.promote_types(x.dtype, torch.float32), _layout(x)
        values = [value.to(wide, memory_format=layout, copy=True) for value in seen]
        ends = [value.clamp_min(0) for value in values]
        for before, end in itertools.pairwise(ends):
            end.add_(before)
        level = noise.to(wide) * (ends[-1] * (1 - torch.finfo(wide).eps))  # rounding must not reach the sum
        masks = [_smaller(level, end) for end in ends]
        outputs = values[-1].view(masks[0].dtype) & masks[-1]
        for value, mask in zip(values[-2::-1], masks[-2::-1], strict=True):
            outputs ^= (value.view(mask.dtype) ^ outputs) & mask
        ctx.save_for_backward(*masks)
        ctx.how = x.shape, window, stride, layout
        return outputs.view(wide).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        masks, (shape, window, stride, layout) = ctx.saved_tensors, ctx.how
        wide = torch.promote_types(grads[0].dtype, torch.float32)
        rest = grads[0].to(wide, memory_format=layout).view(masks[0].dtype) & masks[-1]
        dx = torch.empty(shape, dtype=grads[0].dtype, device=rest.device, memory_format=layout).zero_()
        for mask, seen in zip(masks, planes(dx, window, stride), strict=True):
            mine = rest & mask
            seen += mine.view(wide)
            rest ^= mine
        return dx, None, None, None


WORDS = {torch.float32: (torch.int32, 31), torch.float64: (torch.int64, 63)}


def _layout(x: Tensor) -> torch.memory_format:
    return torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format


def _smaller(first: Tensor, second: Tensor) -> Tensor:
    """Words of ones where first < second, else 0."""
    word, shift = WORDS[first.dtype]
    return torch.sub(first, second).view(word).bitwise_right_shift_(shift)


def stochastic_pool(x: Maps, noise: Pooled, window: Sides, stride: Sides | None = None) -> Pooled:
    """Equation (2) in training: the activation that a uniform number of [0, 1) picks in each region."""
    shape = planes(x, window, stride)[0].shape
    if noise.shape != shape:
        raise ValueError(f"regions {tuple(shape)} need as many uniform numbers, not {tuple(noise.shape)}")
    return _Choice.apply(x, noise, window, stride)  # (2)


def expected_pool(x: Maps, window: Sides, stride: Sides | None = None) -> Pooled:
    """Equation (2) outside training: the mean by probability; 0 in a region without a positive activation."""
    values = [a.clamp_min(0) for a in planes(x, window, stride)]
    total = torch.stack(values).sum(0)
    squares = torch.stack([a * a for a in values]).sum(0)
    return squares / torch.where(total > 0, total, 1)  # (2)


def _largest_and_mean(x: Tensor, window: Sides, stride: Sides | None) -> tuple[Tensor, Tensor]:
    planes(x, window, stride)  # checks
    return F.max_pool2d(x, window, stride), F.avg_pool2d(x, window, stride)


def mixed_pool(x: Maps, share: Tensor, window: Sides, stride: Sides | None = None) -> Pooled:
    """Equation (3); `share` is a number s, or one for each channel [C, 1, 1]."""
    largest, mean = _largest_and_mean(x, window, stride)
    return mean + share * (largest - mean)  # (3)


def gated_pool(x: Maps, weight: Float[Tensor, "side other"], window: Sides, stride: Sides | None = None) -> Pooled:
    """Equation (4); `weight` [k, l] has the sides of the window."""
    if weight.shape != _pair(window):
        raise ValueError(f"gates {tuple(weight.shape)} do not fit a window of {_pair(window)}")
    seen = zip(weight.flatten(), planes(x, window, stride), strict=True)
    gate = torch.sigmoid(torch.stack([w * a for w, a in seen]).sum(0))
    return mixed_pool(x, gate, window, stride)  # (4)


def k_max_pool(x: Float[Tensor, "*shape"], k: int, dim: int = -1) -> Float[Tensor, "*pooled"]:
    """Equation (5): the k largest along an axis, in their order."""
    if not 1 <= k <= x.shape[dim]:
        raise ValueError(f"the {k} largest of {x.shape[dim]} values")
    places = x.sort(dim=dim, descending=True, stable=True).indices.narrow(dim, 0, k)  # of equal ones the earlier
    return x.gather(dim, places.sort(dim).values)  # (5)


def channel_max_pool(x: Float[Tensor, "*shape"], pieces: int, dim: int = 1) -> Float[Tensor, "*pooled"]:
    """Equation (6): the largest of each group of `pieces` neighbouring channels."""
    if pieces < 1 or x.shape[dim] % pieces:
        raise ValueError(f"{x.shape[dim]} channels do not make groups of {pieces}")
    return x.unflatten(dim, (-1, pieces)).max(dim % x.ndim + 1).values  # (6)


def pyramid_pool(x: Maps, levels: Sequence[int]) -> Float[Tensor, "batch channels bins"]:
    """Equation (7): the maxima of n x n bins for each n in `levels`, however large the maps are."""
    if x.ndim != 4 or min(x.shape[2:]) < max(levels):
        raise ValueError(f"{max(levels)} x {max(levels)} bins need maps of that size at least, not {tuple(x.shape)}")
    return torch.cat([F.adaptive_max_pool2d(x, n).flatten(2) for n in levels], 2)  # (7)


class LpPool(nn.Module):
    """Equation (1) as a layer.

    Args:
        p: from 1 to infinity.
        window: side of the regions, or (height, width).
        stride: from one region to the next; the window if not given.
    """

    def __init__(self, p: float = 2.0, window: Sides = 2, stride: Sides | None = None) -> None:
        super().__init__()
        self.p, self.window, self.stride = p, window, stride

    def forward(self, maps: Maps) -> Pooled:
        """The norm of each region."""
        return lp_pool(maps, self.p, self.window, self.stride)


class StochasticPool(Noisy):
    """Equation (2): a drawn activation in training, the mean by probability outside it.

    Args:
        window: side of the regions, or (height, width).
        stride: from one region to the next; the window if not given.
    """

    def __init__(self, window: Sides = 2, stride: Sides | None = None) -> None:
        super().__init__()
        self.window, self.stride = window, stride

    def forward(self, maps: Maps, generator: torch.Generator | None = None) -> Pooled:
        """Drawn or expected activations of the regions; the generator draws, torch's own if none is given."""
        if not self.training:
            return expected_pool(maps, self.window, self.stride)
        regions = planes(maps, self.window, self.stride)[0]
        if _layout(maps) == torch.channels_last:  # drawn as the maps lie in memory, so that nothing is moved
            noise = self.uniform(regions.permute(0, 2, 3, 1), generator).permute(0, 3, 1, 2)
        else:
            noise = self.uniform(regions, generator)
        return stochastic_pool(maps, noise, self.window, self.stride)


class MixedPool(nn.Module):
    """Equation (3) with a learned share s, 1/2 at first.

    Args:
        window: side of the regions, or (height, width).
        stride: from one region to the next; the window if not given.
    """

    def __init__(self, window: Sides = 2, stride: Sides | None = None, device=None, dtype=None) -> None:
        super().__init__()
        self.window, self.stride = window, stride
        self.share = nn.Parameter(torch.full((), 0.5, device=device, dtype=dtype))

    def forward(self, maps: Maps) -> Pooled:
        """Maximum and mean of the regions, mixed."""
        return mixed_pool(maps, self.share, self.window, self.stride)


class GatedPool(nn.Module):
    """Equation (4) with learned w, zeros at first: half maximum, half mean.

    Args:
        window: side of the regions, or (height, width).
        stride: from one region to the next; the window if not given.
    """

    def __init__(self, window: Sides = 2, stride: Sides | None = None, device=None, dtype=None) -> None:
        super().__init__()
        self.window, self.stride = window, stride
        self.weight = nn.Parameter(torch.zeros(_pair(window), device=device, dtype=dtype))

    def forward(self, maps: Maps) -> Pooled:
        """Maximum and mean of the regions, mixed as each region's gate says."""
        return gated_pool(maps, self.weight, self.window, self.stride)


class KMaxPool(nn.Module):
    """Equation (5) for maps: the share 1 / `reduction` of each row that is largest, then of each column.

    Args:
        reduction: of height and width.
    """

    def __init__(self, reduction: int = 2) -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, maps: Maps) -> Pooled:
        """Maps of H // reduction by W // reduction."""
        rows = k_max_pool(maps, maps.shape[3] // self.reduction, 3)
        return k_max_pool(rows, maps.shape[2] // self.reduction, 2)


class ChannelMaxPool(nn.Module):
    """Equation (6) as a layer.

    Args:
        pieces: channels in a group.
        dim: the axis of the channels.
    """

    def __init__(self, pieces: int = 2, dim: int = 1) -> None:
        super().__init__()
        self.pieces, self.dim = pieces, dim

    def forward(self, inputs: Float[Tensor, "*shape"]) -> Float[Tensor, "*pooled"]:
        """The largest of each group of channels."""
        return channel_max_pool(inputs, self.pieces, self.dim)


class SpatialPyramid(nn.Module):
    """Equation (7) as a layer: as many numbers for maps of any size.

    Args:
        levels: each n gives n x n bins.
    """

    def __init__(self, levels: tuple[int, ...] = (4, 2, 1)) -> None:
        super().__init__()
        self.levels = levels

    def forward(self, maps: Maps) -> Float[Tensor, "batch channels bins"]:
        """Maxima of all bins, level by level."""
        return pyramid_pool(maps, self.levels)
