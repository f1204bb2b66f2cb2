"""Digits turned, scaled and moved: each picture of a base set at a place, an angle and a size of its own.

The set "RTS" of Jaderberg et al. 2015 (arXiv:1506.02025), section 4.1 and appendix A.4: rotation by -45 to 45 degrees,
scale from 0.7 to 1.2, and a place on 42 x 42 pixels, from MNIST (`--base mnist`); without a choice the letters, which
need no network. The place is any at which the scaled picture, before it is turned, is all on the canvas. `truth` has
angle, scale and place (down, right, in pixels from the middle) of each example of validation and test.

>>> from deepcanon.data.tasks.rts_digits import LARGEST, SCALES
>>> LARGEST, SCALES
(45.0, (0.7, 1.2))
"""

from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from ..drawn import Noise
from ..splits import Split
from . import Task
from ._placed import Pictures, base_set, canvas_side, guessing, held, splits_of, uniform, warp

__all__ = ["KIND", "LARGEST", "SCALES", "draw", "pose"]

KIND = "images"
LARGEST, SCALES = 45.0, (0.7, 1.2)
SIDE = 42


def pose(
    noise: Noise, size: int, side: int, canvas: int
) -> tuple[Float[Tensor, "batch"], Float[Tensor, "batch"], Float[Tensor, "batch 2"]]:
    """Angle in degrees, scale, and place (down, right) of pictures of `side` pixels on a canvas."""
    angles, scale = uniform(noise, "degrees", size, -LARGEST, LARGEST), uniform(noise, "scale", size, *SCALES)
    free = (canvas - scale * side).clamp_min(0) / 2
    return angles, scale, (2 * noise.rand("place", (size, 2)) - 1) * free[:, None]


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Such pictures without end; each held-out and each test picture once."""
    name, base = "rts-digits", base_set(seed, options)
    canvas = canvas_side(name, base, SIDE, options)

    def example(noise: Noise, size: int, pictures: Pictures, rows: Int[Tensor, "batch"]) -> Split:
        x, y = pictures.take(rows)
        return Split(warp(x, *pose(noise, size, pictures.side, canvas), canvas), y)

    splits = splits_of(name, base, example, seed)
    truth: dict[str, Tensor] = {}
    for split in splits.keys() - {"train"}:
        found = pose(held(name, seed, split), len(splits[split]), base.side, canvas)
        truth |= {f"{split}/{what}": one for what, one in zip(("degrees", "scale", "place"), found, strict=True)}
    return Task(splits, guessing(splits["test"]), {"classes": base.classes}, truth)
