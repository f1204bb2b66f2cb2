"""Cluttered digits: each picture of a base set somewhere on a canvas on which pieces of other pictures lie.

The set "TC" of Jaderberg et al. 2015 (arXiv:1506.02025), appendix A.4, after Mnih et al. 2014 (arXiv:1406.6247): a
digit of MNIST (`--base mnist`) at a random place of 60 x 60 pixels, with 16 pieces of 6 x 6 pixels that are cut from
random places of random pictures of the same split. Without a choice the letters, which need no network. Where pieces
and picture overlap, the brighter pixel is seen. Sizes are in proportion for pictures that are not of 28 pixels. `truth`
has the place of the middle of each picture of validation and test (down, right, in pixels from that of the canvas).

Departure: a piece without a bright pixel, cut from a margin, stays as it is, so that some examples have fewer visible
pieces. The pieces of test examples come from test pictures.

>>> from deepcanon.data.tasks.cluttered_digits import PIECES, SIDE
>>> PIECES, SIDE
(16, 60)
"""

from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from ..drawn import Noise
from ..splits import Split
from . import Task
from ._placed import Pictures, base_set, canvas_side, guessing, held, in_proportion, offsets, paste, splits_of

__all__ = ["KIND", "PIECES", "draw", "scatter_pieces"]

KIND = "images"
SIDE, PIECES, PIECE = 60, 16, 6


def scatter_pieces(
    canvas: UInt8[Tensor, "batch 1 side side"],
    pieces: UInt8[Tensor, "batch pieces height width"],
    places: Int[Tensor, "batch pieces 2"],
) -> UInt8[Tensor, "batch 1 side side"]:
    """The canvas with each piece at its (down, right) place; of what overlaps the brighter pixel stays."""
    batch, side = len(canvas), canvas.shape[3]
    height, width = pieces.shape[2:]
    down = places[:, :, 0, None] + torch.arange(height, device=canvas.device)
    right = places[:, :, 1, None] + torch.arange(width, device=canvas.device)
    index = down[:, :, :, None] * side + right[:, :, None, :]
    flat = canvas.reshape(batch, -1).scatter_reduce(1, index.reshape(batch, -1), pieces.reshape(batch, -1), "amax")
    return flat.reshape(canvas.shape)


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Such pictures without end; each held-out and each test picture once."""
    name, base = "cluttered-digits", base_set(seed, options)
    side, piece = canvas_side(name, base, SIDE, options), in_proportion(PIECE, base)

    def places(noise: Noise, size: int) -> Int[Tensor, "batch 2"]:
        return offsets(noise, "place", size, side - base.side)

    def example(noise: Noise, size: int, pictures: Pictures, rows: Int[Tensor, "batch"]) -> Split:
        x, y = pictures.take(rows)
        sources = (len(pictures) * noise.rand("sources", (size, PIECES)).double()).long()
        cut = ((base.side - piece + 1) * noise.rand("cuts", (size, 2, PIECES)).double()).long()
        laid = ((side - piece + 1) * noise.rand("pieces", (size, PIECES, 2)).double()).long()
        pieces = pictures.cut(sources, cut.mT, piece)
        return Split(scatter_pieces(paste(x, places(noise, size), side), pieces, laid), y)

    splits = splits_of(name, base, example, seed)
    truth: dict[str, Float[Tensor, "n 2"]] = {
        f"{split}/place": places(held(name, seed, split), len(part)) - (side - base.side) / 2
        for split, part in splits.items()
        if split != "train"
    }
    return Task(splits, guessing(splits["test"]), {"classes": base.classes}, truth)
