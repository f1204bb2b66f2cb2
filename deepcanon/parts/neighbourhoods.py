"""What a map keeps of the neighbourhoods of its points: the class of the nearest one, and trustworthiness.

>>> import torch
>>> from deepcanon.parts.neighbourhoods import neighbour_accuracy, trustworthiness
>>> x = torch.tensor([[0.0], [1.0], [5.0], [7.0], [20.0]])
>>> float(trustworthiness(x, x, 1)), float(neighbour_accuracy(x, torch.tensor([0, 0, 1, 1, 0])))
(1.0, 0.800000011920929)
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["neighbour_accuracy", "squared_distances", "trustworthiness"]

ENTRIES = 1 << 18
"""Distances in a block of rows, as long as it has `ROWS` of them: it stays in the cache."""
ROWS, COLUMNS = 64, 4096


def squared_distances(x: Float[Tensor, "rows features"], y: Float[Tensor, "points features"]) -> Tensor:
    """|x_i - y_j|^2, never negative."""
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"points {tuple(x.shape)} and {tuple(y.shape)} lie in different spaces")
    squares = x.square().sum(1)[:, None] + y.square().sum(1)
    return torch.addmm(squares, x, y.mT, alpha=-2).clamp_min(0)


def neighbour_accuracy(
    y: Float[Tensor, "points dims"], labels: Int[Tensor, "points"], rows: Int[Tensor, "sample"] | None = None
) -> Float[Tensor, ""]:
    """The share of points, or of those in `rows`, whose nearest other point has their label."""
    if len(labels) != len(y) or len(y) < 2:
        raise ValueError(f"{len(labels)} labels do not fit points {tuple(y.shape)}")
    rows = torch.arange(len(y), device=y.device) if rows is None else rows
    hits = y.new_zeros(())
    for own in _blocks(rows, len(y)):
        distance = _to_all(y, own)
        distance[torch.arange(len(own), device=y.device), own] = torch.inf
        hits = hits + (labels[distance.argmin(1)] == labels[own]).sum()
    return hits / len(rows)


def trustworthiness(
    x: Float[Tensor, "points features"],
    y: Float[Tensor, "points dims"],
    neighbours: int = 5,
    rows: Int[Tensor, "sample"] | None = None,
) -> Float[Tensor, ""]:
    """1 less a penalty for each neighbour in the map by its rank in the list of neighbours in the data.

    Venna and Kaski 2001: 1 - 2 / (N k (2N - 3k - 1)) sum over the k nearest in the map of max(0, rank in the data - k).
    With `rows` the mean penalty of these points stands for that of all.
    """
    count = len(x)
    if len(y) != count or not 1 <= neighbours < count / 2:
        raise ValueError(f"{neighbours} neighbours do not fit {count} and {len(y)} points: fewer than half of them")
    rows = torch.arange(count, device=x.device) if rows is None else rows
    penalty, places = torch.zeros((), dtype=torch.float64, device=x.device), torch.arange(count, device=x.device)
    for own in _blocks(rows, count):
        line = torch.arange(len(own), device=x.device)
        here, there = _to_all(x, own), _to_all(y, own)
        here[line, own], there[line, own] = -1.0, torch.inf  # rank 0 is the point itself
        for near in there.topk(neighbours, largest=False).indices.unbind(1):
            mine = here[line, near][:, None]
            rank = (here < mine).sum(1) + ((here == mine) & (places < near[:, None])).sum(1)
            penalty = penalty + (rank - neighbours).clamp_min(0).sum()
    return 1 - 2 / (len(rows) * neighbours * (2 * count - 3 * neighbours - 1)) * penalty


def _blocks(rows: Tensor, count: int) -> tuple[Tensor, ...]:
    return rows.split(max(ROWS, ENTRIES // count))


def _to_all(x: Tensor, own: Tensor) -> Tensor:
    """Squared distances of some points to all, in float64; all points are never copied at once."""
    mine = x[own].double()
    return torch.cat([squared_distances(mine, part.double()) for part in x.split(COLUMNS)], 1)
