"""Patches of pictures instead of the pictures: what models of natural images learn from.

    row = floor(p1 (H - s + 1)), column = floor(p2 (W - s + 1)) in picture floor(p0 N),   p in [0, 1)^3      (1)

The reading options `patch` (the side s; 0 leaves the pictures whole) and `patches` (how many are cut for training;
valid and test get a tenth) belong to every image reader. Pictures are split before they are cut, so that no two splits
show the same photograph.
"""

from typing import Any

import torch
from torch import Tensor

from .errors import DataError, Problem
from .seeds import stream_seed
from .splits import Split

__all__ = ["cut", "cut_splits", "patch_options"]

DEFAULT, OTHERS = 20_000, 10
"""Patches for training where none are asked for; valid and test get one for so many."""


def patch_options(options: dict[str, Any] | None) -> tuple[int, int]:
    """Side and number of patches; side 0 for whole pictures."""
    options = options or {}
    side, count = int(options.get("patch", 0)), int(options.get("patches", DEFAULT))
    if side < 0 or (side and count < OTHERS):
        what = f"patch {side} and patches {count}"
        raise DataError(Problem("", "", what, f"a side from 1 and {OTHERS} patches or more; side 0 is none", False))
    return side, count


def cut(images: Any, places: Tensor, side: int) -> Tensor:
    """Squares [M, C, side, side] of pictures [N, C, H, W] at places [M, 3] in [0, 1): equation (1)."""
    n, channels, height, width = images.shape
    owners = (places[:, 0] * n).long()
    rows = (places[:, 1] * (height - side + 1)).long()[:, None] + torch.arange(side)
    columns = (places[:, 2] * (width - side + 1)).long()[:, None] + torch.arange(side)
    found = torch.empty((len(places), channels, side, side), dtype=images.dtype)
    for owner in owners.unique().tolist():
        mine = (owners == owner).nonzero()[:, 0]
        found[mine] = images[owner][:, rows[mine][:, :, None], columns[mine][:, None, :]].transpose(0, 1)
    return found


def cut_splits(splits: dict[str, Split], side: int, count: int, seed: int) -> dict[str, Split]:
    """Every split's pictures as patches, without labels; the places are drawn from the seed."""
    height, width = splits["train"].x.shape[2:]
    if side > min(height, width):
        what = f"a patch of {side}x{side} does not fit into images of {width}x{height}"
        raise DataError(Problem("", "", what, "choose a smaller --patch or a larger --size", skippable=False))
    found = {}
    for name, split in splits.items():
        many = count if name == "train" else count // OTHERS
        generator = torch.Generator().manual_seed(stream_seed(seed, 0, f"patches/{name}"))
        found[name] = Split(cut(split.x, torch.rand(many, 3, generator=generator, dtype=torch.float64), side))
    return found
