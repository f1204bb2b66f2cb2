"""A base set of pictures, turned, scaled and placed on canvases: what generated sets of digits share.

The base is a set of the catalogue whose pictures are bright on black (`--base letters`, which needs no network). Its
training pictures are placed in the training split only, its held-out ones in validation, its test pictures in the test:
each of those once. Which picture a training example shows, and where, is a pure function of (base, seed, step).

Pixels are uint8 [N, 1, side, side]. Angles are in degrees, anticlockwise as seen; places are in pixels, (down, right).
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from deepcanon.parts.affine_points import affine_points

from .. import images
from ..drawn import DrawnSplit, Noise, Streams, Substreams
from ..errors import DataError, Problem
from ..image_sets import image_options
from ..known import Known
from ..splits import Split, shares

__all__ = [
    "Base", "Pictures", "base_set", "canvas_side", "guessing", "held", "in_proportion", "offsets", "paste", "splits_of",
    "uniform", "warp",
]  # fmt: skip

SIDE = 28
"""Side of the pictures for which papers give sizes in pixels; those of other bases are in proportion."""
PASS = 10_000  # training examples that are counted as one pass


class Pictures:
    """The pictures of one split of a base set, kept on each device that asks for them.

    Args:
        x: uint8 [N, 1, side, side].
        y: classes [N].
    """

    def __init__(self, x: UInt8[Tensor, "n 1 side side"], y: Int[Tensor, "n"]) -> None:
        self.x, self.y = x, y
        self._kept: dict[torch.device, tuple[Tensor, Tensor]] = {x.device: (x, y)}

    def __len__(self) -> int:
        return len(self.x)

    @property
    def side(self) -> int:
        return self.x.shape[3]

    def take(self, rows: Int[Tensor, "batch"]) -> tuple[Tensor, Tensor]:
        """Pictures and classes of these rows, on the device of `rows`."""
        x, y = self._on(rows.device)
        return x.index_select(0, rows), y[rows]  # far faster than x[rows] where pixels are bytes

    def cut(
        self, rows: Int[Tensor, "*batch"], places: Int[Tensor, "*batch 2"], side: int
    ) -> UInt8[Tensor, "*batch side side"]:
        """Squares of these rows' pictures, each with its upper left corner at its (down, right) place."""
        steps = torch.arange(side, device=rows.device)
        down = (rows * self.side + places[..., 0])[..., None] + steps
        index = (down * self.side + places[..., 1, None])[..., None] + steps
        return self._on(rows.device)[0].take(index)

    def _on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        if device not in self._kept:
            self._kept[device] = (self.x.to(device), self.y.to(device))
        return self._kept[device]

    def some(self, noise: Noise, stream: str, size: int) -> Int[Tensor, "batch"]:
        """Rows drawn for this process's part of a batch of `size`, each as likely as any other."""
        return (len(self) * noise.rand(stream, (size,))).long().clamp_max(len(self) - 1)


class Base(NamedTuple):
    """A base set: names of its classes, and its splits."""

    classes: list[str]
    splits: dict[str, Pictures]

    @property
    def side(self) -> int:
        return self.splits["train"].side


@functools.lru_cache(maxsize=2)
def _read(name: str, seed: int, valid: float, test: float) -> Base:
    data = images.read_named(name, seed, {"valid_share": valid, "test_share": test})
    splits = {split: Pictures(part.x, part.y) for split, part in data.splits.items() if part.y is not None}
    return Base(data.facts["classes"], splits)


def base_set(seed: int, options: dict[str, Any]) -> Base:
    """The base that the options name, with its held-out splits."""
    return _read(options.get("base", "letters"), seed, *shares(options))


def canvas_side(name: str, base: Base, usual: int, options: dict[str, Any]) -> int:
    """The side of the canvas: `--size`, or `usual` for pictures of 28 pixels and in proportion for others.

    Raises:
        DataError: the pictures do not fit.
    """
    side = image_options(options)[0] or in_proportion(usual, base)
    if side < base.side:
        what = f"places pictures of {base.side}x{base.side} pixels, and a canvas of {side}x{side} cannot hold them"
        raise DataError(Problem(name, "", what, f"give --size {base.side} or more", skippable=False))
    return side


