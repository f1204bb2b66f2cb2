"""What the options of augmentation do to a batch of training images: a pure function of (seed, step, row)."""

import torch
from torch import Tensor

from deepcanon.engine.run import Run
from deepcanon.errors import UsageError
from deepcanon.options import Augmentation
from deepcanon.parts import augment

__all__ = ["augmented", "check"]


def check(options: Augmentation, size: tuple[int, int]) -> None:
    """Whether something is left of pictures of this (height, width).

    Raises:
        UsageError: they may be shifted out of sight, or be hidden as a whole.
    """
    side = min(size)
    for name, what in (("shift", "move all of them out of sight"), ("cutout", "hide all of them")):
        if getattr(options, name) >= side:
            pictures = f"pictures of {size[1]}x{size[0]} pixels"
            raise UsageError(f"--{name} {getattr(options, name)} may {what}: {pictures} need less than {side}")


def augmented(run: Run, options: Augmentation, images: Tensor, batch: int) -> Tensor:
    """This process's rows of the step's images, changed as the options say.

    Args:
        images: raw ones [rows, C, H, W], of this process.
        batch: rows of the GLOBAL batch: every process draws the random numbers of all, and takes its own.
    """
    height, width = images.shape[2:]

    def whole(stream: str, low: int, high: int, shape: tuple[int, ...]) -> Tensor:
        random = run.generator(stream, run.device)
        return torch.randint(low, high, shape, generator=random, device=run.device)[run.rows(batch)]

    def around(stream: str, columns: int) -> Tensor:
        """Uniform between -1 and 1."""
        return run.rand(stream, (batch, columns)) * 2 - 1

    if options.shift:
        images = augment.shift_images(images, whole("shift", -options.shift, options.shift + 1, (batch, 2)))
    if options.flip:
        images = augment.flip_images(images, run.rand("flip", (batch,)) < 0.5)
    if options.rotate or options.crop < 1:
        degrees = options.rotate * around("rotate", 1)[:, 0]
        side = 1 - (1 - options.crop) * run.rand("crop", (batch,))
        centre = (1 - side)[:, None] * around("place", 2)
        images = augment.affine_images(images, augment.affine_maps(degrees, side, centre, (height, width)))
    if options.colour:
        images = augment.recolour(images, 1 + options.colour * around("colour", 3))
    if options.cutout:
        rows, columns = whole("cutout/rows", 0, height, (batch,)), whole("cutout/columns", 0, width, (batch,))
        images = augment.cut_out(images, torch.stack([rows, columns], 1), options.cutout)
    return images
