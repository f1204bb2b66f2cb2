"""Poolings by name, each halving height and width, and pictures of what they do."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from deepcanon.engine.figures import Tiles
from deepcanon.vision.fractional_pooling import FractionalMaxPool
from deepcanon.vision.pooling import (
    ChannelMaxPool,
    GatedPool,
    KMaxPool,
    LpPool,
    MixedPool,
    SpatialPyramid,
    StochasticPool,
)

__all__ = ["POOLINGS", "pooled_pictures", "poolings_of"]

POOLINGS: dict[str, Callable[[], nn.Module]] = {
    "max": lambda: nn.MaxPool2d(2),
    "mean": lambda: nn.AvgPool2d(2),
    "overlapping": lambda: nn.MaxPool2d(3, 2, padding=1),
    "lp": lambda: LpPool(2.0),
    "stochastic": lambda: StochasticPool(),
    "mixed": lambda: MixedPool(),
    "gated": lambda: GatedPool(),
    "fractional": lambda: FractionalMaxPool(2.0),
    "k-max": lambda: KMaxPool(),
    "maxout": lambda: nn.Sequential(nn.MaxPool2d(2), ChannelMaxPool()),
    "pyramid": lambda: SpatialPyramid(),
}


def poolings_of(name: str, blocks: int) -> list[nn.Module]:
    """The poolings of a network with so many blocks; none where its own maximum pooling is asked for.

    A pyramid stands behind the last block only. Its output is not a map.
    """
    if name == "max":
        return []
    before = "max" if name == "pyramid" else name
    return [POOLINGS[kind]() for kind in [*[before] * (blocks - 1), name]]


def pooled_pictures(images: Tensor, names: Sequence[str]) -> Tiles:
    """The first channel of images [N, C, H, W] in [0, 1], pooled by each name that gives one map for a map."""
    shown = images[:, :1].float()
    tiles, rows = [shown[:, 0]], ["image"]
    for name in names:
        if name not in ("maxout", "pyramid"):
            maps = POOLINGS[name]().to(shown.device)(shown).detach()[:, 0]  # new layers are in training mode
            tiles.append(_as_large(maps / maps.amax((1, 2), keepdim=True).clamp_min(1e-9), shown.shape[2:]))
            rows.append(name)
    said = "The first channel, pooled by 2 and enlarged again: maxima thicken strokes, means blur, draws are grainy."
    stacked = torch.stack(tiles, 1).flatten(0, 1).cpu().numpy()
    return Tiles(stacked, "pooled by 2", versions=rows, caption=said)


def _as_large(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Pixels repeated, up to the size of the image."""
    factors = [-(-extent // have) for extent, have in zip(size, maps.shape[1:], strict=True)]
    large = maps.repeat_interleave(factors[0], 1).repeat_interleave(factors[1], 2)
    return large[:, : size[0], : size[1]]
