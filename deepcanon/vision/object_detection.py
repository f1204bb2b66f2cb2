"""One-stage object detection: classes and boxes at every anchor of a grid, in one pass.

Papers: Redmon et al. 2015, "You Only Look Once" (arXiv:1506.02640); Liu et al. 2015, "SSD" (arXiv:1512.02325), sections
2.1 and 2.2, for anchors, the matching and the offsets; Lin et al. 2017, "Focal Loss" (arXiv:1708.02002), equation (5).

B pictures, A anchors a cell, cells of s x s pixels, P = cells * A, K classes, G true boxes a picture, corners (left,
top, right, bottom) in pixels; an anchor has centre (cx, cy) and size (w, h).

    match[p] = g          if anchor p has the largest iou with g of all anchors: the one responsible anchor,   (1)
                          or if g has the largest iou with p of all boxes, and that is >= 0.5
             = none       if that is < 0.4; in between the anchor has no part in the loss
    t[p]     = ((gx - cx) / w, (gy - cy) / h, log gw / w, log gh / h)      offsets of a box from its anchor    (2)
    focal(z, y) = -alpha_y (1 - q)^2 log q,   q the probability of y under sigmoid(z), alpha = 1/4 for y = 1   (3)
    loss     = [sum_p sum_k focal(z[p,k], [match has class k]) + sum_matched smooth_l1(o[p] - t[p])] / B       (4)

The anchor that is responsible for a box that overlaps none is the nearest one; of several boxes of one responsible
anchor it takes the last.

Departures from the papers: a small network (3 x 3 convolutions with batch normalisation and overlapping pooling, one
grid of cells); one sigmoid for each class instead of a softmax with background; anchors from the sizes in the data
(`parts.boxes.anchor_sizes`); SSD mines negatives, (3) weighs them; (4) is the mean over pictures instead of matched
anchors, so that it does not depend on how a batch is divided over processes.

    >>> import torch
    >>> from deepcanon.vision import OneStageDetector
    >>> net = OneStageDetector(1, 10, anchors=3)
    >>> [tuple(one.shape) for one in net(torch.zeros(2, 1, 64, 64))]
    [(2, 192, 10), (2, 192, 4)]
"""

import itertools
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from deepcanon.parts.boxes import Boxes, iou, unrivalled
from deepcanon.parts.convolution_unit import ConvolutionUnit

__all__ = [
    "Detections",
    "OneStageDetector",
    "boxes_and_scores",
    "decode",
    "detection_loss",
    "detections",
    "encode",
    "grid_anchors",
    "match",
]

ENOUGH, TOO_LITTLE = 0.5, 0.4
IGNORED, NONE = -2, -1


class Detections(NamedTuple):
    """Class logits [B, P, K] and offsets [B, P, 4] of every anchor."""

    logits: Tensor
    offsets: Tensor


def grid_anchors(rows: int, columns: int, stride: int, sizes: Float[Tensor, "anchors 2"]) -> Float[Tensor, "places 4"]:
    """Corners of a box of each size (width, height) at the middle of each cell, row by row."""
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    centres = ((torch.stack([x, y], -1) + 0.5) * stride).to(sizes)[:, :, None]
    return torch.cat([centres - sizes / 2, centres + sizes / 2], -1).flatten(0, 2)


