"""What the generated sets of points share: points drawn uniformly in the unit square, and the exact solution of each.

All sets of a batch have one size, drawn between the two of the options, so that nothing in it is padded.
"""

from collections.abc import Sequence
from typing import Any

import torch

from ..drawn import DrawnSplit, Noise, Streams, Substreams
from ..errors import DataError, Problem
from ..known import Known
from ..point_sets import packed, solved
from ..splits import Split
from . import Task

__all__ = ["point_sets"]

PASS, MEASURED = 1200, 1200


def sizes_of(options: dict[str, Any], fewest: int, most: int, limit: int) -> range:
    """The sizes that the options `fewest` and `most` ask for."""
    low, high = options.get("fewest") or fewest, options.get("most") or most
    if not 3 <= low <= high <= limit:
        what = f"--fewest {low} and --most {high} are not sizes of sets"
        raise DataError(Problem("", "", what, f"give 3 or more, at most {limit}, in rising order", skippable=False))
    return range(low, high + 1)


def point_sets(
    problem: str, seed: int, sizes: Sequence[int], known: tuple[Known, ...], beyond: Sequence[int] = ()
) -> Task:
    """Sets without end, each batch of one size; held out are equally many of each size, in the test `beyond` too."""

    def batch(noise: Noise, size: int, points: int) -> Split:
        rows = torch.rand(size, points, 2, generator=noise.generator("points"), dtype=torch.float64)[noise.rows(size)]
        return Split(rows.float(), torch.from_numpy(solved(rows.float().double().numpy(), problem)))

    def draw(noise: Noise, size: int) -> Split:
        place = torch.randint(len(sizes), (1,), generator=noise.generator("size")).item()
        return batch(noise, size, sizes[int(place)])

    def some(split: str, count: int, more: Sequence[int] = ()) -> Split:
        sets = []
        for points in (*sizes, *more):
            source = Substreams(Streams(seed), f"{problem}/{split}/{points}")
            sets += [*batch(source, max(2, count // len(sizes)), points).x.double().numpy()]
        return packed(sets, problem)

    train = some("train", PASS)
    splits: dict[str, Split] = {"train": DrawnSplit(train.x, train.y, draw=draw)}
    splits |= {"valid": some("valid", MEASURED), "test": some("test", MEASURED, beyond)}
    told = tuple(f"the test has sets of {points} points too" for points in beyond)
    return Task(splits, known, {"problem": problem}, told=told)
