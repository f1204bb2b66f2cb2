"""Pixels 0 .. 255 as a few whole levels, and back; two levels may be drawn.

Papers: Salakhutdinov and Murray 2008, pixels of MNIST drawn with their brightness as the probability; van den Oord et
al. 2016 (arXiv:1601.06759), levels as classes.

v pixel, L levels, u uniform in [0, 1):

    k = floor(v L / 256);  drawn, L = 2: k = 1 if v / 255 > u, else 0                                  (1)
    v = 255 k / (L - 1)                                                                                (2)

>>> import torch
>>> levels = PixelLevels(4)
>>> levels(torch.tensor([0, 63, 64, 255])).tolist(), levels.raw(torch.tensor([0, 1, 3])).tolist()
([0, 0, 1, 3], [0, 85, 255])
"""

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["PixelLevels", "PixelLogits", "independent_nats"]


class PixelLevels(nn.Module):
    """Called with pixels and, if they are drawn, with uniform numbers it gives levels, (1).

    Args:
        levels: L, from 2 to 256.
        drawn: of two levels, whether they are drawn where uniform numbers are given.

    Raises:
        ValueError: fewer levels than two, or more than 256.
    """

    def __init__(self, levels: int, *, drawn: bool = False) -> None:
        super().__init__()
        if not 2 <= levels <= 256:
            raise ValueError(f"{levels} levels are not 2 to 256")
        self.levels, self.drawn = levels, drawn and levels == 2

    def forward(self, pixels: Tensor, uniform: Tensor | None = None) -> Tensor:
        """Levels, whole numbers of the pixels' shape."""
        if self.drawn and uniform is not None:
            return (pixels.float() / 255 > uniform.view(pixels.shape)).long()
        return pixels.long() * self.levels // 256

    def chances(self, pixels: Tensor) -> Tensor:
        """Of two levels, the probability of the higher one."""
        return pixels.double() / 255 if self.drawn else (pixels > 127).double()

    def mean_chances(self, batches: Iterable[Tensor]) -> Tensor:
        """Their mean over pictures [N, C, H, W] that come in batches; no pixel is impossible or certain.

        Raises:
            ValueError: there are no pictures.
        """
        total, count = torch.zeros(()).double(), 0
        for pixels in batches:
            total, count = total + self.chances(pixels).sum(0), count + len(pixels)
        if not count:
            raise ValueError("no pictures to average")
        return (total / count).clamp(1 / (count + 1), count / (count + 1)).float()

    def raw(self, values: Tensor) -> Tensor:
        """Pixels of levels, (2)."""
        return (values * (255 / (self.levels - 1))).round().to(torch.uint8)


def independent_nats(values: Tensor, chances: Tensor) -> Tensor:
    """-log p of each picture of two levels [N, C, H, W] if its pixels were independent, in float64."""
    p = chances.double().expand_as(values)
    return F.binary_cross_entropy(p, values.double(), reduction="none").flatten(1).sum(1)


class PixelLogits(nn.Module):
    """Called with pixels it gives a model's logits of their levels.

    Args:
        levels: from pixels to levels.
        model: with `scaled`, from levels to what it takes.
    """

    def __init__(self, levels: PixelLevels, model: Any) -> None:
        super().__init__()
        self.levels, self.model = levels, model

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits as the model gives them."""
        return self.model(self.model.scaled(self.levels(pixels)))
