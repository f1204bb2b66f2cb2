"""The Inception block, four branches of different reach on the same maps, and a small GoogLeNet made of them.

Paper: Szegedy et al. 2014, "Going Deeper with Convolutions" (arXiv:1409.4842), figure 2 (b) and table 1.

B images, C channels, H x W pixels; u_k(x, n) is a k x k convolution to n maps and a ReLU, M(x) the largest value of
the 3 x 3 square around each pixel. A block has widths n1, r3, n3, r5, n5, p.

    y1 = u_1(x, n1)                                                       (1)
    y3 = u_3(u_1(x, r3), n3)        the 1 x 1 reduces the channels        (2)
    y5 = u_5(u_1(x, r5), n5)        a true 5 x 5                          (3)
    yp = u_1(M(x), p)                                                     (4)
    y  = [y1, y3, y5, yp]           along the channels                    (5)
    loss = L(logits) + 0.3 sum_a L(logits of the auxiliary head a)        (6)

The auxiliary heads see the maps in the middle of the network, exist for training alone, and are neither computed in
evaluation nor exported. Section 5 of the paper: mean of the maps in windows, u_1, a hidden layer, dropout, the classes.

Departures of the small network: it begins with one 3 x 3 convolution instead of a 7 x 7 with stride 2 and two more,
since images have 28 or 32 pixels; it has no local response normalisation but batch normalisation before each ReLU, if
asked for; windows of the auxiliary heads are a 4 x 4 grid over maps of any size (5 x 5 with stride 3 on 14 x 14, a 4 x
4 grid too, in the paper); `block_widths` gives each block of n maps the shares of block 3a. Some libraries have a 3 x 3
for (3): here it is 5 x 5.

    >>> import torch
    >>> from deepcanon.vision import Inception, MiniGoogLeNet
    >>> Inception(192, 64, (96, 128), (16, 32), 32)(torch.zeros(1, 192, 8, 8)).shape
    torch.Size([1, 256, 8, 8])
    >>> net = MiniGoogLeNet(1, 10)
    >>> len(net(torch.zeros(2, 1, 28, 28)).auxiliary), net.eval()(torch.zeros(2, 1, 28, 28)).shape
    (1, torch.Size([2, 10]))
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deepcanon.parts.convolution_unit import ConvolutionUnit

__all__ = ["AuxiliaryHead", "Inception", "Judged", "MiniGoogLeNet", "block_widths"]

GRID = 4
"""Windows a side of an auxiliary head."""


class Judged(NamedTuple):
    """Logits [B, K] in training: of the network, and of each auxiliary head."""

    logits: Tensor
    auxiliary: tuple[Tensor, ...]


def block_widths(maps: int) -> tuple[int, tuple[int, int], tuple[int, int], int]:
    """The widths (n1, (r3, n3), (r5, n5), p) of a block that gives `maps` maps, in the shares of block 3a.

    Raises:
        ValueError: `maps` is not divisible by 16.
    """
    if maps < 16 or maps % 16:
        raise ValueError(f"a block of {maps} maps cannot be divided like block 3a: give a multiple of 16")
    eighth = maps // 8
    return 2 * eighth, (3 * eighth, 4 * eighth), (maps // 16, eighth), eighth


class Inception(nn.Module):
    """A block of four branches, equations (1) to (5), on maps whose size it keeps.

    Args:
        in_channels: of the maps.
        one: maps n1 of the 1 x 1 branch.
        three: (r3, n3), the reduction and the maps of the 3 x 3 branch.
        five: (r5, n5), the same of the 5 x 5 branch.
        pooled: maps p of the pooling branch.
        batch_norm: normalises before each ReLU.
    """

    def __init__(
        self, in_channels: int, one: int, three: tuple[int, int], five: tuple[int, int], pooled: int, *,
        batch_norm: bool = False, device=None, dtype=None,
    ) -> None:  # fmt: skip
        super().__init__()

        def unit(before: int, after: int, side: int) -> ConvolutionUnit:
            return ConvolutionUnit(before, after, side, batch_norm=batch_norm, device=device, dtype=dtype)

        self.out_channels = one + three[1] + five[1] + pooled
        self.one = unit(in_channels, one, 1)
        self.three_reduce, self.three = unit(in_channels, three[0], 1), unit(*three, 3)
        self.five_reduce, self.five = unit(in_channels, five[0], 1), unit(*five, 5)
        self.pooled = unit(in_channels, pooled, 1)

    def forward(self, maps: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch n height width"]:
        """The maps of the four branches, one after another."""
        one = self.one(maps)  # (1)
        three = self.three(self.three_reduce(maps))  # (2)
        five = self.five(self.five_reduce(maps))  # (3)
        pooled = self.pooled(F.max_pool2d(maps, 3, stride=1, padding=1))  # (4)
        return torch.cat([one, three, five, pooled], 1)  # (5)


class AuxiliaryHead(nn.Module):
    """Classes from maps in the middle of the network, for (6).

    Args:
        channels: of the maps.
        classes: how many logits there are.
        width: units of the 1 x 1 convolution; the hidden layer has four times as many.
        dropout: probability of dropping a hidden unit in training.
        batch_norm: normalises before the ReLU of the convolution.
    """

    def __init__(
        self, channels: int, classes: int, width: int, *, dropout: float = 0.7, batch_norm: bool = False, device=None,
        dtype=None,
    ) -> None:  # fmt: skip
        super().__init__()
        made = {"device": device, "dtype": dtype}
        self.reduce = ConvolutionUnit(channels, width, batch_norm=batch_norm, **made)
        self.hidden = nn.Linear(width * GRID * GRID, 4 * width, **made)
        self.dropout, self.output = nn.Dropout(dropout), nn.Linear(4 * width, classes, **made)

    def forward(self, maps: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        """Logits for each image."""
        maps = self.reduce(F.adaptive_avg_pool2d(maps, GRID))
        return self.output(self.dropout(F.relu(self.hidden(maps.flatten(1)))))


class MiniGoogLeNet(nn.Module):
    """A 3 x 3 convolution, stages of Inception blocks with pooling before each, the mean of the maps, one dense layer.

    Args:
        in_channels: of the images.
        classes: how many logits there are.
        stem: maps of the first convolution.
        stages: maps of each block of each stage, multiples of 16.
        auxiliary: units of the convolution of the auxiliary heads, one head after each stage but the last; 0: no heads.
        batch_norm: normalises before each ReLU.
        dropout: probability of dropping a mean before the last layer in training.
        auxiliary_dropout: of a hidden unit in the auxiliary heads.

    Raises:
        ValueError: there is no block, or one cannot be divided.
    """

    def __init__(
        self,
        in_channels: int,
        classes: int,
        *,
        stem: int = 32,
        stages: tuple[tuple[int, ...], ...] = ((64, 64), (128, 128)),
        auxiliary: int = 32,
        batch_norm: bool = False,
        dropout: float = 0.4,
        auxiliary_dropout: float = 0.7,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        if not stages or not all(stages):
            raise ValueError(f"every stage needs at least one block; got {stages}")
        made = {"device": device, "dtype": dtype}
        self.in_channels, self.dropout = in_channels, nn.Dropout(dropout)
        self.stem = ConvolutionUnit(in_channels, stem, 3, batch_norm=batch_norm, **made)
        self.stages, before = nn.ModuleList(), stem
        for widths in stages:
            blocks = nn.ModuleList()
            for maps in widths:
                blocks.append(Inception(before, *block_widths(maps), batch_norm=batch_norm, **made))
                before = maps
            self.stages.append(blocks)
        self.auxiliaries = nn.ModuleList(
            AuxiliaryHead(
                widths[-1], classes, auxiliary, dropout=auxiliary_dropout, batch_norm=batch_norm, **made
            )
            for widths in stages[:-1] if auxiliary
        )  # fmt: skip
        self.output = nn.Linear(before, classes, **made)

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Judged | Tensor:
        """Logits [B, K] of each image; in training mode those of the auxiliary heads too.

        Raises:
            ValueError: the images have other channels, or fewer than 2 pixels a side for each pooling.
        """
        if images.ndim != 4 or images.shape[1] != self.in_channels:
            raise ValueError(f"expected [batch, {self.in_channels}, height, width] images, got {tuple(images.shape)}")
        if min(images.shape[2:]) < 2 ** len(self.stages):
            height, width = images.shape[2:]
            raise ValueError(f"images of {height} x {width} are too small for {len(self.stages)} poolings by 2")
        maps, heard = self.stem(images), []
        for place, stage in enumerate(self.stages):
            maps = self._staged(stage, maps)
            if self.training and place < len(self.auxiliaries):
                heard.append(self.auxiliaries[place](maps))
        logits = self.output(self.dropout(maps.mean((2, 3))))
        return Judged(logits, tuple(heard)) if self.training else logits

    @staticmethod
    def _staged(stage: nn.Module, maps: Tensor) -> Tensor:
        maps = F.max_pool2d(maps, 3, 2, ceil_mode=True)
        for block in stage:  # type: ignore[attr-defined]
            maps = block(maps)
        return maps

    def features(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch last"]:
        """The maps of the last block, each averaged over its positions."""
        maps = self.stem(images)
        for stage in self.stages:
            maps = self._staged(stage, maps)
        return maps.mean((2, 3))

    @property
    def parameters_in_use(self) -> int:
        """Weights and biases without the auxiliary heads: what evaluation and an export compute with."""
        every = sum(parameter.numel() for parameter in self.parameters())
        return every - sum(parameter.numel() for parameter in self.auxiliaries.parameters())
