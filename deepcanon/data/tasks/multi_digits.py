"""Multi-digits: a picture of a base set over one of another class, both to be named.

MultiMNIST of Sabour, Frosst and Hinton 2017 (arXiv:1710.09829), section 6: a digit of MNIST (`--base mnist`) over one
of ANOTHER class, each moved by up to 4 pixels in both directions on 36 x 36, the sum of both clipped at 255; their
boxes overlap by 80 % on average. Without a choice the letters, which need no network. The second picture is any of
another class, each as likely as the others. Lengths are in proportion for pictures that are not of 28 pixels.

The class of an example is the SET of its two classes, "3+5" say: 45 of ten. Whoever names it has named both, so that
the accuracy is the share of examples with both classes right and nothing else. `facts["members"]` has the two classes
of each set, `parts` of a split the two pictures alone, each where it lies.

Departure: validation and test show each picture of the base's own split once as the first of a pair, the paper a
thousand times.

>>> from deepcanon.data.tasks.multi_digits import pairs
>>> pairs(3)
[(0, 1), (0, 2), (1, 2)]
"""

import itertools
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from ..drawn import Noise
from ..known import Known
from ..splits import Split
from . import Task
from ._placed import Pictures, base_set, canvas_side, in_proportion, offsets, paste, splits_of

__all__ = ["KIND", "draw", "likeliest", "pairs", "partners"]

KIND = "images"
SIDE, MOVE = 36, 4
REASON = ("the most frequent set of two", "")


def pairs(classes: int) -> list[tuple[int, int]]:
    """Every set of two classes, smaller one first."""
    return list(itertools.combinations(range(classes), 2))


def partners(y: Int[Tensor, "batch"], shares: Tensor, order: Int[Tensor, "n"], counts: Tensor) -> Int[Tensor, "batch"]:
    """Rows of examples of other classes, each equally likely.

    Args:
        y: classes of the first ones.
        shares: [batch] uniform numbers in [0, 1).
        order: rows of all examples, sorted by class.
        counts: [K] how many there are of each class.
    """
    ends = counts.cumsum(0)
    chosen = (shares.double() * (len(order) - counts[y])).long()
    own = ends[y] - counts[y]  # where the block of the own class begins, which is stepped over
    return order[torch.where(chosen < own, chosen, chosen + counts[y])]


def likeliest(counts: Int[Tensor, "classes"]) -> float:
    """The probability of the most frequent set, with so many pictures of each class."""
    n = counts.double()
    ordered = n[:, None] * n / (n.sum() * (n.sum() - n[:, None]))  # first of a, second of b
    return (ordered + ordered.T).fill_diagonal_(0).max().item()


def draw(seed: int, options: dict[str, Any]) -> Task:
    """Such pictures without end; each held-out and each test picture once as the first of a pair."""
    name, base = "multi-digits", base_set(seed, options)
    side, move = canvas_side(name, base, SIDE, options), in_proportion(MOVE, base)
    move = min(move, (side - base.side) // 2)
    sets, count = pairs(len(base.classes)), len(base.classes)
    number = torch.zeros(count, count, dtype=torch.long)
    for place, (a, b) in enumerate(sets):
        number[a, b] = number[b, a] = place
    sorted_rows = {id(p): (p.y.argsort(stable=True), p.y.bincount(minlength=count)) for p in base.splits.values()}

    def example(noise: Noise, size: int, pictures: Pictures, rows: Int[Tensor, "batch"]) -> Split:
        shares = noise.rand("partner", (size,))
        order, counts = (one.to(rows.device) for one in sorted_rows[id(pictures)])
        first, y = pictures.take(rows)
        second, other = pictures.take(partners(y, shares, order, counts))
        corner = (side - base.side) // 2 - move
        places = [corner + offsets(noise, stream, size, 2 * move) for stream in ("first", "second")]
        alone = torch.stack([paste(x, at, side) for x, at in zip((first, second), places, strict=True)], 1)
        x = alone.short().sum(1).clamp_max(255).to(torch.uint8)
        # the parts stand in the order of the set's classes
        swapped = (y > other)[:, None, None, None, None]
        parts = torch.where(swapped, alone.flip(1), alone)
        return Split(x, number.to(rows.device)[y, other], parts=parts)

    splits = splits_of(name, base, example, seed)
    names = [f"{base.classes[a]}+{base.classes[b]}" for a, b in sets]
    facts = {"classes": names, "members": [list(pair) for pair in sets], "singles": base.classes}
    floor = 1 - likeliest(sorted_rows[id(base.splits["test"])][1])
    return Task(splits, (Known("error", floor, None, "", REASON),), facts)
