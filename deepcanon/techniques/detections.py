"""Boxes that a detector found and true ones, as records for people, as figures and for measuring."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from deepcanon.parts.boxes import Boxes

__all__ = ["as_answers", "as_frames", "true_boxes"]


def true_boxes(y: Tensor) -> list[Boxes]:
    """The boxes of each picture of a split, y [N, M, 5] (see `data.boxes`)."""
    return [Boxes(row[row[:, 0] >= 0, 1:], row[row[:, 0] >= 0, 0].long()) for row in y.cpu()]


def as_answers(found: Sequence[Boxes], names: Sequence[str]) -> list[dict[str, Any]]:
    """A record for each picture: its boxes, best first, with label, score and place in pixels."""
    answers = []
    for boxes, labels, scores in found:
        rows = zip(boxes.tolist(), labels.tolist(), [] if scores is None else scores.tolist(), strict=True)
        listed = [
            {
                "label": names[label], "score": score, "x": left, "y": top, "width": right - left,
                "height": bottom - top,
            }
            for (left, top, right, bottom), label, score in rows
        ]  # fmt: skip
        answers.append({"boxes": listed})
    return answers


def as_frames(found: Sequence[Boxes], names: Sequence[str]) -> tuple[Tensor, list[str]]:
    """Rows [N, 5] (place of the picture, corners) of all boxes, and the words for each: class, and score if any."""
    rows, words = [torch.zeros(0, 5)], []
    for place, (boxes, labels, scores) in enumerate(found):
        rows.append(torch.cat([torch.full((len(boxes), 1), float(place)), boxes.float()], 1))
        for number, label in enumerate(labels.tolist()):
            words.append(names[label] + ("" if scores is None else f" {100 * float(scores[number]):.0f} %"))
    return torch.cat(rows), words
