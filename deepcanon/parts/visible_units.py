"""Visible units of a Boltzmann machine from raw values and back: pixels as probabilities, or standardised numbers.

binary:    v ~ Bernoulli(pixel / 255), or whether that is above 1/2, or that itself                  (1)
Gaussian:  v = (x - mean) / deviation of each channel or column                                      (2)
biases of independent units:                     the log odds of their means, or their means         (3)

>>> import torch
>>> from deepcanon.parts.visible_units import VisibleUnits, unit_statistics
>>> pixels = torch.tensor([[[[0, 255]]], [[[0, 51]]]])
>>> units = VisibleUnits.of(unit_statistics(lambda: [pixels], gaussian=False), "threshold")
>>> units.units(pixels).tolist(), units.mean.tolist()
([[0.0, 1.0], [0.0, 0.0]], [0.0, 0.6000000238418579])
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from .standardize import Standardize, channel_statistics, unit_pixels

__all__ = ["VisibleUnits", "unit_statistics"]

BINARIZE = ("sample", "threshold", "none")


def unit_statistics(batches: Callable[[], Iterable[Tensor]], *, gaussian: bool) -> dict[str, Any]:
    """Shape of raw training data and what `VisibleUnits` must know of them; each call of `batches` gives all again."""
    shape = list(next(iter(batches())).shape[1:])
    shift, scale = channel_statistics(batches()) if gaussian else unit_pixels(shape[0])
    scaled, total, count = Standardize(shift, scale), torch.zeros((), dtype=torch.float64), 0
    for x in batches():
        total, count = total + scaled(x).flatten(1).double().sum(0), count + len(x)
    about = {"shape": shape, "gaussian": gaussian}
    return {**about, "shift": shift, "scale": scale, "mean": total.float() / count}


class VisibleUnits(nn.Module):
    """Called with raw values it gives means of the visible units, [N, D].

    Args:
        shift, scale: of each channel or column.
        mean: of the units, [D].
        gaussian: equation (2) instead of (1).
        binarize: "sample", "threshold" or "none" of (1).
    """

    mean: Tensor

    def __init__(self, shift: Any, scale: Any, mean: Any, *, gaussian: bool = False, binarize: str = "sample") -> None:
        super().__init__()
        if binarize not in BINARIZE:
            raise ValueError(f"binarize is one of {', '.join(BINARIZE)}, not {binarize!r}")
        self.standardize = Standardize(shift, scale)
        self.gaussian, self.binarize = gaussian, binarize
        self.register_buffer("mean", torch.as_tensor(mean))

    @classmethod
    def of(cls, facts: Mapping[str, Any], binarize: str) -> "VisibleUnits":
        """From what `unit_statistics` found, among other facts."""
        known = {name: facts[name] for name in ("shift", "scale", "mean", "gaussian")}
        return cls(**known, binarize=binarize)

    def forward(self, raw: Num[Tensor, "batch *shape"]) -> Float[Tensor, "batch visible"]:
        """Means of the visible units, in rows."""
        return self.standardize(raw).flatten(1)

    def units(
        self, raw: Num[Tensor, "batch *shape"], uniform: Callable[[int], Tensor] | None = None
    ) -> Float[Tensor, "batch visible"]:
        """States of the units; from D, `uniform` gives numbers [N, D] in [0, 1) by which binary ones are drawn."""
        x = self(raw)
        if self.gaussian or self.binarize == "none":
            return x
        if self.binarize == "threshold":
            return (x > 0.5).to(x)
        if uniform is None:
            raise ValueError("binary units are drawn: give the numbers to draw them by")
        return (x > uniform(x.shape[1]).to(x.device)).to(x)

    def bias(self) -> Float[Tensor, "visible"]:
        """Equation (3); a pixel that is always black or white may still change."""
        return self.mean if self.gaussian else self.mean.clamp(0.01, 0.99).logit()

    def independent(self, count: int, generator: torch.Generator | None = None) -> Float[Tensor, "count visible"]:
        """Independent states, of variance 1 if they are Gaussian: where chains begin."""
        noise = (torch.randn if self.gaussian else torch.rand)(count, len(self.mean), generator=generator)
        noise = noise.to(self.mean.device)
        return self.mean + noise if self.gaussian else (noise < self.mean).to(noise)

    def raw(self, units: Float[Tensor, "batch visible"], shape: Sequence[int]) -> Num[Tensor, "batch ..."]:
        """Raw values of units, as pixels if the shape is that of pictures (C, H, W)."""
        values = self.standardize.inverse(units.view(-1, *shape))
        return values.round().clamp(0, 255).to(torch.uint8) if len(shape) == 3 else values
