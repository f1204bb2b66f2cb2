"""Standardisation of raw inputs as a module: subtract a shift, divide by a scale, both learned from data.

Equation:  y = (x - shift) / scale,  `Standardize` takes a scale of 0 (a constant feature) for 1; `inverse` is x of y.

`shift` and `scale` are buffers, so they travel in the state dict and in an export; a shift in float64 stays one. Pass
numbers, one value per channel (images [N, C, H, W]) or per column (tables [N, F]), or an array of an input's own shape.

    >>> import torch
    >>> from deepcanon.parts.standardize import Standardize
    >>> Standardize([1.0, 5.0], [2.0, 0.0])(torch.tensor([[3, 7]]))
    tensor([[1., 2.]])
"""

import itertools
from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Int, Num
from torch import Tensor, nn

__all__ = ["Columns", "Standardize", "byte_sums", "channel_statistics", "input_statistics", "standardize",
           "statistics_of_sums", "unit_pixels", "unstandardize"]  # fmt: skip


def standardize(inputs: Num[Tensor, "batch ..."], shift: Tensor, scale: Tensor) -> Tensor:
    """(inputs - shift) / scale in the dtype of `scale`; one-dimensional statistics lie along axis 1.

    The difference is taken in the dtype of `shift`: large numbers with a small spread need float64 there.
    """
    shift, scale = _fitting(shift, scale, inputs)
    values = inputs.to(shift.dtype)
    # A tensor that is a copy already is overwritten: a pass over new memory takes longer than the arithmetic.
    centred = values - shift if values is inputs else values.sub_(shift)
    return centred.to(scale.dtype).div_(scale)


def unstandardize(outputs: Num[Tensor, "batch ..."], shift: Tensor, scale: Tensor) -> Num[Tensor, "batch ..."]:
    """outputs * scale + shift: the inputs that were standardised to these."""
    shift, scale = _fitting(shift, scale, outputs)
    return outputs * scale + shift


def _fitting(shift: Tensor, scale: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Statistics as they lie along the axes of an input."""
    if shift.shape != scale.shape:
        raise ValueError(f"shift {tuple(shift.shape)} and scale {tuple(scale.shape)} differ in shape")
    if shift.ndim == 1:
        if inputs.ndim < 2 or inputs.shape[1] != len(shift):
            raise ValueError(f"{len(shift)} statistics do not fit axis 1 of an input {tuple(inputs.shape)}")
        tail = (1,) * (inputs.ndim - 2)
        return shift.reshape(-1, *tail), scale.reshape(-1, *tail)
    if shift.ndim > 1 and inputs.shape[1:] != shift.shape:
        raise ValueError(f"statistics {tuple(shift.shape)} do not fit an input {tuple(inputs.shape)}")
    return shift, scale


class Standardize(nn.Module):
    """The input transform of a recipe: raw pixels or raw columns in, numbers of about unit size out.

    Args:
        shift, scale: numbers, or one for each channel or column; the result is (inputs - shift) / scale.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, shift, scale) -> None:
        super().__init__()
        wide = isinstance(shift, Tensor) and shift.dtype == torch.float64
        shift, scale = (torch.as_tensor(value).detach().clone() for value in (shift, scale))
        shift, scale = shift if wide else shift.float(), scale.float()
        if shift.shape != scale.shape:
            raise ValueError(f"shift {tuple(shift.shape)} and scale {tuple(scale.shape)} differ in shape")
        # A finite sum means finite values, and costs no second tensor.
        if not all(bool(value.sum().isfinite()) or bool(value.isfinite().all()) for value in (shift, scale)):
            raise ValueError("shift and scale must be finite")
        self.register_buffer("shift", shift)
        self.register_buffer("scale", torch.where(scale == 0, torch.ones_like(scale), scale))

    def forward(self, inputs: Num[Tensor, "batch ..."]) -> Tensor:
        """Standardised values in the dtype of `scale`, of the same shape."""
        return standardize(inputs, self.shift, self.scale)

    def inverse(self, outputs: Num[Tensor, "batch ..."]) -> Tensor:
        """The inputs that were standardised to these."""
        return unstandardize(outputs, self.shift, self.scale)


