"""What the generated sets of pairs share: how many pairs they have."""

from collections.abc import Mapping
from typing import Any

__all__ = ["sizes_of"]


def sizes_of(options: Mapping[str, Any], sizes: Mapping[str, int]) -> Mapping[str, int]:
    """Pairs of each split: as `--pairs` asks, a tenth as many in valid and test as in train; else ``sizes``."""
    many = options.get("pairs", 0)
    return {"train": many, "valid": max(1, many // 10), "test": max(1, many // 10)} if many else sizes
