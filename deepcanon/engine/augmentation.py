"""What the options of augmentation do to a batch of training images: a pure function of (seed, step, row)."""

from typing import NamedTuple

import torch
from torch import Tensor

from deepcanon.data.boxes import ABSENT, VISIBLE
from deepcanon.engine.run import Run
from deepcanon.errors import UsageError
from deepcanon.options import BoxAugmentation
from deepcanon.parts import augment

__all__ = ["augmented", "augmented_boxes", "check"]


def check(options: BoxAugmentation, size: tuple[int, int]) -> None:
    """Whether something is left of pictures of this (height, width).

    Raises:
        UsageError: they may be shifted out of sight, or be hidden as a whole.
    """
    side = min(size)
    for name, what in (("shift", "move all of them out of sight"), ("cutout", "hide all of them")):
        if getattr(options, name, 0) >= side:
            pictures = f"pictures of {size[1]}x{size[0]} pixels"
            raise UsageError(f"--{name} {getattr(options, name)} may {what}: {pictures} need less than {side}")


class Drawn(NamedTuple):
    """The random numbers of a step for this process's rows; None where an option changes nothing.

    offsets: [rows, 2], down and right. mirrored: [rows]. maps: of `affine_images`. factors: of `recolour`. holes: of
    `cut_out`.
    """

    offsets: Tensor | None
    mirrored: Tensor | None
    maps: Tensor | None
    factors: Tensor | None
    holes: Tensor | None


def _drawn(run: Run, options: BoxAugmentation, size: tuple[int, int], batch: int) -> Drawn:
    """Every process draws the numbers of the whole batch, and takes its own."""
    height, width = size
    rotate, cutout = getattr(options, "rotate", 0.0), getattr(options, "cutout", 0)
    offsets = mirrored = maps = factors = holes = None

    def whole(stream: str, low: int, high: int, shape: tuple[int, ...]) -> Tensor:
        random = run.generator(stream, run.device)
        return torch.randint(low, high, shape, generator=random, device=run.device)[run.rows(batch)]

    def around(stream: str, columns: int) -> Tensor:
        """Uniform between -1 and 1."""
        return run.rand(stream, (batch, columns)) * 2 - 1

    if options.shift:
        offsets = whole("shift", -options.shift, options.shift + 1, (batch, 2))
    if options.flip:
        mirrored = run.rand("flip", (batch,)) < 0.5
    if rotate or options.crop < 1:
        degrees = rotate * around("rotate", 1)[:, 0]
        side = 1 - (1 - options.crop) * run.rand("crop", (batch,))
        centre = (1 - side)[:, None] * around("place", 2)
        maps = augment.affine_maps(degrees, side, centre, size)
    if options.colour:
        factors = 1 + options.colour * around("colour", 3)
    if cutout:
        rows, columns = whole("cutout/rows", 0, height, (batch,)), whole("cutout/columns", 0, width, (batch,))
        holes = torch.stack([rows, columns], 1)
    return Drawn(offsets, mirrored, maps, factors, holes)


def augmented(run: Run, options: BoxAugmentation, images: Tensor, batch: int) -> Tensor:
    """This process's rows of the step's images, changed as the options say.

    Args:
        images: raw ones [rows, C, H, W], of this process.
        batch: rows of the GLOBAL batch: every process draws the random numbers of all, and takes its own.
    """
    return _changed(options, images, _drawn(run, options, (images.shape[2], images.shape[3]), batch))


def _changed(options: BoxAugmentation, images: Tensor, drawn: Drawn) -> Tensor:
    if drawn.offsets is not None:
        images = augment.shift_images(images, drawn.offsets)
    if drawn.mirrored is not None:
        images = augment.flip_images(images, drawn.mirrored)
    if drawn.maps is not None:
        images = augment.affine_images(images, drawn.maps)
    if drawn.factors is not None:
        images = augment.recolour(images, drawn.factors)
    if drawn.holes is not None:
        images = augment.cut_out(images, drawn.holes, getattr(options, "cutout", 0))
    return images


def augmented_boxes(
    run: Run, options: BoxAugmentation, images: Tensor, truth: Tensor, batch: int
) -> tuple[Tensor, Tensor]:
    """`augmented`, with the boxes of the images: they move along and are cut at the border of the picture.

    A box of which less than a quarter (`VISIBLE`) is still in the picture becomes absent, as in reading.

    Args:
        images: raw ones [rows, C, H, W], of this process.
        truth: [rows, M, 5], of each box its class (absent: below 0), left, top, right, bottom in pixels.
        batch: rows of the GLOBAL batch.
    """
    size = (images.shape[2], images.shape[3])
    drawn = _drawn(run, options, size, batch)
    boxes, there = truth[:, :, 1:], truth[:, :, 0] >= 0
    if drawn.offsets is not None:
        boxes = augment.shift_boxes(boxes, drawn.offsets)
    if drawn.mirrored is not None:
        boxes = augment.flip_boxes(boxes, drawn.mirrored, size[1])
    if drawn.maps is not None:
        boxes = augment.affine_boxes(boxes, drawn.maps, size)
    if any(one is not None for one in drawn[:3]):
        boxes, seen = augment.cut_boxes(boxes, size)
        kept = torch.cat([truth[:, :, :1], boxes], 2)
        truth = torch.where((there & (seen >= VISIBLE))[:, :, None], kept, ABSENT)
    return _changed(options, images, drawn), truth
