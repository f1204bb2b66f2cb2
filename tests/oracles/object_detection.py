"""Detection in NumPy float64 by brute force: overlap by counting cells, suppression and precision one box at a time."""

import numpy as np
from oracles.inception import unit
from oracles.network_in_network import overlapping_maxima


def counted_iou(a, b, side):
    """Of two boxes with whole corners: unit cells in both over cells in either."""

    def cells(box):
        grid = np.zeros((side, side), bool)
        left, top, right, bottom = map(int, box)
        grid[top:bottom, left:right] = True
        return grid

    both, either = (cells(a) & cells(b)).sum(), (cells(a) | cells(b)).sum()
    return both / either if either else 0.0


def iou(a, b):
    out = np.zeros((len(a), len(b)))
    for i, (l1, t1, r1, b1) in enumerate(a):
        for j, (l2, t2, r2, b2) in enumerate(b):
            both = max(0.0, min(r1, r2) - max(l1, l2)) * max(0.0, min(b1, b2) - max(t1, t2))
            either = (r1 - l1) * (b1 - t1) + (r2 - l2) * (b2 - t2) - both
            out[i, j] = both / either if either > 0 else 0.0
    return out


def suppressed(boxes, scores, classes, threshold):
    """Places that are kept, best first: none overlaps a better kept one of its class by more than the threshold."""
    kept = []
    for place in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        rivals = [k for k in kept if classes[k] == classes[place]]
        if all(iou(boxes[place : place + 1], boxes[k : k + 1])[0, 0] <= threshold for k in rivals):
            kept.append(place)
    return kept


def hits(found, scores, pictures, truth, where, threshold):
    """Of one class: whether each detection, best first, takes a true box of its picture that no better one took."""
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    taken, out = set(), []
    for place in order:
        best, which = threshold, None
        for t in range(len(truth)):
            if where[t] == pictures[place]:
                overlap = iou(found[place : place + 1], truth[t : t + 1])[0, 0]
                if overlap >= best and (which is None or overlap > best):
                    best, which = overlap, t
        out.append(which is not None and which not in taken)
        if which is not None:
            taken.add(which)
    return out


def average_precision(right, total):
    """All-point rule: the area under the largest precision at this recall or more, summed over all recalls."""
    if not total:
        return float("nan")
    points = []
    for k in range(1, len(right) + 1):
        true = sum(right[:k])
        points.append((true / total, true / k))
    area = 0.0
    for step in range(1, total + 1):
        reached = [precision for recall, precision in points if recall >= step / total - 1e-12]
        area += max(reached, default=0.0) / total
    return area


def detector(params, images):
    """Class logits [B, cells * A, K] and offsets [B, cells * A, 4]."""
    maps, stage = unit(params, "stem", images), 0
    while f"stages.{stage}.convolution.weight" in params:
        maps = unit(params, f"stages.{stage}", overlapping_maxima(maps))
        stage += 1
    maps = unit(params, "neck", maps)
    batch, _, height, width = maps.shape
    heads = []
    for name, columns in (("classes", None), ("offsets", 4)):
        weight, bias = params[f"{name}.weight"], params[f"{name}.bias"]
        out = np.einsum("bchw,nc->bhwn", maps, weight[:, :, 0, 0]) + bias
        anchors = len(params["offsets.bias"]) // 4
        heads.append(out.reshape(batch, height * width * anchors, columns or len(bias) // anchors))
    return heads