def match(
    anchors: Float[Tensor, "places 4"], boxes: Float[Tensor, "batch g 4"], there: Bool[Tensor, "batch g"]
) -> Int[Tensor, "batch places"]:
    """Equation (1): the box of each anchor, NONE or IGNORED; `there` says which boxes exist."""
    overlap = iou(anchors.expand(len(boxes), -1, -1), boxes).masked_fill(~there[:, None], -1.0)
    best, which = overlap.max(2)
    found = torch.where(best >= ENOUGH, which, torch.where(best < TOO_LITTLE, NONE, IGNORED))
    most, responsible = overlap.max(1)  # of each box
    # A box between the anchors of small sizes overlaps none, and the first of equal ones is in a corner.
    centres, own = ((one[..., :2] + one[..., 2:]) / 2 for one in (boxes, anchors))
    nearest = torch.cdist(centres, own.expand(len(boxes), -1, -1).to(centres)).argmin(2)
    responsible = torch.where(most > 0, responsible, nearest)
    number = torch.arange(boxes.shape[1], device=boxes.device).expand_as(responsible)
    # A box that does not exist writes into an extra place, which is left out.
    place = torch.where(there, responsible, len(anchors))
    chosen = torch.full_like(F.pad(found, (0, 1)), NONE).scatter_reduce(1, place, number, "amax")[:, :-1]
    return torch.where(chosen >= 0, chosen, found)


def encode(boxes: Float[Tensor, "... 4"], anchors: Float[Tensor, "... 4"]) -> Float[Tensor, "... 4"]:
    """Equation (2)."""
    size, own = boxes[..., 2:] - boxes[..., :2], anchors[..., 2:] - anchors[..., :2]
    moved = (boxes[..., :2] + size / 2 - anchors[..., :2] - own / 2) / own
    return torch.cat([moved, (size.clamp_min(1e-6) / own).log()], -1)


def decode(offsets: Float[Tensor, "... 4"], anchors: Float[Tensor, "... 4"]) -> Float[Tensor, "... 4"]:
    """The inverse of `encode`; sizes at most e^4 times the anchor's."""
    own = anchors[..., 2:] - anchors[..., :2]
    centre, size = anchors[..., :2] + own / 2 + offsets[..., :2] * own, own * offsets[..., 2:].clamp_max(4).exp()
    return torch.cat([centre - size / 2, centre + size / 2], -1)


def detection_loss(
    found: Detections,
    anchors: Float[Tensor, "places 4"],
    boxes: Float[Tensor, "batch g 4"],
    labels: Int[Tensor, "batch g"],
) -> Tensor:
    """Equation (4); labels below 0 mean that there is no box."""
    matched = match(anchors, boxes, labels >= 0)
    positive, box = matched >= 0, matched.clamp_min(0)
    logits = found.logits.float()
    own = labels.gather(1, box).clamp_min(0)
    wanted = F.one_hot(own, logits.shape[2]).to(logits) * positive[:, :, None]
    right = torch.where(wanted > 0, logits, -logits)
    alpha = torch.where(wanted > 0, 0.25, 0.75)
    focal = -alpha * (-right).sigmoid().square() * F.logsigmoid(right)  # (3)
    counted = (matched != IGNORED)[:, :, None]
    targets = encode(boxes.gather(1, box[:, :, None].expand(-1, -1, 4)), anchors)
    distance = F.smooth_l1_loss(found.offsets.float(), targets, reduction="none", beta=0.1) * positive[:, :, None]
    return ((focal * counted).sum() + distance.sum()) / len(boxes)  # (4)


def boxes_and_scores(
    found: Detections, anchors: Float[Tensor, "places 4"], size: tuple[int, int]
) -> tuple[Float[Tensor, "batch places 4"], Float[Tensor, "batch places classes"]]:
    """The box of every anchor, cut at the borders of pictures of (height, width), and the probability of each class."""
    limits = torch.tensor([size[1], size[0], size[1], size[0]]).to(anchors)
    boxes = decode(found.offsets.to(anchors), anchors).clamp_min(0).minimum(limits)
    return boxes, found.logits.to(anchors).sigmoid()