def in_proportion(pixels: int, base: Base) -> int:
    """A length that papers give for pictures of 28 pixels, at least one."""
    return max(1, round(pixels * base.side / SIDE))


def uniform(noise: Noise, stream: str, size: int, low: float, high: float) -> Float[Tensor, "batch"]:
    """Numbers between `low` and `high` for this process's part of a batch of `size`."""
    return low + (high - low) * noise.rand(stream, (size,))


def offsets(noise: Noise, stream: str, size: int, largest: int) -> Int[Tensor, "batch 2"]:
    """Places from 0 to `largest` pixels (down, right), each as likely as any other."""
    return ((largest + 1) * noise.rand(stream, (size, 2)).double()).long()


def paste(
    pictures: UInt8[Tensor, "batch 1 height width"], places: Int[Tensor, "batch 2"], side: int
) -> UInt8[Tensor, "batch 1 side side"]:
    """Each picture on a black canvas with its upper left corner at its (down, right) place; what sticks out is cut."""
    batch, _, height, width = pictures.shape
    rows = places[:, :1] + torch.arange(height, device=pictures.device)
    columns = places[:, 1:] + torch.arange(width, device=pictures.device)
    inside = ((rows >= 0) & (rows < side))[:, :, None] & ((columns >= 0) & (columns < side))[:, None, :]
    index = torch.where(inside, (rows * side)[:, :, None] + columns[:, None, :], side**2)  # one place for what is cut
    canvas = pictures.new_zeros(batch, side**2 + 1).scatter_(1, index.flatten(1), pictures.flatten(1))
    return canvas[:, :-1].reshape(batch, 1, side, side)


def warp(
    pictures: UInt8[Tensor, "batch 1 height height"],
    degrees: Float[Tensor, "batch"],
    scale: Float[Tensor, "batch"],
    places: Float[Tensor, "batch 2"],
    side: int,
) -> UInt8[Tensor, "batch 1 side side"]:
    """Each picture turned about its centre, enlarged by its scale, and with its centre moved from that of the canvas.

    Sampled bilinearly at the canvas's pixels, black outside the picture.

    Args:
        degrees: anticlockwise as seen.
        scale: 2 is twice as large.
        places: (down, right) of the centre, in pixels from the centre of the canvas.
    """
    height = pictures.shape[2]
    angle = degrees * (math.pi / 180)
    cosine, sine = angle.cos() / scale, angle.sin() / scale
    # y points down: an anticlockwise turn of the picture is undone by [[cos, -sin], [sin, cos]] on (x, y)
    turn = torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1)
    moved = -(turn @ places.to(turn.dtype).flip(1)[:, :, None]) * (2 / height)
    maps = torch.cat([turn * (side / height), moved], 2).float()
    grid = affine_points(maps, (side, side))
    found = F.grid_sample(pictures.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return found.round().clamp(0, 255).to(torch.uint8)


Example = Callable[[Noise, int, Pictures, Tensor], Split]
"""(noise, size of the global batch, pictures, rows of them) -> this process's examples."""


def held(name: str, seed: int, split: str) -> Noise:
    """The noise of a validation or test split."""
    return Substreams(Streams(seed), f"{name}/{split}")


def splits_of(name: str, base: Base, example: Example, seed: int) -> dict[str, Split]:
    """Training examples without end; in validation and test each picture of the base's own split once."""
    train = base.splits["train"]

    def draw(noise: Noise, size: int) -> Split:
        return example(noise, size, train, train.some(noise, "picture", size))

    first = draw(held(name, seed, "train"), PASS)
    splits: dict[str, Split] = {"train": DrawnSplit(first.x, first.y, parts=first.parts, draw=draw)}
    for split, pictures in base.splits.items():
        if split != "train":
            splits[split] = example(held(name, seed, split), len(pictures), pictures, torch.arange(len(pictures)))
    return splits


def guessing(test: Split) -> tuple[Known, ...]:
    """What is known of the error: that of one answer for all."""
    counts = test.y.bincount()  # type: ignore[union-attr]
    return (Known("error", 1 - counts.max().item() / len(test), None, "", ("the most frequent class", "")),)
