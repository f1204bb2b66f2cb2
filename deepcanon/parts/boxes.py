"""Boxes in pictures: overlap, suppression of duplicates, average precision, and sizes of anchors.

Papers: Everingham et al. 2010, "The Pascal Visual Object Classes (VOC) Challenge", sections 4.1 and 4.2, with the
all-point rule of its later releases; Lin et al. 2014, "Microsoft COCO" (arXiv:1405.0312) for the thresholds 0.5 to
0.95; Redmon and Farhadi 2016, "YOLO9000" (arXiv:1612.08242), section 2, for anchors by k-means.

A box is (left, top, right, bottom) in pixels, with right > left and bottom > top. D detections of one class, best
first, T true boxes.

    iou(a, b)  = area of a and b / area of a or b                                                 (1)
    keep i     if iou(i, k) <= threshold for every kept k of its class with a better score        (2)
    hit of i   = 1 if the true box of its picture with the largest iou has iou >= threshold, and no better i took it (3)
    precision_k = sum_{i <= k} hit_i / k,   recall_k = sum_{i <= k} hit_i / T                     (4)
    AP         = sum_k (recall_k - recall_{k-1}) max_{j >= k} precision_j                         (5)

Departure: only the thresholds are COCO's. Its own evaluation gives a detection the best true box that is still free,
and reads the precision at 101 recalls; (3) and (5) are those of VOC.

    >>> import torch
    >>> from deepcanon.parts.boxes import iou
    >>> iou(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 2.0]]))
    tensor([[0.3333]])
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["Boxes", "anchor_sizes", "average_precision", "hits", "iou", "mean_average_precision", "unrivalled"]

PAIRS = 2**18  # of boxes that are compared at once: their overlaps stay in the cache
COCO = tuple(0.5 + 0.05 * step for step in range(10))


class Boxes(NamedTuple):
    """Boxes of one picture: [N, 4], their classes [N], and of detections their scores [N]."""

    boxes: Tensor
    classes: Tensor
    scores: Tensor | None = None


def iou(a: Float[Tensor, "*batch n 4"], b: Float[Tensor, "*batch m 4"]) -> Float[Tensor, "*batch n m"]:
    """Equation (1) of each pair; 0 where both boxes are empty."""
    if a.shape[-1] != 4 or b.shape[-1] != 4:
        raise ValueError(f"boxes are [..., 4], got {tuple(a.shape)} and {tuple(b.shape)}")
    (left, top, right, bottom), other = a[..., :, None, :].unbind(-1), b[..., None, :, :].unbind(-1)
    width = (torch.minimum(right, other[2]) - torch.maximum(left, other[0])).clamp_min(0)
    height = (torch.minimum(bottom, other[3]) - torch.maximum(top, other[1])).clamp_min(0)
    both = width * height
    either = (right - left) * (bottom - top) + (other[2] - other[0]) * (other[3] - other[1]) - both
    return torch.where(either > 0, both / either.clamp_min(1e-30), torch.zeros_like(both))  # (1)


def unrivalled(
    boxes: Float[Tensor, "n 4"], classes: Int[Tensor, "n"], pictures: Int[Tensor, "n"], threshold: float = 0.5
) -> Bool[Tensor, "n"]:
    """Equation (2) in several pictures at once: which boxes are kept.

    Args:
        pictures: of which picture each box is. Boxes lie picture by picture, those of one best first.
    """
    counts = pictures.bincount()
    rank = torch.arange(len(pictures), device=pictures.device) - (counts.cumsum(0) - counts)[pictures]
    kept, sizes = torch.zeros_like(pictures, dtype=torch.bool), counts.tolist()
    rest = sorted((picture for picture, size in enumerate(sizes) if size), key=sizes.__getitem__)
    while rest:  # pictures of similar numbers of boxes
        wide = sizes[rest[-1]]
        some = torch.tensor(rest[-max(1, PAIRS // wide**2) :], device=pictures.device)
        rest = rest[: -len(some)]
        row = torch.full_like(counts, -1).index_copy_(0, some, torch.arange(len(some), device=some.device))[pictures]
        mine = row >= 0
        where = row[mine], rank[mine]
        room, labels = boxes.new_zeros(len(some), wide, 4), classes.new_full((len(some), wide), -1)
        room[where], labels[where] = boxes[mine], classes[mine]
        kept[mine] = _unrivalled(room, labels, threshold).to(kept.device)[where]
    return kept


def _unrivalled(boxes: Float[Tensor, "batch n 4"], classes: Int[Tensor, "batch n"], threshold: float) -> Tensor:
    """The same of rows of equal length; what is of a class below 0 fills a row up."""
    same = classes[:, :, None] == classes[:, None, :]
    rivals = ((iou(boxes, boxes) > threshold) & same).cpu().numpy()
    left = (classes >= 0).cpu().numpy()
    for place in range(left.shape[1]):
        left[:, place + 1 :] &= ~(rivals[:, place, place + 1 :] & left[:, place, None])
    return torch.from_numpy(left)


def hits(
    found: Sequence[Boxes], true: Sequence[Boxes], label: int, thresholds: Sequence[float],
    overlaps: Sequence[Tensor] | None = None,
) -> tuple[Tensor, int]:  # fmt: skip
    """Equation (3) for the class `label` over all pictures: [thresholds, D] best first, and T.

    Args:
        overlaps: of each picture, equation (1) of all found boxes and all true ones, if they are computed already.
    """
    overlaps = _overlaps(found, true) if overlaps is None else overlaps
    rows: list[tuple[float, int, float, int]] = []  # score, picture, largest overlap, with which true box
    total, least = 0, min(thresholds, default=1.0)
    for picture, (ours, theirs, overlap) in enumerate(zip(found, true, overlaps, strict=True)):
        assert ours.scores is not None  # noqa: S101
        mine, wanted = ours.classes == label, theirs.classes == label
        count, scores = int(wanted.sum()), ours.scores[mine].tolist()
        total += count
        if scores:
            both = overlap[mine][:, wanted] if count else torch.full((len(scores), 1), -1.0)
            best, which = (one.tolist() for one in both.max(1))
            rows += zip(scores, [picture] * len(scores), best, which, strict=True)
    rows.sort(key=lambda row: -row[0])
    hit = torch.zeros(len(thresholds), len(rows), dtype=torch.bool)
    taken: list[set[tuple[int, int]]] = [set() for _ in thresholds]
    for k, (_, picture, most, place) in enumerate(rows):
        if most >= least:
            for row, threshold in enumerate(thresholds):
                if most >= threshold and (picture, place) not in taken[row]:
                    taken[row].add((picture, place))
                    hit[row, k] = True
    return hit, total


def _overlaps(found: Sequence[Boxes], true: Sequence[Boxes]) -> list[Tensor]:
    return [iou(ours.boxes.double(), theirs.boxes.double()) for ours, theirs in zip(found, true, strict=True)]


def average_precision(hit: Bool[Tensor, "*batch d"], total: int) -> Float[Tensor, "*batch"]:
    """Equations (4) and (5) of detections in the order of their scores; NaN where there are no true boxes."""
    if not total:
        return torch.full(hit.shape[:-1], torch.nan, dtype=torch.float64)
    right = hit.double()
    precision = right.cumsum(-1) / torch.arange(1, hit.shape[-1] + 1)  # (4)
    largest = precision.flip(-1).cummax(-1).values.flip(-1) if hit.shape[-1] else precision
    return (right * largest).sum(-1) / total  # (5): recall rises by 1 / T at every hit


def mean_average_precision(found: Sequence[Boxes], true: Sequence[Boxes], classes: int) -> dict[str, float]:
    """AP at 0.5 ("ap50") and the mean over 0.5, 0.55, ..., 0.95 ("ap"), each the mean over classes that occur."""
    overlaps = _overlaps(found, true)
    each = torch.stack([average_precision(*hits(found, true, label, COCO, overlaps)) for label in range(classes)])
    return {"ap50": each[:, 0].nanmean().item(), "ap": each.mean(1).nanmean().item()}


def anchor_sizes(sizes: Float[Tensor, "n 2"], count: int, rounds: int = 50) -> Float[Tensor, "count 2"]:
    """Widths and heights of `count` boxes near those of the data: k-means with the distance 1 - iou, sorted by area.

    Begins with quantiles of the areas; at most as many as there are different sizes.
    """
    ordered = sizes[(sizes.prod(1)).argsort()].double()
    places = ((torch.arange(count) + 0.5) / count * len(ordered)).long()
    centres = ordered[places].unique(dim=0)
    corners = torch.cat([torch.zeros_like(ordered), ordered], 1)
    for _ in range(rounds):
        nearest = iou(corners, torch.cat([torch.zeros_like(centres), centres], 1)).argmax(1)
        moved = torch.stack([
            ordered[nearest == place].mean(0) if bool((nearest == place).any()) else centre
            for place, centre in enumerate(centres)
        ])  # fmt: skip
        if torch.equal(moved, centres):
            break
        centres = moved
    return centres[centres.prod(1).argsort()].float()
