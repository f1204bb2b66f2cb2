"""Generated points in the plane: the toy tasks on which generative models are compared."""

from pathlib import Path
from typing import Any

import torch

from .errors import DataError
from .seeds import stream_seed
from .splits import Dataset, Split

__all__ = ["ACCEPTS", "fits", "read", "read_named"]

ACCEPTS = "a generated task of points (gaussians-25)"

TRAIN, TEST = 50_000, 2_500
SIGMA = 0.05


def fits(path: Path) -> bool:
    """Points are generated, never read."""
    return False


def read(path: Path, seed: int = 0, options: dict[str, Any] | None = None, problems: Any = None) -> Dataset:
    raise DataError(f"{path}: points are generated, not read: give gaussians-25")


def read_named(name: str, seed: int = 0, options: dict[str, Any] | None = None) -> Dataset:
    """`gaussians-25`: 25 equal Gaussians on the grid -4, -2, 0, 2, 4, sigma 0.05; the same points for every seed."""
    if name != "gaussians-25":
        raise ValueError(f"no task of points is called {name}")
    side = torch.arange(-4.0, 5.0, 2.0)
    centres = torch.cartesian_prod(side, side)
    generator = torch.Generator().manual_seed(stream_seed(0, 0, name))

    def draw(count: int) -> Split:
        chosen = torch.randint(len(centres), (count,), generator=generator)
        return Split(centres[chosen] + SIGMA * torch.randn(count, 2, generator=generator))

    facts: dict[str, Any] = {"name": name, "features": 2, "centres": centres.tolist(), "sigma": SIGMA}
    splits = {"train": draw(TRAIN), "valid": draw(TEST), "test": draw(TEST)}
    return Dataset("points", splits, facts, [f"{name}: {TRAIN} points to train on, generated"])
