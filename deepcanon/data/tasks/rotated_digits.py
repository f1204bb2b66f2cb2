"""Rotated digits: each picture of a base set turned by an angle between -90 and 90 degrees.

The set "R" of Jaderberg et al. 2015 (arXiv:1506.02025), section 4.1 and appendix A.4, which turns MNIST (`--base
mnist`); without a choice the letters are turned, which need no network. Pictures keep their size, or lie in the middle
of a canvas of `--size` pixels. `truth` has the angle of each example of validation and test: after a module that
undoes the turn, what is left of the angles spreads less.

A letter that is turned by 90 degrees may look like another one, as 6 and 9 do: nobody knows the least possible error.

>>> from deepcanon.data.tasks.rotated_digits import LARGEST
>>> LARGEST
90.0
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..drawn import Noise
from ..splits import Split
from . import Task
from ._placed import Pictures, base_set, canvas_side, guessing, held, splits_of, uniform, warp

__all__ = ["KIND", "LARGEST", "degrees", "draw"]

KIND = "images"
LARGEST = 90.0


def degrees(noise: Noise, size: int) -> Float[Tensor, "batch"]:
    """The angle of each example, anticlockwise as seen."""
    return uniform(noise, "degrees", size, -LARGEST, LARGEST)


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Turned pictures without end; each held-out and each test picture once, by an angle of its own."""
    name, base = "rotated-digits", base_set(seed, options)
    side = canvas_side(name, base, 28, options)

    def example(noise: Noise, size: int, pictures: Pictures, rows: Int[Tensor, "batch"]) -> Split:
        x, y = pictures.take(rows)
        angles = degrees(noise, size)
        return Split(warp(x, angles, torch.ones_like(angles), x.new_zeros(len(x), 2, dtype=torch.float), side), y)

    splits = splits_of(name, base, example, seed)
    truth = {
        f"{split}/degrees": degrees(held(name, seed, split), len(part))
        for split, part in splits.items()
        if split != "train"
    }
    return Task(splits, guessing(splits["test"]), {"classes": base.classes}, truth)
