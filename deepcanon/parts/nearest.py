"""The nearest of many points by squared Euclidean distance, exactly: products in float32, distances in float64.

Blocks of rows are multiplied with all points in float32, which orders these by |p|^2 - 2 q.p but for rounding. Of each
row `SPARE` more than wanted are measured again as sum (q - p)^2 in float64. A row's answer stands if its farthest kept
point is nearer than all points that were left out can be, given the bound on the rounding of a product; any other
row is computed again in float64. Memory is that of a block and one float32 copy of the points.

>>> import torch
>>> from deepcanon.parts.nearest import nearest
>>> found = nearest(torch.tensor([[0.0], [5.0]]), torch.tensor([[1.0], [7.0], [-3.0]]), 2)
>>> found.which.tolist(), found.distance.tolist()
([[0, 2], [1, 0]], [[1.0, 9.0], [4.0, 16.0]])
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Nearest", "nearest"]

ENTRIES = 1 << 23
"""Distances in a block of rows: 32 MB."""
GATHERED = 1 << 21
"""Numbers that are gathered at once to be measured again: 16 MB."""
SPARE = 8
GROUP = 16
"""Points whose smallest distance stands for them: fewer are then compared."""


class Nearest(NamedTuple):
    """The places of the nearest points, nearest first, and their squared distances in float64."""

    which: Int[Tensor, "rows kept"]
    distance: Float[Tensor, "rows kept"]


def nearest(
    queries: Float[Tensor, "rows features"],
    points: Float[Tensor, "points features"],
    kept: int,
    *,
    others: bool = False,
) -> Nearest:
    """The `kept` nearest points of each query; with `others` queries are the points, and none is its own neighbour.

    Raises:
        ValueError: the shapes do not fit, or there are not so many points.
    """
    if queries.ndim != 2 or points.ndim != 2 or queries.shape[1] != points.shape[1]:
        raise ValueError(f"points {tuple(queries.shape)} and {tuple(points.shape)} lie in different spaces")
    if others and len(queries) != len(points):
        raise ValueError(f"{len(queries)} rows are not the {len(points)} points themselves")
    if not 1 <= kept <= len(points) - others:
        raise ValueError(
            f"{kept} neighbours do not lie in 1..{len(points) - others}, the number of points to choose from"
        )
    count, features = points.shape
    centre = points.mean(0, dtype=torch.float64)
    near = torch.empty(count, features, dtype=torch.float32, device=points.device)
    for part, block in zip(near.split(4096), points.split(4096), strict=True):
        part.copy_(block.double() - centre)
    squares = torch.linalg.vecdot(near, near)
    tried = min(kept + SPARE, count - others)
    rows = max(1, ENTRIES // count)
    width = GROUP * -(-count // GROUP)
    room = torch.full((min(rows, len(queries)), width), torch.inf, device=points.device)  # past the points: never near
    which = torch.empty(len(queries), kept, dtype=torch.int64, device=points.device)
    distance = torch.empty(len(queries), kept, dtype=torch.float64, device=points.device)
    for start in range(0, len(queries), rows):
        own = torch.arange(start, min(start + rows, len(queries)), device=points.device)
        q = (queries[own].double() - centre).float()
        scores = room[: len(own)]
        torch.addmm(squares, q, near.mT, alpha=-2, out=scores[:, :count])
        if others:
            scores[own - start, own] = torch.inf
        scored, candidates = _smallest(scores, tried)
        bound = scored.amax(1).double()
        which[own], distance[own] = _measured(queries[own], points, candidates.clamp_max(count - 1), kept)
        norms = torch.linalg.vecdot(q, q).double()
        rounding = (features + 8) * 2.0**-24 * (norms.sqrt() + squares.max().double().sqrt()).square()
        sure = bound.isfinite()
        if tried < count - others:
            sure &= distance[own, -1] < bound + norms - rounding
        for again in own[~sure].split(max(1, rows // 2)) if not bool(sure.all()) else ():
            which[again], distance[again] = _in_double(queries, points, centre, again, kept, tried, others)
    return Nearest(which, distance)


def _smallest(scores: Tensor, tried: int) -> tuple[Tensor, Tensor]:
    """`scores.topk(tried, largest=False)`, unsorted: those lie in the groups that have the smallest minima."""
    groups = scores.shape[1] // GROUP
    if groups < 2 * tried:
        return scores.topk(tried, largest=False, sorted=False)
    least = scores.view(len(scores), GROUP, groups).amin(1)
    chosen = least.topk(tried, largest=False, sorted=False).indices
    members = (chosen[:, None] + groups * torch.arange(GROUP, device=scores.device)[:, None]).flatten(1)
    values, places = scores.gather(1, members).topk(tried, largest=False, sorted=False)
    return values, members.gather(1, places)


def _measured(queries: Tensor, points: Tensor, candidates: Tensor, kept: int) -> tuple[Tensor, Tensor]:
    """The nearest `kept` of each row's candidates by their distance in float64; of equal ones the first point."""
    candidates = candidates.sort(1).values
    size = max(1, GATHERED // (candidates.shape[1] * points.shape[1]))
    distances = torch.empty(candidates.shape, dtype=torch.float64, device=points.device)
    for q, tried, into in zip(queries.split(size), candidates.split(size), distances.split(size), strict=True):
        gaps = (
            points.index_select(0, tried.flatten()).view(*tried.shape, points.shape[1]).double() - q.double()[:, None]
        )
        torch.linalg.vecdot(gaps, gaps, out=into)
    order = distances.argsort(dim=1, stable=True)[:, :kept]
    return candidates.gather(1, order), distances.gather(1, order)


def _in_double(
    queries: Tensor, points: Tensor, centre: Tensor, own: Tensor, kept: int, tried: int, others: bool
) -> tuple[Tensor, Tensor]:
    """Rows whose order in float32 is not sure."""
    centred = points.double() - centre
    scores = torch.addmm(centred.square().sum(1), queries[own].double() - centre, centred.mT, alpha=-2)
    if others:
        scores[torch.arange(len(own), device=own.device), own] = torch.inf
    return _measured(queries[own], points, scores.topk(tried, largest=False, sorted=False).indices, kept)
