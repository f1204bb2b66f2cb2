"""Canvas: pictures of a base set placed on larger canvases, with the box of each.

One to four digits (`--base mnist`), or letters without a choice, on 64 x 64 pixels (`--size`; in proportion for
pictures that are not of 28 pixels). The box of a picture is the smallest that holds its pixels of a quarter of full
brightness or more. Pictures are placed one after another; one whose box would cover more than a tenth of the union with
an earlier one moves to the next of eight places, and is left out if none is free. Pixels that share a place keep the
brighter. Canvases are a pure function of (base set, seed, step); in validation and test the first picture of each
canvas is each of the base's own split once.

Form of the examples: Everingham et al. 2010, "The Pascal Visual Object Classes (VOC) Challenge".

>>> import torch
>>> from deepcanon.data.tasks.canvas import tight
>>> picture = torch.zeros(1, 1, 5, 5, dtype=torch.uint8)
>>> picture[0, 0, 1:3, 2] = 255
>>> tight(picture).tolist()
[[2, 1, 3, 3]]
"""

from typing import Any

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from deepcanon.parts.boxes import iou

from ..boxes import ABSENT
from ..drawn import Noise
from ..known import Known
from ..splits import Split
from . import Task
from ._placed import Pictures, base_set, canvas_side, offsets, paste, splits_of

__all__ = ["KIND", "draw", "tight"]

KIND = "boxes"
SIDE, MOST, TRIES, COVERED, BRIGHT = 64, 4, 8, 0.1, 64


def tight(pictures: UInt8[Tensor, "batch 1 height width"]) -> Int[Tensor, "batch 4"]:
    """(left, top, right, bottom) of the pixels that are bright; all 0 where none is."""
    bright = pictures[:, 0] >= BRIGHT
    ends = []
    for axis in (1, 2):  # columns, then rows
        some = bright.any(axis).to(torch.uint8)
        count = some.shape[1]
        ends.append((some.argmax(1), count - some.flip(1).argmax(1)))
    (left, right), (top, bottom) = ends
    return torch.stack([left, top, right, bottom], 1) * bright.flatten(1).any(1)[:, None]


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Such canvases without end, and held-out ones."""
    name, base = "canvas", base_set(seed, options)
    side = canvas_side(name, base, SIDE, options)

    def example(noise: Noise, size: int, pictures: Pictures, rows: Int[Tensor, "batch"]) -> Split:
        count = 1 + (MOST * noise.rand("count", (size,))).long()
        canvas = torch.zeros(len(rows), 1, side, side, dtype=torch.uint8, device=rows.device)
        y = torch.full((len(rows), MOST, 5), ABSENT, device=rows.device)
        for place in range(MOST):
            own = rows if place == 0 else pictures.some(noise, f"picture {place}", size)
            x, labels = pictures.take(own)
            box, free = tight(x), torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
            at = torch.zeros(len(rows), 2, dtype=torch.long, device=rows.device)
            for attempt in range(TRIES):
                there = offsets(noise, f"place {place} {attempt}", size, side - pictures.side)
                moved = (box + there.flip(1).repeat(1, 2)).float()
                open_ = iou(moved[:, None], y[:, :, 1:])[:, 0].masked_fill(y[:, :, 0] < 0, 0.0).amax(1) <= COVERED
                at = torch.where((open_ & ~free)[:, None], there, at)
                free |= open_
            free &= (place < count) & (box[:, 2] > 0)
            canvas = torch.where(free[:, None, None, None], canvas.maximum(paste(x, at, side)), canvas)
            corners = (box + at.flip(1).repeat(1, 2)).float()
            row = torch.cat([labels[:, None].float(), corners], 1)
            y[:, place] = torch.where(free[:, None], row, y[:, place])
        return Split(canvas, y)

    known = (Known("ap50", 0.0, 1.0, "", ("no boxes", "every box found")),)
    return Task(splits_of(name, base, example, seed), known, {"classes": base.classes})