def detections(
    found: Detections, anchors: Tensor, size: tuple[int, int], *, least: float = 0.05, threshold: float = 0.5,
    most: int = 100,
) -> list[Boxes]:  # fmt: skip
    """Boxes of each picture after suppression, best first, cut at the borders of pictures of (height, width)."""
    every, chances = boxes_and_scores(found, anchors, size)
    picture, place, label = (chances >= least).nonzero(as_tuple=True)
    scores = chances[picture, place, label]
    best = scores.argsort(descending=True, stable=True)
    best = best[picture[best].argsort(stable=True)]  # picture by picture
    best = best[_rank(picture[best]) < 4 * most]
    picture, boxes, label, scores = picture[best], every[picture[best], place[best]], label[best], scores[best]
    kept = unrivalled(boxes, label, picture, threshold).nonzero()[:, 0]
    kept = kept[_rank(picture[kept]) < most]
    counts = picture[kept].bincount(minlength=len(every)).tolist()
    parts = zip(*(one[kept].split(counts) for one in (boxes, label, scores)), strict=True)
    return [Boxes(*part) for part in parts]


def _rank(groups: Int[Tensor, "n"]) -> Int[Tensor, "n"]:
    """The place of each in its own group, which lie one after the other."""
    counts = groups.bincount()
    return torch.arange(len(groups), device=groups.device) - (counts.cumsum(0) - counts)[groups]


class OneStageDetector(nn.Module):
    """Convolutions down to a grid of cells, and two 1 x 1 convolutions for the classes and offsets of its anchors.

    Args:
        in_channels: of the pictures.
        classes: how many there are.
        anchors: boxes at each cell.
        widths: maps of the stem and of each stage; a cell has 2 ** (len(widths) - 1) pixels a side.
    """

    def __init__(
        self, in_channels: int, classes: int, *, anchors: int = 3, widths: tuple[int, ...] = (16, 32, 64, 128),
        device=None, dtype=None,
    ) -> None:  # fmt: skip
        super().__init__()
        made = {"device": device, "dtype": dtype}
        self.in_channels, self.kinds, self.stride = in_channels, classes, 2 ** (len(widths) - 1)
        self.stem = ConvolutionUnit(in_channels, widths[0], 3, batch_norm=True, **made)
        self.stages = nn.ModuleList(
            ConvolutionUnit(fewer, more, 3, batch_norm=True, **made) for fewer, more in itertools.pairwise(widths)
        )
        self.neck = ConvolutionUnit(widths[-1], widths[-1], 3, batch_norm=True, **made)
        self.classes = nn.Conv2d(widths[-1], anchors * classes, 1, **made)
        self.offsets = nn.Conv2d(widths[-1], anchors * 4, 1, **made)
        with torch.no_grad():
            self.classes.weight.mul_(0.1)
            self.classes.bias.fill_(-math.log(99))  # every class begins at a probability of 1 %, as in Lin et al.

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Detections:
        """Logits and offsets of every anchor, in the order of `grid_anchors`."""
        if images.ndim != 4 or images.shape[1] != self.in_channels or min(images.shape[2:]) < self.stride:
            wanted = f"[batch, {self.in_channels}, height, width] of {self.stride} pixels and more"
            raise ValueError(f"expected {wanted}, got {tuple(images.shape)}")
        maps = self.stem(images)
        for stage in self.stages:
            maps = stage(F.max_pool2d(maps, 3, 2, ceil_mode=True))
        maps = self.neck(maps)
        logits = self.classes(maps).permute(0, 2, 3, 1).reshape(maps.shape[0], -1, self.kinds)
        return Detections(logits, self.offsets(maps).permute(0, 2, 3, 1).reshape(maps.shape[0], -1, 4))

    def grid(self, size: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of cells for pictures of (height, width).

        Raises:
            ValueError: they are smaller than a cell.
        """
        height, width = size
        if min(size) < self.stride:
            remedy = f"give --size {self.stride} or more, or fewer --widths"
            raise ValueError(f"pictures of {width}x{height} are smaller than a cell of {self.stride} pixels: {remedy}")
        for _ in self.stages:
            height, width = -(-(height - 1) // 2), -(-(width - 1) // 2)
        return max(1, height), max(1, width)