class Columns(nn.Module):
    """Some of the columns of a table [N, F], by their places.

    Args:
        places: of the columns that are kept, in their new order.
    """

    places: Tensor

    def __init__(self, places: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("places", torch.tensor(list(places)))

    def forward(self, inputs: Num[Tensor, "batch features"]) -> Num[Tensor, "batch kept"]:
        """The kept columns."""
        return inputs.index_select(1, self.places)


def unit_pixels(channels: int) -> tuple[Tensor, Tensor]:
    """Shift and scale that bring pixels 0..255 into [0, 1]."""
    return torch.zeros(channels), torch.full((channels,), 255.0)


def _moments(values: Num[Tensor, "channels count"]) -> tuple[int, Tensor, Tensor]:
    """How many values a channel has, their mean, and the sum of the squared distances from it, in float64."""
    values = values.double()
    centre = values.mean(1)
    return values.shape[1], centre, (values - centre[:, None]).square_().sum(1)


def byte_sums(values: Num[Tensor, "channels count"]) -> Int[Tensor, "channels 2"]:
    """Sum and sum of squares of the bytes of every channel, exact: int64 [C, 2]."""
    counts = torch.stack([channel.bincount(minlength=256) for channel in values])
    bytes_ = torch.arange(256)
    return torch.stack([(counts * bytes_).sum(1), (counts * bytes_.square()).sum(1)], 1)


def statistics_of_sums(count: int, sums: Int[Tensor, "channels 2"]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of `count` values a channel, of their sums and sums of squares, in float32.

    Whole numbers are added without rounding, so the result does not depend on the order or on the size of batches.
    """
    pairs = sums.tolist()
    variances = [(count * squares - total**2) / count**2 for total, squares in pairs]
    mean = torch.tensor([total / count for total, _ in pairs], dtype=torch.float64)
    return mean.float(), torch.tensor(variances, dtype=torch.float64).sqrt().float()


def channel_statistics(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation along axis 1 over all batches [N, C, ...] of any N, in one pass and in float64.

    Batches of numbers are merged by the parallel form of the variance, so that large offsets lose no digits. Bytes are
    counted, which is exact and fourteen times faster.

    Returns:
        both in float32; in float64 if the batches are, since their mean may need its digits.

    Raises:
        ValueError: there are no batches, or some are bytes and others are not.
    """
    precision = torch.float32
    count, mean, scatter = 0, torch.zeros(()), torch.zeros(())
    bytes_, sums = 0, torch.zeros((), dtype=torch.int64)
    for batch in batches:
        values = batch.transpose(0, 1).flatten(1)
        if values.dtype == torch.uint8 and values.device.type == "cpu":
            bytes_, sums = bytes_ + values.shape[1], sums + byte_sums(values)
            continue
        precision = torch.float64 if batch.dtype == torch.float64 else precision
        n, centre, spread = _moments(values)
        gap, total = centre - mean, count + n
        mean = mean + gap * (n / total)
        scatter = scatter + spread + gap.square() * (count * n / total)
        count = total
    if bool(bytes_) == bool(count):
        raise ValueError("statistics of no batches" if not count else "statistics of bytes and of other numbers")
    if bytes_:
        return statistics_of_sums(bytes_, sums)
    return mean.to(precision), (scatter / count).sqrt().to(precision)


def input_statistics(batches: Iterable[Tensor], images: bool, standardize: bool | None = None) -> tuple[Tensor, Tensor]:
    """Shift and scale of raw batches, pixels [N, C, H, W] or columns [N, F].

    Args:
        standardize: mean 0 and variance 1 for all; False brings pixels into [0, 1] and leaves columns as they are;
            None standardises columns, not pixels.
    """
    batches = iter(batches)
    first = next(batches)
    if standardize or (standardize is None and not images):
        return channel_statistics(itertools.chain([first], batches))
    shift, scale = unit_pixels(first.shape[1])
    return shift, scale if images else torch.ones_like(scale)
